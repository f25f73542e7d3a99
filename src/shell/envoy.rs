//! Envoy as a [`Host`].

use super::abi::{self, Buffer, Map};
use crate::host::{
    Attribute, Callout, CalloutToken, Cas, GrpcCall, GrpcToken, Host, HostError, HostResult, MetricId, StreamId,
};
use crate::http::{HeaderBlock, Pair};
use crate::metrics::{Metric, MetricKind};
use crate::model::Timestamp;
use std::time::Duration;

/// Envoy, through the ABI. Calls act on the stream whose callback is running.
#[derive(Clone, Copy, Debug)]
pub(super) struct Envoy;

impl Host for Envoy {
    fn now(&self) -> HostResult<Timestamp> {
        abi::now_nanos().map(Timestamp::from_nanos)
    }

    fn configuration(&self) -> HostResult<Vec<u8>> {
        abi::buffer(Buffer::PluginConfiguration, usize::MAX)
    }

    fn set_tick_period(&self, period: Duration) -> HostResult<()> {
        abi::set_tick_period(millis(period))
    }

    fn act_on(&self, stream: StreamId) -> HostResult<()> {
        abi::set_effective_context(stream.0)
    }

    fn request_headers(&self) -> HostResult<HeaderBlock> {
        abi::pairs(Map::RequestHeaders).map(HeaderBlock::from_wire)
    }

    fn set_request_header(&self, name: &str, value: &str) -> HostResult<()> {
        abi::replace_value(Map::RequestHeaders, name, value)
    }

    fn remove_request_header(&self, name: &str) -> HostResult<()> {
        abi::remove_value(Map::RequestHeaders, name)
    }

    fn request_body(&self, size: usize) -> HostResult<Vec<u8>> {
        abi::buffer(Buffer::RequestBody, size)
    }

    fn replace_request_body(&self, size: usize, body: &[u8]) -> HostResult<()> {
        abi::replace_buffer(Buffer::RequestBody, size, body)
    }

    fn resume_request(&self) -> HostResult<()> {
        abi::resume_request()
    }

    fn clear_route_cache(&self) -> HostResult<()> {
        abi::call_foreign_function("clear_route_cache")
    }

    fn request_trailers(&self) -> HostResult<HeaderBlock> {
        abi::pairs(Map::RequestTrailers).map(HeaderBlock::from_wire)
    }

    fn response_headers(&self) -> HostResult<HeaderBlock> {
        abi::pairs(Map::ResponseHeaders).map(HeaderBlock::from_wire)
    }

    fn replace_response_headers(&self, headers: &[Pair<'_>]) -> HostResult<()> {
        abi::set_pairs(Map::ResponseHeaders, HeaderBlock::from_pairs(headers).as_wire())
    }

    fn set_response_header(&self, name: &str, value: &str) -> HostResult<()> {
        abi::replace_value(Map::ResponseHeaders, name, value)
    }

    fn add_response_header(&self, name: &str, value: &str) -> HostResult<()> {
        abi::add_value(Map::ResponseHeaders, name, value)
    }

    fn replace_response_body(&self, size: usize, body: &[u8]) -> HostResult<()> {
        abi::replace_buffer(Buffer::ResponseBody, size, body)
    }

    fn response_trailer(&self, name: &str) -> HostResult<Option<Vec<u8>>> {
        abi::value(Map::ResponseTrailers, name)
    }

    fn clear_response_trailers(&self) -> HostResult<()> {
        abi::set_pairs(Map::ResponseTrailers, HeaderBlock::from_pairs(&[]).as_wire())
    }

    fn resume_response(&self) -> HostResult<()> {
        abi::resume_response()
    }

    fn reset_stream(&self) -> HostResult<()> {
        abi::reset_stream()
    }

    fn send_local_response(&self, status: u16, headers: &[Pair<'_>], body: &[u8], details: &str) -> HostResult<()> {
        abi::send_local_response(status, details, HeaderBlock::from_pairs(headers).as_wire(), body)
    }

    fn set_filter_state(&self, name: &str, value: &str) -> HostResult<()> {
        abi::set_property(name, value)
    }

    fn attribute(&self, attribute: Attribute) -> HostResult<Option<Vec<u8>>> {
        abi::property(match attribute {
            Attribute::ClusterName => "xds\0cluster_name",
            Attribute::UpstreamAddress => "upstream\0address",
            Attribute::RequestTime => "request\0time",
            Attribute::RouteName => "xds\0route_name",
            Attribute::NumEndpoints => "upstream\0num_endpoints",
            Attribute::VirtualHostName => "xds\0virtual_host_name",
            Attribute::ResponseFlags => "response\0flags",
            Attribute::ResponseCodeDetails => "response\0code_details",
            Attribute::AttemptCount => "upstream\0request_attempt_count",
            Attribute::NodeId => "xds\0node\0id",
        })
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the SDK must know the callout's token, or its dispatcher panics on the answer. Of the statuses that \
                  Envoy can answer with, this function panics on none: it returns BadArgument and InternalFailure, and \
                  InvalidMemoryAccess would take pointers outside of the module's memory."
    )]
    fn dispatch(&self, callout: Callout<'_>) -> HostResult<CalloutToken> {
        proxy_wasm::hostcalls::dispatch_http_call(
            callout.cluster,
            callout.headers,
            (!callout.body.is_empty()).then_some(callout.body),
            callout.trailers,
            // Envoy takes 0 for no time-out at all.
            callout.timeout.max(Duration::from_millis(1)),
        )
        .map(CalloutToken)
        .map_err(|status| HostError::Status(status as u32))
    }

    fn callout_headers(&self) -> HostResult<HeaderBlock> {
        abi::pairs(Map::CalloutHeaders).map(HeaderBlock::from_wire)
    }

    fn callout_body(&self, size: usize) -> HostResult<Vec<u8>> {
        abi::buffer(Buffer::CalloutBody, size)
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the SDK must know the call's token, or drops its answer. Of the statuses that Envoy can answer with \
                  (`Context::grpcCall`), this function panics on none: it returns ParseFailure and InternalFailure."
    )]
    fn grpc_call(&self, call: GrpcCall<'_>, message: &[u8], timeout: Duration) -> HostResult<GrpcToken> {
        let timeout = timeout.max(Duration::from_millis(1));
        let metadata = grpc_metadata(&call);
        let message = Some(message);
        proxy_wasm::hostcalls::dispatch_grpc_call(call.cluster, call.service, call.method, metadata, message, timeout)
            .map(GrpcToken)
            .map_err(|status| HostError::Status(status as u32))
    }

    #[expect(clippy::disallowed_methods, reason = "as for a call, by `Context::grpcStream`")]
    fn open_grpc_stream(&self, call: GrpcCall<'_>) -> HostResult<GrpcToken> {
        proxy_wasm::hostcalls::open_grpc_stream(call.cluster, call.service, call.method, grpc_metadata(&call))
            .map(GrpcToken)
            .map_err(|status| HostError::Status(status as u32))
    }

    fn send_grpc_message(&self, stream: GrpcToken, message: &[u8]) -> HostResult<()> {
        abi::grpc_send(stream.0, message)
    }

    fn reset_grpc_stream(&self, stream: GrpcToken) -> HostResult<()> {
        abi::grpc_cancel(stream.0)
    }

    fn grpc_message(&self, size: usize) -> HostResult<Vec<u8>> {
        abi::buffer(Buffer::GrpcMessage, size)
    }

    fn shared_data(&self, key: &str) -> HostResult<Option<(Vec<u8>, Cas)>> {
        Ok(abi::shared_data(key)?.map(|(value, cas)| (value, Cas(cas))))
    }

    fn set_shared_data(&self, key: &str, value: &[u8], cas: Cas) -> HostResult<()> {
        abi::set_shared_data(key, value, cas.0)
    }

    fn define_metric(&self, kind: MetricKind, metric: Metric) -> HostResult<MetricId> {
        let kind = match kind {
            MetricKind::Counter => 0,
            MetricKind::Gauge => 1,
        };
        abi::define_metric(kind, metric.name()).map(MetricId)
    }

    fn metric(&self, id: MetricId) -> HostResult<u64> {
        abi::metric(id.0)
    }

    fn increment_metric(&self, id: MetricId, by: u64) -> HostResult<()> {
        abi::increment_metric(id.0, by)
    }

    fn record_metric(&self, id: MetricId, value: u64) -> HostResult<()> {
        abi::record_metric(id.0, value)
    }
}

fn grpc_metadata<'a>(call: &GrpcCall<'a>) -> Vec<(&'a str, &'a [u8])> {
    let metadata = call.metadata.iter();
    metadata
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
        .collect()
}

fn millis(period: Duration) -> u32 {
    u32::try_from(period.as_millis()).unwrap_or(u32::MAX)
}
