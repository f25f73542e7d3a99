//! Whether a host really does worse than its peers, or only looks so by chance.
//!
//! Success rate and failure percentage are Envoy's formulas, and have two weaknesses. Among twenty equal hosts with some
//! errors at random one is mostly 1.9 standard deviations below the mean, so where all is well Envoy goes on ejecting
//! hosts by chance. And where all fail alike, all are over a fixed bound: each ejection then moves the load to hosts that
//! are no better. So a host that a formula accuses must also do significantly worse than its peers.
//!
//! The measure is the log-likelihood ratio of "it fails at a rate of its own, and they at theirs" to "all fail at one rate"
//! (the G-test), for the requests of the host on the one side and those of all its peers on the other, whatever each
//! peer's volume. If they are equal, the host looks worse by `t` nats with a chance of at most `(1 + t) e^-t`, whatever
//! their rate and however many requests each side had, because
//!
//! - for a host with the true rate r and the observed rate p, `P(n KL(p || r) >= x and p > r) <= e^-x`, and likewise for
//!   `p < r` (Chernoff's bound, in the form of Hoeffding 1963, theorem 1);
//! - the ratio is `n KL(p || s) + m KL(q || s)` for the rate s that makes it least, so at most its value at the true rate;
//!   if p and q are on one side of that, then s between them makes it at most the term of the farther one;
//! - a sum of two independent such terms is at most as large, in chance, as a sum of two exponential ones.
//!
//! To compare with the peers' rate as if it were exactly known would be simpler, and wrong where that is known from few
//! requests: a host with 1,000 of them, at 1 % failures, beside peers with 400 would then be accused once in a thousand
//! intervals.

use super::Tally;

/// The least log-likelihood ratio, in nats, that is no chance. A false accusation then has a chance of at most two in a
/// million per host and interval, by the bound above; summed up exactly, for 50 to 10,000 requests at 0.05 to 95 % failures,
/// it is at most two in a hundred million.
const SIGNIFICANT: f64 = 16.0;

/// All the requests to a cluster's available hosts in an interval, for one origin.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pool {
    successes: u64,
    failures: u64,
}

impl Pool {
    /// Adds one host's requests.
    pub(super) const fn add(&mut self, tally: Tally) {
        self.successes += tally.successes as u64;
        self.failures += tally.failures as u64;
    }

    /// Whether a host of this pool does significantly worse than the rest of it. A host that has no peers does not.
    pub(super) fn is_worse(&self, host: Tally) -> bool {
        let own = Row::new(u64::from(host.successes), u64::from(host.failures));
        let peers = Row::new(
            self.successes.saturating_sub(u64::from(host.successes)),
            self.failures.saturating_sub(u64::from(host.failures)),
        );
        // Both are multiplied out, so that no division by zero can hide in it.
        own.failures * peers.requests > peers.failures * own.requests && ratio(&own, &peers) >= SIGNIFICANT
    }
}

struct Row {
    successes: f64,
    failures: f64,
    requests: f64,
}

impl Row {
    const fn new(successes: u64, failures: u64) -> Self {
        Self {
            successes: successes as f64,
            failures: failures as f64,
            requests: (successes + failures) as f64,
        }
    }
}

/// The log-likelihood ratio in nats: the sum of `observed * ln(observed / expected)` over the four counts.
fn ratio(own: &Row, peers: &Row) -> f64 {
    let requests = own.requests + peers.requests;
    let successes = (own.successes + peers.successes) / requests;
    let failures = (own.failures + peers.failures) / requests;
    [own, peers]
        .iter()
        .map(|row| term(row.successes, successes * row.requests) + term(row.failures, failures * row.requests))
        .sum()
}

/// One count's part. What did not happen adds nothing: `x ln x` goes to 0 with x.
fn term(observed: f64, expected: f64) -> f64 {
    if observed > 0.0 {
        observed * (observed / expected).ln()
    } else {
        0.0
    }
}
