//! The run: every cell in turn, and what is written of it.

use crate::arguments::Arguments;
use crate::cell::{Cell, CellError, Observed};
use crate::configuration::Configuration;
use crate::figures::Figures;
use crate::plot::{Row, plot};
use crate::scenario::Scenario;
use crate::series::Series;
use crate::table::{OVERVIEW, milliseconds, moment, overview, percent, table};
use crate::traffic::{POST_PERCENT, RATE};
use crate::{csv, verdict};
use sidestep_support::EnvoyError;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// Starting and stopping of the proxy and waiting for the last answers, in seconds for each cell.
const AROUND: f64 = 3.0;

/// A cell in which one request of a hundred left later than this is run again, in milliseconds: the machine was busy with
/// something else, and the figures are of that.
const LATE: f64 = 15.0;
/// So often; then the least disturbed of them counts.
const TRIES: usize = 3;

/// Why the run can't be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    /// A cell is missing, and with it what the others are to be compared with.
    #[error("{scenario}, {configuration}, round {round}: {source}")]
    Cell {
        /// What was done to the hosts.
        scenario: &'static str,
        /// Who met it.
        configuration: &'static str,
        /// From 1.
        round: u32,
        /// What went wrong.
        source: CellError,
    },
    /// The module has not been built.
    #[error(transparent)]
    Module(EnvoyError),
    /// The results.
    #[error("writing {path}: {source}")]
    Io {
        /// Which of them.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// A cell that was run.
struct Done {
    round: u32,
    cell: Cell,
    observed: Observed,
    figures: Figures,
}

/// Runs all cells that are asked for. Says on stderr how it goes; the table is for stdout.
pub(crate) async fn run(asked: &Arguments) -> Result<String, RunError> {
    let module = sidestep_support::wasm();
    if !module.is_file() {
        return Err(RunError::Module(EnvoyError::NoModule(module)));
    }
    let configurations = present(&asked.configurations);
    let order = order(&asked.scenarios, &configurations, asked.rounds);
    eprintln!(
        "{} cells, about {:.0} minutes; results go to {}",
        order.len(),
        (minutes(&order, asked.scale)).ceil(),
        asked.output.display()
    );
    let details = asked.output.join("details");
    if details.exists() {
        fs::remove_dir_all(&details).map_err(writing(&details))?;
    }
    fs::create_dir_all(&details).map_err(writing(&details))?;
    let mut done = Vec::new();
    for (round, cell) in order {
        let (observed, figures) = undisturbed(cell, asked.scale).await.map_err(|source| RunError::Cell {
            scenario: cell.scenario.name(),
            configuration: cell.configuration.name(),
            round,
            source,
        })?;
        eprintln!("{}", progress(round, cell, &figures));
        let name = format!("{round}-{}-{}.txt", cell.scenario.name(), cell.configuration.name());
        write(&details, &name, &of_cell(&observed))?;
        done.push(Done {
            round,
            cell,
            observed,
            figures,
        });
        let rows = done.iter().map(|done| (done.round, done.cell, &done.figures));
        write(&asked.output, "results.csv", &csv::results(rows))?;
    }
    conclude(asked, &configurations, &done)
}

/// Those that can run on this machine. Says on stderr which can't, and what they lack.
fn present(asked: &[Configuration]) -> Vec<Configuration> {
    let mut present = asked.to_vec();
    present.retain(|configuration| match configuration.lacks() {
        None => true,
        Some(what) => {
            eprintln!("{} is left out: {what}", configuration.says());
            false
        }
    });
    present
}

type Measured = Result<(Observed, Figures), CellError>;

/// Runs a cell, again if something else kept the machine busy.
async fn undisturbed(cell: Cell, scale: f64) -> Measured {
    let plan = cell.scenario.plan(scale);
    let measure = async || -> Measured {
        let observed = cell.run(scale).await?;
        let figures = Figures::of(&observed, &plan, RATE, scale, cell.scenario.has_healthy_hosts());
        Ok((observed, figures))
    };
    let mut outcome = measure().await;
    let mut disturbance = disturbance_of(&outcome);
    for _ in 1..TRIES {
        let Some(what) = disturbance else { break };
        eprintln!("  disturbed: {what}; again");
        let again = measure().await;
        disturbance = disturbance_of(&again);
        outcome = better(outcome, again);
    }
    outcome
}

/// What shows that the machine was busy with something else, if anything does.
fn disturbance_of(measured: &Measured) -> Option<String> {
    match measured {
        Ok((_, figures)) if figures.late > LATE => Some(format!("requests left {} late", milliseconds(figures.late))),
        // Requests that are very late meet what is to come after them.
        Err(CellError::NotWell { requests, failed, .. }) => {
            Some(format!("{failed} of {requests} requests failed before the fault"))
        }
        _ => None,
    }
}

/// The less disturbed of two.
fn better(one: Measured, other: Measured) -> Measured {
    match (one, other) {
        (Ok(one), Ok(other)) => Ok(if other.1.late < one.1.late { other } else { one }),
        (Ok(measured), Err(_)) => Ok(measured),
        (Err(_), other) => other,
    }
}

/// All cells: round by round, in each round scenario by scenario, in each scenario the configurations in turns. Who comes
/// first changes, so that what changes on the machine meets all of them.
fn order(scenarios: &[Scenario], configurations: &[Configuration], rounds: u32) -> Vec<(u32, Cell)> {
    let mut order = Vec::new();
    for round in 1..=rounds {
        for (number, scenario) in scenarios.iter().enumerate() {
            let first = (number + round as usize - 1) % configurations.len().max(1);
            let (later, sooner) = configurations.split_at(first);
            for configuration in sooner.iter().chain(later) {
                let (scenario, configuration) = (*scenario, *configuration);
                order.push((
                    round,
                    Cell {
                        scenario,
                        configuration,
                    },
                ));
            }
        }
    }
    order
}

fn minutes(order: &[(u32, Cell)], scale: f64) -> f64 {
    let seconds = |(_, cell): &(u32, Cell)| cell.scenario.plan(scale).end.as_secs_f64() + AROUND;
    order.iter().map(seconds).sum::<f64>() / 60.0
}

/// One line on a cell that was run.
fn progress(round: u32, cell: Cell, figures: &Figures) -> String {
    format!(
        "{round} {:<11} {:<14} failed {:>7}, p99 {:>8}, attempts {:.3}, out after {:>6}, full share after {:>6}",
        cell.scenario.name(),
        cell.configuration.name(),
        percent(figures.failed),
        milliseconds(figures.p99),
        figures.attempts,
        moment(figures.out),
        moment(figures.back),
    )
}

/// What may explain a cell: counters and lines of the log.
fn of_cell(observed: &Observed) -> String {
    let mut text = String::new();
    for (name, count) in &observed.counted {
        // Writing to a string can't fail.
        let _ = writeln!(text, "{name}: {count}");
    }
    for line in &observed.logged {
        let _ = writeln!(text, "{line}");
    }
    text
}

/// Medians, the plot, and what goes to stdout.
fn conclude(asked: &Arguments, configurations: &[Configuration], done: &[Done]) -> Result<String, RunError> {
    let mut medians = Vec::new();
    let mut rows = Vec::new();
    for scenario in &asked.scenarios {
        let plan = scenario.plan(asked.scale);
        let mut series = Vec::new();
        for configuration in configurations.iter().copied() {
            let cell = Cell {
                scenario: *scenario,
                configuration,
            };
            let rounds: Vec<_> = done.iter().filter(|done| done.cell == cell).collect();
            let figures: Vec<_> = rounds.iter().map(|done| done.figures.clone()).collect();
            let observed: Vec<_> = rounds.iter().map(|done| done.observed.clone()).collect();
            medians.push((cell, Figures::median(&figures)));
            series.push((configuration, Series::of(&observed, &plan, RATE, asked.scale)));
        }
        rows.push(Row {
            scenario: *scenario,
            plan,
            series,
        });
    }
    let by_cell = || medians.iter().map(|(cell, figures)| (*cell, figures));
    let how = how(asked);
    write(&asked.output, "summary.csv", &csv::summary(by_cell()))?;
    write(&asked.output, "plot.svg", &plot(&rows, &how))?;
    let short = overview(&medians, configurations);
    let mut text = format!("{short}\n{OVERVIEW}\n{how}\n\n{}", table(by_cell()));
    let disturbed = done.iter().filter(|done| done.figures.late > LATE).count();
    if disturbed > 0 {
        let _ = writeln!(
            text,
            "In {disturbed} of {} cells the machine was busy with something else: don't trust their times.",
            done.len()
        );
    }
    text.push_str(&verdict::verdict(&medians));
    Ok(text)
}

/// How the figures came about, in one line.
fn how(asked: &Arguments) -> String {
    let rounds = match asked.rounds {
        1 => "One round".to_owned(),
        rounds => format!("Medians of {rounds} rounds"),
    };
    let times = if asked.scale == 1.0 {
        String::new()
    } else {
        format!("; all times of the plan times {}", asked.scale)
    };
    format!("{rounds}; {RATE} requests/s, {POST_PERCENT} % of them POSTs; all figures from the first fault on{times}.")
}

fn write(folder: &Path, name: &str, text: &str) -> Result<(), RunError> {
    let path = folder.join(name);
    fs::write(&path, text).map_err(writing(&path))
}

fn writing(path: &Path) -> impl FnOnce(io::Error) -> RunError {
    let path = path.to_owned();
    move |source| RunError::Io { path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cell_has_its_turn_in_every_round_and_the_first_one_changes() {
        let order = order(&Scenario::ALL, &Configuration::ALL, 2);
        assert_eq!(order.len(), 2 * Scenario::ALL.len() * Configuration::ALL.len());
        for scenario in Scenario::ALL {
            for configuration in Configuration::ALL {
                let cell = Cell {
                    scenario,
                    configuration,
                };
                let rounds: Vec<_> = order
                    .iter()
                    .filter(|(_, other)| *other == cell)
                    .map(|(round, _)| *round)
                    .collect();
                assert_eq!(rounds, [1, 2]);
            }
        }
        let first = |place: usize| order[place].1.configuration;
        assert_ne!(first(0), first(Configuration::ALL.len()));
        assert_ne!(first(0), first(order.len() / 2));
    }

    #[test]
    fn the_less_disturbed_measurement_counts_and_any_is_better_than_none() {
        let late = |late| -> Measured {
            let figures = Figures {
                late,
                ..crate::samples::figures()
            };
            Ok((Observed::default(), figures))
        };
        let failed = || -> Measured { Err(CellError::NoFilter(String::new())) };
        let kept = |one, other| better(one, other).map(|(_, figures)| figures.late).ok();
        assert_eq!(kept(late(30.0), late(20.0)), Some(20.0));
        assert_eq!(kept(late(20.0), late(30.0)), Some(20.0));
        assert_eq!(kept(late(20.0), failed()), Some(20.0));
        assert_eq!(kept(failed(), late(20.0)), Some(20.0));
        assert_eq!(kept(failed(), failed()), None);
    }

    #[test]
    fn a_round_of_everything_takes_less_than_twenty_five_minutes() {
        let minutes = minutes(&order(&Scenario::ALL, &Configuration::ALL, 1), 1.0);
        assert!(minutes < 25.0, "{minutes}");
    }
}
