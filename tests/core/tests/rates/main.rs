//! Success rate and failure percentage: Envoy's arithmetic number for number, and who is left alone all the same.

mod peers;
mod published;

use sidestep::config::OutlierDetection;
use sidestep::detect::{Accusation, Detector, Tally, Window, judge};
use sidestep::model::HostAddr;

pub(crate) const NOBODY: [usize; 0] = [];

pub(crate) fn host(number: usize) -> HostAddr {
    HostAddr::from(std::net::SocketAddr::from(([10, 0, 0, 1], number as u16)))
}

/// Successes and failures of one host.
pub(crate) type Counts = (u32, u32);

pub(crate) fn tally((successes, failures): Counts) -> Tally {
    Tally { successes, failures }
}

/// Hosts 0, 1, 2, ... with these counts for the external origin.
pub(crate) fn external(counts: &[Counts]) -> Vec<Window> {
    let window = |counts: &Counts| Window {
        external: tally(*counts),
        ..Window::default()
    };
    counts.iter().map(window).collect()
}

pub(crate) fn judged(windows: &[Window], policy: &OutlierDetection) -> Vec<Accusation> {
    let hosts: Vec<_> = windows
        .iter()
        .enumerate()
        .map(|(at, window)| (host(at), window))
        .collect();
    judge(&hosts, policy)
}

/// Hosts that a detector accuses and that are to go for it.
pub(crate) fn accused(counts: &[Counts], detector: Detector, policy: &OutlierDetection) -> Vec<usize> {
    named(counts, detector, policy, false)
}

/// Hosts that a detector accuses, but that are like their peers.
pub(crate) fn cleared(counts: &[Counts], detector: Detector, policy: &OutlierDetection) -> Vec<usize> {
    named(counts, detector, policy, true)
}

fn named(counts: &[Counts], detector: Detector, policy: &OutlierDetection, like_its_peers: bool) -> Vec<usize> {
    let mut hosts: Vec<usize> = judged(&external(counts), policy)
        .iter()
        .filter(|found| found.detector == detector && found.like_its_peers == like_its_peers)
        .map(|found| usize::from(found.host.socket_addr().port()))
        .collect();
    hosts.sort_unstable();
    hosts
}
