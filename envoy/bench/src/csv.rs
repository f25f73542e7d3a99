//! All figures, for other programs.

use crate::growth::Dimension;
use crate::instructions::Count;
use crate::matrix::Sample;
use crate::memory::{Course, Starts};
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

/// A row for each count.
pub(crate) fn instructions(path: &Path, counts: &[Count]) -> io::Result<()> {
    let mut text = "setting,contender,instructions_per_request\n".to_owned();
    for count in counts {
        // Writing to a string can't fail.
        let _ = writeln!(
            text,
            "{},{},{:.0}",
            count.setting,
            count.contender.name(),
            count.instructions
        );
    }
    fs::write(path, text)
}

/// A row for each look at memory, and for each start.
pub(crate) fn memory(path: &Path, courses: &[Course], starts: &[Starts]) -> io::Result<()> {
    let mut text = "what,contender,nth,workers,requests,value,unit\n".to_owned();
    for course in courses {
        let fresh = [(0, course.fresh)];
        for (requests, bytes) in fresh.iter().chain(&course.marks) {
            // Writing to a string can't fail; nor below.
            let _ = writeln!(
                text,
                "rss_anon,{},{},{},{requests},{bytes},bytes",
                course.contender.name(),
                course.nth,
                course.workers,
            );
        }
        for bytes in &course.linear {
            let _ = writeln!(
                text,
                "linear_memory,{},{},{},,{bytes},bytes",
                course.contender.name(),
                course.nth,
                course.workers,
            );
        }
    }
    for start in starts {
        for time in &start.times {
            let _ = writeln!(text, "start,{},,1,,{time:.1},ms", start.contender.name());
        }
    }
    fs::write(path, text)
}

/// A row for each measurement, of both filters.
pub(crate) fn growth(path: &Path, dimensions: &[Dimension]) -> io::Result<()> {
    let mut text = "dimension,x,round,sidestep_us_per_request,floor_us_per_request\n".to_owned();
    for dimension in dimensions {
        for point in &dimension.points {
            for (round, (sidestep, floor)) in point.sidestep.iter().zip(&point.floor).enumerate() {
                let (name, x) = (dimension.name, point.x);
                let _ = writeln!(text, "{name},{x},{},{sidestep:.3},{floor:.3}", round + 1);
            }
        }
    }
    fs::write(path, text)
}
