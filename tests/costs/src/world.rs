//! What the module's host knows: one stream at a time, shared data, metrics, a clock that only the bed moves.

use crate::totals::{Totals, What};
use sidestep_sim::{Call, Headers, Status};
use std::collections::{BTreeMap, HashMap};

/// A moment well after the epoch, as on a real clock, ns.
const START: u64 = 1_750_000_000_000_000_000;

/// Numbers of the header maps in the ABI.
mod map {
    pub(super) const REQUEST_HEADERS: u32 = 0;
    pub(super) const RESPONSE_HEADERS: u32 = 2;
    pub(super) const CALLOUT_HEADERS: u32 = 6;
}

/// Numbers of the buffers in the ABI.
mod buffer {
    pub(super) const REQUEST_BODY: u32 = 0;
    pub(super) const RESPONSE_BODY: u32 = 1;
    pub(super) const CALLOUT_BODY: u32 = 4;
    pub(super) const PLUGIN_CONFIGURATION: u32 = 7;
}

/// What host calls see of the stream. A map or body that is not there now is none.
#[derive(Default)]
pub(crate) struct Stream {
    pub(crate) request_headers: Option<Headers>,
    pub(crate) request_body: Option<Vec<u8>>,
    pub(crate) response_headers: Option<Headers>,
    pub(crate) response_body: Option<Vec<u8>>,
    /// Attributes, by their paths with dots between the parts.
    pub(crate) attributes: HashMap<String, Vec<u8>>,
}

/// A request that the module makes itself.
pub(crate) struct Callout {
    pub(crate) token: u32,
    pub(crate) cluster: String,
    pub(crate) headers: Headers,
}

/// The host's state.
pub(crate) struct World {
    /// The wall clock, ns since the epoch.
    pub(crate) now: u64,
    /// The plugin's configuration.
    pub(crate) configuration: Vec<u8>,
    /// The stream whose callbacks run, if any does.
    pub(crate) stream: Option<Stream>,
    /// The callout that waits for its answer.
    pub(crate) callout: Option<Callout>,
    /// The callout's answer, while the module is told of it.
    pub(crate) answer: Option<(Headers, Vec<u8>)>,
    /// Whether the module lets a response that it held back go on.
    pub(crate) response_goes_on: bool,
    /// What the module logged.
    pub(crate) logs: Vec<String>,
    /// Host calls and what went over the border with them, so far.
    pub(crate) totals: Totals,
    callouts: u32,
    shared: BTreeMap<Vec<u8>, (Vec<u8>, u32)>,
    shared_writes: u32,
    metrics: Vec<(Vec<u8>, u64)>,
}

impl World {
    pub(crate) fn new(configuration: &str) -> World {
        World {
            now: START,
            configuration: configuration.as_bytes().to_vec(),
            stream: None,
            callout: None,
            answer: None,
            response_goes_on: false,
            logs: Vec::new(),
            totals: Totals::default(),
            callouts: 0,
            shared: BTreeMap::new(),
            shared_writes: 0,
            metrics: Vec::new(),
        }
    }

    /// Puts a host call on the account, with the bytes that it hands to the host.
    pub(crate) fn enter(&mut self, call: Call, bytes: usize) {
        self.totals.add(What::Calls, 1);
        self.totals.add(What::Call(call), 1);
        self.totals.add(What::BytesToHost, bytes as u64);
    }

    /// The map for reading.
    pub(crate) fn map(&self, kind: u32) -> Result<&Headers, Status> {
        let stream = self.stream.as_ref();
        let found = match kind {
            map::REQUEST_HEADERS => stream.and_then(|stream| stream.request_headers.as_ref()),
            map::RESPONSE_HEADERS => stream.and_then(|stream| stream.response_headers.as_ref()),
            map::CALLOUT_HEADERS => self.answer.as_ref().map(|(headers, _)| headers),
            _ => None,
        };
        found.ok_or(Status::BadArgument)
    }

    /// The map for writing.
    pub(crate) fn map_mut(&mut self, kind: u32) -> Result<&mut Headers, Status> {
        let stream = self.stream.as_mut().ok_or(Status::BadArgument)?;
        let found = match kind {
            map::REQUEST_HEADERS => stream.request_headers.as_mut(),
            map::RESPONSE_HEADERS => stream.response_headers.as_mut(),
            _ => None,
        };
        found.ok_or(Status::BadArgument)
    }

    /// The bytes of a buffer.
    pub(crate) fn buffer(&self, kind: u32) -> Result<&[u8], Status> {
        let stream = self.stream.as_ref();
        let found = match kind {
            buffer::REQUEST_BODY => stream.and_then(|stream| stream.request_body.as_deref()),
            buffer::RESPONSE_BODY => stream.and_then(|stream| stream.response_body.as_deref()),
            buffer::CALLOUT_BODY => self.answer.as_ref().map(|(_, body)| body.as_slice()),
            buffer::PLUGIN_CONFIGURATION => Some(self.configuration.as_slice()),
            _ => None,
        };
        found.ok_or(Status::NotFound)
    }

    /// Puts these bytes in the place of a whole body: of Envoy's three ways to write one, the one that paths here take.
    pub(crate) fn replace_body(&mut self, kind: u32, bytes: &[u8]) -> Result<(), Status> {
        let stream = self.stream.as_mut().ok_or(Status::NotFound)?;
        let body = match kind {
            buffer::REQUEST_BODY => stream.request_body.as_mut(),
            buffer::RESPONSE_BODY => stream.response_body.as_mut(),
            _ => None,
        };
        *body.ok_or(Status::NotFound)? = bytes.to_vec();
        Ok(())
    }

    /// The attribute under that path, whose parts are joined by zero bytes.
    pub(crate) fn attribute(&self, path: &[u8]) -> Result<&[u8], Status> {
        let path = String::from_utf8_lossy(path).replace('\0', ".");
        let stream = self.stream.as_ref().ok_or(Status::NotFound)?;
        stream.attributes.get(&path).map(Vec::as_slice).ok_or(Status::NotFound)
    }

    pub(crate) fn shared(&self, key: &[u8]) -> Result<(&[u8], u32), Status> {
        let (value, cas) = self.shared.get(key).ok_or(Status::NotFound)?;
        Ok((value, *cas))
    }

    /// As Envoy: a cas of 0 writes whatever is there; so does any cas where there is nothing.
    pub(crate) fn set_shared(&mut self, key: &[u8], value: &[u8], cas: u32) -> Result<(), Status> {
        match self.shared.get(key) {
            Some((_, current)) if cas != 0 && cas != *current => Err(Status::CasMismatch),
            _ => {
                self.shared_writes += 1;
                self.shared.insert(key.to_vec(), (value.to_vec(), self.shared_writes));
                Ok(())
            }
        }
    }

    /// Gives the metric's number; a name that was defined before is the same metric.
    pub(crate) fn define_metric(&mut self, name: &[u8]) -> u32 {
        let known = self.metrics.iter().position(|(known, _)| known == name);
        let place = known.unwrap_or_else(|| {
            self.metrics.push((name.to_vec(), 0));
            self.metrics.len() - 1
        });
        place as u32
    }

    pub(crate) fn metric(&mut self, id: u32) -> Result<&mut u64, Status> {
        let metric = self.metrics.get_mut(id as usize);
        metric.map(|(_, value)| value).ok_or(Status::NotFound)
    }

    /// Keeps a callout for the bed to answer; its token.
    pub(crate) fn send(&mut self, cluster: &[u8], headers: Headers) -> u32 {
        self.callouts += 1;
        self.callout = Some(Callout {
            token: self.callouts,
            cluster: String::from_utf8_lossy(cluster).into_owned(),
            headers,
        });
        self.callouts
    }
}
