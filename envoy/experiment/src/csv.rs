//! The figures as comma-separated values.

use crate::cell::Cell;
use crate::figures::{Figures, Moment};
use std::fmt::Write;

/// Name, and value as text.
type Column = (&'static str, fn(&Figures) -> String);

/// The columns, in their order.
const COLUMNS: [Column; 17] = [
    ("requests", |figures| format!("{:.0}", figures.requests)),
    ("posts", |figures| format!("{:.0}", figures.posts)),
    ("failed_percent", |figures| format!("{:.3}", figures.failed)),
    ("failed_get_percent", |figures| format!("{:.3}", figures.failed_get)),
    ("failed_post_percent", |figures| format!("{:.3}", figures.failed_post)),
    ("failed_last_third_percent", |figures| {
        format!("{:.3}", figures.failed_late)
    }),
    ("p50_ms", |figures| format!("{:.1}", figures.p50)),
    ("p99_ms", |figures| format!("{:.1}", figures.p99)),
    ("p50_last_third_ms", |figures| format!("{:.1}", figures.p50_late)),
    ("p99_last_third_ms", |figures| format!("{:.1}", figures.p99_late)),
    ("attempts_per_request", |figures| format!("{:.4}", figures.attempts)),
    ("attempts_per_post", |figures| format!("{:.4}", figures.attempts_post)),
    ("met_fault_percent", |figures| format!("{:.3}", figures.met_fault)),
    ("out_after_s", |figures| moment(figures.out)),
    ("full_share_after_s", |figures| moment(figures.back)),
    ("false_ejections", |figures| format!("{}", figures.false_ejections)),
    ("left_late_p99_ms", |figures| format!("{:.1}", figures.late)),
];

/// `never`, seconds, or nothing where it is no question.
fn moment(moment: Moment) -> String {
    match moment {
        Moment::NoQuestion => String::new(),
        Moment::After(seconds) => format!("{seconds:.3}"),
        Moment::Never => "never".to_owned(),
    }
}

/// One row for each cell and round. Rounds count from 1.
pub(crate) fn results<'a>(rows: impl IntoIterator<Item = (u32, Cell, &'a Figures)>) -> String {
    let mut text = header(&["round", "scenario", "configuration"]);
    for (round, cell, figures) in rows {
        let names = [
            round.to_string(),
            cell.scenario.name().to_owned(),
            cell.configuration.name().to_owned(),
        ];
        row(&mut text, &names, figures);
    }
    text
}

/// One row for each cell.
pub(crate) fn summary<'a>(rows: impl IntoIterator<Item = (Cell, &'a Figures)>) -> String {
    let mut text = header(&["scenario", "configuration"]);
    for (cell, figures) in rows {
        let names = [cell.scenario.name().to_owned(), cell.configuration.name().to_owned()];
        row(&mut text, &names, figures);
    }
    text
}

fn header(names: &[&str]) -> String {
    let columns: Vec<_> = names.iter().copied().chain(COLUMNS.map(|(name, _)| name)).collect();
    format!("{}\n", columns.join(","))
}

/// No value has a comma, a quote or a line's end in it: they are numbers and names of ours.
fn row(text: &mut String, names: &[String], figures: &Figures) {
    let values: Vec<_> = names
        .iter()
        .cloned()
        .chain(COLUMNS.map(|(_, value)| value(figures)))
        .collect();
    // Writing to a string can't fail.
    let _ = writeln!(text, "{}", values.join(","));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{cell, figures};

    #[test]
    fn every_row_has_a_value_or_nothing_for_every_column() {
        let figures = figures();
        let results = results([(1, cell(), &figures), (2, cell(), &figures)]);
        let lines: Vec<_> = results.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(lines[0].starts_with("round,scenario,configuration,requests,posts,failed_percent,"));
        assert!(
            lines[2].starts_with("2,one_bad,sidestep,3000,300,0.250,"),
            "{}",
            lines[2]
        );
        for line in &lines {
            assert_eq!(line.matches(',').count(), 2 + COLUMNS.len(), "{line}");
        }
        assert_eq!(summary([(cell(), &figures)]).lines().count(), 2);
    }

    #[test]
    fn moments_are_seconds_never_or_nothing() {
        assert_eq!(moment(Moment::After(0.25)), "0.250");
        assert_eq!(moment(Moment::Never), "never");
        assert_eq!(moment(Moment::NoQuestion), "");
    }
}
