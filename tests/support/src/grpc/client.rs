//! tonic's client, over a connection of our own.

use super::stream::Fed;
use super::{GrpcAnswer, GrpcCall, GrpcMethod, GrpcNote, GrpcStream};
use crate::client::{ClientError, bounded};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tonic::body::Body;
use tonic::{Status, Streaming};
use tonic_prost::ProstCodec;

/// A client of `sidestep.test.Echo`: one connection, so one of Envoy's workers. Clones share it; it closes with the last.
#[derive(Clone, Debug)]
pub struct GrpcClient {
    send: http2::SendRequest<Body>,
    /// Ends with this value.
    _task: Arc<JoinSet<()>>,
}

impl GrpcClient {
    /// Opens a connection to the server at this address, by HTTP/2 without TLS (prior knowledge).
    ///
    /// # Errors
    /// There is no connection to be had.
    pub async fn connect(address: SocketAddr) -> Result<Self, ClientError> {
        bounded(async {
            let stream = TcpStream::connect(address).await.map_err(ClientError::Connect)?;
            let _ = stream.set_nodelay(true);
            let shaken = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
            let (send, connection) = shaken.map_err(ClientError::NoAnswer)?;
            let mut task = JoinSet::new();
            task.spawn(async move {
                let _ = connection.await;
            });
            Ok(Self {
                send,
                _task: Arc::new(task),
            })
        })
        .await
    }

    /// Makes a call with all its notes, and waits for its end.
    ///
    /// # Errors
    /// It took longer than any test should. Whatever else goes wrong is in the answer.
    pub async fn call(&self, call: GrpcCall) -> Result<GrpcAnswer, ClientError> {
        self.open(call).end().await
    }

    /// Begins a call: its notes go out, and more may follow. Dropped before its end, it is cancelled.
    #[must_use]
    pub fn open(&self, call: GrpcCall) -> GrpcStream {
        GrpcStream::open(self.clone(), call)
    }

    /// Makes a unary call of any service.
    pub(crate) async fn unary<M, R>(&self, path: &'static str, message: M) -> Result<R, Box<Status>>
    where
        M: prost::Message + 'static,
        R: prost::Message + Default + 'static,
    {
        let path = hyper::http::uri::PathAndQuery::from_static(path);
        let request = tonic::Request::new(message);
        let answer = self.service().unary(request, path, ProstCodec::default()).await;
        Ok(answer.map_err(Box::new)?.into_inner())
    }

    fn service(&self) -> tonic::client::Grpc<Connection> {
        let origin = hyper::Uri::from_static("http://sidestep.test");
        tonic::client::Grpc::with_origin(Connection(self.send.clone()), origin)
    }

    /// Makes the call, up to the answer's headers.
    pub(super) async fn headers(
        &self,
        method: GrpcMethod,
        request: tonic::Request<Fed<GrpcNote>>,
    ) -> Result<tonic::Response<Streaming<GrpcNote>>, Status> {
        let path = hyper::http::uri::PathAndQuery::from_static(method.path());
        self.service().streaming(request, path, ProstCodec::default()).await
    }
}

/// The connection as tonic wants it: as a service.
struct Connection(http2::SendRequest<Body>);

impl tower_service::Service<hyper::Request<Body>> for Connection {
    type Response = hyper::Response<Incoming>;
    type Error = hyper::Error;
    type Future = Pin<Box<dyn Future<Output = hyper::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<hyper::Result<()>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: hyper::Request<Body>) -> Self::Future {
        Box::pin(self.0.send_request(request))
    }
}
