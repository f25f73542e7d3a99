//! Active probes: requests that ask a host for a sign of life, so that no user's request has to.
//!
//! One worker of all sends them: the one that holds the [`Lease`]. At each of its ticks a [`Prober`] per cluster says
//! which hosts are asked now; whoever sends the requests tells it how they ended ([`passes`]), and it says when enough
//! of them in a row passed or failed ([`Finding`]). What follows from that is decided elsewhere: here no host is ejected
//! and none comes back.

mod lease;
mod prober;

pub use lease::{Lease, LeaseStep};
pub use prober::{Finding, Prober, Round, Streak, Target};

use crate::config::Probe;

/// The `user-agent` of a probe, by which a host's log tells it from a request.
pub const USER_AGENT: &str = "sidestep-probe";

/// How a probe was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProbeAnswer {
    /// The answer's status.
    pub status: u16,
    /// Whether the host sent it. Else Envoy did, for it got nothing from the host: 503 or 504.
    pub by_host: bool,
}

/// Whether a probe with this answer passed: the host sent it, with one of `expected_statuses` or, if there are none,
/// with any status. No answer fails.
pub fn passes(policy: &Probe, answer: Option<ProbeAnswer>) -> bool {
    let expected = &policy.expected_statuses;
    answer.is_some_and(|answer| {
        answer.by_host && (expected.is_empty() || expected.iter().any(|range| range.contains(&answer.status)))
    })
}

/// The headers of a probe's request, pseudo-headers first. The caller adds the header that names the host.
pub fn request<'a>(policy: &'a Probe, cluster: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        (":method", &policy.method),
        (":scheme", "http"),
        (":authority", policy.host.as_deref().unwrap_or(cluster)),
        (":path", &policy.path),
        ("user-agent", USER_AGENT),
    ]
}
