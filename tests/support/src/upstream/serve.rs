//! The server's tasks: accept, read a request, do as told.

use super::behaviour::{Behaviour, Cut, Reply};
use super::body::{self, AnswerBody, BrokenOff};
use super::tally::UnderWay;
use super::wire::{Handle, Wire};
use super::{Received, State};
use crate::server::lock;
use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::net::TcpStream;

/// Ends in the middle of the headers: all of the status line.
const PART_OF_THE_HEADERS: usize = "HTTP/1.1 200 OK\r\n".len();

/// Ends in the middle of the frame's own header: compressed, the headers can be as few as one byte.
const PART_OF_A_FRAME: usize = 5;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    BrokenOff(#[from] BrokenOff),
    /// hyper looks for this one among the sources.
    #[error("told to reset the stream")]
    Reset(#[source] h2::Error),
    #[error("a status that HTTP does not allow")]
    Status(#[from] hyper::http::status::InvalidStatusCode),
    #[error("a name that is no header's value")]
    Name(#[from] hyper::header::InvalidHeaderValue),
}

/// Serves one connection.
pub(super) async fn connection(stream: TcpStream, state: Arc<State>) {
    let number = state.connections.fetch_add(1, Ordering::SeqCst) + 1;
    let http2 = state.http2;
    let (wire, handle) = Wire::new(stream);
    let kept = handle.clone();
    let service = service_fn(move |request| {
        let (state, handle) = (Arc::clone(&state), handle.clone());
        async move { answer(request, number, &state, &handle).await }
    });
    // An error is a connection that broke, often because it was told to.
    if http2 {
        let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
            .serve_connection(TokioIo::new(wire), service)
            .await;
    } else {
        kept.keep_read();
        let _ = hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(wire), service)
            .await;
    }
}

async fn answer(
    request: Request<Incoming>,
    connection: u64,
    state: &State,
    wire: &Handle,
) -> Result<Response<AnswerBody>, Failure> {
    let under_way = state.tally.enter();
    let head = (!state.http2).then(|| wire.stop_keeping());
    let received = Received::read(request, head, connection).await;
    if !state.http2 {
        // The next request's, on this connection.
        wire.keep_read();
    }
    let bodiless = received.method == hyper::Method::HEAD;
    let (mut behaviour, latency) = lock(&state.script).take(received.path_only());
    state.remember(received.clone());
    while let Behaviour::ByRequest(choose) = behaviour {
        behaviour = choose(&received);
    }
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
    let reply = match behaviour {
        Behaviour::Reply(reply) => reply,
        Behaviour::Echo => echo(received),
        Behaviour::RefuseStream => {
            return Err(Failure::Reset(h2::Reason::REFUSED_STREAM.into()));
        }
        Behaviour::Hang => std::future::pending().await,
        Behaviour::Close | Behaviour::ByRequest(_) => return Err(BrokenOff.into()),
    };
    if let Some(pause) = &reply.before_headers {
        pause.pass().await;
    }
    if reply.cut == Some(Cut::Headers) {
        wire.cut_after(if state.http2 {
            PART_OF_A_FRAME
        } else {
            PART_OF_THE_HEADERS
        });
    }
    let mut response = respond(reply, &state.name, wire, under_way)?;
    if bodiless && state.http2 {
        // Over HTTP/1.1 hyper sees to that; over HTTP/2 it would send the body, which is a protocol error.
        *response.body_mut() = body::one_piece(Bytes::new());
    }
    Ok(response)
}

fn echo(received: Received) -> Reply {
    let mut reply = Reply::status(200)
        .header("x-echo-method", received.method.as_str())
        .header("x-echo-path", &received.path);
    if let Some(kind) = received.headers.get(CONTENT_TYPE) {
        reply.headers.insert(CONTENT_TYPE, kind.clone());
    }
    reply.body(received.body)
}

fn respond(reply: Reply, name: &str, wire: &Handle, under_way: UnderWay) -> Result<Response<AnswerBody>, Failure> {
    let mut headers = reply.headers.clone();
    headers.insert("x-upstream", HeaderValue::from_str(name)?);
    // Said by hand: hyper would leave it out where the body goes out in steps, and where there is none (HEAD).
    if reply.with_length && reply.status != 204 && reply.status != 304 {
        headers
            .entry(CONTENT_LENGTH)
            .or_insert(HeaderValue::from(reply.body.len()));
    }
    let status = reply.status;
    let body = if reply.in_steps() {
        body::in_steps(reply, wire.clone(), under_way)
    } else {
        drop(under_way);
        body::one_piece(Bytes::clone(&reply.body))
    };
    let mut response = Response::new(body);
    *response.status_mut() = status.try_into()?;
    *response.headers_mut() = headers;
    Ok(response)
}
