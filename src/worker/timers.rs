//! What waits for a moment: the upkeep that is due once a tick, and streams.
//!
//! A VM has one timer, the plugin's tick. It is set to go off when the next thing is due: while no stream waits that is the
//! upkeep alone, and nothing is asked of the host.

use super::Worker;
use crate::host::{Host, StreamId};
use crate::metrics::ErrorCause;
use crate::model::Timestamp;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

/// The shortest wait that a timer can be set to.
const SHORTEST: Duration = Duration::from_millis(1);

/// The moments that this worker waits for.
#[derive(Debug, Default)]
pub(super) struct Timers {
    /// Streams that wait, the next one first: when it is woken, its moment, and who it is. The two times differ once the
    /// clock was set back. One that does not wait any more is woken all the same, and does nothing.
    waiting: BinaryHeap<Reverse<(Timestamp, Timestamp, StreamId)>>,
    /// The timer's period.
    period: Duration,
    /// When the timer goes off next, as far as is known.
    next: Timestamp,
    /// When the upkeep was last done.
    upkept: Timestamp,
    /// The last tick.
    ticked: Timestamp,
}

impl<H: Host> Worker<H> {
    /// Sets the timer for the first time.
    pub(super) fn start_timer(&mut self, now: Timestamp) {
        self.timers.upkept = now;
        self.timers.ticked = now;
        self.set_timer(self.tick, now);
    }

    /// A stream waits until `at`: [`Worker::due`] gives it then. Returns whether there is a timer at all; else
    /// nobody would wake it.
    pub fn wake(&mut self, stream: StreamId, at: Timestamp, now: Timestamp) -> bool {
        if at < self.timers.next || self.timers.period.is_zero() {
            self.set_timer(at.since(now), now);
        }
        let runs = !self.timers.period.is_zero();
        if runs {
            self.timers.waiting.push(Reverse((at, at, stream)));
        }
        runs
    }

    /// Takes one of the streams whose moment has come, and that moment.
    pub fn due(&mut self, now: Timestamp) -> Option<(StreamId, Timestamp)> {
        let Reverse((woken, moment, stream)) = *self.timers.waiting.peek()?;
        if woken > now {
            return None;
        }
        self.timers.waiting.pop();
        Some((stream, moment))
    }

    /// The timer has gone off. Returns whether the upkeep is due.
    pub(super) fn timer_went_off(&mut self, now: Timestamp) -> bool {
        if now < self.timers.ticked {
            // The clock was set back, and nobody knows by how much: whoever waits has waited long enough.
            let waiting = std::mem::take(&mut self.timers.waiting);
            let due = waiting.into_iter();
            let due = due.map(|Reverse((_, moment, stream))| Reverse((now, moment, stream)));
            self.timers.waiting = due.collect();
        }
        self.timers.ticked = now;
        self.timers.next = now.after(self.timers.period);
        // While no stream waits each tick is one for the upkeep. A timer that goes off a little early is on time.
        let due = self.timers.period == self.tick
            || now < self.timers.upkept
            || now.since(self.timers.upkept) + SHORTEST >= self.tick;
        if due {
            self.timers.upkept = now;
        }
        due
    }

    /// Sets the timer for what is due next.
    pub fn rearm(&mut self, now: Timestamp) {
        let upkeep = self.timers.upkept.after(self.tick);
        let next = self
            .timers
            .waiting
            .peek()
            .map_or(upkeep, |Reverse((at, ..))| upkeep.min(*at));
        let wait = if next == upkeep && self.timers.upkept == now {
            self.tick
        } else {
            next.since(now)
        };
        if wait != self.timers.period {
            self.set_timer(wait, now);
        }
    }

    fn set_timer(&mut self, wait: Duration, now: Timestamp) {
        // In whole milliseconds, and rather late than early.
        let millis = u64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
        let period = Duration::from_millis(millis).clamp(SHORTEST, self.tick);
        match self.host.set_tick_period(period) {
            Ok(()) => {
                self.timers.period = period;
                self.timers.next = now.after(period);
            }
            Err(error) => self.error(ErrorCause::Timer, format_args!("the tick is not set: {error}")),
        }
    }
}
