//! A host for tests of one request at a time, natively and under node: a proxy's side of the conversation, as far as a
//! test sets it.
//!
//! The simulator (`tests/sim`) is a whole proxy; this is the smallest thing that the filter can talk to.

use sidestep::host::{
    Attribute, Callout, CalloutToken, Cas, GrpcCall, GrpcToken, Host, HostError, HostResult, MetricId, StreamId,
};
use sidestep::http::{HeaderBlock, Pair};
use sidestep::metrics::{Metric, MetricKind};
use sidestep::model::Timestamp;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

type Headers = Vec<(String, String)>;

/// The host. Clones are the same host, so that several workers can share it, and a test can look at what they did
/// with it.
#[derive(Clone, Debug, Default)]
pub struct FakeHost(Rc<State>);

/// What is done when a worker is about to write shared data.
type Interruption = Box<dyn FnOnce()>;

#[derive(Debug, Default)]
struct State {
    now: Cell<Timestamp>,
    request: RefCell<Headers>,
    odd_request_header: RefCell<Option<(String, Vec<u8>)>>,
    request_body: RefCell<Vec<u8>>,
    response: RefCell<Headers>,
    trailers: RefCell<Headers>,
    attributes: RefCell<HashMap<String, Vec<u8>>>,
    callout: RefCell<(Headers, Vec<u8>)>,
    shared: RefCell<HashMap<String, (Vec<u8>, u32)>>,
    failing_read: RefCell<Option<String>>,
    interruption: RefCell<Interrupt>,
    metrics: RefCell<HashMap<u32, u64>>,
    traffic: Cell<(usize, usize)>,
    seen: RefCell<Seen>,
    grpc: RefCell<Vec<Grpc>>,
    grpc_tokens: Cell<u32>,
    grpc_message: RefCell<Vec<u8>>,
}

/// What the filter asked for by gRPC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grpc {
    /// A call with one message.
    Call {
        /// Its token.
        token: GrpcToken,
        /// The method.
        method: String,
        /// The message.
        message: Vec<u8>,
    },
    /// A stream.
    Open(GrpcToken),
    /// A message on a stream.
    Send(GrpcToken, Vec<u8>),
    /// The end of a stream.
    Reset(GrpcToken),
}

#[derive(Default)]
struct Interrupt(Option<Interruption>);

impl std::fmt::Debug for Interrupt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "Interrupt" } else { "None" })
    }
}

/// What the filter did.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// The headers of its callouts.
    pub callouts: Vec<Headers>,
    /// The response headers that it put in the place of others.
    pub replaced: Option<Headers>,
    /// The statuses of its local replies.
    pub local_replies: Vec<u16>,
    /// The headers and the body of the last one.
    pub local_reply: (Headers, Vec<u8>),
    /// Whether it let a response go on.
    pub resumed: bool,
    /// Whether it reset the stream.
    pub reset: bool,
    /// The bodies that it put in the place of others.
    pub bodies: Vec<Vec<u8>>,
    /// How often it wrote shared data.
    pub writes: u32,
    /// Whether it let a request go on.
    pub request_resumed: bool,
    /// Response headers that it set or added.
    pub told: Headers,
    /// What it left for the access log.
    pub filter_state: Headers,
    /// How often it asked for the current stream's cluster.
    pub clusters_asked: u32,
    /// The periods that it set the tick to.
    pub ticks: Vec<Duration>,
}

fn owned(pairs: &[(&str, &str)]) -> Headers {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn pairs(headers: &Headers) -> Vec<Pair<'_>> {
    let bytes = headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    bytes.collect()
}

fn block(headers: &Headers) -> HeaderBlock {
    HeaderBlock::from_pairs(&pairs(headers))
}

impl FakeHost {
    /// Lets time pass.
    pub fn pass(&self, time: Duration) {
        self.0.now.set(self.0.now.get().after(time));
    }

    /// Sets the clock.
    pub fn set_time(&self, now: Timestamp) {
        self.0.now.set(now);
    }

    /// The next request has these headers; `:method GET` unless they say otherwise. It comes now, for the cluster
    /// `backend`.
    pub fn request(&self, pairs: &[(&str, &str)]) {
        let mut headers = owned(pairs);
        if !pairs.iter().any(|(name, _)| *name == ":method") {
            headers.insert(0, (":method".to_owned(), "GET".to_owned()));
        }
        *self.0.request.borrow_mut() = headers;
        self.began(self.time());
        self.attribute_is(Attribute::ClusterName, b"backend");
    }

    /// Every request has this header too, whose value need not be text.
    pub fn odd_request_header(&self, name: &str, value: &[u8]) {
        *self.0.odd_request_header.borrow_mut() = Some((name.to_owned(), value.to_vec()));
    }

    /// The request whose callbacks run now came then.
    pub fn began(&self, at: Timestamp) {
        self.attribute_is(Attribute::RequestTime, &at.as_nanos().to_le_bytes());
    }

    /// The current stream has this attribute.
    pub fn attribute_is(&self, attribute: Attribute, value: &[u8]) {
        let mut attributes = self.0.attributes.borrow_mut();
        attributes.insert(format!("{attribute:?}"), value.to_vec());
    }

    /// The piece of request body that comes next.
    pub fn request_body(&self, body: &[u8]) {
        *self.0.request_body.borrow_mut() = body.to_vec();
    }

    /// The response is from this host of the cluster `backend`, with this status, flags and these headers.
    pub fn response(&self, host: &str, status: &str, flags: u64, pairs: &[(&str, &str)]) {
        let mut headers = owned(pairs);
        headers.push((":status".to_owned(), status.to_owned()));
        *self.0.response.borrow_mut() = headers;
        self.attribute_is(Attribute::ClusterName, b"backend");
        self.attribute_is(Attribute::UpstreamAddress, host.as_bytes());
        self.attribute_is(Attribute::ResponseFlags, &flags.to_le_bytes());
        self.attribute_is(Attribute::AttemptCount, &1_u64.to_le_bytes());
    }

    /// The response has these trailers.
    pub fn trailers(&self, pairs: &[(&str, &str)]) {
        *self.0.trailers.borrow_mut() = owned(pairs);
    }

    /// The answer of the next callout.
    pub fn callout(&self, pairs: &[(&str, &str)], body: &[u8]) {
        *self.0.callout.borrow_mut() = (owned(pairs), body.to_vec());
    }

    /// The next read of this piece of shared data fails.
    pub fn fail_next_read(&self, key: &str) {
        *self.0.failing_read.borrow_mut() = Some(key.to_owned());
    }

    /// This happens just before the next write of shared data, and after the read that it rests on.
    pub fn interrupt_next_write(&self, interruption: impl FnOnce() + 'static) {
        self.0.interruption.borrow_mut().0 = Some(Box::new(interruption));
    }

    /// How many bytes of shared data were read and written since the last [`Self::reset_traffic`]; a read of nothing and
    /// a write of nothing count as one.
    pub fn traffic(&self) -> (usize, usize) {
        self.0.traffic.get()
    }

    /// Counts shared data anew.
    pub fn reset_traffic(&self) {
        self.0.traffic.set((0, 0));
    }

    /// What was asked for by gRPC since the last time.
    pub fn take_grpc(&self) -> Vec<Grpc> {
        std::mem::take(&mut self.0.grpc.borrow_mut())
    }

    /// The next message that is read has come by gRPC.
    pub fn grpc_message_is(&self, message: &[u8]) {
        *self.0.grpc_message.borrow_mut() = message.to_vec();
    }

    fn grpc_token(&self) -> GrpcToken {
        self.0.grpc_tokens.set(self.0.grpc_tokens.get() + 1);
        GrpcToken(self.0.grpc_tokens.get())
    }

    /// A metric's value.
    pub fn metric_value(&self, metric: Metric) -> u64 {
        self.0
            .metrics
            .borrow()
            .get(&(metric as u32))
            .copied()
            .unwrap_or_default()
    }

    /// A piece of shared data.
    pub fn shared(&self, key: &str) -> Option<Vec<u8>> {
        self.0.shared.borrow().get(key).map(|(value, _)| value.clone())
    }

    /// A header of the request as it goes on.
    pub fn request_header(&self, name: &str) -> Option<String> {
        let headers = self.0.request.borrow();
        headers
            .iter()
            .find(|(found, _)| found == name)
            .map(|(_, value)| value.clone())
    }

    /// What the filter did so far.
    pub fn seen(&self) -> Seen {
        self.0.seen.borrow().clone()
    }

    /// The time.
    pub fn time(&self) -> Timestamp {
        self.0.now.get()
    }
}

impl Host for FakeHost {
    fn now(&self) -> HostResult<Timestamp> {
        Ok(self.0.now.get())
    }

    fn configuration(&self) -> HostResult<Vec<u8>> {
        Ok(Vec::new())
    }

    fn set_tick_period(&self, period: Duration) -> HostResult<()> {
        self.0.seen.borrow_mut().ticks.push(period);
        Ok(())
    }

    fn act_on(&self, _: StreamId) -> HostResult<()> {
        Ok(())
    }

    fn resume_request(&self) -> HostResult<()> {
        self.0.seen.borrow_mut().request_resumed = true;
        Ok(())
    }

    fn clear_route_cache(&self) -> HostResult<()> {
        Ok(())
    }

    fn set_response_header(&self, name: &str, value: &str) -> HostResult<()> {
        let told = &mut self.0.seen.borrow_mut().told;
        told.retain(|(known, _)| known != name);
        told.push((name.to_owned(), value.to_owned()));
        Ok(())
    }

    fn add_response_header(&self, name: &str, value: &str) -> HostResult<()> {
        let told = &mut self.0.seen.borrow_mut().told;
        told.push((name.to_owned(), value.to_owned()));
        Ok(())
    }

    fn set_filter_state(&self, name: &str, value: &str) -> HostResult<()> {
        let state = &mut self.0.seen.borrow_mut().filter_state;
        state.push((name.to_owned(), value.to_owned()));
        Ok(())
    }

    fn request_headers(&self) -> HostResult<HeaderBlock> {
        let (headers, odd) = (self.0.request.borrow(), self.0.odd_request_header.borrow());
        let mut pairs = pairs(&headers);
        pairs.extend(odd.iter().map(|(name, value)| (name.as_bytes(), &value[..])));
        Ok(HeaderBlock::from_pairs(&pairs))
    }

    fn set_request_header(&self, name: &str, value: &str) -> HostResult<()> {
        self.remove_request_header(name)?;
        self.0.request.borrow_mut().push((name.to_owned(), value.to_owned()));
        Ok(())
    }

    fn remove_request_header(&self, name: &str) -> HostResult<()> {
        self.0.request.borrow_mut().retain(|(found, _)| found != name);
        Ok(())
    }

    fn request_body(&self, _: usize) -> HostResult<Vec<u8>> {
        Ok(self.0.request_body.borrow().clone())
    }

    fn replace_request_body(&self, _: usize, body: &[u8]) -> HostResult<()> {
        *self.0.request_body.borrow_mut() = body.to_vec();
        Ok(())
    }

    fn request_trailers(&self) -> HostResult<HeaderBlock> {
        Ok(HeaderBlock::default())
    }

    fn response_headers(&self) -> HostResult<HeaderBlock> {
        Ok(block(&self.0.response.borrow()))
    }

    fn replace_response_headers(&self, headers: &[Pair<'_>]) -> HostResult<()> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let headers = headers.iter().map(|(name, value)| (text(name), text(value))).collect();
        self.0.seen.borrow_mut().replaced = Some(headers);
        Ok(())
    }

    fn replace_response_body(&self, _: usize, body: &[u8]) -> HostResult<()> {
        self.0.seen.borrow_mut().bodies.push(body.to_vec());
        Ok(())
    }

    fn response_trailer(&self, name: &str) -> HostResult<Option<Vec<u8>>> {
        let trailers = self.0.trailers.borrow();
        Ok(trailers
            .iter()
            .find(|(found, _)| found == name)
            .map(|(_, value)| value.clone().into_bytes()))
    }

    fn clear_response_trailers(&self) -> HostResult<()> {
        Ok(())
    }

    fn resume_response(&self) -> HostResult<()> {
        self.0.seen.borrow_mut().resumed = true;
        Ok(())
    }

    fn reset_stream(&self) -> HostResult<()> {
        self.0.seen.borrow_mut().reset = true;
        Ok(())
    }

    fn send_local_response(&self, status: u16, headers: &[Pair<'_>], body: &[u8], _: &str) -> HostResult<()> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let headers = headers.iter().map(|(name, value)| (text(name), text(value))).collect();
        let seen = &mut self.0.seen.borrow_mut();
        seen.local_replies.push(status);
        seen.local_reply = (headers, body.to_vec());
        Ok(())
    }

    fn attribute(&self, attribute: Attribute) -> HostResult<Option<Vec<u8>>> {
        if attribute == Attribute::ClusterName {
            self.0.seen.borrow_mut().clusters_asked += 1;
        }
        Ok(self.0.attributes.borrow().get(&format!("{attribute:?}")).cloned())
    }

    fn dispatch(&self, callout: Callout<'_>) -> HostResult<CalloutToken> {
        let callouts = &mut self.0.seen.borrow_mut().callouts;
        callouts.push(owned(&callout.headers));
        Ok(CalloutToken(u32::try_from(callouts.len()).unwrap_or(u32::MAX)))
    }

    fn callout_headers(&self) -> HostResult<HeaderBlock> {
        Ok(block(&self.0.callout.borrow().0))
    }

    fn callout_body(&self, _: usize) -> HostResult<Vec<u8>> {
        Ok(self.0.callout.borrow().1.clone())
    }

    fn grpc_call(&self, call: GrpcCall<'_>, message: &[u8], _: Duration) -> HostResult<GrpcToken> {
        let token = self.grpc_token();
        self.0.grpc.borrow_mut().push(Grpc::Call {
            token,
            method: call.method.to_owned(),
            message: message.to_vec(),
        });
        Ok(token)
    }

    fn open_grpc_stream(&self, _: GrpcCall<'_>) -> HostResult<GrpcToken> {
        let token = self.grpc_token();
        self.0.grpc.borrow_mut().push(Grpc::Open(token));
        Ok(token)
    }

    fn send_grpc_message(&self, stream: GrpcToken, message: &[u8]) -> HostResult<()> {
        self.0.grpc.borrow_mut().push(Grpc::Send(stream, message.to_vec()));
        Ok(())
    }

    fn reset_grpc_stream(&self, stream: GrpcToken) -> HostResult<()> {
        self.0.grpc.borrow_mut().push(Grpc::Reset(stream));
        Ok(())
    }

    fn grpc_message(&self, _: usize) -> HostResult<Vec<u8>> {
        Ok(self.0.grpc_message.borrow().clone())
    }

    fn shared_data(&self, key: &str) -> HostResult<Option<(Vec<u8>, Cas)>> {
        let mut failing = self.0.failing_read.borrow_mut();
        if failing.as_deref() == Some(key) {
            *failing = None;
            return Err(HostError::Status(10));
        }
        let found = self.0.shared.borrow().get(key).cloned();
        let (read, written) = self.0.traffic.get();
        let size = found.as_ref().map_or(0, |(value, _)| value.len());
        self.0.traffic.set((read + size.max(1), written));
        Ok(found.map(|(value, cas)| (value, Cas(cas))))
    }

    fn set_shared_data(&self, key: &str, value: &[u8], cas: Cas) -> HostResult<()> {
        let interruption = self.0.interruption.borrow_mut().0.take();
        if let Some(interruption) = interruption {
            interruption();
        }
        let mut shared = self.0.shared.borrow_mut();
        if shared.get(key).is_some_and(|(_, current)| *current != cas.0) {
            return Err(HostError::CasMismatch);
        }
        let (read, written) = self.0.traffic.get();
        self.0.traffic.set((read, written + value.len().max(1)));
        let writes = &mut self.0.seen.borrow_mut().writes;
        *writes += 1;
        shared.insert(key.to_owned(), (value.to_vec(), *writes));
        Ok(())
    }

    fn define_metric(&self, _: MetricKind, metric: Metric) -> HostResult<MetricId> {
        Ok(MetricId(metric as u32))
    }

    fn metric(&self, id: MetricId) -> HostResult<u64> {
        Ok(self.0.metrics.borrow().get(&id.0).copied().unwrap_or_default())
    }

    fn increment_metric(&self, id: MetricId, by: u64) -> HostResult<()> {
        *self.0.metrics.borrow_mut().entry(id.0).or_default() += by;
        Ok(())
    }

    fn record_metric(&self, id: MetricId, value: u64) -> HostResult<()> {
        self.0.metrics.borrow_mut().insert(id.0, value);
        Ok(())
    }
}
