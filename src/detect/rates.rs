//! Success rate and failure percentage: each host's requests of an interval, against its peers' and against a bound.
//!
//! The arithmetic is Envoy's, to the last bit (`DetectorImpl::processSuccessRateEjections` and
//! `successRateEjectionThreshold` in `outlier_detection_impl.cc`; gRPC's proposal A50 has the same formulas). What is added
//! is in [`peers`](super::peers).

use super::peers::Pool;
use super::{Accusation, Detector, Evidence, Hundredths, Tally};
use crate::config::OutlierDetection;
use crate::model::HostAddr;

/// Whose failures are looked at, as the detectors that do.
#[derive(Clone, Copy)]
pub(super) struct Detectors {
    success_rate: Detector,
    failure_percentage: Detector,
}

/// What the hosts answered.
pub(super) const EXTERNAL: Detectors = Detectors {
    success_rate: Detector::SuccessRate,
    failure_percentage: Detector::FailurePercentage,
};

/// Whether they could be reached.
pub(super) const LOCAL_ORIGIN: Detectors = Detectors {
    success_rate: Detector::LocalOriginSuccessRate,
    failure_percentage: Detector::FailurePercentageLocalOrigin,
};

/// One host with requests.
#[derive(Clone, Copy)]
struct Rated {
    host: HostAddr,
    tally: Tally,
    /// Success rate in per cent.
    rate: f64,
}

/// Adds the accusations of one origin to `out`.
pub(super) fn accuse(
    tallies: impl Iterator<Item = (HostAddr, Tally)>,
    detectors: Detectors,
    policy: &OutlierDetection,
    out: &mut Vec<Accusation>,
) {
    let mut pool = Pool::default();
    let rated: Vec<Rated> = tallies
        .filter(|(_, tally)| tally.requests() > 0)
        .map(|(host, tally)| {
            pool.add(tally);
            Rated {
                host,
                tally,
                // In this order, as in Envoy: the other one rounds differently.
                rate: f64::from(tally.successes) * 100.0 / tally.requests() as f64,
            }
        })
        .collect();
    let mut accuse = |rated: &Rated, detector, evidence| {
        out.push(Accusation {
            host: rated.host,
            detector,
            evidence,
            like_its_peers: !pool.is_worse(rated.tally),
        });
    };

    if let Some(judged) = with_volume(
        &rated,
        policy.success_rate_request_volume,
        policy.success_rate_minimum_hosts,
    ) {
        let spread = Spread::of(&judged, policy.success_rate_stdev_factor);
        for host in judged.iter().filter(|host| host.rate < spread.threshold) {
            accuse(host, detectors.success_rate, spread.evidence(host.rate));
        }
    }
    if let Some(judged) = with_volume(
        &rated,
        policy.failure_percentage_request_volume,
        policy.failure_percentage_minimum_hosts,
    ) {
        let threshold = policy.failure_percentage_threshold;
        for host in judged {
            let percentage = 100.0 - host.rate;
            if percentage >= f64::from(threshold.get()) {
                let percentage = Hundredths::of(percentage);
                accuse(
                    &host,
                    detectors.failure_percentage,
                    Evidence::FailurePercentage { percentage, threshold },
                );
            }
        }
    }
}

/// The hosts with at least `volume` requests, if there are at least `minimum` of them, and any.
fn with_volume(rated: &[Rated], volume: u32, minimum: u32) -> Option<Vec<Rated>> {
    let hosts: Vec<Rated> = rated
        .iter()
        .filter(|host| host.tally.requests() >= u64::from(volume))
        .copied()
        .collect();
    (!hosts.is_empty() && hosts.len() >= minimum as usize).then_some(hosts)
}

/// How success rates lie, all in per cent.
struct Spread {
    mean: f64,
    deviation: f64,
    threshold: f64,
}

impl Spread {
    /// `factor` is in thousandths. `hosts` must not be empty: of none, nothing is below the threshold.
    fn of(hosts: &[Rated], factor: u32) -> Self {
        let count = hosts.len() as f64;
        let mean = hosts.iter().map(|host| host.rate).sum::<f64>() / count;
        // Of the whole population, not of a sample: divided by all of them.
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
