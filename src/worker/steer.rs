//! Where a request goes, first attempt and retry.

use super::Worker;
use crate::config::RetryOn;
use crate::health::{Event, PinSupport, Trial};
use crate::host::Host;
use crate::metrics::Metric;
use crate::model::{Entropy, HostAddr, Timestamp};
use crate::pick::Pin;
use crate::retry::RetryRefusal;
use std::time::Duration;

/// Where a request is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Steering {
    /// The request's cluster.
    pub cluster: String,
    /// The hosts, in order; `None` to leave the choice to Envoy, so that hosts are found.
    pub pin: Option<Pin>,
    /// The host in probation that the request is a trial for; the first of the pin.
    pub trial: Option<HostAddr>,
    /// Until when nobody else starts a trial.
    trial_until: Timestamp,
}

impl Steering {
    /// Whether the request goes where the filter would learn something: to a host in probation, or anywhere.
    pub const fn is_risked(&self) -> bool {
        self.trial.is_some() || self.pin.is_none()
    }
}

impl<H: Host> Worker<H> {
    /// How a request that has just come is steered, if it needs to be.
    ///
    /// While every host of the request's cluster has its full share there is no pin, and Envoy's own load balancing is in
    /// charge. While that is so in all clusters, not even the cluster is looked up. A small share of `retriable` requests
    /// goes without a pin, so that hosts are found which Envoy knows and we do not; and one at a time is a trial for a
    /// host in probation.
    pub fn steer(&mut self, retriable: impl FnOnce() -> bool) -> Option<Steering> {
        self.sync();
        if self.revisions.restless_until == Timestamp::ZERO {
            return None;
        }
        let now = self.now();
        if self.revisions.restless_until <= now {
            return None;
        }
        let cluster = self.cluster_name()?;
        let entropy = self.entropy.draw();
        let view = self.fresh_view(&cluster)?;
        if !view.is_restless(now) {
            return None;
        }
        let retry = &view.policy.retry;
        let retries = retry.num_retries > 0 && retry.retry_on != RetryOn::default();
        let discovers = view.policy.picking.discovery_percent.chance(entropy);
        let trial_due = view.trial_due(now);
        // Asked only where it matters, for it is a look at all of the request's headers.
        let retriable = retries && (discovers || trial_due.is_some()) && retriable();
        if let Some((host, since)) = trial_due
            && let Some((pin, trial_until)) = self.trial(&cluster, host, since, retriable, now)
        {
            return Some(Steering {
                cluster,
                pin: Some(pin),
                trial: Some(host),
                trial_until,
            });
        }
        let view = self.fresh_view(&cluster)?;
        if view.is_in_panic(now) {
            let why = Event::Panic(view.table().census());
            self.report_events(&cluster, &[why]);
            return None;
        }
        if retriable && discovers {
            self.count(Metric::Discovery);
            return Some(Steering {
                cluster,
                pin: None,
                trial: None,
                trial_until: Timestamp::ZERO,
            });
        }
        let pin = view.pick(&[], now, &mut Entropy::seeded(entropy))?;
        Some(Steering {
            cluster,
            pin: Some(pin),
            trial: None,
            trial_until: Timestamp::ZERO,
        })
    }

    /// Makes a request the trial of a host in probation: if it could be retried elsewhere, and no other worker has a
    /// trial out. Where none of the requests can be, the host comes back without proof after a while.
    fn trial(
        &mut self,
        cluster: &str,
        host: HostAddr,
        since: Timestamp,
        retriable: bool,
        now: Timestamp,
    ) -> Option<(Pin, Timestamp)> {
        let mut entropy = Entropy::seeded(self.entropy.draw());
        let view = self.fresh_view(cluster)?;
        let follows = !matches!(view.table().pins().at(now), PinSupport::Ignored(_));
        if retriable
            && follows
            && !view.is_in_panic(now)
            && let Some(elsewhere) = view.pick(&[host], now, &mut entropy)
        {
            let begun = self.update(cluster, |table, policy, _| table.begin_trial(host, policy, now));
            if begun.changed {
                self.count(Metric::ProbationTrials);
                let health = self.view(cluster)?.host(host)?;
                return Some((elsewhere.led_by(host), health.probation(now)?.trial_until));
            }
        } else if now.since(view.wait_for_trial(host, since, now)) >= view.policy.outlier_detection.interval {
            self.update(cluster, |table, policy, _| table.waive_trial(host, policy, now));
        }
        None
    }

    /// How long an attempt may take for its response headers that the filter risks: a trial of `host`, or one that is
    /// unpinned.
    pub fn risk_timeout(&self, steering: &Steering) -> Duration {
        let policy = self.policy(&steering.cluster);
        let view = self.clusters.get(&*steering.cluster);
        let tried = steering.trial.and_then(|host| view?.host(host));
        tried.map_or(policy.picking.probation_timeout, |host| host.trial_timeout(&policy))
    }

    /// A trial has ended without saying anything about its host.
    pub fn trial_void(&mut self, steering: &Steering) {
        let Some(host) = steering.trial else {
            return;
        };
        let now = self.now();
        let void = Trial::Void(steering.trial_until);
        self.update(&steering.cluster, |table, policy, entropy| {
            table.end_trial(host, void, policy, now, entropy)
        });
    }

    /// The pin for a retry: available hosts of the cluster that are not among `tried`.
    ///
    /// # Errors
    /// If there is none, or if the cluster would not follow the pin.
    pub fn pin_retry(&mut self, cluster: &str, tried: &[HostAddr], now: Timestamp) -> Result<Pin, RetryRefusal> {
        self.sync();
        let mut entropy = Entropy::seeded(self.entropy.draw());
        let view = self.fresh_view(cluster).ok_or(RetryRefusal::NoOtherHost)?;
        if matches!(view.table().pins().at(now), PinSupport::Ignored(_)) {
            return Err(RetryRefusal::PinsIgnored);
        }
        view.pick(tried, now, &mut entropy).ok_or(RetryRefusal::NoOtherHost)
    }
}
