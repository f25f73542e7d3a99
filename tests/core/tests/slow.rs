//! Slow hosts: the typical time of an interval against the peers'.

use sidestep::config::{OutlierDetection, Slow};
use sidestep::detect::{Accusation, Detector, Evidence, Tally, Window, judge};
use sidestep::model::{HostAddr, Percent};
use sidestep_core::test;
use std::time::Duration;

const NOBODY: [usize; 0] = [];

fn host(number: usize) -> HostAddr {
    HostAddr::from(std::net::SocketAddr::from(([10, 0, 0, 1], number as u16)))
}

/// A time that a sketch keeps exactly, for it is the middle of a bucket: 2.36 ms times a power of two.
fn exact(doublings: u32) -> Duration {
    Duration::from_nanos(9 << (18 + doublings))
}

const NANO: Duration = Duration::from_nanos(1);

fn window(times: &[(u32, Duration)]) -> Window {
    let mut window = Window::default();
    for (count, time) in times {
        for _ in 0..*count {
            window.times.add(*time);
        }
    }
    window
}

/// Hosts that took these times, 20 requests each: as many as the default asks for.
fn hosts(times: &[Duration]) -> Vec<Window> {
    times.iter().map(|time| window(&[(20, *time)])).collect()
}

fn judged(windows: &[Window], slow: Slow) -> Vec<Accusation> {
    let hosts: Vec<_> = windows
        .iter()
        .enumerate()
        .map(|(at, window)| (host(at), window))
        .collect();
    let policy = OutlierDetection {
        slow,
        ..OutlierDetection::default()
    };
    judge(&hosts, &policy)
}

fn accused(windows: &[Window], slow: Slow) -> Vec<usize> {
    judged(windows, slow)
        .iter()
        .map(|found| usize::from(found.host.socket_addr().port()))
        .collect()
}

#[test]
fn a_host_many_times_slower_than_its_peers_is_accused_and_only_it() {
    let (fast, slow) = (exact(3), exact(7));
    assert_eq!(
        judged(&hosts(&[fast, fast, slow, fast]), Slow::default()),
        [Accusation {
            host: host(2),
            detector: Detector::Slow,
            evidence: Evidence::Slow {
                typical: slow,
                peers: fast,
            },
            like_its_peers: false,
        }]
    );
}

#[test]
fn where_all_are_slow_alike_nobody_is() {
    let bounded = Slow {
        threshold: Some(exact(0)),
        ..Slow::default()
    };
    for slow in [Slow::default(), bounded] {
        assert_eq!(accused(&hosts(&[exact(12); 5]), slow), NOBODY);
    }
}

#[test]
fn the_factor_is_reached_at_exactly_so_many_times() {
    let windows = hosts(&[exact(5), exact(5), exact(8)]);
    for (factor, expected) in [(8000, &[2][..]), (8001, &[])] {
        let slow = Slow {
            factor,
            ..Slow::default()
        };
        assert_eq!(accused(&windows, slow), expected, "{factor}");
    }
}

#[test]
fn a_difference_below_the_least_is_none_whatever_the_factor_or_the_bound() {
    let windows = hosts(&[exact(0), exact(0), exact(3)]);
    let difference = exact(3) - exact(0);
    for (threshold, factor) in [(None, 5000), (Some(exact(1)), 1_000_000)] {
        for (minimum_difference, expected) in [(difference, &[2][..]), (difference + NANO, &[])] {
            let slow = Slow {
                factor,
                threshold,
                minimum_difference,
                ..Slow::default()
            };
            assert_eq!(accused(&windows, slow), expected, "{minimum_difference:?}");
        }
    }
}

#[test]
fn a_host_over_the_bound_is_accused_if_its_peers_keep_it() {
    let (peers, typical) = (exact(6), exact(7));
    let windows = hosts(&[peers, peers, typical]);
    for (threshold, expected) in [
        (typical, false),
        (typical - NANO, true),
        (peers, true),
        (peers - NANO, false),
    ] {
        let slow = Slow {
            threshold: Some(threshold),
            ..Slow::default()
        };
        let evidence: Vec<_> = judged(&windows, slow).iter().map(|found| found.evidence).collect();
        let over = Evidence::OverThreshold {
            typical,
            threshold,
            peers,
        };
        assert_eq!(evidence, if expected { vec![over] } else { vec![] }, "{threshold:?}");
    }
}

#[test]
fn a_host_is_no_peer_of_itself() {
    let slow = || Slow {
        minimum_hosts: 2,
        ..Slow::default()
    };
    assert_eq!(accused(&hosts(&[exact(0), exact(8)]), slow()), [1]);
    let alone = Slow {
        minimum_hosts: 1,
        ..Slow::default()
    };
    assert_eq!(accused(&hosts(&[exact(8)]), alone), NOBODY);
}

#[test]
fn of_two_middle_peers_the_slower_one_counts() {
    let (fast, slow) = (exact(4), exact(7));
    assert_eq!(
        accused(&hosts(&[fast, fast, slow, slow, exact(9)]), Slow::default()),
        NOBODY
    );
    // With one more on the fast side the median is fast, and three are slow.
    assert_eq!(
        accused(&hosts(&[fast, fast, fast, fast, slow, slow, exact(9)]), Slow::default()),
        [6, 4, 5]
    );
}

#[test]
fn hosts_count_from_the_volume_on_and_only_if_they_are_enough() {
    let (fast, slow) = (exact(2), exact(8));
    let fewer = |time| window(&[(19, time)]);
    assert_eq!(
        accused(
            &[hosts(&[fast, fast, fast]), vec![fewer(slow)]].concat(),
            Slow::default()
        ),
        NOBODY
    );
    assert_eq!(
        accused(&[hosts(&[fast, slow]), vec![fewer(fast)]].concat(), Slow::default()),
        NOBODY
    );
    assert_eq!(accused(&hosts(&[fast, slow, fast]), Slow::default()), [1]);
    // Nor does who lacks it move the median.
    let windows = [hosts(&[fast, fast, slow]), vec![fewer(slow), fewer(slow), fewer(slow)]].concat();
    assert_eq!(accused(&windows, Slow::default()), [2]);
}

#[test]
fn without_a_volume_a_host_without_requests_still_has_no_typical_time() {
    let slow = Slow {
        request_volume: 0,
        minimum_hosts: 0,
        ..Slow::default()
    };
    assert_eq!(accused(&[], slow.clone()), NOBODY);
    assert_eq!(accused(&vec![Window::default(); 5], slow.clone()), NOBODY);
    let windows = [hosts(&[exact(2), exact(8)]), vec![Window::default(); 5]].concat();
    assert_eq!(accused(&windows, slow), [1]);
}

#[test]
fn the_percentile_says_what_is_typical() {
    let often = window(&[(85, exact(2)), (15, exact(8))]);
    let windows = [hosts(&[exact(2), exact(2)]), vec![often]].concat();
    for (percentile, expected) in [(50, &[][..]), (85, &[]), (86, &[2]), (99, &[2])] {
        let slow = Slow {
            percentile: Percent::new(percentile).expect("a percentage"),
            ..Slow::default()
        };
        assert_eq!(accused(&windows, slow), expected, "{percentile}");
    }
}

#[test]
fn the_slowest_come_first_and_after_those_that_fail() {
    let mut windows = hosts(&[exact(2), exact(8), exact(2), exact(9), exact(2), exact(2), exact(7)]);
    for window in &mut windows {
        window.external.successes = 100;
    }
    windows[5].external = Tally {
        successes: 70,
        failures: 30,
    };
    assert_eq!(accused(&windows, Slow::default()), [5, 3, 1, 6]);
}

#[test]
fn a_detector_that_only_reports_accuses_all_the_same() {
    let slow = Slow {
        enforcing: Percent::NONE,
        ..Slow::default()
    };
    assert_eq!(accused(&hosts(&[exact(2), exact(2), exact(8)]), slow), [2]);
}
