//! Each example shows what it claims. Those whose names have `etcd` in them need one.
#![allow(clippy::disallowed_methods, reason = "runs natively only")]

use std::process::{Command, Output, Stdio};

fn example(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sidestep-demo"));
    command.args(arguments).stdin(Stdio::null());
    command
}

/// Runs it; gives what it said of its claims.
fn claims(name: &str) -> String {
    let output = example(&[name]).output().expect("the demo");
    let said = said(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(!said.contains('\x1b'), "escape codes in a pipe: {said:?}");
    said.lines().filter(|line| line.starts_with("seen ")).collect()
}

fn said(output: &Output) -> String {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

#[test]
fn failover() {
    let claims = claims("failover");
    assert!(claims.contains("with the filter 0 of "), "{claims}");
}

#[test]
fn detection() {
    let claims = claims("detection");
    assert!(claims.contains("out by probes alone"), "{claims}");
}

#[test]
fn backup_in_etcd() {
    let claims = claims("backup");
    assert!(claims.contains("of that host alone"), "{claims}");
}

#[test]
fn restore_from_etcd() {
    let claims = claims("restore");
    assert!(claims.contains("b got 0 of "), "{claims}");
}

#[test]
fn what_is_missing_is_named() {
    for name in ["backup", "restore"] {
        let output = example(&[name]).env_remove("ETCD_BIN").env("PATH", "").output();
        let output = output.expect("the demo");
        let said = said(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("apt install etcd-server"), "{said}");
    }
}

#[test]
fn what_is_no_example_is_refused() {
    for (arguments, odd) in [(&["fail"][..], "fail"), (&["backup", "twice"], "twice")] {
        let output = example(arguments).output().expect("the demo");
        let said = said(&output);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(&format!("unknown argument {odd}")), "{said}");
    }
}
