//! Whether a failed attempt is repeated.

use super::RetryRefusal;
use crate::config::RetryPolicy;
use crate::detect::ResponseFlags;
use crate::http::{Asked, Method, RequestFacts};
use crate::model::Timestamp;
use std::time::Duration;

/// What the decision about a failed attempt rests on, beside the policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "independent observations of one answer")]
pub struct Failed {
    /// The answer's status.
    pub status: u16,
    /// Why Envoy answered in the host's place, if it did.
    pub flags: ResponseFlags,
    /// The gRPC status, if the answer's headers have one.
    pub grpc_status: Option<u32>,
    /// The host refused the stream (`REFUSED_STREAM`): it did not process it.
    pub refused_stream: bool,
    /// The answer has `x-envoy-overloaded`.
    pub overloaded: bool,
    /// The answer has `x-envoy-ratelimited`.
    pub rate_limited: bool,
    /// The attempt was given up after the time that a single one may take, not the whole request.
    pub per_try_timeout: bool,
    /// The attempt failed where the filter sent it to learn something: at a host in probation, or unpinned to find
    /// hosts. Nobody is to pay for that.
    pub risked: bool,
    /// Envoy's router made more than one attempt of its own, or was asked to by the request.
    pub router_retries: bool,
    /// The request came in early data.
    pub early_data: bool,
    /// When the host wants to be asked again.
    pub asked: Asked,
}

/// What to do about a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Make another attempt, that may take this long.
    Retry(Duration),
    /// `retry_on` does not want another attempt.
    NotWanted,
    /// Another attempt would be wanted, but must not be.
    Refuse(RetryRefusal),
}

/// How useful an answer is to the client; a better one replaces a worse one, never the other way round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// No answer of a host: Envoy made one in its place.
    NoAnswer,
    /// A host's answer that is a failure: a 5xx, or what `retry_on` calls one.
    Failure,
    /// Any other answer of a host.
    Good,
}

/// Whether a request may ever be repeated by a callout, by its headers alone. `keyed`: its route lets it be repeated if
/// it has an `Idempotency-Key`, and it has one.
///
/// # Errors
/// Why not.
pub const fn screen(facts: &RequestFacts, keyed: bool) -> Result<(), RetryRefusal> {
    if facts.grpc {
        return Err(RetryRefusal::Grpc);
    }
    if matches!(facts.method, Method::Connect) {
        return Err(RetryRefusal::Connect);
    }
    if facts.upgrade {
        return Err(RetryRefusal::Upgrade);
    }
    match facts.method {
        Method::Head | Method::Idempotent => Ok(()),
        Method::Keyable if keyed => Ok(()),
        Method::Keyable | Method::Connect | Method::Other => Err(RetryRefusal::Method),
    }
}

/// When the last attempt of a request must end that came at `began`: after the policy's `timeout`, or earlier if the
/// caller asked for less (`x-envoy-upstream-rq-timeout-ms`).
pub fn deadline(began: Timestamp, policy: &RetryPolicy, asked: Option<Duration>) -> Timestamp {
    began.after(asked.map_or(policy.timeout, |asked| asked.min(policy.timeout)))
}

/// Whether an answer with this status can be worth a retry at all: if not, nothing more need be asked about it.
pub fn may_be_worth_a_retry(status: u16, policy: &RetryPolicy) -> bool {
    status >= 500
        || (status == 409 && policy.retry_on.retriable_4xx)
        || (policy.retry_on.retriable_status_codes && policy.retriable_status_codes.contains(&status))
        || (policy.retry_on.envoy_ratelimited && status == 429)
}

/// How useful this answer is.
pub fn standing(failed: &Failed, policy: &RetryPolicy) -> Standing {
    if failed.flags.any_of(ResponseFlags::NO_ANSWER) || failed.flags.any_of(ResponseFlags::UPSTREAM_OVERFLOW) {
        Standing::NoAnswer
    } else if failed.status >= 500 || is_worth_a_retry(failed, policy) {
        Standing::Failure
    } else {
        Standing::Good
    }
}

/// Whether another attempt is wanted after this answer: by `retry_on`, or because the filter risked it. The rules are those of Envoy's router
/// (`RetryStateImpl::wouldRetryFromHeaders` and `wouldRetryFromReset`).
pub fn is_worth_a_retry(failed: &Failed, policy: &RetryPolicy) -> bool {
    let on = &policy.retry_on;
    if failed.risked {
        return true;
    }
    if failed.flags.any_of(ResponseFlags::NO_ANSWER) {
        let connect_failure = failed.flags.any_of(ResponseFlags::UPSTREAM_CONNECTION_FAILURE);
        return on.any_5xx
            || on.gateway_error
            || on.reset
            || (on.connect_failure && connect_failure)
            || (on.refused_stream && failed.refused_stream);
    }
    let grpc = match failed.grpc_status {
        Some(1) => on.grpc_cancelled,
        Some(4) => on.grpc_deadline_exceeded,
        Some(8) => on.grpc_resource_exhausted,
        Some(13) => on.grpc_internal,
        Some(14) => on.grpc_unavailable,
        _ => false,
    };
    grpc || (on.any_5xx && (500..=599).contains(&failed.status))
        || (on.gateway_error && (502..=504).contains(&failed.status))
        || (on.retriable_4xx && failed.status == 409)
        || (on.retriable_status_codes && policy.retriable_status_codes.contains(&failed.status))
        || (on.envoy_ratelimited && failed.rate_limited)
}

/// Decides about a failed attempt, the `attempts`-th of its request.
///
/// No attempt runs past `deadline`. Whether there is a host left to go to, and whether the request was kept, is for
/// the caller to see to: both cost more than this.
pub fn decide(failed: &Failed, policy: &RetryPolicy, attempts: u32, deadline: Timestamp, now: Timestamp) -> Decision {
    if policy.num_retries == 0 || !is_worth_a_retry(failed, policy) {
        return Decision::NotWanted;
    }
    if (failed.overloaded && !failed.risked) || failed.flags.any_of(ResponseFlags::UPSTREAM_OVERFLOW) {
        return Decision::Refuse(RetryRefusal::Overloaded);
    }
    if failed.rate_limited && !failed.risked && !policy.retry_on.envoy_ratelimited {
        return Decision::Refuse(RetryRefusal::RateLimited);
    }
    if failed.status == 425 && failed.early_data {
        return Decision::Refuse(RetryRefusal::EarlyData);
    }
    if failed.asked == Asked::Never {
        return Decision::Refuse(RetryRefusal::RetryAfter);
    }
    if failed.router_retries {
        return Decision::Refuse(RetryRefusal::RouteRetries);
    }
    // Envoy's own time-out for the route: the time that the client was promised is over. Not by its own fault, if the
    // filter risked it: then late is better than never.
    if failed.flags.any_of(ResponseFlags::UPSTREAM_REQUEST_TIMEOUT) && !failed.per_try_timeout && !failed.risked {
        return Decision::Refuse(RetryRefusal::Deadline);
    }
    if attempts > policy.num_retries {
        return Decision::Refuse(RetryRefusal::NumRetries);
    }
    // A callout's time-out counts in whole milliseconds, and 0 would mean none.
    let left = deadline.since(now);
    if left >= Duration::from_millis(1) {
        Decision::Retry(left)
    } else {
        Decision::Refuse(RetryRefusal::Deadline)
    }
}
