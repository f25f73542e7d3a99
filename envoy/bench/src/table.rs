//! What is printed.

use crate::contender::Contender;
use crate::growth::Dimension;
use crate::instructions::Count;
use crate::matrix::{Sample, cpu};
use crate::memory::{Course, MARKS, Starts, Verdict};
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
            let own = samples
                .iter()
                .filter(|sample| sample.contender == contender && sample.setting == setting);
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

/// A row for each contender's instructions.
pub(crate) fn of_instructions(setting: Setting, counts: &[Count]) -> String {
    let mut text = format!("\n{setting}: instructions of Envoy for each request\n");
    let of = |contender| {
        let count = counts
            .iter()
            .find(|count| count.setting == setting && count.contender == contender);
        count.map(|count| count.instructions)
    };
    // Writing to a string can't fail; nor below.
    let _ = writeln!(
        text,
        "{:<38} {:>14} {:>12} {:>12} {:>12}",
        "", "instructions", "x no filter", "x empty", "x floor"
    );
    for contender in Contender::ALL {
        let Some(own) = of(contender) else {
            continue;
        };
        let ratio = |other| of(other).map_or_else(String::new, |other| format!("{:.3}", own / other));
        let _ = writeln!(
            text,
            "{:<38} {own:>14.0} {:>12} {:>12} {:>12}",
            contender.what(),
            ratio(Contender::Nothing),
            ratio(Contender::Empty),
            ratio(Contender::Floor),
        );
    }
    text
}

/// A row for each x of a dimension.
pub(crate) fn of_growth(dimension: &Dimension) -> String {
    let mut text = format!("\n{}: medians, quartiles of ratios in brackets\n", dimension.name);
    // Writing to a string can't fail; nor below.
    let _ = writeln!(
        text,
        "{:>22} {:>14} {:>14} {:>22}",
        dimension.unit, "sidestep µs", "floor µs", "x floor"
    );
    for point in &dimension.points {
        let median = |figures: &[f64]| Spread::of(figures.iter().copied()).map_or(0.0, |spread| spread.median);
        let _ = writeln!(
            text,
            "{:>22} {:>14.1} {:>14.1} {:>22}",
            point.x,
            median(&point.sidestep),
            median(&point.floor),
            point.ratio().map_or_else(String::new, |ratio| ratio.to_string()),
        );
    }
    text
}

/// A row for each contender's start.
pub(crate) fn of_starts(starts: &[Starts]) -> String {
    let mut text = "\nfrom the process's start until it serves: medians, to 10 ms\n".to_owned();
    let plain = starts.iter().find(|one| one.contender == Contender::Nothing);
    for one in starts {
        let more = one.median() - plain.map_or(0.0, Starts::median);
        let _ = writeln!(
            text,
            "{:<38} {:>6.0} ms {:>+6.0} ms",
            one.contender.what(),
            one.median(),
            more
        );
    }
    text
}

/// Bytes as MiB.
fn mib(bytes: i64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// A row for each look at memory, what the filters differ in, and how the bounds stand (`most`: per worker, and growth).
pub(crate) fn of_memory(courses: &[Course], verdict: Verdict, most: [i64; 2]) -> String {
    let mut text = "\nRssAnon of Envoy, MiB; requests served in brackets\n".to_owned();
    for course in courses {
        let _ = write!(text, "{:<9} {} workers:", course.contender.name(), course.workers);
        let fresh = [(0, course.fresh)];
        for (requests, bytes) in fresh.iter().chain(&course.marks) {
            let _ = write!(text, " {:>7.2} ({requests})", mib(bytes.cast_signed()));
        }
        let linear: Vec<_> = course
            .linear
            .iter()
            .map(|bytes| format!("{:.2}", mib(bytes.cast_signed())))
            .collect();
        let _ = writeln!(
            text,
            "; at the end {} connections to hosts; linear memory of each VM: {}",
            course.connections,
            linear.join(", ")
        );
    }
    text += "\nsidestep above the empty filter, one worker:\n";
    let of = |contender| {
        let mut own = courses.iter().filter(move |course| course.workers == 1);
        own.find(|course| course.contender == contender)
    };
    if let (Some(sidestep), Some(empty)) = (of(Contender::Sidestep), of(Contender::Empty)) {
        let more = |this: u64, that: u64| mib(this.cast_signed() - that.cast_signed());
        let _ = writeln!(
            text,
            "{:>9} requests {:>+7.2} MiB",
            0,
            more(sidestep.fresh, empty.fresh)
        );
        for ((mark, this), that) in MARKS.iter().zip(&sidestep.marks).zip(&empty.marks) {
            let _ = writeln!(text, "{mark:>9} requests {:>+7.2} MiB", more(this.1, that.1));
        }
    }
    let _ = writeln!(
        text,
        "of that, after the warm-up {:+.2} MiB, grown since {:+.2} MiB; each further worker adds {:+.2} MiB",
        mib(verdict.warm),
        mib(verdict.since_warm()),
        mib(verdict.worker),
    );
    let word = |holds| if holds { "holds  " } else { "BROKEN " };
    let [most, flat] = most.map(mib);
    let _ = writeln!(
        text,
        "\nbounds, sidestep above the empty filter:\n{}  per worker (what a further one adds, and all growth since the \
         warm-up): {:+.2} MiB, at most {most:.2}; the whole process with one worker: {:+.2} MiB\n{}  flat: {:+.2} MiB \
         between the last two marks, at most {flat:.2}",
        word(verdict.small()),
        mib(verdict.per_worker()),
        mib(verdict.process),
        word(verdict.flat()),
        mib(verdict.late),
    );
    text
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&format!("{:.3} [{:.3} {:.3}]", self.median, self.low, self.high))
    }
}
