//! The instructions that the whole of Envoy executes for a request, as callgrind counts them: Envoy's own, V8's, and those of
//! the code that V8 makes of a filter.
//!
//! Times of one run are as far from those of the next as contenders are from each other; these counts are the same to one in a
//! thousand. They are no times: an instruction that waits for memory counts like any other, the kernel's do not count, and
//! Envoy's allocator is slower here than elsewhere, because valgrind does not know restartable sequences (`rseq`).

use crate::arguments::Arguments;
use crate::contender::Contender;
use crate::error::BenchError;
use crate::matrix::{HOSTS, check, check_warm};
use crate::setting::Setting;
use crate::upstream::Upstream;
use crate::{csv, load, table};
use sidestep_support::{Envoy, Place, Program};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::process::Command;

/// Until V8 has compiled all that is hot: under valgrind, some thirty thousand requests.
const WARM_UP: Duration = Duration::from_secs(15);

/// Counted: some thousand requests.
const TIME: Duration = Duration::from_secs(6);

/// What was counted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Count {
    /// How.
    pub(crate) setting: Setting,
    /// Who.
    pub(crate) contender: Contender,
    /// Instructions for each request.
    pub(crate) instructions: f64,
}

/// Counts, prints a table for each setting with one worker, and writes the CSV.
pub(crate) async fn run(asked: &Arguments) -> Result<(), BenchError> {
    // valgrind runs one thread at a time: a second worker would only wait.
    let settings: Vec<_> = asked.settings.iter().filter(|setting| setting.workers == 1).collect();
    if settings.is_empty() {
        return Err(BenchError::Callgrind(
            "it counts with one worker only, and no such setting was named".to_owned(),
        ));
    }
    let upstream = Upstream::start().await?;
    let mut counts = Vec::new();
    for setting in settings {
        for contender in &asked.contenders {
            eprintln!("{setting}: instructions, {}", contender.name());
            let instructions = count(*contender, *setting, &upstream).await?;
            counts.push(Count {
                setting: *setting,
                contender: *contender,
                instructions,
            });
            csv::instructions(&asked.output.join("instructions.csv"), &counts)?;
        }
        println!("{}", table::of_instructions(*setting, &counts));
    }
    Ok(())
}

async fn count(contender: Contender, setting: Setting, upstream: &Upstream) -> Result<f64, BenchError> {
    let valgrind = find("valgrind", "VALGRIND_BIN")?;
    let place = Place::new()?;
    let output = place.write("callgrind.out", "")?;
    let to = format!("--callgrind-out-file={}", output.display());
    let under = [
        "--tool=callgrind",
        "--instr-atstart=no",
        // V8 writes code.
        "--smc-check=all-non-file",
        &to,
    ];
    let config = contender.envoy(upstream, HOSTS, 1).under(&valgrind, under);
    let envoy = Envoy::start(config).await?;
    let warm = load::run(envoy.client().address(), setting, WARM_UP).await?;
    check_warm(contender, setting, &envoy, warm).await?;
    control(&envoy, &["--instr=on"]).await?;
    let seen = load::run(envoy.client().address(), setting, TIME).await?;
    control(&envoy, &["--instr=off"]).await?;
    check(contender, setting, seen)?;
    control(&envoy, &["--dump"]).await?;
    // The first dump of a run.
    let total = total(&output.with_extension("out.1"))?;
    Ok(total as f64 / seen.requests as f64)
}

/// Tells callgrind something, and waits until it has done it.
async fn control(envoy: &Envoy, arguments: &[&str]) -> Result<(), BenchError> {
    let said = Command::new(find("callgrind_control", "CALLGRIND_CONTROL_BIN")?)
        .args(arguments)
        .arg(envoy.pid().to_string())
        .kill_on_drop(true)
        .output()
        .await?;
    if said.status.success() {
        return Ok(());
    }
    let why = String::from_utf8_lossy(&said.stderr).into_owned();
    Err(BenchError::Callgrind(why))
}

fn find(program: &'static str, variable: &str) -> Result<PathBuf, BenchError> {
    Program::find(program, variable).ok_or(BenchError::Missing {
        program,
        package: "valgrind",
    })
}

/// The sum that a dump ends with.
fn total(dump: &Path) -> Result<u64, BenchError> {
    let text = std::fs::read_to_string(dump)?;
    let total = text.lines().find_map(|line| line.strip_prefix("totals: "));
    let total = total.and_then(|number| number.trim().parse().ok());
    total.ok_or_else(|| BenchError::Callgrind(format!("no totals in {}", dump.display())))
}
