//! Whatever workers, clocks and answers do: one worker holds a lease, and its probes keep their distance.

#![cfg(not(target_arch = "wasm32"))]

use proptest::prelude::*;
use sidestep::config::Probe;
use sidestep::model::{Entropy, HostAddr, Timestamp};
use sidestep::probe::{Finding, Lease, LeaseStep, Prober, Target};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::SocketAddr;
use std::time::Duration;

const TERM_MS: u64 = 1000;
const TERM: Duration = Duration::from_millis(TERM_MS);

fn at(millis: u64) -> Timestamp {
    Timestamp::from_nanos((1_000_000_000 + millis) * 1_000_000)
}

/// Shared data with one lease in it.
#[derive(Default)]
struct Shared {
    bytes: Vec<u8>,
    version: u32,
}

/// A worker, and what it knows.
#[derive(Clone, Default)]
struct Worker {
    /// Claimed and not written yet, with the version that was read.
    claim: Option<(Lease, u32)>,
    /// Until when it takes itself for the holder.
    mine_until: Timestamp,
}

impl Worker {
    fn read(&mut self, me: u64, shared: &Shared, now: Timestamp) {
        let current = Lease::decode(&shared.bytes);
        match Lease::step(current, me, now, TERM) {
            LeaseStep::NotMine => self.mine_until = Timestamp::ZERO,
            LeaseStep::Mine => self.mine_until = current.expect("a lease to hold").until,
            LeaseStep::Claim(lease) => self.claim = Some((lease, shared.version)),
        }
    }

    fn write(&mut self, shared: &mut Shared) {
        let Some((lease, version)) = self.claim.take() else {
            return;
        };
        self.mine_until = Timestamp::ZERO;
        if version == shared.version {
            shared.bytes = lease.encode().to_vec();
            shared.version += 1;
            self.mine_until = lease.until;
        }
    }

    fn holds(&self, now: Timestamp) -> bool {
        now < self.mine_until
    }
}

#[derive(Clone, Debug)]
enum LeaseEvent {
    Pass(u64),
    Read(usize),
    Write(usize),
}

fn lease_event() -> impl Strategy<Value = LeaseEvent> {
    prop_oneof![
        4 => (0..TERM_MS / 2).prop_map(LeaseEvent::Pass),
        6 => (0..5_usize).prop_map(LeaseEvent::Read),
        6 => (0..5_usize).prop_map(LeaseEvent::Write),
    ]
}

/// One worker's ticks: the first one, and how often they come.
fn ticks() -> impl Strategy<Value = (u64, u64)> {
    (0..TERM_MS / 4, 1..=TERM_MS / 4)
}

proptest! {
    #[test]
    fn at_most_one_worker_takes_itself_for_the_holder(events in prop::collection::vec(lease_event(), 1..300)) {
        let (mut shared, mut workers, mut now) = (Shared::default(), vec![Worker::default(); 5], 0);
        for event in events {
            match event {
                LeaseEvent::Pass(millis) => now += millis,
                LeaseEvent::Read(index) => workers[index].read(index as u64, &shared, at(now)),
                LeaseEvent::Write(index) => workers[index].write(&mut shared),
            }
            let holders = workers.iter().filter(|worker| worker.holds(at(now))).count();
            prop_assert!(holders <= 1, "{holders} holders at {now} ms");
        }
    }

    #[test]
    fn a_holder_keeps_it_until_it_dies_and_then_another_has_it_after_a_term_and_a_tick(
        ticks in prop::collection::vec(ticks(), 2..6),
        garbage in prop::collection::vec(any::<u8>(), 0..20),
        dies in TERM_MS * 2..TERM_MS * 6,
    ) {
        // What lies there at first is no lease, or one that another process would have left: of a far future.
        let mut shared = Shared { bytes: garbage, version: 3 };
        let mut workers = vec![Worker::default(); ticks.len()];
        let tick = ticks.iter().map(|(_, period)| *period).max().unwrap_or(0);
        let mut first = None;
        for now in 0..=dies + TERM_MS + tick {
            for (index, (start, period)) in ticks.iter().enumerate() {
                if now < *start || (now - start) % period != 0 || first == Some(index) && now >= dies {
                    continue;
                }
                workers[index].read(index as u64, &shared, at(now));
                workers[index].write(&mut shared);
            }
            let holder = workers.iter().position(|worker| worker.holds(at(now)));
            first = first.or(holder);
            if now > TERM_MS / 4 && now < dies {
                prop_assert!(holder.is_some() && holder == first, "{holder:?} at {now} ms");
            }
        }
        let holder = workers.iter().position(|worker| worker.holds(at(dies + TERM_MS + tick)));
        prop_assert!(holder.is_some() && holder != first, "{holder:?} after {first:?}");
    }
}

#[derive(Clone, Debug)]
enum ProbeEvent {
    /// The next round, so many milliseconds later by an honest clock.
    Round(u64),
    /// The clock is set to this.
    Clock(u64),
    /// The host's probe ends.
    Answer(u16, bool),
    /// The host is out, in rotation or no host any more.
    Target(u16, Option<bool>),
    /// Room from now on.
    Room(usize),
}

fn probe_event() -> impl Strategy<Value = ProbeEvent> {
    prop_oneof![
        8 => (0..2000_u64).prop_map(ProbeEvent::Round),
        1 => (0..100_000_u64).prop_map(ProbeEvent::Clock),
        8 => (0..6_u16, any::<bool>()).prop_map(|(host, passed)| ProbeEvent::Answer(host, passed)),
        3 => (0..6_u16, any::<Option<bool>>()).prop_map(|(host, out)| ProbeEvent::Target(host, out)),
        1 => (0..4_usize).prop_map(ProbeEvent::Room),
    ]
}

fn probe_policy() -> impl Strategy<Value = Probe> {
    (100..8000_u64, 1..3000_u64, 1..4_u32, 1..4_u32, any::<bool>()).prop_map(
        |(interval, timeout, healthy_threshold, unhealthy_threshold, all)| Probe {
            interval: Duration::from_millis(interval),
            timeout: Duration::from_millis(timeout),
            healthy_threshold,
            unhealthy_threshold,
            all,
            ..Probe::default()
        },
    )
}

fn host(number: u16) -> HostAddr {
    HostAddr::from(SocketAddr::from(([10, 0, 0, 1], number + 1)))
}

/// What an observer knows of one host.
#[derive(Default)]
struct Seen {
    /// When it was last asked: milliseconds of honest time, and how often the clock had been set by then.
    asked: Option<(u64, u64)>,
    in_flight: bool,
}

/// A prober and one who watches it.
struct Watch {
    prober: Prober,
    policy: Probe,
    entropy: Entropy,
    targets: BTreeMap<u16, bool>,
    room: usize,
    seen: HashMap<HostAddr, Seen>,
    /// Honest time, which no clock shows.
    honest: u64,
    clock: u64,
    clock_set: u64,
}

impl Watch {
    fn new(policy: Probe, seed: u64) -> Self {
        Self {
            prober: Prober::default(),
            policy,
            entropy: Entropy::seeded(seed),
            targets: (0..6).map(|number| (number, false)).collect(),
            room: 2,
            seen: HashMap::new(),
            honest: 0,
            clock: 50_000,
            clock_set: 0,
        }
    }

    fn step(&mut self, event: ProbeEvent) -> Result<(), TestCaseError> {
        match event {
            ProbeEvent::Round(millis) => self.round(millis).map(drop),
            ProbeEvent::Clock(millis) => {
                self.clock = millis;
                self.clock_set += 1;
                Ok(())
            }
            ProbeEvent::Answer(number, passed) => self.answer(host(number), passed),
            ProbeEvent::Target(number, Some(out)) => {
                self.targets.insert(number, out);
                Ok(())
            }
            ProbeEvent::Target(number, None) => {
                self.targets.remove(&number);
                Ok(())
            }
            ProbeEvent::Room(hosts) => {
                self.room = hosts;
                Ok(())
            }
        }
    }

    fn round(&mut self, millis: u64) -> Result<Vec<HostAddr>, TestCaseError> {
        self.honest += millis;
        self.clock += millis;
        let targets: Vec<_> = self
            .targets
            .iter()
            .map(|(number, out)| Target {
                host: host(*number),
                out: *out,
            })
            .collect();
        let now = at(self.clock);
        let round = self
            .prober
            .round(&targets, &self.policy, now, &mut self.entropy, self.room);
        self.seen
            .retain(|host, _| targets.iter().any(|target| target.host == *host));
        for (host, _) in &round.lost {
            let seen = self.seen.entry(*host).or_default();
            prop_assert!(std::mem::take(&mut seen.in_flight), "{host} lost without a probe");
        }
        prop_assert!(round.send.len() <= self.room);
        for host in &round.send {
            let target = targets.iter().find(|target| target.host == *host);
            prop_assert!(
                target.is_some_and(|target| target.out || self.policy.all),
                "{host} is no target"
            );
            let seen = self.seen.entry(*host).or_default();
            prop_assert!(!std::mem::replace(&mut seen.in_flight, true), "two probes of {host}");
            if let Some((asked, clock_set)) = seen.asked.replace((self.honest, self.clock_set)) {
                // Each time that the clock is set may seem to be two seconds.
                let most = self.honest - asked + (self.clock_set - clock_set) * 2000;
                prop_assert!(
                    Duration::from_millis(most) >= self.policy.interval,
                    "{host} after {most} ms"
                );
            }
        }
        Ok(round.send)
    }

    fn answer(&mut self, host: HostAddr, passed: bool) -> Result<(), TestCaseError> {
        let expected = self
            .seen
            .get_mut(&host)
            .is_some_and(|seen| std::mem::take(&mut seen.in_flight));
        let before = self.prober.streak(host);
        let finding = self.prober.answered(host, passed, &self.policy);
        let after = self.prober.streak(host);
        prop_assert!(expected || before == after);
        prop_assert!(after.passes == 0 || after.failures == 0);
        if after == before {
            prop_assert_eq!(finding, None);
            return Ok(());
        }
        let (healthy, unhealthy) = (self.policy.healthy_threshold, self.policy.unhealthy_threshold);
        let expected = match (passed, after.passes, after.failures) {
            (true, passes, 0) if passes % healthy == 0 => Some(Finding::Healthy),
            (false, 0, failures) if failures % unhealthy == 0 => Some(Finding::Unhealthy { failures }),
            _ => None,
        };
        prop_assert_eq!(finding, expected);
        Ok(())
    }
}

proptest! {
    #[test]
    fn probes_keep_their_distance_and_their_room(
        policy in probe_policy(),
        events in prop::collection::vec(probe_event(), 1..200),
        seed: u64,
    ) {
        let mut watch = Watch::new(policy, seed);
        for event in events {
            watch.step(event)?;
        }
    }

    #[test]
    fn whatever_happened_a_host_that_is_out_is_asked_again(
        policy in probe_policy(),
        events in prop::collection::vec(probe_event(), 1..200),
        seed: u64,
    ) {
        let mut watch = Watch::new(policy, seed);
        for event in events {
            watch.step(event)?;
        }
        watch.targets = (0..6).map(|number| (number, true)).collect();
        watch.room = 6;
        let wait = watch.policy.interval.max(watch.policy.timeout + Duration::from_secs(2));
        let mut asked = HashSet::new();
        for _ in 0..=wait.as_secs() + 1 {
            asked.extend(watch.round(1000)?);
        }
        prop_assert_eq!(asked.len(), 6);
    }
}
