//! `etcd`, `backup` and `fleet`: where what was learned is kept, and with whom it is shared.

use super::block::Block;
use super::error::BoxedError;
use super::field::{Field, Spelling};
use super::values;
use crate::model::Percent;
use std::ops::RangeInclusive;
use std::time::Duration;

type Result<T> = std::result::Result<T, BoxedError>;

/// `etcd`: the store, and how it is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Etcd {
    /// `etcd.cluster`: Envoy's cluster that leads there. It must speak HTTP/2.
    pub cluster: String,
    /// `etcd.timeout`: how long a call may take.
    pub timeout: Duration,
    /// `etcd.prefix`: what all keys begin with.
    pub prefix: String,
    /// `etcd.metadata`: headers of each call, such as `authorization`.
    pub metadata: Vec<(String, String)>,
}

/// `backup`: how what was learned is kept over a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backup {
    /// `backup.interval`: how often the whole state is written, if it has changed. Between that, only what changes is.
    pub interval: Duration,
    /// `backup.max_age`: what is older is not restored.
    pub max_age: Duration,
    /// `backup.keep`: how many whole states are kept.
    pub keep: usize,
    /// `backup.origin`: whose state it is; Envoy's node id if `None`.
    pub origin: Option<String>,
}

/// `fleet`: who shares ejections with whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fleet {
    /// `fleet.name`: those of another fleet are strangers.
    pub name: String,
    /// `fleet.zone`: and so are those of another zone.
    pub zone: String,
    /// `fleet.quorum`: how many sidecars must report a host.
    pub quorum: Quorum,
    /// `fleet.lease`: how long the reports of a sidecar stand that is not heard of any more.
    pub lease: Duration,
}

/// How many sidecars must report a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quorum {
    /// So many.
    Number(u32),
    /// This share of those that are alive, rounded up, but at least two.
    Share(Percent),
}

impl Quorum {
    /// How many that is, if so many are alive.
    pub fn of(self, alive: usize) -> usize {
        match self {
            Self::Number(number) => number as usize,
            Self::Share(share) => {
                let down = share.of(alive);
                // `Percent::of` rounds down.
                let exact = down * 100 == alive * usize::from(share.get());
                (down + usize::from(!exact)).max(2)
            }
        }
    }
}

const HOUR: Duration = Duration::from_secs(3600);

/// A call that takes longer holds up nothing but the calls behind it.
const TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(60);
const INTERVAL: RangeInclusive<Duration> = Duration::from_secs(10)..=Duration::from_secs(24 * 3600);
const MAX_AGE: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(7 * 24 * 3600);
const KEEP: RangeInclusive<u32> = 1..=16;
const QUORUM: RangeInclusive<u32> = 1..=10_000;
/// It is renewed every third of it. etcd counts in seconds.
const LEASE: RangeInclusive<Duration> = Duration::from_secs(2)..=HOUR;

/// A part of a key.
const NAME: &str = "a name without \"/\"";

/// The three sections, which are for the whole plugin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keep {
    /// The store.
    pub etcd: Etcd,
    /// Whether and how backups are made.
    pub backup: Option<Backup>,
    /// Whether and how ejections are shared.
    pub fleet: Option<Fleet>,
}

impl Default for Etcd {
    fn default() -> Self {
        Self {
            cluster: "etcd".to_owned(),
            timeout: Duration::from_secs(1),
            prefix: "/sidestep".to_owned(),
            metadata: Vec::new(),
        }
    }
}

impl Keep {
    /// Whether anything is kept outside of this process.
    pub const fn is_wanted(&self) -> bool {
        self.backup.is_some() || self.fleet.is_some()
    }

    pub(super) fn read(top: &mut Block<'_>) -> Result<Self> {
        let etcd = top.take("etcd").map(|field| Etcd::read(&field)).transpose()?;
        let backup = top.take("backup").map(|field| Backup::read(&field)).transpose()?;
        let fleet = top.take("fleet").map(|field| Fleet::read(&field)).transpose()?;
        Ok(Self {
            etcd: etcd.unwrap_or_default(),
            backup,
            fleet,
        })
    }
}

impl Etcd {
    fn read(field: &Field<'_>) -> Result<Self> {
        const CLUSTER: &str = "the name of the cluster that leads to etcd";
        const PREFIX: &str = "what keys begin with, such as \"/sidestep\": not empty, without a \"/\" at the end";
        let default = Self::default();
        field.block(|block| {
            let text = |block: &mut Block<'_>, name, is_good: fn(&str) -> bool, expected| {
                block
                    .take(name)
                    .map(|field| values::text(&field, is_good, expected))
                    .transpose()
            };
            Ok(Self {
                cluster: text(block, "cluster", |text| !text.is_empty(), CLUSTER)?.unwrap_or(default.cluster),
                timeout: block.duration("timeout", TIMEOUT)?.unwrap_or(default.timeout),
                prefix: text(block, "prefix", |text| !text.is_empty() && !text.ends_with('/'), PREFIX)?
                    .unwrap_or(default.prefix),
                metadata: block
                    .take("metadata")
                    .map(|field| metadata(&field))
                    .transpose()?
                    .unwrap_or_default(),
            })
        })
    }
}

/// Headers by their names.
fn metadata(field: &Field<'_>) -> Result<Vec<(String, String)>> {
    const NAME: &str = "the lower-case name of a header that gRPC does not use itself";
    const VALUE: &str = "a text of visible characters";
    let mut all = Vec::new();
    for (name, value) in field.fields()? {
        let path = field.path().field(name);
        let is_good = !name.is_empty()
            && name
                .bytes()
                .all(|byte| values::is_token(byte) && !byte.is_ascii_uppercase())
            && !name.starts_with("grpc-")
            && !matches!(name.as_str(), "content-type" | "te" | "host" | "content-length");
        if !is_good {
            return Err(path.error(super::json::show_text(name), NAME));
        }
        let value = Field::new(path, value, Spelling::Plain);
        let is_visible = |text: &str| !text.is_empty() && text.bytes().all(|byte| (0x20..0x7f).contains(&byte));
        all.push((name.clone(), values::text(&value, is_visible, VALUE)?));
    }
    Ok(all)
}

impl Backup {
    fn read(field: &Field<'_>) -> Result<Self> {
        field.block(|block| {
            Ok(Self {
                interval: block
                    .duration("interval", INTERVAL)?
                    .unwrap_or(Duration::from_secs(600)),
                max_age: block.duration("max_age", MAX_AGE)?.unwrap_or(HOUR),
                keep: block.size("keep", KEEP)?.unwrap_or(2),
                origin: block.take("origin").map(|field| name(&field)).transpose()?,
            })
        })
    }
}

impl Fleet {
    fn read(field: &Field<'_>) -> Result<Self> {
        field.block(|block| {
            Ok(Self {
                name: match block.take("name") {
                    Some(field) => name(&field)?,
                    None => "default".to_owned(),
                },
                zone: match block.take("zone") {
                    Some(field) => values::text(&field, |text| !text.contains('/'), NAME)?,
                    None => String::new(),
                },
                quorum: match block.take("quorum") {
                    Some(field) => Quorum::read(&field)?,
                    None => Quorum::Number(2),
                },
                lease: block.duration("lease", LEASE)?.unwrap_or(Duration::from_secs(10)),
            })
        })
    }
}

impl Quorum {
    fn read(field: &Field<'_>) -> Result<Self> {
        const EXPECTED: &str = "a number of sidecars from 1 to 10000, or a share of them such as \"50%\"";
        if let Some(text) = field.as_text() {
            let share = text.strip_suffix('%').and_then(|digits| digits.parse().ok());
            let share = share.filter(|share| (1..=100).contains(share)).and_then(Percent::new);
            return share.map(Self::Share).ok_or_else(|| field.refuse(EXPECTED));
        }
        field
            .integer(QUORUM)
            .map(Self::Number)
            .map_err(|_| field.refuse(EXPECTED))
    }
}

fn name(field: &Field<'_>) -> Result<String> {
    values::text(field, |text| !text.is_empty() && !text.contains('/'), NAME)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_rounded_up_and_never_one_alone() {
        let share = |percent| Quorum::Share(Percent::new(percent).expect("a percentage"));
        for (percent, alive, quorum) in [
            (50, 0, 2),
            (50, 3, 2),
            (50, 5, 3),
            (50, 100, 50),
            (1, 100, 2),
            (100, 7, 7),
        ] {
            assert_eq!(share(percent).of(alive), quorum, "{percent} % of {alive}");
        }
        assert_eq!(Quorum::Number(1).of(100), 1);
    }
}
