//! Any other proxy as a child process, at a loopback port of its own.

use crate::client::Client;
use crate::envoy::from_environment;
use crate::process::{Folder, Orphaned, Process, in_path};
use crate::wait::wait_for;
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::Arc;
use tokio::net::{TcpSocket, TcpStream};

/// Debian has servers here, which is in the PATH of administrators only.
const SERVERS: &str = "/usr/sbin";

/// Why a program does not serve. `Debug` is `Display`, so that `unwrap` shows the log as lines.
#[derive(thiserror::Error)]
pub enum ProgramError {
    /// It can't be run.
    #[error("can't start {path}: {source}")]
    NotStarted {
        /// The program.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It ended instead of serving.
    #[error("{name} ended ({status}); its log:\n{log}")]
    Ended {
        /// What it is called.
        name: &'static str,
        /// Its exit status.
        status: ExitStatus,
        /// The log's last lines.
        log: String,
    },
    /// It does not listen.
    #[error("{name} does not listen; its log:\n{log}")]
    NotReady {
        /// What it is called.
        name: &'static str,
        /// The log's last lines.
        log: String,
    },
    /// Files, or no port.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl fmt::Debug for ProgramError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A folder and a loopback port for a program that has to be told both before it starts. They go with the value, or with
/// the [`Program`] that is started there.
#[derive(Debug)]
pub struct Place {
    folder: Arc<Folder>,
    address: SocketAddr,
    /// Bound and never listening: nobody else can be given the port. The program has to allow the address's reuse, as
    /// servers do.
    _port: TcpSocket,
}

impl Place {
    /// Takes a free port, and makes the folder.
    ///
    /// # Errors
    /// Either can't be had.
    pub fn new() -> Result<Self, ProgramError> {
        let port = TcpSocket::new_v4()?;
        port.set_reuseaddr(true)?;
        port.bind((Ipv4Addr::LOCALHOST, 0).into())?;
        Ok(Self {
            folder: Arc::new(Folder::new()?),
            address: port.local_addr()?,
            _port: port,
        })
    }

    /// Where the program has to listen.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Writes a file into the folder, and says where it is.
    ///
    /// # Errors
    /// It can't be written.
    pub fn write(&self, name: &str, text: &str) -> Result<PathBuf, ProgramError> {
        let path = self.folder.file(name);
        std::fs::write(&path, text)?;
        Ok(path)
    }
}

/// A running program. It ends with its value; if that is because a test panicked, its log is printed.
#[derive(Debug)]
pub struct Program {
    process: Process,
    place: Place,
}

impl Program {
    /// Where a program is: what this environment variable says, else in the PATH, else where Debian has servers.
    #[must_use]
    pub fn find(name: &str, variable: &str) -> Option<PathBuf> {
        from_environment(variable)
            .or_else(|| in_path(name))
            .or_else(|| Some(Path::new(SERVERS).join(name)))
            .filter(|path| path.is_file())
    }

    /// Starts a program in its folder, with these arguments, and waits until it listens. It may have children: it has to
    /// take them along when it is asked to leave (`SIGTERM`). `name` is for people.
    ///
    /// # Errors
    /// It can't be run, or it ends or does not listen: the error has its log.
    pub async fn start(
        name: &'static str,
        path: &Path,
        place: Place,
        arguments: &[&str],
    ) -> Result<Self, ProgramError> {
        let (folder, address) = (Arc::clone(&place.folder), place.address);
        let workdir = folder.file("");
        let process = Process::start(name, path, folder, &workdir, arguments, Orphaned::Asked);
        let mut process = process.map_err(|source| ProgramError::NotStarted {
            path: path.to_owned(),
            source,
        })?;
        let mut ended = None;
        let listening = wait_for(name, || {
            // Looked at first, so that a program that is gone is not waited for.
            ended = process.ended().ok().flatten();
            let is_gone = ended.is_some();
            async move { (is_gone || TcpStream::connect(address).await.is_ok()).then_some(()) }
        })
        .await;
        let log = || process.folder().log_tail();
        match (ended, listening) {
            (Some(status), _) => Err(ProgramError::Ended {
                name,
                status,
                log: log(),
            }),
            (None, Err(_)) => Err(ProgramError::NotReady { name, log: log() }),
            (None, Ok(())) => Ok(Self { process, place }),
        }
    }

    /// A client of it.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::new(self.place.address)
    }

    /// What it wrote to stdout and stderr so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.folder().log_text()
    }
}
