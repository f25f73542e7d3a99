//! Envoy: a child process that runs a configuration given as text, and that ends with its value.

use rustix::process::{Pid, Signal};
use serde_json::Value;
use sidestep_support::{Client, EnvoyError};
use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, io};

/// Loading and compiling the module takes a second; a busy machine may take many.
const START_BOUND: Duration = Duration::from_secs(60);
/// Envoy leaves at once when asked; one that does not is killed after this.
const PATIENCE: Duration = Duration::from_secs(3);
/// So much of the log is shown when something went wrong.
const SHOWN_LINES: usize = 30;
/// Seconds since 1970, level, text: times that can be reckoned with.
const LOG_FORMAT: &str = "%E.%e %l %v";

/// A running Envoy.
#[derive(Debug)]
pub(crate) struct Envoy {
    child: Child,
    folder: Folder,
    admin: Client,
    listeners: BTreeMap<String, SocketAddr>,
    /// How much of the log has been read.
    log_read: u64,
}

impl Envoy {
    /// Starts Envoy with two workers, and waits until it serves.
    pub(crate) async fn start(configuration: &str) -> Result<Self, EnvoyError> {
        let binary = binary()?;
        let folder = Folder::new()?;
        let (file, admin_file) = (folder.0.join("envoy.yaml"), folder.0.join("admin"));
        fs::write(&file, configuration)?;
        let log = fs::File::create(folder.log())?;
        // `setpriv` makes the kernel end Envoy if this process is killed and can't. It becomes Envoy: the pid is its.
        let mut command = match in_path("setpriv") {
            Some(setpriv) => {
                let mut command = Command::new(setpriv);
                command.args(["--pdeathsig", "KILL", "--"]).arg(&binary);
                command
            }
            None => Command::new(&binary),
        };
        let child = command
            .args([
                "--concurrency",
                "2",
                "--disable-hot-restart",
                "--log-format",
                LOG_FORMAT,
            ])
            // Lists all of Envoy's parts, in 80 lines.
            .args(["--component-log-level", "main:warning"])
            .arg("-c")
            .arg(&file)
            .arg("--admin-address-path")
            .arg(&admin_file)
            // A Ctrl-C goes to a whole group: in one of its own, Envoy is there until its last figures have been read.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .map_err(|source| EnvoyError::NotStarted { path: binary, source })?;
        let mut envoy = Self {
            child,
            folder,
            // Until it is known.
            admin: Client::new(SocketAddr::from(([127, 0, 0, 1], 0))),
            listeners: BTreeMap::new(),
            log_read: 0,
        };
        envoy.until_ready(&admin_file).await?;
        Ok(envoy)
    }

    async fn until_ready(&mut self, admin_file: &Path) -> Result<(), EnvoyError> {
        let limit = Instant::now() + START_BOUND;
        loop {
            let address = fs::read_to_string(admin_file)
                .ok()
                .and_then(|text| text.trim().parse().ok());
            if let Some(address) = address {
                self.admin = Client::new(address);
                if self.admin("/ready").await.is_ok() {
                    break;
                }
            }
            self.check()?;
            if Instant::now() > limit {
                return Err(EnvoyError::NotReady(self.log_tail()));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let path = "/listeners?format=json";
        self.listeners = listeners(&self.admin_json(path).await?);
        Ok(())
    }

    /// Whether it is still there.
    pub(crate) fn check(&mut self) -> Result<(), EnvoyError> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => Err(EnvoyError::Ended {
                status,
                log: self.log_tail(),
            }),
        }
    }

    /// The client's side of a listener.
    pub(crate) fn listener(&self, name: &str) -> Result<Client, EnvoyError> {
        let address = self.listeners.get(name).ok_or_else(|| EnvoyError::OddAnswer {
            path: "/listeners".to_owned(),
            answer: format!("{:?}", self.listeners),
        })?;
        Ok(Client::new(*address))
    }

    /// Asks the admin interface.
    pub(crate) async fn admin(&self, path: &str) -> Result<String, EnvoyError> {
        let answer = self.admin.get(path).await?;
        if answer.status() == 200 {
            return Ok(answer.text());
        }
        Err(odd(path, &answer.text()))
    }

    /// Asks the admin interface for JSON.
    pub(crate) async fn admin_json(&self, path: &str) -> Result<Value, EnvoyError> {
        let text = self.admin(path).await?;
        serde_json::from_str(&text).map_err(|_| odd(path, &text))
    }

    /// The whole lines that the log has got since this was last asked.
    pub(crate) fn new_log_lines(&mut self) -> io::Result<Vec<String>> {
        let mut log = fs::File::open(self.folder.log())?;
        log.seek(SeekFrom::Start(self.log_read))?;
        let mut bytes = Vec::new();
        log.read_to_end(&mut bytes)?;
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        bytes.truncate(whole);
        self.log_read += u64::try_from(whole).unwrap_or(u64::MAX);
        Ok(String::from_utf8_lossy(&bytes).lines().map(str::to_owned).collect())
    }

    fn log_tail(&self) -> String {
        let text = fs::read(self.folder.log()).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n")
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        if let Ok(Some(_)) = self.child.try_wait() {
            return;
        }
        // Its pid is still its own: it has not been waited for.
        let _ = rustix::process::kill_process(Pid::from_child(&self.child), Signal::TERM);
        let limit = Instant::now() + PATIENCE;
        while matches!(self.child.try_wait(), Ok(None)) {
            if Instant::now() > limit {
                let _ = self.child.kill();
                let _ = self.child.wait();
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// A private folder. It goes with the value.
#[derive(Debug)]
struct Folder(PathBuf);

impl Folder {
    fn new() -> io::Result<Self> {
        let path = env::temp_dir().join(format!("sidestep-demo-{}", std::process::id()));
        // Left behind by another process of this number.
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path)?;
        Ok(Self(path))
    }

    fn log(&self) -> PathBuf {
        self.0.join("envoy.log")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn binary() -> Result<PathBuf, EnvoyError> {
    env::var_os("ENVOY_BIN")
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
        .or_else(|| in_path("envoy"))
        .filter(|path| path.is_file())
        .ok_or(EnvoyError::NotFound)
}

fn in_path(program: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?)
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
}

fn odd(path: &str, answer: &str) -> EnvoyError {
    EnvoyError::OddAnswer {
        path: path.to_owned(),
        answer: answer.to_owned(),
    }
}

/// The listeners' addresses by name.
fn listeners(answer: &Value) -> BTreeMap<String, SocketAddr> {
    let address = |listener: &Value| {
        let socket = &listener["local_address"]["socket_address"];
        let port = u16::try_from(socket["port_value"].as_u64()?).ok()?;
        let address = SocketAddr::new(socket["address"].as_str()?.parse().ok()?, port);
        Some((listener["name"].as_str()?.to_owned(), address))
    };
    let statuses = answer["listener_statuses"].as_array();
    statuses.into_iter().flatten().filter_map(address).collect()
}
