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
    for (host, time) in typical {
        let evidence = median_without(&sorted, time).and_then(|peers| compare(time, peers, slow));
        if let Some(evidence) = evidence {
            out.push(Accusation {
                host,
                detector: Detector::Slow,
                evidence,
                like_its_peers: false,
            });
        }
    }
}

/// The median of all but one `own`, which is one of them; of two in the middle the upper one, which accuses less.
fn median_without(sorted: &[Duration], own: Duration) -> Option<Duration> {
    let middle = sorted.len().checked_sub(1)? / 2;
    // Without `own` all that come after it move down by one.
    let at = sorted.partition_point(|time| *time < own);
    sorted.get(if at <= middle { middle + 1 } else { middle }).copied()
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
