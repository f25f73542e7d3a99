//! The command line.

use crate::contender::{self, Contender};
use crate::setting::{self, Setting};
use sidestep_support::{ArgumentError, ArgumentReader, chosen};
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
    /// Instructions, which have to be asked for by name.
    pub(crate) instructions: bool,
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

impl Arguments {
    /// Reads them.
    pub(crate) fn read(arguments: impl IntoIterator<Item = String>) -> Result<Self, ArgumentError> {
        let mut asked = Self {
            costs: false,
            growth: false,
            memory: false,
            instructions: false,
            rounds: ROUNDS,
            starts: STARTS,
            contenders: Contender::ALL.to_vec(),
            settings: Setting::all(),
            output: sidestep_support::repository().join("target/bench"),
        };
        let mut arguments = ArgumentReader::new(arguments);
        while let Some(argument) = arguments.argument() {
            match argument {
                "costs" => asked.costs = true,
                "growth" => asked.growth = true,
                "memory" => asked.memory = true,
                "instructions" => asked.instructions = true,
                "--output" => asked.output = PathBuf::from(arguments.value()?),
                "--quick" => (asked.rounds, asked.starts) = (QUICK, 1),
                "--rounds" => asked.rounds = arguments.value_of(up_to(1000), "an integer from 1 to 1000")?,
                "--starts" => asked.starts = arguments.value_of(up_to(100), "an integer from 1 to 100")?,
                "--only" => {
                    let contenders = |list: &str| chosen(&Contender::ALL, list, Contender::of);
                    asked.contenders = arguments.value_of(contenders, contender::known())?;
                }
                "--setting" => {
                    let settings = |list: &str| chosen(&Setting::all(), list, Setting::of);
                    asked.settings = arguments.value_of(settings, setting::known())?;
                }
                _ => return Err(arguments.unknown()),
            }
        }
        if !(asked.costs || asked.growth || asked.memory || asked.instructions) {
            (asked.costs, asked.growth, asked.memory) = (true, true, true);
        }
        Ok(asked)
    }
}

/// Reads an integer from 1 to `most`.
fn up_to(most: usize) -> impl Fn(&str) -> Option<usize> {
    move |text| text.parse().ok().filter(|number| (1..=most).contains(number))
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
        assert!(all.costs && all.growth && all.memory && !all.instructions);
        let counted = read(&["instructions"]).unwrap();
        assert!(counted.instructions && !counted.costs);
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
