//! A VM's timer: when it goes off next.

use std::time::Duration;

/// What the module asked for.
#[derive(Debug, Default)]
pub(crate) struct Timer {
    period: Option<Duration>,
    started: Option<u64>,
}

/// Whether asking for a period starts a timer anew that has another period, or none, or the same.
///
/// This is the one place that knows.
fn starts_anew(has: Option<Duration>, asked: Option<Duration>) -> bool {
    has != asked
}

impl Timer {
    /// The module asks for this period, 0 for no timer.
    pub(crate) fn ask(&mut self, period_ms: u32, now: u64) {
        let asked = (period_ms > 0).then(|| Duration::from_millis(period_ms.into()));
        if starts_anew(self.period, asked) {
            self.started = Some(now);
        }
        self.period = asked;
    }

    /// The period; none where the timer is off.
    pub(crate) fn period(&self) -> Option<Duration> {
        self.period
    }

    /// When it was started anew since the last time somebody asked here: a tick that is still to come never does.
    pub(crate) fn take_start(&mut self) -> Option<u64> {
        self.started.take()
    }
}
