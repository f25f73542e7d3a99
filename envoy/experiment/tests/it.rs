//! The program as a whole: what it leaves behind, and how it ends.
#![allow(clippy::disallowed_methods, reason = "runs natively only")]

use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn experiment(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sidestep-experiment"));
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// A folder for this test's results. It goes with the value.
struct Output(PathBuf);

impl Output {
    fn new(name: &str) -> Self {
        Self(Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id())))
    }

    fn path(&self) -> &str {
        self.0.to_str().expect("text")
    }

    fn file(&self, name: &str) -> String {
        fs::read_to_string(self.0.join(name)).expect(name)
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn every_cell_leaves_a_row_of_figures_and_a_line_in_the_plot() {
    let output = Output::new("matrix");
    let asked = ["--only", "one_bad", "--scale", "0.1", "--output", output.path()];
    let ended = experiment(&asked).output().expect("the experiment");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{said}");

    let results = output.file("results.csv");
    let cells = ["no_detection", "envoy_default", "envoy_tuned", "sidestep"];
    for cell in cells {
        let row = format!("\n1,one_bad,{cell},");
        assert_eq!(results.matches(&row).count(), 1, "{row} in {results}");
        assert!(output.0.join(format!("details/1-one_bad-{cell}.txt")).is_file());
    }
    assert_eq!(results.lines().count(), 1 + cells.len());
    assert_eq!(output.file("summary.csv").lines().count(), 1 + cells.len());
    assert_eq!(output.file("plot.svg").matches("<polyline").count(), 3 * cells.len());
    // A tenth of the traffic fails if nobody does anything: it is the scenario that was measured.
    let nothing = results.lines().find(|row| row.contains("no_detection")).expect("a row");
    let failed: f64 = nothing.split(',').nth(5).expect("a column").parse().expect("a number");
    assert!((5.0..15.0).contains(&failed), "{results}");
    let table = String::from_utf8_lossy(&ended.stdout);
    assert!(table.contains("| 1 of 10 answers 503 | Envoy, nothing |"), "{table}");
}

#[test]
fn interrupted_it_takes_envoy_along() {
    for signal in [Signal::INT, Signal::TERM] {
        let output = Output::new("interrupted");
        let asked = ["--only", "all_well", "--scale", "0.2", "--output", output.path()];
        let mut child = experiment(&asked).spawn().expect("the experiment");
        let mut said = BufReader::new(child.stderr.take().expect("its output"));
        let mut line = String::new();
        // The first says what is to come, the second that a cell is done: then the next one's Envoy is on its way.
        for _ in 0..2 {
            said.read_line(&mut line).expect("text");
        }
        let folder = folder_of(child.id());
        let admin = admin_of(&folder);

        kill_process(Pid::from_child(&child), signal).expect("a process");

        let mut rest = String::new();
        said.read_to_string(&mut rest).expect("text");
        assert_eq!(child.wait().expect("its end").code(), Some(130), "{line}{rest}");
        assert!(rest.contains("cut short"), "{rest}");
        assert!(TcpStream::connect(admin).is_err(), "Envoy is still there");
        assert!(!folder.exists(), "{folder:?} is still there");
        assert_eq!(output.file("results.csv").lines().count(), 2);
    }
}

/// The folder of the second Envoy of that process.
fn folder_of(process: u32) -> PathBuf {
    std::env::temp_dir().join(format!("sidestep-{process}-1"))
}

/// Where that Envoy listens for its administrator. The experiment ends by itself, so this does.
fn admin_of(folder: &Path) -> SocketAddr {
    for _ in 0..3000 {
        let address = fs::read_to_string(folder.join("admin")).unwrap_or_default();
        if let Ok(address) = address.trim().parse() {
            return address;
        }
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    panic!("no Envoy in {folder:?}");
}

#[test]
fn what_is_odd_on_the_command_line_is_refused_with_what_would_be_right() {
    let ended = experiment(&["--only", "two_bad"]).output().expect("the experiment");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(2), "{said}");
    assert!(
        said.contains("--only: found two_bad; expected all_well,all_alike,"),
        "{said}"
    );
}

#[test]
fn without_the_module_it_says_how_to_get_it() {
    let output = Output::new("no-module");
    let mut experiment = experiment(&["--output", output.path()]);
    experiment.env("SIDESTEP_WASM", "/nowhere/sidestep.wasm");
    let ended = experiment.output().expect("the experiment");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(1), "{said}");
    assert!(
        said.contains("no module at /nowhere/sidestep.wasm: run `./build.sh wasm`"),
        "{said}"
    );
}

#[test]
fn a_cell_that_does_not_run_is_an_error_and_named() {
    let output = Output::new("no-cell");
    let asked = ["--only", "one_bad", "--scale", "0.1", "--output", output.path()];
    let mut experiment = experiment(&asked);
    experiment.env("SIDESTEP_WASM", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
    let ended = experiment.output().expect("the experiment");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(1), "{said}");
    assert!(said.contains("one_bad, sidestep, round 1: "), "{said}");
    assert!(said.contains("Unable to create Wasm plugin sidestep"), "{said}");
}
