//! A cluster's life as snapshots: a full one, an increment and a differential one, and the bytes that version 1 wrote of
//! them. Those bytes must be read for as long as that version is; nobody changes the files beside this one.

use crate::workers::addr;
use sidestep::config::ClusterPolicy;
use sidestep::detect::Detector;
use sidestep::health::{ClusterTable, Control, ControlAction, Ejection, HostHealth, HostState, Probation};
use sidestep::keep::{Kind, Snapshot, State};
use sidestep::model::{HostAddr, Timestamp};
use std::time::Duration;

/// Who took the snapshots.
pub const ORIGIN: &str = "edge-7";

/// When their process began.
pub const EPOCH: u64 = 1_700_000_000_000_000_000;

/// What version 1 wrote of [`snapshots`].
pub const VERSION_1: [&[u8]; 3] = [
    include_bytes!("kept/v1.full"),
    include_bytes!("kept/v1.increment"),
    include_bytes!("kept/v1.differential"),
];

/// So many seconds after the process began.
pub const fn at(seconds: u64) -> Timestamp {
    Timestamp::from_nanos(EPOCH + seconds * 1_000_000_000)
}

/// A host that was ejected so many seconds after the process began, for 30 s.
pub fn ejected(number: u16, seconds: u64) -> HostHealth {
    let mut host = HostHealth::new(addr(number), at(seconds));
    host.state = HostState::Ejected(Ejection {
        at: at(seconds),
        until: at(seconds + 30),
        detector: Detector::Consecutive5xx,
    });
    (host.ejections, host.quiet_since, host.last_ejected_at) = (1, at(seconds + 30), at(seconds));
    host
}

/// That host, back from its ejection in another state.
pub fn back(number: u16, seconds: u64, state: HostState) -> HostHealth {
    HostHealth {
        state,
        ..ejected(number, seconds)
    }
}

/// A host that nothing happened to.
pub fn healthy(number: u16) -> HostHealth {
    HostHealth::new(addr(number), at(1))
}

/// The cluster's states, one after the other.
pub fn states() -> [State; 3] {
    let six = HostAddr::from(std::net::SocketAddr::from(([0xfd00, 0, 0, 0, 0, 0, 0, 6], 443)));
    let overloaded = HostHealth {
        overloaded_until: at(250),
        trial_limit: Duration::from_millis(80),
        ..back(4, 100, HostState::Ramp { since: at(190) })
    };
    let probation = HostState::Probation(Probation {
        since: at(180),
        trial_until: at(205),
    });
    let hosts = vec![
        healthy(1),
        ejected(2, 195),
        back(3, 150, probation),
        overloaded,
        HostHealth::new(six, at(9)),
    ];
    let mut first = ClusterTable::from_hosts(hosts.clone());
    let hold = Control {
        host: addr(1),
        action: ControlAction::Hold,
        until: at(900),
        reason: "Wartung, bis fünf".to_owned(),
    };
    let _ = first.control(hold, &ClusterPolicy::default(), at(200));
    let other = ClusterTable::from_hosts(vec![healthy(9), ejected(10, 199)]);
    let mut second = first.clone();
    let _ = second.learn(addr(5), at(201), &ClusterPolicy::default());
    let third = ClusterTable::from_hosts(vec![ejected(1, 208), healthy(5), HostHealth::new(six, at(209))]);
    [
        State::of([("backend", &first), ("search", &other)]),
        State::of([("backend", &second), ("search", &other)]),
        State::of([("backend", &third), ("späti", &other)]),
    ]
}

/// A snapshot of the changes between two states.
pub fn snapshot(kind: Kind, sequence: u32, base: u32, (before, after): (&State, &State)) -> Snapshot {
    Snapshot {
        kind,
        taken_at: at(200 + 5 * u64::from(sequence)),
        epoch: EPOCH,
        sequence,
        base,
        origin: ORIGIN.to_owned(),
        changes: before.diff(after),
    }
}

/// A full snapshot of the first state, an increment to the second, a differential one to the third.
pub fn snapshots() -> [Snapshot; 3] {
    let [first, second, third] = states();
    [
        snapshot(Kind::Full, 7, 7, (&State::default(), &first)),
        snapshot(Kind::Increment, 8, 7, (&first, &second)),
        snapshot(Kind::Differential, 9, 7, (&first, &third)),
    ]
}
