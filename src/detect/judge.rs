//! The judgement on an interval: what all detectors that look at whole intervals make of the hosts' windows.

use super::{Detector, Evidence, Window, rates, slow};
use crate::config::OutlierDetection;
use crate::model::HostAddr;
use std::cmp::Reverse;

/// A detector holds that a host should go. Whether it goes, `enforcing_*` and the limits decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accusation {
    /// The host.
    pub host: HostAddr,
    /// The detector that accuses it.
    pub detector: Detector,
    /// Why.
    pub evidence: Evidence,
    /// The detector's formula accuses the host, but it does no worse than its peers, chance aside, or most of them reach
    /// the same bound: it must stay.
    pub like_its_peers: bool,
}

/// Judges the windows of one interval. `hosts` are a cluster's available hosts, each once.
///
/// Each host is accused at most once by each detector. The worst come first, so that where not all may go it is they who
/// do: hosts that fail, by their share of failures; then hosts that are slow, by how many times their peers' time they
/// take; and at the end those that are like their peers. Among equals the order of `hosts` stays.
///
/// A detector accuses even if its `enforcing_*` is 0: then its verdict is for the log.
pub fn judge(hosts: &[(HostAddr, &Window)], policy: &OutlierDetection) -> Vec<Accusation> {
    let mut accusations = Vec::new();
    let external = hosts.iter().map(|(host, window)| (*host, window.external));
    rates::accuse(external, rates::EXTERNAL, policy, &mut accusations);
    if policy.split_external_local_origin_errors {
        let local_origin = hosts.iter().map(|(host, window)| (*host, window.local_origin));
        rates::accuse(local_origin, rates::LOCAL_ORIGIN, policy, &mut accusations);
    }
    slow::accuse(hosts, policy, &mut accusations);
    accusations.sort_by_key(|accusation| (accusation.like_its_peers, Reverse(weight(&accusation.evidence))));
    accusations
}

/// How bad it is: failing is worse than slow, and a larger number is worse.
fn weight(evidence: &Evidence) -> (bool, u128) {
    /// 100 % in hundredths of a per cent.
    const ALL: u64 = 100 * 100;
    match *evidence {
        Evidence::SuccessRate { rate, .. } => (true, u128::from(ALL.saturating_sub(rate.get()))),
        Evidence::FailurePercentage { percentage, .. } => (true, u128::from(percentage.get())),
        Evidence::Slow { typical, peers } | Evidence::OverThreshold { typical, peers, .. } => {
            let times = (typical.as_nanos() * 1000).checked_div(peers.as_nanos());
            (false, times.unwrap_or(u128::MAX))
        }
        // No evidence of an interval.
        Evidence::Count { .. }
        | Evidence::Probation
        | Evidence::Probes { .. }
        | Evidence::Control
        | Evidence::Fleet { .. } => (false, 0),
    }
}
