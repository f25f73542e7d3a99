//! One etcd, alone or a member of a cluster.

use super::{EtcdClient, EtcdError};
use crate::envoy::from_environment;
use crate::process::{Folder, Orphaned, Process, in_path};
use crate::server::lock;
use crate::wait::wait_for;
use rustix::process::Signal;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use tokio::net::TcpSocket;

/// An etcd on loopback ports of its own. It ends with its value, and its disk too.
///
/// Its ports stay its own while it is down: nobody else can be given them.
#[derive(Debug)]
pub struct Etcd {
    program: PathBuf,
    folder: Arc<Folder>,
    arguments: Vec<String>,
    address: SocketAddr,
    _ports: Ports,
    process: Mutex<Option<Process>>,
}

/// A member's ports: bound and never listening.
#[derive(Debug)]
pub(super) struct Ports {
    client: TcpSocket,
    peer: TcpSocket,
}

impl Ports {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            client: reserve()?,
            peer: reserve()?,
        })
    }

    pub(super) fn peer_url(&self) -> io::Result<String> {
        Ok(format!("http://{}", self.peer.local_addr()?))
    }
}

impl Etcd {
    /// Starts an etcd that is alone, and waits until it serves.
    ///
    /// # Errors
    /// There is none, or it does not get ready.
    pub async fn start() -> Result<Self, EtcdError> {
        let ports = Ports::new()?;
        let members = format!("alone={}", ports.peer_url()?);
        let etcd = Self::member("alone", &members, ports)?;
        etcd.until_serving().await?;
        Ok(etcd)
    }

    /// Starts a member of a cluster, and waits for nothing. `members`: `NAME=URL` of all of them.
    pub(super) fn member(name: &str, members: &str, ports: Ports) -> Result<Self, EtcdError> {
        let program = from_environment("ETCD_BIN")
            .or_else(|| in_path("etcd"))
            .ok_or(EtcdError::NotFound)?;
        let folder = Arc::new(Folder::new()?);
        let address = ports.client.local_addr()?;
        let (own, peer) = (format!("http://{address}"), ports.peer_url()?);
        let arguments = [
            ("name", name),
            ("data-dir", &*folder.file("data").to_string_lossy()),
            ("listen-client-urls", &own),
            ("advertise-client-urls", &own),
            ("listen-peer-urls", &peer),
            ("initial-advertise-peer-urls", &peer),
            ("initial-cluster", members),
            // The defaults: a busy machine has to keep up with them. No lease can be shorter than one and a half of the
            // latter, in whole seconds.
            ("heartbeat-interval", "100"),
            ("election-timeout", "1000"),
            ("logger", "zap"),
            ("log-outputs", "stderr"),
            ("log-level", "warn"),
        ]
        .map(|(name, value)| format!("--{name}={value}"))
        .to_vec();
        let etcd = Self {
            program,
            folder,
            arguments,
            address,
            _ports: ports,
            process: Mutex::new(None),
        };
        etcd.run()?;
        Ok(etcd)
    }

    fn run(&self) -> io::Result<()> {
        let arguments: Vec<_> = self.arguments.iter().map(String::as_str).collect();
        let folder = Arc::clone(&self.folder);
        let process = Process::start(
            "etcd",
            &self.program,
            folder,
            &std::env::temp_dir(),
            &arguments,
            Orphaned::Killed,
        )?;
        *lock(&self.process) = Some(process);
        Ok(())
    }

    /// Reads and writes need a leader: who answers a read has one.
    pub(super) async fn until_serving(&self) -> Result<(), EtcdError> {
        let client = self.client();
        wait_for("etcd", || async { client.revision().await.ok() })
            .await
            .map_err(|_| EtcdError::NotReady(self.folder.log_tail()))?;
        Ok(())
    }

    /// Where it serves.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A client of this one.
    #[must_use]
    pub fn client(&self) -> EtcdClient {
        EtcdClient::new([self.address])
    }

    /// Ends it at once (`SIGKILL`); its disk stays. Does nothing if it is down already.
    pub fn kill(&self) {
        if let Some(mut process) = lock(&self.process).take() {
            process.kill();
        }
    }

    /// Stops it in its tracks (`SIGSTOP`): connections stay open, and are opened, and nothing is said.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on after a [freeze](Self::freeze).
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        if let Some(process) = lock(&self.process).as_mut() {
            process.signal(signal);
        }
    }

    /// Starts it again, on the same ports and with all that it knew, and waits until it serves; kills it before, if it
    /// is not down.
    ///
    /// # Errors
    /// It does not get ready.
    pub async fn restart(&self) -> Result<(), EtcdError> {
        self.kill();
        self.run()?;
        self.until_serving().await
    }

    /// The same, but as if its disk had been lost.
    ///
    /// # Errors
    /// It does not get ready.
    pub async fn restart_empty(&self) -> Result<(), EtcdError> {
        self.kill();
        std::fs::remove_dir_all(self.folder.file("data"))?;
        self.restart().await
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        // Nothing on its disk is worth the time of a clean end; and a frozen one would not hear of it.
        self.kill();
    }
}

/// Both sides allow the address's reuse: etcd does so by itself.
fn reserve() -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
    Ok(socket)
}
