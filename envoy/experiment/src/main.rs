//! Measures sidestep against Envoy's own outlier detection and retries, and against HAProxy's and nginx's.
//!
//! A matrix: what can happen to hosts (scenarios) times ways to configure one and the same Envoy, and other proxies
//! (configurations). Each cell has a proxy with two workers and real HTTP servers of its own, follows the same plan, and
//! gets the same requests at the same times. All figures are taken outside of the proxy, at the users and at the hosts.
//!
//! | module | what it is |
//! |---|---|
//! | `scenario`, `plan` | what happens to which host, and when |
//! | `configuration` | the six that are compared |
//! | `aims` | what those of them have in common that detect and retry |
//! | `proxy` | each of them to the letter, and the process |
//! | `hosts`, `warming` | the servers that follow the plan |
//! | `traffic`, `dice` | the users: open loop, and the same requests in each cell |
//! | `cell` | a scenario met by a configuration, once |
//! | `figures`, `shares`, `quantile` | what a cell comes to |
//! | `series`, `plot`, `csv`, `table`, `verdict` | how it is shown |
//! | `arguments`, `run` | what is asked for, and the run |
#![forbid(unsafe_code)]
#![allow(
    clippy::disallowed_methods,
    reason = "runs natively only, and measures by the machine's clock"
)]

mod aims;
mod arguments;
mod cell;
mod configuration;
mod csv;
mod dice;
mod figures;
mod hosts;
mod lock;
mod plan;
mod plot;
mod proxy;
mod quantile;
mod run;
#[cfg(test)]
mod samples;
mod scenario;
mod series;
mod shares;
mod table;
mod traffic;
mod verdict;
mod warming;

use arguments::{Arguments, known_configurations, known_scenarios};
use sidestep_support::interrupted;
use std::process::ExitCode;

const HELP: &str = "\
usage: ./build.sh experiment [--only SCENARIO[,...]] [--configurations CONFIGURATION[,...]] [--rounds N]
                             [--quick | --scale X] [--output FOLDER]

Does the same things to servers behind an Envoy in four configurations: without outlier detection, with Envoy's
defaults, with Envoy's own tuned as well as it gets, with sidestep; and behind HAProxy and nginx, tuned for the same, if
they are there. Writes results.csv (a row for each round and cell), summary.csv (medians), plot.svg and details/ (what
the proxies and the module counted), and prints a table.

  --only SCENARIO[,...]  only some scenarios
  --configurations CONFIGURATION[,...]
                         only some configurations
  --rounds N             run everything N times, in turns (1)
  --quick                half of all times
  --scale X              all times times X (1)
  --output FOLDER        where results go (target/experiment)

environment:
  ENVOY_BIN      the Envoy to use; else the PATH's
  SIDESTEP_WASM  the module; else dist/sidestep.wasm
  HAPROXY_BIN    the HAProxy to use; else the PATH's, or /usr/sbin's (Debian: `apt install haproxy`)
  NGINX_BIN      the same for nginx (Debian: `apt install nginx-light`)
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
        print!("{HELP}\nscenarios: {}\n", known_scenarios());
        println!("configurations: {}", known_configurations());
        return ExitCode::SUCCESS;
    }
    let folder = sidestep_support::repository().join("target/experiment");
    let asked = match Arguments::read(arguments, folder) {
        Ok(asked) => asked,
        Err(error) => {
            eprint!("experiment: {error}\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    let outcome = match interrupted() {
        // Dropped, a cell takes its proxy along.
        Ok(interrupted) => tokio::select! {
            outcome = run::run(&asked) => outcome,
            () = interrupted => {
                eprintln!("experiment: cut short");
                return ExitCode::from(INTERRUPTED);
            }
        },
        Err(error) => {
            eprintln!("experiment: {error}");
            return ExitCode::FAILURE;
        }
    };
    match outcome {
        Ok(table) => {
            println!("{table}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("experiment: {error}");
            ExitCode::FAILURE
        }
    }
}
