//! The user's side: an HTTP client.
//!
//! Envoy gives each connection to one of its workers and leaves it there. So a [`Client`] opens a connection per
//! request, which spreads requests over the workers, and a [`Connection`] keeps to one worker.

mod body;
mod message;
mod traffic;

pub use message::{Request, Response};
pub use traffic::{Summary, Traffic};

use body::RequestBody;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};

use std::net::SocketAddr;
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

    /// The server's address.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
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

    /// Sends a request by a new connection, and hangs up at this moment: closes the connection, whatever it is at; over
    /// HTTP/2 the stream may be reset first. `None`: that moment came before the answer.
    pub async fn send_until(&self, request: Request, moment: impl Future) -> Option<Result<Response, ClientError>> {
        tokio::select! {
            answer = self.send(request) => Some(answer),
            _ = moment => None,
        }
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

    /// Sends this many requests a second from now on, whatever becomes of them: see [`Traffic`]. `request` makes the
    /// n-th one.
    #[must_use]
    pub fn traffic(&self, per_second: f64, request: impl Fn(u64) -> Request + Send + 'static) -> Traffic {
        Traffic::start(*self, per_second, request)
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

    /// Sends a request, and gives up at this moment: resets its stream, or closes the connection if it is HTTP/1.1.
    /// `None`: that moment came before the answer.
    pub async fn send_until(&mut self, request: Request, moment: impl Future) -> Option<Result<Response, ClientError>> {
        tokio::select! {
            answer = self.send(request) => Some(answer),
            _ = moment => None,
        }
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

/// With an end, whatever happens.
pub(crate) async fn bounded<T>(work: impl Future<Output = Result<T, ClientError>>) -> Result<T, ClientError> {
    tokio::time::timeout(BOUND, work)
        .await
        .unwrap_or(Err(ClientError::TimedOut))
}
