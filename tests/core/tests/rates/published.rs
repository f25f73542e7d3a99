//! Envoy's formulas with the numbers of its tests and of gRPC's proposal, and at their boundaries.

use super::{Counts, NOBODY, accused, cleared, external, host, judged, tally};
use sidestep::config::OutlierDetection;
use sidestep::detect::{Accusation, Detector, Evidence, Hundredths, Window};
use sidestep::model::Percent;
use sidestep_core::test;

fn percent(value: u64) -> Percent {
    Percent::new(value).expect("a percentage")
}

/// What the success-rate detector makes of some hosts.
struct SuccessRate {
    source: &'static str,
    counts: &'static [Counts],
    factor: u32,
    /// Mean, standard deviation and threshold, if anybody is below it.
    spread: [f64; 3],
    /// The hosts below it, with their rates.
    finds: &'static [(usize, f64)],
}

const SUCCESS_RATES: &[SuccessRate] = &[
    SuccessRate {
        // Also the example in the comment of `successRateEjectionThreshold`.
        source: "Envoy, outlier_detection_impl_test.cc, SRThreshold and BasicFlowSuccessRateExternalOrigin",
        counts: &[(200, 0), (200, 0), (200, 0), (200, 0), (200, 200)],
        factor: 1900,
        spread: [90.0, 20.0, 52.0],
        finds: &[(4, 50.0)],
    },
    SuccessRate {
        source: "Envoy, the same test: four hosts have 25 requests and the fifth has 50",
        counts: &[(25, 0), (25, 0), (25, 0), (25, 0), (25, 25)],
        factor: 1900,
        spread: [0.0; 3],
        finds: &[],
    },
    SuccessRate {
        source: "by hand: mean 98, variance (18^2 + 9 x 2^2) / 10 = 36",
        counts: &[
            (100, 0),
            (100, 0),
            (80, 20),
            (100, 0),
            (100, 0),
            (100, 0),
            (100, 0),
            (100, 0),
            (100, 0),
            (100, 0),
        ],
        factor: 1900,
        spread: [98.0, 6.0, 86.6],
        finds: &[(2, 80.0)],
    },
    SuccessRate {
        source: "by hand: a deviation of a sample would be 8.94, its threshold 79.0, and nobody below",
        counts: &[(80, 20), (100, 0), (100, 0), (100, 0), (100, 0)],
        factor: 1900,
        spread: [96.0, 8.0, 80.8],
        finds: &[(0, 80.0)],
    },
    SuccessRate {
        source: "gRPC proposal A50, success rate, step 2: fractions count, not requests: 1,000 requests weigh as much as 100",
        counts: &[(500, 500), (100, 0), (100, 0), (100, 0), (100, 0)],
        factor: 1900,
        spread: [90.0, 20.0, 52.0],
        finds: &[(0, 50.0)],
    },
    SuccessRate {
        source: "gRPC proposal A50, success rate, step 3.3: less than the threshold, so not at it: 90 - 2.000 x 20 = 50",
        counts: &[(200, 200), (200, 0), (200, 0), (200, 0), (200, 0)],
        factor: 2000,
        spread: [0.0; 3],
        finds: &[],
    },
    SuccessRate {
        source: "gRPC proposal A50, success rate, step 3.3: a thousandth of a deviation more: 90 - 1.999 x 20 = 50.02",
        counts: &[(200, 200), (200, 0), (200, 0), (200, 0), (200, 0)],
        factor: 1999,
        spread: [90.0, 20.0, 50.02],
        finds: &[(0, 50.0)],
    },
    SuccessRate {
        source: "by hand: two that fail alike; variance (2 x 30^2 + 6 x 10^2) / 8 = 300",
        counts: &[
            (60, 40),
            (60, 40),
            (100, 0),
            (100, 0),
            (100, 0),
            (100, 0),
            (100, 0),
            (100, 0),
        ],
        factor: 1000,
        spread: [90.0, 17.32, 72.68],
        finds: &[(0, 60.0), (1, 60.0)],
    },
];

#[test]
fn success_rates_are_judged_with_the_published_numbers() {
    for row in SUCCESS_RATES {
        let policy = OutlierDetection {
            success_rate_stdev_factor: row.factor,
            failure_percentage_threshold: Percent::ALL,
            ..OutlierDetection::default()
        };
        let [mean, deviation, threshold] = row.spread.map(Hundredths::of);
        let expected: Vec<Accusation> = row
            .finds
            .iter()
            .map(|(at, rate)| Accusation {
                host: host(*at),
                detector: Detector::SuccessRate,
                evidence: Evidence::SuccessRate {
                    rate: Hundredths::of(*rate),
                    threshold,
                    mean,
                    deviation,
                },
                like_its_peers: false,
            })
            .collect();
        assert_eq!(judged(&external(row.counts), &policy), expected, "{}", row.source);
    }
}

/// What the failure-percentage detector makes of some hosts, with Envoy's defaults.
struct FailurePercentage {
    source: &'static str,
    counts: &'static [Counts],
    finds: &'static [(usize, f64)],
}

const FAILURE_PERCENTAGES: &[FailurePercentage] = &[
    FailurePercentage {
        source: "Envoy, outlier_detection_impl_test.cc, BasicFlowFailurePercentageExternalOrigin",
        counts: &[(50, 0), (50, 0), (50, 0), (50, 250), (50, 300)],
        finds: &[(4, 100.0 - 100.0 * 50.0 / 350.0)],
    },
    FailurePercentage {
        source: "Envoy, processSuccessRateEjections: at the threshold counts (A50 wants more than it)",
        counts: &[(100, 0), (100, 0), (100, 0), (100, 0), (15, 85)],
        finds: &[(4, 85.0)],
    },
    FailurePercentage {
        source: "the same, one request less",
        counts: &[(100, 0), (100, 0), (100, 0), (100, 0), (151, 849)],
        finds: &[],
    },
    FailurePercentage {
        source: "Envoy's default request volume is 50: at it",
        counts: &[(50, 0), (50, 0), (50, 0), (50, 0), (0, 50)],
        finds: &[(4, 100.0)],
    },
    FailurePercentage {
        source: "and below it; then there are only four with volume, too",
        counts: &[(50, 0), (50, 0), (50, 0), (50, 0), (50, 0), (0, 49)],
        finds: &[],
    },
    FailurePercentage {
        source: "Envoy's default of minimum hosts is 5: four with volume are too few",
        counts: &[(50, 0), (50, 0), (50, 0), (0, 50), (49, 0)],
        finds: &[],
    },
];

#[test]
fn failure_percentages_are_judged_with_the_published_numbers() {
    for row in FAILURE_PERCENTAGES {
        // Nothing is so far below the mean.
        let policy = OutlierDetection {
            success_rate_stdev_factor: 1_000_000,
            ..OutlierDetection::default()
        };
        let expected: Vec<Accusation> = row
            .finds
            .iter()
            .map(|(at, percentage)| Accusation {
                host: host(*at),
                detector: Detector::FailurePercentage,
                evidence: Evidence::FailurePercentage {
                    percentage: Hundredths::of(*percentage),
                    threshold: percent(85),
                },
                like_its_peers: false,
            })
            .collect();
        assert_eq!(judged(&external(row.counts), &policy), expected, "{}", row.source);
    }
}

#[test]
fn success_rate_looks_at_hosts_from_its_volume_on_and_only_if_they_are_enough() {
    let policy = OutlierDetection::default();
    let at = |bad: Counts, good: Counts, hosts: usize| {
        let mut counts = vec![good; hosts - 1];
        counts.push(bad);
        accused(&counts, Detector::SuccessRate, &policy)
    };
    // Envoy's defaults: 100 requests, 5 hosts.
    assert_eq!(at((50, 50), (100, 0), 5), [4]);
    assert_eq!(at((50, 49), (100, 0), 6), NOBODY);
    assert_eq!(at((50, 50), (100, 0), 4), NOBODY);
    assert_eq!(at((50, 50), (99, 0), 9), NOBODY);
}

#[test]
fn hosts_without_volume_leave_the_mean_and_the_deviation_alone() {
    let mut counts = vec![(200, 0), (200, 0), (200, 0), (200, 0), (200, 200)];
    let policy = OutlierDetection {
        failure_percentage_request_volume: 100,
        ..OutlierDetection::default()
    };
    let before = judged(&external(&counts), &policy);
    counts.extend([(0, 99), (99, 0), (0, 0)]);
    assert_eq!(judged(&external(&counts), &policy), before);
    assert_eq!(before.len(), 1);
}

#[test]
fn a_host_without_requests_has_no_rate_even_if_no_volume_is_asked_for() {
    let policy = OutlierDetection {
        success_rate_request_volume: 0,
        success_rate_minimum_hosts: 0,
        failure_percentage_request_volume: 0,
        failure_percentage_minimum_hosts: 0,
        failure_percentage_threshold: Percent::NONE,
        ..OutlierDetection::default()
    };
    assert_eq!(judged(&external(&[]), &policy), []);
    assert_eq!(judged(&external(&[(0, 0); 5]), &policy), []);
    // All others are accused of reaching 0 %, as in Envoy, and are like their peers.
    let counts = [(7, 0), (0, 0), (7, 0)];
    assert_eq!(cleared(&counts, Detector::FailurePercentage, &policy), [0, 2]);
    // Nor does it count in the mean.
    let counts = [(200, 0), (200, 0), (0, 0), (200, 0), (200, 0), (200, 200)];
    assert_eq!(accused(&counts, Detector::SuccessRate, &policy), [5]);
}

#[test]
fn the_local_origin_is_judged_by_its_own_counts_and_detectors_and_only_if_split() {
    // Envoy, outlier_detection_impl_test.cc, BasicFlowSuccessRateLocalOrigin, and nine in ten for the percentage.
    let local_origin = |successes, failures| Window {
        local_origin: tally((successes, failures)),
        ..Window::default()
    };
    let mut windows = vec![local_origin(200, 0); 9];
    windows.push(local_origin(20, 180));
    let split = OutlierDetection {
        split_external_local_origin_errors: true,
        ..OutlierDetection::default()
    };
    let detectors: Vec<_> = judged(&windows, &split)
        .iter()
        .map(|found| (found.host, found.detector, found.like_its_peers))
        .collect();
    assert_eq!(
        detectors,
        [
            (host(9), Detector::LocalOriginSuccessRate, false),
            (host(9), Detector::FailurePercentageLocalOrigin, false),
        ]
    );
    assert_eq!(judged(&windows, &OutlierDetection::default()), []);
}

#[test]
fn a_detector_that_only_reports_accuses_all_the_same() {
    let policy = OutlierDetection {
        enforcing_success_rate: Percent::NONE,
        enforcing_failure_percentage: Percent::NONE,
        ..OutlierDetection::default()
    };
    let counts = [(100, 0), (100, 0), (100, 0), (100, 0), (10, 90)];
    assert_eq!(accused(&counts, Detector::SuccessRate, &policy), [4]);
    assert_eq!(accused(&counts, Detector::FailurePercentage, &policy), [4]);
}

#[test]
fn the_worst_come_first_and_those_like_their_peers_last() {
    let policy = OutlierDetection {
        failure_percentage_threshold: percent(1),
        success_rate_stdev_factor: 500,
        split_external_local_origin_errors: true,
        ..OutlierDetection::default()
    };
    let mut windows = external(&[(1000, 0); 12]);
    for (at, counts) in [(1, (985, 15)), (3, (700, 300)), (5, (500, 500)), (7, (600, 400))] {
        windows[at].external = tally(counts);
    }
    for window in &mut windows {
        window.local_origin = tally((100, 0));
    }
    windows[9].local_origin = tally((45, 55));
    let found: Vec<_> = judged(&windows, &policy)
        .iter()
        .map(|found| (found.host.socket_addr().port(), found.detector, found.like_its_peers))
        .collect();
    assert_eq!(
        found,
        [
            (9, Detector::LocalOriginSuccessRate, false),
            (9, Detector::FailurePercentageLocalOrigin, false),
            (5, Detector::SuccessRate, false),
            (5, Detector::FailurePercentage, false),
            (7, Detector::SuccessRate, false),
            (7, Detector::FailurePercentage, false),
            (3, Detector::SuccessRate, false),
            (3, Detector::FailurePercentage, false),
            (1, Detector::FailurePercentage, true),
        ]
    );
}

#[test]
fn counts_as_high_as_they_get_are_judged() {
    let mut counts = vec![(u32::MAX, 0); 5];
    counts.push((0, u32::MAX));
    assert_eq!(
        accused(&counts, Detector::SuccessRate, &OutlierDetection::default()),
        [5]
    );
    assert_eq!(
        accused(&counts, Detector::FailurePercentage, &OutlierDetection::default()),
        [5]
    );
}
