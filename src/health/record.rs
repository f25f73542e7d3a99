//! A cluster's table as bytes: the record that the workers share.
//!
//! All numbers are little-endian, all times in ns since the Unix epoch. The record is:
//!
//! | bytes | meaning |
//! |---|---|
//! | 1 | format, [`FORMAT`] |
//! | 8 | when the last interval ended that was judged |
//! | 8 | whether pins are followed: 0 unknown, 1 followed, else when one was last ignored |
//! | 4 | how many hosts follow |
//! | per host: 1 | what follows: `V6`, `HISTORY`, `EJECTED`, `PROBATION`, `RAMP`, `OVERLOADED`; and `UNFIT`, `GONE` |
//! | 4 or 16, 2 | IP address (16 bytes if `V6`), port |
//! | 8 | seen |
//! | 28 if `HISTORY` | ejections (4), quiet since, last ejected at, a trial's limit |
//! | 17 if `EJECTED` | at, until, the detector's number in [`Detector::ALL`] |
//! | 16 if `PROBATION` | since, until when a trial is out |
//! | 8 if `RAMP` | since |
//! | 8 if `OVERLOADED` | until |
//! | per control, to the end: 1, 4 or 16, 2 | `V6` or 0, IP address, port |
//! | 1, 8 | the action's number in [`ControlAction::ALL`], until |
//! | 1, that many | the reason, in UTF-8 |
//!
//! A host of which nothing is on record takes 15 bytes.

use super::control::{Control, ControlAction};
use super::host::{Ejection, HostHealth, HostState, Probation};
use super::pins::PinSupport;
use super::table::ClusterTable;
use crate::detect::Detector;
use crate::model::{HostAddr, Timestamp};
use std::net::{IpAddr, SocketAddr};

/// The format's number. Another format gets another number and other shared-data keys, so that two versions of the
/// module that run side by side during an update leave each other's records alone.
pub const FORMAT: u8 = 2;

const FOLLOWED: Timestamp = Timestamp::from_nanos(1);

const V6: u8 = 1;
const HISTORY: u8 = 2;
const EJECTED: u8 = 4;
const PROBATION: u8 = 8;
const RAMP: u8 = 16;
const OVERLOADED: u8 = 32;
const UNFIT: u8 = 64;
const GONE: u8 = 128;

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
        let mut out = Vec::with_capacity(13 + 24 * self.hosts().len());
        out.push(FORMAT);
        put_time(&mut out, self.judged());
        put_time(
            &mut out,
            match self.pins() {
                PinSupport::Unknown => Timestamp::ZERO,
                PinSupport::Followed => FOLLOWED,
                PinSupport::Ignored(at) => at,
            },
        );
        out.extend_from_slice(&u32::try_from(self.hosts().len()).unwrap_or(u32::MAX).to_le_bytes());
        for host in self.hosts() {
            encode_host(host, &mut out);
        }
        for control in self.controls() {
            encode_control(control, &mut out);
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
        let judged = input.time()?;
        let pins = match input.time()? {
            Timestamp::ZERO => PinSupport::Unknown,
            FOLLOWED => PinSupport::Followed,
            at => PinSupport::Ignored(at),
        };
        let count = input.number()?;
        let mut hosts = Vec::new();
        for _ in 0..count {
            hosts.push(decode_host(&mut input)?);
        }
        let mut controls = Vec::new();
        while !input.is_empty() {
            controls.push(decode_control(&mut input)?);
        }
        let mut table = Self::of(hosts, controls, judged);
        let _ = table.see_pins(pins);
        Ok(table)
    }
}

/// Whether a host was ever ejected, as far as its record says.
pub(crate) fn has_history(host: &HostHealth) -> bool {
    host.ejections != 0 || host.quiet_since != Timestamp::ZERO || host.last_ejected_at != Timestamp::ZERO
}

/// Writes a host. A snapshot holds hosts in this form, too: another form of them needs another version of both.
pub(crate) fn encode_host(host: &HostHealth, out: &mut Vec<u8>) {
    let history = has_history(host);
    let overloaded = host.overloaded_until != Timestamp::ZERO;
    let mut flags = match host.state {
        HostState::Healthy => 0,
        HostState::Ejected(_) => EJECTED,
        HostState::Probation(_) => PROBATION,
        HostState::Ramp { .. } => RAMP,
    };
    for (flag, set) in [
        (V6, host.addr.socket_addr().is_ipv6()),
        (HISTORY, history),
        (OVERLOADED, overloaded),
        (UNFIT, host.unfit),
        (GONE, host.gone),
    ] {
        if set {
            flags |= flag;
        }
    }
    out.push(flags);
    put_ip_and_port(out, host.addr);
    put_time(out, host.seen);
    if history {
        out.extend_from_slice(&host.ejections.to_le_bytes());
        put_time(out, host.quiet_since);
        put_time(out, host.last_ejected_at);
        let limit = u64::try_from(host.trial_limit.as_nanos()).unwrap_or(u64::MAX);
        put_time(out, Timestamp::from_nanos(limit));
    }
    match host.state {
        HostState::Healthy => {}
        HostState::Ejected(ejection) => {
            put_time(out, ejection.at);
            put_time(out, ejection.until);
            out.push(ejection.detector as u8);
        }
        HostState::Probation(probation) => {
            put_time(out, probation.since);
            put_time(out, probation.trial_until);
        }
        HostState::Ramp { since } => put_time(out, since),
    }
    if overloaded {
        put_time(out, host.overloaded_until);
    }
}

/// Reads what [`encode_host`] wrote.
pub(crate) fn decode_host(input: &mut Input<'_>) -> Result<HostHealth, RecordError> {
    let flags = input.byte()?;
    let addr = take_ip_and_port(input, flags & V6 != 0)?;
    let mut host = HostHealth::new(addr, input.time()?);
    if flags & HISTORY != 0 {
        host.ejections = input.number()?;
        host.quiet_since = input.time()?;
        host.last_ejected_at = input.time()?;
        host.trial_limit = input.time()?.since(Timestamp::ZERO);
    }
    host.state = match flags & (EJECTED | PROBATION | RAMP) {
        0 => HostState::Healthy,
        EJECTED => HostState::Ejected(Ejection {
            at: input.time()?,
            until: input.time()?,
            detector: *input.one_of(&Detector::ALL)?,
        }),
        PROBATION => HostState::Probation(Probation {
            since: input.time()?,
            trial_until: input.time()?,
        }),
        RAMP => HostState::Ramp { since: input.time()? },
        _ => return Err(RecordError::Unknown(flags)),
    };
    if flags & OVERLOADED != 0 {
        host.overloaded_until = input.time()?;
    }
    host.unfit = flags & UNFIT != 0;
    host.gone = flags & GONE != 0;
    Ok(host)
}

/// Writes a control; as with hosts, a snapshot holds the same form.
pub(crate) fn encode_control(control: &Control, out: &mut Vec<u8>) {
    put_addr(out, control.host);
    out.push(control.action as u8);
    put_time(out, control.until);
    let reason = control.reason.as_bytes();
    let length = u8::try_from(reason.len()).unwrap_or(u8::MAX);
    out.push(length);
    out.extend(reason.iter().take(usize::from(length)));
}

/// Reads what [`encode_control`] wrote.
pub(crate) fn decode_control(input: &mut Input<'_>) -> Result<Control, RecordError> {
    Ok(Control {
        host: take_addr(input)?,
        action: *input.one_of(&ControlAction::ALL)?,
        until: input.time()?,
        reason: {
            let length = input.byte()?;
            let bytes = input.bytes(usize::from(length))?;
            String::from_utf8_lossy(bytes).into_owned()
        },
    })
}

/// Writes an address: one byte, `V6` or 0, the IP address, the port.
pub(crate) fn put_addr(out: &mut Vec<u8>, addr: HostAddr) {
    out.push(if addr.socket_addr().is_ipv6() { V6 } else { 0 });
    put_ip_and_port(out, addr);
}

fn put_ip_and_port(out: &mut Vec<u8>, addr: HostAddr) {
    let addr = addr.socket_addr();
    match addr.ip() {
        IpAddr::V4(ip) => out.extend_from_slice(&ip.octets()),
        IpAddr::V6(ip) => out.extend_from_slice(&ip.octets()),
    }
    out.extend_from_slice(&addr.port().to_le_bytes());
}

/// Reads what [`put_addr`] wrote.
pub(crate) fn take_addr(input: &mut Input<'_>) -> Result<HostAddr, RecordError> {
    let v6 = match input.byte()? {
        0 => false,
        V6 => true,
        other => return Err(RecordError::Unknown(other)),
    };
    take_ip_and_port(input, v6)
}

fn take_ip_and_port(input: &mut Input<'_>, v6: bool) -> Result<HostAddr, RecordError> {
    let ip: IpAddr = if v6 {
        input.array::<16>()?.into()
    } else {
        input.array::<4>()?.into()
    };
    let port = u16::from_le_bytes(input.array()?);
    Ok(HostAddr::from(SocketAddr::new(ip, port)))
}

pub(crate) fn put_time(out: &mut Vec<u8>, time: Timestamp) {
    out.extend_from_slice(&time.as_nanos().to_le_bytes());
}

/// Bytes still to read.
pub(crate) struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is left.
    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.0
    }

    pub(crate) fn bytes(&mut self, count: usize) -> Result<&'a [u8], RecordError> {
        let (head, rest) = self.0.split_at_checked(count).ok_or(RecordError::Short)?;
        self.0 = rest;
        Ok(head)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], RecordError> {
        let (head, rest) = self.0.split_first_chunk::<N>().ok_or(RecordError::Short)?;
        self.0 = rest;
        Ok(*head)
    }

    pub(crate) fn byte(&mut self) -> Result<u8, RecordError> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(crate) fn number(&mut self) -> Result<u32, RecordError> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn time(&mut self) -> Result<Timestamp, RecordError> {
        self.array().map(u64::from_le_bytes).map(Timestamp::from_nanos)
    }

    fn one_of<'t, T>(&mut self, all: &'t [T]) -> Result<&'t T, RecordError> {
        let number = self.byte()?;
        all.get(usize::from(number)).ok_or(RecordError::Unknown(number))
    }
}
