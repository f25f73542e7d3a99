//! The backups of one origin: what is written next, and what was found.
//!
//! Keys are `PREFIX/ORIGIN/EPOCH/SEQUENCE`, both numbers in hexadecimal digits of a fixed number, so that they sort by
//! age. A backup begins with a full snapshot. What changes after it follows in increments; every so many of them a
//! differential takes their place, so that a chain stays short, and after `interval` a new full one. What no chain needs any
//! more is deleted by the write that makes it so.

use super::fleet::escaped;
use super::{Checks, Identity, Kept, Kind, Refusal, Snapshot, State, restore_newest};
use crate::config::Backup;
use crate::model::{SortedMap, Timestamp};
use std::time::Duration;

/// So many increments are put together to a differential.
const INCREMENTS: u32 = 16;

/// What etcd takes in one request is 1.5 MiB by default.
const MAX_BYTES: usize = 1_400_000;

/// The most keys that one write deletes: the rest has time until the next one.
const MOST_DELETED: usize = 40;

/// How far clocks of a fleet may be apart.
const CLOCKS_APART: Duration = Duration::from_secs(60);

/// A snapshot to be written.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) key: String,
    pub(super) bytes: Vec<u8>,
    /// Keys that are of no use any more once it is written.
    pub(super) deletes: Vec<String>,
}

/// A snapshot's place: epoch and sequence.
type Position = (u64, u32);

/// The backups of one origin.
#[derive(Debug)]
pub(super) struct Backups {
    settings: Backup,
    prefix: String,
    origin: String,
    epoch: u64,
    /// What is found is to be restored.
    restores: bool,
    /// The state as it is now, once it is known.
    current: Option<State>,
    /// The keys that are there, and whether each is of a full snapshot.
    known: SortedMap<Position, bool>,
    next: u32,
    chain: Option<Chain>,
    /// What is being written, and what the chain will be then.
    pending: Option<Chain>,
    /// Another process's state, which this one goes on restoring.
    followed: Option<Kept>,
    /// A state that was too large, and its size until it has been told.
    refused: Option<State>,
    too_large: Option<usize>,
}

/// What this process has written since its last full snapshot.
#[derive(Clone, Debug)]
struct Chain {
    full: u32,
    full_at: Timestamp,
    full_state: State,
    last: u32,
    last_state: State,
    increments: u32,
    /// What the last write has added, and what it has deleted.
    added: (Position, bool),
    deleted: Vec<Position>,
}

impl Backups {
    pub(super) fn new(settings: Backup, prefix: &str, me: &Identity, restores: bool) -> Self {
        Self {
            prefix: format!("{prefix}/{}/", escaped(&me.origin)),
            origin: me.origin.clone(),
            epoch: me.epoch,
            settings,
            restores,
            current: None,
            known: SortedMap::default(),
            next: 0,
            chain: None,
            pending: None,
            followed: None,
            refused: None,
            too_large: None,
        }
    }

    /// What all keys begin with.
    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The state as it is now.
    pub(super) fn see(&mut self, state: State) {
        self.current = Some(state);
    }

    /// Whether the state of now must be known.
    pub(super) const fn wants_state(&self) -> bool {
        self.current.is_none()
    }

    /// The size of a snapshot that was too large to be written; says so once.
    pub(super) const fn too_large(&mut self) -> Option<usize> {
        self.too_large.take()
    }

    /// All keys have been read. Returns what is to be restored, and what was refused.
    pub(super) fn found(
        &mut self,
        found: impl Iterator<Item = (Vec<u8>, Vec<u8>)>,
        now: Timestamp,
    ) -> (Option<State>, Vec<(String, Refusal)>) {
        self.known.clear();
        let mut candidates = Vec::new();
        for (key, value) in found {
            let Some(position) = self.position(&key) else {
                continue;
            };
            let is_full = Snapshot::decode(&value).is_ok_and(|snapshot| snapshot.kind == Kind::Full);
            self.known.insert(position, is_full);
            candidates.push((String::from_utf8_lossy(&key).into_owned(), value));
        }
        let ours = self.known.range((self.epoch, 0)..=(self.epoch, u32::MAX));
        let last = ours.last().map(|((_, sequence), _)| *sequence);
        self.next = self.next.max(last.map_or(0, |last| last.saturating_add(1)));
        if self.chain.as_ref().is_some_and(|chain| Some(chain.last) != last) {
            // The store has lost it.
            self.chain = None;
        }
        if !self.restores {
            return (None, Vec::new());
        }
        self.restores = false;
        // What is to be written is what there is after that.
        self.current = None;
        let restored = restore_newest(candidates, &self.checks(), now);
        let state = restored.kept.as_ref().map(|kept| kept.state.clone());
        self.followed = restored.kept;
        (state, restored.refused)
    }

    fn checks(&self) -> Checks<'_> {
        Checks {
            origin: &self.origin,
            max_age: self.settings.max_age,
            future: CLOCKS_APART,
        }
    }

    /// A key was written by somebody. Returns the state that is to be restored, if it goes on from what was.
    pub(super) fn heard(&mut self, key: &[u8], value: &[u8], now: Timestamp) -> Option<State> {
        let position = self.position(key)?;
        let snapshot = Snapshot::decode(value).ok();
        let is_full = snapshot.as_ref().is_some_and(|snapshot| snapshot.kind == Kind::Full);
        self.known.insert(position, is_full);
        let snapshot = snapshot.filter(|_| position.0 != self.epoch)?;
        let mut followed = self.followed.take()?;
        let fits = followed.step(&snapshot, &self.checks(), now).is_ok();
        let state = fits.then(|| followed.state.clone());
        self.followed = Some(followed);
        state
    }

    /// A key is gone.
    pub(super) fn deleted(&mut self, key: &[u8]) {
        if let Some(position) = self.position(key) {
            let was_there = self.known.remove(&position).is_some();
            let by_us = self
                .pending
                .as_ref()
                .is_some_and(|chain| chain.deleted.contains(&position));
            let needed = |chain: &Chain| position.0 == self.epoch && position.1 >= chain.full;
            if was_there && !by_us && self.chain.as_ref().is_some_and(needed) {
                self.chain = None;
            }
        }
    }

    /// Whatever was written last may not have been: the next one is a full one.
    pub(super) fn start_anew(&mut self) {
        self.pending = None;
        self.chain = None;
    }

    /// What was prepared is written.
    pub(super) fn written(&mut self) {
        if let Some(chain) = self.pending.take() {
            self.known.insert(chain.added.0, chain.added.1);
            for position in &chain.deleted {
                self.known.remove(position);
            }
            self.chain = Some(chain);
        }
    }

    /// What is to be written now, if anything is.
    pub(super) fn next(&mut self, now: Timestamp) -> Option<Prepared> {
        let state = self.current.as_ref()?;
        let sequence = self.next;
        let added = |is_full| ((self.epoch, sequence), is_full);
        let (kind, base, changes, chain) = match &self.chain {
            None if state.is_empty() => return None,
            _ if self.refused.as_ref() == Some(state) => return None,
            Some(chain) if chain.last_state == *state => return None,
            // A full one in the future is from before the clock was set back.
            Some(chain) if chain.full_at <= now && now.since(chain.full_at) < self.settings.interval => {
                let is_differential = chain.increments >= INCREMENTS;
                let (kind, base, from) = if is_differential {
                    (Kind::Differential, chain.full, &chain.full_state)
                } else {
                    (Kind::Increment, chain.last, &chain.last_state)
                };
                let next = Chain {
                    last: sequence,
                    last_state: state.clone(),
                    increments: if is_differential { 0 } else { chain.increments + 1 },
                    added: added(false),
                    deleted: if is_differential {
                        self.between(chain.full, sequence)
                    } else {
                        Vec::new()
                    },
                    ..chain.clone()
                };
                (kind, base, from.diff(state), next)
            }
            _ => {
                let next = Chain {
                    full: sequence,
                    full_at: now,
                    full_state: state.clone(),
                    last: sequence,
                    last_state: state.clone(),
                    increments: 0,
                    added: added(true),
                    deleted: self.outdated(),
                };
                (Kind::Full, sequence, State::default().diff(state), next)
            }
        };
        let snapshot = Snapshot {
            kind,
            taken_at: now,
            epoch: self.epoch,
            sequence,
            base,
            origin: self.origin.clone(),
            changes,
        };
        let bytes = snapshot.encode();
        if bytes.len() > MAX_BYTES {
            self.too_large = Some(bytes.len());
            self.refused = self.current.clone();
            return None;
        }
        let prepared = Prepared {
            key: self.key((self.epoch, sequence)),
            bytes,
            deletes: chain.deleted.iter().map(|position| self.key(*position)).collect(),
        };
        self.next = sequence.saturating_add(1);
        self.pending = Some(chain);
        Some(prepared)
    }

    /// The snapshots of this process between two, which a differential takes the place of.
    fn between(&self, full: u32, next: u32) -> Vec<Position> {
        let first = (self.epoch, full.saturating_add(1));
        self.known.range(first..(self.epoch, next)).map(|(at, _)| *at).collect()
    }

    /// What is older than the full snapshots that are kept beside the one that is written now.
    fn outdated(&self) -> Vec<Position> {
        let fulls = self.known.iter().rev().filter(|(_, is_full)| **is_full);
        let oldest = match self.settings.keep.saturating_sub(1) {
            0 => Some((self.epoch, self.next)),
            others => fulls.map(|(at, _)| *at).nth(others - 1),
        };
        oldest.map_or_else(Vec::new, |oldest| {
            self.known
                .range(..oldest)
                .map(|(at, _)| *at)
                .take(MOST_DELETED)
                .collect()
        })
    }

    fn key(&self, (epoch, sequence): Position) -> String {
        format!("{}{epoch:016x}/{sequence:08x}", self.prefix)
    }

    fn position(&self, key: &[u8]) -> Option<Position> {
        let rest = std::str::from_utf8(key).ok()?.strip_prefix(self.prefix.as_str())?;
        let (epoch, sequence) = rest.split_once('/')?;
        let position = (
            u64::from_str_radix(epoch, 16).ok()?,
            u32::from_str_radix(sequence, 16).ok()?,
        );
        // Only keys that are written like that sort by age.
        (self.key(position).as_bytes() == key).then_some(position)
    }
}
