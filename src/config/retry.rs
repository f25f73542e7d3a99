//! `retry`: which failed requests get another attempt, when, and by whom.

use super::block::Block;
use super::error::BoxedError;
use super::field::Field;
use super::names::one_of;
use super::retry_on::STATUS_CODES;
use super::{BackOff, Config, Hedge, Report, RetryBudget, RetryOn, values};
use crate::model::{FailureOrigin, Outcome, format_duration};
use std::ops::RangeInclusive;
use std::time::Duration;

type Result<T> = std::result::Result<T, BoxedError>;

/// Who repeats a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Engine {
    /// The filter where it can do so faithfully, else Envoy's router.
    #[default]
    Auto,
    /// The filter: it holds the failed answer back and sends the request again by a callout.
    Filter,
    /// Envoy's router, told by request headers.
    Router,
}

impl Engine {
    /// All engines.
    pub const ALL: [Self; 3] = [Self::Auto, Self::Filter, Self::Router];

    /// The name in configuration, access logs and docs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Filter => "filter",
            Self::Router => "router",
        }
    }

    fn read(field: &Field<'_>) -> Result<Self> {
        let name = field.as_text().unwrap_or_default();
        let names = Self::ALL.into_iter().map(Self::name);
        let found = Self::ALL.into_iter().find(|engine| engine.name() == name);
        found.ok_or_else(|| field.refuse(one_of(names, name)))
    }
}

/// Which failed requests get another attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Who repeats them.
    pub engine: Engine,
    /// Which failures are worth another attempt.
    pub retry_on: RetryOn,
    /// `retriable_status_codes`: the statuses meant by `retriable-status-codes`, sorted.
    pub retriable_status_codes: Vec<u16>,
    /// Attempts after the first one; 0 turns retries off.
    pub num_retries: u32,
    /// From the request's arrival to the end of its last attempt. No retry runs past it.
    pub timeout: Duration,
    /// How long a single attempt may take for its response headers; a callout for its whole answer.
    pub per_try_timeout: Option<Duration>,
    /// How many retries there may be, measured by the requests.
    pub budget: RetryBudget,
    /// How long a host is left alone before a request goes to it again.
    pub back_off: BackOff,
    /// The longest `Retry-After` that a request waits for; if a host asks for more, it is not asked again.
    pub max_retry_after: Duration,
    /// When a second attempt starts although the first one has not failed.
    pub hedge: Option<Hedge>,
    /// The largest request body, in bytes, that is kept for a retry.
    pub max_body_bytes: usize,
    /// What the client is told about attempts.
    pub report: Report,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            engine: Engine::Auto,
            retry_on: RetryOn {
                gateway_error: true,
                connect_failure: true,
                refused_stream: true,
                reset: true,
                ..RetryOn::default()
            },
            retriable_status_codes: Vec::new(),
            num_retries: 1,
            timeout: Duration::from_secs(15),
            per_try_timeout: None,
            budget: RetryBudget::default(),
            back_off: BackOff::default(),
            max_retry_after: Duration::from_secs(5),
            hedge: None,
            max_body_bytes: 64 * 1024,
            report: Report::default(),
        }
    }
}

/// The bounds on what one worker does for retries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryBounds {
    /// `retry.max_held_bytes`: all bodies held, of requests and of answers, in bytes.
    pub held_bytes: usize,
    /// `retry.max_concurrent_retries`: callouts that are out at once.
    pub concurrent_retries: usize,
}

impl Default for RetryBounds {
    fn default() -> Self {
        Self {
            held_bytes: 16 * 1024 * 1024,
            concurrent_retries: 1024,
        }
    }
}

/// Longer than any client waits. It is an end for what the filter holds in memory for a request.
const TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(3600);
/// A pin names a host for each attempt, so this is also a bound on its length.
const NUM_RETRIES: RangeInclusive<u32> = 0..=10;
const MAX_BODY_BYTES: RangeInclusive<u32> = 0..=16 * 1024 * 1024;
const MAX_HELD_BYTES: RangeInclusive<u32> = 0..=256 * 1024 * 1024;
const MAX_CONCURRENT_RETRIES: RangeInclusive<u32> = 0..=65_536;
/// As long as a host's share may be lowered.
const MAX_RETRY_AFTER: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(300);

impl RetryPolicy {
    /// What an attempt says about its host that Envoy's router has repeated: one of the conditions of `retry_on` was met,
    /// and nobody tells which.
    ///
    /// A 4xx is an answer like any other, so where one is repeated nothing is known. CANCELLED and RESOURCE_EXHAUSTED are no
    /// failures either, but who has the usual five gRPC statuses repeated must not lose sight of hosts that are down: there
    /// they count as one.
    pub fn outcome_on_the_way(&self) -> Outcome {
        let on = &self.retry_on;
        let repeats_4xx = on.retriable_4xx
            || on.envoy_ratelimited
            || (on.retriable_status_codes && self.retriable_status_codes.iter().any(|status| *status < 500));
        if repeats_4xx {
            return Outcome::Ignored;
        }
        let gateway_only = !on.any_5xx
            && !on.retriable_status_codes
            && !on.grpc_internal
            && !on.grpc_cancelled
            && !on.grpc_resource_exhausted;
        Outcome::Failure(FailureOrigin::External { gateway: gateway_only })
    }

    /// The policy, and the bounds.
    pub(super) fn read(block: &mut Block<'_>) -> Result<(Self, RetryBounds)> {
        let default = Self::default();
        let engine = block.take("engine").map(|field| Engine::read(&field)).transpose()?;
        let retry_on = match block.take("retry_on") {
            Some(field) => RetryOn::read(&field)?,
            None => default.retry_on,
        };
        let num_retries = block.integer("num_retries", NUM_RETRIES)?;
        let retriable_status_codes = match block.take("retriable_status_codes") {
            Some(field) => values::status_codes(&field)?,
            None => default.retriable_status_codes,
        };
        check_status_codes(block, retry_on, &retriable_status_codes)?;
        let (timeout, per_try_timeout) = timeouts(block, default.timeout)?;
        let (max_body_bytes, bounds) = bounds(block, default.max_body_bytes)?;
        let policy = Self {
            engine: engine.unwrap_or_default(),
            retry_on,
            num_retries: num_retries.unwrap_or(default.num_retries),
            retriable_status_codes,
            timeout,
            per_try_timeout,
            budget: block.block("budget", RetryBudget::read)?,
            back_off: block.block("back_off", BackOff::read)?,
            max_retry_after: block
                .duration("max_retry_after", MAX_RETRY_AFTER)?
                .unwrap_or(default.max_retry_after),
            hedge: Hedge::read_section(block)?,
            max_body_bytes,
            report: block.block("report", Report::read)?,
        };
        Ok((policy, bounds))
    }
}

/// `timeout` and `per_try_timeout`.
fn timeouts(block: &mut Block<'_>, default: Duration) -> Result<(Duration, Option<Duration>)> {
    let timeout = block.duration("timeout", TIMEOUT)?.unwrap_or(default);
    let per_try_timeout = block.duration("per_try_timeout", TIMEOUT)?;
    match per_try_timeout {
        Some(per_try) if per_try > timeout => Err(block.contradiction([
            (
                "per_try_timeout",
                format!("at most timeout, which is {}", format_duration(timeout)),
            ),
            (
                "timeout",
                format!("at least per_try_timeout, which is {}", format_duration(per_try)),
            ),
        ])),
        _ => Ok((timeout, per_try_timeout)),
    }
}

/// `max_body_bytes`, `max_held_bytes` and `max_concurrent_retries`.
fn bounds(block: &mut Block<'_>, default: usize) -> Result<(usize, RetryBounds)> {
    let max_body_bytes = block.size("max_body_bytes", MAX_BODY_BYTES)?;
    let mut bounds = Config::default().bounds;
    if let Some(field) = block.take_top_level("max_held_bytes")? {
        bounds.held_bytes = field.integer(MAX_HELD_BYTES)? as usize;
    }
    if let Some(field) = block.take_top_level("max_concurrent_retries")? {
        bounds.concurrent_retries = field.integer(MAX_CONCURRENT_RETRIES)? as usize;
    }
    let max_held_bytes = bounds.held_bytes;
    if let Some(max_body_bytes) = max_body_bytes.filter(|bytes| *bytes > max_held_bytes) {
        return Err(block.contradiction([
            (
                "max_body_bytes",
                format!("at most max_held_bytes, which is {max_held_bytes}"),
            ),
            (
                "max_held_bytes",
                format!("at least max_body_bytes, which is {max_body_bytes}"),
            ),
        ]));
    }
    // Little room for all bodies alone lowers the default for one.
    Ok((max_body_bytes.unwrap_or_else(|| default.min(max_held_bytes)), bounds))
}

/// Envoy overlooks a list without its condition, and a condition without its list. Here each is a mistake.
fn check_status_codes(block: &Block<'_>, retry_on: RetryOn, codes: &[u16]) -> Result<()> {
    if retry_on.retriable_status_codes && codes.is_empty() {
        return Err(block.contradiction([
            (
                "retriable_status_codes",
                format!("at least one status, for retry_on has {STATUS_CODES}"),
            ),
            (
                "retry_on",
                format!("retriable_status_codes beside it, for {STATUS_CODES} to mean"),
            ),
        ]));
    }
    // A cluster that inherits the list and has a retry_on of its own is fine.
    match block.own("retriable_status_codes") {
        Some(field) if !retry_on.retriable_status_codes && !codes.is_empty() => Err(field.refuse(format!(
            "{STATUS_CODES} in retry_on too, without which the list means nothing"
        ))),
        _ => Ok(()),
    }
}
