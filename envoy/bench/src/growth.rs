//! What a request costs with more hosts, workers and clusters, and with more of the hosts ejected.

use crate::arguments::Arguments;
use crate::contender::{CLUSTER, Contender};
use crate::error::BenchError;
use crate::load::Seen;
use crate::matrix::once_over;
use crate::ratio::Spread;
use crate::setting::Setting;
use crate::upstream::Upstream;
use crate::{csv, plot, table};
use sidestep_support::{Cluster, Envoy, EnvoyConfig};
use std::fs;
use std::time::Duration;

/// One measurement.
const TIME: Duration = Duration::from_secs(1);

/// Before the first round: V8 compiles what is hot, hosts become known, bad ones are ejected.
const WARM_UP: Duration = Duration::from_secs(2);

/// Hosts of a cluster where another thing grows.
const HOSTS: usize = 3;

/// Hosts of the cluster of which some are ejected.
const SOME_BAD: usize = 10;

/// What grows, and how a request's cost does.
#[derive(Clone, Debug)]
pub(crate) struct Dimension {
    /// Its name.
    pub(crate) name: &'static str,
    /// What x counts.
    pub(crate) unit: &'static str,
    /// By rising x.
    pub(crate) points: Vec<Point>,
}

/// The cost at one x.
#[derive(Clone, Debug, Default)]
pub(crate) struct Point {
    /// How much there is of it.
    pub(crate) x: usize,
    /// sidestep's CPU time per request in each round, in µs.
    pub(crate) sidestep: Vec<f64>,
    /// The floor filter's.
    pub(crate) floor: Vec<f64>,
}

impl Point {
    /// sidestep's cost by the floor filter's, round by round.
    pub(crate) fn ratio(&self) -> Option<Spread> {
        Spread::of_ratios(&self.sidestep, &self.floor)
    }
}

/// What grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Grows {
    Hosts,
    Workers,
    Clusters,
    Ejected,
}

impl Grows {
    const ALL: [Self; 4] = [Self::Hosts, Self::Workers, Self::Clusters, Self::Ejected];

    const fn name(self) -> &'static str {
        match self {
            Self::Hosts => "hosts",
            Self::Workers => "workers",
            Self::Clusters => "clusters",
            Self::Ejected => "ejected",
        }
    }

    const fn unit(self) -> &'static str {
        match self {
            Self::Hosts => "hosts of the cluster",
            Self::Workers => "workers",
            Self::Clusters => "clusters of 3 hosts",
            Self::Ejected => "% of 10 hosts out",
        }
    }

    const fn xs(self) -> &'static [usize] {
        match self {
            Self::Hosts => &[3, 10, 100, 1000],
            Self::Workers => &[1, 2, 4, 8],
            Self::Clusters => &[1, 10, 100],
            Self::Ejected => &[0, 10, 30, 50],
        }
    }

    fn setting(self, x: usize) -> Setting {
        Setting {
            workers: if self == Self::Workers { small(x) } else { 1 },
            ..Setting::PLAIN
        }
    }

    /// The filter, or the floor it is held against: that has no bad hosts, for it would let their answers through.
    fn envoy(self, sidestep: bool, x: usize, upstream: &Upstream) -> EnvoyConfig {
        let plain = if sidestep {
            Contender::Sidestep
        } else {
            Contender::Floor
        };
        match self {
            Self::Hosts => plain.envoy(upstream, x, 1),
            Self::Workers => plain.envoy(upstream, HOSTS, small(x)),
            Self::Clusters => {
                let hosts = upstream.hosts(plain.hosts(), x * HOSTS);
                let clusters = hosts.chunks(HOSTS).enumerate().map(|(number, hosts)| {
                    let cluster = Cluster::new(&format!("{CLUSTER}{number}"));
                    hosts.iter().copied().fold(cluster, Cluster::address)
                });
                plain.over(clusters, 1)
            }
            Self::Ejected if sidestep => {
                let hosts = upstream.some_bad(bad(x), SOME_BAD - bad(x));
                let cluster = hosts.into_iter().fold(Cluster::new(CLUSTER), Cluster::address);
                Contender::Ejected.over([cluster], 1)
            }
            Self::Ejected => plain.envoy(upstream, SOME_BAD, 1),
        }
    }

    /// The paths to ask for in turn; none: the setting's own.
    fn paths(self, x: usize) -> Vec<String> {
        let path = |number| format!("/{CLUSTER}{number}/api/v1/products?category=lamps&page=2");
        match self {
            Self::Clusters => (0..x).map(path).collect(),
            _ => Vec::new(),
        }
    }
}

/// A small number of workers.
fn small(x: usize) -> u32 {
    u32::try_from(x).unwrap_or(u32::MAX)
}

/// The bad hosts that are so many per cent.
fn bad(percent: usize) -> usize {
    SOME_BAD * percent / 100
}

/// Measures each dimension, prints the tables, and writes the CSV and the plot.
pub(crate) async fn run(asked: &Arguments) -> Result<(), BenchError> {
    // There are many points; each is measured half as often as a contender's cost.
    let rounds = asked.rounds.div_ceil(2);
    let upstream = Upstream::start().await?;
    let mut dimensions = Vec::new();
    for grows in Grows::ALL {
        let dimension = measure(grows, rounds, &upstream).await?;
        print!("{}", table::of_growth(&dimension));
        dimensions.push(dimension);
    }
    csv::growth(&asked.output.join("growth.csv"), &dimensions)?;
    fs::write(asked.output.join("growth.svg"), plot::growth(&dimensions))?;
    Ok(())
}

/// All rounds of a dimension.
async fn measure(grows: Grows, rounds: usize, upstream: &Upstream) -> Result<Dimension, BenchError> {
    eprintln!(
        "growth, {}: {rounds} rounds of {} times 2",
        grows.name(),
        grows.xs().len()
    );
    let mut envoys = Vec::new();
    for x in grows.xs() {
        for sidestep in [true, false] {
            let envoy = Envoy::start(grows.envoy(sidestep, *x, upstream)).await?;
            let (_, seen) = once_over(&envoy, grows.setting(*x), &grows.paths(*x), WARM_UP).await?;
            check_warm(grows, sidestep, *x, &envoy, seen).await?;
            envoys.push((*x, sidestep, envoy));
        }
    }
    let mut points: Vec<_> = grows
        .xs()
        .iter()
        .map(|x| Point {
            x: *x,
            ..Point::default()
        })
        .collect();
    for round in 0..rounds {
        // The two of a point follow each other; who comes first changes from round to round.
        for (number, point) in points.iter_mut().enumerate() {
            for turn in 0..2 {
                let Some((x, sidestep, envoy)) = envoys.get(number * 2 + (turn + round) % 2) else {
                    continue;
                };
                let (cpu, seen) = once_over(envoy, grows.setting(*x), &grows.paths(*x), TIME).await?;
                check(grows, *sidestep, *x, seen)?;
                if *sidestep {
                    point.sidestep.push(cpu);
                } else {
                    point.floor.push(cpu);
                }
            }
        }
    }
    Ok(Dimension {
        name: grows.name(),
        unit: grows.unit(),
        points,
    })
}

/// Nobody's figures count whose requests failed.
fn check(grows: Grows, sidestep: bool, x: usize, seen: Seen) -> Result<(), BenchError> {
    if seen.requests > 0 && seen.failed + seen.broken == 0 {
        return Ok(());
    }
    Err(not_measured(grows, sidestep, x, format!("{seen:?}")))
}

/// Whether just the bad hosts are out.
async fn check_warm(grows: Grows, sidestep: bool, x: usize, envoy: &Envoy, seen: Seen) -> Result<(), BenchError> {
    let out = if sidestep {
        envoy.metric("sidestep.ejections_active").await?
    } else {
        0
    };
    let expected = if sidestep && grows == Grows::Ejected { bad(x) } else { 0 };
    if seen.requests > 0 && usize::try_from(out).is_ok_and(|out| out == expected) {
        return Ok(());
    }
    let what = format!("{out} hosts are out, not {expected}; {seen:?}");
    Err(not_measured(grows, sidestep, x, what))
}

fn not_measured(grows: Grows, sidestep: bool, x: usize, what: String) -> BenchError {
    BenchError::NotMeasured {
        contender: if sidestep { "sidestep" } else { "floor" },
        setting: format!("{} {x}", grows.name()),
        what,
    }
}
