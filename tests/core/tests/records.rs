//! What workers share, as bytes: every table and every piece of streaks survives its record, and no bytes do harm.

use sidestep::config::ClusterPolicy;
use sidestep::detect::Detector;
use sidestep::health::{ClusterTable, FORMAT};
use sidestep::health::{Control, ControlAction, Ejection, HostHealth, HostState, Probation, RecordError, StreakShard};
use sidestep::metrics::Metric;
use sidestep::model::{Entropy, HostAddr, Outcome, Timestamp};
use sidestep_core::fake_host::FakeHost;
use sidestep_core::test;
use sidestep_core::workers::{CLUSTER, E503, SECOND, Stage, Workers, addr};
use std::net::SocketAddr;

/// The workers' record of the cluster.
fn record(workers: &Workers) -> Vec<u8> {
    workers
        .host
        .shared(&format!("sidestep/{FORMAT}/cluster/{CLUSTER}"))
        .expect("a record")
}

/// Puts bytes in the place of a piece of shared data.
fn damage(host: &FakeHost, key: &str, bytes: &[u8]) {
    use sidestep::host::Host;
    let cas = host.shared_data(key).expect("it can be read").expect("it is there").1;
    host.set_shared_data(key, bytes, cas).expect("nobody else writes");
}

#[test]
fn a_table_with_hosts_at_every_stage_and_with_controls_survives_its_record() {
    let at = |seconds: u64| Timestamp::from_nanos(seconds * 1_000_000_000);
    let mut hosts: Vec<HostHealth> = Vec::new();
    for (number, detector) in (1..).zip(Detector::ALL) {
        let mut host = HostHealth::new(addr(number), at(5));
        host.state = HostState::Ejected(Ejection {
            at: at(10),
            until: at(40),
            detector,
        });
        (host.ejections, host.quiet_since, host.last_ejected_at) = (3, at(40), at(10));
        hosts.push(host);
    }
    for (number, state) in (100..).zip([
        HostState::Probation(Probation {
            since: at(3),
            trial_until: Timestamp::ZERO,
        }),
        HostState::Probation(Probation {
            since: at(3),
            trial_until: at(9),
        }),
        HostState::Ramp { since: at(4) },
        HostState::Healthy,
    ]) {
        let mut host = HostHealth::new(addr(number), Timestamp::ZERO);
        host.state = state;
        (host.unfit, host.gone) = (number % 2 == 0, number % 3 == 0);
        host.overloaded_until = at(u64::from(number));
        hosts.push(host);
    }
    hosts.push(HostHealth::new(HostAddr::from(SocketAddr::from(([1; 8], 443))), at(1)));
    let mut table = ClusterTable::from_hosts(hosts);
    let policy = ClusterPolicy::default();
    for (number, action) in (100..).zip(ControlAction::ALL) {
        let wish = Control {
            host: addr(number),
            action,
            until: at(99),
            reason: "wörtlich".to_owned(),
        };
        let _ = table.control(wish, &policy, at(50));
    }
    let charge_free = table.judge(at(77), &[], &policy, at(50), &mut Entropy::seeded(1));
    assert!(charge_free.changed);
    let bytes = table.encode();
    assert_eq!(ClusterTable::decode(&bytes), Ok(table.clone()));
    assert_eq!(table.judged(), at(77));
    assert_eq!(table.controls().len(), 2);
    // A cut between two controls is a table with fewer of them; nothing else is a table at all.
    let whole = (0..bytes.len())
        .filter(|cut| ClusterTable::decode(&bytes[..*cut]).is_ok())
        .count();
    assert_eq!(whole, 2);
    for format in (0..=u8::MAX).filter(|format| *format != FORMAT) {
        let mut foreign = bytes.clone();
        foreign[0] = format;
        assert_eq!(ClusterTable::decode(&foreign), Err(RecordError::Format(format)));
    }
}

#[test]
fn a_host_with_nothing_on_record_takes_fifteen_bytes() {
    let hosts = |count: u16| {
        let hosts = (1..=count).map(|number| HostHealth::new(addr(number), Timestamp::ZERO));
        ClusterTable::from_hosts(hosts.collect()).encode().len()
    };
    assert_eq!(hosts(1000), hosts(0) + 15_000);
}

#[test]
fn a_record_that_is_damaged_counts_as_empty_and_is_replaced() {
    for bytes in [&b""[..], b"\x02", b"\x63whatever", &[0xff; 300]] {
        let mut workers = Workers::touchy(2, 3, "");
        workers.fail(0, 1);
        workers.tick_all();
        damage(&workers.host, &format!("sidestep/{FORMAT}/cluster/{CLUSTER}"), bytes);
        // Nobody was told; a tick looks all the same.
        workers.tick_all();
        assert!(workers.count(Metric::ErrorsRecord) > 0);
        assert!(workers.request(1, &[]).pin.is_empty());
        assert!(workers.fail(1, 2).is_some());
        workers.tick_all();
        assert_eq!(ClusterTable::decode(&record(&workers)), Ok(workers.table()));
        let steering = workers.steer(0, false).and_then(|steering| steering.pin);
        assert_eq!(steering.map(|pin| pin.hosts().count()), Some(2));
    }
}

#[test]
fn streaks_that_are_damaged_count_as_none_and_are_replaced() {
    let settings = r#""outlier_detection": {"consecutive_5xx": 3}"#;
    let mut workers = Workers::start(2, 3, settings);
    workers.fail(0, 1);
    workers.fail(1, 1);
    let key = format!("sidestep/{FORMAT}/streaks/{CLUSTER}/{}", StreakShard::of(addr(1)));
    let entry = workers.host.shared(&key).expect("two failures");
    assert_eq!(
        StreakShard::decode(&entry).map(|shard| shard.encode()),
        Ok(entry.clone())
    );
    damage(&workers.host, &key, &entry[1..]);
    // The next change of any streak makes all workers look.
    workers.attempt(0, 2, E503);
    for failure in 1..=3 {
        let ejected = workers.fail(failure % 2, 1);
        assert_eq!(ejected.is_some(), failure == 3);
    }
    assert!(workers.count(Metric::ErrorsRecord) > 0);
}

#[test]
fn every_host_has_one_piece_of_streaks_and_all_pieces_have_some() {
    let mut used = std::collections::BTreeMap::<usize, u32>::new();
    for number in 0..10_000 {
        *used.entry(StreakShard::of(addr(number))).or_default() += 1;
    }
    assert_eq!(used.len(), sidestep::health::SHARDS);
    assert!(used.keys().all(|piece| *piece < sidestep::health::SHARDS));
    // 78 on average: even enough that no piece is large.
    assert!(used.values().all(|hosts| (30..150).contains(hosts)), "{used:?}");
}

#[test]
fn what_a_failure_costs_does_not_grow_with_the_number_of_hosts() {
    let read_and_written = |hosts: u16| {
        let mut workers = Workers::start(1, hosts, r#""outlier_detection": {"consecutive_5xx": 5}"#);
        for number in 1..=hosts {
            workers.attempt(0, number, Outcome::Success);
        }
        workers.attempt(0, 1, E503);
        workers.host.reset_traffic();
        workers.pass(SECOND);
        workers.attempt(0, 1, E503);
        workers.host.traffic()
    };
    assert_eq!(read_and_written(3), read_and_written(1000));
}

#[test]
fn a_success_reads_and_writes_no_shared_data() {
    let mut workers = Workers::start(2, 100, "");
    for number in 1..=100 {
        let _ = workers.whole(0, &[], (number, "200", 0, &[]));
    }
    workers.tick_all();
    workers.tick_all();
    workers.host.reset_traffic();
    for request in 0..1000_u16 {
        let _ = workers.whole(0, &[], (request % 100 + 1, "200", 0, &[]));
    }
    assert_eq!(workers.host.traffic(), (0, 0));
    assert_eq!(workers.stage(1), Stage::Healthy);
}

#[cfg(not(target_arch = "wasm32"))]
mod properties {
    use super::*;
    use proptest::prelude::*;
    use sidestep::config::OutlierDetection;
    use sidestep::health::{HostStreak, PinSupport};
    use std::time::Duration;

    fn time() -> impl Strategy<Value = Timestamp> {
        prop_oneof![Just(0), Just(u64::MAX), any::<u64>()].prop_map(Timestamp::from_nanos)
    }

    fn host_addr() -> impl Strategy<Value = HostAddr> {
        prop_oneof![
            (any::<[u8; 4]>(), any::<u16>()).prop_map(|(ip, port)| HostAddr::from(SocketAddr::from((ip, port)))),
            (any::<[u16; 8]>(), any::<u16>()).prop_map(|(ip, port)| HostAddr::from(SocketAddr::from((ip, port)))),
        ]
    }

    fn state() -> impl Strategy<Value = HostState> {
        prop_oneof![
            Just(HostState::Healthy),
            (time(), time(), prop::sample::select(&Detector::ALL[..]))
                .prop_map(|(at, until, detector)| { HostState::Ejected(Ejection { at, until, detector }) }),
            (time(), time()).prop_map(|(since, trial_until)| HostState::Probation(Probation { since, trial_until })),
            time().prop_map(|since| HostState::Ramp { since }),
        ]
    }

    fn host() -> impl Strategy<Value = HostHealth> {
        (
            (host_addr(), time(), state(), any::<u32>(), any::<u64>()),
            (time(), time(), time(), any::<bool>(), any::<bool>()),
        )
            .prop_map(|((addr, seen, state, ejections, limit), rest)| {
                let (quiet_since, last_ejected_at, overloaded_until, unfit, gone) = rest;
                // Only an ejection sets it.
                let limit = if last_ejected_at == Timestamp::ZERO { 0 } else { limit };
                HostHealth {
                    addr,
                    seen,
                    state,
                    ejections,
                    quiet_since,
                    last_ejected_at,
                    trial_limit: Duration::from_nanos(limit),
                    overloaded_until,
                    unfit,
                    gone,
                }
            })
    }

    fn pins() -> impl Strategy<Value = PinSupport> {
        // Nothing happens in the first two nanoseconds after the epoch.
        let ignored = (2..=u64::MAX).prop_map(|at| PinSupport::Ignored(Timestamp::from_nanos(at)));
        prop_oneof![Just(PinSupport::Unknown), Just(PinSupport::Followed), ignored]
    }

    fn wish() -> impl Strategy<Value = (usize, ControlAction, Timestamp, String)> {
        let action = prop::sample::select(&ControlAction::ALL[..]);
        (0..20_usize, action, time(), ".{0,200}")
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

        #[test]
        fn any_table_survives_its_record(
            hosts in prop::collection::vec(host(), 0..20),
            wishes in prop::collection::vec(wish(), 0..6),
            (judged, now) in (time(), time()),
            pins in pins(),
        ) {
            let mut table = ClusterTable::from_hosts(hosts.clone());
            let policy = ClusterPolicy::default();
            for (host, action, until, reason) in wishes {
                if let Some(host) = hosts.get(host).map(|host| host.addr) {
                    let _ = table.control(Control { host, action, until, reason }, &policy, now);
                }
            }
            let _ = table.judge(judged, &[], &policy, now, &mut Entropy::seeded(1));
            let _ = table.see_pins(pins);
            prop_assert_eq!(ClusterTable::decode(&table.encode()), Ok(table.clone()));
            // And whatever is in it, time passes: what no worker would write may take a second look.
            let _ = table.settle(&policy, now).and(table.settle(&policy, now));
            prop_assert!(table.is_settled(&policy, now));
            prop_assert_eq!(ClusterTable::decode(&table.encode()), Ok(table));
        }

        #[test]
        fn bytes_that_nobody_wrote_are_refused_or_are_a_table(
            mut bytes in prop::collection::vec(prop_oneof![0..4_u8, any::<u8>()], 0..300),
            ours in any::<bool>(),
        ) {
            if let Some(format) = bytes.first_mut().filter(|_| ours) {
                *format = FORMAT;
                if let Some(count) = bytes.get_mut(9..13) {
                    count.copy_from_slice(&3_u32.to_le_bytes());
                }
            }
            if let Ok(table) = ClusterTable::decode(&bytes) {
                prop_assert_eq!(ClusterTable::decode(&table.encode()), Ok(table));
            }
            if let Ok(shard) = StreakShard::decode(&bytes) {
                prop_assert_eq!(StreakShard::decode(&shard.encode()), Ok(shard));
            }
        }

        #[test]
        fn a_record_with_any_byte_changed_is_refused_or_is_another_table(
            hosts in prop::collection::vec(host(), 1..8),
            (at, by) in (any::<prop::sample::Index>(), 1..=255_u8),
        ) {
            let table = ClusterTable::from_hosts(hosts);
            let mut bytes = table.encode();
            let at = at.index(bytes.len());
            bytes[at] ^= by;
            if let Ok(other) = ClusterTable::decode(&bytes) {
                prop_assert_eq!(ClusterTable::decode(&other.encode()), Ok(other));
            }
        }

        #[test]
        fn any_piece_of_streaks_survives_its_bytes(
            outcomes in prop::collection::vec((0..10_usize, 0..3_usize, 0..100_u64), 0..60),
            hosts in prop::collection::vec(host(), 10),
        ) {
            let detection = OutlierDetection { consecutive_5xx: 7, ..OutlierDetection::default() };
            let mut shard = StreakShard::default();
            let mut now = Timestamp::from_nanos(1);
            for (host, outcome, seconds) in outcomes {
                now = now.after(SECOND * u32::try_from(seconds).expect("few"));
                let mut streak: HostStreak = shard.get(&hosts[host]);
                let outcome = [Outcome::Success, E503, sidestep_core::workers::RESET][outcome];
                let _ = streak.record(outcome, &detection, now);
                shard.put(streak, now, detection.interval, |_| true);
                // What is kept is what counts on: nobody's failures in a row are lost by it.
                prop_assert_eq!(shard.get(&hosts[host]).streaks, streak.streaks);
                prop_assert_eq!(StreakShard::decode(&shard.encode()), Ok(shard.clone()));
            }
        }
    }
}
