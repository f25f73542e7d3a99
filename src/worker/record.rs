//! What an attempt says about its host, and where it is written down.

use super::Worker;
use super::view::Counted;
use crate::detect::Evidence;
use crate::health::{Charge, Event, HostHealth, Standing, Trial};
use crate::host::Host;
use crate::metrics::Metric;
use crate::model::{HostAddr, Outcome, Timestamp};
use std::time::Duration;

/// One try of one request at one host, when its outcome is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The host.
    pub host: HostAddr,
    /// When it began.
    pub began: Timestamp,
    /// The time from then to its response headers, if it has any and they say something about the host's speed.
    pub took: Option<Duration>,
    /// What it says about the host.
    pub outcome: Outcome,
    /// Envoy said that it was this host. If not, it was only sent there: that is no proof that the host exists.
    pub seen: bool,
    /// It repeated another attempt, so it is no request of its own.
    pub repeated: bool,
}

impl<H: Host> Worker<H> {
    /// Records what an attempt says about its host. Counts are exact across workers.
    ///
    /// A success at a host in rotation without failures on record, which is nearly every attempt, is counted in this
    /// worker's memory, and looks at one gauge.
    pub fn record(&mut self, cluster: &str, attempt: &Attempt) {
        self.count_attempt(attempt.outcome);
        if attempt.outcome == Outcome::Ignored {
            return;
        }
        match self.count_here(cluster, attempt) {
            None | Some(Counted::SaysNothing) => {}
            Some(Counted::At(last_ejected_at)) => {
                if !self.is_clean(cluster, attempt.host, last_ejected_at) {
                    self.end_streak(cluster, attempt);
                }
            }
            Some(Counted::NotHere) => self.record_thoroughly(cluster, attempt),
        }
    }

    /// The same of a success whose cluster is [only assumed](Self::cluster_of): there it was seen that nothing changes but
    /// counts.
    pub fn record_assumed(&mut self, cluster: &str, success: &Attempt) {
        self.count_attempt(success.outcome);
        self.count_here(cluster, success);
    }

    /// Counts an attempt in this worker's memory, as far as its host stands where such counts matter. `None` if the cluster
    /// is not watched.
    fn count_here(&mut self, cluster: &str, attempt: &Attempt) -> Option<Counted> {
        // As of this worker's last look at what others wrote, which is no older than the request.
        let clock = self.clock;
        let view = self.fresh_view(cluster)?;
        if attempt.seen {
            view.saw(attempt.host);
            if !attempt.repeated {
                let budget = view.policy.retry.budget;
                view.budget.request(&budget, clock);
            }
        }
        Some(match attempt.outcome {
            Outcome::Success => view.count_success(attempt),
            _ => Counted::NotHere,
        })
    }

    /// A success at a host that has failures on record.
    fn end_streak(&mut self, cluster: &str, success: &Attempt) {
        let view = self.view(cluster);
        if let Some(host) = view.and_then(|view| view.host(success.host).copied()) {
            self.record_in_rotation(cluster, &host, success, self.clock);
        }
    }

    /// An attempt that counted as a success at its headers was cut short by its host afterwards.
    ///
    /// It then counts as a local-origin failure for the detectors that look at whole intervals. Failures in a row are
    /// told by headers, as in Envoy.
    pub fn record_cut(&mut self, cluster: &str, attempt: &Attempt) {
        self.count(Metric::AttemptsCut);
        let split = self
            .policy(cluster)
            .outlier_detection
            .split_external_local_origin_errors;
        if let Some(view) = self.view(cluster)
            && view
                .host(attempt.host)
                .is_some_and(|host| !host.is_out() && !host.is_straggler(attempt.began))
            && let Some(window) = view.window(attempt.host)
        {
            window.revise_success_to_failure(split);
        }
    }

    /// The way of all attempts that are not plain successes: with a look at the record.
    fn record_thoroughly(&mut self, cluster: &str, attempt: &Attempt) {
        let now = self.now();
        self.sync();
        let Some(view) = self.fresh_view(cluster) else {
            return;
        };
        if view.host(attempt.host).is_none_or(|host| host.gone) {
            if !attempt.seen {
                return;
            }
            if view.host(attempt.host).is_none() && view.is_full() {
                let host = attempt.host;
                self.report_events(cluster, &[Event::Full { host }]);
                return;
            }
            self.update(cluster, |table, policy, _| table.learn(attempt.host, now, policy));
        }
        let Some(view) = self.view(cluster) else {
            return;
        };
        // A host that only the configuration names, and that no answer came from, may not exist.
        let believed = |host: &&HostHealth| attempt.seen || host.seen != Timestamp::ZERO;
        let Some(host) = view.host(attempt.host).filter(believed).copied() else {
            return;
        };
        match host.standing(attempt.began, now) {
            Standing::Nothing => {}
            Standing::InProbation => self.record_trial(cluster, &host, attempt, now),
            Standing::InRotation => {
                view.count(&host, attempt);
                self.record_in_rotation(cluster, &host, attempt, now);
            }
        }
    }

    fn record_trial(&mut self, cluster: &str, host: &HostHealth, attempt: &Attempt, now: Timestamp) {
        let trial = match attempt.outcome {
            Outcome::Success if is_slow(host, attempt) => Trial::Failed(self.ejections(cluster, host, now)),
            Outcome::Success => Trial::Passed,
            Outcome::Ignored => return,
            Outcome::Failure(_) | Outcome::Overload => Trial::Failed(self.ejections(cluster, host, now)),
        };
        let updated = self.update(cluster, |table, policy, entropy| {
            table.end_trial(attempt.host, trial, policy, now, entropy)
        });
        if updated.changed {
            match trial {
                Trial::Passed => self.count(Metric::ProbationPassed),
                Trial::Failed(_) => self.count(Metric::ProbationFailed),
                Trial::Void(_) => {}
            }
        }
    }

    fn record_in_rotation(&mut self, cluster: &str, host: &HostHealth, attempt: &Attempt, now: Timestamp) {
        self.count_streak(cluster, host, attempt.outcome, now, |worker, streak, verdicts| {
            let interval = worker.policy(cluster).outlier_detection.interval;
            // The narrower detector first; the other one if that only reports.
            verdicts.into_iter().flatten().any(|(detector, threshold)| {
                let charge = Charge {
                    host: attempt.host,
                    detector,
                    evidence: Evidence::Count { threshold },
                    ejections: streak.ejections_at(now, interval),
                    cleared: None,
                };
                let updated = worker.update(cluster, |table, policy, entropy| {
                    table.accuse(&charge, policy, now, entropy)
                });
                updated.ejected
            })
        });
    }

    /// The host's ejection multiplier.
    pub(super) fn ejections(&mut self, cluster: &str, host: &HostHealth, now: Timestamp) -> u32 {
        let interval = self.policy(cluster).outlier_detection.interval;
        self.streak(cluster, host).ejections_at(now, interval)
    }
}

/// Whether a trial shows that the host is still as slow as when it was ejected for that.
fn is_slow(host: &HostHealth, attempt: &Attempt) -> bool {
    !host.trial_limit.is_zero() && attempt.took.is_some_and(|took| took >= host.trial_limit)
}
