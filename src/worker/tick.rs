//! What is done once a second, apart from any request.

use super::Worker;
use super::shared::CLUSTERS_KEY;
use crate::health::HostState;
use crate::host::{Cas, Host, HostError};
use crate::metrics::{ErrorCause, Metric};
use crate::model::Timestamp;
use std::collections::HashSet;
use std::rc::Rc;
use std::time::Duration;

/// What the last tick left to know.
#[derive(Debug, Default)]
pub(super) struct Upkeep {
    /// The revision of all records at the last tick.
    seen: Option<u64>,
    /// Where the next tick goes on to read records whatever the revision says.
    reread: usize,
    /// The gauges as this worker last set them.
    gauges: [Option<u64>; GAUGES.len()],
}

/// Hosts that are not in full rotation, by what they are instead.
const GAUGES: [Metric; 3] = [Metric::EjectionsActive, Metric::ProbationActive, Metric::RampActive];

/// How many records each tick reads whatever the revision says. It is for a worker that dies between writing a record
/// and making it known; nobody else would look.
const REREAD: usize = 16;

impl<H: Host> Worker<H> {
    /// Brings views, records and metrics up to date. Runs in each worker; what one of them has written, the others
    /// find done. Ticks that came for a stream's sake alone do nothing here.
    pub fn on_tick(&mut self) -> Timestamp {
        let now = self.now();
        if self.timer_went_off(now) {
            self.keep_all_up(now);
        }
        now
    }

    fn keep_all_up(&mut self, now: Timestamp) {
        self.publish_overdue();
        self.raise_overdue();
        self.renew_homes(now);
        self.sync();
        if self.revisions.records != self.upkeep.seen {
            self.upkeep.seen = self.revisions.records;
            self.meet_clusters();
        }
        let clusters: Vec<Rc<str>> = self.clusters.names().map(Rc::clone).collect();
        let start = self.upkeep.reread;
        for cluster in clusters.iter().cycle().skip(start).take(REREAD.min(clusters.len())) {
            self.read_record(cluster);
        }
        self.upkeep.reread = start.saturating_add(REREAD).checked_rem(clusters.len()).unwrap_or(0);
        for cluster in &clusters {
            self.keep_up(cluster, now);
            self.keep_windows(cluster, now);
        }
        self.serve_if_elected(now);
        self.set_gauges(now);
        self.report.flush(&self.host);
    }

    /// Learns of clusters that other workers have met, and tells them of ours: so that each worker can settle the
    /// records of all, and the gauge counts all.
    pub(super) fn meet_clusters(&mut self) {
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
        let known: HashSet<&str> = listed.lines().collect();
        let mut names: Vec<&str> = listed.lines().collect();
        names.extend(
            self.clusters
                .iter()
                .filter(|(name, view)| !view.table().hosts().is_empty() && !known.contains(&***name))
                .map(|(name, _)| &**name),
        );
        let complete = names.join("\n");
        if complete != listed {
            match self.host.set_shared_data(CLUSTERS_KEY, complete.as_bytes(), cas) {
                // Who looked a moment ago looks again.
                Ok(()) => {
                    self.raise(Metric::RevisionRecords);
                }
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
        let nobody_lists = self.config.admin.is_none();
        let Some(view) = self.fresh_view(cluster) else {
            return;
        };
        let touched = view.take_touched(now);
        let unfit = nobody_lists && view.table().hosts().iter().any(|host| host.unfit);
        let restless = view.table().restless_until(&view.policy, now);
        // What has no end yet is said to last a minute, and said again before that is over.
        let settled = touched.is_empty() && !unfit && view.table().is_settled(&view.policy, now);
        let said = self.revisions.restless_until;
        if restless > said && said < now.after(Duration::from_secs(30)) {
            self.publish(restless);
        }
        // Most ticks have nothing to do; a look at the view is enough to know.
        if settled {
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
            if nobody_lists {
                change = change.and(table.forget_unfit());
            }
            change
        });
    }

    fn set_gauges(&mut self, now: Timestamp) {
        let mut counts = [0_u64; GAUGES.len()];
        for host in self.clusters.iter().flat_map(|(_, view)| view.table().hosts()) {
            let [ejected, probation, ramp] = &mut counts;
            match host.state {
                _ if host.gone => {}
                HostState::Healthy => {}
                HostState::Ejected(ejection) if ejection.until > now => *ejected += 1,
                HostState::Ejected(_) | HostState::Probation(_) => *probation += 1,
                HostState::Ramp { .. } => *ramp += 1,
            }
        }
        for ((metric, count), known) in GAUGES.into_iter().zip(counts).zip(&mut self.upkeep.gauges) {
            if *known != Some(count) {
                let set = self.report.set_gauge(&self.host, metric, count);
                *known = set.then_some(count);
            }
        }
    }
}
