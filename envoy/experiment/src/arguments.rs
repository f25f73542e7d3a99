//! The command line.

use crate::configuration::Configuration;
use crate::scenario::Scenario;
use sidestep_support::{ArgumentError, ArgumentReader, chosen};
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
        let mut arguments = ArgumentReader::new(arguments);
        while let Some(argument) = arguments.argument() {
            match argument {
                "--only" => asked.scenarios = arguments.value_of(scenarios, known_scenarios())?,
                "--configurations" => {
                    asked.configurations = arguments.value_of(configurations, known_configurations())?;
                }
                "--rounds" => {
                    let rounds = |text: &str| text.parse().ok().filter(|rounds| (1..=100).contains(rounds));
                    asked.rounds = arguments.value_of(rounds, "an integer from 1 to 100")?;
                }
                "--scale" => {
                    let scales = SMALLEST_SCALE..=10.0;
                    let scale = |text: &str| text.parse().ok().filter(|scale| scales.contains(scale));
                    asked.scale = arguments.value_of(scale, format!("a number from {SMALLEST_SCALE} to 10"))?;
                }
                "--quick" => asked.scale = QUICK,
                "--output" => asked.output = PathBuf::from(arguments.value()?),
                _ => return Err(arguments.unknown()),
            }
        }
        Ok(asked)
    }
}

fn scenarios(list: &str) -> Option<Vec<Scenario>> {
    chosen(&Scenario::ALL, list, Scenario::of)
}

fn configurations(list: &str) -> Option<Vec<Configuration>> {
    chosen(&Configuration::ALL, list, Configuration::of)
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
