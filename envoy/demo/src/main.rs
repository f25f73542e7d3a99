//! The live demonstration of sidestep: breaks a server before your eyes, with the filter and without.
//!
//! One Envoy with two workers stands before three HTTP servers. It has two listeners, one with the filter and one
//! without, and both get the same traffic. Then one of the servers breaks.
//!
//! | module | what it is |
//! |---|---|
//! | `phase` | the plot: what happens to the server, and when |
//! | `sample`, `envoy` | the shipped configuration, made fit for this run, and the Envoy that runs it |
//! | `traffic` | the users, and what they got |
//! | `counts`, `ejections` | what Envoy has counted, and what the module's log tells |
//! | `story` | all of it together, on one `clock` |
//! | `show`, `screen`, `terminal`, `text` | how it is shown |
//! | `summary` | what it came to |
//! | `run` | the run |
//!
//! Beside that there are four `examples`, of one thing each.
#![forbid(unsafe_code)]
#![allow(
    clippy::disallowed_methods,
    reason = "runs natively only, and measures by the machine's clock"
)]

mod clock;
mod counts;
mod ejections;
mod envoy;
mod examples;
mod phase;
mod run;
mod sample;
mod screen;
mod show;
mod story;
mod summary;
mod terminal;
mod text;
mod traffic;

use examples::{Example, ExampleError};
use run::{RunError, Stage};
use sample::{BASE_EJECTION_TIME, SAMPLE_EJECTION_TIME};
use show::Show;
use sidestep_support::interrupted;
use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

const HELP: &str = "\
usage: ./build.sh demo [failover|detection|backup|restore]

Without an argument, breaks a server before your eyes: one Envoy with two workers, three HTTP servers behind it, and the same traffic twice,
with sidestep and without. One of the servers answers 503, then refuses connections, then comes back. Takes 45 seconds,
ends by itself or by Ctrl-C, and leaves nothing behind. Where the output is no terminal, it is plain lines.

With one, shows one thing in 10 to 20 seconds, and fails if it was not seen:
  failover       a host refuses connections: no client sees an error; without the filter many do
  detection      a host that fails is out within three answers, and comes back by probes
  backup         an ejection in etcd, and what changes after it
  restore        kill -9, and the next process knows which host is bad

environment:
  ENVOY_BIN      the Envoy to use; else the PATH's
  ETCD_BIN       the etcd for backup and restore; else the PATH's (Debian: `apt-get install etcd-server`)
  SIDESTEP_WASM  the module; else dist/sidestep.wasm
  NO_COLOR       no colours, if it is set
";

/// What a shell reports for a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;
/// Nobody who pressed Ctrl-C waits longer for the last figures.
const PATIENCE: Duration = Duration::from_millis(500);

#[tokio::main]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let Some(argument) = arguments.next() else {
        return ended(demo().await);
    };
    if argument == "-h" || argument == "--help" {
        print!("{HELP}");
        return ExitCode::SUCCESS;
    }
    match (Example::named(&argument), arguments.next()) {
        (Some(example), None) => ended(show(example).await),
        (known, next) => {
            let odd = known.and(next).unwrap_or(argument);
            eprint!("demo: unknown argument {odd}\n\n{HELP}");
            ExitCode::from(2)
        }
    }
}

/// The exit code of something that came to its end, or was interrupted, or failed.
fn ended(outcome: Result<bool, impl fmt::Display>) -> ExitCode {
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(INTERRUPTED),
        Err(error) => {
            eprintln!("demo: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Shows an example. Whether it came to its end; what it started goes in any case.
async fn show(example: Example) -> Result<bool, ExampleError> {
    let interrupted = interrupted()?;
    tokio::select! {
        outcome = example.show() => outcome.map(|()| true),
        () = interrupted => Ok(false),
    }
}

/// Runs the demonstration. Whether it came to its end.
async fn demo() -> Result<bool, RunError> {
    let mut interrupted = std::pin::pin!(interrupted()?);
    writeln!(
        io::stdout(),
        "One Envoy with two workers before three servers; the same traffic twice, with\n\
         sidestep and without. The configuration is envoy/envoy.yaml, with\n\
         base_ejection_time {BASE_EJECTION_TIME} instead of {SAMPLE_EJECTION_TIME} \
         to fit into a minute. Starting Envoy ...\n"
    )?;
    let mut stage = tokio::select! {
        stage = Stage::set() => stage?,
        () = &mut interrupted => return Ok(false),
    };
    let mut story = stage.begin()?;
    let mut show = Show::start()?;
    let outcome = tokio::select! {
        outcome = stage.play(&mut story, &mut show) => outcome.map(|()| true),
        () = &mut interrupted => Ok(false),
    };
    // Interrupted, it has not been ended yet; and where Envoy is gone, what is known already is all.
    let _ = tokio::time::timeout(PATIENCE, story.traffic.end()).await;
    let _ = tokio::time::timeout(PATIENCE, stage.look(&mut story)).await;
    drop(stage);
    show.end(&story)?;
    let heading = match outcome {
        Ok(true) => "Summary",
        _ => "Summary of what there was before it was cut short",
    };
    writeln!(io::stdout(), "\n{heading}\n{}", summary::summary(&story))?;
    outcome
}
