//! The figures as tables in Markdown: a short one, and one with all of them.

use crate::cell::Cell;
use crate::configuration::Configuration;
use crate::figures::{Figures, Moment};
use std::fmt::Write;

const COLUMNS: [&str; 10] = [
    "configuration",
    "failed",
    "of POSTs",
    "p50",
    "p99",
    "p99 at last",
    "attempts",
    "met the fault",
    "out after",
    "full share after",
];

/// What each field of the short table has in it.
pub(crate) const OVERVIEW: &str = "In each field: requests that failed for users · 99th percentile of the time to the \
                                   answer in the last third of the time · when the faulty hosts were out.";

/// One row for each scenario, one column for each of these configurations, which all scenarios have met in this order.
pub(crate) fn overview(rows: &[(Cell, Figures)], configurations: &[Configuration]) -> String {
    let names: Vec<_> = configurations
        .iter()
        .map(|configuration| configuration.says())
        .collect();
    let mut text = format!("| | {} |\n|---|{}\n", names.join(" | "), "---|".repeat(names.len()));
    for of_scenario in rows.chunk_by(|(one, _), (other, _)| one.scenario == other.scenario) {
        for (number, (cell, figures)) in of_scenario.iter().enumerate() {
            if number == 0 {
                let _ = write!(text, "| {} |", cell.scenario.says());
            }
            // Writing to a string can't fail.
            let _ = write!(
                text,
                " {} · {} · {} |",
                percent(figures.failed),
                milliseconds(figures.p99_late),
                moment(figures.out)
            );
        }
        text.push('\n');
    }
    text
}

/// One row for each cell; the scenario is named in the first of its rows.
pub(crate) fn table<'a>(rows: impl IntoIterator<Item = (Cell, &'a Figures)>) -> String {
    let mut text = format!("| scenario | {} | falsely out |\n|---|---|", COLUMNS.join(" | "));
    text.push_str(&"---:|".repeat(COLUMNS.len()));
    text.push('\n');
    let mut before = None;
    for (cell, figures) in rows {
        let scenario = if before == Some(cell.scenario) {
            ""
        } else {
            cell.scenario.says()
        };
        before = Some(cell.scenario);
        // Writing to a string can't fail.
        let _ = writeln!(
            text,
            "| {scenario} | {} | {} | {} | {} | {} | {} | {:.3} | {} | {} | {} | {} |",
            cell.configuration.says(),
            percent(figures.failed),
            percent(figures.failed_post),
            milliseconds(figures.p50),
            milliseconds(figures.p99),
            milliseconds(figures.p99_late),
            figures.attempts,
            percent(figures.met_fault),
            moment(figures.out),
            moment(figures.back),
            figures.false_ejections,
        );
    }
    text
}

/// Small shares are not nothing.
pub(crate) fn percent(percent: f64) -> String {
    match percent {
        0.0 => "0".to_owned(),
        small if small < 1.0 => format!("{small:.2} %"),
        middle if middle < 10.0 => format!("{middle:.1} %"),
        large => format!("{large:.0} %"),
    }
}

pub(crate) fn milliseconds(milliseconds: f64) -> String {
    format!("{milliseconds:.0} ms")
}

pub(crate) fn moment(moment: Moment) -> String {
    match moment {
        Moment::NoQuestion => "–".to_owned(),
        Moment::Never => "never".to_owned(),
        Moment::After(seconds) if seconds < 1.0 => format!("{seconds:.2} s"),
        Moment::After(seconds) => format!("{seconds:.1} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{cell, figures};
    use crate::scenario::Scenario;

    #[test]
    fn every_line_has_as_many_cells_and_the_scenario_is_named_once() {
        let (figures, first) = (figures(), cell());
        let second = Cell {
            configuration: Configuration::EnvoyTuned,
            ..first
        };
        let table = table([(first, &figures), (second, &figures)]);
        let lines: Vec<_> = table.lines().collect();
        assert_eq!(lines.len(), 4);
        for line in &lines {
            assert_eq!(line.matches('|').count(), COLUMNS.len() + 3, "{line}");
        }
        assert!(
            lines[2].starts_with("| 1 of 10 answers 503 | sidestep | 0.25 % | 2.5 % | 20 ms |"),
            "{}",
            lines[2]
        );
        assert!(lines[3].starts_with("|  | Envoy, tuned | "), "{}", lines[3]);
    }

    #[test]
    fn the_short_table_has_a_row_for_each_scenario() {
        let (figures, cell) = (figures(), cell());
        let of = |scenario, configuration| {
            (
                Cell {
                    scenario,
                    configuration,
                },
                figures.clone(),
            )
        };
        let there = [Configuration::EnvoyTuned, Configuration::Nginx, Configuration::Sidestep];
        let rows: Vec<_> = [cell.scenario, Scenario::OneSlow]
            .into_iter()
            .flat_map(|scenario| there.map(|configuration| of(scenario, configuration)))
            .collect();
        let table = overview(&rows, &there);
        let lines: Vec<_> = table.lines().collect();
        assert_eq!(lines.len(), 4);
        for line in &lines {
            assert_eq!(line.matches('|').count(), 2 + there.len(), "{line}");
        }
        assert_eq!(lines[0], "| | Envoy, tuned | nginx | sidestep |");
        assert!(
            lines[2].starts_with("| 1 of 10 answers 503 | 0.25 % · 26 ms · 0.20 s | 0.25 % ·"),
            "{}",
            lines[2]
        );
    }

    #[test]
    fn little_is_not_shown_as_nothing() {
        assert_eq!(percent(0.0), "0");
        assert_eq!(percent(0.04), "0.04 %");
        assert_eq!(percent(4.04), "4.0 %");
        assert_eq!(percent(49.9), "50 %");
        assert_eq!(moment(Moment::After(0.08)), "0.08 s");
        assert_eq!(moment(Moment::NoQuestion), "–");
    }
}
