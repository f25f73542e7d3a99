//! The way to a server, that can be made slow or cut.

use crate::server::Server;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// So many pieces may be under way at a time; then the sender has to wait.
const UNDER_WAY: usize = 1000;

/// Passes connections at a loopback port of its own on to a server. It ends with its value.
#[derive(Debug)]
pub struct Proxy {
    server: Server,
    /// Milliseconds.
    delay: Arc<AtomicU64>,
}

impl Proxy {
    /// A way to this address, at first without delay.
    ///
    /// # Errors
    /// No loopback port can be had.
    pub async fn start(target: SocketAddr) -> io::Result<Self> {
        let delay = Arc::new(AtomicU64::new(0));
        let for_server = Arc::clone(&delay);
        let server = Server::start(0, move |stream| pass(stream, target, Arc::clone(&for_server)))?;
        Ok(Self { server, delay })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// From now on, each byte takes so long, in both directions, on open connections too.
    pub fn set_delay(&self, delay: Duration) {
        let delay = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        self.delay.store(delay, Ordering::Relaxed);
    }

    /// Closes all connections and refuses new ones.
    pub async fn cut(&self) {
        self.server.stop().await;
    }

    /// Accepts connections again after a [cut](Self::cut).
    ///
    /// # Errors
    /// The port was lost, which its reservation prevents.
    pub async fn mend(&self) -> io::Result<()> {
        self.server.open()
    }
}

/// Both ways of one connection, until either end closes it: nobody here half-closes.
async fn pass(client: TcpStream, target: SocketAddr, delay: Arc<AtomicU64>) {
    let Ok(server) = TcpStream::connect(target).await else {
        return;
    };
    let _ = server.set_nodelay(true);
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::select! {
        () = one_way(from_client, to_server, &delay) => {}
        () = one_way(from_server, to_client, &delay) => {}
    }
}

async fn one_way(mut from: impl AsyncReadExt + Unpin, mut to: impl AsyncWriteExt + Unpin, delay: &AtomicU64) {
    let (send, mut receive) = mpsc::channel::<(Instant, Vec<u8>)>(UNDER_WAY);
    let reading = async move {
        let mut buffer = vec![0; 16 * 1024];
        while let Ok(length @ 1..) = from.read(&mut buffer).await {
            let due = Instant::now() + Duration::from_millis(delay.load(Ordering::Relaxed));
            let piece = buffer.get(..length).unwrap_or_default().to_vec();
            if send.send((due, piece)).await.is_err() {
                return;
            }
        }
    };
    let writing = async move {
        while let Some((due, piece)) = receive.recv().await {
            tokio::time::sleep_until(due).await;
            if to.write_all(&piece).await.is_err() {
                return;
            }
        }
    };
    // Whoever stops writing ends it; whoever stops reading lets what is under way arrive.
    tokio::join!(reading, writing);
}
