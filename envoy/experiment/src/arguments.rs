//! The command line.

use crate::configuration::Configuration;
use crate::scenario::Scenario;
use std::path::PathBuf;

/// `--quick`: half of all times.
const QUICK: f64 = 0.5;
/// Shorter, and a detector's interval is less than the module's shortest tick.
const SMALLEST_SCALE: f64 = 0.1;

/// What is asked for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Arguments {
    /// What is done to the hosts, in the order of [`Scenario::ALL`].
    pub(crate) scenarios: Vec<Scenario>,
    /// Who meets it, in the order of [`Configuration::ALL`].
    pub(crate) configurations: Vec<Configuration>,
    /// How often.
    pub(crate) rounds: u32,
    /// All times are multiplied by this.
    pub(crate) scale: f64,
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
    /// Reads them; results go to `output` unless they say otherwise.
    pub(crate) fn read(arguments: impl IntoIterator<Item = String>, output: PathBuf) -> Result<Self, ArgumentError> {
        let mut asked = Self {
            scenarios: Scenario::ALL.to_vec(),
            configurations: Configuration::ALL.to_vec(),
            rounds: 1,
            scale: 1.0,
            output,
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
                "--only" => {
                    let found = value(arguments.next())?;
                    asked.scenarios = scenarios(&found).ok_or_else(|| odd(&found, known_scenarios()))?;
                }
                "--configurations" => {
                    let found = value(arguments.next())?;
                    asked.configurations = configurations(&found).ok_or_else(|| odd(&found, known_configurations()))?;
                }
                "--rounds" => {
                    let found = value(arguments.next())?;
                    let rounds = found.parse().ok().filter(|rounds| (1..=100).contains(rounds));
                    asked.rounds = rounds.ok_or_else(|| odd(&found, "an integer from 1 to 100".to_owned()))?;
                }
                "--scale" => {
                    let found = value(arguments.next())?;
                    let scale = found
                        .parse()
                        .ok()
                        .filter(|scale| (SMALLEST_SCALE..=10.0).contains(scale));
                    let expected = || format!("a number from {SMALLEST_SCALE} to 10");
                    asked.scale = scale.ok_or_else(|| odd(&found, expected()))?;
                }
                "--quick" => asked.scale = QUICK,
                "--output" => asked.output = PathBuf::from(value(arguments.next())?),
                _ => return Err(ArgumentError::Unknown(argument)),
            }
        }
        Ok(asked)
    }
}

fn scenarios(names: &str) -> Option<Vec<Scenario>> {
    chosen(&Scenario::ALL, names, Scenario::of)
}

fn configurations(names: &str) -> Option<Vec<Configuration>> {
    chosen(&Configuration::ALL, names, Configuration::of)
}

/// Those of `all` that are named, with commas, in the order of `all`.
fn chosen<T: Copy + PartialEq>(all: &[T], names: &str, of: fn(&str) -> Option<T>) -> Option<Vec<T>> {
    let asked: Vec<_> = names.split(',').map(of).collect::<Option<_>>()?;
    Some(all.iter().copied().filter(|one| asked.contains(one)).collect())
}

/// All names, with commas.
pub(crate) fn known_scenarios() -> String {
    Scenario::ALL.map(Scenario::name).join(",")
}

/// All names, with commas.
pub(crate) fn known_configurations() -> String {
    Configuration::ALL.map(Configuration::name).join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Arguments, ArgumentError> {
        Arguments::read(line.split_whitespace().map(str::to_owned), PathBuf::from("here"))
    }

    #[test]
    fn without_arguments_it_is_everything_once() {
        let asked = read("").expect("nothing");
        assert_eq!(asked.scenarios, Scenario::ALL);
        assert_eq!(asked.configurations, Configuration::ALL);
        assert_eq!(
            (asked.rounds, asked.scale, asked.output),
            (1, 1.0, PathBuf::from("here"))
        );
    }

    #[test]
    fn each_argument_is_understood() {
        let asked = read("--rounds 3 --quick --only one_slow,one_bad --output there").expect("arguments");
        assert_eq!(asked.scenarios, [Scenario::OneBad, Scenario::OneSlow]);
        assert_eq!(
            (asked.rounds, asked.scale, asked.output),
            (3, QUICK, PathBuf::from("there"))
        );
        let only = read("--configurations nginx,no_detection").map(|asked| asked.configurations);
        assert_eq!(only, Ok(vec![Configuration::NoDetection, Configuration::Nginx]));
        assert_eq!(read("--scale 0.25").map(|asked| asked.scale), Ok(0.25));
    }

    #[test]
    fn what_is_odd_is_refused_with_what_would_be_right() {
        let refused = |line| read(line).expect_err("an error").to_string();
        assert_eq!(refused("--fast"), "unknown argument --fast");
        assert_eq!(refused("--only"), "--only needs a value");
        assert!(refused("--only one_bad,two").contains("found one_bad,two; expected all_well,all_alike,"));
        assert!(refused("--configurations envoy").contains("found envoy; expected no_detection,"));
        assert_eq!(
            refused("--rounds 0"),
            "--rounds: found 0; expected an integer from 1 to 100"
        );
        assert_eq!(
            refused("--scale NaN"),
            "--scale: found NaN; expected a number from 0.1 to 10"
        );
    }
}
