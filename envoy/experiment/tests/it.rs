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
    let cells = [
        "no_detection",
        "envoy_default",
        "envoy_tuned",
        "haproxy",
        "nginx",
        "sidestep",
    ];
    let cells: Vec<_> = cells.into_iter().filter(|cell| is_there(cell, &said)).collect();
    for cell in &cells {
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

/// Whether a configuration was run: HAProxy and nginx may be missing at a desk, in CI not; what is missing is said.
fn is_there(cell: &str, said: &str) -> bool {
    let name = match cell {
        "haproxy" => "HAProxy",
        "nginx" => "nginx",
        _ => return true,
    };
    let is_missing = said.contains(&format!("{name} is left out: "));
    assert!(!is_missing || std::env::var_os("CI").is_none(), "{said}");
    if is_missing {
        eprintln!("skipped: {name}");
    }
    !is_missing
}

/// A figure of a cell, by its column's name.
fn figure(results: &str, cell: &str, column: &str) -> f64 {
    let mut lines = results.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let place = lines
        .next()
        .and_then(|names| names.iter().position(|name| *name == column));
    let row = lines.find(|row| row.get(2) == Some(&cell));
    let value = row.zip(place).and_then(|(row, place)| row.get(place)?.parse().ok());
    value.unwrap_or_else(|| panic!("no {column} of {cell} in {results}"))
}

fn is_of_use(cell: &str) {
    let output = Output::new(cell);
    let configurations = format!("no_detection,{cell}");
    let asked = [
        "--only",
        "two_hosts",
        "--configurations",
        &configurations,
        "--scale",
        "0.1",
        "--output",
        output.path(),
    ];
    let ended = experiment(&asked).output().expect("the experiment");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{said}");
    if !is_there(cell, &said) {
        return;
    }
    let results = output.file("results.csv");
    let of = |cell, column| figure(&results, cell, column);
    // Half of the traffic fails if nobody does anything.
    assert!(of("no_detection", "failed_percent") > 30.0, "{results}");
    assert!(of(cell, "failed_percent") < 10.0, "{results}");
    assert!(of(cell, "failed_get_percent") < 2.0, "{results}");
    assert!(of(cell, "attempts_per_request") > 1.0, "{results}");
    assert_eq!(of(cell, "attempts_per_post"), 1.0, "{results}");
    let table = String::from_utf8_lossy(&ended.stdout);
    assert!(!table.contains("sidestep is"), "nothing to compare: {table}");
}

#[test]
fn haproxy_repeats_what_may_be_repeated() {
    is_of_use("haproxy");
}

#[test]
fn nginx_repeats_what_may_be_repeated() {
    is_of_use("nginx");
}

#[test]
fn what_is_not_on_the_machine_is_left_out_and_named() {
    let output = Output::new("missing");
    let asked = ["--only", "one_bad", "--scale", "0.1", "--output", output.path()];
    let mut experiment = experiment(&asked);
    let ended = experiment
        .args(["--configurations", "no_detection,haproxy,nginx"])
        .env("HAPROXY_BIN", "/nowhere/haproxy")
        .env("NGINX_BIN", "/nowhere/nginx")
        .output()
        .expect("the experiment");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{said}");
    for what in [
        "HAProxy is left out: haproxy is missing: set HAPROXY_BIN (Debian: `apt install haproxy`)",
        "nginx is left out: nginx is missing: set NGINX_BIN (Debian: `apt install nginx-light`)",
    ] {
        assert!(said.contains(what), "{said}");
    }
    assert_eq!(output.file("results.csv").lines().count(), 2);
    let table = String::from_utf8_lossy(&ended.stdout);
    assert!(table.contains("| | Envoy, nothing |\n"), "{table}");
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

/// Killed, the experiment can end nothing: nginx has to hear of it, and has workers to take along.
#[test]
fn killed_it_leaves_no_nginx_behind() {
    let output = Output::new("killed");
    let asked = [
        "--only",
        "all_well",
        "--configurations",
        "nginx",
        "--output",
        output.path(),
    ];
    let mut child = experiment(&asked).spawn().expect("the experiment");
    let mut said = BufReader::new(child.stderr.take().expect("its output"));
    let mut line = String::new();
    said.read_line(&mut line).expect("text");
    if !is_there("nginx", &line) {
        child.wait().expect("its end");
        return;
    }
    let folder = std::env::temp_dir().join(format!("sidestep-{}-0", child.id()));
    let listens = until(|| address_after("listen ", &folder.join("nginx.conf")));
    until(|| TcpStream::connect(listens).ok());

    kill_process(Pid::from_child(&child), Signal::KILL).expect("a process");

    child.wait().expect("its end");
    until(|| TcpStream::connect(listens).is_err().then_some(()));
    fs::remove_dir_all(&folder).expect("its folder, which nobody was left to remove");
}

/// The folder of the second Envoy of that process.
fn folder_of(process: u32) -> PathBuf {
    std::env::temp_dir().join(format!("sidestep-{process}-1"))
}

/// Where that Envoy listens for its administrator.
fn admin_of(folder: &Path) -> SocketAddr {
    until(|| address_after("", &folder.join("admin")))
}

/// The address that follows this in a file, up to a space or the line's end.
fn address_after(what: &str, file: &Path) -> Option<SocketAddr> {
    let text = fs::read_to_string(file).ok()?;
    let (_, rest) = text.split_once(what)?;
    rest.split_whitespace().next()?.parse().ok()
}

/// Looks again and again, at most for some seconds.
fn until<T>(look: impl Fn() -> Option<T>) -> T {
    for _ in 0..3000 {
        if let Some(value) = look() {
            return value;
        }
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    panic!("it did not come about");
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
    let asked = [
        "--only",
        "one_bad",
        "--configurations",
        "sidestep",
        "--output",
        output.path(),
    ];
    let mut experiment = experiment(&asked);
    experiment.env("SIDESTEP_WASM", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
    let ended = experiment.output().expect("the experiment");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(1), "{said}");
    assert!(said.contains("one_bad, sidestep, round 1: "), "{said}");
    assert!(said.contains("Unable to create Wasm plugin sidestep"), "{said}");
}
