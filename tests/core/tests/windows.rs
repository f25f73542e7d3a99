//! What a window counts, and in which form it reaches other workers.

use sidestep::detect::{Evidence, Hundredths, Sketch, Tally, Window, WindowError};
use sidestep::model::{FailureOrigin, Outcome, Percent};
use sidestep_core::test;
use std::time::Duration;

const BAD_ANSWER: Outcome = Outcome::Failure(FailureOrigin::External { gateway: false });
const GATEWAY: Outcome = Outcome::Failure(FailureOrigin::External { gateway: true });
const NO_ANSWER: Outcome = Outcome::Failure(FailureOrigin::LocalOrigin);

/// Successes and failures of the external and of the local origin.
type Counts = [u32; 4];

fn counts(window: &Window) -> Counts {
    let Window {
        external, local_origin, ..
    } = window;
    [
        external.successes,
        external.failures,
        local_origin.successes,
        local_origin.failures,
    ]
}

#[test]
fn an_outcome_counts_where_envoy_counts_it() {
    for (outcome, together, split) in [
        (Outcome::Success, [1, 0, 0, 0], [1, 0, 1, 0]),
        (Outcome::Overload, [1, 0, 0, 0], [1, 0, 1, 0]),
        (BAD_ANSWER, [0, 1, 0, 0], [0, 1, 1, 0]),
        (GATEWAY, [0, 1, 0, 0], [0, 1, 1, 0]),
        (NO_ANSWER, [0, 1, 0, 0], [0, 0, 0, 1]),
        (Outcome::Ignored, [0; 4], [0; 4]),
    ] {
        for (is_split, expected) in [(false, together), (true, split)] {
            let mut window = Window::default();
            window.count(outcome, is_split);
            assert_eq!(counts(&window), expected, "{outcome:?}, split {is_split}");
            assert_eq!(window.is_empty(), outcome == Outcome::Ignored);
        }
    }
}

#[test]
fn an_answer_that_is_cut_short_counts_once_and_as_a_local_origin_failure() {
    for (split, expected) in [(false, [1, 1, 0, 0]), (true, [1, 0, 1, 1])] {
        let mut window = Window::default();
        window.count(Outcome::Success, split);
        window.count(Outcome::Success, split);
        window.revise_success_to_failure(split);
        assert_eq!(counts(&window), expected, "split {split}");
    }
}

#[test]
fn an_answer_of_an_earlier_interval_that_is_cut_short_is_a_failure_of_this_one() {
    for (split, expected) in [(false, [0, 1, 0, 0]), (true, [0, 0, 0, 1])] {
        let mut window = Window::default();
        window.revise_success_to_failure(split);
        assert_eq!(counts(&window), expected, "split {split}");
    }
}

#[test]
fn a_window_with_nothing_but_a_time_is_not_empty() {
    let mut window = Window::default();
    assert!(window.is_empty());
    window.times.add(Duration::from_millis(1));
    assert!(!window.is_empty());
}

#[test]
fn counts_stop_at_their_end() {
    let full = Tally {
        successes: u32::MAX,
        failures: u32::MAX,
    };
    let mut window = Window {
        external: full,
        local_origin: full,
        ..Window::default()
    };
    let before = window.clone();
    window.count(Outcome::Success, true);
    window.count(BAD_ANSWER, true);
    window.count(NO_ANSWER, true);
    window.merge(&before);
    assert_eq!(window, before);
    assert_eq!(full.requests(), 2 * u64::from(u32::MAX));
}

#[test]
fn what_two_workers_saw_adds_up() {
    let mut one = Window::default();
    one.count(Outcome::Success, true);
    one.times.add(Duration::from_millis(5));
    let mut other = Window::default();
    other.count(BAD_ANSWER, true);
    other.count(NO_ANSWER, true);
    other.times.add(Duration::from_millis(5));
    other.times.add(Duration::from_millis(50));
    one.merge(&other);
    assert_eq!(counts(&one), [1, 1, 2, 1]);
    assert_eq!(one.times.count(), 3);
}

fn millis(sketch: &Sketch, share: u64) -> Option<f64> {
    let share = Percent::new(share).expect("a percentage");
    Some(sketch.quantile(share)?.as_secs_f64() * 1000.0)
}

fn near(found: Option<f64>, exact: f64) -> bool {
    found.is_some_and(|found| (found - exact).abs() <= exact / 8.0)
}

#[test]
fn a_quantile_is_the_least_time_that_so_many_do_not_exceed() {
    let mut sketch = Sketch::default();
    assert_eq!(millis(&sketch, 50), None);
    for time in [10, 20, 40, 80] {
        sketch.add(Duration::from_millis(time));
    }
    for (share, exact) in [
        (0, 10.0),
        (1, 10.0),
        (25, 10.0),
        (26, 20.0),
        (50, 20.0),
        (51, 40.0),
        (75, 40.0),
        (76, 80.0),
        (100, 80.0),
    ] {
        assert!(
            near(millis(&sketch, share), exact),
            "{share} %: {:?}",
            millis(&sketch, share)
        );
    }
}

#[test]
fn what_is_too_quick_or_too_slow_counts_at_the_ends() {
    let ends = [
        (Duration::ZERO, Duration::from_nanos(1 << 17)),
        (Duration::from_nanos((1 << 17) - 1), Duration::from_nanos((5 << 15) - 1)),
        (Duration::from_nanos(1 << 36), Duration::from_nanos(7 << 33)),
        (Duration::MAX, Duration::from_nanos((1 << 36) - 1)),
    ];
    for (outside, inside) in ends {
        let (mut one, mut other) = (Sketch::default(), Sketch::default());
        one.add(outside);
        other.add(inside);
        assert_eq!(one, other, "{outside:?} {inside:?}");
    }
}

#[test]
fn a_bucket_begins_with_its_first_nanosecond() {
    let in_one_bucket = |one: u64, other: u64| {
        let (mut a, mut b) = (Sketch::default(), Sketch::default());
        a.add(Duration::from_nanos(one));
        b.add(Duration::from_nanos(other));
        a == b
    };
    for octave in 17..36 {
        for quarter in 4..8_u64 {
            let (begin, end) = (quarter << (octave - 2), (quarter + 1) << (octave - 2));
            assert!(in_one_bucket(begin, end - 1));
            assert_eq!(in_one_bucket(end - 1, end), end == 1 << 36);
        }
    }
}

#[test]
fn a_full_bucket_stays_full() {
    let mut sketch = Sketch::default();
    sketch.add(Duration::from_millis(1));
    for _ in 0..17 {
        let copy = sketch.clone();
        sketch.merge(&copy);
    }
    assert_eq!(sketch.count(), 65_535);
    sketch.add(Duration::from_millis(1));
    assert_eq!(sketch.count(), 65_535);
    sketch.add(Duration::from_secs(1));
    assert_eq!(sketch.count(), 65_536);
}

fn encoded(window: &Window) -> Vec<u8> {
    let mut bytes = Vec::new();
    window.encode(&mut bytes);
    bytes
}

fn decoded(mut bytes: &[u8]) -> Result<Window, WindowError> {
    let window = Window::decode(&mut bytes)?;
    assert!(bytes.is_empty(), "all of it is one window");
    Ok(window)
}

#[test]
fn a_window_s_bytes_are_few_and_as_documented() {
    let mut window = Window::default();
    assert_eq!(encoded(&window), [0]);
    window.external = Tally {
        successes: 0x0102,
        failures: 3,
    };
    assert_eq!(encoded(&window), [1, 2, 1, 0, 0, 3, 0, 0, 0]);
    window.external = Tally::default();
    window.local_origin.failures = 1;
    // 2 ms: the fourth octave from 2^17 ns on, its last quarter (1.83 to 2.10 ms). And the last bucket of all.
    window.times.add(Duration::from_millis(2));
    for _ in 0..300 {
        window.times.add(Duration::MAX);
    }
    assert_eq!(encoded(&window), [6, 0, 0, 0, 0, 1, 0, 0, 0, 2, 15, 1, 0, 75, 44, 1]);
}

#[test]
fn the_largest_window_takes_as_much_as_it_may() {
    let full = Tally {
        successes: u32::MAX,
        failures: u32::MAX,
    };
    let mut window = Window {
        external: full,
        local_origin: full,
        ..Window::default()
    };
    for octave in 17..36 {
        for quarter in 4..8_u64 {
            window.times.add(Duration::from_nanos(quarter << (octave - 2)));
        }
    }
    assert_eq!(encoded(&window).len(), Window::MAX_BYTES);
    assert_eq!(decoded(&encoded(&window)), Ok(window));
}

#[test]
fn bytes_that_nothing_writes_are_no_window() {
    for bytes in [
        // An unknown flag.
        &[8][..],
        // Tallies and times that count nothing.
        &[1, 0, 0, 0, 0, 0, 0, 0, 0],
        &[2, 0, 0, 0, 0, 0, 0, 0, 0],
        &[4, 0],
        // A bucket that counts nothing, one that is none, one twice, and two in the wrong order.
        &[4, 1, 7, 0, 0],
        &[4, 2, 7, 1, 0, 8, 0, 0],
        &[4, 1, 76, 1, 0],
        &[4, 2, 7, 1, 0, 7, 1, 0],
        &[4, 2, 7, 1, 0, 6, 1, 0],
    ] {
        assert!(matches!(decoded(bytes), Err(WindowError::Unknown(_))), "{bytes:?}");
    }
}

#[test]
fn a_window_that_is_cut_is_no_window() {
    let mut window = Window::default();
    window.count(Outcome::Success, true);
    window.times.add(Duration::from_millis(1));
    window.times.add(Duration::from_secs(1));
    let bytes = encoded(&window);
    for cut in 0..bytes.len() {
        assert_eq!(decoded(&bytes[..cut]), Err(WindowError::Short), "{cut}");
    }
}

#[test]
fn windows_that_follow_each_other_are_read_one_by_one() {
    let mut windows = vec![Window::default(); 3];
    windows[0].times.add(Duration::from_millis(1));
    windows[2].count(BAD_ANSWER, false);
    let mut bytes = Vec::new();
    for window in &windows {
        window.encode(&mut bytes);
    }
    let mut input = &bytes[..];
    for window in &windows {
        assert_eq!(Window::decode(&mut input).as_ref(), Ok(window));
    }
    assert!(input.is_empty());
}

#[test]
fn evidence_reads_as_part_of_a_log_line() {
    let (ms, us) = (Duration::from_millis, Duration::from_micros);
    for (evidence, text) in [
        (Evidence::Count { threshold: 5 }, "reached 5"),
        (
            Evidence::SuccessRate {
                rate: Hundredths::of(80.0),
                threshold: Hundredths::of(86.6),
                mean: Hundredths::of(98.0),
                deviation: Hundredths::of(6.0),
            },
            "success rate 80.00 % is below 86.60 % (mean 98.00 %, standard deviation 6.00)",
        ),
        (
            Evidence::FailurePercentage {
                percentage: Hundredths::of(90.0),
                threshold: Percent::new(85).expect("a percentage"),
            },
            "failure percentage 90.00 % reaches 85 %",
        ),
        (
            Evidence::Slow {
                typical: ms(210),
                peers: ms(21),
            },
            "typical time 210ms is 10.0 times its peers' 21ms",
        ),
        (
            Evidence::Slow {
                typical: us(61_999),
                peers: us(9_999),
            },
            "typical time 61ms is 6.2 times its peers' 9.99ms",
        ),
        (
            Evidence::OverThreshold {
                typical: ms(1_250),
                threshold: ms(1_000),
                peers: us(150),
            },
            "typical time 1250ms is over 1s, its peers' is 0.15ms",
        ),
        (Evidence::Probation, "failed its probation"),
        (Evidence::Probes { count: 3 }, "3 probes failed in a row"),
        (Evidence::Control, "by manual control"),
    ] {
        assert_eq!(evidence.to_string(), text);
    }
}

#[test]
fn a_number_of_two_decimals_is_the_nearest_one() {
    for (value, text) in [
        (0.0, "0.00"),
        (-3.0, "0.00"),
        (f64::NAN, "0.00"),
        (0.004, "0.00"),
        (0.006, "0.01"),
        (16.666_666, "16.67"),
        (100.0, "100.00"),
    ] {
        assert_eq!(Hundredths::of(value).to_string(), text);
    }
}
