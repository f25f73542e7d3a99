//! A loopback port of our own, and who serves there.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};

type Serve = Arc<dyn Fn(TcpStream) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// Accepts connections at a loopback port and has each served. It ends with its value.
///
/// Its port stays its own while it is [stopped](Self::stop): nobody else can be given it.
pub(crate) struct Server {
    address: SocketAddr,
    serve: Serve,
    /// Bound and never listening: keeps the port ours while the server is down, and lets connections be refused.
    _reservation: TcpSocket,
    running: Mutex<Option<Running>>,
}

#[derive(Debug)]
struct Running {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("address", &self.address)
            .field("running", &self.running)
            .finish_non_exhaustive()
    }
}

impl Server {
    /// At this port, or at a free one (0). `serve` is given each connection.
    pub(crate) fn start<F>(port: u16, serve: impl Fn(TcpStream) -> F + Send + Sync + 'static) -> io::Result<Self>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let reservation = TcpSocket::new_v4()?;
        reservation.set_reuseaddr(true)?;
        reservation.bind((Ipv4Addr::LOCALHOST, port).into())?;
        let server = Self {
            address: reservation.local_addr()?,
            serve: Arc::new(move |stream| Box::pin(serve(stream))),
            _reservation: reservation,
            running: Mutex::new(None),
        };
        server.open()?;
        Ok(server)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn is_up(&self) -> bool {
        lock(&self.running).is_some()
    }

    /// Listens. Does nothing if it does already.
    pub(crate) fn open(&self) -> io::Result<()> {
        let mut running = lock(&self.running);
        if running.is_none() {
            let socket = TcpSocket::new_v4()?;
            socket.set_reuseaddr(true)?;
            socket.bind(self.address)?;
            let listener: TcpListener = socket.listen(1024)?;
            let (stop, stopped) = oneshot::channel();
            let task = tokio::spawn(accept(listener, Arc::clone(&self.serve), stopped));
            *running = Some(Running { stop, task });
        }
        Ok(())
    }

    /// Closes its connections and refuses new ones. Does nothing if it is down already.
    pub(crate) async fn stop(&self) {
        let running = lock(&self.running).take();
        if let Some(Running { stop, task }) = running {
            let _ = stop.send(());
            let _ = task.await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(running) = lock(&self.running).take() {
            // Its connections are owned by this task, and go with it.
            running.task.abort();
        }
    }
}

/// Accepts connections until told to stop; then closes all of them before it ends.
async fn accept(listener: TcpListener, serve: Serve, mut stopped: oneshot::Receiver<()>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = &mut stopped => break,
            accepted = listener.accept() => {
                // An error here is a connection that was gone before it was accepted.
                if let Ok((stream, _)) = accepted {
                    let _ = stream.set_nodelay(true);
                    connections.spawn(serve(stream));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    connections.shutdown().await;
}

/// A test that panicked elsewhere does not keep this one from reading its figures.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
