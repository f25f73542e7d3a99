//! A host that costs next to nothing, so that what is measured is the filter.
//!
//! It allocates what Envoy makes the module allocate: one block for each header map, attribute or piece of shared data.

use sidestep::host::{
    Attribute, Callout, CalloutToken, Cas, GrpcCall, GrpcToken, Host, HostError, HostResult, MetricId, StreamId,
};
use sidestep::http::{HeaderBlock, Pair};
use sidestep::metrics::{Metric, MetricKind};
use sidestep::model::{HostAddr, Timestamp};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

/// The one cluster.
pub(super) const CLUSTER: &str = "inbound|8080||backend.shop.svc.cluster.local";

/// The override header.
const PIN: &str = "x-sidestep-host";

/// The host. Clones are the same host.
#[derive(Clone, Debug)]
pub(super) struct BenchHost(Rc<State>);

/// Calls of the filter to its host.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Traffic {
    /// All of them.
    pub(crate) calls: u32,
    /// Reads of shared data.
    pub(crate) reads: u32,
    /// Writes of shared data.
    pub(crate) writes: u32,
}

#[derive(Debug)]
struct State {
    now: Cell<Timestamp>,
    request: Vec<u8>,
    response: Vec<u8>,
    address: RefCell<Vec<u8>>,
    shared: RefCell<HashMap<String, (Vec<u8>, u32)>>,
    calls: Cell<u32>,
    reads: Cell<u32>,
    writes: Cell<u32>,
    metrics: Vec<Cell<u64>>,
}

/// The headers of a browser's request as it comes through Envoy.
const REQUEST: [Pair<'static>; 12] = [
    (b":authority", b"shop.example.com"),
    (b":path", b"/api/v1/products?category=lamps&page=2"),
    (b":method", b"GET"),
    (b":scheme", b"https"),
    (
        b"user-agent",
        b"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    ),
    (b"accept", b"application/json"),
    (b"accept-encoding", b"gzip, deflate, br, zstd"),
    (b"accept-language", b"en-GB,en;q=0.5"),
    (b"cookie", b"session=5f2b1c9de0a84417"),
    (b"x-forwarded-for", b"192.0.2.17"),
    (b"x-forwarded-proto", b"https"),
    (b"x-request-id", b"6ad0f2c2-0a3c-4f0b-9d9e-1f7c7b0a5a11"),
];

/// The headers of its answer.
const RESPONSE: [Pair<'static>; 6] = [
    (b":status", b"200"),
    (b"content-type", b"application/json"),
    (b"content-length", b"1832"),
    (b"date", b"Mon, 16 Jun 2025 08:00:00 GMT"),
    (b"x-envoy-upstream-service-time", b"12"),
    (b"server", b"envoy"),
];

impl BenchHost {
    pub(super) fn new() -> Self {
        Self(Rc::new(State {
            // A moment well after the epoch, as on a real clock.
            now: Cell::new(Timestamp::from_nanos(1_750_000_000_000_000_000)),
            request: HeaderBlock::from_pairs(&REQUEST).as_wire().to_vec(),
            response: HeaderBlock::from_pairs(&RESPONSE).as_wire().to_vec(),
            address: RefCell::default(),
            shared: RefCell::default(),
            calls: Cell::new(0),
            reads: Cell::new(0),
            writes: Cell::new(0),
            metrics: Metric::ALL.iter().map(|_| Cell::new(0)).collect(),
        }))
    }

    /// Lets time pass.
    pub(super) fn pass(&self, time: Duration) {
        self.0.now.set(self.0.now.get().after(time));
    }

    /// The time.
    pub(super) fn time(&self) -> Timestamp {
        self.0.now.get()
    }

    fn called(&self) -> &State {
        self.0.calls.set(self.0.calls.get() + 1);
        &self.0
    }

    /// What the filter has asked for so far.
    pub(super) fn traffic(&self) -> Traffic {
        Traffic {
            calls: self.0.calls.get(),
            reads: self.0.reads.get(),
            writes: self.0.writes.get(),
        }
    }

    /// The next answers are from this host.
    pub(super) fn answers_from(&self, host: HostAddr) {
        *self.0.address.borrow_mut() = host.to_string().into_bytes();
    }
}

/// A call that no benchmark leads to.
const UNUSED: HostError = HostError::Status(12);

impl Host for BenchHost {
    fn now(&self) -> HostResult<Timestamp> {
        Ok(self.called().now.get())
    }

    fn configuration(&self) -> HostResult<Vec<u8>> {
        Err(UNUSED)
    }

    fn set_tick_period(&self, _: Duration) -> HostResult<()> {
        Ok(())
    }

    fn act_on(&self, _: StreamId) -> HostResult<()> {
        Err(UNUSED)
    }

    fn replace_request_body(&self, _: usize, _: &[u8]) -> HostResult<()> {
        Err(UNUSED)
    }

    fn resume_request(&self) -> HostResult<()> {
        Err(UNUSED)
    }

    fn clear_route_cache(&self) -> HostResult<()> {
        Err(UNUSED)
    }

    fn set_response_header(&self, _: &str, _: &str) -> HostResult<()> {
        Err(UNUSED)
    }

    fn add_response_header(&self, _: &str, _: &str) -> HostResult<()> {
        Err(UNUSED)
    }

    fn set_filter_state(&self, _: &str, _: &str) -> HostResult<()> {
        Err(UNUSED)
    }

    fn request_headers(&self) -> HostResult<HeaderBlock> {
        Ok(HeaderBlock::from_wire(self.called().request.clone()))
    }

    /// The first host that a pin names is the one that answers.
    fn set_request_header(&self, name: &str, value: &str) -> HostResult<()> {
        let state = self.called();
        if name == PIN {
            let first = value.split(',').next().unwrap_or_default();
            let mut address = state.address.borrow_mut();
            address.clear();
            address.extend_from_slice(first.as_bytes());
        }
        Ok(())
    }

    fn remove_request_header(&self, _: &str) -> HostResult<()> {
        Err(UNUSED)
    }

    fn request_body(&self, _: usize) -> HostResult<Vec<u8>> {
        Err(UNUSED)
    }

    fn request_trailers(&self) -> HostResult<HeaderBlock> {
        Err(UNUSED)
    }

    fn response_headers(&self) -> HostResult<HeaderBlock> {
        Ok(HeaderBlock::from_wire(self.called().response.clone()))
    }

    fn replace_response_headers(&self, _: &[Pair<'_>]) -> HostResult<()> {
        Err(UNUSED)
    }

    fn replace_response_body(&self, _: usize, _: &[u8]) -> HostResult<()> {
        Err(UNUSED)
    }

    fn response_trailer(&self, _: &str) -> HostResult<Option<Vec<u8>>> {
        Err(UNUSED)
    }

    fn clear_response_trailers(&self) -> HostResult<()> {
        Err(UNUSED)
    }

    fn resume_response(&self) -> HostResult<()> {
        Err(UNUSED)
    }

    fn reset_stream(&self) -> HostResult<()> {
        Err(UNUSED)
    }

    fn send_local_response(&self, _: u16, _: &[Pair<'_>], _: &[u8], _: &str) -> HostResult<()> {
        Err(UNUSED)
    }

    fn attribute(&self, attribute: Attribute) -> HostResult<Option<Vec<u8>>> {
        let state = self.called();
        Ok(match attribute {
            Attribute::ClusterName => Some(CLUSTER.as_bytes().to_vec()),
            Attribute::UpstreamAddress => Some(state.address.borrow().clone()),
            Attribute::ResponseFlags => Some(0_u64.to_le_bytes().to_vec()),
            Attribute::RequestTime => Some(state.now.get().as_nanos().to_le_bytes().to_vec()),
            Attribute::AttemptCount => Some(1_u64.to_le_bytes().to_vec()),
            Attribute::RouteName
            | Attribute::VirtualHostName
            | Attribute::NumEndpoints
            | Attribute::NodeId
            | Attribute::ResponseCodeDetails => None,
        })
    }

    fn dispatch(&self, _: Callout<'_>) -> HostResult<CalloutToken> {
        Err(UNUSED)
    }

    fn callout_headers(&self) -> HostResult<HeaderBlock> {
        Err(UNUSED)
    }

    fn callout_body(&self, _: usize) -> HostResult<Vec<u8>> {
        Err(UNUSED)
    }

    fn grpc_call(&self, _: GrpcCall<'_>, _: &[u8], _: Duration) -> HostResult<GrpcToken> {
        Err(UNUSED)
    }

    fn open_grpc_stream(&self, _: GrpcCall<'_>) -> HostResult<GrpcToken> {
        Err(UNUSED)
    }

    fn send_grpc_message(&self, _: GrpcToken, _: &[u8]) -> HostResult<()> {
        Err(UNUSED)
    }

    fn reset_grpc_stream(&self, _: GrpcToken) -> HostResult<()> {
        Err(UNUSED)
    }

    fn grpc_message(&self, _: usize) -> HostResult<Vec<u8>> {
        Err(UNUSED)
    }

    fn shared_data(&self, key: &str) -> HostResult<Option<(Vec<u8>, Cas)>> {
        let state = self.called();
        state.reads.set(state.reads.get() + 1);
        let shared = state.shared.borrow();
        Ok(shared.get(key).map(|(value, version)| (value.clone(), Cas(*version))))
    }

    fn set_shared_data(&self, key: &str, value: &[u8], cas: Cas) -> HostResult<()> {
        let state = self.called();
        let version = state.writes.get() + 1;
        state.writes.set(version);
        let mut shared = state.shared.borrow_mut();
        match shared.get_mut(key) {
            Some((_, current)) if *current != cas.0 => return Err(HostError::CasMismatch),
            Some(found) => *found = (value.to_vec(), version),
            None => {
                shared.insert(key.to_owned(), (value.to_vec(), version));
            }
        }
        Ok(())
    }

    fn define_metric(&self, _: MetricKind, metric: Metric) -> HostResult<MetricId> {
        Ok(MetricId(metric as u32))
    }

    fn metric(&self, id: MetricId) -> HostResult<u64> {
        self.cell(id).map(Cell::get)
    }

    fn increment_metric(&self, id: MetricId, by: u64) -> HostResult<()> {
        let cell = self.cell(id)?;
        cell.set(cell.get() + by);
        Ok(())
    }

    fn record_metric(&self, id: MetricId, value: u64) -> HostResult<()> {
        self.cell(id)?.set(value);
        Ok(())
    }
}

impl BenchHost {
    fn cell(&self, id: MetricId) -> HostResult<&Cell<u64>> {
        self.called().metrics.get(id.0 as usize).ok_or(UNUSED)
    }
}
