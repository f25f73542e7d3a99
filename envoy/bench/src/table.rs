//! The table of a setting.

use crate::contender::Contender;
use crate::matrix::{Sample, cpu};
use crate::ratio::Spread;
use crate::setting::Setting;
use std::fmt::Write;

/// A row for each contender.
pub(crate) fn of_setting(setting: Setting, samples: &[Sample]) -> String {
    let mut text = format!("\n{setting}: workers-headers-method; medians, quartiles of ratios in brackets\n");
    // Writing to a string can't fail.
    let _ = writeln!(
        text,
        "{:<38} {:>9} {:>22} {:>22} {:>22} {:>9} {:>9} {:>9}",
        "", "µs CPU", "x no filter", "x empty", "x floor", "p50", "p99", "req/s"
    );
    for contender in Contender::ALL {
        let these = cpu(samples, setting, contender);
        let Some(spread) = Spread::of(these.iter().copied()) else {
            continue;
        };
        let ratio = |other| {
            Spread::of_ratios(&these, &cpu(samples, setting, other)).map_or_else(String::new, |ratio| ratio.to_string())
        };
        let seen = |what: fn(&Sample) -> f64| {
            let own = samples.iter().filter(|sample| sample.contender == contender);
            Spread::of(own.map(what)).map_or(0.0, |spread| spread.median)
        };
        let _ = writeln!(
            text,
            "{:<38} {:>9.1} {:>22} {:>22} {:>22} {:>6.2} ms {:>6.2} ms {:>9.0}",
            contender.what(),
            spread.median,
            ratio(Contender::Nothing),
            ratio(Contender::Empty),
            ratio(Contender::Floor),
            seen(|sample| sample.seen.p50.as_secs_f64() * 1e3),
            seen(|sample| sample.seen.p99.as_secs_f64() * 1e3),
            seen(|sample| sample.seen.requests as f64),
        );
    }
    text
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&format!("{:.3} [{:.3} {:.3}]", self.median, self.low, self.high))
    }
}
