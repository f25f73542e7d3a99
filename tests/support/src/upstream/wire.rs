//! A TCP stream that can be cut off while it writes, and looked at while it reads.

use crate::server::lock;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
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
    /// What has been read, while that is asked for.
    read: Mutex<Option<Vec<u8>>>,
}

impl Handle {
    /// So many more bytes may be written, then the connection breaks.
    pub(super) fn cut_after(&self, bytes: usize) {
        self.0.left.store(bytes, Ordering::SeqCst);
    }

    /// From now on, keeps what is read.
    pub(super) fn keep_read(&self) {
        *lock(&self.0.read) = Some(Vec::new());
    }

    /// Keeps no more, and gives what was kept.
    pub(super) fn stop_keeping(&self) -> Vec<u8> {
        lock(&self.0.read).take().unwrap_or_default()
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

/// A TCP stream that can be cut off while it writes, and looked at while it reads.
pub(super) struct Wire {
    stream: TcpStream,
    shared: Arc<Shared>,
}

impl Wire {
    pub(super) fn new(stream: TcpStream) -> (Self, Handle) {
        let shared = Arc::new(Shared {
            left: AtomicUsize::new(usize::MAX),
            written: watch::Sender::new(0),
            read: Mutex::new(None),
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
        let before = buffer.filled().len();
        std::task::ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        if let Some(kept) = lock(&self.shared.read).as_mut() {
            kept.extend(buffer.filled().get(before..).unwrap_or_default());
        }
        Poll::Ready(Ok(()))
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
