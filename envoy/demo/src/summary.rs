//! What it came to, in figures that were measured.

use crate::phase::{Phase, VICTIM};
use crate::story::Story;
use crate::traffic::{Outcomes, POST_EVERY, RATE, Side, Tally};
use std::fmt::Write;
use std::time::Duration;

/// The summary.
pub(crate) fn summary(story: &Story) -> String {
    let tally = story.traffic.tally();
    let host = VICTIM + 1;
    let mut out =
        format!("{RATE} requests/s on each side; each {POST_EVERY}th is a POST, which is never repeated\n\n",);
    let headings: Vec<_> = Phase::ALL.iter().map(|phase| phase.label().to_owned()).collect();
    row(&mut out, "", headings, "in all".to_owned());
    for side in Side::ALL {
        let title = match side {
            Side::With => "with sidestep",
            Side::Without => "without",
        };
        let _ = writeln!(out, "{title}");
        requests(&mut out, story, &tally, side);
        if side == Side::With {
            counted(&mut out, story, "  saved by a retry", |counts| counts.saved);
        }
        counted(&mut out, story, &format!("  failed at host {host}"), |counts| {
            counts.attempts(side, VICTIM).failed
        });
        if side == Side::With {
            ejections(&mut out, story, "  ejections");
        }
    }
    out.push('\n');
    remarks(&mut out, story, &tally);
    out
}

/// Errors, and how many per cent that is.
pub(crate) fn errors(outcomes: &Outcomes) -> String {
    match outcomes.errors {
        0 => "0".to_owned(),
        errors => {
            let percent = outcomes.error_percent();
            let digits = if percent < 0.1 { 2 } else { 1 };
            format!("{errors} {percent:.digits$}%")
        }
    }
}

fn requests(out: &mut String, story: &Story, tally: &Tally, side: Side) {
    let total = tally.total(side);
    let by_phase = |cell: fn(&Outcomes) -> String| {
        let begun = |phase: &Phase| story.span(*phase).is_some();
        let cells = Phase::ALL.iter().map(|phase| {
            if begun(phase) {
                cell(tally.phase(side, *phase))
            } else {
                "-".to_owned()
            }
        });
        cells.collect::<Vec<_>>()
    };
    let count: fn(&Outcomes) -> String = |outcomes| outcomes.requests.to_string();
    row(out, "  requests", by_phase(count), count(&total));
    row(out, "  failed for users", by_phase(errors), errors(&total));
}

fn counted(out: &mut String, story: &Story, label: &str, of: impl Fn(&crate::counts::Counts) -> u64) {
    let cells = Phase::ALL.iter().map(|phase| match story.counted_in(*phase, &of) {
        Some((before, after)) => after.saturating_sub(before).to_string(),
        None => "-".to_owned(),
    });
    let cells = cells.collect();
    row(out, label, cells, of(story.counts()).to_string());
}

fn ejections(out: &mut String, story: &Story, label: &str) {
    let all = story.ejections(VICTIM);
    let cells = Phase::ALL.iter().map(|phase| match story.span(*phase) {
        Some((from, to)) => {
            let within = all.iter().filter(|ejection| (from..to).contains(&ejection.at));
            within.count().to_string()
        }
        None => "-".to_owned(),
    });
    let cells = cells.collect();
    row(out, label, cells, all.len().to_string());
}

fn row(out: &mut String, label: &str, cells: Vec<String>, total: String) {
    let _ = write!(out, "{label:<19}");
    for cell in cells.into_iter().chain([total]) {
        let _ = write!(out, "{cell:>12}");
    }
    out.push('\n');
}

fn remarks(out: &mut String, story: &Story, tally: &Tally) {
    let host = VICTIM + 1;
    let ejections = story.ejections(VICTIM);
    match (story.broke_at(), ejections.first()) {
        (None, _) => {}
        (Some(_), None) => {
            let _ = writeln!(out, "Host {host} was not ejected.");
        }
        (Some(broke), Some(first)) => {
            let lasted: Vec<_> = ejections
                .iter()
                .map(|ejection| ejection.lasts.as_secs().to_string())
                .collect();
            let _ = writeln!(
                out,
                "Host {host} was ejected {:.2} s after it broke; ejections lasted {} s.",
                first.at.saturating_sub(broke).as_secs_f64(),
                lasted.join(", "),
            );
        }
    }
    let with = tally.total(Side::With);
    if with.errors > 0 {
        let _ = writeln!(
            out,
            "POSTs among the requests that failed with sidestep: {} of {}.",
            with.post_errors, with.errors,
        );
    }
    let without = tally.total(Side::Without);
    let _ = writeln!(
        out,
        "Answered in (median / 99 %): with sidestep {} / {} ms, without {} / {} ms.",
        millis(with.latency(0.5)),
        millis(with.latency(0.99)),
        millis(without.latency(0.5)),
        millis(without.latency(0.99)),
    );
    // A column that does not add up is not to be wondered at.
    out.push_str("The filter reports once a second what it saved: that may be in the next phase.\n");
    if story.counts().internal_errors > 0 {
        let _ = writeln!(
            out,
            "The filter counted {} internal errors: see `sidestep.errors` in README.md.",
            story.counts().internal_errors,
        );
    }
}

fn millis(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64() * 1000.0)
}
