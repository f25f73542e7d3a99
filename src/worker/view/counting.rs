//! What hosts do in the running interval, as this worker counts it.

use super::ClusterView;
use crate::detect::{Sketch, Window};
use crate::health::HostHealth;
use crate::model::{FailureOrigin, HostAddr, Outcome, Percent, Timestamp};
use crate::worker::record::Attempt;
use std::time::Duration;

/// What came of a success at a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::worker) enum Counted {
    /// The host is not in rotation, or not known.
    NotHere,
    /// It began before the host was ejected.
    SaysNothing,
    /// It is counted; its host was last ejected then, or never (zero).
    At(Timestamp),
}

impl ClusterView {
    /// Counts what an attempt says about a host in the running interval.
    pub(in crate::worker) fn count(&mut self, host: &HostHealth, attempt: &Attempt) {
        if host.is_straggler(attempt.began) {
            return;
        }
        let split = self.policy.outlier_detection.split_external_local_origin_errors;
        if let Some(window) = self.window(host.addr) {
            count_in(window, attempt, split);
        }
    }

    /// Counts a success, if its host is in rotation: nearly every attempt. The host is looked up once.
    pub(in crate::worker) fn count_success(&mut self, attempt: &Attempt) -> Counted {
        let place = self.place(attempt.host);
        let host = place.and_then(|place| self.table.hosts().get(place));
        let Some(host) = host.filter(|host| !host.is_out() && !host.gone) else {
            return Counted::NotHere;
        };
        if host.is_straggler(attempt.began) {
            return Counted::SaysNothing;
        }
        let local = place.and_then(|place| self.local.get_mut(place));
        if let Some(local) = local {
            let split = self.policy.outlier_detection.split_external_local_origin_errors;
            count_in(local.window.get_or_insert_default(), attempt, split);
        }
        Counted::At(host.last_ejected_at)
    }

    /// What a host does in the running interval.
    pub(in crate::worker) fn window(&mut self, host: HostAddr) -> Option<&mut Window> {
        let local = self.local_mut(host)?;
        Some(local.window.get_or_insert_default())
    }

    /// What all hosts did in the interval that is over, as far as they did anything. What was counted stays until
    /// [`Self::clear_windows`].
    pub(in crate::worker) fn windows(&self) -> impl Iterator<Item = (HostAddr, &Window)> {
        self.table.hosts().iter().zip(&self.local).filter_map(|(host, local)| {
            let window = local.window.as_deref().filter(|window| !window.is_empty())?;
            Some((host.addr, window))
        })
    }

    /// Begins another interval.
    pub(in crate::worker) fn clear_windows(&mut self, began: Timestamp) {
        self.interval = began;
        self.p95 = self.policy.retry.hedge.and_then(|_| self.measured_p95());
        for window in self.local.iter_mut().filter_map(|local| local.window.as_deref_mut()) {
            *window = Window::default();
        }
    }

    /// How long 95 % of the running interval's answers took, if there are enough to say.
    fn measured_p95(&self) -> Option<Duration> {
        const ENOUGH: u32 = 20;
        const P95: Percent = Percent::of_hundred(95);
        let mut all = Sketch::default();
        for (_, window) in self.windows() {
            all.merge(&window.times);
        }
        (all.count() >= ENOUGH).then(|| all.bound(P95))?
    }
}

fn count_in(window: &mut Window, attempt: &Attempt, split: bool) {
    window.count(attempt.outcome, split);
    // An answer that was not given says nothing about speed.
    let answered = attempt.outcome != Outcome::Failure(FailureOrigin::LocalOrigin);
    if let Some(took) = attempt.took.filter(|_| answered) {
        window.times.add(took);
    }
}
