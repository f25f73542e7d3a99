//! What a request's headers say about it.

use super::{HeaderBlock, number};
use std::time::Duration;

/// The request header that a route can match to send a request to a standby cluster; only the filter sets it.
pub const STANDBY_HEADER: &str = "x-sidestep-cluster";

/// The request methods that matter here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// HEAD: its answer never has a body.
    Head,
    /// Another method that is idempotent: GET, OPTIONS, TRACE, PUT, DELETE (RFC 9110, section 9.2.2) and
    /// QUERY (RFC 10008).
    Idempotent,
    /// POST or PATCH: idempotent if its `Idempotency-Key` makes it so (draft-ietf-httpapi-idempotency-key-header).
    Keyable,
    /// CONNECT: a tunnel.
    Connect,
    /// Any other method: it may not be repeated (RFC 9110, section 9.2.2).
    Other,
}

impl Method {
    /// The method with this name; names are case-sensitive (RFC 9110, section 9.1).
    pub fn from_name(name: &[u8]) -> Self {
        match name {
            b"HEAD" => Self::Head,
            b"GET" | b"OPTIONS" | b"TRACE" | b"PUT" | b"DELETE" | b"QUERY" => Self::Idempotent,
            b"POST" | b"PATCH" => Self::Keyable,
            b"CONNECT" => Self::Connect,
            _ => Self::Other,
        }
    }
}

/// What a request's headers say, found in one pass over them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "independent observations of one request")]
pub struct RequestFacts {
    /// The request's method.
    pub method: Method,
    /// The request carries the override header: a client tries to name the host.
    pub names_host: bool,
    /// The request carries [`STANDBY_HEADER`]: a client tries to name the cluster.
    pub names_cluster: bool,
    /// The request has an `Idempotency-Key`.
    pub idempotency_key: bool,
    /// The request was sent in early data (`early-data: 1`, RFC 8470, section 5.1), so it may be a replay.
    pub early_data: bool,
    /// The length of the body, if the request says.
    pub content_length: Option<usize>,
    /// The request is gRPC (`content-type: application/grpc`, with or without `+proto` and the like).
    pub grpc: bool,
    /// The request asks for another protocol (WebSocket and the like).
    pub upgrade: bool,
    /// The request asks for a stream of events (`accept: text/event-stream`), which has no end.
    pub streams: bool,
    /// The request itself asks Envoy's router to retry (`x-envoy-retry-on`, `x-envoy-retry-grpc-on`).
    pub asks_router_to_retry: bool,
    /// The request says how often Envoy's router may repeat it (`x-envoy-max-retries`).
    pub limits_retries: bool,
    /// How long the caller wants to wait (`x-envoy-upstream-rq-timeout-ms`, which Envoy keeps from internal callers
    /// only), if it says and it is not 0, which means no end.
    pub asks_for_timeout: Option<Duration>,
    /// How long the caller gives a single attempt (`x-envoy-upstream-rq-per-try-timeout-ms`), if it says.
    pub asks_for_try_timeout: Option<Duration>,
}

impl RequestFacts {
    /// Reads the facts off `headers`. `override_header` is the lower-case name of the header that names the host.
    pub fn read(headers: &HeaderBlock, override_header: &str) -> Self {
        let mut facts = Self {
            method: Method::Other,
            names_host: false,
            names_cluster: false,
            idempotency_key: false,
            early_data: false,
            content_length: None,
            grpc: false,
            upgrade: false,
            streams: false,
            asks_router_to_retry: false,
            limits_retries: false,
            asks_for_timeout: None,
            asks_for_try_timeout: None,
        };
        for (name, value) in headers.pairs() {
            match name {
                b":method" => facts.method = Method::from_name(value),
                b"content-type" => facts.grpc = is_grpc(value),
                b"accept" => facts.streams |= value.starts_with(b"text/event-stream"),
                b"content-length" => facts.content_length = number(value),
                b"idempotency-key" => facts.idempotency_key = true,
                b"early-data" => facts.early_data |= value == b"1",
                b"upgrade" | b":protocol" => facts.upgrade = true,
                b"x-envoy-retry-on" | b"x-envoy-retry-grpc-on" => facts.asks_router_to_retry = true,
                b"x-envoy-max-retries" => facts.limits_retries = true,
                b"x-envoy-upstream-rq-timeout-ms" => facts.asks_for_timeout = millis(value),
                b"x-envoy-upstream-rq-per-try-timeout-ms" => facts.asks_for_try_timeout = millis(value),
                _ if name == STANDBY_HEADER.as_bytes() => facts.names_cluster = true,
                _ => facts.names_host |= name == override_header.as_bytes(),
            }
        }
        facts
    }
}

fn millis(value: &[u8]) -> Option<Duration> {
    let millis = std::str::from_utf8(value).ok()?.parse().ok()?;
    (millis > 0).then(|| Duration::from_millis(millis))
}

/// Whether a content type is gRPC's, in the way Envoy decides it (`Grpc::Common::hasGrpcContentType`).
fn is_grpc(content_type: &[u8]) -> bool {
    content_type
        .strip_prefix(b"application/grpc")
        .is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(pairs: &[(&[u8], &[u8])]) -> RequestFacts {
        RequestFacts::read(&HeaderBlock::from_pairs(pairs), "x-sidestep-host")
    }

    #[test]
    fn methods_are_idempotent_as_the_rfcs_say() {
        for name in ["GET", "OPTIONS", "TRACE", "PUT", "DELETE", "QUERY"] {
            assert_eq!(Method::from_name(name.as_bytes()), Method::Idempotent, "{name}");
        }
        assert_eq!(Method::from_name(b"HEAD"), Method::Head);
        for name in ["POST", "PATCH"] {
            assert_eq!(Method::from_name(name.as_bytes()), Method::Keyable, "{name}");
        }
        for name in ["LOCK", "get", "post", ""] {
            assert_eq!(Method::from_name(name.as_bytes()), Method::Other, "{name}");
        }
    }

    #[test]
    fn grpc_is_told_by_its_content_type_and_not_by_its_look_alike() {
        for (value, grpc) in [
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("application/grpc;charset=utf-8", true),
            ("application/grpc-web", false),
            ("application/json", false),
        ] {
            assert_eq!(facts(&[(b"content-type", value.as_bytes())]).grpc, grpc, "{value}");
        }
    }

    #[test]
    fn a_client_that_names_the_host_is_noticed() {
        assert!(facts(&[(b":method", b"GET"), (b"x-sidestep-host", b"1.2.3.4:5")]).names_host);
        assert!(!facts(&[(b":method", b"GET")]).names_host);
    }
}
