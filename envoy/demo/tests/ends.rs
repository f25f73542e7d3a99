//! However the demonstration ends, it says why and leaves nothing behind.
#![allow(clippy::disallowed_methods, reason = "runs natively only")]

use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStdout, Command, Stdio};

fn demo() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sidestep-demo"));
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Reads until a line has this in it. The demonstration ends within a minute, so this does.
fn until_line(output: &mut BufReader<ChildStdout>, part: &str) -> String {
    let mut seen = String::new();
    while !seen.lines().last().is_some_and(|line| line.contains(part)) {
        let read = output.read_line(&mut seen).expect("text");
        assert!(read > 0, "the output ended before {part:?}:\n{seen}");
    }
    seen
}

/// Where the run's Envoy listens for its administrator.
fn admin_of(child: &Child) -> SocketAddr {
    let file = std::env::temp_dir().join(format!("sidestep-demo-{}/admin", child.id()));
    let address = std::fs::read_to_string(file).expect("Envoy's admin address");
    address.trim().parse().expect("an address")
}

#[test]
fn interrupted_it_says_what_it_has_seen_and_takes_envoy_along() {
    for signal in [Signal::INT, Signal::TERM] {
        let mut child = demo().spawn().expect("the demo");
        let mut output = BufReader::new(child.stdout.take().expect("its output"));
        until_line(&mut output, "with sidestep:");
        let admin = admin_of(&child);
        assert!(TcpStream::connect(admin).is_ok());

        kill_process(Pid::from_child(&child), signal).expect("a process");

        let mut rest = String::new();
        output.read_to_string(&mut rest).expect("text");
        assert_eq!(child.wait().expect("its end").code(), Some(130), "{rest}");
        assert!(rest.contains("cut short") && rest.contains("  requests"), "{rest}");
        assert!(!rest.contains('\x1b'), "escape codes in a pipe: {rest:?}");
        assert!(TcpStream::connect(admin).is_err(), "Envoy is still there");
        let folder = std::env::temp_dir().join(format!("sidestep-demo-{}", child.id()));
        assert!(!folder.exists(), "{folder:?} is still there");
    }
}

#[test]
fn without_the_module_it_says_how_to_get_it() {
    let output = demo()
        .env("SIDESTEP_WASM", "/nowhere/sidestep.wasm")
        .output()
        .expect("the demo");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("no module at /nowhere/sidestep.wasm: run `./build.sh wasm`"),
        "{said}"
    );
}

#[test]
fn with_a_module_that_envoy_refuses_it_shows_envoys_reason() {
    let no_module = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let output = demo().env("SIDESTEP_WASM", no_module).output().expect("the demo");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("Unable to create Wasm plugin sidestep"), "{said}");
}
