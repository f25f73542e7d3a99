//! Where sidestep is not at least as good as the best that Envoy does alone, and as the best that other proxies do: said,
//! not left to be found.

use crate::cell::Cell;
use crate::configuration::Configuration;
use crate::figures::{Figures, Moment};
use crate::scenario::Scenario;
use crate::table::{milliseconds, moment, percent};
use std::fmt::Write;

/// A figure that is compared: less is better.
struct Question {
    name: &'static str,
    figure: fn(&Figures) -> Option<f64>,
    /// What two runs of the same may differ by, at this value of the better one.
    margin: fn(f64, &Figures) -> f64,
    /// Which of the others it is compared with: the configuration, its figures, ours.
    with: fn(Configuration, &Figures, &Figures) -> bool,
    text: fn(&Figures) -> String,
}

const QUESTIONS: [Question; 10] = [
    Question {
        name: "failed",
        figure: |figures| Some(figures.failed),
        margin: |best, figures| chance(best, figures.requests),
        with: any,
        text: |figures| percent(figures.failed),
    },
    Question {
        name: "failed POSTs",
        figure: |figures| Some(figures.failed_post),
        margin: |best, figures| chance(best, figures.posts),
        with: any,
        text: |figures| percent(figures.failed_post),
    },
    Question {
        name: "p50",
        figure: |figures| Some(figures.p50),
        margin: |best, _| 1.0 + best * 0.05,
        with: fails_no_more,
        text: |figures| milliseconds(figures.p50),
    },
    Question {
        name: "p99",
        figure: |figures| Some(figures.p99),
        margin: |best, _| 5.0 + best * 0.1,
        with: fails_no_more,
        text: |figures| milliseconds(figures.p99),
    },
    Question {
        name: "p99 at last",
        figure: |figures| Some(figures.p99_late),
        margin: |best, _| 5.0 + best * 0.1,
        with: fails_no_more,
        text: |figures| milliseconds(figures.p99_late),
    },
    Question {
        name: "attempts",
        figure: |figures| Some(figures.attempts),
        margin: |_, _| 0.01,
        // Who does not retry has no retries to count.
        with: |configuration, _, _| configuration.retries(),
        text: |figures| format!("{:.3}", figures.attempts),
    },
    Question {
        name: "met the fault",
        // Where there is no other host, nobody can do without the faulty ones.
        figure: |figures| (figures.out != Moment::NoQuestion).then_some(figures.met_fault),
        margin: |best, figures| chance(best, figures.requests),
        with: any,
        text: |figures| percent(figures.met_fault),
    },
    Question {
        name: "out after",
        figure: |figures| figures.out.seconds(),
        margin: |_, _| 0.25,
        with: any,
        text: |figures| moment(figures.out),
    },
    Question {
        name: "full share after",
        figure: |figures| figures.back.seconds(),
        margin: |_, _| 0.5,
        // Who never took a host out need not take it back.
        with: |configuration, figures, _| configuration.detects() && figures.out != Moment::Never,
        text: |figures| moment(figures.back),
    },
    Question {
        name: "falsely out",
        figure: |figures| Some(figures.false_ejections),
        margin: |_, _| 0.0,
        with: any,
        text: |figures| figures.false_ejections.to_string(),
    },
];

/// By how much a share of so many requests may differ by chance: five requests, and a thirtieth. In per cent.
fn chance(share: f64, requests: f64) -> f64 {
    500.0 / requests.max(1.0) + share / 30.0
}

fn any(_: Configuration, _: &Figures, _: &Figures) -> bool {
    true
}

/// An error that comes fast is no good time.
fn fails_no_more(_: Configuration, figures: &Figures, ours: &Figures) -> bool {
    figures.failed <= ours.failed + chance(ours.failed, ours.requests)
}

/// Whom it is compared with, one after the other: the best of the ones would hide the best of the others.
struct Others {
    name: &'static str,
    configurations: &'static [Configuration],
    /// What the comparison does not show, for whoever reads it alone.
    note: &'static str,
}

const OTHERS: [Others; 2] = [
    Others {
        name: "the best of Envoy's own",
        configurations: &[
            Configuration::NoDetection,
            Configuration::EnvoyDefault,
            Configuration::EnvoyTuned,
        ],
        note: "",
    },
    Others {
        name: "the better of HAProxy and nginx",
        configurations: &[Configuration::Haproxy, Configuration::Nginx],
        note: " (HAProxy alone checks its hosts actively)",
    },
];

/// What is to be said of it, as paragraphs; nothing of those that were not there.
pub(crate) fn verdict(rows: &[(Cell, Figures)]) -> String {
    let were_there = |configuration: &Configuration| rows.iter().any(|(cell, _)| cell.configuration == *configuration);
    let mut text = String::new();
    if !were_there(&Configuration::Sidestep) {
        return text;
    }
    for others in OTHERS {
        if !others.configurations.iter().any(were_there) {
            continue;
        }
        let Others { name, note, .. } = others;
        let worse = worse(rows, others.configurations);
        // Writing to a string can't fail.
        let _ = if worse.is_empty() {
            writeln!(text, "\nsidestep is at least as good as {name} in each of these cells.")
        } else {
            writeln!(text, "\nWhere sidestep is not as good as {name}{note}:")
        };
        for line in worse {
            let _ = writeln!(text, "* {line}");
        }
    }
    text
}

/// A line for each figure of each scenario in which one of these configurations was better.
fn worse(rows: &[(Cell, Figures)], others: &[Configuration]) -> Vec<String> {
    let mut lines = Vec::new();
    for scenario in Scenario::ALL {
        let of_scenario: Vec<_> = rows.iter().filter(|(cell, _)| cell.scenario == scenario).collect();
        let ours = of_scenario
            .iter()
            .find(|(cell, _)| cell.configuration == Configuration::Sidestep);
        let Some((_, ours)) = ours else { continue };
        for question in QUESTIONS {
            let best = of_scenario
                .iter()
                .filter(|(cell, _)| others.contains(&cell.configuration))
                .filter(|(cell, figures)| (question.with)(cell.configuration, figures, ours))
                .filter_map(|(cell, figures)| Some((cell.configuration, figures, (question.figure)(figures)?)))
                .min_by(|(.., one), (.., other)| one.total_cmp(other));
            let (Some((configuration, figures, best)), Some(own)) = (best, (question.figure)(ours)) else {
                continue;
            };
            if own > best + (question.margin)(best, ours) {
                lines.push(format!(
                    "{}: {}: {} with sidestep, {} with {}",
                    scenario.name(),
                    question.name,
                    (question.text)(ours),
                    (question.text)(figures),
                    configuration.says(),
                ));
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::figures;

    fn rows(of_envoy: Figures) -> Vec<(Cell, Figures)> {
        let cell = |configuration| Cell {
            scenario: Scenario::OneBad,
            configuration,
        };
        vec![
            (cell(Configuration::EnvoyTuned), of_envoy),
            (cell(Configuration::Sidestep), figures()),
        ]
    }

    fn worse(rows: &[(Cell, Figures)]) -> Vec<String> {
        super::worse(rows, OTHERS[0].configurations)
    }

    #[test]
    fn the_best_of_the_ones_does_not_hide_the_best_of_the_others() {
        let better = |failed| Figures { failed, ..figures() };
        let mut rows = rows(better(0.05));
        let cell = |configuration| Cell {
            scenario: Scenario::OneBad,
            configuration,
        };
        assert_eq!(
            verdict(&rows),
            "\nWhere sidestep is not as good as the best of Envoy's own:\n\
             * one_bad: failed: 0.25 % with sidestep, 0.05 % with Envoy, tuned\n"
        );
        rows.push((cell(Configuration::Nginx), figures()));
        assert!(
            verdict(&rows).ends_with("at least as good as the better of HAProxy and nginx in each of these cells.\n")
        );
        rows.push((cell(Configuration::Haproxy), better(0.01)));
        let verdict = verdict(&rows);
        assert!(verdict.contains("0.05 % with Envoy, tuned\n"), "{verdict}");
        assert!(verdict.ends_with(
            "\nWhere sidestep is not as good as the better of HAProxy and nginx (HAProxy alone checks its hosts \
             actively):\n* one_bad: failed: 0.25 % with sidestep, 0.01 % with HAProxy\n"
        ));
    }

    #[test]
    fn without_sidestep_there_is_nothing_to_compare() {
        let mut rows = rows(figures());
        rows.truncate(1);
        assert_eq!(verdict(&rows), "");
    }

    #[test]
    fn as_good_is_good_enough() {
        assert_eq!(worse(&rows(figures())), Vec::<String>::new());
    }

    #[test]
    fn what_is_worse_is_said_with_both_figures() {
        let better = Figures {
            failed: 0.05,
            out: Moment::After(0.1),
            ..figures()
        };
        assert_eq!(
            worse(&rows(better)),
            ["one_bad: failed: 0.25 % with sidestep, 0.05 % with Envoy, tuned"]
        );
    }

    #[test]
    fn an_error_that_comes_fast_is_no_good_time() {
        let fast = |failed| Figures {
            p99: 5.0,
            failed,
            ..figures()
        };
        assert_eq!(worse(&rows(fast(20.0))), Vec::<String>::new());
        assert_eq!(
            worse(&rows(fast(0.25))),
            ["one_bad: p99: 42 ms with sidestep, 5 ms with Envoy, tuned"]
        );
    }

    #[test]
    fn a_host_that_was_never_out_is_not_back_sooner() {
        let back = |out| {
            let mut rows = rows(Figures {
                out,
                back: Moment::After(0.0),
                ..figures()
            });
            rows[1].1.back = Moment::After(4.0);
            worse(&rows)
        };
        assert_eq!(back(Moment::Never), Vec::<String>::new());
        assert_eq!(
            back(Moment::After(0.2)),
            ["one_bad: full share after: 4.0 s with sidestep, 0.00 s with Envoy, tuned"]
        );
    }

    #[test]
    fn to_be_out_late_is_better_than_never_and_never_is_said() {
        let mut rows = rows(Figures {
            out: Moment::Never,
            ..figures()
        });
        assert_eq!(worse(&rows), Vec::<String>::new());
        rows[0].1.out = Moment::After(9.0);
        rows[1].1.out = Moment::Never;
        assert_eq!(
            worse(&rows),
            ["one_bad: out after: never with sidestep, 9.0 s with Envoy, tuned"]
        );
    }
}
