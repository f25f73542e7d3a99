//! What the configuration asks of requests before their cluster is known: what nobody wants costs no request anything.

use crate::config::{ClusterPolicy, Config, Engine};
use crate::retry::may_be_worth_a_retry;

/// What any cluster's policy wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "independent wishes")]
pub struct Wants {
    /// Retries at all.
    pub retries: bool,
    /// Another engine than the filter, somewhere.
    pub engines: bool,
    /// The router as engine, somewhere, whatever the route.
    pub router: bool,
    /// Retries of gRPC.
    pub grpc: bool,
    /// A bound on each attempt.
    pub per_try_timeout: bool,
    /// Hedging.
    pub hedge: bool,
    /// A standby cluster.
    pub standby: bool,
    /// Retries by `Idempotency-Key`.
    pub idempotency_key: bool,
    /// Matchers of answers, by cluster or by route.
    pub matchers: bool,
    /// Retries after answers below 400.
    pub retries_of_successes: bool,
    /// Words about attempts.
    pub report: bool,
    /// The largest body that is kept.
    pub max_body_bytes: usize,
    /// The largest body that fits a callout in whichever cluster.
    pub fits_body_bytes: usize,
}

impl Wants {
    /// What this configuration wants.
    pub fn of(config: &Config) -> Self {
        let any = |wants: fn(&ClusterPolicy) -> bool| config.policies().any(wants);
        Self {
            retries: any(retries),
            engines: any(|policy| retries(policy) && policy.retry.engine != Engine::Filter),
            router: any(|policy| retries(policy) && policy.retry.engine == Engine::Router),
            grpc: any(|policy| retries(policy) && policy.retry.retry_on.has_grpc()),
            per_try_timeout: any(|policy| policy.retry.per_try_timeout.is_some()),
            hedge: any(|policy| retries(policy) && policy.retry.hedge.is_some()),
            standby: any(|policy| policy.standby_cluster.is_some()),
            idempotency_key: config.has_keyed_routes(),
            matchers: any(|policy| !policy.matchers.is_empty()) || config.has_route_matchers(),
            retries_of_successes: any(|policy| {
                retries(policy) && (0..400).any(|status| may_be_worth_a_retry(status, &policy.retry))
            }),
            report: any(|policy| !policy.retry.report.is_silent()),
            max_body_bytes: config
                .policies()
                .map(|policy| policy.retry.max_body_bytes)
                .max()
                .unwrap_or(0),
            fits_body_bytes: config
                .policies()
                .filter(|policy| retries(policy) && policy.retry.engine != Engine::Filter)
                .map(|policy| policy.retry.max_body_bytes)
                .min()
                .unwrap_or(0),
        }
    }

    /// Whether an answer with this status means success by every policy, and nothing else is to be done about it.
    pub fn is_plain(&self, status: u16) -> bool {
        (200..400).contains(&status) && !self.matchers && !self.report && !self.retries_of_successes
    }
}

const fn retries(policy: &ClusterPolicy) -> bool {
    policy.retry.num_retries > 0
}
