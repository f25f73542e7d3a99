//! Four examples: one thing each, live, as lines. An example ends well only if what it claims was seen.
//!
//! | module | what it shows |
//! |---|---|
//! | `failover` | a host refuses connections, and no client sees an error |
//! | `detection` | a host is found out by its answers and by probes, and comes back by probes |
//! | `backup` | what was learned is in etcd |
//! | `restore` | and from there in the next process |
//! | `scene` | the hosts, Envoy and the clients of all of them |
//! | `snapshots` | what the keys in etcd hold, in words |
//! | `telling` | how it is told |

mod backup;
mod detection;
mod failover;
mod restore;
mod scene;
mod snapshots;
mod telling;

use sidestep::keep::{Misfit, SnapshotError};
use sidestep_support::{EnvoyError, EtcdError, TimedOut};
use std::io;
use telling::Telling;

/// One of the four.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Example {
    /// Another host answers.
    Failover,
    /// Bad hosts are found.
    Detection,
    /// It is kept.
    Backup,
    /// It comes back.
    Restore,
}

/// Why an example did not end well.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExampleError {
    /// Envoy.
    #[error(transparent)]
    Envoy(#[from] EnvoyError),
    /// etcd.
    #[error(transparent)]
    Etcd(#[from] EtcdError),
    /// What had to happen did not.
    #[error(transparent)]
    TimedOut(#[from] TimedOut),
    /// A key holds something else.
    #[error("a key in etcd: {0}")]
    Snapshot(#[from] SnapshotError),
    /// Keys don't belong together.
    #[error("the keys in etcd: {0}")]
    Misfit(#[from] Misfit),
    /// It ran to its end, and a claim was not true.
    #[error("{0} of the claims was not seen")]
    NotSeen(usize),
    /// The output.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Example {
    const ALL: [(&str, Self); 4] = [
        ("failover", Self::Failover),
        ("detection", Self::Detection),
        ("backup", Self::Backup),
        ("restore", Self::Restore),
    ];

    /// The one of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find_map(|(known, example)| (known == name).then_some(example))
    }

    /// Shows it.
    pub(crate) async fn show(self) -> Result<(), ExampleError> {
        let mut telling = Telling::begin();
        match self {
            Self::Failover => failover::show(&mut telling).await?,
            Self::Detection => detection::show(&mut telling).await?,
            Self::Backup => backup::show(&mut telling).await?,
            Self::Restore => restore::show(&mut telling).await?,
        }
        telling.end()
    }
}
