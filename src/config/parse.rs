//! The shape of the configuration: every field with its range and its default, and the rules between fields.

use super::block::{Block, Field};
use super::error::{BoxedError, Path};
use super::retry_on::STATUS_CODES;
use super::{ClusterPolicy, Config, OutlierDetection, Picking, RetryOn, RetryPolicy};
use super::{document, values};
use crate::model::format_duration;
use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::rc::Rc;
use std::time::Duration;

type Result<T> = std::result::Result<T, BoxedError>;

const MILLISECOND: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Longer than any ejection should last: a host that is gone for longer belongs out of the cluster.
const EJECTION_TIME: RangeInclusive<Duration> = MILLISECOND..=DAY;
/// Longer than any client waits. It is an end for what the filter holds in memory for a request.
const TIMEOUT: RangeInclusive<Duration> = MILLISECOND..=HOUR;
/// Shorter, and a host would be forgotten between two of its answers.
const FORGET_AFTER: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(7 * 24 * 3600);
/// All hosts of a cluster are in one record of shared data, which each change writes anew.
const MAX_HOSTS: RangeInclusive<u32> = 1..=10_000;
const NUM_RETRIES: RangeInclusive<u32> = 0..=10;
const MAX_BODY_BYTES: RangeInclusive<u32> = 0..=16 * 1024 * 1024;
const MAX_HELD_BYTES: RangeInclusive<u32> = 0..=256 * 1024 * 1024;
const FAILURES: RangeInclusive<u32> = 0..=u32::MAX;

pub(super) fn parse(bytes: &[u8]) -> Result<Config> {
    let json = document::read(bytes)?;
    Block::read(Path::top(), &json, None, |top| {
        let global = sections(top)?;
        Ok(Config {
            clusters: match top.take("clusters") {
                Some(field) => clusters(&field, top)?,
                None => HashMap::new(),
            },
            default: Rc::new(global.policy),
            override_header: global.override_header,
            max_held_bytes: global.max_held_bytes,
            ..Config::default()
        })
    })
}

fn clusters<'a>(field: &Field<'a>, top: &Block<'a>) -> Result<HashMap<String, Rc<ClusterPolicy>>> {
    let mut clusters = HashMap::new();
    for (name, value) in field.fields()? {
        let path = field.path().field(name);
        if name.is_empty() {
            return Err(path.error("\"\"", "the name of a cluster"));
        }
        if clusters.contains_key(name) {
            return Err(path.error("a second block for this cluster", "each cluster at most once"));
        }
        let policy = Block::read(path, value, Some(top.fields()), |block| {
            let mut policy = sections(block)?.policy;
            if let Some(field) = block.take("hosts") {
                policy.hosts = values::hosts(&field, policy.picking.max_hosts)?;
            }
            Ok(policy)
        })?;
        clusters.insert(name.clone(), Rc::new(policy));
    }
    Ok(clusters)
}

/// What the sections say that are the same at the top and in a cluster's block.
struct Sections {
    policy: ClusterPolicy,
    override_header: String,
    max_held_bytes: usize,
}

fn sections(block: &mut Block<'_>) -> Result<Sections> {
    let outlier_detection = block.block("outlier_detection", outlier_detection)?;
    let (retry, max_held_bytes) = block.block("retry", retry)?;
    let (picking, override_header) = block.block("picking", picking)?;
    let hosts = Vec::new();
    Ok(Sections {
        policy: ClusterPolicy {
            hosts,
            outlier_detection,
            retry,
            picking,
            ..ClusterPolicy::default()
        },
        override_header,
        max_held_bytes,
    })
}

fn outlier_detection(block: &mut Block<'_>) -> Result<OutlierDetection> {
    let default = OutlierDetection::default();
    let base = block
        .duration("base_ejection_time", EJECTION_TIME)?
        .unwrap_or(default.base_ejection_time);
    let max = block.duration("max_ejection_time", EJECTION_TIME)?;
    if let Some(max) = max.filter(|max| *max < base) {
        return Err(block.contradiction([
            (
                "max_ejection_time",
                format!("at least base_ejection_time, which is {}", format_duration(base)),
            ),
            (
                "base_ejection_time",
                format!("at most max_ejection_time, which is {}", format_duration(max)),
            ),
        ]));
    }
    Ok(OutlierDetection {
        consecutive_5xx: block
            .integer("consecutive_5xx", FAILURES)?
            .unwrap_or(default.consecutive_5xx),
        consecutive_gateway_failure: block
            .integer("consecutive_gateway_failure", FAILURES)?
            .unwrap_or(default.consecutive_gateway_failure),
        consecutive_local_origin_failure: block
            .integer("consecutive_local_origin_failure", FAILURES)?
            .unwrap_or(default.consecutive_local_origin_failure),
        split_external_local_origin_errors: block
            .boolean("split_external_local_origin_errors")?
            .unwrap_or(default.split_external_local_origin_errors),
        enforcing_consecutive_5xx: block
            .percent("enforcing_consecutive_5xx")?
            .unwrap_or(default.enforcing_consecutive_5xx),
        enforcing_consecutive_gateway_failure: block
            .percent("enforcing_consecutive_gateway_failure")?
            .unwrap_or(default.enforcing_consecutive_gateway_failure),
        enforcing_consecutive_local_origin_failure: block
            .percent("enforcing_consecutive_local_origin_failure")?
            .unwrap_or(default.enforcing_consecutive_local_origin_failure),
        interval: block.duration("interval", EJECTION_TIME)?.unwrap_or(default.interval),
        base_ejection_time: base,
        // As in Envoy, a long base alone lifts the default of the maximum.
        max_ejection_time: max.unwrap_or_else(|| default.max_ejection_time.max(base)),
        max_ejection_time_jitter: block
            .duration("max_ejection_time_jitter", Duration::ZERO..=DAY)?
            .unwrap_or(default.max_ejection_time_jitter),
        max_ejection_percent: block
            .percent("max_ejection_percent")?
            .unwrap_or(default.max_ejection_percent),
        ..default
    })
}

/// The policy, and `max_held_bytes`.
fn retry(block: &mut Block<'_>) -> Result<(RetryPolicy, usize)> {
    let default = RetryPolicy::default();
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
    let policy = RetryPolicy {
        retry_on,
        num_retries: num_retries.unwrap_or(default.num_retries),
        retriable_status_codes,
        timeout: timeout.unwrap_or(default.timeout),
        // Little room for all bodies alone lowers the default for one.
        max_body_bytes: max_body_bytes.unwrap_or_else(|| default.max_body_bytes.min(max_held_bytes)),
    };
    Ok((policy, max_held_bytes))
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

/// The policy, and `header`.
fn picking(block: &mut Block<'_>) -> Result<(Picking, String)> {
    let default = Picking::default();
    let policy = Picking {
        discovery_percent: block.percent("discovery_percent")?.unwrap_or(default.discovery_percent),
        max_hosts: block.size("max_hosts", MAX_HOSTS)?.unwrap_or(default.max_hosts),
        forget_after: block
            .duration("forget_after", FORGET_AFTER)?
            .unwrap_or(default.forget_after),
        ..default
    };
    let header = match block.take_top_level("header")? {
        Some(field) => values::header(&field)?,
        None => Config::default().override_header,
    };
    Ok((policy, header))
}
