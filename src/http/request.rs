//! What a request's headers say about it.

use super::{HeaderBlock, NameLengths, number};
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

/// The lengths of all names that matter but the override header's: they tell most headers from all that do, without a look
/// at their names.
const LENGTHS: NameLengths = NameLengths::of(&[
    b"accept",
    b":method",
    b"upgrade",
    b":protocol",
    b"early-data",
    b"content-type",
    b"content-length",
    b"idempotency-key",
    b"x-envoy-retry-on",
    b"x-envoy-max-retries",
    b"x-envoy-retry-grpc-on",
    b"x-envoy-upstream-rq-timeout-ms",
    b"x-envoy-upstream-rq-per-try-timeout-ms",
    STANDBY_HEADER.as_bytes(),
]);

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
        for (name, value) in headers.pairs_of(LENGTHS.and(override_header.as_bytes())) {
            facts.see(name, value);
            // What a client has no business to set.
            facts.names_cluster |= name == STANDBY_HEADER.as_bytes();
            facts.names_host |= name == override_header.as_bytes();
        }
        facts
    }

    fn see(&mut self, name: &[u8], value: &[u8]) {
        match name.len() {
            6 if name == b"accept" => self.streams |= value.starts_with(b"text/event-stream"),
            7 if name == b":method" => self.method = Method::from_name(value),
            7 if name == b"upgrade" => self.upgrade = true,
            9 if name == b":protocol" => self.upgrade = true,
            10 if name == b"early-data" => self.early_data |= value == b"1",
            12 if name == b"content-type" => self.grpc = is_grpc(value),
            14 if name == b"content-length" => self.content_length = number(value),
            15 if name == b"idempotency-key" => self.idempotency_key = true,
            16 if name == b"x-envoy-retry-on" => self.asks_router_to_retry = true,
            19 if name == b"x-envoy-max-retries" => self.limits_retries = true,
            21 if name == b"x-envoy-retry-grpc-on" => self.asks_router_to_retry = true,
            30 if name == b"x-envoy-upstream-rq-timeout-ms" => self.asks_for_timeout = millis(value),
            38 if name == b"x-envoy-upstream-rq-per-try-timeout-ms" => self.asks_for_try_timeout = millis(value),
            _ => {}
        }
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
    fn each_header_that_matters_is_seen() {
        let nothing = facts(&[]);
        for (name, value) in [
            ("accept", "text/event-stream"),
            (":method", "GET"),
            ("upgrade", "websocket"),
            (":protocol", "websocket"),
            ("early-data", "1"),
            ("content-type", "application/grpc"),
            ("content-length", "3"),
            ("idempotency-key", "k"),
            ("x-envoy-retry-on", "5xx"),
            ("x-envoy-max-retries", "1"),
            ("x-envoy-retry-grpc-on", "cancelled"),
            ("x-envoy-upstream-rq-timeout-ms", "5"),
            ("x-envoy-upstream-rq-per-try-timeout-ms", "5"),
            (STANDBY_HEADER, "standby"),
            ("x-sidestep-host", "1.2.3.4:5"),
        ] {
            assert_ne!(facts(&[(name.as_bytes(), value.as_bytes())]), nothing, "{name}");
        }
    }

    #[test]
    fn a_client_that_names_the_host_is_noticed() {
        assert!(facts(&[(b":method", b"GET"), (b"x-sidestep-host", b"1.2.3.4:5")]).names_host);
        assert!(!facts(&[(b":method", b"GET")]).names_host);
    }
}
