//! The server's tasks: take a call, do as told.
//!
//! To the wire all four kinds of call are the same, so all four are served as the most general one. That way each of them
//! can end with trailers after a note.

use super::reply::End;
use super::stream::Fed;
use super::upstream::State;
use super::{GrpcMethod, GrpcNote, GrpcReply};
use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tonic::{Code, Status, Streaming};
use tonic_prost::ProstCodec;

/// What `Listen` says if not told otherwise.
const LISTENED: usize = 3;

/// Told not to answer. hyper looks for the reason among the sources.
#[derive(Debug, thiserror::Error)]
#[error("told to reset the stream")]
struct Reset(#[source] h2::Error);

/// Serves one connection.
pub(super) async fn connection(stream: TcpStream, state: Arc<State>) {
    let service = service_fn(move |request| answer(request, Arc::clone(&state)));
    // An error is a connection that broke.
    let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn answer(request: Request<Incoming>, state: Arc<State>) -> Result<Response<AnswerBody>, Reset> {
    let Some(method) = GrpcMethod::at(request.uri().path()) else {
        let unknown = Status::new(Code::Unimplemented, "no such method");
        return Ok(unknown.into_http::<tonic::body::Body>().map(AnswerBody::whole));
    };
    let (number, reply) = state.enter(method, request.headers());
    let end = reply.end.clone();
    let echo = Echo {
        method,
        number,
        reply,
        state,
    };
    let mut grpc = tonic::server::Grpc::new(ProstCodec::<GrpcNote, GrpcNote>::default());
    let response = grpc.streaming(Once(Some(echo)), request).await;
    if let End::Reset(reason) = end {
        return Err(Reset(reason.into()));
    }
    let cut = end == End::Cut;
    Ok(response.map(|body| AnswerBody { body, cut }))
}

/// One call.
struct Echo {
    method: GrpcMethod,
    /// Among those of the upstream.
    number: usize,
    reply: GrpcReply,
    state: Arc<State>,
}

/// A call as tonic wants it: as a service, that serves once.
struct Once(Option<Echo>);

type Notes = Fed<Result<GrpcNote, Status>>;

impl tower_service::Service<tonic::Request<Streaming<GrpcNote>>> for Once {
    type Response = tonic::Response<Notes>;
    type Error = Status;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Status>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: tonic::Request<Streaming<GrpcNote>>) -> Self::Future {
        let echo = self.0.take();
        Box::pin(async move {
            let echo = echo.ok_or_else(|| Status::new(Code::Internal, "served already"))?;
            echo.serve(request.into_inner()).await
        })
    }
}

impl Echo {
    async fn serve(self, mut request: Streaming<GrpcNote>) -> Result<tonic::Response<Notes>, Status> {
        let mut texts = Vec::new();
        if self.method != GrpcMethod::Chat {
            while let Some(text) = self.next(&mut request).await? {
                texts.push(text);
            }
        }
        if let Some(pause) = &self.reply.before {
            pause.pass().await;
        }
        if let Some(status) = self.reply.instead(&self.state.name) {
            return Err(status);
        }
        let head = self.reply.head(&self.state.name);
        let (send, receive) = mpsc::channel(1);
        tokio::spawn(async move {
            tokio::select! {
                // Who asked has gone away.
                () = send.closed() => {}
                () = self.speak(request, texts.join(","), &send) => {}
            }
        });
        let mut response = tonic::Response::new(Fed(receive));
        *response.metadata_mut() = head;
        Ok(response)
    }

    /// The text of the next note that comes.
    async fn next(&self, request: &mut Streaming<GrpcNote>) -> Result<Option<String>, Status> {
        let note = request.message().await?;
        Ok(note.map(|note| {
            self.state.add(self.number, &note.text);
            note.text
        }))
    }

    /// Sends notes, and the status unless it is `OK`.
    async fn speak(&self, request: Streaming<GrpcNote>, text: String, send: &mpsc::Sender<Result<GrpcNote, Status>>) {
        if self.notes(request, text, send).await.is_err() {
            return;
        }
        if let Some(pause) = &self.reply.after_notes {
            pause.pass().await;
        }
        if let Some(status) = self.reply.at_the_end() {
            let _ = send.send(Err(status)).await;
        }
    }

    /// Sends the notes. An error: nobody wants them any more.
    async fn notes(
        &self,
        mut request: Streaming<GrpcNote>,
        text: String,
        send: &mpsc::Sender<Result<GrpcNote, Status>>,
    ) -> Result<(), ()> {
        let chats = self.method == GrpcMethod::Chat;
        let count = self.reply.notes.unwrap_or(match self.method {
            GrpcMethod::Say | GrpcMethod::Collect => 1,
            GrpcMethod::Listen => LISTENED,
            GrpcMethod::Chat => usize::MAX,
        });
        for _ in 0..count {
            let text = if chats {
                // An error is a client that has gone.
                let Some(text) = self.next(&mut request).await.map_err(drop)? else {
                    break;
                };
                text
            } else {
                text.clone()
            };
            let from = self.state.name.clone();
            send.send(Ok(GrpcNote { text, from })).await.map_err(drop)?;
        }
        Ok(())
    }
}

/// The body of an answer, that may break off where its trailers would be.
struct AnswerBody {
    body: tonic::body::Body,
    cut: bool,
}

impl AnswerBody {
    fn whole(body: tonic::body::Body) -> Self {
        Self { body, cut: false }
    }
}

/// Told to break off.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("told to break off here")]
    Cut,
    #[error(transparent)]
    Tonic(#[from] Status),
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let frame = std::task::ready!(Pin::new(&mut self.body).poll_frame(context));
        let over = frame
            .as_ref()
            .is_none_or(|frame| frame.as_ref().is_ok_and(Frame::is_trailers));
        if self.cut && over {
            return Poll::Ready(Some(Err(Broken::Cut)));
        }
        Poll::Ready(frame.map(|frame| frame.map_err(Broken::Tonic)))
    }

    fn is_end_stream(&self) -> bool {
        !self.cut && self.body.is_end_stream()
    }
}
