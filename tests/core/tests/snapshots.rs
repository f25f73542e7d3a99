//! Snapshots as bytes: what was written is read, today and by later versions, and what was damaged is refused.

use sidestep::health::{ClusterTable, RecordError};
use sidestep::keep::{Checks, Kept, Kind, Restored, Snapshot, SnapshotError, State, VERSION, restore_newest};
use sidestep_core::kept::{EPOCH, ORIGIN, VERSION_1, at, healthy, snapshot, snapshots, states};
use sidestep_core::test;
use std::time::Duration;

const CHECKS: Checks<'_> = Checks {
    origin: ORIGIN,
    max_age: Duration::from_secs(600),
    future: Duration::from_secs(60),
};

#[test]
fn what_version_1_wrote_is_read_for_ever() {
    for (bytes, expected) in VERSION_1.iter().zip(snapshots()) {
        assert_eq!(Snapshot::decode(bytes), Ok(expected));
    }
    let candidates = ["full", "increment", "differential"]
        .iter()
        .zip(VERSION_1)
        .map(|(key, bytes)| ((*key).to_owned(), bytes.to_vec()));
    let restored = restore_newest(candidates.collect(), &CHECKS, at(300));
    let [_, _, third] = states();
    let kept = Kept {
        state: third,
        epoch: EPOCH,
        sequence: 9,
        taken_at: at(245),
    };
    assert_eq!(
        restored,
        Restored {
            kept: Some(kept),
            refused: Vec::new()
        }
    );
}

/// When this fails, the version must change and the old one's reader stay.
#[test]
fn what_is_written_is_version_1() {
    assert_eq!(VERSION, 1);
    assert_eq!(
        snapshots().map(|snapshot| snapshot.encode()),
        VERSION_1.map(<[u8]>::to_vec)
    );
}

#[test]
fn any_flipped_bit_and_any_other_byte_is_found() {
    for bytes in VERSION_1 {
        for at in 0..bytes.len() {
            for other in (0..=u8::MAX).filter(|other| *other != bytes[at]) {
                let mut damaged = bytes.to_vec();
                damaged[at] = other;
                let error = Snapshot::decode(&damaged).expect_err("a byte is another one");
                let expected = match at {
                    0..8 => SnapshotError::Magic,
                    8 => SnapshotError::Version(other),
                    9..13 => error,
                    _ => SnapshotError::Checksum,
                };
                assert_eq!(error, expected, "byte {at} is {other}");
            }
        }
    }
}

#[test]
fn any_missing_and_any_added_byte_is_found() {
    for bytes in VERSION_1 {
        for cut in 0..bytes.len() {
            let expected = u32::try_from(bytes.len()).expect("few");
            let error = match cut {
                0..8 => SnapshotError::Magic,
                8..13 => SnapshotError::Entry(RecordError::Short),
                found => SnapshotError::Length { found, expected },
            };
            assert_eq!(Snapshot::decode(&bytes[..cut]), Err(error), "cut to {cut}");
            assert!(Snapshot::decode(&bytes[cut + 1..]).is_err(), "begins at {}", cut + 1);
            let mut damaged = bytes.to_vec();
            damaged.remove(cut);
            assert!(Snapshot::decode(&damaged).is_err(), "without {cut}");
            for added in [0, 0xff, bytes[cut]] {
                let mut damaged = bytes.to_vec();
                damaged.insert(cut, added);
                assert!(Snapshot::decode(&damaged).is_err(), "one more at {cut}");
            }
        }
        for added in 0..=u8::MAX {
            assert!(Snapshot::decode(&[bytes, &[added]].concat()).is_err());
        }
    }
}

/// The bytes after `change`, with a length and a checksum that are right.
fn sealed(change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let state = State::of([("backend", &ClusterTable::from_hosts(vec![healthy(1), healthy(2)]))]);
    let mut bytes = snapshot(Kind::Full, 7, 7, (&State::default(), &state)).encode();
    bytes.truncate(bytes.len() - 4);
    change(&mut bytes);
    let length = u32::try_from(bytes.len() + 4).expect("few");
    bytes[9..13].copy_from_slice(&length.to_le_bytes());
    let checksum = crc32(&bytes);
    bytes.extend(checksum.to_le_bytes());
    bytes
}

/// CRC-32 bit by bit, as IEEE 802.3 has it.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 * (crc & 1)))
    })
}

/// Where things stand in those bytes.
const KIND: usize = 13;
const BASE: usize = 34;
const CLUSTERS: usize = 48;
const NAME: usize = 56;
const FLAGS: usize = 63;
const HOSTS: usize = 72;
const FIRST: usize = 76;
const SECOND: usize = 91;
const REMOVED: usize = 106;

#[test]
fn what_only_a_broken_writer_writes_is_refused_although_its_checksum_is_right() {
    let set = |at: usize, value: u8| sealed(|bytes| bytes[at] = value);
    let whole = Snapshot::decode(&sealed(|_| {}));
    assert!(whole.is_ok(), "{whole:?}");
    let short = SnapshotError::Entry(RecordError::Short);
    for (what, bytes, expected) in [
        ("an unknown kind", set(KIND, 3), SnapshotError::Value),
        ("a full one on another", set(BASE, 6), SnapshotError::Value),
        ("an increment on itself", set(KIND, 1), SnapshotError::Value),
        ("a name that is no text", set(NAME, 0xff), SnapshotError::Text),
        ("unknown flags", set(FLAGS, 4), SnapshotError::Value),
        (
            "a full one without a cluster",
            sealed(|bytes| {
                bytes[FLAGS] = 1;
                bytes.truncate(FLAGS + 1);
            }),
            SnapshotError::Value,
        ),
        (
            "a reason that is too long",
            sealed(|bytes| {
                bytes[FLAGS] = 2;
                bytes.extend([1, 0, 0, 0]);
                bytes.extend([0, 10, 0, 0, 1, 80, 0, 2]);
                bytes.extend([[0; 8].as_slice(), &[121], &[b'x'; 121]].concat());
            }),
            SnapshotError::Value,
        ),
        ("a cluster too many", set(CLUSTERS, 2), short),
        ("so many that no memory would do", set(CLUSTERS + 3, 0xff), short),
        ("as many hosts", set(HOSTS + 3, 0xff), short),
        ("as many addresses", set(REMOVED + 3, 0xff), short),
        ("a name as long", set(NAME - 1, 0xff), short),
        ("a host twice", set(SECOND + 4, 1), SnapshotError::Order),
        ("hosts in another order", set(FIRST + 4, 3), SnapshotError::Order),
        ("a host that has left", set(FIRST, 128), SnapshotError::Value),
        ("a host that is unfit", set(FIRST, 64), SnapshotError::Value),
        ("a host that was seen", set(FIRST + 7, 1), SnapshotError::Value),
        ("a byte too many", sealed(|bytes| bytes.push(0)), SnapshotError::Value),
        (
            "a cluster of which nothing is new",
            sealed(|bytes| {
                bytes[HOSTS] = 0;
                bytes.drain(FIRST..REMOVED);
            }),
            SnapshotError::Value,
        ),
        (
            "an empty history",
            sealed(|bytes| {
                bytes[FIRST] = 2;
                bytes.splice(SECOND..SECOND, [0; 28]);
            }),
            SnapshotError::Value,
        ),
        (
            "a host that is new and removed",
            sealed(|bytes| {
                bytes[KIND] = 1;
                bytes[BASE] = 6;
                bytes[REMOVED] = 1;
                bytes.extend([0, 10, 0, 0, 1, 80, 0]);
            }),
            SnapshotError::Order,
        ),
        (
            "a cluster twice",
            sealed(|bytes| {
                bytes[CLUSTERS] = 2;
                bytes.extend_from_within(NAME - 4..);
            }),
            SnapshotError::Order,
        ),
        (
            "a host that is removed twice",
            sealed(|bytes| {
                bytes[KIND] = 1;
                bytes[BASE] = 6;
                bytes[REMOVED] = 2;
                bytes.extend([0, 10, 0, 0, 9, 80, 0].repeat(2));
            }),
            SnapshotError::Order,
        ),
        (
            "a full one that removes a host",
            sealed(|bytes| {
                bytes[REMOVED] = 1;
                bytes.extend([0, 10, 0, 0, 9, 80, 0]);
            }),
            SnapshotError::Value,
        ),
    ] {
        assert_eq!(Snapshot::decode(&bytes), Err(expected), "{what}");
    }
}
