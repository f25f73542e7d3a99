//! What the host knows: the state behind the host functions, shared by the VMs' threads.

use crate::abi::{Call, Status, buffer, map};
use crate::faults::Faults;
use crate::headers::Headers;
use crate::heap::Heap;
use crate::metrics::{MetricIds, Metrics};
use crate::shared_data::SharedData;
use crate::tally::Tally;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The number of each VM's root context: VMs know nothing of one another.
pub(crate) const ROOT: u32 = 1;

/// One line that the module logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// The ABI's level: 0 trace to 5 critical.
    pub level: u32,
    /// What it says.
    pub text: String,
    /// When, in nanoseconds of the virtual clock.
    pub at: u64,
}

/// What a callback asked for that Envoy does only after the callback has returned.
#[derive(Debug)]
pub(crate) enum Deferred {
    Continue {
        context: u32,
        stream: u32,
    },
    Close {
        context: u32,
    },
    LocalResponse {
        context: u32,
        status: u32,
        headers: Headers,
        body: Vec<u8>,
        details: String,
    },
    Callout(Callout),
}

/// An HTTP call that the module sent.
#[derive(Clone, Debug)]
pub(crate) struct Callout {
    pub(crate) token: u32,
    /// The stream whose callback sent it, 0 for none (a tick): for the accounts, and to know who waits.
    pub(crate) stream: u32,
    pub(crate) cluster: String,
    pub(crate) headers: Headers,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Headers,
    pub(crate) timeout_ms: u32,
}

/// What came back for a callout. No headers at all: it was reset.
#[derive(Clone, Debug, Default)]
pub(crate) struct CalloutAnswer {
    pub(crate) headers: Option<Headers>,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Option<Headers>,
}

/// One VM.
#[derive(Default)]
pub(crate) struct VmState {
    pub(crate) configuration: Vec<u8>,
    /// The configuration can be read only while the module is asked to take it.
    pub(crate) configuring: bool,
    pub(crate) tick_period_ms: Option<u32>,
    /// When the period was last set, if that was in this callback: the timer starts anew from there.
    pub(crate) timer_set: Option<u64>,
    pub(crate) current: u32,
    pub(crate) effective: u32,
    /// Whether the callback is the answer of a callout, where the SDK makes the first host call itself.
    pub(crate) in_call_response: bool,
    pub(crate) calls_in_callback: u64,
    pub(crate) call_answer: Option<CalloutAnswer>,
    pub(crate) deferred: Vec<Deferred>,
    pub(crate) stop_iteration: bool,
    pub(crate) last_token: u32,
    pub(crate) metric_ids: MetricIds,
    /// The host functions before which the VM stops and asks the simulator, as bits.
    pub(crate) stop_at: u64,
    /// The stream on whose account the host calls go, 0 for none.
    pub(crate) account: u32,
    pub(crate) heap: Heap,
    /// How many host calls the VM has left before it dies; `None`: no such end.
    pub(crate) calls_to_live: Option<u64>,
}

impl VmState {
    /// Counts down to the call before which the VM dies, and says whether this is it.
    pub(crate) fn dies_now(&mut self) -> bool {
        match &mut self.calls_to_live {
            Some(0) => true,
            Some(left) => {
                *left -= 1;
                false
            }
            None => false,
        }
    }
}

/// What the host functions see of one stream.
#[derive(Default)]
pub(crate) struct StreamState {
    pub(crate) vm: usize,
    pub(crate) request_headers: Option<Headers>,
    /// The request's headers after the module has let go of them.
    pub(crate) passed_on: Option<Headers>,
    pub(crate) request_body: Option<Vec<u8>>,
    pub(crate) request_trailers: Option<Headers>,
    pub(crate) response_headers: Option<Headers>,
    pub(crate) response_body: Option<Vec<u8>>,
    pub(crate) response_trailers: Option<Headers>,
    /// In the log phase these can be read, and not written.
    pub(crate) log_request_headers: Option<Headers>,
    pub(crate) log_response_headers: Option<Headers>,
    pub(crate) properties: BTreeMap<String, Vec<u8>>,
    /// The cluster of its route, as it came; none where there is no route.
    pub(crate) own_cluster: Option<String>,
    /// The cluster of the route that was found anew.
    pub(crate) cluster: Option<String>,
    /// What the module set as properties.
    pub(crate) filter_state: BTreeMap<String, Vec<u8>>,
    pub(crate) tally: Tally,
}

#[derive(Default)]
pub(crate) struct Queue {
    pub(crate) name: Vec<u8>,
    pub(crate) items: VecDeque<Vec<u8>>,
}

/// The host's state.
#[derive(Default)]
pub(crate) struct World {
    /// Nanoseconds since the epoch, and never backwards.
    pub(crate) now: u64,
    /// By how many nanoseconds the wall clock, which the module reads, is ahead of it.
    pub(crate) clock_offset: i64,
    pub(crate) vms: Vec<VmState>,
    pub(crate) streams: BTreeMap<u32, StreamState>,
    pub(crate) shared: SharedData,
    pub(crate) metrics: Metrics,
    pub(crate) queues: Vec<Queue>,
    pub(crate) logs: Vec<LogLine>,
    pub(crate) faults: Faults,
    pub(crate) tally: Tally,
    pub(crate) clusters: BTreeSet<String>,
    /// The header that names another cluster to the routes, once they are looked for anew.
    pub(crate) cluster_header: Option<String>,
    /// Properties that answer something of the test's choice, whatever the stream says.
    pub(crate) odd_properties: BTreeMap<String, Option<Vec<u8>>>,
}

impl World {
    /// The wall clock.
    pub(crate) fn wall(&self) -> u64 {
        self.now.saturating_add_signed(self.clock_offset)
    }

    /// The context that a host call acts on.
    fn acting(&self, vm: usize) -> u32 {
        let state = &self.vms[vm];
        if state.effective != 0 && self.alive(vm, state.effective) {
            state.effective
        } else {
            state.current
        }
    }

    fn alive(&self, vm: usize, context: u32) -> bool {
        let in_this_vm = |stream: &StreamState| stream.vm == vm;
        context == ROOT || self.streams.get(&context).is_some_and(in_this_vm)
    }

    pub(crate) fn set_effective(&mut self, vm: usize, context: u32) -> Result<(), Status> {
        if !self.alive(vm, context) {
            return Err(Status::BadArgument);
        }
        self.vms[vm].effective = context;
        Ok(())
    }

    /// The stream that a host call acts on; none where it acts on the root context.
    pub(crate) fn stream(&mut self, vm: usize) -> Option<&mut StreamState> {
        let context = self.acting(vm);
        self.streams.get_mut(&context)
    }

    pub(crate) fn acting_stream_id(&self, vm: usize) -> Option<u32> {
        let context = self.acting(vm);
        self.streams.contains_key(&context).then_some(context)
    }

    /// The map for reading: a map that is not there, or not there any more, is a bad argument.
    pub(crate) fn map(&mut self, vm: usize, kind: u32) -> Result<&Headers, Status> {
        let answer = self.vms[vm].call_answer.is_some();
        if answer && (kind == map::CALL_HEADERS || kind == map::CALL_TRAILERS) {
            let answer = self.vms[vm].call_answer.as_ref();
            let found = answer.and_then(|answer| match kind {
                map::CALL_HEADERS => answer.headers.as_ref(),
                _ => answer.trailers.as_ref(),
            });
            return found.ok_or(Status::BadArgument);
        }
        let stream = self.stream(vm).ok_or(Status::BadArgument)?;
        let found = match kind {
            map::REQUEST_HEADERS => stream.log_request_headers.as_ref().or(stream.request_headers.as_ref()),
            map::REQUEST_TRAILERS => stream.request_trailers.as_ref(),
            map::RESPONSE_HEADERS => stream
                .log_response_headers
                .as_ref()
                .or(stream.response_headers.as_ref()),
            map::RESPONSE_TRAILERS => stream.response_trailers.as_ref(),
            _ => None,
        };
        found.ok_or(Status::BadArgument)
    }

    /// The map for writing.
    pub(crate) fn map_mut(&mut self, vm: usize, kind: u32) -> Result<&mut Headers, Status> {
        let stream = self.stream(vm).ok_or(Status::BadArgument)?;
        let found = match kind {
            map::REQUEST_HEADERS => stream.request_headers.as_mut(),
            map::REQUEST_TRAILERS => stream.request_trailers.as_mut(),
            map::RESPONSE_HEADERS => stream.response_headers.as_mut(),
            map::RESPONSE_TRAILERS => stream.response_trailers.as_mut(),
            _ => None,
        };
        found.ok_or(Status::BadArgument)
    }

    pub(crate) fn buffer(&mut self, vm: usize, kind: u32) -> Result<&[u8], Status> {
        let state = &self.vms[vm];
        match kind {
            buffer::VM_CONFIGURATION => return Ok(&[]),
            buffer::PLUGIN_CONFIGURATION if state.configuring => return Ok(&self.vms[vm].configuration),
            buffer::CALL_BODY => {
                let answer = self.vms[vm].call_answer.as_ref();
                let body = answer
                    .filter(|answer| answer.headers.is_some())
                    .map(|answer| &answer.body);
                return body.map(Vec::as_slice).ok_or(Status::NotFound);
            }
            _ => {}
        }
        let stream = self.stream(vm).ok_or(Status::NotFound)?;
        let found = match kind {
            buffer::REQUEST_BODY => stream.request_body.as_deref(),
            buffer::RESPONSE_BODY => stream.response_body.as_deref(),
            _ => None,
        };
        found.ok_or(Status::NotFound)
    }

    /// Envoy knows three ways to write a body: replace all of it, put something before it, put something behind it.
    pub(crate) fn set_buffer(
        &mut self,
        vm: usize,
        kind: u32,
        start: usize,
        size: usize,
        bytes: &[u8],
    ) -> Result<(), Status> {
        if kind > buffer::PLUGIN_CONFIGURATION {
            return Err(Status::BadArgument);
        }
        if kind == buffer::CALL_BODY || kind >= buffer::VM_CONFIGURATION {
            // There, but not to be written.
            self.buffer(vm, kind)?;
            return Err(Status::BadArgument);
        }
        let stream = self.stream(vm).ok_or(Status::NotFound)?;
        let body = match kind {
            buffer::REQUEST_BODY => stream.request_body.as_mut(),
            buffer::RESPONSE_BODY => stream.response_body.as_mut(),
            _ => None,
        };
        let body = body.ok_or(Status::NotFound)?;
        if start == 0 && size == 0 {
            body.splice(0..0, bytes.iter().copied());
        } else if start == 0 && size >= body.len() {
            *body = bytes.to_vec();
        } else if start != 0 && start >= body.len() {
            body.extend_from_slice(bytes);
        } else {
            return Err(Status::BadArgument);
        }
        Ok(())
    }

    /// The property under that path, whose parts are joined by zero bytes.
    pub(crate) fn property(&mut self, vm: usize, path: &[u8]) -> Result<Vec<u8>, Status> {
        let path = String::from_utf8_lossy(path).replace('\0', ".");
        if let Some(odd) = self.odd_properties.get(&path) {
            return odd.clone().ok_or(Status::NotFound);
        }
        match path.as_str() {
            "plugin_root_id" => return Ok(Vec::new()),
            "plugin_name" => return Ok(b"sidestep".to_vec()),
            "plugin_vm_id" => return Ok(b"sidestep".to_vec()),
            _ => {}
        }
        let stream = self.stream(vm).ok_or(Status::NotFound)?;
        let own = || stream.filter_state.get(&format!("wasm.{path}"));
        stream
            .properties
            .get(&path)
            .or_else(own)
            .cloned()
            .ok_or(Status::NotFound)
    }

    /// Finds the request's route anew, by its headers as they are.
    pub(crate) fn clear_route_cache(&mut self, vm: usize) {
        let Some(header) = self.cluster_header.clone() else {
            return;
        };
        let clusters = self.clusters.clone();
        let Some(stream) = self.stream(vm) else { return };
        let (Some(own), Some(headers)) = (&stream.own_cluster, &stream.request_headers) else {
            return;
        };
        let named = headers.get(&header).filter(|name| clusters.contains(*name));
        let cluster = named.unwrap_or(own).to_owned();
        // Envoy looks for the route when it is needed: until the request goes on, properties tell of the old one.
        stream.cluster = Some(cluster);
    }

    /// Puts a call on the accounts, and says whether it is to fail.
    pub(crate) fn enter(&mut self, vm: usize, call: Call, bytes_in: usize) -> Result<(), Status> {
        let state = &mut self.vms[vm];
        state.calls_in_callback += 1;
        let by_the_sdk = state.in_call_response && state.calls_in_callback == 1 && call == Call::SetEffectiveContext;
        let account = state.account;
        self.tally.count(call, bytes_in);
        if let Some(stream) = self.streams.get_mut(&account) {
            stream.tally.count(call, bytes_in);
        }
        match self.faults.strike(call) {
            Some(status) if !by_the_sdk => Err(status),
            _ => Ok(()),
        }
    }

    pub(crate) fn bytes_out(&mut self, vm: usize, count: usize) {
        let account = self.vms[vm].account;
        self.tally.bytes += count as u64;
        if let Some(stream) = self.streams.get_mut(&account) {
            stream.tally.bytes += count as u64;
        }
    }
}
