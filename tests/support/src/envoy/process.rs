//! Envoy as a child process that does not outlive its value.

use super::{EnvoyError, binary};
use rustix::process::{Pid, Signal};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Envoy leaves at once when asked; one that does not is killed after this.
const PATIENCE: Duration = Duration::from_secs(3);

/// So much of the log is shown when something went wrong.
const SHOWN_LINES: usize = 200;

/// A running Envoy, and the folder that its files are in. Both go with the value.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    folder: Folder,
}

impl Process {
    /// Starts Envoy in `workdir` with these arguments; its log goes to a file.
    pub(super) fn start(folder: Folder, workdir: &Path, arguments: &[&str]) -> Result<Self, EnvoyError> {
        let envoy = binary::envoy().ok_or(EnvoyError::NotFound)?;
        let log = File::create(folder.log())?;
        // `setpriv` makes the kernel end Envoy if this process is killed and can't. It becomes Envoy: the pid is its.
        let mut command = match binary::in_path("setpriv") {
            Some(setpriv) => {
                let mut command = Command::new(setpriv);
                command.args(["--pdeathsig", "KILL", "--"]).arg(&envoy);
                command
            }
            None => Command::new(&envoy),
        };
        let child = command
            .args(arguments)
            .current_dir(workdir)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .map_err(|source| EnvoyError::NotStarted { path: envoy, source })?;
        Ok(Self { child, folder })
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn folder(&self) -> &Folder {
        &self.folder
    }

    /// How it ended, if it did.
    pub(super) fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    fn end(&mut self) {
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
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
        if std::thread::panicking() {
            eprintln!("--- Envoy's log ---\n{}---", self.folder.log_tail());
        }
    }
}

/// A private folder. It goes with the value.
#[derive(Debug)]
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn new() -> io::Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        loop {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let path = std::env::temp_dir().join(format!("sidestep-{}-{number}", std::process::id()));
            match std::fs::create_dir(&path) {
                Ok(()) => return Ok(Self(path)),
                // Left behind by another process of this number.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn log(&self) -> PathBuf {
        self.file("envoy.log")
    }

    /// Envoy's log so far.
    pub(super) fn log_text(&self) -> String {
        std::fs::read(self.log())
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    pub(super) fn access_log(&self) -> PathBuf {
        self.file("access.log")
    }

    /// The access log's lines so far, but for one that is being written.
    pub(super) fn access_log_lines(&self) -> Vec<String> {
        let bytes = std::fs::read(self.access_log()).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        text.split_inclusive('\n')
            .filter_map(|line| line.strip_suffix('\n').map(str::to_owned))
            .collect()
    }

    /// The log's last lines.
    pub(super) fn log_tail(&self) -> String {
        let text = self.log_text();
        let lines: Vec<_> = text.lines().collect();
        let start = lines.len().saturating_sub(SHOWN_LINES);
        lines.iter().skip(start).map(|line| format!("{line}\n")).collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
