//! The body of a request: piece by piece, with a halt if need be, and trailers.

use crate::wait::Gate;
use bytes::Bytes;
use hyper::HeaderMap;
use hyper::body::{Body, Frame, SizeHint};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

type Waiting = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The body of a request.
pub(super) struct RequestBody {
    pieces: VecDeque<Bytes>,
    /// Says its length, rather than where each piece ends.
    with_length: bool,
    trailers: Option<HeaderMap>,
    /// After the first piece.
    halt: Option<Gate>,
    waiting: Option<Waiting>,
}

impl fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestBody")
            .field("pieces", &self.pieces)
            .finish_non_exhaustive()
    }
}

impl RequestBody {
    pub(super) fn new(pieces: Vec<Bytes>, with_length: bool, trailers: Option<HeaderMap>, halt: Option<Gate>) -> Self {
        let mut pieces = VecDeque::from(pieces);
        // An empty one would be taken for the end.
        pieces.retain(|piece| !piece.is_empty());
        // With no first piece, there is a halt before the end.
        let waiting = halt.clone().filter(|_| pieces.is_empty()).map(at);
        Self {
            pieces,
            with_length,
            trailers,
            halt,
            waiting,
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(waiting) = &mut self.waiting {
            ready!(waiting.as_mut().poll(context));
            (self.waiting, self.halt) = (None, None);
        }
        if let Some(piece) = self.pieces.pop_front() {
            self.waiting = self.halt.clone().map(at);
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        Poll::Ready(self.trailers.take().map(|trailers| Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty() && self.waiting.is_none() && self.trailers.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        if self.with_length {
            return SizeHint::with_exact(self.pieces.iter().map(|piece| piece.len() as u64).sum());
        }
        SizeHint::default()
    }
}

fn at(gate: Gate) -> Waiting {
    Box::pin(async move { gate.pass().await })
}
