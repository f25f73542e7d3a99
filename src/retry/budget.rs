//! How many retries there may be: a share of the requests, and a floor below it.
//!
//! A bound on retries for each request does not bound their sum: when everything fails, one retry for each request
//! doubles the load on what is failing already, and keeps it down. A budget bounds the sum instead. While a few requests fail, each
//! has its retry; when most do, most go without. (Finagle's `RetryBudget`, Linkerd's `retryBudget`, Envoy's
//! `retry_budget`.)
//!
//! The share is counted by each worker for itself, in [`RequestShare`]: retries <= percent x requests, exactly, for each
//! worker and so for all together. The floor is for clusters with little traffic, whose share is less than one retry. It is one
//! for all workers, [`Floor`], in shared data, and asked only once the share is used up.
//!
//! Together: in any time, retries <= percent x requests + floor x (seconds + 1).

use crate::config::RetryBudget;
use crate::model::Timestamp;
use std::ops::Range;
use std::time::Duration;

/// The `ttl` is counted in so many parts.
const SLOTS: usize = 10;

/// A tenth of the `ttl`.
#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    requests: u32,
    retries: u32,
}

/// One worker's requests of the last `ttl`, and the retries that they allowed.
#[derive(Clone, Debug, Default)]
pub struct RequestShare {
    slots: [Slot; SLOTS],
    /// The number of the newest slot, counted from the epoch.
    newest: u64,
    /// The `ttl` for which, and the nanoseconds since the epoch in which, that is the slot of the moment: nearly every
    /// request comes in the same one as the last, and need not work out which.
    current: (Duration, Range<u64>),
}

impl RequestShare {
    /// Counts a request.
    pub fn request(&mut self, budget: &RetryBudget, now: Timestamp) {
        if let Some(slot) = self.slot(budget, now) {
            slot.requests = slot.requests.saturating_add(1);
        }
    }

    /// Takes one retry, if the requests of the last `ttl` allow one more.
    pub fn withdraw(&mut self, budget: &RetryBudget, now: Timestamp) -> bool {
        let allowed = self.left(budget, now) > 0;
        if allowed && let Some(slot) = self.slot(budget, now) {
            slot.retries = slot.retries.saturating_add(1);
        }
        allowed
    }

    /// Gives a retry back that was taken and not made.
    pub fn put_back(&mut self, budget: &RetryBudget, now: Timestamp) {
        self.slot(budget, now);
        // The newest that took one: who gives back took it not long ago.
        let newest = self.newest;
        let from_newest = (0..SLOTS as u64).map(|age| place(newest.wrapping_sub(age)));
        for at in from_newest {
            if let Some(slot) = self.slots.get_mut(at).filter(|slot| slot.retries > 0) {
                slot.retries -= 1;
                return;
            }
        }
    }

    /// How many retries more the requests of the last `ttl` allow: percent x requests, rounded down, less those made.
    pub fn left(&mut self, budget: &RetryBudget, now: Timestamp) -> u64 {
        self.slot(budget, now);
        let sum = |of: fn(&Slot) -> u32| self.slots.iter().map(|slot| u64::from(of(slot))).sum::<u64>();
        // At most 10 x 2^32 x 10^5: well below 2^64.
        let allowed = sum(|slot| slot.requests) * u64::from(budget.percent_thousandths) / 100_000;
        allowed.saturating_sub(sum(|slot| slot.retries))
    }

    /// The slot of this moment; those that are over are emptied.
    fn slot(&mut self, budget: &RetryBudget, now: Timestamp) -> Option<&mut Slot> {
        let nanos = now.as_nanos();
        if self.current.0 == budget.ttl && self.current.1.contains(&nanos) {
            return self.slots.get_mut(place(self.newest));
        }
        // Five centuries, should it be longer.
        let length = u64::try_from((budget.ttl / SLOTS as u32).as_nanos())
            .unwrap_or(u64::MAX)
            .max(1);
        let number = nanos / length;
        let span = SLOTS as u64;
        if number >= self.newest.saturating_add(span) || number.saturating_add(span) <= self.newest {
            // Nothing for a whole ttl, or the clock was set back for longer than that.
            self.slots = [Slot::default(); SLOTS];
            self.newest = number;
        }
        while self.newest < number {
            self.newest += 1;
            if let Some(slot) = self.slots.get_mut(place(self.newest)) {
                *slot = Slot::default();
            }
        }
        let begins = number.saturating_mul(length);
        self.current = (budget.ttl, begins..begins.saturating_add(length));
        // Set back a little: what is now goes into the newest, and the bound holds.
        self.slots.get_mut(place(self.newest))
    }
}

fn place(number: u64) -> usize {
    (number % SLOTS as u64) as usize
}

/// The retries that all workers together made in one second beyond their shares; 16 bytes in shared data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Floor {
    second: u64,
    used: u64,
}

impl Floor {
    /// Reads what [`Self::encode`] wrote; anything else is a second in which nothing was used.
    pub fn decode(bytes: &[u8]) -> Self {
        let number = |bytes: Option<&[u8; 8]>| bytes.copied().map_or(0, u64::from_le_bytes);
        Self {
            second: number(bytes.first_chunk()),
            used: number(bytes.get(8..).and_then(<[u8]>::first_chunk)),
        }
    }

    /// Second and number of retries, 8 bytes each, little-endian.
    pub fn encode(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        let (second, used) = bytes.split_at_mut(8);
        second.copy_from_slice(&self.second.to_le_bytes());
        used.copy_from_slice(&self.used.to_le_bytes());
        bytes
    }

    /// One retry more.
    ///
    /// # Errors
    /// When the next one may be had, if none is left in this second.
    pub fn withdraw(self, budget: &RetryBudget, now: Timestamp) -> Result<Self, Timestamp> {
        const SECOND: u64 = 1_000_000_000;
        let second = now.as_nanos() / SECOND;
        // A second that is to come is from before the clock was set back.
        let used = if self.second == second { self.used } else { 0 };
        if used >= u64::from(budget.min_retries_per_second) {
            let next = second.saturating_add(1).saturating_mul(SECOND);
            return Err(Timestamp::from_nanos(next));
        }
        Ok(Self { second, used: used + 1 })
    }
}

/// What one worker has of a cluster's budget.
#[derive(Clone, Debug, Default)]
pub struct Budget {
    share: RequestShare,
    /// Retries of the floor that were taken and not made.
    spare: u32,
    spare_until: Timestamp,
    /// The floor is used up until then.
    empty_until: Timestamp,
}

/// Where a retry was taken from, to be given back there if it is not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Withdrawal {
    /// The share of this worker's requests.
    Share,
    /// The floor of all workers.
    Floor,
}

impl Budget {
    /// How long a retry of the floor that was not made is kept.
    const SPARE_FOR: Duration = Duration::from_secs(1);

    /// Counts a request.
    pub fn request(&mut self, budget: &RetryBudget, now: Timestamp) {
        self.share.request(budget, now);
    }

    /// Takes one retry, of what this worker has.
    pub fn withdraw(&mut self, budget: &RetryBudget, now: Timestamp) -> Option<Withdrawal> {
        if self.share.withdraw(budget, now) {
            return Some(Withdrawal::Share);
        }
        if self.spare > 0 && now < self.spare_until {
            self.spare -= 1;
            return Some(Withdrawal::Floor);
        }
        None
    }

    /// Whether it makes sense to ask the floor.
    pub fn may_ask_floor(&self, budget: &RetryBudget, now: Timestamp) -> bool {
        // A moment too far away is from before the clock was set back.
        let empty = now < self.empty_until && self.empty_until <= now.after(Duration::from_secs(1));
        budget.min_retries_per_second > 0 && !empty
    }

    /// The floor has nothing until then.
    pub const fn floor_is_empty(&mut self, until: Timestamp) {
        self.empty_until = until;
    }

    /// Gives a retry back that was not made.
    pub fn put_back(&mut self, withdrawal: Withdrawal, budget: &RetryBudget, now: Timestamp) {
        match withdrawal {
            Withdrawal::Share => self.share.put_back(budget, now),
            Withdrawal::Floor => {
                if now >= self.spare_until {
                    self.spare = 0;
                }
                self.spare = self.spare.saturating_add(1);
                self.spare_until = now.after(Self::SPARE_FOR);
            }
        }
    }
}
