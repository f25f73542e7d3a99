//! What hosts did in an interval, which all workers count together.
//!
//! Each worker counts in its own memory. At its first tick after an interval is over it adds what it has to one window
//! per cluster in shared data, `sidestep/2/window/NAME`: the interval's end (ns, 8 bytes), then for each host its address
//! and its [`Window`]. A little later, when every worker has had a tick, the first that comes judges the window and writes
//! the verdicts, and that they are written, in one step: whatever dies when, an interval is judged at most once.
//!
//! Intervals are counted from the Unix epoch, so that all workers agree where one ends.

use super::Worker;
use crate::detect::{Window, judge};
use crate::health::{Charge, EjectionRefusal, HostHealth, Input, RecordError, put_addr, take_addr};
use crate::host::{Cas, Host, HostError};
use crate::metrics::ErrorCause;
use crate::model::{HostAddr, Timestamp};
use std::rc::Rc;
use std::time::Duration;

/// How often a worker tries to hand its window over. All workers do so within the same tick.
const HAND_OVER_TRIES: u32 = 256;

/// All hosts' windows of one interval.
#[derive(Debug, Default)]
struct Merged {
    /// When the interval ended.
    end: Timestamp,
    /// Sorted by address.
    hosts: Vec<(HostAddr, Window)>,
}

impl Merged {
    fn encode(&self) -> Vec<u8> {
        let mut out = self.end.as_nanos().to_le_bytes().to_vec();
        for (host, window) in &self.hosts {
            put_addr(&mut out, *host);
            window.encode(&mut out);
        }
        out
    }

    /// When the interval ended whose windows these bytes are; nothing more is read.
    fn end_of(bytes: &[u8]) -> Option<Timestamp> {
        Input::new(bytes).time().ok()
    }

    /// Adds to what a host did. Hosts that come sorted are added fast.
    fn add(&mut self, host: HostAddr, window: &Window) {
        match self.hosts.binary_search_by_key(&host, |(known, _)| *known) {
            Ok(at) => {
                if let Some((_, known)) = self.hosts.get_mut(at) {
                    known.merge(window);
                }
            }
            Err(at) => self.hosts.insert(at, (host, window.clone())),
        }
    }

    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let mut input = Input::new(bytes);
        let end = input.time()?;
        let mut rest = input.rest();
        let mut hosts = Vec::new();
        while !rest.is_empty() {
            let mut input = Input::new(rest);
            let host = take_addr(&mut input)?;
            rest = input.rest();
            let window = Window::decode(&mut rest).map_err(|_| RecordError::Short)?;
            hosts.push((host, window));
        }
        Ok(Self { end, hosts })
    }
}

fn key(cluster: &str) -> String {
    format!("sidestep/2/window/{cluster}")
}

/// When the interval began that a moment is in.
fn beginning(now: Timestamp, interval: Duration) -> Timestamp {
    let into = u128::from(now.as_nanos()) % interval.as_nanos().max(1);
    let into = u64::try_from(into).unwrap_or(u64::MAX);
    Timestamp::from_nanos(now.as_nanos().saturating_sub(into))
}

impl<H: Host> Worker<H> {
    /// Hands over a cluster's window if its interval is over, and judges what all have handed over once it is time.
    pub(super) fn keep_windows(&mut self, cluster: &str, now: Timestamp) {
        let tick = self.tick;
        let Some(view) = self.clusters.get_mut(cluster) else {
            return;
        };
        // Shorter ones would be over before each worker has had a tick in them.
        let interval = view.policy.outlier_detection.interval.max(tick * 4);
        let began = beginning(now, interval);
        let counted = view.interval;
        if counted != began {
            // What was counted before the first tick, or before the clock was set back, is of no interval.
            if counted != Timestamp::ZERO && counted < began {
                self.hand_over(cluster, counted.after(interval), began);
            }
            if let Some(view) = self.clusters.get_mut(cluster) {
                view.clear_windows(began);
            }
        }
        let Some(view) = self.clusters.get_mut(cluster) else {
            return;
        };
        if view.table().judged() > now {
            self.update(cluster, |table, _, _| table.forget_future(began));
        } else if view.table().judged() < began && view.judged != began && now.since(began) >= tick * 5 / 4 {
            // By now each worker has handed over what it had.
            view.judged = began;
            self.judge(cluster, began, interval, now);
        }
    }

    /// Adds what this worker counted to the window that all share, of the interval that ended at `end`. The running one
    /// began at `began`.
    fn hand_over(&mut self, cluster: &str, end: Timestamp, began: Timestamp) {
        let Some(view) = self.clusters.get(cluster) else {
            return;
        };
        if view.windows().next().is_none() {
            return;
        }
        let key = key(cluster);
        for _ in 0..HAND_OVER_TRIES {
            let Some(view) = self.clusters.get(cluster) else {
                return;
            };
            let written = self.host.shared_data(&key).and_then(|found| {
                let (bytes, cas) = found.unwrap_or((Vec::new(), Cas::ABSENT));
                let found = Merged::end_of(&bytes).unwrap_or_default();
                if found > end && found <= began {
                    return Ok(());
                }
                // What is of another interval, or can't be read, has no part in this one. One that is not over yet is
                // from before the clock was set back.
                let mut merged = if found == end {
                    Merged::decode(&bytes).unwrap_or_default()
                } else {
                    Merged::default()
                };
                merged.end = end;
                for (host, window) in view.windows() {
                    merged.add(host, window);
                }
                self.host.set_shared_data(&key, &merged.encode(), cas)
            });
            match written {
                Ok(()) => return,
                Err(HostError::CasMismatch) => {}
                Err(error) => {
                    self.error(
                        ErrorCause::SharedDataWrite,
                        format_args!("the window of cluster {cluster} is lost: {error}"),
                    );
                    return;
                }
            }
        }
        self.error(
            ErrorCause::SharedDataContention,
            format_args!("the window of cluster {cluster} is lost: other workers were faster {HAND_OVER_TRIES} times"),
        );
    }

    /// Judges the interval that ended at `end`, unless another worker was faster.
    fn judge(&mut self, cluster: &str, end: Timestamp, interval: Duration, now: Timestamp) {
        let merged = match self.host.shared_data(&key(cluster)) {
            Ok(None) => return,
            Ok(Some((bytes, _))) => Merged::decode(&bytes),
            Err(error) => {
                self.error(
                    ErrorCause::SharedDataRead,
                    format_args!("no window of cluster {cluster}: {error}"),
                );
                return;
            }
        };
        let merged = match merged {
            Ok(merged) if merged.end == end => merged,
            // Nobody counted anything in it.
            Ok(_) => return,
            Err(error) => {
                self.error(
                    ErrorCause::Record,
                    format_args!("the window of cluster {cluster} counts as empty: {error}"),
                );
                return;
            }
        };
        let Some(view) = self.fresh_view(cluster) else {
            return;
        };
        let policy = Rc::clone(&view.policy);
        let available: Vec<_> = merged
            .hosts
            .iter()
            .filter(|(host, _)| view.host(*host).is_some_and(HostHealth::is_available))
            .map(|(host, window)| (*host, window))
            .collect();
        let accusations = judge(&available, &policy.outlier_detection);
        // It was no interval without trouble, so it does not lower the multiplier.
        let began = Timestamp::ZERO.after(end.since(Timestamp::ZERO.after(interval)));
        let mut charges = Vec::with_capacity(accusations.len());
        for accusation in accusations {
            let Some(host) = self
                .clusters
                .get(cluster)
                .and_then(|view| view.host(accusation.host))
                .copied()
            else {
                continue;
            };
            charges.push(Charge {
                host: accusation.host,
                detector: accusation.detector,
                evidence: accusation.evidence,
                ejections: self.ejections(cluster, &host, began),
                cleared: accusation.like_its_peers.then_some(EjectionRefusal::LikeItsPeers),
            });
        }
        if charges.is_empty() {
            // Each worker finds that for itself, and nobody has to write.
            return;
        }
        self.update(cluster, |table, policy, entropy| {
            table.judge(end, &charges, policy, now, entropy)
        });
    }
}
