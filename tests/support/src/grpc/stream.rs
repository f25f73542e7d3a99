//! A stream that a task feeds.

use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::mpsc;

/// What comes through a channel, as a stream.
pub(super) struct Fed<T>(pub(super) mpsc::Receiver<T>);

impl<T> futures_core::Stream for Fed<T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        self.0.poll_recv(context)
    }
}
