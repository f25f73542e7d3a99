//! A snapshot: changes as bytes, with all that a reader needs to trust them.
//!
//! All numbers are little-endian, all times in ns since the Unix epoch. Version 1 is:
//!
//! | bytes | meaning |
//! |---|---|
//! | 8 | `sidestep` |
//! | 1 | version, [`VERSION`] |
//! | 4 | the length of all, the checksum included |
//! | 1 | kind: 0 full, 1 increment, 2 differential |
//! | 8 | when it was taken |
//! | 8 | epoch: when the process began that took it |
//! | 4 | sequence: its number in this epoch |
//! | 4 | base: the number of the snapshot that it builds on; a full one's own |
//! | 4, that many | origin: who took it, in UTF-8 |
//! | 4 | how many clusters follow, sorted by name |
//! | per cluster: 4, that many | name, in UTF-8 |
//! | 1 | what follows: 0 or `CONTROLS`; or `REMOVED`, and then nothing does |
//! | 8 | the hash of the cluster's host set once the changes are made: FNV-1a over each host's address, sorted, as below |
//! | 4 | how many new or changed hosts follow, sorted by address |
//! | per host | as in the [record](crate::health::ClusterTable::encode); seen and a trial's end are zero |
//! | 4 | how many addresses follow of hosts that are gone, sorted |
//! | per address: 1, 4 or 16, 2 | 1 for IPv6 or 0, IP address, port |
//! | 4 if `CONTROLS` | how many controls follow: all there are |
//! | per control | as in the record |
//! | 4 | CRC-32 (of IEEE 802.3) of all before |
//!
//! There is one way only to write a snapshot: bytes that decode are the bytes that their snapshot encodes to. A byte that
//! is changed, missing or added is found by the checksum and the length; what is refused beyond that is what a broken
//! writer could have written. No count is believed: each item takes bytes before it takes memory.
//!
//! The version is looked at first, so that a later one can be read beside this one. Whoever changes the form of a host or
//! a control in the record makes another version here, and a reader of the old form for this one.

use super::checksum::crc32;
use super::state::{Changes, ClusterChange, ClusterUpdate, kept_host};
use crate::health::{
    Control, HostHealth, Input, MAX_REASON, RecordError, decode_control, decode_host, encode_control, encode_host,
    put_addr, put_time, take_addr,
};
use crate::model::{HostAddr, SortedMap, Timestamp};

/// The version that is written.
pub const VERSION: u8 = 1;

const MAGIC: &[u8; 8] = b"sidestep";

/// Where the length stands.
const LENGTH_AT: usize = 9;

/// A checksum's bytes.
const CHECKSUM: usize = 4;

const REMOVED: u8 = 1;
const CONTROLS: u8 = 2;

/// What a snapshot's changes start from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Nothing: it holds all there is.
    Full,
    /// The snapshot right before it.
    Increment,
    /// The last full one.
    Differential,
}

impl Kind {
    /// All kinds, in the order of their numbers in a snapshot.
    pub const ALL: [Self; 3] = [Self::Full, Self::Increment, Self::Differential];

    /// The name in keys, metrics and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Increment => "increment",
            Self::Differential => "differential",
        }
    }
}

/// A snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// What its changes start from.
    pub kind: Kind,
    /// When it was taken.
    pub taken_at: Timestamp,
    /// When the process began that took it, in ns since the Unix epoch: sequences of different epochs don't compare.
    pub epoch: u64,
    /// Its number in this epoch; later ones have larger numbers.
    pub sequence: u32,
    /// The number of the snapshot that it builds on; a full one's own.
    pub base: u32,
    /// Who took it.
    pub origin: String,
    /// What it holds.
    pub changes: Changes,
}

/// Why bytes are no snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// Something else.
    #[error("no snapshot")]
    Magic,
    /// A version that this module does not know.
    #[error("version {0}, expected {VERSION}")]
    Version(u8),
    /// Bytes are missing, or there are too many.
    #[error("{found} bytes, expected {expected}")]
    Length {
        /// How many there are.
        found: usize,
        /// How many its writer wrote.
        expected: u32,
    },
    /// The bytes are not those that were written.
    #[error("the checksum is another one")]
    Checksum,
    /// A number or a combination that nothing writes.
    #[error("a value that nothing writes")]
    Value,
    /// A text that is no UTF-8.
    #[error("a text that is not UTF-8")]
    Text,
    /// Clusters, hosts or addresses that are not sorted, or there twice.
    #[error("entries out of order, or twice")]
    Order,
    /// A host or a control that does not read.
    #[error("an entry: {0}")]
    Entry(#[from] RecordError),
}

type Result<T> = std::result::Result<T, SnapshotError>;

impl Snapshot {
    /// The snapshot as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend_from_slice(MAGIC);
        out.push(VERSION);
        put_number(&mut out, 0);
        out.push(self.kind as u8);
        put_time(&mut out, self.taken_at);
        put_time(&mut out, Timestamp::from_nanos(self.epoch));
        put_number(&mut out, self.sequence);
        put_number(&mut out, self.base);
        put_text(&mut out, &self.origin);
        put_count(&mut out, self.changes.clusters.len());
        for (name, change) in self.changes.clusters.iter() {
            put_text(&mut out, name);
            match change {
                ClusterChange::Removed => out.push(REMOVED),
                ClusterChange::Changed(update) => put_update(&mut out, update),
            }
        }
        let length = u32::try_from(out.len().saturating_add(CHECKSUM)).unwrap_or(u32::MAX);
        for (slot, byte) in out.iter_mut().skip(LENGTH_AT).zip(length.to_le_bytes()) {
            *slot = byte;
        }
        let checksum = crc32(&out);
        put_number(&mut out, checksum);
        out
    }

    /// The snapshot of these bytes.
    ///
    /// # Errors
    /// If they are not exactly what [`Self::encode`] of this or an earlier version wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let mut input = Input::new(bytes);
        if input.array().as_ref() != Ok(MAGIC) {
            return Err(SnapshotError::Magic);
        }
        match input.byte()? {
            1 => decode_v1(bytes, input),
            other => Err(SnapshotError::Version(other)),
        }
    }
}

/// Version 1, all of it and from behind its version.
fn decode_v1(bytes: &[u8], mut input: Input<'_>) -> Result<Snapshot> {
    let expected = input.number()?;
    let found = bytes.len();
    if u32::try_from(found) != Ok(expected) {
        return Err(SnapshotError::Length { found, expected });
    }
    let (content, checksum) = bytes.split_last_chunk::<CHECKSUM>().ok_or(RecordError::Short)?;
    if crc32(content) != u32::from_le_bytes(*checksum) {
        return Err(SnapshotError::Checksum);
    }
    let body = input.rest().len().checked_sub(CHECKSUM).ok_or(RecordError::Short)?;
    let mut input = Input::new(input.bytes(body)?);
    let kind = input.byte()?;
    let kind = *Kind::ALL.get(usize::from(kind)).ok_or(SnapshotError::Value)?;
    let snapshot = Snapshot {
        kind,
        taken_at: input.time()?,
        epoch: input.time()?.as_nanos(),
        sequence: input.number()?,
        base: input.number()?,
        origin: take_text(&mut input)?,
        changes: take_changes(&mut input, kind)?,
    };
    let is_based = match kind {
        Kind::Full => snapshot.base == snapshot.sequence,
        Kind::Increment | Kind::Differential => snapshot.base < snapshot.sequence,
    };
    if is_based && input.is_empty() {
        Ok(snapshot)
    } else {
        Err(SnapshotError::Value)
    }
}

fn put_update(out: &mut Vec<u8>, update: &ClusterUpdate) {
    out.push(if update.controls.is_some() { CONTROLS } else { 0 });
    put_time(out, Timestamp::from_nanos(update.host_set));
    put_count(out, update.changed.len());
    for host in &update.changed {
        encode_host(host, out);
    }
    put_count(out, update.removed.len());
    for addr in &update.removed {
        put_addr(out, *addr);
    }
    if let Some(controls) = &update.controls {
        put_count(out, controls.len());
        for control in controls {
            encode_control(control, out);
        }
    }
}

fn take_changes(input: &mut Input<'_>, kind: Kind) -> Result<Changes> {
    let mut clusters = SortedMap::default();
    for _ in 0..input.number()? {
        let name = take_text(input)?;
        if clusters.keys().next_back().is_some_and(|last| *last >= name) {
            return Err(SnapshotError::Order);
        }
        let change = match input.byte()? {
            REMOVED => ClusterChange::Removed,
            flags @ (0 | CONTROLS) => ClusterChange::Changed(take_update(input, flags)?),
            _ => return Err(SnapshotError::Value),
        };
        let makes_sense = match &change {
            ClusterChange::Removed => kind != Kind::Full,
            ClusterChange::Changed(update) => !update.is_empty() && (kind != Kind::Full || update.removed.is_empty()),
        };
        if !makes_sense {
            return Err(SnapshotError::Value);
        }
        clusters.insert(name, change);
    }
    Ok(Changes { clusters })
}

fn take_update(input: &mut Input<'_>, flags: u8) -> Result<ClusterUpdate> {
    let host_set = input.time()?.as_nanos();
    let mut changed: Vec<HostHealth> = Vec::new();
    for _ in 0..input.number()? {
        let host = take_as_written(input, decode_host, encode_host)?;
        if host != kept_host(&host) {
            return Err(SnapshotError::Value);
        }
        if changed.last().is_some_and(|last| last.addr >= host.addr) {
            return Err(SnapshotError::Order);
        }
        changed.push(host);
    }
    let mut removed: Vec<HostAddr> = Vec::new();
    for _ in 0..input.number()? {
        let addr = take_addr(input)?;
        let is_changed = changed.binary_search_by_key(&addr, |host| host.addr).is_ok();
        if is_changed || removed.last().is_some_and(|last| *last >= addr) {
            return Err(SnapshotError::Order);
        }
        removed.push(addr);
    }
    let controls = if flags == CONTROLS {
        Some(take_controls(input)?)
    } else {
        None
    };
    Ok(ClusterUpdate {
        host_set,
        changed,
        removed,
        controls,
    })
}

fn take_controls(input: &mut Input<'_>) -> Result<Vec<Control>> {
    let mut controls = Vec::new();
    for _ in 0..input.number()? {
        let control = take_as_written(input, decode_control, encode_control)?;
        if control.reason.len() > MAX_REASON {
            return Err(SnapshotError::Value);
        }
        controls.push(control);
    }
    Ok(controls)
}

/// Reads an entry, and refuses it if it would not be written as it stands there: a record's reader is more lenient.
fn take_as_written<T>(
    input: &mut Input<'_>,
    read: impl Fn(&mut Input<'_>) -> std::result::Result<T, RecordError>,
    write: impl Fn(&T, &mut Vec<u8>),
) -> Result<T> {
    let before = input.rest();
    let entry = read(input)?;
    let mut written = Vec::with_capacity(64);
    write(&entry, &mut written);
    let taken = before.len().saturating_sub(input.rest().len());
    if before.get(..taken) == Some(written.as_slice()) {
        Ok(entry)
    } else {
        Err(SnapshotError::Value)
    }
}

fn put_number(out: &mut Vec<u8>, number: u32) {
    out.extend_from_slice(&number.to_le_bytes());
}

fn put_count(out: &mut Vec<u8>, count: usize) {
    put_number(out, u32::try_from(count).unwrap_or(u32::MAX));
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put_count(out, text.len());
    out.extend_from_slice(text.as_bytes());
}

fn take_text(input: &mut Input<'_>) -> Result<String> {
    let length = usize::try_from(input.number()?).map_err(|_| RecordError::Short)?;
    let text = std::str::from_utf8(input.bytes(length)?).map_err(|_| SnapshotError::Text)?;
    Ok(text.to_owned())
}
