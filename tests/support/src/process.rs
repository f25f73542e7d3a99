//! A child process that does not outlive its value: Envoy, etcd, other proxies.

use rustix::process::{Pid, Signal};
use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// A program leaves at once when asked; one that does not is killed after this.
const PATIENCE: Duration = Duration::from_secs(3);

/// So much of the log is shown when something went wrong.
const SHOWN_LINES: usize = 200;

/// A running program, and the folder that its files are in. Both go with the value; the folder stays as long as somebody
/// else has it, too.
#[derive(Debug)]
pub(crate) struct Process {
    name: &'static str,
    child: Child,
    folder: Arc<Folder>,
}

/// What becomes of a program if this process is killed, and can't end it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Orphaned {
    /// It is killed.
    Killed,
    /// It is asked to leave (`SIGTERM`): it has children of its own, and takes them along. Killed it could not.
    Asked,
}

impl Process {
    /// Starts a program in `workdir` with these arguments; its log goes to a file. `name` is for people.
    pub(crate) fn start(
        name: &'static str,
        program: &Path,
        folder: Arc<Folder>,
        workdir: &Path,
        arguments: &[&str],
        orphaned: Orphaned,
    ) -> io::Result<Self> {
        let log = OpenOptions::new().create(true).append(true).open(folder.log())?;
        // `setpriv` makes the kernel end the program if this process is killed and can't. It becomes the program: the pid
        // is its.
        let mut command = match in_path("setpriv") {
            Some(setpriv) => {
                let mut command = Command::new(setpriv);
                let signal = match orphaned {
                    Orphaned::Killed => "KILL",
                    Orphaned::Asked => "TERM",
                };
                command.args(["--pdeathsig", signal, "--"]).arg(program);
                command
            }
            None => Command::new(program),
        };
        let child = command
            .args(arguments)
            .current_dir(workdir)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        Ok(Self { name, child, folder })
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn folder(&self) -> &Folder {
        &self.folder
    }

    /// How it ended, if it did.
    pub(crate) fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Sends it a signal. Its pid is still its own: it has not been waited for, or else nothing is sent.
    pub(crate) fn signal(&mut self, signal: Signal) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = rustix::process::kill_process(Pid::from_child(&self.child), signal);
        }
    }

    /// Ends it at once, without a chance to tidy up (`SIGKILL`), and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
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
                self.kill();
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
            eprintln!("--- {}'s log ---\n{}---", self.name, self.folder.log_tail());
        }
    }
}

/// A private folder. It goes with the value.
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> io::Result<Self> {
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

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn log(&self) -> PathBuf {
        self.file("log")
    }

    /// The program's log so far.
    pub(crate) fn log_text(&self) -> String {
        std::fs::read(self.log())
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    pub(crate) fn access_log(&self) -> PathBuf {
        self.file("access.log")
    }

    /// The access log's lines so far, but for one that is being written.
    pub(crate) fn access_log_lines(&self) -> Vec<String> {
        let bytes = std::fs::read(self.access_log()).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        text.split_inclusive('\n')
            .filter_map(|line| line.strip_suffix('\n').map(str::to_owned))
            .collect()
    }

    /// The log's last lines.
    pub(crate) fn log_tail(&self) -> String {
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

/// A program of the PATH.
pub(crate) fn in_path(program: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?)
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
}
