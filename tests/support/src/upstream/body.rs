//! The bodies of an upstream's answers: in one piece, or step by step.

use super::behaviour::{Cut, Reply};
use super::tally::UnderWay;
use super::wire::Handle;
use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::body::{Body, Frame};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::mpsc;

/// The end of an answer that was to be cut short.
#[derive(Debug, thiserror::Error)]
#[error("told to break off here")]
pub(super) struct BrokenOff;

pub(super) type AnswerBody = Either<OnePiece, Steps>;

/// [`Full`], with an error type that fits beside [`Steps`].
pub(super) struct OnePiece(Full<Bytes>);

impl Body for OnePiece {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        Pin::new(&mut self.0)
            .poll_frame(context)
            .map_err(|never| match never {})
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        self.0.size_hint()
    }
}

/// A body that a task sends frame by frame.
pub(super) struct Steps(mpsc::Receiver<Result<Frame<Bytes>, BrokenOff>>);

impl Body for Steps {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        self.0.poll_recv(context)
    }
}

pub(super) fn one_piece(body: Bytes) -> AnswerBody {
    Either::Left(OnePiece(Full::new(body)))
}

/// Half of the reply's body, its pause, then the rest or the break, then the trailers. The request is under way until
/// the last of these.
pub(super) fn in_steps(reply: Reply, wire: Handle, under_way: UnderWay) -> AnswerBody {
    let (send, receive) = mpsc::channel(1);
    let before = wire.written();
    tokio::spawn(async move {
        let mut rest = reply.body;
        let first = rest.split_to(rest.len() / 2);
        let half = before + first.len().max(1);
        // The receiver is gone when the connection is: nothing is left to do then.
        if !first.is_empty() && send.send(Ok(Frame::data(first))).await.is_err() {
            return;
        }
        if let Some(pause) = reply.within_body {
            tokio::select! {
                () = pause.pass() => {}
                () = send.closed() => return,
            }
        }
        if reply.cut == Some(Cut::Body) {
            // An error that comes before the first half has left would take it along.
            tokio::select! {
                () = wire.until_written(half) => {}
                () = send.closed() => return,
            }
            drop(under_way);
            let _ = send.send(Err(BrokenOff)).await;
            return;
        }
        // Over before the last piece leaves: who has got it may look at once.
        let mut under_way = Some(under_way).filter(|_| reply.trailers.is_some());
        if !rest.is_empty() && send.send(Ok(Frame::data(rest))).await.is_err() {
            return;
        }
        if let Some(trailers) = reply.trailers {
            under_way.take();
            let _ = send.send(Ok(Frame::trailers(trailers))).await;
        }
    });
    Either::Right(Steps(receive))
}
