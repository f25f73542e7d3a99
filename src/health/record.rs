//! A cluster's table as bytes: the record that the workers share.
//!
//! All numbers are little-endian. The record is:
//!
//! | bytes | meaning |
//! |---|---|
//! | 1 | format, [`FORMAT`] |
//! | per host: 1 | what follows: `V6`, `STREAKS`, `HISTORY`, `EJECTED` |
//! | 4 or 16, 2 | IP address (16 bytes if `V6`), port |
//! | 8 | seen, ns |
//! | 12 if `STREAKS` | the three failure counts |
//! | 20 if `HISTORY` | ejections (4), quiet since, last ejected at (ns) |
//! | 17 if `EJECTED` | at, until (ns), the detector's number in [`Detector::ALL`] |
//!
//! A host of which nothing is on record takes 15 bytes.

use super::host::{Ejection, HostHealth, HostState};
use super::table::ClusterTable;
use crate::detect::{Detector, Streaks};
use crate::model::{HostAddr, Timestamp};
use std::net::{IpAddr, SocketAddr};

/// The format's number. Another format gets another number and another shared-data key, so that two versions of the
/// module that run side by side during an update leave each other's records alone.
pub const FORMAT: u8 = 1;

const V6: u8 = 1;
const STREAKS: u8 = 2;
const HISTORY: u8 = 4;
const EJECTED: u8 = 8;

/// Why bytes are no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Another format.
    #[error("format {0}, expected {FORMAT}")]
    Format(u8),
    /// The bytes end in the middle of something.
    #[error("cut short")]
    Short,
    /// A value that nothing writes.
    #[error("unknown value {0}")]
    Unknown(u8),
}

impl ClusterTable {
    /// The record of this table.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(1 + 24 * self.hosts().len());
        out.push(FORMAT);
        for host in self.hosts() {
            encode_host(host, &mut out);
        }
        out
    }

    /// The table of a record.
    ///
    /// # Errors
    /// If the bytes are no record of this format.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let mut input = Input(bytes);
        let format = input.byte()?;
        if format != FORMAT {
            return Err(RecordError::Format(format));
        }
        let mut hosts = Vec::new();
        while !input.0.is_empty() {
            hosts.push(decode_host(&mut input)?);
        }
        Ok(Self::from_hosts(hosts))
    }
}

fn encode_host(host: &HostHealth, out: &mut Vec<u8>) {
    let addr = host.addr.socket_addr();
    let history = host.ejections != 0 || host.quiet_since != Timestamp::ZERO || host.last_ejected_at != Timestamp::ZERO;
    let mut flags = 0;
    for (flag, set) in [
        (V6, addr.is_ipv6()),
        (STREAKS, !host.streaks.is_clean()),
        (HISTORY, history),
        (EJECTED, matches!(host.state, HostState::Ejected(_))),
    ] {
        if set {
            flags |= flag;
        }
    }
    out.push(flags);
    match addr.ip() {
        IpAddr::V4(ip) => out.extend_from_slice(&ip.octets()),
        IpAddr::V6(ip) => out.extend_from_slice(&ip.octets()),
    }
    out.extend_from_slice(&addr.port().to_le_bytes());
    put_time(out, host.seen);
    if flags & STREAKS != 0 {
        for count in [
            host.streaks.any_5xx,
            host.streaks.gateway_failure,
            host.streaks.local_origin_failure,
        ] {
            out.extend_from_slice(&count.to_le_bytes());
        }
    }
    if history {
        out.extend_from_slice(&host.ejections.to_le_bytes());
        put_time(out, host.quiet_since);
        put_time(out, host.last_ejected_at);
    }
    if let HostState::Ejected(ejection) = host.state {
        put_time(out, ejection.at);
        put_time(out, ejection.until);
        out.push(ejection.detector as u8);
    }
}

fn decode_host(input: &mut Input<'_>) -> Result<HostHealth, RecordError> {
    let flags = input.byte()?;
    if flags & !(V6 | STREAKS | HISTORY | EJECTED) != 0 {
        return Err(RecordError::Unknown(flags));
    }
    let ip: IpAddr = if flags & V6 == 0 {
        input.array::<4>()?.into()
    } else {
        input.array::<16>()?.into()
    };
    let port = u16::from_le_bytes(input.array()?);
    let mut host = HostHealth::new(HostAddr::from(SocketAddr::new(ip, port)), input.time()?);
    if flags & STREAKS != 0 {
        host.streaks = Streaks {
            any_5xx: input.number()?,
            gateway_failure: input.number()?,
            local_origin_failure: input.number()?,
        };
    }
    if flags & HISTORY != 0 {
        host.ejections = input.number()?;
        host.quiet_since = input.time()?;
        host.last_ejected_at = input.time()?;
    }
    if flags & EJECTED != 0 {
        let (at, until, detector) = (input.time()?, input.time()?, input.byte()?);
        host.state = HostState::Ejected(Ejection {
            at,
            until,
            detector: *Detector::ALL
                .get(usize::from(detector))
                .ok_or(RecordError::Unknown(detector))?,
        });
    }
    Ok(host)
}

fn put_time(out: &mut Vec<u8>, time: Timestamp) {
    out.extend_from_slice(&time.as_nanos().to_le_bytes());
}

/// Bytes still to read.
struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], RecordError> {
        let (head, rest) = self.0.split_first_chunk::<N>().ok_or(RecordError::Short)?;
        self.0 = rest;
        Ok(*head)
    }

    fn byte(&mut self) -> Result<u8, RecordError> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn number(&mut self) -> Result<u32, RecordError> {
        self.array().map(u32::from_le_bytes)
    }

    fn time(&mut self) -> Result<Timestamp, RecordError> {
        self.array().map(u64::from_le_bytes).map(Timestamp::from_nanos)
    }
}
