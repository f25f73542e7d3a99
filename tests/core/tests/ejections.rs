//! One host's ejections: how long, how often, and when they are over.

use sidestep::config::{ClusterPolicy, OutlierDetection};
use sidestep::detect::Detector;
use sidestep::health::{Attempt, ClusterTable, EjectionRefusal, Event};
use sidestep::model::{Entropy, FailureOrigin, HostAddr, Outcome, Percent, Timestamp};
use sidestep_core::test;
use std::time::Duration;

const E503: Outcome = Outcome::Failure(FailureOrigin::External { gateway: true });
const SECOND: Duration = Duration::from_secs(1);

fn host(number: u16) -> HostAddr {
    HostAddr::from(std::net::SocketAddr::from(([10, 0, 0, 1], number)))
}

/// A cluster of some hosts on a clock of its own, with one failure enough to eject.
struct Bench {
    table: ClusterTable,
    policy: ClusterPolicy,
    now: Timestamp,
    entropy: Entropy,
}

impl Bench {
    fn new(hosts: u16, detection: OutlierDetection) -> Self {
        let policy = ClusterPolicy {
            hosts: (1..=hosts).map(host).collect(),
            outlier_detection: OutlierDetection {
                consecutive_5xx: 1,
                consecutive_gateway_failure: 0,
                ..detection
            },
            ..ClusterPolicy::default()
        };
        let mut table = ClusterTable::default();
        table.add_configured(&policy);
        Self {
            table,
            policy,
            now: Timestamp::from_nanos(1_000_000_000_000),
            entropy: Entropy::seeded(1),
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now = self.now.after(time);
    }

    fn attempt(&mut self, number: u16, outcome: Outcome) -> Vec<Event> {
        self.attempt_begun(number, outcome, self.now)
    }

    fn attempt_begun(&mut self, number: u16, outcome: Outcome, began: Timestamp) -> Vec<Event> {
        let attempt = Attempt {
            host: host(number),
            began,
            outcome,
            seen: true,
        };
        self.table
            .record(&attempt, &self.policy, self.now, &mut self.entropy)
            .events
    }

    /// Lets a host fail and says for how long it is ejected.
    fn fail(&mut self, number: u16) -> Option<Duration> {
        self.pass(Duration::from_nanos(1));
        self.attempt(number, E503).iter().find_map(|event| match event {
            Event::Ejected { duration, .. } => Some(*duration),
            _ => None,
        })
    }

    fn refusal(&mut self, number: u16) -> Option<EjectionRefusal> {
        self.pass(Duration::from_nanos(1));
        self.attempt(number, E503).iter().find_map(|event| match event {
            Event::Refused { reason, .. } => Some(*reason),
            _ => None,
        })
    }

    fn available(&self, number: u16) -> bool {
        self.table
            .get(host(number))
            .is_some_and(|host| host.is_available(self.now))
    }
}

#[test]
fn the_nth_ejection_lasts_n_times_the_base_up_to_the_maximum() {
    let mut bench = Bench::new(
        3,
        OutlierDetection {
            base_ejection_time: 30 * SECOND,
            max_ejection_time: 100 * SECOND,
            interval: 1000 * SECOND,
            ..OutlierDetection::default()
        },
    );
    for seconds in [30, 60, 90, 100, 100] {
        assert_eq!(bench.fail(1), Some(seconds * SECOND));
        bench.pass(seconds * SECOND);
    }
}

#[test]
fn each_interval_without_failures_takes_one_from_the_multiplier() {
    let mut bench = Bench::new(
        3,
        OutlierDetection {
            interval: 10 * SECOND,
            ..OutlierDetection::default()
        },
    );
    for seconds in [30, 60, 90] {
        assert_eq!(bench.fail(1), Some(seconds * SECOND));
        bench.pass(seconds * SECOND);
    }
    // Two whole intervals and a bit after the third ejection's end: 3 - 2 + 1.
    bench.pass(25 * SECOND);
    assert_eq!(bench.fail(1), Some(60 * SECOND));
    bench.pass(60 * SECOND);
    bench.pass(1000 * SECOND);
    assert_eq!(bench.fail(1), Some(30 * SECOND));
}

#[test]
fn past_the_maximum_the_multiplier_grows_no_further_so_that_it_can_fall() {
    let mut bench = Bench::new(
        3,
        OutlierDetection {
            base_ejection_time: 30 * SECOND,
            max_ejection_time: 60 * SECOND,
            interval: 10 * SECOND,
            ..OutlierDetection::default()
        },
    );
    for _ in 0..20 {
        bench.fail(1);
        bench.pass(60 * SECOND);
    }
    bench.pass(20 * SECOND);
    assert_eq!(bench.fail(1), Some(30 * SECOND));
}

#[test]
fn an_ejected_host_is_back_exactly_when_its_time_is_over() {
    let mut bench = Bench::new(2, OutlierDetection::default());
    assert_eq!(bench.fail(1), Some(30 * SECOND));
    bench.pass(30 * SECOND - Duration::from_nanos(1));
    assert!(!bench.available(1));
    bench.pass(Duration::from_nanos(1));
    assert!(bench.available(1));
}

#[test]
fn jitter_lengthens_an_ejection_by_up_to_its_bound_and_not_always_alike() {
    let mut bench = Bench::new(
        2,
        OutlierDetection {
            max_ejection_time_jitter: 10 * SECOND,
            ..OutlierDetection::default()
        },
    );
    let mut durations = Vec::new();
    for _ in 0..50 {
        let duration = bench.fail(1).unwrap_or_default();
        assert!((30 * SECOND..=40 * SECOND).contains(&duration), "{duration:?}");
        durations.push(duration);
        bench.pass(10_000 * SECOND);
    }
    durations.sort();
    durations.dedup();
    assert!(durations.len() > 40);
}

#[test]
fn stragglers_of_before_an_ejection_neither_prolong_it_nor_count_after_it() {
    let mut bench = Bench::new(3, OutlierDetection::default());
    let before = bench.now;
    assert_eq!(bench.fail(1), Some(30 * SECOND));
    assert_eq!(bench.attempt_begun(1, E503, before), []);
    let at_the_same_moment = bench.now;
    bench.pass(30 * SECOND);
    assert!(bench.available(1));
    let events = bench.attempt_begun(1, E503, before);
    assert!(
        !events.iter().any(|event| matches!(event, Event::Ejected { .. })),
        "{events:?}"
    );
    assert_eq!(bench.attempt_begun(1, E503, at_the_same_moment), []);
    assert_eq!(bench.fail(1), Some(60 * SECOND));
}

#[test]
fn the_last_available_host_stays_and_a_lone_one_always() {
    let mut bench = Bench::new(1, OutlierDetection::default());
    assert_eq!(bench.refusal(1), Some(EjectionRefusal::LastHost));
    let mut bench = Bench::new(
        2,
        OutlierDetection {
            max_ejection_percent: Percent::ALL,
            ..OutlierDetection::default()
        },
    );
    assert!(bench.fail(1).is_some());
    assert_eq!(bench.refusal(2), Some(EjectionRefusal::LastHost));
}

#[test]
fn half_of_four_may_go_and_when_one_is_back_another_may() {
    let mut bench = Bench::new(4, OutlierDetection::default());
    assert!(bench.fail(1).is_some());
    bench.pass(SECOND);
    assert!(bench.fail(2).is_some());
    assert_eq!(bench.refusal(3), Some(EjectionRefusal::MaxEjectionPercent));
    bench.pass(29 * SECOND);
    assert!(bench.available(1) && !bench.available(2));
    assert!(bench.fail(3).is_some());
}

#[test]
fn a_detector_that_only_reports_ejects_nobody_and_says_so() {
    let mut bench = Bench::new(
        3,
        OutlierDetection {
            enforcing_consecutive_5xx: Percent::NONE,
            ..OutlierDetection::default()
        },
    );
    assert_eq!(bench.refusal(1), Some(EjectionRefusal::NotEnforced));
    assert!(bench.available(1));
}

#[test]
fn a_share_of_zero_ejects_nobody() {
    let mut bench = Bench::new(
        10,
        OutlierDetection {
            max_ejection_percent: Percent::NONE,
            ..OutlierDetection::default()
        },
    );
    assert_eq!(bench.refusal(1), Some(EjectionRefusal::MaxEjectionPercent));
}

#[test]
fn a_clock_set_back_keeps_an_ejection_at_its_length() {
    let mut bench = Bench::new(3, OutlierDetection::default());
    assert!(bench.fail(1).is_some());
    bench.now = Timestamp::from_nanos(500_000_000_000);
    assert!(bench.table.settle(&bench.policy, bench.now).changed);
    bench.pass(30 * SECOND - Duration::from_nanos(1));
    assert!(!bench.available(1));
    bench.pass(Duration::from_nanos(1));
    assert!(bench.available(1));
}

#[test]
fn a_host_that_nobody_configured_is_forgotten_when_it_is_not_seen_for_long() {
    let mut bench = Bench::new(2, OutlierDetection::default());
    let stranger = host(77);
    let _ = bench.table.learn(stranger, bench.now, &bench.policy);
    let forget_after = bench.policy.picking.forget_after;
    bench.pass(forget_after - SECOND);
    let _ = bench.table.settle(&bench.policy, bench.now);
    assert!(bench.table.get(stranger).is_some());
    bench.pass(SECOND);
    assert!(bench.table.settle(&bench.policy, bench.now).changed);
    assert_eq!(bench.table.get(stranger), None);
    assert_eq!(bench.table.hosts().len(), 2);
}

#[test]
fn a_full_table_takes_no_host_on_and_says_so() {
    let mut bench = Bench::new(2, OutlierDetection::default());
    bench.policy.picking.max_hosts = 2;
    assert_eq!(bench.attempt(77, E503), [Event::Full { host: host(77) }]);
    assert_eq!(bench.table.hosts().len(), 2);
}

#[test]
fn a_table_survives_its_record_and_every_cut_or_foreign_record_is_refused() {
    let mut bench = Bench::new(3, OutlierDetection::default());
    let _ = bench.table.learn(
        HostAddr::from(std::net::SocketAddr::from(([1; 8], 443))),
        bench.now,
        &bench.policy,
    );
    bench.fail(1);
    bench.policy.outlier_detection.consecutive_5xx = 9;
    bench.fail(2);
    let record = bench.table.encode();
    assert_eq!(ClusterTable::decode(&record), Ok(bench.table.clone()));
    // A cut between two hosts is a shorter table; nothing else is a table at all.
    let whole = (0..record.len())
        .filter(|cut| ClusterTable::decode(&record[..*cut]).is_ok())
        .count();
    assert_eq!(whole, bench.table.hosts().len());
    let mut foreign = record;
    foreign[0] = 2;
    assert!(ClusterTable::decode(&foreign).is_err());
}

#[test]
fn every_detector_survives_the_record() {
    for detector in Detector::ALL {
        assert_eq!(Detector::ALL.get(detector as usize), Some(&detector));
    }
}

#[test]
fn a_host_that_was_never_seen_is_not_blamed_for_what_was_only_sent_to_it() {
    let mut bench = Bench::new(3, OutlierDetection::default());
    let sent = |bench: &Bench| Attempt {
        host: host(1),
        began: bench.now,
        outcome: E503,
        seen: false,
    };
    let attempt = sent(&bench);
    let change = bench
        .table
        .record(&attempt, &bench.policy, bench.now, &mut bench.entropy);
    assert_eq!((change.changed, change.events), (false, vec![]));
    let _ = bench.table.learn(host(1), bench.now, &bench.policy);
    bench.pass(SECOND);
    let attempt = sent(&bench);
    let change = bench
        .table
        .record(&attempt, &bench.policy, bench.now, &mut bench.entropy);
    assert!(matches!(change.events[..], [Event::Ejected { .. }]), "{change:?}");
}
