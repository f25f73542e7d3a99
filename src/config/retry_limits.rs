//! `retry.budget`, `retry.back_off`, `retry.hedge` and `retry.report`.

use super::block::Block;
use super::error::BoxedError;
use super::values;
use crate::model::format_duration;
use std::ops::RangeInclusive;
use std::time::Duration;

type Result<T> = std::result::Result<T, BoxedError>;

/// `retry.budget`: how many retries a cluster's requests allow. Envoy's `budget_percent`, Linkerd's floor and `ttl`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryBudget {
    /// `budget_percent`, in thousandths of a per cent: this share of the requests of the last `ttl` may be retries.
    pub percent_thousandths: u32,
    /// So many retries in each second beyond that, for all workers together.
    pub min_retries_per_second: u32,
    /// For how long a request allows retries.
    pub ttl: Duration,
}

impl Default for RetryBudget {
    fn default() -> Self {
        Self {
            percent_thousandths: 20_000,
            min_retries_per_second: 10,
            ttl: Duration::from_secs(10),
        }
    }
}

impl RetryBudget {
    /// In thousandths: to 100 %.
    const PERCENT: RangeInclusive<u32> = 0..=100_000;
    const FLOOR: RangeInclusive<u32> = 0..=1_000_000;
    /// The budget is counted in tenths of this, by a clock that is read once a second where nothing fails.
    const TTL: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(60);

    pub(super) fn read(block: &mut Block<'_>) -> Result<Self> {
        let default = Self::default();
        let percent = block.take("budget_percent");
        let percent = percent.map(|field| field.thousandths(Self::PERCENT)).transpose()?;
        Ok(Self {
            percent_thousandths: percent.unwrap_or(default.percent_thousandths),
            min_retries_per_second: block
                .integer("min_retries_per_second", Self::FLOOR)?
                .unwrap_or(default.min_retries_per_second),
            ttl: block.duration("ttl", Self::TTL)?.unwrap_or(default.ttl),
        })
    }
}

/// `retry.back_off`: Envoy's `retry_back_off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackOff {
    /// The longest first wait; each further one may be twice as long.
    pub base_interval: Duration,
    /// The longest wait of all.
    pub max_interval: Duration,
}

impl Default for BackOff {
    fn default() -> Self {
        Self {
            base_interval: Duration::from_millis(25),
            max_interval: Duration::from_millis(250),
        }
    }
}

impl BackOff {
    const INTERVAL: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(60);

    pub(super) fn read(block: &mut Block<'_>) -> Result<Self> {
        let base = block.duration("base_interval", Self::INTERVAL)?;
        let max = block.duration("max_interval", Self::INTERVAL)?;
        let base_interval = base.unwrap_or(Self::default().base_interval);
        // As in Envoy.
        let max_interval = max.unwrap_or(base_interval * 10);
        if max_interval < base_interval {
            return Err(block.contradiction([
                (
                    "max_interval",
                    format!("at least base_interval, which is {}", format_duration(base_interval)),
                ),
                (
                    "base_interval",
                    format!("at most max_interval, which is {}", format_duration(max_interval)),
                ),
            ]));
        }
        Ok(Self {
            base_interval,
            max_interval,
        })
    }
}

/// `retry.hedge`: a second attempt while the first one is still out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hedge {
    /// How long the first attempt has alone.
    pub delay: HedgeDelay,
    /// The least that it has, if `delay` is measured.
    pub min_delay: Duration,
}

/// `retry.hedge.delay`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HedgeDelay {
    /// This long.
    Fixed(Duration),
    /// As long as 95 % of the cluster's answers took for their headers.
    P95,
}

impl Hedge {
    const DELAY: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(60);

    /// Hedging, if there is to be any: if the block is here or at the top, and does not say otherwise.
    pub(super) fn read_section(parent: &mut Block<'_>) -> Result<Option<Self>> {
        let is_there = parent.has("hedge");
        let (is_enabled, hedge) = parent.block("hedge", |block| {
            Ok((block.boolean("enabled")?.unwrap_or(true), Self::read(block)?))
        })?;
        Ok((is_there && is_enabled).then_some(hedge))
    }

    fn read(block: &mut Block<'_>) -> Result<Self> {
        let delay = match block.take("delay") {
            Some(field) if field.as_text() == Some("p95") => HedgeDelay::P95,
            Some(field) if field.duration(Self::DELAY).is_err() => {
                let (shortest, longest) = (
                    format_duration(*Self::DELAY.start()),
                    format_duration(*Self::DELAY.end()),
                );
                return Err(field.refuse(format!(
                    "\"p95\", or a duration from {shortest} to {longest}, such as \"50ms\""
                )));
            }
            Some(field) => HedgeDelay::Fixed(field.duration(Self::DELAY)?),
            None => HedgeDelay::P95,
        };
        let min_delay = block.duration("min_delay", Self::DELAY)?;
        Ok(Self {
            delay,
            min_delay: min_delay.unwrap_or(Duration::from_millis(10)),
        })
    }
}

/// `retry.report`: what a client is told about the attempts that its request took.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// `attempts`: whether each answer says in `x-sidestep-attempts` how many there were.
    pub attempts: bool,
    /// `proxy_status`: the name of this proxy in `Proxy-Status` (RFC 9209), which then tells of failures and retries.
    pub proxy_status: Option<String>,
    /// `next_hop`: whether `Proxy-Status` also names the host. It tells outsiders about the inside.
    pub next_hop: bool,
}

impl Report {
    pub(super) fn read(block: &mut Block<'_>) -> Result<Self> {
        let attempts = block.boolean("attempts")?.unwrap_or(false);
        let proxy_status = match block.take("proxy_status") {
            Some(field) => Some(values::text(
                &field,
                is_sf_token,
                "a name of letters, digits, - _ . * : /, such as \"edge\"",
            )?),
            None => None,
        };
        let next_hop = block.boolean("next_hop")?;
        if let Some(true) = next_hop
            && proxy_status.is_none()
        {
            return Err(block.contradiction([
                (
                    "next_hop",
                    "proxy_status beside it, in which the host is named".to_owned(),
                ),
                ("proxy_status", "a name, for next_hop is true".to_owned()),
            ]));
        }
        Ok(Self {
            attempts,
            proxy_status,
            next_hop: next_hop.unwrap_or(false),
        })
    }

    /// Whether there is anything to tell.
    pub const fn is_silent(&self) -> bool {
        !self.attempts && self.proxy_status.is_none()
    }
}

/// Whether a text is a token of structured fields (RFC 9651, section 3.3.4), which `Proxy-Status` names a proxy by.
fn is_sf_token(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == b'*')
        && bytes.all(|byte| values::is_token(byte) || matches!(byte, b':' | b'/'))
}
