//! The ejection logic against a naive model: both take the same steps, and must agree on who is out and until when.
//!
//! The model keeps the whole story of each host and recounts it at every step, so it shares no arithmetic with the
//! real thing. Invariants that hold whatever the model says are checked after each step.

#![cfg(not(target_arch = "wasm32"))]

use proptest::prelude::*;
use sidestep::config::{ClusterPolicy, OutlierDetection};
use sidestep::health::{Attempt, ClusterTable};
use sidestep::model::{Entropy, FailureOrigin, HostAddr, Outcome, Percent, Timestamp};
use std::collections::BTreeMap;
use std::time::Duration;

#[derive(Clone, Debug)]
enum Step {
    /// An attempt at a host ends now; it began this many milliseconds ago.
    Attempt { host: u16, outcome: Kind, took: u64 },
    /// Time passes.
    Pass(u64),
    /// A worker's tick settles the table.
    Settle,
    /// The table goes through its record.
    Record,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Success,
    Error500,
    Error503,
    Reset,
    Overload,
    Ignored,
}

impl From<Kind> for Outcome {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Success => Self::Success,
            Kind::Error500 => Self::Failure(FailureOrigin::External { gateway: false }),
            Kind::Error503 => Self::Failure(FailureOrigin::External { gateway: true }),
            Kind::Reset => Self::Failure(FailureOrigin::LocalOrigin),
            Kind::Overload => Self::Overload,
            Kind::Ignored => Self::Ignored,
        }
    }
}

/// The whole story of one host.
#[derive(Default)]
struct Story {
    /// Outcomes since the counts last started anew.
    row: Vec<Kind>,
    /// From when to when it was out, and with which multiplier.
    ejections: Vec<(u64, u64, u64)>,
    /// When it failed while it was in.
    failures: Vec<u64>,
}

struct Model {
    hosts: BTreeMap<u16, Story>,
    policy: OutlierDetection,
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Model {
    fn is_out(&self, host: u16, now: u64) -> bool {
        let ejections = self
            .hosts
            .get(&host)
            .map(|story| &story.ejections[..])
            .unwrap_or_default();
        ejections.last().is_some_and(|(_, until, _)| now < *until)
    }

    fn out(&self, now: u64) -> usize {
        self.hosts.keys().filter(|host| self.is_out(**host, now)).count()
    }

    /// How many failures of the kinds in `counted` stand at the end of the row; kinds in `passed` don't matter.
    fn run(row: &[Kind], counted: &[Kind], passed: &[Kind]) -> u32 {
        let mut count = 0;
        for kind in row.iter().rev() {
            if counted.contains(kind) {
                count += 1;
            } else if !passed.contains(kind) {
                break;
            }
        }
        count
    }

    /// Whether a threshold is reached: at each multiple of it within the row.
    fn reached(count: u32, threshold: u32) -> bool {
        threshold != 0 && count != 0 && count.is_multiple_of(threshold)
    }

    fn attempt(&mut self, host: u16, kind: Kind, began: u64, now: u64) {
        if kind == Kind::Ignored || self.is_out(host, now) {
            return;
        }
        let straggler = self.hosts[&host].ejections.last().is_some_and(|(at, ..)| began <= *at);
        if straggler {
            return;
        }
        let split = self.policy.split_external_local_origin_errors;
        let story = self.hosts.get_mut(&host).expect("a known host");
        story.row.push(kind);
        if !matches!(kind, Kind::Success | Kind::Overload) {
            story.failures.push(now);
        }
        // What each detector counts, and what it does not even see.
        let (any, gateway, unseen): (&[Kind], &[Kind], &[Kind]) = if split {
            (&[Kind::Error500, Kind::Error503], &[Kind::Error503], &[Kind::Reset])
        } else {
            (
                &[Kind::Error500, Kind::Error503, Kind::Reset],
                &[Kind::Error503, Kind::Reset],
                &[],
            )
        };
        let mut verdicts = Vec::new();
        if gateway.contains(&kind)
            && Self::reached(
                Self::run(&story.row, gateway, unseen),
                self.policy.consecutive_gateway_failure,
            )
        {
            verdicts.push(self.policy.enforcing_consecutive_gateway_failure);
        }
        if any.contains(&kind) && Self::reached(Self::run(&story.row, any, unseen), self.policy.consecutive_5xx) {
            verdicts.push(self.policy.enforcing_consecutive_5xx);
        }
        if split
            && kind == Kind::Reset
            && Self::reached(
                Self::run(&story.row, &[Kind::Reset], &[]),
                self.policy.consecutive_local_origin_failure,
            )
        {
            verdicts.push(self.policy.enforcing_consecutive_local_origin_failure);
        }
        let enforced = verdicts.contains(&Percent::ALL);
        if enforced && self.may_eject(now) {
            self.eject(host, now);
        }
    }

    fn may_eject(&self, now: u64) -> bool {
        let (hosts, out) = (self.hosts.len(), self.out(now));
        let share = usize::from(self.policy.max_ejection_percent.get());
        let after = out + 1;
        let within = after * 100 <= hosts * share || (after == 1 && share > 0);
        within && hosts - after >= 1
    }

    fn eject(&mut self, host: u16, now: u64) {
        let (base, max) = (ms(self.policy.base_ejection_time), ms(self.policy.max_ejection_time));
        let interval = ms(self.policy.interval);
        let story = self.hosts.get_mut(&host).expect("a known host");
        // The multiplier, retold from the beginning: up by one at each ejection until it reaches the maximum,
        // down by one for each whole interval without an ejection or a failure.
        let mut multiplier = 0_u64;
        let mut quiet_since = 0;
        let mut events: Vec<(u64, Option<u64>)> = story.failures.iter().map(|at| (*at, None)).collect();
        events.extend(story.ejections.iter().map(|(at, until, _)| (*at, Some(*until))));
        events.push((now, Some(now)));
        // At the same moment the failure comes before the ejection that it leads to.
        events.sort_by_key(|(at, until)| (*at, until.is_some()));
        for (at, until) in events {
            let mut quiet = at.saturating_sub(quiet_since);
            while multiplier > 0 && quiet >= interval {
                multiplier -= 1;
                quiet -= interval;
            }
            quiet_since = at;
            if let Some(until) = until {
                if base * multiplier < max {
                    multiplier += 1;
                }
                quiet_since = until;
            }
        }
        story
            .ejections
            .push((now, now + (base * multiplier).min(max), multiplier));
        story.row.clear();
    }
}

fn addr(host: u16) -> HostAddr {
    HostAddr::from(std::net::SocketAddr::from(([10, 0, 0, 1], host)))
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let kind = prop_oneof![
        2 => Just(Kind::Success),
        4 => Just(Kind::Error503),
        2 => Just(Kind::Error500),
        3 => Just(Kind::Reset),
        1 => Just(Kind::Overload),
        1 => Just(Kind::Ignored),
    ];
    let step = prop_oneof![
        12 => (1..=6_u16, kind, prop_oneof![Just(0), 0..3000_u64])
            .prop_map(|(host, outcome, took)| Step::Attempt { host, outcome, took }),
        3 => prop_oneof![1..2000_u64, 1..40_000_u64].prop_map(Step::Pass),
        1 => Just(Step::Settle),
        1 => Just(Step::Record),
    ];
    prop::collection::vec(step, 1..200)
}

fn policies() -> impl Strategy<Value = OutlierDetection> {
    let enforcing = || prop_oneof![3 => Just(Percent::ALL), 1 => Just(Percent::NONE)];
    (
        (0..4_u32, 0..4_u32, 0..4_u32, any::<bool>()),
        (enforcing(), enforcing(), enforcing()),
        (1..5_u64, 1..5_u64, 0..20_u64),
        0..=100_u64,
    )
        .prop_map(
            |((any_5xx, gateway, local, split), enforcing, (interval, base, more), percent)| OutlierDetection {
                consecutive_5xx: any_5xx,
                consecutive_gateway_failure: gateway,
                consecutive_local_origin_failure: local,
                split_external_local_origin_errors: split,
                enforcing_consecutive_5xx: enforcing.0,
                enforcing_consecutive_gateway_failure: enforcing.1,
                enforcing_consecutive_local_origin_failure: enforcing.2,
                interval: Duration::from_secs(interval),
                base_ejection_time: Duration::from_secs(base),
                max_ejection_time: Duration::from_secs(base + more),
                max_ejection_time_jitter: Duration::ZERO,
                max_ejection_percent: Percent::new(percent).unwrap_or(Percent::ALL),
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn the_table_agrees_with_a_naive_retelling(hosts in 1..=6_u16, detection in policies(), steps in steps()) {
        let policy = ClusterPolicy {
            hosts: (1..=hosts).map(addr).collect(),
            outlier_detection: detection.clone(),
            ..ClusterPolicy::default()
        };
        let mut table = ClusterTable::default();
        table.add_configured(&policy);
        let mut model = Model { hosts: (1..=hosts).map(|host| (host, Story::default())).collect(), policy: detection };
        let mut entropy = Entropy::seeded(1);
        let mut now = 1_000_000_u64;
        let time = |ms: u64| Timestamp::from_nanos(ms * 1_000_000);
        for step in steps {
            match step {
                Step::Attempt { host, outcome, took } if host <= hosts => {
                    let attempt = Attempt { host: addr(host), began: time(now - took), outcome: outcome.into(), seen: true };
                    let _ = table.record(&attempt, &policy, time(now), &mut entropy);
                    model.attempt(host, outcome, now - took, now);
                }
                Step::Attempt { .. } => {}
                Step::Pass(ms) => now += ms,
                Step::Settle => drop(table.settle(&policy, time(now))),
                Step::Record => table = ClusterTable::decode(&table.encode()).expect("its own record"),
            }
            let out: Vec<u16> = (1..=hosts)
                .filter(|host| !table.get(addr(*host)).is_some_and(|host| host.is_available(time(now))))
                .collect();
            let expected: Vec<u16> = (1..=hosts).filter(|host| model.is_out(*host, now)).collect();
            prop_assert_eq!(&out, &expected, "at {}", now);
            let until = table.ejection_ends().filter(|end| *end > time(now)).collect::<Vec<_>>();
            let expected_until: Vec<Timestamp> =
                expected.iter().filter_map(|host| model.hosts[host].ejections.last()).map(|(_, until, _)| time(*until)).collect();
            prop_assert_eq!(until, expected_until);
            // Whatever the model says: never the last one, never more than the share.
            prop_assert!(out.len() < usize::from(hosts));
            let share = usize::from(policy.outlier_detection.max_ejection_percent.get());
            prop_assert!(out.len() <= (usize::from(hosts) * share / 100).max(usize::from(share > 0)));
        }
    }

    #[test]
    fn bytes_that_nobody_wrote_never_panic_and_a_table_survives_its_record(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(table) = ClusterTable::decode(&bytes) {
            prop_assert_eq!(ClusterTable::decode(&table.encode()), Ok(table));
        }
    }
}
