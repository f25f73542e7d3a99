//! The command line.

use crate::contender::{self, Contender};
use crate::setting::{self, Setting};
use std::path::PathBuf;

/// Rounds, unless said otherwise.
const ROUNDS: usize = 12;
/// Starts of each Envoy, unless said otherwise.
const STARTS: usize = 3;
/// `--quick`: rounds, all with the same Envoys.
const QUICK: usize = 4;

/// What is asked for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Arguments {
    /// Every contender in every setting.
    pub(crate) costs: bool,
    /// Growth.
    pub(crate) growth: bool,
    /// Memory and start.
    pub(crate) memory: bool,
    /// How often each contender has its turn.
    pub(crate) rounds: usize,
    /// How many Envoys of each kind are started, one after the other, to share the rounds.
    pub(crate) starts: usize,
    /// Who.
    pub(crate) contenders: Vec<Contender>,
    /// How.
    pub(crate) settings: Vec<Setting>,
    /// The folder for the results.
    pub(crate) output: PathBuf,
}

/// What is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ArgumentError {
    /// No such argument.
    #[error("unknown argument {0}")]
    Unknown(String),
    /// Nothing follows it.
    #[error("{0} needs a value")]
    NoValue(String),
    /// Something else follows it.
    #[error("{argument}: found {found}; expected {expected}")]
    Value {
        /// Which.
        argument: String,
        /// What was said.
        found: String,
        /// What would be right.
        expected: String,
    },
}

impl Arguments {
    /// Reads them.
    pub(crate) fn read(arguments: impl IntoIterator<Item = String>) -> Result<Self, ArgumentError> {
        let mut asked = Self {
            costs: false,
            growth: false,
            memory: false,
            rounds: ROUNDS,
            starts: STARTS,
            contenders: Contender::ALL.to_vec(),
            settings: Setting::all(),
            output: sidestep_support::repository().join("target/bench"),
        };
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let value = |found: Option<String>| found.ok_or_else(|| ArgumentError::NoValue(argument.clone()));
            let odd = |found: &str, expected: String| ArgumentError::Value {
                argument: argument.clone(),
                found: found.to_owned(),
                expected,
            };
            match argument.as_str() {
                "costs" => asked.costs = true,
                "growth" => asked.growth = true,
                "memory" => asked.memory = true,
                "--output" => asked.output = PathBuf::from(value(arguments.next())?),
                "--quick" => (asked.rounds, asked.starts) = (QUICK, 1),
                "--starts" => {
                    let found = value(arguments.next())?;
                    let starts = found.parse().ok().filter(|starts| (1..=100).contains(starts));
                    asked.starts = starts.ok_or_else(|| odd(&found, "an integer from 1 to 100".to_owned()))?;
                }
                "--rounds" => {
                    let found = value(arguments.next())?;
                    let rounds = found.parse().ok().filter(|rounds| (1..=1000).contains(rounds));
                    asked.rounds = rounds.ok_or_else(|| odd(&found, "an integer from 1 to 1000".to_owned()))?;
                }
                "--only" => {
                    let found = value(arguments.next())?;
                    let chosen = choose(&found, &Contender::ALL, |contender| contender.name().to_owned());
                    asked.contenders = chosen.ok_or_else(|| odd(&found, contender::known()))?;
                }
                "--setting" => {
                    let found = value(arguments.next())?;
                    let chosen = choose(&found, &Setting::all(), ToString::to_string);
                    asked.settings = chosen.ok_or_else(|| odd(&found, setting::known()))?;
                }
                _ => return Err(ArgumentError::Unknown(argument)),
            }
        }
        if !(asked.costs || asked.growth || asked.memory) {
            (asked.costs, asked.growth, asked.memory) = (true, true, true);
        }
        Ok(asked)
    }
}

/// Those that a list with commas names, in the order of `all`; `None` if it names anything else.
fn choose<T: Copy>(list: &str, all: &[T], name: impl Fn(&T) -> String) -> Option<Vec<T>> {
    let names: Vec<_> = list.split(',').collect();
    let chosen: Vec<_> = all.iter().filter(|one| names.contains(&&*name(one))).copied().collect();
    (chosen.len() == names.len()).then_some(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(arguments: &[&str]) -> Result<Arguments, ArgumentError> {
        Arguments::read(arguments.iter().map(|argument| (*argument).to_owned()))
    }

    #[test]
    fn everything_is_measured_unless_a_part_is_named() {
        let all = read(&[]).unwrap();
        assert!(all.costs && all.growth && all.memory);
        let some = read(&[
            "memory",
            "--only",
            "empty,sidestep",
            "--setting",
            "2-large-put",
            "--rounds",
            "3",
        ])
        .unwrap();
        assert!(!some.costs && !some.growth && some.memory);
        assert_eq!(some.contenders, [Contender::Empty, Contender::Sidestep]);
        assert_eq!(some.settings.len(), 1);
        assert_eq!(some.rounds, 3);
    }

    #[test]
    fn what_is_wrong_is_said_with_what_would_be_right() {
        assert_eq!(read(&["--fast"]), Err(ArgumentError::Unknown("--fast".to_owned())));
        let error = read(&["--only", "sidestep,nginx"]).unwrap_err().to_string();
        assert!(
            error.starts_with("--only: found sidestep,nginx; expected nothing, empty"),
            "{error}"
        );
        assert_eq!(read(&["--rounds"]), Err(ArgumentError::NoValue("--rounds".to_owned())));
    }
}
