//! Bytes that may be a snapshot: whatever they are, they are refused, or they are a snapshot in its only form and what
//! it holds does a table no harm.
//!
//! `cargo fuzz run --sanitizer none snapshot -- -max_total_time=20`, with any toolchain: there is no unsafe code that a
//! sanitizer could watch. What it finds on the way it adds to `fuzz/corpus/snapshot`; `v1.*` and `all-out` are
//! the seeds.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sidestep::config::ClusterPolicy;
use sidestep::health::ClusterTable;
use sidestep::keep::{Checks, Snapshot, State, restore_newest};
use sidestep::model::Timestamp;
use std::time::Duration;

fuzz_target!(|bytes: &[u8]| {
    check(bytes);
    // No fuzzer guesses a checksum: most of the reader lies behind it.
    if let Some(sealed) = sealed(bytes) {
        check(&sealed);
    }
});

fn check(bytes: &[u8]) {
    let Ok(snapshot) = Snapshot::decode(bytes) else {
        return;
    };
    assert_eq!(snapshot.encode(), bytes);
    let mut state = State::default();
    if state.apply(&snapshot.changes).is_err() {
        return;
    }
    let again = State::default().diff(&state);
    assert_eq!(State::of(state.clusters()), state);
    let policy = ClusterPolicy::default();
    let now = snapshot.taken_at.after(Duration::from_secs(1));
    for (_, kept) in state.clusters() {
        let mut table = ClusterTable::default();
        let _ = table.restore(kept, &policy, now);
        let census = table.census();
        assert!(census.known == 0 || census.available > 0, "{census:?}");
        let before = table.clone();
        let _ = table.restore(kept, &policy, now);
        assert_eq!(table.census(), before.census());
        let _ = table.settle(&policy, now);
        assert_eq!(ClusterTable::decode(&table.encode()), Ok(table));
    }
    let checks = Checks {
        origin: &snapshot.origin.clone(),
        max_age: Duration::MAX,
        future: Duration::ZERO,
    };
    let restored = restore_newest(
        vec![(String::new(), bytes.to_vec())],
        &checks,
        Timestamp::from_nanos(u64::MAX),
    );
    if let Some(kept) = restored.kept {
        assert_eq!(State::default().diff(&kept.state), again);
    }
}

/// These bytes with a length and a checksum that are right.
fn sealed(bytes: &[u8]) -> Option<Vec<u8>> {
    let (content, _) = bytes.split_last_chunk::<4>()?;
    let mut sealed = content.to_vec();
    let length = u32::try_from(bytes.len()).ok()?;
    sealed.get_mut(9..13)?.copy_from_slice(&length.to_le_bytes());
    let checksum = crc32fast::hash(&sealed);
    sealed.extend_from_slice(&checksum.to_le_bytes());
    Some(sealed)
}
