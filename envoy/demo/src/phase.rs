//! The plot: what happens to the host in the middle, and when.

use sidestep_support::{Reply, Upstream};
use std::net::SocketAddr;
use std::time::Duration;

/// The host that things happen to.
pub(crate) const VICTIM: usize = 1;

/// A part of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// All hosts answer.
    AllWell,
    /// One answers, and badly.
    Answers503,
    /// It refuses connections.
    Refuses,
    /// It answers again. Lasts until it has its share of the traffic back.
    ComesBack,
}

impl Phase {
    /// All, in their order.
    pub(crate) const ALL: [Self; 4] = [Self::AllWell, Self::Answers503, Self::Refuses, Self::ComesBack];

    /// How long it lasts; the last one at most so long.
    pub(crate) fn duration(self) -> Duration {
        Duration::from_secs(match self {
            Self::AllWell => 5,
            Self::Answers503 | Self::Refuses => 10,
            Self::ComesBack => 24,
        })
    }

    /// A column's heading.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::AllWell => "all well",
            Self::Answers503 => "answers 503",
            Self::Refuses => "refuses",
            Self::ComesBack => "comes back",
        }
    }

    /// What is happening now.
    pub(crate) fn caption(self, victim: SocketAddr) -> String {
        let number = VICTIM + 1;
        match self {
            Self::AllWell => "all three hosts answer well".to_owned(),
            Self::Answers503 => format!("host {number} ({victim}) now answers 503 to everything"),
            Self::Refuses => format!("host {number} ({victim}) now refuses connections"),
            Self::ComesBack => format!("host {number} ({victim}) is repaired: it answers well again"),
        }
    }

    /// Whether the host is out of order.
    pub(crate) fn is_broken(self) -> bool {
        matches!(self, Self::Answers503 | Self::Refuses)
    }

    /// Makes it so.
    pub(crate) async fn happen(self, victim: &Upstream) {
        match self {
            Self::AllWell => victim.set(well()),
            Self::Answers503 => victim.set(Reply::status(503).body("out of order\n")),
            Self::Refuses => victim.stop().await,
            Self::ComesBack => {
                victim.set(well());
                victim.start().await;
            }
        }
    }
}

/// A good answer.
pub(crate) fn well() -> Reply {
    Reply::status(200).body("well\n")
}
