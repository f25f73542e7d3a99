//! What a client sends and what it gets.

use super::body::RequestBody;
use crate::wait::Gate;
use bytes::Bytes;
use hyper::header::{HeaderName, HeaderValue, TRAILER};
use hyper::{HeaderMap, Method, StatusCode};

/// A request to be sent.
#[derive(Clone, Debug)]
pub struct Request {
    method: Method,
    path: String,
    headers: HeaderMap,
    pieces: Vec<Bytes>,
    with_length: bool,
    trailers: Option<HeaderMap>,
    halt: Option<Gate>,
}

impl Request {
    /// A request without body. `method` is its name, as in `"GET"`.
    ///
    /// # Panics
    /// That is no method.
    #[must_use]
    pub fn new(method: &str, path: &str) -> Self {
        Self {
            method: method.parse().expect("a method"),
            path: path.to_owned(),
            headers: HeaderMap::new(),
            pieces: Vec::new(),
            with_length: true,
            trailers: None,
            halt: None,
        }
    }

    /// Its path and query.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// `GET path`.
    #[must_use]
    pub fn get(path: &str) -> Self {
        Self::new("GET", path)
    }

    /// A unary gRPC call with an empty message, of the method that this path names: `/package.Service/Method`.
    #[must_use]
    pub fn grpc(path: &str) -> Self {
        Self::new("POST", path)
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(crate::upstream::GRPC_MESSAGE)
    }

    /// With one header more.
    ///
    /// # Panics
    /// Name or value are not what HTTP allows.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.append(
            name.parse::<HeaderName>().expect("a header's name"),
            HeaderValue::from_bytes(value.as_ref()).expect("a header's value"),
        );
        self
    }

    /// With this body, and its `content-length`.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.pieces = vec![body.into()];
        self.with_length = true;
        self
    }

    /// Sends the body in chunks of this size, without `content-length`.
    #[must_use]
    pub fn chunked(mut self, size: usize) -> Self {
        let whole = self.pieces.concat();
        self.pieces = whole.chunks(size.max(1)).map(Bytes::copy_from_slice).collect();
        self.with_length = false;
        self
    }

    /// With this body, each piece in a chunk of its own (HTTP/2: in `DATA` of its own), without `content-length`.
    #[must_use]
    pub fn pieces<T: Into<Bytes>>(mut self, pieces: impl IntoIterator<Item = T>) -> Self {
        self.pieces = pieces.into_iter().map(Into::into).collect();
        self.with_length = false;
        self
    }

    /// Halts at a gate in the middle of the body: after its first piece, or its first half if it is in one piece.
    #[must_use]
    pub fn body_held_at(mut self, gate: &Gate) -> Self {
        self.halt = Some(gate.clone());
        self
    }

    /// With a trailer, without `content-length`. HTTP/1.1 says its name in the header `trailer`, too. Envoy passes an
    /// HTTP/1.1 client's trailers on if its connection manager's `http_protocol_options` have `enable_trailers`; and to
    /// an HTTP/1.1 host if the cluster's have ([`Cluster::trailers`](crate::Cluster::trailers)).
    ///
    /// # Panics
    /// Name or value are not what HTTP allows.
    #[must_use]
    pub fn trailer(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.trailers.get_or_insert_default().append(
            name.parse::<HeaderName>().expect("a header's name"),
            HeaderValue::from_bytes(value.as_ref()).expect("a header's value"),
        );
        self.with_length = false;
        self
    }

    pub(super) fn build(self, http2: bool) -> hyper::Request<RequestBody> {
        let names: Vec<_> = self.trailers.iter().flat_map(HeaderMap::keys).cloned().collect();
        let mut pieces = self.pieces;
        if let (Some(_), [only]) = (&self.halt, pieces.as_mut_slice()) {
            let first = only.split_to(only.len() / 2);
            pieces.insert(0, first);
        }
        let body = RequestBody::new(pieces, self.with_length, self.trailers, self.halt);
        let mut request = hyper::Request::new(body);
        *request.method_mut() = self.method;
        *request.headers_mut() = self.headers;
        // HTTP/2 says the host in the URI, HTTP/1.1 in a header.
        let authority = if http2 { "http://sidestep.test" } else { "" };
        *request.uri_mut() = format!("{authority}{}", self.path).parse().expect("a path");
        if !http2 {
            let headers = request.headers_mut();
            headers
                .entry("host")
                .or_insert(HeaderValue::from_static("sidestep.test"));
            // hyper sends only those that have been announced.
            for name in names {
                headers.append(TRAILER, name.into());
            }
        }
        request
    }
}

/// An answer that came whole.
#[derive(Clone, Debug)]
pub struct Response {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) trailers: HeaderMap,
}

impl Response {
    /// The status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status.as_u16()
    }

    /// The headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// A header's first value, if there is one and it is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The name of the upstream that said it.
    #[must_use]
    pub fn upstream(&self) -> &str {
        self.header("x-upstream").unwrap_or_default()
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The body as text; what is no UTF-8 in it is replaced.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The gRPC status: of the trailers, or of the headers if there are no others.
    #[must_use]
    pub fn grpc_status(&self) -> Option<u8> {
        let value = self
            .trailers
            .get("grpc-status")
            .or_else(|| self.headers.get("grpc-status"));
        value?.to_str().ok()?.parse().ok()
    }

    /// The trailers.
    #[must_use]
    pub fn trailers(&self) -> &HeaderMap {
        &self.trailers
    }
}
