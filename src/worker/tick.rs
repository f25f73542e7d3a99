//! What is done once a second, apart from any request.

use super::Worker;
use super::shared::CLUSTERS_KEY;
use crate::host::{Cas, Host, HostError};
use crate::metrics::{ErrorCause, Metric};
use crate::model::Timestamp;
use std::rc::Rc;

/// What the last tick left to know.
#[derive(Debug, Default)]
pub(super) struct Upkeep {
    /// The version of all records at the last tick.
    seen: Option<Cas>,
    /// The gauge of ejected hosts as this worker last set it.
    ejections_active: Option<u64>,
}

impl<H: Host> Worker<H> {
    /// Brings views, records and metrics up to date. Runs in each worker; what one of them has written, the others
    /// find done.
    pub fn on_tick(&mut self) {
        let now = self.now();
        if let Some(end) = self.version.overdue {
            self.publish(end);
        }
        self.sync();
        if self.version.cas != self.upkeep.seen {
            self.upkeep.seen = self.version.cas;
            self.meet_clusters();
        }
        let clusters: Vec<Rc<str>> = self.clusters.keys().map(Rc::clone).collect();
        for cluster in &clusters {
            self.keep_up(cluster, now);
        }
        self.set_ejections_active(now);
        self.report.flush(&self.host);
    }

    /// Learns of clusters that other workers have met, and tells them of ours: so that each worker can settle the
    /// records of all, and the gauge counts all.
    fn meet_clusters(&mut self) {
        let (listed, cas) = match self.host.shared_data(CLUSTERS_KEY) {
            Ok(Some((bytes, cas))) => (String::from_utf8(bytes).unwrap_or_default(), cas),
            Ok(None) => (String::new(), Cas::ABSENT),
            Err(error) => {
                self.upkeep.seen = None;
                self.error(ErrorCause::SharedDataRead, format_args!("no list of clusters: {error}"));
                return;
            }
        };
        for cluster in listed.lines() {
            self.fresh_view(cluster);
        }
        let mut names: Vec<&str> = listed.lines().collect();
        names.extend(
            self.clusters
                .iter()
                .filter(|(name, view)| {
                    !view.table().hosts().is_empty() && !listed.lines().any(|known| known == &***name)
                })
                .map(|(name, _)| &**name),
        );
        let complete = names.join("\n");
        if complete != listed {
            match self.host.set_shared_data(CLUSTERS_KEY, complete.as_bytes(), cas) {
                Ok(()) => {}
                // Somebody else added theirs; ours follow at the next tick.
                Err(HostError::CasMismatch) => self.upkeep.seen = None,
                Err(error) => {
                    self.upkeep.seen = None;
                    self.error(
                        ErrorCause::SharedDataWrite,
                        format_args!("clusters not listed: {error}"),
                    );
                }
            }
        }
    }

    /// Settles a cluster's record: ejections that are over end, hosts that answered stay known, others are
    /// forgotten.
    fn keep_up(&mut self, cluster: &str, now: Timestamp) {
        let Some(view) = self.fresh_view(cluster) else {
            return;
        };
        let touched = view.take_touched(now);
        // Most ticks have nothing to do; a look at the view is enough to know.
        if touched.is_empty() && view.table().is_settled(&view.policy, now) {
            return;
        }
        self.update(cluster, |table, policy, _| {
            // Learn first: what was seen just now is not to be forgotten.
            let mut learned = false;
            for host in &touched {
                learned |= table.learn(*host, now, policy).changed;
            }
            let mut change = table.settle(policy, now);
            change.changed |= learned;
            change
        });
    }

    fn set_ejections_active(&mut self, now: Timestamp) {
        let ejected: usize = self.clusters.values().map(|view| view.table().ejected(now)).sum();
        let ejected = u64::try_from(ejected).unwrap_or(u64::MAX);
        if self.upkeep.ejections_active != Some(ejected) {
            let set = self.report.set_gauge(&self.host, Metric::EjectionsActive, ejected);
            self.upkeep.ejections_active = set.then_some(ejected);
        }
    }
}
