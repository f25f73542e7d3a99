//! A client's request, and what the client got.

use crate::headers::Headers;
use crate::tally::Tally;
use std::collections::BTreeMap;
use std::time::Duration;

/// A request to send through the simulated Envoy.
#[derive(Clone, Debug)]
pub struct Request {
    pub(crate) headers: Headers,
    pub(crate) chunks: Vec<Vec<u8>>,
    pub(crate) trailers: Option<Headers>,
    pub(crate) finished: bool,
    pub(crate) worker: usize,
    pub(crate) cluster: Option<String>,
    pub(crate) routed: bool,
    pub(crate) route: String,
}

impl Request {
    /// A request without a body.
    pub fn new(method: &str, path: &str) -> Request {
        Request {
            headers: Headers::from([
                (":authority", "example.com"),
                (":path", path),
                (":method", method),
                (":scheme", "http"),
                ("user-agent", "client"),
                ("x-forwarded-proto", "http"),
                ("x-request-id", "8d8bb9fb-2d2e-4a4e-9d0c-3f0d5a1c7e11"),
            ]),
            chunks: Vec::new(),
            trailers: None,
            finished: true,
            worker: 0,
            cluster: None,
            routed: true,
            route: String::new(),
        }
    }

    /// A gRPC call.
    pub fn grpc(path: &str) -> Request {
        Request::new("POST", path)
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(b"\0\0\0\0\x02hi")
    }

    /// A GET.
    pub fn get(path: &str) -> Request {
        Request::new("GET", path)
    }

    /// With one header more.
    pub fn header(mut self, name: &str, value: &str) -> Request {
        self.headers.add(name, value);
        self
    }

    /// With one header more whose value may be any bytes.
    pub fn header_bytes(mut self, name: &str, value: &[u8]) -> Request {
        self.headers.add(name, value);
        self
    }

    /// With a body in one piece, and its length.
    pub fn body(mut self, body: impl AsRef<[u8]>) -> Request {
        let body = body.as_ref().to_vec();
        self.headers.set("content-length", body.len().to_string());
        self.chunks = vec![body];
        self
    }

    /// With a body that comes in these pieces.
    pub fn chunks(mut self, chunks: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Request {
        self.chunks = chunks.into_iter().map(|chunk| chunk.as_ref().to_vec()).collect();
        self.headers.set("transfer-encoding", "chunked");
        self
    }

    /// With one trailer more.
    pub fn trailer(mut self, name: &str, value: &str) -> Request {
        self.trailers.get_or_insert_default().add(name, value);
        self
    }

    /// The client never sends the end of it: the host answers what it has.
    pub fn unfinished(mut self) -> Request {
        self.finished = false;
        self
    }

    /// Arrives at that worker (0 if nothing is said).
    pub fn on(mut self, worker: usize) -> Request {
        self.worker = worker;
        self
    }

    /// Is routed to that cluster (the first one if nothing is said).
    pub fn to(mut self, cluster: &str) -> Request {
        self.cluster = Some(cluster.to_owned());
        self
    }

    /// The route that it takes has this name (none if nothing is said).
    pub fn route(mut self, name: &str) -> Request {
        self.route = name.to_owned();
        self
    }

    /// No route is for it.
    pub fn unrouted(mut self) -> Request {
        self.routed = false;
        self
    }

    pub(crate) fn is_grpc(&self) -> bool {
        let content_type = self.headers.get("content-type").unwrap_or("");
        content_type == "application/grpc" || content_type.starts_with("application/grpc+")
    }

    /// Its headers.
    pub fn headers(&self) -> &Headers {
        &self.headers
    }

    /// Its body, all pieces of it.
    pub fn whole_body(&self) -> Vec<u8> {
        self.chunks.concat()
    }

    /// The name of its route.
    pub fn route_name(&self) -> &str {
        &self.route
    }

    /// Its method.
    pub fn method(&self) -> &str {
        self.headers.get(":method").unwrap_or("")
    }
}

/// What the client got, and what it took.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// The status; 0 where the client got none.
    pub status: u16,
    /// The headers.
    pub headers: Headers,
    /// The body.
    pub body: Vec<u8>,
    /// The trailers.
    pub trailers: Headers,
    /// It came from the module or from Envoy, past the other filters.
    pub local: bool,
    /// What the module said of its local response, for the access log.
    pub details: String,
    /// It answers HEAD: no body, whatever its headers say.
    pub head: bool,
    /// The connection broke before its end.
    pub cut: bool,
    /// The client hung up first.
    pub client_gone: bool,
    /// What the module left for the access log, by the names that `%FILTER_STATE(...)%` prints it under.
    pub filter_state: BTreeMap<String, String>,
    /// The hosts that were tried for it, in order, callouts included.
    pub tried: Vec<String>,
    /// The host calls made on its account.
    pub calls: Tally,
    /// Virtual time from first to last.
    pub took: Duration,
}

impl Answer {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}
