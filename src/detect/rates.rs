//! Success rate and failure percentage: each host's requests of an interval, against its peers' and against a bound.
//!
//! The arithmetic is Envoy's, to the last bit (`DetectorImpl::processSuccessRateEjections` and
//! `successRateEjectionThreshold` in `outlier_detection_impl.cc`; gRPC's proposal A50 has the same formulas). Whom it names
//! is then compared with its peers:
//!
//! - by chance nobody goes: see [`peers`](super::peers);
//! - a bound that most of a host's peers reach, too, says nothing about this host: the trouble is elsewhere, and its load
//!   would only move to hosts that fail as well.

use super::peers::Pool;
use super::{Accusation, Detector, Evidence, Hundredths, Tally};
use crate::config::OutlierDetection;
use crate::model::HostAddr;

/// The two detectors that look at one kind of failures.
#[derive(Clone, Copy)]
pub(super) struct Detectors {
    success_rate: Detector,
    failure_percentage: Detector,
}

/// For what the hosts answered.
pub(super) const EXTERNAL: Detectors = Detectors {
    success_rate: Detector::SuccessRate,
    failure_percentage: Detector::FailurePercentage,
};

/// For whether they could be reached.
pub(super) const LOCAL_ORIGIN: Detectors = Detectors {
    success_rate: Detector::LocalOriginSuccessRate,
    failure_percentage: Detector::FailurePercentageLocalOrigin,
};

/// Adds the accusations for one kind of failures to `out`.
pub(super) fn accuse(
    tallies: impl Iterator<Item = (HostAddr, Tally)>,
    detectors: Detectors,
    policy: &OutlierDetection,
    out: &mut Vec<Accusation>,
) {
    let mut pool = Pool::default();
    // Without requests there is no rate.
    let hosts: Vec<Rated> = tallies
        .filter(|(_, tally)| tally.requests() > 0)
        .map(|(host, tally)| {
            pool.add(tally);
            Rated::new(host, tally)
        })
        .collect();
    let mut accuse = |accused: &Rated, detector, evidence, others_alike: bool| {
        out.push(Accusation {
            host: accused.host,
            detector,
            evidence,
            like_its_peers: others_alike || !pool.is_worse(accused.tally),
        });
    };

    let volume = policy.success_rate_request_volume;
    if let Some(judged) = with_volume(&hosts, volume, policy.success_rate_minimum_hosts) {
        let spread = Spread::of(&judged, policy.success_rate_stdev_factor);
        for host in judged.iter().filter(|host| host.rate < spread.threshold) {
            accuse(host, detectors.success_rate, spread.evidence(host.rate), false);
        }
    }

    let volume = policy.failure_percentage_request_volume;
    if let Some(judged) = with_volume(&hosts, volume, policy.failure_percentage_minimum_hosts) {
        let threshold = policy.failure_percentage_threshold;
        let reaching: Vec<&Rated> = judged
            .iter()
            .filter(|host| host.failure_percentage() >= f64::from(threshold.get()))
            .collect();
        let most_peers_too = 2 * reaching.len().saturating_sub(1) > judged.len().saturating_sub(1);
        for host in reaching {
            let percentage = Hundredths::of(host.failure_percentage());
            let evidence = Evidence::FailurePercentage { percentage, threshold };
            accuse(host, detectors.failure_percentage, evidence, most_peers_too);
        }
    }
}

/// One host with requests.
#[derive(Clone, Copy)]
struct Rated {
    host: HostAddr,
    tally: Tally,
    /// Success rate in per cent.
    rate: f64,
}

impl Rated {
    fn new(host: HostAddr, tally: Tally) -> Self {
        Self {
            host,
            tally,
            // In Envoy's order: another one rounds differently.
            rate: f64::from(tally.successes) * 100.0 / tally.requests() as f64,
        }
    }

    fn failure_percentage(&self) -> f64 {
        100.0 - self.rate
    }
}

/// The hosts with at least `volume` requests, if there are at least `minimum` of them.
fn with_volume(hosts: &[Rated], volume: u32, minimum: u32) -> Option<Vec<Rated>> {
    let hosts: Vec<Rated> = hosts
        .iter()
        .filter(|host| host.tally.requests() >= u64::from(volume))
        .copied()
        .collect();
    (hosts.len() >= minimum as usize).then_some(hosts)
}

/// How success rates lie, all in per cent.
struct Spread {
    mean: f64,
    deviation: f64,
    threshold: f64,
}

impl Spread {
    /// `factor` is in thousandths. Of no hosts nothing here is a number, and nobody is below it.
    fn of(hosts: &[Rated], factor: u32) -> Self {
        let count = hosts.len() as f64;
        let mean = hosts.iter().map(|host| host.rate).sum::<f64>() / count;
        // Divided by all hosts, not by one less: they are no sample.
        let variance = hosts.iter().map(|host| (host.rate - mean).powi(2)).sum::<f64>() / count;
        let deviation = variance.sqrt();
        Self {
            mean,
            deviation,
            threshold: mean - f64::from(factor) / 1000.0 * deviation,
        }
    }

    fn evidence(&self, rate: f64) -> Evidence {
        Evidence::SuccessRate {
            rate: Hundredths::of(rate),
            threshold: Hundredths::of(self.threshold),
            mean: Hundredths::of(self.mean),
            deviation: Hundredths::of(self.deviation),
        }
    }
}
