//! `retry`: which failed requests get another attempt.

use super::block::Block;
use super::error::BoxedError;
use super::retry_on::STATUS_CODES;
use super::{Config, RetryOn, values};
use std::ops::RangeInclusive;
use std::time::Duration;

type Result<T> = std::result::Result<T, BoxedError>;

/// Which failed requests get another attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Which failures are worth another attempt.
    pub retry_on: RetryOn,
    /// `retriable_status_codes`: the statuses meant by `retriable-status-codes`, sorted.
    pub retriable_status_codes: Vec<u16>,
    /// Attempts after the first one; 0 turns retries off.
    pub num_retries: u32,
    /// From the request's arrival to the end of its last attempt. No retry runs past it.
    pub timeout: Duration,
    /// The largest request body, in bytes, that is kept for a retry.
    pub max_body_bytes: usize,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
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
            max_body_bytes: 64 * 1024,
        }
    }
}

/// Longer than any client waits. It is an end for what the filter holds in memory for a request.
const TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(3600);
const NUM_RETRIES: RangeInclusive<u32> = 0..=10;
const MAX_BODY_BYTES: RangeInclusive<u32> = 0..=16 * 1024 * 1024;
const MAX_HELD_BYTES: RangeInclusive<u32> = 0..=256 * 1024 * 1024;

impl RetryPolicy {
    /// The policy, and `max_held_bytes`.
    pub(super) fn read(block: &mut Block<'_>) -> Result<(Self, usize)> {
        let default = Self::default();
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
        let timeout = block.duration("timeout", TIMEOUT)?;
        let max_body_bytes = block.size("max_body_bytes", MAX_BODY_BYTES)?;
        let max_held_bytes = match block.take_top_level("max_held_bytes")? {
            Some(field) => field.integer(MAX_HELD_BYTES)? as usize,
            None => Config::default().max_held_bytes,
        };
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
        let policy = Self {
            retry_on,
            num_retries: num_retries.unwrap_or(default.num_retries),
            retriable_status_codes,
            timeout: timeout.unwrap_or(default.timeout),
            // Little room for all bodies alone lowers the default for one.
            max_body_bytes: max_body_bytes.unwrap_or_else(|| default.max_body_bytes.min(max_held_bytes)),
        };
        Ok((policy, max_held_bytes))
    }
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
