//! Measures what sidestep costs: the CPU time of a real Envoy per request and the latency at the client, against what
//! people would use instead, and against the least that a filter can cost.
//!
//! | module | what it is |
//! |---|---|
//! | `contender` | who is compared, each as an Envoy configuration |
//! | `setting` | how: workers, size of headers, method |
//! | `upstream`, `load`, `usage` | nginx, wrk, and what `/proc` says of Envoy |
//! | `matrix` | every contender in every setting, in turns |
//! | `instructions` | every contender under callgrind |
//! | `growth` | what a request costs with more hosts, clusters and workers, and more hosts ejected |
//! | `memory` | what a million requests over a thousand hosts leave in memory, and how long a start takes |
//! | `ratio` | medians of paired ratios, and their spread |
//! | `table`, `csv`, `plot`, `bounds` | how it is shown, and what must hold |
//! | `arguments` | what is asked for |
#![forbid(unsafe_code)]
#![allow(
    clippy::disallowed_methods,
    reason = "runs natively only, and measures by the machine's clock"
)]

mod arguments;
mod bounds;
mod contender;
mod csv;
mod error;
mod growth;
mod instructions;
mod load;
mod matrix;
mod memory;
mod plot;
mod ratio;
mod setting;
mod table;
mod upstream;
mod usage;

use arguments::Arguments;
use error::BenchError;
use sidestep_support::interrupted;
use std::process::ExitCode;

const HELP: &str = "\
usage: ./build.sh bench [PART...] [--rounds N] [--quick] [--only CONTENDER[,...]] [--setting SETTING[,...]]

Measures what the filter costs: CPU time of Envoy per request, client latency, memory, start. Contenders take turns in each
round; ratios are medians of those within a round. Prints tables and writes bench.csv, growth.csv, growth.svg,
memory.csv and instructions.csv to target/bench/.

parts (the first three, if none is named):
  costs                 every contender in every setting: about 40 minutes
  growth                more hosts, workers, clusters, ejected hosts: 5 minutes
  memory                a million requests over a thousand hosts; how long a start takes: 8 minutes
  instructions          only if named: the instructions of all Envoy for each request, under callgrind, by contender and
                        setting with one worker: half a minute each (valgrind; Debian: `apt install valgrind`)
  retry                 only by itself: what a retry costs the client

  --rounds N            rounds (12)
  --starts N            Envoys of each kind, one after the other, that share the rounds (3)
  --quick               4 rounds of one Envoy each
  --only CONTENDER,...  only some contenders
  --setting SETTING,... only some settings, e.g. 1-small-get
  --output FOLDER       where results go (target/bench)

environment:
  ENVOY_BIN         the Envoy to use; else the PATH's
  SIDESTEP_WASM     the module; else dist/sidestep.wasm
  SIDESTEP_FILTERS  the folder of the filters to compare it with
  NGINX_BIN         the nginx to use; else the PATH's, or /usr/sbin's (Debian: `apt install nginx-light`)
  WRK_BIN           the same for wrk (Debian: `apt install wrk`)
";

/// What a shell reports for a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    if arguments
        .iter()
        .any(|argument| argument == "-h" || argument == "--help")
    {
        print!(
            "{HELP}\ncontenders: {}\nsettings: {}\n",
            contender::known(),
            setting::known()
        );
        return ExitCode::SUCCESS;
    }
    let asked = match Arguments::read(arguments) {
        Ok(asked) => asked,
        Err(error) => {
            eprint!("bench: {error}\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    let outcome = match interrupted() {
        // Dropped, a measurement takes its Envoys along.
        Ok(interrupted) => tokio::select! {
            outcome = run(&asked) => outcome,
            () = interrupted => {
                eprintln!("bench: cut short");
                return ExitCode::from(INTERRUPTED);
            }
        },
        Err(error) => Err(error.into()),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs what is asked for. Returns whether all bounds hold.
async fn run(asked: &Arguments) -> Result<bool, BenchError> {
    std::fs::create_dir_all(&asked.output)?;
    let mut good = true;
    if asked.costs {
        good &= matrix::run(asked).await?;
    }
    if asked.instructions {
        instructions::run(asked).await?;
    }
    if asked.growth {
        growth::run(asked).await?;
    }
    if asked.memory {
        good &= memory::run(asked).await?;
    }
    Ok(good)
}
