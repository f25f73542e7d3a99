//! All figures, for other programs.

use crate::matrix::Sample;
use std::fmt::Write;
use std::path::Path;
use std::{fs, io};

/// A row for each measurement.
pub(crate) fn costs(path: &Path, samples: &[Sample]) -> io::Result<()> {
    let mut text = "setting,round,contender,cpu_us_per_request,requests,p50_us,p99_us\n".to_owned();
    for sample in samples {
        let seen = sample.seen;
        // Writing to a string can't fail.
        let _ = writeln!(
            text,
            "{},{},{},{:.3},{},{},{}",
            sample.setting,
            sample.round,
            sample.contender.name(),
            sample.cpu,
            seen.requests,
            seen.p50.as_micros(),
            seen.p99.as_micros(),
        );
    }
    fs::write(path, text)
}
