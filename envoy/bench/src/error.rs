//! What can go wrong.

use sidestep_support::{EnvoyError, ProgramError};
use std::io;

/// Why there are no figures.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BenchError {
    /// A program that it takes is not there.
    #[error("{program} is missing (Debian: `apt install {package}`)")]
    Missing {
        /// Its name.
        program: &'static str,
        /// Where it is from.
        package: &'static str,
    },
    /// Envoy.
    #[error(transparent)]
    Envoy(#[from] EnvoyError),
    /// nginx.
    #[error(transparent)]
    Upstream(#[from] ProgramError),
    /// wrk says something else than figures.
    #[error("wrk: {0}")]
    Load(String),
    /// callgrind does not count.
    #[error("callgrind: {0}")]
    Callgrind(String),
    /// It has measured something else than it was to.
    #[error("{contender}, {setting}: {what}")]
    NotMeasured {
        /// Who.
        contender: &'static str,
        /// How.
        setting: String,
        /// What was seen instead.
        what: String,
    },
    /// Files and processes.
    #[error(transparent)]
    Io(#[from] io::Error),
}
