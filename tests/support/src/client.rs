//! The user's side: an HTTP client.
//!
//! Envoy gives each connection to one of its workers and leaves it there. So a [`Client`] opens a connection per
//! request, which spreads requests over the workers, and a [`Connection`] keeps to one worker.

use bytes::Bytes;
use http_body_util::{BodyExt, Either, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::{http1, http2};
use hyper::header::{HeaderName, HeaderValue};
use hyper::{HeaderMap, Method, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// No answer takes that long, on the busiest machine.
const BOUND: Duration = Duration::from_secs(30);

/// What kept a request from being answered whole.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No connection.
    #[error("connecting: {0}")]
    Connect(#[source] std::io::Error),
    /// The connection broke before there was an answer.
    #[error("no answer: {0}")]
    NoAnswer(#[source] hyper::Error),
    /// The answer broke off.
    #[error("the answer, a {status}, broke off: {source}")]
    BrokeOff {
        /// Its status.
        status: u16,
        /// How.
        source: hyper::Error,
    },
    /// It took longer than any test should.
    #[error("no answer within {BOUND:?}")]
    TimedOut,
}

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

    fn build(self, http2: bool) -> hyper::Request<RequestBody> {
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

type RequestBody = Either<Full<Bytes>, StreamBody<Chunks>>;

/// A body, piece by piece.
struct Chunks {
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
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    trailers: HeaderMap,
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

    /// The trailers.
    #[must_use]
    pub fn trailers(&self) -> &HeaderMap {
        &self.trailers
    }
}

/// Sends each request by a connection of its own.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    address: SocketAddr,
    http2: bool,
}

impl Client {
    /// A client of the server at this address, by HTTP/1.1.
    #[must_use]
    pub fn new(address: SocketAddr) -> Self {
        Self { address, http2: false }
    }

    /// The same, by HTTP/2 without TLS (prior knowledge).
    #[must_use]
    pub fn http2(mut self) -> Self {
        self.http2 = true;
        self
    }

    /// Opens a connection, for one request after the other.
    ///
    /// # Errors
    /// There is no connection to be had.
    pub async fn connect(&self) -> Result<Connection, ClientError> {
        bounded(async {
            let stream = TcpStream::connect(self.address).await.map_err(ClientError::Connect)?;
            let _ = stream.set_nodelay(true);
            let mut task = JoinSet::new();
            let io = TokioIo::new(stream);
            let send = if self.http2 {
                let shaken = http2::handshake(TokioExecutor::new(), io).await;
                let (send, connection) = shaken.map_err(ClientError::NoAnswer)?;
                task.spawn(async move {
                    let _ = connection.await;
                });
                Sender::Http2(send)
            } else {
                let shaken = http1::handshake(io).await;
                let (send, connection) = shaken.map_err(ClientError::NoAnswer)?;
                task.spawn(async move {
                    let _ = connection.await;
                });
                Sender::Http1(send)
            };
            Ok(Connection { send, _task: task })
        })
        .await
    }

    /// Sends a request by a new connection and reads the answer.
    ///
    /// # Errors
    /// There is no whole answer.
    pub async fn send(&self, request: Request) -> Result<Response, ClientError> {
        self.connect().await?.send(request).await
    }

    /// `GET path` by a new connection.
    ///
    /// # Errors
    /// There is no whole answer.
    pub async fn get(&self, path: &str) -> Result<Response, ClientError> {
        self.send(Request::get(path)).await
    }

    /// Sends `count` requests, at most `at_once` of them at a time, and gives the answers in the requests' order.
    /// `request` makes the n-th one.
    pub async fn send_many(
        &self,
        count: usize,
        at_once: usize,
        request: impl Fn(usize) -> Request,
    ) -> Vec<Result<Response, ClientError>> {
        let permits = std::sync::Arc::new(Semaphore::new(at_once.max(1)));
        let tasks: Vec<_> = (0..count)
            .map(|n| {
                let (client, permits, request) = (*self, permits.clone(), request(n));
                tokio::spawn(async move {
                    let _permit = permits.acquire_owned().await;
                    client.send(request).await
                })
            })
            .collect();
        let mut answers = Vec::with_capacity(count);
        for task in tasks {
            answers.push(task.await.expect("no panic in here"));
        }
        answers
    }
}

/// One connection, so one of Envoy's workers. Dropped, it closes: also with a request under way.
#[derive(Debug)]
pub struct Connection {
    send: Sender,
    /// Ends with this value.
    _task: JoinSet<()>,
}

#[derive(Debug)]
enum Sender {
    Http1(http1::SendRequest<RequestBody>),
    Http2(http2::SendRequest<RequestBody>),
}

impl Sender {
    async fn send(&mut self, request: Request) -> hyper::Result<hyper::Response<Incoming>> {
        match self {
            Self::Http1(send) => {
                send.ready().await?;
                send.send_request(request.build(false)).await
            }
            Self::Http2(send) => {
                send.ready().await?;
                send.send_request(request.build(true)).await
            }
        }
    }
}

impl Connection {
    /// Sends a request and reads the answer.
    ///
    /// # Errors
    /// There is no whole answer.
    pub async fn send(&mut self, request: Request) -> Result<Response, ClientError> {
        bounded(async {
            let response = self.send.send(request).await.map_err(ClientError::NoAnswer)?;
            whole(response).await
        })
        .await
    }

    /// `GET path`.
    ///
    /// # Errors
    /// There is no whole answer.
    pub async fn get(&mut self, path: &str) -> Result<Response, ClientError> {
        self.send(Request::get(path)).await
    }
}

async fn whole(response: hyper::Response<Incoming>) -> Result<Response, ClientError> {
    let (head, body) = response.into_parts();
    let collected = body.collect().await.map_err(|source| ClientError::BrokeOff {
        status: head.status.as_u16(),
        source,
    })?;
    Ok(Response {
        status: head.status,
        headers: head.headers,
        trailers: collected.trailers().cloned().unwrap_or_default(),
        body: collected.to_bytes(),
    })
}

async fn bounded<T>(work: impl Future<Output = Result<T, ClientError>>) -> Result<T, ClientError> {
    tokio::time::timeout(BOUND, work)
        .await
        .unwrap_or(Err(ClientError::TimedOut))
}
