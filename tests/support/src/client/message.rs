//! What a client sends and what it gets.

use bytes::Bytes;
use http_body_util::{Either, Full, StreamBody};
use hyper::body::Frame;
use hyper::header::{HeaderName, HeaderValue};
use hyper::{HeaderMap, Method, StatusCode};
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A request to be sent.
#[derive(Clone, Debug)]
pub struct Request {
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Bytes,
    chunk: Option<usize>,
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
            body: Bytes::new(),
            chunk: None,
        }
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
        self.body = body.into();
        self
    }

    /// Sends the body in chunks of this size, without `content-length`.
    #[must_use]
    pub fn chunked(mut self, size: usize) -> Self {
        self.chunk = Some(size.max(1));
        self
    }

    pub(super) fn build(self, http2: bool) -> hyper::Request<RequestBody> {
        let body = match self.chunk {
            None => Either::Left(Full::new(self.body)),
            Some(size) => Either::Right(StreamBody::new(Chunks { rest: self.body, size })),
        };
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
        }
        request
    }
}

pub(super) type RequestBody = Either<Full<Bytes>, StreamBody<Chunks>>;

/// A body, piece by piece.
pub(crate) struct Chunks {
    rest: Bytes,
    size: usize,
}

impl futures_core::Stream for Chunks {
    type Item = Result<Frame<Bytes>, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        let size = self.size.min(self.rest.len());
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(size)))))
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
