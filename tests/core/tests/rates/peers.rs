//! Whom the formulas name, but who is like its peers; and who is not.

use super::{Counts, NOBODY, accused, cleared, external, judged};
use sidestep::config::OutlierDetection;
use sidestep::detect::Detector;
use sidestep::model::Entropy;
use sidestep_core::test;

#[test]
fn where_all_fail_alike_nobody_goes() {
    let policy = OutlierDetection::default();
    for counts in [[(0, 1000); 6], [(100, 900); 6]] {
        assert_eq!(accused(&counts, Detector::FailurePercentage, &policy), NOBODY);
        assert_eq!(
            cleared(&counts, Detector::FailurePercentage, &policy),
            [0, 1, 2, 3, 4, 5]
        );
        assert_eq!(accused(&counts, Detector::SuccessRate, &policy), NOBODY);
    }
}

#[test]
fn a_bound_that_most_of_its_peers_reach_too_accuses_nobody() {
    let policy = OutlierDetection::default();
    // Those that fail most surely do worse than the others, but it is no longer they who are the trouble.
    let (down, bad, good) = ((0, 1000), (100, 900), (1000, 0));
    assert_eq!(
        accused(&[down, down, down, good, good], Detector::FailurePercentage, &policy),
        [0, 1, 2]
    );
    assert_eq!(
        cleared(&[down, down, down, down, good], Detector::FailurePercentage, &policy),
        [0, 1, 2, 3]
    );
    assert_eq!(
        cleared(&[bad, bad, bad, bad, down], Detector::FailurePercentage, &policy),
        [0, 1, 2, 3, 4]
    );
    // Of six hosts three reach it, then four: two of the five peers of each of them, then three.
    let counts = |down_too: usize| [vec![down; down_too], vec![good; 6 - down_too]].concat();
    assert_eq!(accused(&counts(3), Detector::FailurePercentage, &policy), [0, 1, 2]);
    assert_eq!(accused(&counts(4), Detector::FailurePercentage, &policy), NOBODY);
}

#[test]
fn a_host_that_chance_explains_is_like_its_peers() {
    let policy = OutlierDetection::default();
    // A hundred requests beside four times a hundred good ones. The ratio in nats is
    // f ln 5 + (100 - f) ln((100 - f) / (100 - f / 5)) + 400 ln(100 / (100 - f / 5)): 14.8 for 9 failures, 16.5 for 10.
    let beside_good = |failures| [(100, 0), (100, 0), (100, 0), (100, 0), (100 - failures, failures)];
    for failures in 1..=9 {
        assert_eq!(
            cleared(&beside_good(failures), Detector::SuccessRate, &policy),
            [4],
            "{failures}"
        );
    }
    for failures in 10..=100 {
        assert_eq!(
            accused(&beside_good(failures), Detector::SuccessRate, &policy),
            [4],
            "{failures}"
        );
    }
}

#[test]
fn few_requests_to_the_peers_say_little_about_their_rate() {
    // 1.8 % of 1,000 against none of 400: if the peers' rate were taken for known, one request in 402, this would be 20 nats.
    let counts = [(982, 18), (100, 0), (100, 0), (100, 0), (100, 0)];
    let policy = OutlierDetection::default();
    assert_eq!(cleared(&counts, Detector::SuccessRate, &policy), [0]);
    // With ten times as much to go by on both sides it is none.
    let counts = [(9820, 180), (1000, 0), (1000, 0), (1000, 0), (1000, 0)];
    assert_eq!(accused(&counts, Detector::SuccessRate, &policy), [0]);
}

#[test]
fn peers_are_peers_even_without_volume_and_a_host_without_any_is_like_them() {
    let policy = OutlierDetection {
        failure_percentage_minimum_hosts: 1,
        ..OutlierDetection::default()
    };
    assert_eq!(cleared(&[(0, 1000)], Detector::FailurePercentage, &policy), [0]);
    assert_eq!(cleared(&[(0, 1000), (0, 0)], Detector::FailurePercentage, &policy), [0]);
    assert_eq!(
        cleared(&[(0, 1000), (0, 49)], Detector::FailurePercentage, &policy),
        [0]
    );
    assert_eq!(
        accused(&[(0, 1000), (49, 0)], Detector::FailurePercentage, &policy),
        [0]
    );
}

/// How many of `requests` fail if each does with chance `rate`: draws the gaps between failures.
fn draw_failures(requests: u32, rate: f64, entropy: &mut Entropy) -> u32 {
    let (mut at, mut failures) = (0.0, 0);
    loop {
        // From above 0 to 1.
        let uniform = ((entropy.draw() >> 11) + 1) as f64 / (1_u64 << 53) as f64;
        at += (uniform.ln() / (1.0 - rate).ln()).floor() + 1.0;
        if at > f64::from(requests) {
            return failures;
        }
        failures += 1;
    }
}

fn draw(requests: u32, rate: f64, entropy: &mut Entropy) -> Counts {
    let failures = draw_failures(requests, rate, entropy);
    (requests - failures, failures)
}

#[test]
fn equal_hosts_with_errors_at_random_all_stay() {
    let mut entropy = Entropy::seeded(1);
    let policy = OutlierDetection::default();
    let mut formula_accused = 0;
    for _ in 0..10_000 {
        let counts: Vec<Counts> = (0..20)
            .map(|_| draw(100 + entropy.below(901) as u32, 0.01, &mut entropy))
            .collect();
        let found = judged(&external(&counts), &policy);
        assert!(found.iter().all(|found| found.like_its_peers), "{counts:?}");
        formula_accused += usize::from(!found.is_empty());
    }
    // Envoy's formula alone would have ejected somebody in seven intervals of ten.
    assert!(formula_accused > 7_000, "{formula_accused}");
}

#[test]
fn a_busy_host_among_idle_ones_stays_if_it_is_their_equal() {
    let mut entropy = Entropy::seeded(2);
    let policy = OutlierDetection::default();
    for _ in 0..10_000 {
        let mut counts = vec![draw(1000, 0.05, &mut entropy)];
        counts.extend((0..4).map(|_| draw(100, 0.05, &mut entropy)));
        assert_eq!(accused(&counts, Detector::SuccessRate, &policy), NOBODY, "{counts:?}");
    }
}

#[test]
fn a_host_that_is_really_worse_goes_in_its_first_interval() {
    let mut entropy = Entropy::seeded(3);
    let policy = OutlierDetection::default();
    let mut caught = 0;
    for _ in 0..1_000 {
        let mut counts: Vec<Counts> = (0..9).map(|_| draw(100, 0.001, &mut entropy)).collect();
        counts.push(draw(100, 0.2, &mut entropy));
        let found = accused(&counts, Detector::SuccessRate, &policy);
        assert!(found.is_empty() || found == [9], "{counts:?}");
        caught += found.len();
    }
    assert!(caught >= 990, "{caught}");
}
