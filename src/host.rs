//! What the filter asks of its host, the proxy. One trait, so that the same filter runs in Envoy, in the simulator
//! and under test.

use crate::http::{HeaderBlock, Pair};
use crate::metrics::{Metric, MetricKind};
use crate::model::Timestamp;
use std::time::Duration;

/// A call to the host that did not work. Every call may fail at any time; none of them panics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// Somebody else wrote shared data since it was read. Not a fault, but a reason to look again.
    #[error("shared data has changed")]
    CasMismatch,
    /// The host refused, with this status of the ABI.
    #[error("host status {0}")]
    Status(u32),
}

/// The result of a call to the host.
pub type HostResult<T> = Result<T, HostError>;

/// An attribute of the stream, by Envoy's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attribute {
    /// `xds.cluster_name`
    ClusterName,
    /// `upstream.address`
    UpstreamAddress,
    /// `response.flags`
    ResponseFlags,
    /// `request.time`: when the request began to arrive, ns since the Unix epoch, as a number
    RequestTime,
    /// `xds.route_name`
    RouteName,
    /// `upstream.num_endpoints`: how many hosts the cluster of the request has, as a number
    NumEndpoints,
    /// `xds.virtual_host_name`
    VirtualHostName,
    /// `response.code_details`
    ResponseCodeDetails,
    /// `upstream.request_attempt_count`
    AttemptCount,
    /// `xds.node.id`: Envoy's own name. Not of a stream.
    NodeId,
}

/// The version of a piece of shared data, for compare-and-swap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cas(pub u32);

impl Cas {
    /// Write only if nothing is there yet. Envoy creates a missing key whatever the version says, and versions
    /// count up from 1, so the largest one never matches an existing key.
    pub const ABSENT: Self = Self(u32::MAX);
}

/// A request that the filter makes itself.
#[derive(Clone, Debug)]
pub struct Callout<'a> {
    /// The cluster to send it to.
    pub cluster: &'a str,
    /// Its headers, pseudo-headers included.
    pub headers: Vec<(&'a str, &'a str)>,
    /// Its body; empty for none.
    pub body: &'a [u8],
    /// Its trailers.
    pub trailers: Vec<(&'a str, &'a str)>,
    /// How long it may take, at least a millisecond.
    pub timeout: Duration,
}

/// Names a stream, by the number of its context.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub u32);

/// Names a callout until its answer is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CalloutToken(pub u32);

/// A gRPC call, or a stream of one.
#[derive(Clone, Copy, Debug)]
pub struct GrpcCall<'a> {
    /// The cluster to send it to.
    pub cluster: &'a str,
    /// The service, with its package.
    pub service: &'a str,
    /// Its method.
    pub method: &'a str,
    /// Headers.
    pub metadata: &'a [(String, String)],
}

/// Names a gRPC call or stream until its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GrpcToken(pub u32);

/// Names a metric to the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetricId(pub u32);

/// The host. Calls act on the stream whose callback is running.
#[expect(
    clippy::missing_errors_doc,
    reason = "each fails in the one way that HostError describes"
)]
pub trait Host {
    /// The time.
    fn now(&self) -> HostResult<Timestamp>;
    /// The plugin's configuration.
    fn configuration(&self) -> HostResult<Vec<u8>>;
    /// How often the tick comes, from now on.
    fn set_tick_period(&self, period: Duration) -> HostResult<()>;

    /// Lets the calls that follow in this callback act on another stream; an error if it is gone.
    fn act_on(&self, stream: StreamId) -> HostResult<()>;

    /// The request's headers; in the request phase, and once more in the log phase, as the router sent them.
    fn request_headers(&self) -> HostResult<HeaderBlock>;
    /// Sets a request header, in the place of any with its name.
    fn set_request_header(&self, name: &str, value: &str) -> HostResult<()>;
    /// Removes all request headers with this name.
    fn remove_request_header(&self, name: &str) -> HostResult<()>;
    /// The piece of request body that has just come, `size` bytes.
    fn request_body(&self, size: usize) -> HostResult<Vec<u8>>;
    /// Puts `body` in the place of the piece of request body that has just come, `size` bytes.
    fn replace_request_body(&self, size: usize, body: &[u8]) -> HostResult<()>;
    /// Lets a request go on that was paused.
    fn resume_request(&self) -> HostResult<()>;
    /// Finds the request's route anew, by its headers as they are now; only in the request phase.
    fn clear_route_cache(&self) -> HostResult<()>;
    /// The request's trailers.
    fn request_trailers(&self) -> HostResult<HeaderBlock>;

    /// The response's headers.
    fn response_headers(&self) -> HostResult<HeaderBlock>;
    /// Puts other headers in the place of the response's.
    fn replace_response_headers(&self, headers: &[Pair<'_>]) -> HostResult<()>;
    /// Sets a response header, in the place of any with its name.
    fn set_response_header(&self, name: &str, value: &str) -> HostResult<()>;
    /// Adds a response header.
    fn add_response_header(&self, name: &str, value: &str) -> HostResult<()>;
    /// Puts `body` in the place of the piece of response body that has just come, `size` bytes.
    fn replace_response_body(&self, size: usize, body: &[u8]) -> HostResult<()>;
    /// A response trailer's first value.
    fn response_trailer(&self, name: &str) -> HostResult<Option<Vec<u8>>>;
    /// Removes the response's trailers.
    fn clear_response_trailers(&self) -> HostResult<()>;
    /// Lets a response go on that was paused.
    fn resume_response(&self) -> HostResult<()>;
    /// Resets the stream: the client gets no more of its answer.
    fn reset_stream(&self) -> HostResult<()>;
    /// Answers the request at once. `headers` are without `:status`; `details` says why, for the access log.
    fn send_local_response(&self, status: u16, headers: &[Pair<'_>], body: &[u8], details: &str) -> HostResult<()>;

    /// Leaves a value with the stream for the access log: `%FILTER_STATE(wasm.NAME:PLAIN)%`.
    fn set_filter_state(&self, name: &str, value: &str) -> HostResult<()>;
    /// An attribute of the stream; `None` if it has none.
    fn attribute(&self, attribute: Attribute) -> HostResult<Option<Vec<u8>>>;

    /// Makes a request; its answer comes in a callback of its own.
    fn dispatch(&self, callout: Callout<'_>) -> HostResult<CalloutToken>;
    /// The headers of a callout's answer; only in its callback, and only if it has any.
    fn callout_headers(&self) -> HostResult<HeaderBlock>;
    /// The body of a callout's answer, `size` bytes; only in its callback.
    fn callout_body(&self, size: usize) -> HostResult<Vec<u8>>;

    /// Makes a gRPC call with one message; its answer, or its failure, comes in a callback of its own.
    fn grpc_call(&self, call: GrpcCall<'_>, message: &[u8], timeout: Duration) -> HostResult<GrpcToken>;
    /// Opens a gRPC stream; messages, and its end, come in callbacks of their own.
    fn open_grpc_stream(&self, call: GrpcCall<'_>) -> HostResult<GrpcToken>;
    /// Sends a message on a gRPC stream.
    fn send_grpc_message(&self, stream: GrpcToken, message: &[u8]) -> HostResult<()>;
    /// Resets a gRPC stream; nothing more is heard of it.
    fn reset_grpc_stream(&self, stream: GrpcToken) -> HostResult<()>;
    /// The message that has just come by gRPC, `size` bytes; only in its callback.
    fn grpc_message(&self, size: usize) -> HostResult<Vec<u8>>;

    /// A piece of shared data and its version; `None` if nothing is there.
    fn shared_data(&self, key: &str) -> HostResult<Option<(Vec<u8>, Cas)>>;
    /// Writes shared data, if it still has this version.
    fn set_shared_data(&self, key: &str, value: &[u8], cas: Cas) -> HostResult<()>;

    /// Makes a metric known.
    fn define_metric(&self, kind: MetricKind, metric: Metric) -> HostResult<MetricId>;
    /// A metric's value: of a counter or a gauge, one for all workers.
    fn metric(&self, id: MetricId) -> HostResult<u64>;
    /// Adds to a counter or a gauge.
    fn increment_metric(&self, id: MetricId, by: u64) -> HostResult<()>;
    /// Sets a gauge.
    fn record_metric(&self, id: MetricId, value: u64) -> HostResult<()>;
}
