//! Tables, whatever is in them, and what happens to them.

use proptest::prelude::*;
use sidestep::config::ClusterPolicy;
use sidestep::detect::Detector;
use sidestep::health::{ClusterTable, Control, ControlAction, Ejection, HostHealth, HostState, Probation};
use sidestep::model::{HostAddr, Percent, Timestamp};
use sidestep_core::kept::EPOCH;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

/// The moments that matter: around the time at which things are restored, the beginning and the end of time.
pub(crate) fn time() -> impl Strategy<Value = Timestamp> {
    prop_oneof![
        8 => (0..1_000_000_u64).prop_map(|millis| EPOCH + millis * 1_000_000),
        1 => Just(0),
        1 => any::<u64>(),
        1 => Just(u64::MAX),
    ]
    .prop_map(Timestamp::from_nanos)
}

/// Few enough that tables share some.
fn addr() -> impl Strategy<Value = HostAddr> {
    prop_oneof![
        4 => (1..=12_u8).prop_map(|last| SocketAddr::from(([10, 0, 0, last], 80))),
        1 => (1..=3_u16).prop_map(|last| SocketAddr::from(([0xfd00, 0, 0, 0, 0, 0, 0, last], 80))),
    ]
    .prop_map(HostAddr::from)
}

fn state() -> impl Strategy<Value = HostState> {
    prop_oneof![
        2 => Just(HostState::Healthy),
        2 => (time(), time(), prop::sample::select(&Detector::ALL[..]))
            .prop_map(|(at, until, detector)| HostState::Ejected(Ejection { at, until, detector })),
        1 => (time(), time())
            .prop_map(|(since, trial_until)| HostState::Probation(Probation { since, trial_until })),
        1 => time().prop_map(|since| HostState::Ramp { since }),
    ]
}

fn host() -> impl Strategy<Value = HostHealth> {
    let times = (time(), time(), time(), time());
    let flags = (prop::bool::weighted(0.2), prop::bool::weighted(0.1), any::<bool>());
    (
        addr(),
        state(),
        prop_oneof![0..5_u32, any::<u32>()],
        any::<u32>(),
        times,
        flags,
    )
        .prop_map(|(addr, state, ejections, limit, times, (unfit, gone, plain))| {
            let (seen, quiet_since, last_ejected_at, overloaded_until) = times;
            let known = HostHealth::new(addr, seen);
            if plain {
                return HostHealth { unfit, ..known };
            }
            HostHealth {
                state,
                ejections,
                quiet_since,
                last_ejected_at,
                // Only an ejection sets it.
                trial_limit: if last_ejected_at == Timestamp::ZERO {
                    Duration::ZERO
                } else {
                    Duration::from_nanos(u64::from(limit))
                },
                overloaded_until,
                unfit,
                gone,
                ..known
            }
        })
}

pub(crate) fn table() -> impl Strategy<Value = ClusterTable> {
    let wish = (
        any::<prop::sample::Index>(),
        prop::sample::select(&ControlAction::ALL[..]),
        time(),
        ".{0,200}",
    );
    let wishes = prop::collection::vec(wish, 0..4);
    // Nobody lives at the beginning of time.
    let now = time().prop_filter("a time that can be", |now| now.as_nanos() >= EPOCH);
    (prop::collection::vec(host(), 0..12), wishes, now).prop_map(|(hosts, wishes, now)| {
        let addrs: Vec<HostAddr> = hosts.iter().map(|host| host.addr).collect();
        let mut table = ClusterTable::from_hosts(hosts);
        for (at, action, until, reason) in wishes {
            if !addrs.is_empty() {
                let host = *at.get(&addrs);
                let wish = Control {
                    host,
                    action,
                    until,
                    reason,
                };
                let _ = table.control(wish, &ClusterPolicy::default(), now);
            }
        }
        table
    })
}

/// The tables of all clusters.
pub(crate) type Tables = BTreeMap<String, ClusterTable>;

/// Of few names, so that one set of tables and the next have some in common.
pub(crate) fn tables() -> impl Strategy<Value = Tables> {
    let name = prop_oneof![Just(String::new()), "[a-cé]", ".{200}"];
    prop::collection::btree_map(name, table(), 0..5)
}

/// Tables, and what became of them: others under some of the names, of which one was not touched.
pub(crate) fn life(states: impl Into<prop::collection::SizeRange>) -> impl Strategy<Value = Vec<Tables>> {
    prop::collection::vec((tables(), any::<bool>()), states).prop_map(|steps| {
        let mut life: Vec<Tables> = Vec::new();
        for (next, grows) in steps {
            let mut now = life.last().filter(|_| grows).cloned().unwrap_or_default();
            for (name, table) in next {
                // Half of the hosts stay what they are.
                let hosts = now.get(&name).map(|table| table.hosts().to_vec()).unwrap_or_default();
                let kept = hosts.into_iter().step_by(2);
                let hosts = kept.chain(table.hosts().iter().copied()).collect();
                now.insert(name, if grows { ClusterTable::from_hosts(hosts) } else { table });
            }
            life.push(now);
        }
        life
    })
}

pub(crate) fn policy() -> impl Strategy<Value = ClusterPolicy> {
    let numbers = (0..=100_u64, any::<bool>(), any::<bool>(), 1..20_usize);
    let times = (1..20_u64, 0..300_u64, 0..10_u64, 0..30_u64);
    (numbers, times).prop_map(|((percent, one, standby, max_hosts), (base, longest, jitter, ramp))| {
        let mut policy = ClusterPolicy::default();
        let detection = &mut policy.outlier_detection;
        detection.max_ejection_percent = Percent::new(percent).unwrap_or(Percent::NONE);
        detection.always_eject_one_host = one;
        detection.base_ejection_time = Duration::from_secs(base);
        detection.max_ejection_time = Duration::from_secs(base + longest);
        detection.max_ejection_time_jitter = Duration::from_secs(jitter);
        policy.picking.max_hosts = max_hosts;
        policy.picking.ramp_time = Duration::from_secs(ramp);
        policy.standby_cluster = standby.then(|| "standby".to_owned());
        policy
    })
}
