//! Windows, sketches and the judgement on them, whatever they hold.

#![cfg(not(target_arch = "wasm32"))]

use proptest::prelude::*;
use sidestep::config::{OutlierDetection, Slow};
use sidestep::detect::{Detector, Evidence, Sketch, Tally, Window, judge};
use sidestep::model::{FailureOrigin, HostAddr, Outcome, Percent};
use std::collections::HashSet;
use std::time::Duration;

/// Durations that a sketch tells apart, each power of two as likely as any other.
fn in_range() -> impl Strategy<Value = Duration> {
    (17..36_u32).prop_flat_map(|octave| (1_u64 << octave..1 << (octave + 1)).prop_map(Duration::from_nanos))
}

fn any_duration() -> impl Strategy<Value = Duration> {
    prop_oneof![8 => in_range(), 1 => any::<u64>().prop_map(Duration::from_nanos), 1 => any::<Duration>()]
}

fn share() -> impl Strategy<Value = Percent> {
    (0..=100_u64).prop_map(|share| Percent::new(share).expect("a percentage"))
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        Just(Outcome::Success),
        Just(Outcome::Overload),
        Just(Outcome::Ignored),
        Just(Outcome::Failure(FailureOrigin::LocalOrigin)),
        any::<bool>().prop_map(|gateway| Outcome::Failure(FailureOrigin::External { gateway })),
    ]
}

fn tally() -> impl Strategy<Value = Tally> {
    let count = || prop_oneof![Just(0), 0..200_u32, any::<u32>()];
    (count(), count()).prop_map(|(successes, failures)| Tally { successes, failures })
}

fn sketch(times: &[Duration]) -> Sketch {
    let mut sketch = Sketch::default();
    times.iter().for_each(|time| sketch.add(*time));
    sketch
}

fn window() -> impl Strategy<Value = Window> {
    let times = prop::collection::vec(any_duration(), 0..40);
    (tally(), tally(), times).prop_map(|(external, local_origin, times)| Window {
        external,
        local_origin,
        times: sketch(&times),
    })
}

fn encoded(window: &Window) -> Vec<u8> {
    let mut bytes = Vec::new();
    window.encode(&mut bytes);
    bytes
}

fn host(number: usize) -> HostAddr {
    HostAddr::from(std::net::SocketAddr::from(([10, 0, 0, 1], number as u16)))
}

/// Thresholds so low that much is accused.
fn policy() -> impl Strategy<Value = OutlierDetection> {
    (
        any::<bool>(),
        0..3000_u32,
        (0..6_u32, 0..200_u32),
        (share(), 0..6_u32, 0..200_u32),
        (
            1000..6000_u32,
            prop::option::of(in_range()),
            share(),
            0..6_u32,
            0..30_u32,
        ),
    )
        .prop_map(|(split, factor, success_rate, percentage, slow)| OutlierDetection {
            split_external_local_origin_errors: split,
            success_rate_stdev_factor: factor,
            success_rate_minimum_hosts: success_rate.0,
            success_rate_request_volume: success_rate.1,
            failure_percentage_threshold: percentage.0,
            failure_percentage_minimum_hosts: percentage.1,
            failure_percentage_request_volume: percentage.2,
            slow: Slow {
                factor: slow.0,
                threshold: slow.1,
                percentile: slow.2,
                minimum_difference: Duration::from_millis(1),
                minimum_hosts: slow.3,
                request_volume: slow.4,
                ..Slow::default()
            },
            ..OutlierDetection::default()
        })
}

proptest! {
    #[test]
    fn a_quantile_is_at_most_an_eighth_from_the_exact_one(
        mut times in prop::collection::vec(in_range(), 1..300),
        share in share(),
    ) {
        let found = sketch(&times).quantile(share).expect("not empty");
        times.sort_unstable();
        let rank = (times.len() * usize::from(share.get())).div_ceil(100).max(1);
        let exact = times[rank - 1];
        prop_assert!(found.abs_diff(exact) * 8 <= exact, "{found:?} {exact:?}");
    }

    #[test]
    fn quantiles_grow_with_the_share(times in prop::collection::vec(any_duration(), 1..50)) {
        let sketch = sketch(&times);
        let shares = (0..=100).map(|share| sketch.quantile(Percent::new(share).expect("a percentage")));
        prop_assert!(shares.is_sorted());
    }

    #[test]
    fn sketches_add_up_to_the_sketch_of_all(
        one in prop::collection::vec(any_duration(), 0..100),
        other in prop::collection::vec(any_duration(), 0..100),
    ) {
        let mut merged = sketch(&one);
        merged.merge(&sketch(&other));
        prop_assert_eq!(merged.count() as usize, one.len() + other.len());
        prop_assert_eq!(merged, sketch(&[one, other].concat()));
    }

    #[test]
    fn windows_add_up_to_the_window_of_all(
        outcomes in prop::collection::vec((0..4_usize, outcome(), any_duration()), 0..100),
        split: bool,
    ) {
        let mut all = Window::default();
        let mut workers = vec![Window::default(); 4];
        for (worker, outcome, time) in outcomes {
            for window in [&mut all, &mut workers[worker]] {
                window.count(outcome, split);
                window.times.add(time);
            }
        }
        let mut merged = Window::default();
        workers.iter().rev().for_each(|window| merged.merge(window));
        prop_assert_eq!(merged, all);
    }

    #[test]
    fn a_window_survives_its_bytes_and_what_follows_is_left(window in window(), rest: Vec<u8>) {
        let mut bytes = encoded(&window);
        prop_assert!(bytes.len() <= Window::MAX_BYTES);
        bytes.extend(&rest);
        let mut input = &bytes[..];
        prop_assert_eq!(Window::decode(&mut input), Ok(window));
        prop_assert_eq!(input, &rest[..]);
    }

    #[test]
    fn bytes_are_the_one_form_of_a_window_or_none(
        window in window(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        noise: Vec<u8>,
    ) {
        let mut damaged = encoded(&window);
        for (at, byte) in damage {
            let at = at.index(damaged.len());
            damaged[at] = byte;
        }
        for bytes in [damaged, noise] {
            let mut input = &bytes[..];
            if let Ok(window) = Window::decode(&mut input) {
                let used = bytes.len() - input.len();
                prop_assert_eq!(encoded(&window), &bytes[..used]);
            }
        }
    }

    #[test]
    fn only_hosts_with_volume_are_accused_and_each_once_by_a_detector(
        windows in prop::collection::vec(window(), 0..12),
        policy in policy(),
    ) {
        let hosts: Vec<_> = windows.iter().enumerate().map(|(at, window)| (host(at), window)).collect();
        let found = judge(&hosts, &policy);
        let mut seen = HashSet::new();
        for found in &found {
            prop_assert!(seen.insert((found.host, found.detector)));
            let window = &windows[usize::from(found.host.socket_addr().port())];
            let (requests, volume) = match found.detector {
                Detector::SuccessRate => (window.external.requests(), policy.success_rate_request_volume),
                Detector::LocalOriginSuccessRate => {
                    prop_assert!(policy.split_external_local_origin_errors);
                    (window.local_origin.requests(), policy.success_rate_request_volume)
                }
                Detector::FailurePercentage => (window.external.requests(), policy.failure_percentage_request_volume),
                Detector::FailurePercentageLocalOrigin => {
                    prop_assert!(policy.split_external_local_origin_errors);
                    (window.local_origin.requests(), policy.failure_percentage_request_volume)
                }
                Detector::Slow => (u64::from(window.times.count()), policy.slow.request_volume),
                other => panic!("{other:?} looks at no interval"),
            };
            prop_assert!(requests >= u64::from(volume.max(1)), "{found:?}");
        }
        prop_assert!(found.is_sorted_by_key(|found| found.like_its_peers));
    }

    #[test]
    fn a_cluster_of_equal_hosts_loses_none(window in window(), count in 0..12_usize, policy in policy()) {
        let hosts: Vec<_> = (0..count).map(|at| (host(at), &window)).collect();
        let found = judge(&hosts, &policy);
        prop_assert!(found.iter().all(|found| found.like_its_peers), "{found:?}");
    }

    #[test]
    fn the_peers_median_is_that_of_the_others(
        times in prop::collection::vec(prop::collection::vec(any_duration(), 0..4), 0..9),
        policy in policy(),
    ) {
        let windows: Vec<_> = times
            .iter()
            .map(|times| Window { times: sketch(times), ..Window::default() })
            .collect();
        let hosts: Vec<_> = windows.iter().enumerate().map(|(at, window)| (host(at), window)).collect();
        let policy = OutlierDetection {
            slow: Slow { request_volume: 1, ..policy.slow },
            ..policy
        };
        for found in judge(&hosts, &policy) {
            let (Evidence::Slow { typical, peers } | Evidence::OverThreshold { typical, peers, .. }) = found.evidence
            else {
                panic!("{found:?}");
            };
            let mut others: Vec<_> = hosts
                .iter()
                .filter(|(host, _)| *host != found.host)
                .filter_map(|(_, window)| window.times.quantile(policy.slow.percentile))
                .collect();
            others.sort_unstable();
            prop_assert_eq!(peers, others[others.len() / 2]);
            let (_, own) = hosts.iter().find(|(host, _)| *host == found.host).expect("it is there");
            prop_assert_eq!(Some(typical), own.times.quantile(policy.slow.percentile));
        }
    }
}
