//! Ejections against a naive model: one to four workers over one host, and a model that knows of no workers, take the
//! same steps, and must agree on who is out, until when, and for the how manieth time.
//!
//! The model keeps the whole story of each host and recounts it at every step, so it shares no arithmetic with the
//! real thing. Invariants that hold whatever the model says are checked after each step.

#![cfg(not(target_arch = "wasm32"))]

use proptest::prelude::*;
use sidestep::health::HostState;
use sidestep::model::Outcome;
use sidestep_core::workers::{E500, E503, RESET, Workers, addr};
use std::collections::BTreeMap;
use std::time::Duration;

#[derive(Clone, Debug)]
enum Step {
    /// An attempt at a host ends now; it began this many milliseconds ago.
    Attempt {
        worker: usize,
        host: u16,
        outcome: Kind,
        took: u64,
    },
    /// This many milliseconds pass. Every worker ticks once a second, each at a moment of its own.
    Pass(u64),
    /// A worker ticks out of turn.
    Tick(usize),
    /// A worker's VM dies, and another worker takes its place.
    Die(usize),
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
            Kind::Error500 => E500,
            Kind::Error503 => E503,
            Kind::Reset => RESET,
            Kind::Overload => Self::Overload,
            Kind::Ignored => Self::Ignored,
        }
    }
}

/// `outlier_detection`, as the model knows it. Times in milliseconds.
#[derive(Clone, Debug)]
struct Policy {
    any_5xx: u32,
    gateway: u32,
    local_origin: u32,
    split: bool,
    enforced: [bool; 3],
    interval: u64,
    base: u64,
    max: u64,
    percent: usize,
    always_one: bool,
}

impl Policy {
    fn settings(&self) -> String {
        let [any_5xx, gateway, local_origin] = self.enforced.map(|enforced| if enforced { 100 } else { 0 });
        format!(
            r#""outlier_detection": {{
                "consecutive_5xx": {}, "enforcing_consecutive_5xx": {any_5xx},
                "consecutive_gateway_failure": {}, "enforcing_consecutive_gateway_failure": {gateway},
                "consecutive_local_origin_failure": {}, "enforcing_consecutive_local_origin_failure": {local_origin},
                "split_external_local_origin_errors": {},
                "interval": "{}ms", "base_ejection_time": "{}ms", "max_ejection_time": "{}ms",
                "max_ejection_percent": {}, "always_eject_one_host": {},
                "success_rate_minimum_hosts": 100, "failure_percentage_minimum_hosts": 100
            }},
            "picking": {{"panic_threshold": 0}}"#,
            self.any_5xx,
            self.gateway,
            self.local_origin,
            self.split,
            self.interval,
            self.base,
            self.max,
            self.percent,
            self.always_one,
        )
    }
}

/// A time out: from when, until when, and the multiplier.
type Ejection = (u64, u64, u64);

/// The whole story of one host.
#[derive(Default)]
struct Story {
    /// Outcomes since the counts last started anew.
    row: Vec<Kind>,
    ejections: Vec<Ejection>,
    /// It has proved itself since it was last ejected.
    proved: bool,
    /// When it failed while it was in.
    failures: Vec<u64>,
}

struct Model {
    hosts: BTreeMap<u16, Story>,
    policy: Policy,
}

impl Model {
    fn last(&self, host: u16) -> Option<Ejection> {
        self.hosts[&host].ejections.last().copied()
    }

    /// Ejected, or in probation.
    fn is_out(&self, host: u16) -> bool {
        self.last(host).is_some() && !self.hosts[&host].proved
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
        if kind == Kind::Ignored {
            return;
        }
        match self.last(host) {
            // Under way when the host was ejected, or the host is still out.
            Some((at, until, _)) if began <= at || now < until => {}
            Some((_, until, _)) if self.is_out(host) => {
                if began < until {
                    return;
                }
                match kind {
                    Kind::Success => self.hosts.get_mut(&host).expect("a known host").proved = true,
                    _ => self.eject(host, now),
                }
            }
            _ => self.attempt_in_rotation(host, kind, now),
        }
    }

    fn attempt_in_rotation(&mut self, host: u16, kind: Kind, now: u64) {
        let policy = self.policy.clone();
        let story = self.hosts.get_mut(&host).expect("a known host");
        story.row.push(kind);
        if !matches!(kind, Kind::Success | Kind::Overload) {
            story.failures.push(now);
        }
        // What each detector counts, and what it does not even see.
        let (any, gateway, unseen): (&[Kind], &[Kind], &[Kind]) = if policy.split {
            (&[Kind::Error500, Kind::Error503], &[Kind::Error503], &[Kind::Reset])
        } else {
            (
                &[Kind::Error500, Kind::Error503, Kind::Reset],
                &[Kind::Error503, Kind::Reset],
                &[],
            )
        };
        let [enforce_any, enforce_gateway, enforce_local] = policy.enforced;
        let reached = |counted: &[Kind], unseen: &[Kind], threshold| {
            counted.contains(&kind) && Self::reached(Self::run(&story.row, counted, unseen), threshold)
        };
        let accused = (enforce_gateway && reached(gateway, unseen, policy.gateway))
            || (enforce_any && reached(any, unseen, policy.any_5xx))
            || (enforce_local && policy.split && reached(&[Kind::Reset], &[], policy.local_origin));
        if accused && self.may_eject() {
            self.eject(host, now);
        }
    }

    fn may_eject(&self) -> bool {
        let hosts = self.hosts.len();
        let after = self.hosts.keys().filter(|host| self.is_out(**host)).count() + 1;
        let within = after * 100 <= hosts * self.policy.percent
            || (after == 1 && self.policy.always_one && self.policy.percent > 0);
        within && hosts - after >= 1
    }

    fn eject(&mut self, host: u16, now: u64) {
        let Policy {
            base, max, interval, ..
        } = self.policy;
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
        story.proved = false;
        story.row.clear();
    }
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
        12 => (0..4_usize, 1..=6_u16, kind, prop_oneof![Just(0), 0..6000_u64])
            .prop_map(|(worker, host, outcome, took)| Step::Attempt { worker, host, outcome, took }),
        3 => prop_oneof![3 => 1..2000_u64, 1 => 1..10_000_u64].prop_map(Step::Pass),
        1 => (0..4_usize).prop_map(Step::Tick),
        1 => (0..4_usize).prop_map(Step::Die),
    ];
    prop::collection::vec(step, 1..150)
}

fn policies() -> impl Strategy<Value = Policy> {
    let enforced = || prop::bool::weighted(0.75);
    (
        (0..4_u32, 0..4_u32, 0..4_u32, any::<bool>()),
        (enforced(), enforced(), enforced()),
        (1..5_u64, 1..5_u64, 0..20_u64),
        (0..=100_usize, prop::bool::weighted(0.75)),
    )
        .prop_map(
            |((any_5xx, gateway, local_origin, split), enforced, (interval, base, more), (percent, always_one))| {
                Policy {
                    any_5xx,
                    gateway,
                    local_origin,
                    split,
                    enforced: enforced.into(),
                    interval: interval * 1000,
                    base: base * 1000,
                    max: (base + more) * 1000,
                    percent,
                    always_one,
                }
            },
        )
}

/// Lets time pass; every worker ticks once in each second, not all at the same moment.
fn pass(workers: &mut Workers, since_start: &mut u64, millis: u64) {
    let count = workers.workers.len() as u64;
    for _ in 0..millis {
        *since_start += 1;
        workers.pass(Duration::from_millis(1));
        for worker in 0..count {
            if *since_start % 1000 == worker * 1000 / count {
                workers.tick(worker as usize);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn workers_agree_with_a_naive_retelling(
        (workers, hosts) in (1..=4_usize, 1..=6_u16),
        policy in policies(),
        steps in steps(),
    ) {
        let mut real = Workers::start(workers, hosts, &policy.settings());
        let mut model = Model { hosts: (1..=hosts).map(|host| (host, Story::default())).collect(), policy };
        let (start, mut since_start) = (real.now(), 0_u64);
        // The model's clock starts late enough for attempts that began before it.
        const EARLIER: u64 = 10_000;
        for step in steps {
            match step {
                Step::Attempt { worker, host, outcome, took } if worker < workers && host <= hosts => {
                    let began = real.now().as_nanos() - took * 1_000_000;
                    let now = since_start + EARLIER;
                    // Where probation begins, to within a tick, is open.
                    let open = model.last(host).is_some_and(|(_, until, _)| (until..until + 1000).contains(&(now - took)));
                    if took > 0 && open {
                        continue;
                    }
                    // Each request is steered; here it does not matter where to.
                    let _ = real.steer(worker, true);
                    real.attempt_begun(worker, host, outcome.into(), sidestep::model::Timestamp::from_nanos(began));
                    model.attempt(host, outcome, now - took, now);
                }
                Step::Pass(millis) => pass(&mut real, &mut since_start, millis),
                Step::Tick(worker) if worker < workers => real.tick(worker),
                Step::Die(worker) if worker < workers => real.replace(worker),
                _ => {}
            }
            let table = real.table();
            let now = since_start + EARLIER;
            let mut out = 0;
            for host in 1..=hosts {
                let found = table.get(addr(host)).copied();
                let is_out = found.is_some_and(|host| host.is_out());
                prop_assert_eq!(is_out, model.is_out(host), "host {} at {}", host, now);
                out += usize::from(is_out);
                let Some((_, until, multiplier)) = model.last(host).filter(|_| is_out) else {
                    continue;
                };
                let found = found.expect("it is out");
                prop_assert_eq!(u64::from(found.ejections), multiplier, "host {} at {}", host, now);
                match found.state {
                    HostState::Ejected(ejection) => {
                        let ends = ejection.until.since(start).as_millis() as u64 + EARLIER;
                        prop_assert_eq!(ends, until, "host {} at {}", host, now);
                    }
                    other => prop_assert!(until <= now, "host {} at {}: {:?}", host, now, other),
                }
            }
            // Whatever the model says: never the last one, never more than the share.
            prop_assert!(out < usize::from(hosts));
            let share = model.policy.percent;
            prop_assert!(out <= (usize::from(hosts) * share / 100).max(usize::from(share > 0)));
        }
    }
}
