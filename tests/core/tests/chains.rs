//! The chains that snapshots make: the newest state that they prove wins, and nothing else.

use sidestep::health::ClusterTable;
use sidestep::keep::{Checks, Kind, Refusal, Snapshot, SnapshotError, State, restore_newest};
use sidestep::model::Timestamp;
use sidestep_core::kept::{EPOCH, ORIGIN, at, ejected, healthy, snapshot};
use sidestep_core::test;
use std::time::Duration;

const CHECKS: Checks<'_> = Checks {
    origin: ORIGIN,
    max_age: Duration::from_secs(600),
    future: Duration::from_secs(60),
};

/// A state with its number, and the numbers of the refused snapshots with the reasons.
type Outcome = (Option<(State, u32)>, Vec<(u32, &'static str)>);

/// What is restored of these snapshots, the keys of which are their numbers, and the refused ones.
fn restored(snapshots: &[Snapshot], now: Timestamp) -> Outcome {
    restored_bytes(snapshots.iter().map(|it| (it.sequence, it.encode())).collect(), now)
}

fn restored_bytes(bytes: Vec<(u32, Vec<u8>)>, now: Timestamp) -> Outcome {
    let candidates = bytes.into_iter().map(|(number, bytes)| (format!("{number:03}"), bytes));
    let restored = restore_newest(candidates.collect(), &CHECKS, now);
    let refused = restored.refused.iter();
    (
        restored.kept.map(|kept| (kept.state, kept.sequence)),
        refused
            .map(|(key, why)| (key.parse().expect("a number"), why.name()))
            .collect(),
    )
}

/// A state that is told by its number.
fn numbered(number: u16) -> State {
    let hosts = (1..=number).map(healthy).chain([ejected(100 + number, 3)]);
    State::of([("backend", &ClusterTable::from_hosts(hosts.collect()))])
}

/// full 1, 2, 3, differential 4, 5, 6, full 7, 8. Snapshot n leads to state n.
fn chain() -> Vec<Snapshot> {
    (1..=8_u32)
        .map(|number| {
            let (kind, base) = match number {
                1 | 7 => (Kind::Full, number),
                4 => (Kind::Differential, 1),
                _ => (Kind::Increment, number - 1),
            };
            let numbered = |number: u32| numbered(u16::try_from(number).expect("few"));
            let before = if kind == Kind::Full {
                State::default()
            } else {
                numbered(base)
            };
            snapshot(kind, number, base, (&before, &numbered(number)))
        })
        .collect()
}

#[test]
fn a_damaged_or_missing_snapshot_costs_what_came_after_it_and_no_more() {
    // Which one is damaged, where that leads to, and which others have lost their base.
    for (damaged, leads_to, broken) in [
        (1, 8, &[2, 3, 4, 5, 6][..]),
        (2, 8, &[3]),
        (3, 8, &[]),
        (4, 8, &[5, 6]),
        (7, 6, &[8]),
        (8, 7, &[]),
    ] {
        let mut bytes: Vec<_> = chain().iter().map(|it| (it.sequence, it.encode())).collect();
        let entry = &mut bytes[damaged - 1];
        entry.1[40] ^= 1;
        let mut refused: Vec<_> = broken.iter().map(|number| (*number, "broken_chain")).collect();
        refused.push((entry.0, "damaged"));
        refused.sort_unstable();
        let state = Some((numbered(leads_to), u32::from(leads_to)));
        assert_eq!(
            restored_bytes(bytes.clone(), at(300)),
            (state.clone(), refused),
            "{damaged}"
        );
        bytes.remove(damaged - 1);
        assert_eq!(restored_bytes(bytes, at(300)).0, state, "without {damaged}");
    }
    // Of the older chain alone.
    for (damaged, leads_to) in [(2, 6), (3, 6), (4, 3), (5, 4), (6, 5)] {
        let mut older: Vec<Snapshot> = chain().into_iter().take(6).collect();
        older.remove(damaged - 1);
        let state = Some((numbered(leads_to), u32::from(leads_to)));
        assert_eq!(restored(&older, at(300)).0, state, "without {damaged}");
    }
    assert_eq!(restored(&chain()[1..6], at(300)).0, None);
}

#[test]
fn the_order_in_which_a_store_lists_snapshots_does_not_matter() {
    let mut chain = chain();
    for turn in 0..8 {
        chain.rotate_left(turn);
        assert_eq!(restored(&chain, at(300)), (Some((numbered(8), 8)), Vec::new()));
    }
}

#[test]
fn the_epoch_whose_chain_ends_last_wins() {
    let mut other = snapshot(Kind::Full, 1, 1, (&State::default(), &numbered(50)));
    other.epoch = EPOCH - 1;
    for (seconds, wins) in [(239, numbered(8)), (241, numbered(50))] {
        other.taken_at = at(seconds);
        let mut all = chain();
        all.push(other.clone());
        let state = restored(&all, at(300)).0.map(|(state, _)| state);
        assert_eq!(state, Some(wins), "{seconds}");
    }
    // What builds on a snapshot of one epoch does not on another's.
    for (stray, number) in [(1, 2), (3, 4)] {
        let mut stray = chain().remove(stray);
        stray.epoch = EPOCH + 5;
        let result = restored(&[chain().remove(0), stray], at(300));
        assert_eq!(result, (Some((numbered(1), 1)), vec![(number, "broken_chain")]));
    }
}

#[test]
fn of_two_increments_on_one_snapshot_the_later_one_goes_on_unless_it_does_not_fit() {
    let [full, second, ..] = &chain()[..] else {
        panic!("a chain");
    };
    let fits = snapshot(Kind::Increment, 3, 1, (&numbered(1), &numbered(30)));
    let does_not = snapshot(Kind::Increment, 3, 1, (&numbered(40), &numbered(30)));
    for (later, state, refused) in [
        (fits, (numbered(30), 3), vec![]),
        (does_not, (numbered(2), 2), vec![(3, "broken_chain")]),
    ] {
        for all in [[&later, second, full], [full, second, &later]] {
            let result = restored(&all.map(Clone::clone), at(300));
            assert_eq!(result, (Some(state.clone()), refused.clone()));
        }
    }
}

#[test]
fn changes_that_were_made_from_another_state_are_refused_and_so_is_what_builds_on_them() {
    let mut chain = chain();
    chain.truncate(3);
    chain[1].changes = numbered(40).diff(&numbered(2));
    let result = restored(&chain, at(300));
    assert_eq!(
        result,
        (Some((numbered(1), 1)), vec![(2, "broken_chain"), (3, "broken_chain")])
    );
}

#[test]
fn somebody_elses_and_what_is_too_old_or_too_new_is_refused() {
    let mut foreign = chain();
    for snapshot in &mut foreign {
        snapshot.origin = "edge-8".to_owned();
    }
    let (state, refused) = restored(&foreign, at(300));
    assert_eq!(state, None);
    assert!(refused.iter().all(|(_, why)| *why == "foreign") && refused.len() == 8);
    // The last one was taken at 240 s. The chain is as old as that, not as its full one.
    assert!(restored(&chain(), at(240 + 600)).0.is_some());
    let (state, refused) = restored(&chain(), at(240 + 601));
    assert_eq!(state, None);
    assert!(refused.iter().all(|(_, why)| *why == "too_old") && refused.len() == 8);
    // A minute is forgiven.
    assert_eq!(restored(&chain(), at(180)), (Some((numbered(8), 8)), Vec::new()));
    let (state, refused) = restored(&chain(), at(179));
    assert_eq!(state, Some((numbered(7), 7)));
    assert_eq!(refused, [(8, "from_the_future")]);
}

#[test]
fn a_refusal_says_why() {
    for (refusal, text) in [
        (
            Refusal::Damaged(SnapshotError::Length { found: 3, expected: 9 }),
            "damaged: 3 bytes, expected 9",
        ),
        (Refusal::Foreign, "foreign: somebody else took it"),
        (Refusal::TooOld(Duration::from_secs(90)), "too old: taken 90s ago"),
        (
            Refusal::FromTheFuture(Duration::from_secs(61)),
            "from the future: taken in 61s",
        ),
        (
            Refusal::BrokenChain,
            "broken chain: it builds on a snapshot that is not there",
        ),
    ] {
        assert_eq!(refusal.to_string(), text);
        assert!(Refusal::NAMES.contains(&refusal.name()));
    }
}

#[test]
fn a_restored_state_goes_on_by_the_increment_that_fits_and_by_no_other() {
    let chain = chain();
    let mut kept = restore_newest(vec![("1".to_owned(), chain[0].encode())], &CHECKS, at(206))
        .kept
        .expect("a full one");
    let broken = Err(Refusal::BrokenChain);
    for wrong in [&chain[2], &chain[3]] {
        assert_eq!(kept.step(wrong, &CHECKS, at(206)), broken);
    }
    let stray = |change: fn(&mut Snapshot)| {
        let mut snapshot = chain[1].clone();
        change(&mut snapshot);
        snapshot
    };
    let misfit = stray(|it| it.changes = numbered(40).diff(&numbered(2)));
    assert_eq!(kept.step(&stray(|it| it.epoch += 1), &CHECKS, at(206)), broken);
    assert_eq!(kept.step(&misfit, &CHECKS, at(206)), broken);
    let foreign = stray(|it| it.origin.clear());
    assert_eq!(kept.step(&foreign, &CHECKS, at(206)), Err(Refusal::Foreign));
    let old = kept.step(&chain[1], &CHECKS, at(811));
    assert_eq!(old, Err(Refusal::TooOld(Duration::from_secs(601))));
    assert_eq!((kept.sequence, &kept.state), (1, &numbered(1)));
    for (next, number) in [(1, 2), (2, 3), (6, 7), (7, 8)] {
        assert_eq!(kept.step(&chain[next], &CHECKS, at(206)), Ok(()));
        assert_eq!((kept.sequence, &kept.state), (u32::from(number), &numbered(number)));
        assert_eq!(kept.taken_at, chain[next].taken_at);
        assert_eq!(kept.step(&chain[next], &CHECKS, at(206)), broken, "twice");
    }
}
