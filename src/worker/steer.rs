//! Where a request goes, first attempt and retry.

use super::Worker;
use super::view::{ClusterView, StandbyRoute};
use crate::config::RetryOn;
use crate::health::{BELIEVED_FOR, Event, PinSupport, Trial};
use crate::host::{Attribute, Host};
use crate::metrics::Metric;
use crate::model::{Entropy, HostAddr, Timestamp};
use crate::pick::Pin;
use crate::retry::{RetryRefusal, Withdrawal};
use std::rc::Rc;
use std::time::Duration;

/// Where a request is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Steering {
    /// The request's cluster.
    pub cluster: Rc<str>,
    /// The hosts, in order; `None` to leave the choice to Envoy, so that hosts are found.
    pub pin: Option<Pin>,
    /// The host in probation that the request is a trial for; the first of the pin.
    pub trial: Option<HostAddr>,
    /// Until when nobody else starts a trial.
    trial_until: Timestamp,
    /// What the filter risks by this it has paid for: the retry, should it fail.
    pub paid: Option<Withdrawal>,
}

impl Steering {
    fn to(cluster: Rc<str>, pin: Option<Pin>) -> Self {
        Self {
            cluster,
            pin,
            trial: None,
            trial_until: Timestamp::ZERO,
            paid: None,
        }
    }

    /// Whether the request goes where the filter would learn something: to a host in probation, or anywhere.
    pub const fn is_risked(&self) -> bool {
        self.trial.is_some() || self.pin.is_none()
    }
}

/// Where a retry goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The cluster: the request's own, or its standby.
    pub cluster: Rc<str>,
    /// The hosts, in order; `None` to leave the choice to Envoy.
    pub pin: Option<Pin>,
    /// Whether the request may have been there: then not at once.
    pub again: bool,
}

impl Target {
    /// The host that is meant.
    pub fn host(&self) -> Option<HostAddr> {
        self.pin.as_ref().and_then(Pin::first)
    }
}

impl<H: Host> Worker<H> {
    /// Whether some host of some cluster may get less than its share. While that is not so, not even the cluster is
    /// looked up.
    pub fn is_restless(&mut self) -> Option<Timestamp> {
        self.sync();
        if self.revisions.restless_until == Timestamp::ZERO {
            return None;
        }
        let now = self.now();
        (self.revisions.restless_until > now).then_some(now)
    }

    /// How a request that has just come is steered, if it needs to be.
    ///
    /// While every host of the request's cluster has its full share there is no pin, and Envoy's own load balancing is in
    /// charge. A small share of `retriable` requests goes without a pin, so that hosts are found which Envoy knows and we
    /// do not; and one at a time is a trial for a host in probation.
    pub fn steer(&mut self, cluster: Rc<str>, now: Timestamp, retriable: impl FnOnce() -> bool) -> Option<Steering> {
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
            && let Some(trial) = self.trial(&cluster, host, since, retriable, now)
        {
            return Some(trial);
        }
        let view = self.fresh_view(&cluster)?;
        if view.is_in_panic(now) {
            let why = Event::Panic(view.table().census());
            self.report_events(&cluster, &[why]);
            return None;
        }
        if retriable
            && discovers
            && let Some(paid) = self.withdraw(&cluster, now)
        {
            self.count(Metric::Discovery);
            return Some(Steering {
                paid: Some(paid),
                ..Steering::to(cluster, None)
            });
        }
        let pin = self
            .fresh_view(&cluster)?
            .pick(&[], now, &mut Entropy::seeded(entropy))?;
        Some(Steering::to(cluster, Some(pin)))
    }

    /// How a request is steered whose retries Envoy's router makes: by a pin with a host for each of `attempts`. Without a
    /// pin where none is known, where pins would do no good, and while likely more hosts are to be found.
    pub fn steer_router(&mut self, cluster: Rc<str>, attempts: usize, now: Timestamp) -> Steering {
        let mut entropy = Entropy::seeded(self.entropy.draw());
        let listed = self.config.admin.is_some();
        let Some(view) = self.fresh_view(&cluster) else {
            return Steering::to(cluster, None);
        };
        if let Some((host, since)) = view.trial_due(now)
            && let Some(trial) = self.router_trial(&cluster, host, since, attempts, now)
        {
            return trial;
        }
        let Some(view) = self.fresh_view(&cluster) else {
            return Steering::to(cluster, None);
        };
        if view.is_in_panic(now) {
            if view.is_restless(now) {
                let why = Event::Panic(view.table().census());
                self.report_events(&cluster, &[why]);
            }
            return Steering::to(cluster, None);
        }
        let discovers = view.policy.picking.discovery_percent.chance(entropy.draw());
        let known = view.known() as u64;
        let explores = !view.is_explored(listed)
            && match self.attribute_number(Attribute::NumEndpoints) {
                // An Envoy that does not tell.
                0 => true,
                endpoints => known < endpoints,
            };
        if explores || discovers {
            self.count(Metric::Discovery);
            return Steering::to(cluster, None);
        }
        let view = self.fresh_view(&cluster);
        let pin = view.and_then(|view| view.pick_for(attempts, now, &mut entropy));
        Steering::to(cluster, pin)
    }

    /// Makes a request that Envoy's router would repeat the trial of a host in probation: if pins are known to be
    /// followed, for what failed on the way is read off the pin. The next requests tell.
    fn router_trial(
        &mut self,
        cluster: &str,
        host: HostAddr,
        since: Timestamp,
        attempts: usize,
        now: Timestamp,
    ) -> Option<Steering> {
        let mut entropy = Entropy::seeded(self.entropy.draw());
        let view = self.fresh_view(cluster)?;
        let follows = view.table().pins() == PinSupport::Followed;
        if attempts < 2 || !follows || view.is_in_panic(now) {
            self.wait_for_trial(cluster, host, since, now);
            return None;
        }
        let elsewhere = view.pick(&[host], now, &mut entropy)?;
        self.begin_trial(cluster, host, elsewhere.led_by(host), now)
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
    ) -> Option<Steering> {
        let mut entropy = Entropy::seeded(self.entropy.draw());
        let view = self.fresh_view(cluster)?;
        let follows = !matches!(view.table().pins().at(now), PinSupport::Ignored(_));
        let has_standby = view.policy.standby_cluster.is_some();
        if retriable
            && follows
            && (has_standby || !view.is_in_panic(now))
            && let Some(pin) = led_by(view, host, has_standby, now, &mut entropy)
        {
            let Some(paid) = self.withdraw(cluster, now) else {
                self.wait_for_trial(cluster, host, since, now);
                return None;
            };
            let trial = self.begin_trial(cluster, host, pin, now);
            let Some(mut trial) = trial else {
                self.put_back(cluster, paid, now);
                return None;
            };
            trial.paid = Some(paid);
            return Some(trial);
        }
        self.wait_for_trial(cluster, host, since, now);
        None
    }

    fn begin_trial(&mut self, cluster: &str, host: HostAddr, pin: Pin, now: Timestamp) -> Option<Steering> {
        let begun = self.update(cluster, |table, policy, _| table.begin_trial(host, policy, now));
        if !begun.changed {
            return None;
        }
        self.count(Metric::ProbationTrials);
        let health = self.view(cluster)?.host(host)?;
        Some(Steering {
            trial: Some(host),
            trial_until: health.probation(now)?.trial_until,
            ..Steering::to(Rc::from(cluster), Some(pin))
        })
    }

    /// A request came that can't be the trial of a host that waits for one.
    fn wait_for_trial(&mut self, cluster: &str, host: HostAddr, since: Timestamp, now: Timestamp) {
        let Some(view) = self.fresh_view(cluster) else {
            return;
        };
        if now.since(view.wait_for_trial(host, since, now)) >= view.policy.outlier_detection.interval {
            self.update(cluster, |table, policy, _| table.waive_trial(host, policy, now));
        }
    }

    /// How long an attempt may take for its response headers that the filter risks: a trial of `host`, or one that is
    /// unpinned.
    pub fn risk_timeout(&self, steering: &Steering) -> Duration {
        let policy = self.policy(&steering.cluster);
        let view = self.clusters.get(&steering.cluster);
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

    /// Whether the cluster is known to ignore pins.
    pub fn ignores_pins(&mut self, cluster: &str, now: Timestamp) -> bool {
        let view = self.fresh_view(cluster);
        view.is_some_and(|view| matches!(view.table().pins().at(now), PinSupport::Ignored(_)))
    }

    /// Where a retry goes: to an available host that is not among `tried`; else to the standby cluster; else, after a
    /// while, to one that was tried, rather not the last one. `standby`: it may still go there.
    ///
    /// # Errors
    /// If there is none, or if the cluster would not follow the pin.
    pub fn retry_target(
        &mut self,
        cluster: &str,
        tried: &[HostAddr],
        standby: bool,
        now: Timestamp,
    ) -> Result<Target, RetryRefusal> {
        self.sync();
        let mut entropy = Entropy::seeded(self.entropy.draw());
        let listed = self.config.admin.is_some();
        let view = self.fresh_view(cluster).ok_or(RetryRefusal::NoOtherHost)?;
        let follows = !matches!(view.table().pins().at(now), PinSupport::Ignored(_));
        let to = |pin, again| Target {
            cluster: Rc::from(cluster),
            pin,
            again,
        };
        if follows && let Some(pin) = view.pick(tried, now, &mut entropy) {
            return Ok(to(Some(pin), false));
        }
        if standby && let Some(name) = view.policy.standby_cluster.clone() {
            return Ok(self.standby_target(&name, now));
        }
        if !follows {
            return Err(RetryRefusal::PinsIgnored);
        }
        if !view.is_explored(listed) {
            // There may be hosts that only Envoy knows.
            return Ok(to(None, true));
        }
        let last = tried.last().copied();
        let pin = last.and_then(|last| view.pick(&[last], now, &mut entropy));
        let pin = pin.or_else(|| view.pick(&[], now, &mut entropy));
        pin.map(|pin| to(Some(pin), true)).ok_or(RetryRefusal::NoOtherHost)
    }

    /// An attempt at a standby cluster: at one of its available hosts, if any is known.
    pub fn standby_target(&mut self, standby: &str, now: Timestamp) -> Target {
        let mut entropy = Entropy::seeded(self.entropy.draw());
        let pin = self.fresh_view(standby).and_then(|view| {
            let follows = !matches!(view.table().pins().at(now), PinSupport::Ignored(_));
            if follows {
                view.pick(&[], now, &mut entropy)
            } else {
                None
            }
        });
        Target {
            cluster: Rc::from(standby),
            pin,
            again: false,
        }
    }

    /// The standby cluster that a request goes to, because no host of its own is available and none waits for a trial
    /// by it. `retriable`: it could be a trial.
    pub fn standby_of(&mut self, cluster: &str, now: Timestamp, retriable: impl FnOnce() -> bool) -> Option<Rc<str>> {
        let view = self.fresh_view(cluster)?;
        let standby: Rc<str> = Rc::from(view.policy.standby_cluster.as_deref()?);
        if view.table().hosts().is_empty() || !view.is_all_gone(now) {
            return None;
        }
        let trial_due = view.trial_due(now);
        let retry = &view.policy.retry;
        let retries = retry.num_retries > 0 && retry.retry_on != RetryOn::default();
        let follows = !matches!(view.table().pins().at(now), PinSupport::Ignored(_));
        if let Some((host, since)) = trial_due {
            if retries && follows && retriable() {
                return None;
            }
            self.wait_for_trial(cluster, host, since, now);
        }
        Some(standby)
    }

    /// Whether the route is known to lead to the standby cluster of `cluster`; `None` if that is to be found out.
    pub fn standby_route(&mut self, cluster: &str, now: Timestamp) -> Option<bool> {
        match self.view(cluster)?.standby_route {
            StandbyRoute::Unknown => None,
            StandbyRoute::Leads => Some(true),
            // A configuration may change; and a moment that is to come is from before the clock was set back.
            StandbyRoute::Misses(at) if at <= now && now.since(at) < BELIEVED_FOR => Some(false),
            StandbyRoute::Misses(_) => None,
        }
    }

    /// A request that was to take the route to the standby cluster of `cluster` went there, or did not.
    pub fn see_standby_route(&mut self, cluster: &str, leads: bool, now: Timestamp) {
        if let Some(view) = self.view(cluster) {
            view.standby_route = if leads {
                StandbyRoute::Leads
            } else {
                StandbyRoute::Misses(now)
            };
        }
    }

    /// How long a first attempt has alone before another one starts, if that is wanted.
    pub fn hedge_delay(&mut self, cluster: &str) -> Option<Duration> {
        use crate::config::HedgeDelay;
        let view = self.view(cluster)?;
        let hedge = view.policy.retry.hedge?;
        match hedge.delay {
            HedgeDelay::Fixed(delay) => Some(delay),
            HedgeDelay::P95 => view.p95.map(|p95| p95.max(hedge.min_delay)),
        }
    }
}

/// A pin for the trial of `host`: behind it hosts that are available, if there are any or if there must be.
fn led_by(
    view: &mut ClusterView,
    host: HostAddr,
    may_be_alone: bool,
    now: Timestamp,
    entropy: &mut Entropy,
) -> Option<Pin> {
    match view.pick(&[host], now, entropy) {
        Some(elsewhere) => Some(elsewhere.led_by(host)),
        None => may_be_alone.then(|| Pin::to(host)),
    }
}
