//! Every contender in every setting, in turns.

use crate::arguments::Arguments;
use crate::contender::{CLUSTER, Contender};
use crate::error::BenchError;
use crate::load::{self, Seen};
use crate::setting::Setting;
use crate::upstream::Upstream;
use crate::{bounds, csv, table, usage};
use sidestep_support::Envoy;
use std::ops::Range;
use std::time::Duration;

/// How many hosts contenders have, beside one that is ejected.
pub(crate) const HOSTS: usize = 3;

/// One measurement: `wrk` takes whole seconds.
const TIME: Duration = Duration::from_secs(1);

/// Before the first round of a setting, so that V8 has compiled what is hot, and routes and hosts are known.
const WARM_UP: Duration = Duration::from_secs(6);

/// One measurement's figures.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    /// How.
    pub(crate) setting: Setting,
    /// From 1.
    pub(crate) round: usize,
    /// Who.
    pub(crate) contender: Contender,
    /// CPU time of the whole Envoy process per request, in µs.
    pub(crate) cpu: f64,
    /// What the client saw.
    pub(crate) seen: Seen,
}

/// Runs it all, prints the tables and writes the CSV. Returns whether the bounds hold.
pub(crate) async fn run(asked: &Arguments) -> Result<bool, BenchError> {
    let upstream = Upstream::start().await?;
    let mut samples = Vec::new();
    let mut workers: Vec<_> = asked.settings.iter().map(|setting| setting.workers).collect();
    workers.dedup();
    // One process is a little faster than another of the same kind, for as long as it lives.
    let rounds = asked.rounds.div_ceil(asked.starts);
    for start in 0..asked.starts {
        for workers in &workers {
            let envoys = start_all(asked, &upstream, *workers).await?;
            for setting in asked.settings.iter().filter(|setting| setting.workers == *workers) {
                eprintln!(
                    "{setting}: start {} of {}, {rounds} rounds of {} contenders",
                    start + 1,
                    asked.starts,
                    envoys.len()
                );
                samples.extend(measure(*setting, &envoys, start * rounds..(start + 1) * rounds).await?);
                csv::costs(&asked.output.join("bench.csv"), &samples)?;
            }
        }
    }
    for setting in &asked.settings {
        println!("{}", table::of_setting(*setting, &samples));
    }
    let (text, hold) = bounds::of_costs(&samples);
    print!("{text}");
    Ok(hold)
}

async fn start_all(
    asked: &Arguments,
    upstream: &Upstream,
    workers: u32,
) -> Result<Vec<(Contender, Envoy)>, BenchError> {
    let mut envoys = Vec::new();
    for contender in &asked.contenders {
        let envoy = Envoy::start(contender.envoy(upstream, HOSTS, workers)).await?;
        envoys.push((*contender, envoy));
    }
    Ok(envoys)
}

/// Rounds of a setting. Who comes first changes from round to round.
async fn measure(
    setting: Setting,
    envoys: &[(Contender, Envoy)],
    rounds: Range<usize>,
) -> Result<Vec<Sample>, BenchError> {
    for (contender, envoy) in envoys {
        let seen = load::run(envoy.client().address(), setting, WARM_UP).await?;
        check_warm(*contender, setting, envoy, seen).await?;
    }
    let mut samples = Vec::new();
    for round in rounds {
        for turn in 0..envoys.len() {
            let Some((contender, envoy)) = envoys.get((turn + round) % envoys.len()) else {
                continue;
            };
            let (cpu, seen) = once(envoy, setting, TIME).await?;
            check(*contender, setting, seen)?;
            samples.push(Sample {
                setting,
                round: round + 1,
                contender: *contender,
                cpu,
                seen,
            });
        }
    }
    Ok(samples)
}

/// One measurement: µs of CPU time per request, and what the client saw.
pub(crate) async fn once(envoy: &Envoy, setting: Setting, time: Duration) -> Result<(f64, Seen), BenchError> {
    once_over(envoy, setting, &[], time).await
}

/// The same, over several paths in turn.
pub(crate) async fn once_over(
    envoy: &Envoy,
    setting: Setting,
    paths: &[String],
    time: Duration,
) -> Result<(f64, Seen), BenchError> {
    let before = usage::cpu(envoy.pid())?;
    let seen = load::run_over(envoy.client().address(), setting, paths, time).await?;
    let spent = usage::cpu(envoy.pid())?.saturating_sub(before);
    Ok((spent.as_secs_f64() * 1e6 / seen.requests.max(1) as f64, seen))
}

/// Nobody's figures count whose requests failed.
pub(crate) fn check(contender: Contender, setting: Setting, seen: Seen) -> Result<(), BenchError> {
    // A retry can meet a stumble, too: one of ten thousand requests.
    let tolerated = match contender {
        Contender::Retries | Contender::NativeRetries => seen.requests / 100,
        _ => 0,
    };
    if seen.requests > 0 && seen.failed <= tolerated && seen.broken == 0 {
        return Ok(());
    }
    Err(not_measured(contender, setting, format!("{seen:?}")))
}

/// Whether the contender does what its name says.
pub(crate) async fn check_warm(
    contender: Contender,
    setting: Setting,
    envoy: &Envoy,
    seen: Seen,
) -> Result<(), BenchError> {
    let counted = match contender {
        Contender::Ejected => envoy.metric("sidestep.pins.set").await?,
        Contender::Retries => envoy.metric("sidestep.retries.succeeded").await?,
        Contender::NativeRetries => {
            envoy
                .stat(&format!("cluster.{CLUSTER}.upstream_rq_retry_success"))
                .await?
        }
        Contender::Sidestep => seen.requests - envoy.metric("sidestep.retries.attempted").await?.min(seen.requests),
        _ => seen.requests,
    };
    let least = match contender {
        Contender::Retries | Contender::NativeRetries => seen.requests / 200,
        _ => seen.requests / 2,
    };
    if counted > least {
        return Ok(());
    }
    let what = format!("{counted} requests did what they were to, of {seen:?}");
    Err(not_measured(contender, setting, what))
}

fn not_measured(contender: Contender, setting: Setting, what: String) -> BenchError {
    BenchError::NotMeasured {
        contender: contender.name(),
        setting: setting.to_string(),
        what,
    }
}

/// A contender's µs of CPU time per request in a setting, round by round.
pub(crate) fn cpu(samples: &[Sample], setting: Setting, contender: Contender) -> Vec<f64> {
    let mut found: Vec<_> = samples
        .iter()
        .filter(|sample| sample.setting == setting && sample.contender == contender)
        .collect();
    found.sort_by_key(|sample| sample.round);
    found.into_iter().map(|sample| sample.cpu).collect()
}
