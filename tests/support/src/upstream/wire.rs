//! A TCP stream that can be cut off while it writes.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;

/// What the server may do with a [`Wire`] that hyper has.
#[derive(Clone, Debug)]
pub(super) struct Handle(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Bytes that may still be written.
    left: AtomicUsize,
    /// Bytes written so far.
    written: watch::Sender<usize>,
}

impl Handle {
    /// So many more bytes may be written, then the connection breaks.
    pub(super) fn cut_after(&self, bytes: usize) {
        self.0.left.store(bytes, Ordering::SeqCst);
    }

    /// How many bytes have been written so far.
    pub(super) fn written(&self) -> usize {
        *self.0.written.borrow()
    }

    /// Waits until so many bytes have been written: for ever, if the connection breaks before.
    pub(super) async fn until_written(&self, total: usize) {
        // The sender lives as long as this handle: waiting can't fail.
        let _ = self.0.written.subscribe().wait_for(|written| *written >= total).await;
    }
}

/// A TCP stream that can be cut off while it writes.
pub(super) struct Wire {
    stream: TcpStream,
    shared: Arc<Shared>,
}

impl Wire {
    pub(super) fn new(stream: TcpStream) -> (Self, Handle) {
        let shared = Arc::new(Shared {
            left: AtomicUsize::new(usize::MAX),
            written: watch::Sender::new(0),
        });
        let handle = Handle(Arc::clone(&shared));
        (Self { stream, shared }, handle)
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let left = self.shared.left.load(Ordering::SeqCst);
        let allowed = bytes.get(..left.min(bytes.len())).unwrap_or(bytes);
        if allowed.is_empty() && !bytes.is_empty() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let written = std::task::ready!(Pin::new(&mut self.stream).poll_write(context, allowed))?;
        if left != usize::MAX {
            self.shared.left.store(left - written, Ordering::SeqCst);
        }
        self.shared.written.send_modify(|total| *total += written);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
