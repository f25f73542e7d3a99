//! `probe`: whether and how hosts are asked for signs of life.

use super::block::Block;
use super::error::BoxedError;
use super::field::Field;
use super::values;
use crate::model::format_duration;
use std::ops::RangeInclusive;
use std::time::Duration;

type Result<T> = std::result::Result<T, BoxedError>;

/// Active probes: requests that ask a host for a sign of life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// The path of the request.
    pub path: String,
    /// The method of the request.
    pub method: String,
    /// The authority of the request; without one the cluster's name, as in Envoy's health checks.
    pub host: Option<String>,
    /// The statuses that pass, as ranges; without any, whatever the host answers passes.
    pub expected_statuses: Vec<RangeInclusive<u16>>,
    /// The time from one probe of a host to the next.
    pub interval: Duration,
    /// How long an answer may take.
    pub timeout: Duration,
    /// So many passes in a row end an ejection early.
    pub healthy_threshold: u32,
    /// So many failures in a row eject a host, if `all` is set.
    pub unhealthy_threshold: u32,
    /// Whether hosts that are not ejected are probed too.
    pub all: bool,
}

impl Default for Probe {
    fn default() -> Self {
        Self {
            path: "/".to_owned(),
            method: "GET".to_owned(),
            host: None,
            expected_statuses: vec![200..=299],
            interval: Duration::from_secs(5),
            timeout: Duration::from_secs(1),
            healthy_threshold: 2,
            unhealthy_threshold: 3,
            all: false,
        }
    }
}

/// Faster, and probes would be a load of their own.
const INTERVAL: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(3600);
const TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(60);
const THRESHOLD: RangeInclusive<u32> = 1..=1000;

impl Probe {
    /// The probe, if there is to be one: if the block is here or at the top, and does not say otherwise.
    pub(super) fn read_section(parent: &mut Block<'_>) -> Result<Option<Self>> {
        let is_there = parent.has("probe");
        let (is_enabled, probe) = parent.block("probe", |block| {
            Ok((block.boolean("enabled")?.unwrap_or(true), Self::read(block)?))
        })?;
        Ok((is_there && is_enabled).then_some(probe))
    }

    fn read(block: &mut Block<'_>) -> Result<Self> {
        let default = Self::default();
        let path = block.take("path").map(|field| path(&field)).transpose()?;
        let method = block.take("method").map(|field| method(&field)).transpose()?;
        let host = block.take("host").map(|field| host(&field)).transpose()?;
        let expected_statuses = match block.take("expected_statuses") {
            Some(field) => expected_statuses(&field)?,
            None => default.expected_statuses,
        };
        let interval = block.duration("interval", INTERVAL)?.unwrap_or(default.interval);
        let timeout = block.duration("timeout", TIMEOUT)?;
        if let Some(timeout) = timeout.filter(|timeout| *timeout > interval) {
            return Err(block.contradiction([
                (
                    "timeout",
                    format!("at most interval, which is {}", format_duration(interval)),
                ),
                (
                    "interval",
                    format!("at least timeout, which is {}", format_duration(timeout)),
                ),
            ]));
        }
        Ok(Self {
            path: path.unwrap_or(default.path),
            method: method.unwrap_or(default.method),
            host,
            expected_statuses,
            interval,
            // A short interval alone lowers the default of the time-out.
            timeout: timeout.unwrap_or_else(|| default.timeout.min(interval)),
            healthy_threshold: block
                .integer("healthy_threshold", THRESHOLD)?
                .unwrap_or(default.healthy_threshold),
            unhealthy_threshold: block
                .integer("unhealthy_threshold", THRESHOLD)?
                .unwrap_or(default.unhealthy_threshold),
            all: block.boolean("all")?.unwrap_or(default.all),
        })
    }
}

fn path(field: &Field<'_>) -> Result<String> {
    values::text(
        field,
        |text| text.starts_with('/') && text.bytes().all(|byte| byte.is_ascii_graphic()),
        "a path that begins with / and has only visible ASCII, such as \"/healthz\"",
    )
}

fn method(field: &Field<'_>) -> Result<String> {
    let is_good = |byte| values::is_token(byte) && !byte.is_ascii_lowercase();
    values::text(
        field,
        |text| !text.is_empty() && text.bytes().all(is_good) && text != "CONNECT",
        "a method in capitals, such as \"GET\" or \"HEAD\", and not CONNECT",
    )
}

fn host(field: &Field<'_>) -> Result<String> {
    values::text(
        field,
        |text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()),
        "a host in visible ASCII, such as \"backend.example\"",
    )
}

/// Ranges of statuses; none for whatever the host answers.
fn expected_statuses(field: &Field<'_>) -> Result<Vec<RangeInclusive<u16>>> {
    if field.as_text() == Some("any") {
        return Ok(Vec::new());
    }
    values::status_ranges(field, "a list of both, or \"any\"")
}
