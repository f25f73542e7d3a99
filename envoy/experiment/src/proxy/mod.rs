//! What stands before the hosts: an Envoy, or another proxy. To the users and to the hosts they are the same thing.

mod envoy;
mod haproxy;
mod nginx;
#[cfg(test)]
mod tests;

use crate::configuration::Configuration;
use crate::hosts::Hosts;
use sidestep_support::{Client, ClientError, Envoy, EnvoyError, Program, ProgramError};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// A running proxy, two threads or workers wide. It ends with its value.
#[derive(Debug)]
pub(crate) enum Proxy {
    /// Envoy, with sidestep or without.
    Envoy(Box<Envoy>),
    /// HAProxy.
    Haproxy(Program),
    /// nginx.
    Nginx(Program),
}

/// Why there is none, or no word from it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProxyError {
    /// Envoy.
    #[error(transparent)]
    Envoy(#[from] EnvoyError),
    /// Another proxy.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// It is not on this machine.
    #[error("{}", .0.advice())]
    Missing(Needed),
    /// It does not say what it counted.
    #[error("its statistics: {0}")]
    Statistics(#[from] ClientError),
}

/// A program that may be missing: then what needs it is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Needed {
    /// Its name in the PATH.
    program: &'static str,
    /// The environment variable that says where it is.
    variable: &'static str,
    /// Debian's package.
    package: &'static str,
}

impl Needed {
    /// Where it is.
    fn find(self) -> Result<PathBuf, ProxyError> {
        Program::find(self.program, self.variable).ok_or(ProxyError::Missing(self))
    }

    /// How to come by it.
    fn advice(self) -> String {
        let Self {
            program,
            variable,
            package,
        } = self;
        format!("{program} is missing: set {variable} (Debian: `apt install {package}`)")
    }
}

impl Configuration {
    fn needed(self) -> Option<Needed> {
        match self {
            Self::Haproxy => Some(haproxy::NEEDED),
            Self::Nginx => Some(nginx::NEEDED),
            _ => None,
        }
    }

    /// What keeps it from running on this machine, if anything does. Envoy must be there: it is asked for when it is
    /// started.
    pub(crate) fn lacks(self) -> Option<String> {
        let needed = self.needed()?;
        needed.find().is_err().then(|| needed.advice())
    }
}

impl Proxy {
    /// Starts it, and waits until it serves. The plan's times are multiplied by `scale`.
    pub(crate) async fn start(configuration: Configuration, hosts: &Hosts, scale: f64) -> Result<Self, ProxyError> {
        let config = match configuration {
            Configuration::NoDetection => envoy::nothing(hosts),
            Configuration::EnvoyDefault => envoy::default(hosts),
            Configuration::EnvoyTuned => envoy::tuned(hosts, scale),
            Configuration::Sidestep => envoy::with_sidestep(hosts, scale),
            Configuration::Haproxy => return Ok(Self::Haproxy(haproxy::start(hosts, scale).await?)),
            Configuration::Nginx => return Ok(Self::Nginx(nginx::start(hosts, scale).await?)),
        };
        Ok(Self::Envoy(Box::new(Envoy::start(config).await?)))
    }

    /// A client of it.
    pub(crate) fn client(&self) -> Client {
        match self {
            Self::Envoy(envoy) => envoy.client(),
            Self::Haproxy(program) | Self::Nginx(program) => program.client(),
        }
    }

    /// What it counted, without what is zero.
    pub(crate) async fn counted(&self) -> Result<BTreeMap<String, u64>, ProxyError> {
        let mut counted = match self {
            Self::Envoy(envoy) => envoy::counted(envoy).await?,
            Self::Haproxy(program) => haproxy::counted(program).await?,
            Self::Nginx(program) => nginx::counted(&program.log()),
        };
        counted.retain(|_, count| *count > 0);
        Ok(counted)
    }

    /// Its whole log.
    pub(crate) fn log(&self) -> String {
        match self {
            Self::Envoy(envoy) => envoy.log(),
            Self::Haproxy(program) | Self::Nginx(program) => program.log(),
        }
    }

    /// Those lines of it that may explain a cell: of the module, and on hosts that went and came.
    pub(crate) fn logged(&self) -> Vec<String> {
        let telling: fn(&str) -> bool = match self {
            Self::Envoy(_) => |line| line.contains("wasm log"),
            Self::Haproxy(_) => haproxy::is_telling,
            Self::Nginx(_) => nginx::is_telling,
        };
        let log = self.log();
        log.lines().filter(|line| telling(line)).map(str::to_owned).collect()
    }
}
