//! Slow hosts: those that answer well and late, which no count of failures sees.
//!
//! What is slow depends on what is asked, so a host is measured by its peers, who are asked the same: its typical time
//! against the median of theirs. The median, because one more slow host must not hide this one; and a least difference,
//! because five times almost nothing is almost nothing. Where all are slow alike nobody is slow.

use super::{Accusation, Detector, Evidence, Window};
use crate::config::{OutlierDetection, Slow};
use crate::model::HostAddr;
use std::time::Duration;

/// Adds the accusations to `out`.
pub(super) fn accuse(hosts: &[(HostAddr, &Window)], policy: &OutlierDetection, out: &mut Vec<Accusation>) {
    let slow = &policy.slow;
    let typical: Vec<(HostAddr, Duration)> = hosts
        .iter()
        .filter(|(_, window)| window.times.count() >= slow.request_volume)
        .filter_map(|(host, window)| Some((*host, window.times.quantile(slow.percentile)?)))
        .collect();
    if typical.len() < slow.minimum_hosts as usize {
        return;
    }
    let mut sorted: Vec<Duration> = typical.iter().map(|(_, time)| *time).collect();
    sorted.sort_unstable();
    // For a host that is slower, this is the median of its peers, that is of all but itself: of two in the middle the upper
    // one, which accuses less. And a host that is no slower than this is no slower than its peers' median.
    let Some(peers) = sorted.get(sorted.len().saturating_sub(1) / 2) else {
        return;
    };
    for (host, time) in typical {
        if let Some(evidence) = compare(time, *peers, slow) {
            out.push(Accusation {
                host,
                detector: Detector::Slow,
                evidence,
                like_its_peers: false,
            });
        }
    }
}

/// What is wrong with a typical time, against the median of the peers'.
fn compare(typical: Duration, peers: Duration, slow: &Slow) -> Option<Evidence> {
    if typical <= peers || typical - peers < slow.minimum_difference {
        return None;
    }
    if typical.as_nanos() * 1000 >= peers.as_nanos() * u128::from(slow.factor) {
        return Some(Evidence::Slow { typical, peers });
    }
    slow.threshold
        .filter(|threshold| typical > *threshold && peers <= *threshold)
        .map(|threshold| Evidence::OverThreshold {
            typical,
            threshold,
            peers,
        })
}
