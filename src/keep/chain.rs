//! From the snapshots that a store holds to the newest state that they prove.

use super::snapshot::{Kind, Snapshot, SnapshotError};
use super::state::State;
use crate::model::{Timestamp, format_duration};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What a snapshot must be to be believed.
#[derive(Clone, Copy, Debug)]
pub struct Checks<'a> {
    /// Who must have taken it.
    pub origin: &'a str,
    /// The last one of a chain may be this old.
    pub max_age: Duration,
    /// So far may another machine's clock be ahead of this one's.
    pub future: Duration,
}

/// Why a snapshot is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The bytes are no snapshot.
    #[error("damaged: {0}")]
    Damaged(#[from] SnapshotError),
    /// Somebody else took it.
    #[error("foreign: somebody else took it")]
    Foreign,
    /// It, or the chain that it is in, ended too long ago.
    #[error("too old: taken {} ago", format_duration(*.0))]
    TooOld(Duration),
    /// It was taken after now.
    #[error("from the future: taken in {}", format_duration(*.0))]
    FromTheFuture(Duration),
    /// The snapshot that it builds on is not there, or is another one.
    #[error("broken chain: it builds on a snapshot that is not there")]
    BrokenChain,
}

impl Refusal {
    /// The names of all refusals.
    pub const NAMES: [&'static str; 5] = ["damaged", "foreign", "too_old", "from_the_future", "broken_chain"];

    /// The name in metrics and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Damaged(_) => "damaged",
            Self::Foreign => "foreign",
            Self::TooOld(_) => "too_old",
            Self::FromTheFuture(_) => "from_the_future",
            Self::BrokenChain => "broken_chain",
        }
    }
}

/// A state that snapshots prove, and where in their chain it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The state.
    pub state: State,
    /// The epoch of the snapshots.
    pub epoch: u64,
    /// The number of the last one.
    pub sequence: u32,
    /// When the last one was taken.
    pub taken_at: Timestamp,
}

/// What came of the snapshots that were there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// The newest state, if there is any.
    pub kept: Option<Kept>,
    /// The snapshots that can't be used, by their keys, and why. Those that newer ones replace are not among them.
    pub refused: Vec<(String, Refusal)>,
}

/// The newest state that the snapshots of a store (their keys and bytes) prove.
///
/// A chain is a full snapshot, perhaps a differential one on it, and then increments, each on the one before. Of all
/// chains that can be made of what is there, the one whose last snapshot was taken last wins. So a damaged increment
/// ends its chain before it, unless a differential one leads past it; and where a full one is damaged, an older full
/// one or another epoch takes its place.
pub fn restore_newest(candidates: Vec<(String, Vec<u8>)>, checks: &Checks<'_>, now: Timestamp) -> Restored {
    let mut refused = Vec::new();
    let mut pool = Vec::new();
    for (key, bytes) in candidates {
        let snapshot = Snapshot::decode(&bytes).map_err(Refusal::from);
        match snapshot.and_then(|snapshot| checks.check(&snapshot, now).map(|()| snapshot)) {
            Ok(snapshot) => pool.push((key, snapshot)),
            Err(refusal) => refused.push((key, refusal)),
        }
    }
    let kept = loop {
        let links = Links::of(&pool);
        // Back to front: what is taken out moves nothing that is still to be looked at.
        for at in (0..pool.len()).rev().filter(|at| !links.reached.contains(at)) {
            refused.push((pool.swap_remove(at).0, Refusal::BrokenChain));
        }
        let links = Links::of(&pool);
        let Some(chain) = links.newest() else {
            break None;
        };
        let age = now.since(chain.ends);
        if age > checks.max_age {
            refused.extend(pool.drain(..).map(|(key, _)| (key, Refusal::TooOld(age))));
            break None;
        }
        match replay(&pool, &chain.members) {
            Ok(kept) => break kept,
            // Its changes were made from another state than its base proves. Without it another chain may win.
            Err(misfit) => refused.push((pool.swap_remove(misfit).0, Refusal::BrokenChain)),
        }
    };
    refused.sort_by(|(a, _), (b, _)| a.cmp(b));
    Restored { kept, refused }
}

impl Checks<'_> {
    /// What can be said of a snapshot without its chain.
    fn check(&self, snapshot: &Snapshot, now: Timestamp) -> Result<(), Refusal> {
        if snapshot.origin != self.origin {
            return Err(Refusal::Foreign);
        }
        if snapshot.taken_at > now.after(self.future) {
            return Err(Refusal::FromTheFuture(snapshot.taken_at.since(now)));
        }
        Ok(())
    }
}

impl Kept {
    /// Goes on by a snapshot that came later: the increment that builds on this state, or a newer full one of the same
    /// epoch. A differential one leads nowhere from here: its full one's state is not kept.
    ///
    /// # Errors
    /// Why it is not used. Then nothing changes.
    pub fn step(&mut self, snapshot: &Snapshot, checks: &Checks<'_>, now: Timestamp) -> Result<(), Refusal> {
        checks.check(snapshot, now)?;
        let age = now.since(snapshot.taken_at);
        if age > checks.max_age {
            return Err(Refusal::TooOld(age));
        }
        let is_next = match snapshot.kind {
            Kind::Full => snapshot.sequence > self.sequence,
            Kind::Increment => snapshot.base == self.sequence,
            Kind::Differential => false,
        };
        if snapshot.epoch != self.epoch || !is_next {
            return Err(Refusal::BrokenChain);
        }
        self.advance(snapshot)
    }

    /// Applies a snapshot whose place is known to be right.
    fn advance(&mut self, snapshot: &Snapshot) -> Result<(), Refusal> {
        if snapshot.kind == Kind::Full {
            let mut state = State::default();
            state.apply(&snapshot.changes).map_err(|_| Refusal::BrokenChain)?;
            self.state = state;
        } else {
            self.state.apply(&snapshot.changes).map_err(|_| Refusal::BrokenChain)?;
        }
        (self.epoch, self.sequence) = (snapshot.epoch, snapshot.sequence);
        self.taken_at = snapshot.taken_at;
        Ok(())
    }
}

/// A snapshot's place: its epoch and its number.
type Place = (u64, u32);

/// The snapshots of a pool, by what they build on.
struct Links {
    chains: Vec<Chain>,
    /// Those that some chain reaches.
    reached: BTreeSet<usize>,
}

struct Chain {
    /// When its last snapshot was taken.
    ends: Timestamp,
    last: Place,
    members: Vec<usize>,
}

impl Links {
    fn of(pool: &[(String, Snapshot)]) -> Self {
        // Of two increments on one base the one that was taken last goes on.
        let mut increments: BTreeMap<Place, (Timestamp, usize)> = BTreeMap::new();
        let mut forks = Vec::new();
        for (at, (_, snapshot)) in pool.iter().enumerate() {
            if snapshot.kind == Kind::Increment {
                let base = (snapshot.epoch, snapshot.base);
                let this = (snapshot.taken_at, at);
                let newest = increments.entry(base).or_insert(this);
                *newest = this.max(*newest);
                forks.push((base, at));
            }
        }
        let mut links = Self {
            chains: Vec::new(),
            reached: BTreeSet::new(),
        };
        for (full_at, (_, full)) in pool.iter().enumerate().filter(|(_, (_, full))| full.kind == Kind::Full) {
            links.follow(pool, &increments, vec![full_at]);
            for (at, (_, on_it)) in pool.iter().enumerate() {
                let place = (full.epoch, full.sequence);
                if on_it.kind == Kind::Differential && (on_it.epoch, on_it.base) == place {
                    links.follow(pool, &increments, vec![full_at, at]);
                }
            }
        }
        let reached: BTreeSet<Place> = links.reached.iter().filter_map(|at| place(pool, *at)).collect();
        let forks = forks.into_iter().filter(|(base, _)| reached.contains(base));
        links.reached.extend(forks.map(|(_, at)| at));
        links
    }

    /// Notes the chain that begins like this and goes on by increments for as long as there are some.
    fn follow(
        &mut self,
        pool: &[(String, Snapshot)],
        increments: &BTreeMap<Place, (Timestamp, usize)>,
        mut members: Vec<usize>,
    ) {
        let last = |members: &[usize]| members.last().and_then(|at| place(pool, *at));
        while let Some((_, next)) = last(&members).and_then(|place| increments.get(&place)) {
            members.push(*next);
        }
        self.reached.extend(&members);
        if let Some(last) = last(&members)
            && let Some(ends) = members.last().and_then(|at| pool.get(*at))
        {
            self.chains.push(Chain {
                ends: ends.1.taken_at,
                last,
                members,
            });
        }
    }

    /// The chain that ends last.
    fn newest(self) -> Option<Chain> {
        self.chains.into_iter().max_by_key(|chain| (chain.ends, chain.last))
    }
}

fn place(pool: &[(String, Snapshot)], at: usize) -> Option<Place> {
    pool.get(at).map(|(_, snapshot)| (snapshot.epoch, snapshot.sequence))
}

/// The state that a chain leads to.
///
/// # Errors
/// Which of its members does not fit on those before.
fn replay(pool: &[(String, Snapshot)], members: &[usize]) -> Result<Option<Kept>, usize> {
    let mut kept = Kept {
        state: State::default(),
        epoch: 0,
        sequence: 0,
        taken_at: Timestamp::ZERO,
    };
    for at in members {
        if let Some((_, snapshot)) = pool.get(*at) {
            kept.advance(snapshot).map_err(|_| *at)?;
        }
    }
    Ok((!members.is_empty()).then_some(kept))
}
