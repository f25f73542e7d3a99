//! A real Envoy: its configuration, its process, its statistics.

mod binary;
mod cluster;
mod config;
mod endpoints;
pub mod filters;
mod logs;
mod reload;
mod route;

pub(crate) use binary::from_environment;
pub use binary::{repository, trap_wasm, wasm};
pub use cluster::Cluster;
pub use config::EnvoyConfig;
pub use endpoints::Endpoints;
pub use route::Route;

use crate::client::{Client, ClientError, Connection, Request, Response};
use crate::grpc::GrpcClient;
use crate::process::{Folder, Orphaned, Process};
use crate::wait::{TimedOut, wait_for};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Loading and compiling the module takes a second; a busy machine may take many.
const START_BOUND: Duration = Duration::from_secs(60);

/// Why there is no Envoy. `Debug` is `Display`, so that `unwrap` shows the log as lines.
#[derive(thiserror::Error)]
pub enum EnvoyError {
    /// No binary.
    #[error("no Envoy: set ENVOY_BIN, or run `./build.sh envoy` to fetch it")]
    NotFound,
    /// The module has not been built.
    #[error("no module at {0}: run `./build.sh wasm`, or set SIDESTEP_WASM or SIDESTEP_TRAP_WASM")]
    NoModule(PathBuf),
    /// The binary can't be run.
    #[error("can't start {path}: {source}")]
    NotStarted {
        /// The binary.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It ended instead of serving.
    #[error("Envoy ended ({status}); its log:\n{log}")]
    Ended {
        /// Its exit status.
        status: std::process::ExitStatus,
        /// The log's last lines.
        log: String,
    },
    /// It does not get ready.
    #[error("Envoy is not ready after {START_BOUND:?}; its log:\n{0}")]
    NotReady(String),
    /// It does not answer on its admin port.
    #[error("Envoy's admin interface: {0}")]
    Admin(#[from] ClientError),
    /// It answers something unexpected there.
    #[error("Envoy's admin interface says, to {path}: {answer}")]
    OddAnswer {
        /// What was asked for.
        path: String,
        /// What came.
        answer: String,
    },
    /// Files.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

impl fmt::Debug for EnvoyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A running Envoy. It ends with its value; if that is because a test panicked, its log is printed.
#[derive(Debug)]
pub struct Envoy {
    process: Process,
    admin: Client,
    main: SocketAddr,
    plain: Option<SocketAddr>,
    status: Option<SocketAddr>,
}

impl Envoy {
    /// Starts Envoy and waits until it serves.
    ///
    /// # Errors
    /// There is no Envoy or no module, or Envoy does not like the configuration: the error has its log.
    pub async fn start(config: EnvoyConfig) -> Result<Self, EnvoyError> {
        let folder = Folder::new()?;
        let (file, admin_file) = (write(&folder, &config)?, folder.file("admin"));
        let workers = config.workers.to_string();
        let mut process = run(
            folder,
            config.under.as_ref(),
            &[
                "-c",
                &file,
                "--concurrency",
                &workers,
                "--log-level",
                &config.log_level,
                // Lists all of Envoy's parts, in 80 lines.
                "--component-log-level",
                "main:warning",
                "--admin-address-path",
                &admin_file.to_string_lossy(),
                "--disable-hot-restart",
                // Access logs at once.
                "--file-flush-interval-msec",
                "10",
            ],
        )?;
        let limit = Instant::now() + START_BOUND;
        let admin = loop {
            if let Some(admin) = ready(&admin_file).await {
                break admin;
            }
            if let Some(status) = process.ended()? {
                let log = process.folder().log_tail();
                return Err(EnvoyError::Ended { status, log });
            }
            if Instant::now() > limit {
                return Err(EnvoyError::NotReady(process.folder().log_tail()));
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        let mut addresses = listeners(&admin).await?;
        let main = addresses.remove("main");
        Ok(Self {
            process,
            admin,
            main: main.ok_or_else(|| EnvoyError::OddAnswer {
                path: "/listeners".to_owned(),
                answer: format!("{addresses:?}"),
            })?,
            plain: addresses.remove("plain"),
            status: addresses.remove("status"),
        })
    }

    /// Has Envoy look at a configuration without running it. `Err` in `Ok`: it refuses it, for the reasons in this log.
    ///
    /// # Errors
    /// Envoy can't be asked.
    pub async fn validate(config: &EnvoyConfig) -> Result<Result<(), String>, EnvoyError> {
        let folder = Folder::new()?;
        let file = write(&folder, config)?;
        validate(folder, &file).await
    }

    /// Has Envoy look at a configuration file without running it, with the repository as working directory.
    ///
    /// # Errors
    /// Envoy can't be asked.
    pub async fn validate_file(file: &Path) -> Result<Result<(), String>, EnvoyError> {
        validate(Folder::new()?, &file.to_string_lossy()).await
    }

    /// A client of the listener.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::new(self.main)
    }

    /// A client of the listener without the filter.
    ///
    /// # Panics
    /// The configuration did not ask for [one](EnvoyConfig::and_without_filter).
    #[must_use]
    pub fn plain_client(&self) -> Client {
        Client::new(self.plain.expect("EnvoyConfig::and_without_filter"))
    }

    /// A client of the status listener.
    ///
    /// # Panics
    /// The configuration did not ask for [one](EnvoyConfig::and_status).
    #[must_use]
    pub fn status_client(&self) -> Client {
        Client::new(self.status.expect("EnvoyConfig::and_status"))
    }

    /// A gRPC client of the listener, with a connection of its own.
    ///
    /// # Errors
    /// There is no connection to be had.
    pub async fn grpc(&self) -> Result<GrpcClient, ClientError> {
        GrpcClient::connect(self.main).await
    }

    /// Ends it at once, without a chance to tidy up (`SIGKILL`), and waits until it is gone.
    pub fn kill(mut self) {
        self.process.kill();
    }

    /// The process's number.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// A connection to each worker, in the workers' order.
    ///
    /// # Errors
    /// Some worker never gets one.
    pub async fn connection_per_worker(&self, workers: usize) -> Result<Vec<Connection>, EnvoyError> {
        let mut found: BTreeMap<usize, Connection> = BTreeMap::new();
        // The kernel deals connections out by a hash: each try is a throw of the dice.
        for _ in 0..1000 {
            if found.len() == workers {
                break;
            }
            let before = self.accepted_by_worker(workers).await?;
            let connection = self.client().connect().await?;
            let worker = wait_for("a worker that takes the connection", || async {
                let now = self.accepted_by_worker(workers).await.ok()?;
                (0..workers).find(|worker| now.get(*worker) > before.get(*worker))
            })
            .await
            .map_err(|error| EnvoyError::NotReady(error.to_string()))?;
            found.insert(worker, connection);
        }
        Ok(found.into_values().collect())
    }

    async fn accepted_by_worker(&self, workers: usize) -> Result<Vec<u64>, EnvoyError> {
        let stats = self.stats("^listener\\.main\\.worker_.*downstream_cx_total$").await?;
        Ok((0..workers)
            .map(|worker| format!("listener.main.worker_{worker}.downstream_cx_total"))
            .map(|name| stats.get(&name).copied().unwrap_or_default())
            .collect())
    }

    /// The counters and gauges whose names match this regular expression.
    ///
    /// # Errors
    /// Envoy does not answer.
    pub async fn stats(&self, pattern: &str) -> Result<BTreeMap<String, u64>, EnvoyError> {
        let text = self.admin(&format!("/stats?filter={}", encoded(pattern))).await?;
        Ok(text
            .lines()
            .filter_map(|line| line.split_once(": "))
            .filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?)))
            .collect())
    }

    /// A counter or gauge; one that Envoy does not know (yet) is 0.
    ///
    /// # Errors
    /// Envoy does not answer.
    pub async fn stat(&self, name: &str) -> Result<u64, EnvoyError> {
        let stats = self.stats(&format!("^{}$", name.replace('.', "\\."))).await?;
        Ok(stats.get(name).copied().unwrap_or_default())
    }

    /// A metric of the module, as in `sidestep.retries.attempted`; one that it has not counted yet is 0.
    ///
    /// # Errors
    /// Envoy does not answer.
    pub async fn metric(&self, name: &str) -> Result<u64, EnvoyError> {
        self.stat(&format!("wasmcustom.{name}")).await
    }

    /// All metrics of the module, without Envoy's `wasmcustom.` before their names.
    ///
    /// # Errors
    /// Envoy does not answer.
    pub async fn metrics(&self) -> Result<BTreeMap<String, u64>, EnvoyError> {
        let stats = self.stats("^wasmcustom\\.").await?;
        Ok(stats
            .into_iter()
            .filter_map(|(name, value)| Some((name.strip_prefix("wasmcustom.")?.to_owned(), value)))
            .collect())
    }

    /// Waits until a counter or gauge of Envoy is as it should be.
    ///
    /// # Errors
    /// It was not in time; the error has its last value.
    pub async fn until_stat(&self, name: &str, right: impl Fn(u64) -> bool) -> Result<u64, TimedOut> {
        let last = std::cell::Cell::new(None);
        let look = || async {
            let value = self.stat(name).await.ok()?;
            last.set(Some(value));
            right(value).then_some(value)
        };
        wait_for(name, look).await.map_err(|error| error.with(last.get()))
    }

    /// Waits until a metric of the module is as it should be.
    ///
    /// # Errors
    /// It was not in time; the error has its last value.
    pub async fn until_metric(&self, name: &str, right: impl Fn(u64) -> bool) -> Result<u64, TimedOut> {
        self.until_stat(&format!("wasmcustom.{name}"), right).await
    }

    /// Asks the admin interface (`GET`).
    ///
    /// # Errors
    /// It does not say `200`.
    pub async fn admin(&self, path: &str) -> Result<String, EnvoyError> {
        get(&self.admin, path).await
    }

    /// Tells the admin interface to do something (`POST`).
    ///
    /// # Errors
    /// It does not say `200`.
    pub async fn admin_post(&self, path: &str) -> Result<String, EnvoyError> {
        expect_200(path, self.admin.send(Request::new("POST", path)).await?)
    }
}

/// Starts Envoy, with the repository as working directory; `under` another program, if there is one.
fn run(folder: Folder, under: Option<&(PathBuf, Vec<String>)>, arguments: &[&str]) -> Result<Process, EnvoyError> {
    let envoy = binary::envoy().ok_or(EnvoyError::NotFound)?;
    let text = envoy.to_string_lossy();
    let (path, before) = match under {
        Some((program, before)) => {
            let before = before.iter().map(String::as_str);
            (program, before.chain([&*text]).collect())
        }
        None => (&envoy, Vec::new()),
    };
    let arguments = [before.as_slice(), arguments].concat();
    Process::start(
        "Envoy",
        path,
        Arc::new(folder),
        &repository(),
        &arguments,
        Orphaned::Killed,
    )
    .map_err(|source| EnvoyError::NotStarted {
        path: path.clone(),
        source,
    })
}

/// Writes the configuration, and checks that its module is there: Envoy's own message is hard to find.
fn write(folder: &Folder, config: &EnvoyConfig) -> Result<String, EnvoyError> {
    if let Some(wasm) = config.module().filter(|wasm| !wasm.is_file()) {
        return Err(EnvoyError::NoModule(wasm.to_owned()));
    }
    // JSON is what Envoy takes a file of this name for.
    let file = folder.file("envoy.json");
    std::fs::write(&file, format!("{:#}", config.json(folder)))?;
    config.write_listeners(folder)?;
    Ok(file.to_string_lossy().into_owned())
}

async fn validate(folder: Folder, file: &str) -> Result<Result<(), String>, EnvoyError> {
    let arguments = ["-c", file, "--mode", "validate", "--disable-hot-restart"];
    let mut process = run(folder, None, &arguments)?;
    let limit = Instant::now() + START_BOUND;
    while Instant::now() < limit {
        if let Some(status) = process.ended()? {
            let log = process.folder().log_text();
            return Ok(if status.success() { Ok(()) } else { Err(log) });
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Err(EnvoyError::NotReady(process.folder().log_tail()))
}

/// The admin interface's client, once Envoy serves.
async fn ready(admin_file: &Path) -> Option<Client> {
    let address = std::fs::read_to_string(admin_file).ok()?;
    let admin = Client::new(address.trim().parse().ok()?);
    get(&admin, "/ready").await.ok().map(|_| admin)
}

async fn get(admin: &Client, path: &str) -> Result<String, EnvoyError> {
    expect_200(path, admin.get(path).await?)
}

fn expect_200(path: &str, answer: Response) -> Result<String, EnvoyError> {
    if answer.status() == 200 {
        return Ok(answer.text());
    }
    Err(EnvoyError::OddAnswer {
        path: path.to_owned(),
        answer: format!("{} {}", answer.status(), answer.text()),
    })
}

/// The listeners' addresses by name.
async fn listeners(admin: &Client) -> Result<BTreeMap<String, SocketAddr>, EnvoyError> {
    let path = "/listeners?format=json";
    let text = get(admin, path).await?;
    let address = |listener: &Value| {
        let name = listener["name"].as_str()?.to_owned();
        let socket = &listener["local_address"]["socket_address"];
        let port = u16::try_from(socket["port_value"].as_u64()?).ok()?;
        Some((name, SocketAddr::new(socket["address"].as_str()?.parse().ok()?, port)))
    };
    serde_json::from_str::<Value>(&text)
        .ok()
        .and_then(|json| json["listener_statuses"].as_array()?.iter().map(address).collect())
        .ok_or_else(|| EnvoyError::OddAnswer {
            path: path.to_owned(),
            answer: text,
        })
}

/// A regular expression as a query's value.
fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'_' | b'-' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

/// Puts the fields of one object into another.
fn merge(into: &mut Value, from: &Value) {
    if let (Some(into), Some(from)) = (into.as_object_mut(), from.as_object()) {
        into.extend(from.iter().map(|(field, value)| (field.clone(), value.clone())));
    }
}
