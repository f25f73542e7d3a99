//! Whatever a cluster's life was: its snapshots lead back to where it was, nothing else passes for one, and what is
//! restored keeps to the limits.

#![cfg(not(target_arch = "wasm32"))]

mod generate;

use generate::{Tables, life, policy, table, tables, time};
use proptest::prelude::*;
use proptest::sample::Index;
use sidestep::config::{ClusterPolicy, OutlierDetection};
use sidestep::detect::Detector;
use sidestep::health::{ClusterTable, ControlAction, Event, HostHealth, HostState};
use sidestep::keep::{Checks, Kept, Kind, Snapshot, State, restore_newest};
use sidestep::model::{HostAddr, Timestamp};
use sidestep_core::kept::{EPOCH, ORIGIN, VERSION_1, at, snapshot};
use std::time::Duration;

const CHECKS: Checks<'_> = Checks {
    origin: ORIGIN,
    max_age: Duration::from_secs(3600),
    future: Duration::from_secs(60),
};

fn state_of(tables: &Tables) -> State {
    State::of(tables.iter().map(|(name, table)| (name.as_str(), table)))
}

/// What a writer makes of a life: a full snapshot of the first state, and then what the dice say.
fn written(states: &[State], dice: &[u8]) -> Vec<Snapshot> {
    let mut last_full = 0;
    let pairs = states.iter().zip(dice.iter().chain(std::iter::repeat(&0))).enumerate();
    pairs
        .map(|(now, (state, dice))| {
            let number = |at: usize| u32::try_from(at + 1).expect("few");
            let nothing = State::default();
            let (kind, base, before) = match dice % 4 {
                _ if now == 0 => (Kind::Full, now, &nothing),
                0 | 1 => (Kind::Increment, now - 1, &states[now - 1]),
                2 => (Kind::Differential, last_full, &states[last_full]),
                _ => (Kind::Full, now, &nothing),
            };
            if kind == Kind::Full {
                last_full = now;
            }
            snapshot(kind, number(now), number(base), (before, state))
        })
        .collect()
}

fn keyed(snapshots: &[Snapshot]) -> Vec<(String, Vec<u8>)> {
    let keyed = snapshots.iter().map(|it| (it.sequence.to_string(), it.encode()));
    keyed.collect()
}

/// The state that a walk back from this snapshot to a full one finds whole, if it does.
fn is_proved(snapshots: &[Snapshot], is_there: &[bool], at: usize) -> bool {
    let base = snapshots[at].base as usize - 1;
    is_there[at] && (base == at || is_proved(snapshots, is_there, base))
}

fn put_out(host: &HostHealth) -> Option<Timestamp> {
    match host.state {
        HostState::Ejected(ejection) => Some(ejection.until),
        _ => None,
    }
}

/// How many hosts may be out, told apart from the code that is tested.
fn most_out(known: usize, policy: &OutlierDetection) -> usize {
    let percent = usize::from(policy.max_ejection_percent.get());
    match (percent, known * percent / 100) {
        (0, _) => 0,
        (_, 0) => usize::from(policy.always_eject_one_host),
        (_, some) => some,
    }
}

/// Whether the host, as it was kept, is one that a person put out for a time to come.
fn by_person(kept: &ClusterTable, addr: HostAddr, now: Timestamp) -> bool {
    kept.controls()
        .iter()
        .any(|control| control.host == addr && control.until > now && control.action != ControlAction::Release)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn what_is_new_makes_the_new_state_of_the_old_one(life in life(2)) {
        let [old, new] = [&life[0], &life[1]].map(state_of);
        let changes = old.diff(&new);
        prop_assert_eq!(changes.is_empty(), old == new);
        let mut state = old.clone();
        prop_assert_eq!(state.apply(&changes), Ok(()));
        prop_assert_eq!(&state, &new);
        prop_assert!(state.diff(&new).is_empty());
        prop_assert_eq!(State::of(new.clusters()), new);
    }

    #[test]
    fn any_snapshot_is_read_as_it_was_written(life in life(2), (time, epoch) in (time(), any::<u64>()), origin in ".{0,300}") {
        let [old, new] = [&life[0], &life[1]].map(state_of);
        for (kind, base, before) in [
            (Kind::Full, 9, &State::default()),
            (Kind::Increment, 8, &old),
            (Kind::Differential, 2, &old),
        ] {
            let mut snapshot = snapshot(kind, 9, base, (before, &new));
            (snapshot.taken_at, snapshot.epoch, snapshot.origin) = (time, epoch, origin.clone());
            prop_assert_eq!(Snapshot::decode(&snapshot.encode()), Ok(snapshot));
        }
    }

    #[test]
    fn any_chain_leads_to_where_a_full_snapshot_would(life in life(1..8), dice: Vec<u8>) {
        let states: Vec<State> = life.iter().map(state_of).collect();
        let snapshots = written(&states, &dice);
        let restored = restore_newest(keyed(&snapshots), &CHECKS, at(500));
        let last = snapshots.last().expect("one at least");
        prop_assert_eq!(restored.refused, []);
        prop_assert_eq!(restored.kept, Some(Kept {
            state: states[states.len() - 1].clone(),
            epoch: EPOCH,
            sequence: last.sequence,
            taken_at: last.taken_at,
        }));
        // One by one as well.
        let mut kept: Option<Kept> = None;
        for (snapshot, state) in snapshots.iter().zip(&states) {
            match &mut kept {
                Some(kept) if snapshot.kind != Kind::Differential => {
                    prop_assert_eq!(kept.step(snapshot, &CHECKS, at(500)), Ok(()));
                }
                _ => kept = restore_newest(
                    keyed(&snapshots[..snapshot.sequence as usize]), &CHECKS, at(500),
                ).kept,
            }
            prop_assert_eq!(kept.as_ref().map(|kept| &kept.state), Some(state));
        }
    }

    #[test]
    fn what_is_damaged_or_missing_costs_no_more_than_must_be(
        life in life(1..8),
        dice: Vec<u8>,
        harm in prop::collection::vec((any::<Index>(), any::<Index>(), prop_oneof![Just(0_u8), 1..=255_u8]), 1..4),
    ) {
        let states: Vec<State> = life.iter().map(state_of).collect();
        let snapshots = written(&states, &dice);
        let mut stored = keyed(&snapshots);
        let mut is_there = vec![true; stored.len()];
        for (which, at, by) in harm {
            let which = which.index(stored.len());
            let bytes = &mut stored[which].1;
            if by == 0 || bytes.is_empty() {
                bytes.clear();
                is_there[which] = false;
            } else if is_there[which] {
                let at = at.index(bytes.len());
                bytes[at] ^= by;
                is_there[which] = Snapshot::decode(bytes).is_ok();
                prop_assert!(!is_there[which]);
            }
        }
        let newest = (0..snapshots.len()).rev().find(|at| is_proved(&snapshots, &is_there, *at));
        let restored = restore_newest(stored, &CHECKS, at(500));
        prop_assert_eq!(restored.kept.map(|kept| kept.state), newest.map(|at| states[at].clone()));
        let proved = (0..snapshots.len()).filter(|at| is_proved(&snapshots, &is_there, *at));
        prop_assert_eq!(restored.refused.len(), snapshots.len() - proved.count());
    }

    #[test]
    fn bytes_that_nobody_wrote_are_refused(
        mut bytes in prop::collection::vec(prop_oneof![0..4_u8, any::<u8>()], 0..600),
        begin in 0..60_usize,
    ) {
        // As much of a real one as leads deep into the reader.
        for (slot, byte) in bytes.iter_mut().zip(VERSION_1[0]).take(begin) {
            *slot = *byte;
        }
        prop_assert!(Snapshot::decode(&bytes).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10, ..ProptestConfig::default() })]

    #[test]
    fn every_flipped_bit_and_every_cut_of_any_snapshot_is_found(tables in tables()) {
        let bytes = snapshot(Kind::Full, 1, 1, (&State::default(), &state_of(&tables))).encode();
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(Snapshot::decode(&damaged).is_err(), "bit {}", bit);
        }
        for cut in 0..bytes.len() {
            prop_assert!(Snapshot::decode(&bytes[..cut]).is_err(), "cut to {}", cut);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]

    #[test]
    fn what_is_restored_keeps_to_the_limits_and_to_what_this_process_knows(
        live in prop_oneof![1 => Just(ClusterTable::default()), 3 => table()],
        before in table(),
        policy in policy(),
        millis in 0..1_000_000_u64,
    ) {
        let now = at(0).after(Duration::from_millis(millis));
        let kept = State::of([("a", &before)]).cluster("a").cloned().unwrap_or_default();
        let mut table = live.clone();
        let Ok(change) = table.restore(&kept, &policy, now) else {
            prop_assert_eq!(&table, &live);
            prop_assert!(!live.hosts().is_empty());
            return Ok(());
        };
        prop_assert_eq!(change.changed, table != live);
        assert_limits(&live, &kept, &table, &policy, now)?;
        for host in live.hosts() {
            let is_mine = host.is_out() || host.last_ejected_at != Timestamp::ZERO || host.gone;
            let now_held = by_person(&kept, host.addr, now);
            prop_assert!(!is_mine || now_held || table.get(host.addr) == Some(host));
        }
        for host in table.hosts() {
            let event = change.events.iter().find_map(|event| match event {
                Event::Restored { host: restored, until } if *restored == host.addr => Some(*until),
                _ => None,
            });
            let was_out = live.get(host.addr).is_some_and(HostHealth::is_out);
            if let (Some(until), false) = (put_out(host), was_out) {
                let before = kept.get(host.addr).and_then(put_out);
                prop_assert!(event.is_some() || by_person(&kept, host.addr, now));
                let longest = policy.outlier_detection.max_ejection_time
                    + policy.outlier_detection.max_ejection_time_jitter;
                let held = by_person(&kept, host.addr, now);
                prop_assert!(held || (before.is_some_and(|it| until <= it) && until <= now.after(longest)));
            }
        }
        // Once is enough, and what is there is a table like any other.
        let once = table.clone();
        if table.restore(&kept, &policy, now).is_ok() {
            prop_assert_eq!(table.census(), once.census());
        }
        prop_assert_eq!(ClusterTable::decode(&once.encode()), Ok(once));
    }
}

/// No more are out than before, or than may be; but a person may put out all but the last one.
fn assert_limits(
    live: &ClusterTable,
    kept: &ClusterTable,
    table: &ClusterTable,
    policy: &ClusterPolicy,
    now: Timestamp,
) -> Result<(), TestCaseError> {
    let (before, after) = (live.census(), table.census());
    let is_new = |host: &&HostHealth| {
        host.is_out() && !host.unfit && !host.gone && !live.get(host.addr).is_some_and(HostHealth::is_out)
    };
    let newly_out: Vec<&HostHealth> = table.hosts().iter().filter(is_new).collect();
    let by_persons = newly_out.iter().filter(|host| {
        matches!(host.state, HostState::Ejected(ejection) if ejection.detector == Detector::Control)
            && by_person(kept, host.addr, now)
    });
    let by_persons = by_persons.count();
    let most = most_out(after.known, &policy.outlier_detection);
    prop_assert!(newly_out.len() == by_persons || after.out <= most.max(before.out + by_persons));
    let has_standby = policy.standby_cluster.is_some();
    prop_assert!(
        newly_out.is_empty() || after.available > 0 || has_standby,
        "{:?}",
        after
    );
    prop_assert!(newly_out.len() > by_persons || newly_out.is_empty() || after.available > 0);
    prop_assert!(table.hosts().len() <= live.hosts().len().max(policy.picking.max_hosts));
    Ok(())
}
