//! `picking`: which hosts are known, and how requests find them.

use super::block::Block;
use super::error::BoxedError;
use super::field::Field;
use super::{Config, values};
use crate::model::Percent;
use std::ops::RangeInclusive;
use std::time::Duration;

type Result<T> = std::result::Result<T, BoxedError>;

/// Which hosts are known, and how requests find them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picking {
    /// While pins are set: share of the retriable requests that go unpinned, so that new hosts are found.
    pub discovery_percent: Percent,
    /// The most hosts that are kept for one cluster.
    pub max_hosts: usize,
    /// A host that no response came from for this long, and that is not configured, is forgotten.
    pub forget_after: Duration,
    /// After probation a host's share of traffic grows to a full one over this time.
    pub ramp_time: Duration,
    /// How long a host in probation may take for its response headers before its request is sent elsewhere.
    pub probation_timeout: Duration,
    /// If less than this share of the known hosts is available there are no pins: Envoy's load balancing takes over.
    pub panic_threshold: Percent,
}

impl Default for Picking {
    fn default() -> Self {
        Self {
            discovery_percent: Percent::ONE,
            max_hosts: 1024,
            forget_after: Duration::from_secs(600),
            ramp_time: Duration::from_secs(10),
            probation_timeout: Duration::from_secs(1),
            panic_threshold: Percent::HALF,
        }
    }
}

/// `picking.admin`: Envoy's own admin interface, as a source of hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admin {
    /// `picking.admin.cluster`: the cluster whose one host is the admin interface.
    pub cluster: String,
    /// `picking.admin.interval`: how often the hosts are read.
    pub interval: Duration,
}

const HOUR: Duration = Duration::from_secs(3600);

/// All hosts of a cluster are in one record of shared data, which each change writes anew.
const MAX_HOSTS: RangeInclusive<u32> = 1..=10_000;
/// Shorter, and a host would be forgotten between two of its answers.
const FORGET_AFTER: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(7 * 24 * 3600);
const RAMP_TIME: RangeInclusive<Duration> = Duration::ZERO..=HOUR;
const PROBATION_TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(1)..=HOUR;
/// The admin interface writes more than a kilobyte for each host, and does so on Envoy's main thread.
const ADMIN_INTERVAL: RangeInclusive<Duration> = Duration::from_secs(1)..=HOUR;

impl Picking {
    /// The policy, `header` and `admin`.
    pub(super) fn read(block: &mut Block<'_>) -> Result<(Self, String, Option<Admin>)> {
        let default = Self::default();
        let policy = Self {
            discovery_percent: block.percent("discovery_percent")?.unwrap_or(default.discovery_percent),
            max_hosts: block.size("max_hosts", MAX_HOSTS)?.unwrap_or(default.max_hosts),
            forget_after: block
                .duration("forget_after", FORGET_AFTER)?
                .unwrap_or(default.forget_after),
            ramp_time: block.duration("ramp_time", RAMP_TIME)?.unwrap_or(default.ramp_time),
            probation_timeout: block
                .duration("probation_timeout", PROBATION_TIMEOUT)?
                .unwrap_or(default.probation_timeout),
            panic_threshold: block.percent("panic_threshold")?.unwrap_or(default.panic_threshold),
        };
        let header = match block.take_top_level("header")? {
            Some(field) => values::override_header(&field)?,
            None => Config::default().override_header,
        };
        let admin = block.take_top_level("admin")?;
        let admin = admin.map(|field| Admin::read(&field)).transpose()?;
        Ok((policy, header, admin))
    }
}

impl Admin {
    fn read(field: &Field<'_>) -> Result<Self> {
        const CLUSTER: &str = "the name of the cluster that leads to Envoy's admin interface";
        field.block(|block| {
            let interval = block.duration("interval", ADMIN_INTERVAL)?;
            let cluster = block.require("cluster", CLUSTER)?;
            Ok(Self {
                cluster: values::text(&cluster, |text| !text.is_empty(), CLUSTER)?,
                interval: interval.unwrap_or(Duration::from_secs(5)),
            })
        })
    }
}
