//! Retries by Envoy's router: told beforehand by request headers, accounted for afterwards.
//!
//! The router has repeated the request before the filter sees any answer, so what retries cost is taken from the budget
//! beforehand, and what was not used is given back. Who failed on the way is read off the pin: the count of attempts says
//! how far down it the router came.

use super::Stream;
use super::arrived::Arrived;
use crate::host::{Attribute, Host};
use crate::http::RequestFacts;
use crate::metrics::{ErrorCause, Metric};
use crate::model::{Outcome, Timestamp};
use crate::pick::Pin;
use crate::retry::{Keep, MAX_RETRIES, RetryRefusal, Withdrawal, router_headers, screen_for_router};
use crate::worker::{Attempt, Worker};
use std::rc::Rc;

/// What Envoy's router was told.
#[derive(Debug)]
pub(super) struct RouterRetries {
    cluster: Rc<str>,
    /// The retries that it may make, each taken from the budget.
    reserved: Vec<Withdrawal>,
    pin: Option<Pin>,
    /// What an attempt says about its host that the router repeated.
    on_the_way: Outcome,
}

impl Stream {
    /// Tells Envoy's router to repeat the request, as the policy and the budget allow, and steers its attempts. Returns
    /// whether it may.
    pub(super) fn tell_router<H: Host>(
        &mut self,
        worker: &mut Worker<H>,
        cluster: &Rc<str>,
        facts: &RequestFacts,
        now: Timestamp,
    ) -> bool {
        let policy = worker.policy(cluster);
        let refused = match screen_for_router(facts, &policy.retry) {
            Ok(()) if worker.ignores_pins(cluster, now) => Some(RetryRefusal::PinsIgnored),
            Ok(()) => None,
            Err(reason) => Some(reason),
        };
        let mut reserved = Vec::new();
        if refused.is_none() {
            while reserved.len() < policy.retry.num_retries as usize
                && let Some(withdrawn) = worker.withdraw(cluster, now)
            {
                reserved.push(withdrawn);
            }
        }
        if reserved.is_empty() {
            self.keep = Keep::Nothing(refused.unwrap_or(RetryRefusal::Budget));
            return false;
        }
        self.keep = Keep::Nothing(RetryRefusal::NumRetries);
        let retries = u32::try_from(reserved.len()).unwrap_or(u32::MAX);
        if facts.limits_retries && retries == 1 {
            // The caller's own number, if Envoy let it through, is not ours.
            if let Err(error) = worker.host.remove_request_header(MAX_RETRIES) {
                worker.error(
                    ErrorCause::Request,
                    format_args!("a client's own {MAX_RETRIES} not removed: {error}"),
                );
            }
        }
        for (name, value) in router_headers(&policy.retry, retries, facts.grpc) {
            if let Err(error) = worker.host.set_request_header(name, &value) {
                worker.error(ErrorCause::Request, format_args!("{name} not set: {error}"));
            }
        }
        let steering = worker.steer_router(Rc::clone(cluster), reserved.len() + 1, now);
        let pin = steering.pin.clone();
        if steering.pin.is_some() {
            self.pin(worker, steering, now);
        }
        self.traits.by_router = true;
        self.router = Some(Box::new(RouterRetries {
            cluster: Rc::clone(cluster),
            reserved,
            pin,
            on_the_way: policy.retry.outcome_on_the_way(),
        }));
        true
    }

    /// The last attempt's answer has come: settles what the others were. Returns how many attempts there were.
    pub(super) fn router_answered<H: Host>(
        &mut self,
        worker: &mut Worker<H>,
        router: &RouterRetries,
        arrived: &Arrived,
    ) -> u32 {
        let attempts = u32::try_from(worker.attribute_number(Attribute::AttemptCount)).unwrap_or(u32::MAX);
        let attempts = attempts.max(1);
        let made = attempts as usize - 1;
        let now = worker.clock();
        for unused in router.reserved.iter().skip(made) {
            worker.put_back(&router.cluster, *unused, now);
        }
        if made == 0 {
            return attempts;
        }
        if made > router.reserved.len() {
            worker.route_retries(now);
        }
        worker.report.add(Metric::RetriesAttempted, made);
        worker.report.add(Metric::RetriesRouter, made);
        let began = self.began(worker);
        let failed = router.pin.as_ref().map(|pin| {
            let failed = pin.failed_before(attempts as usize, arrived.host);
            failed.map(<[_]>::to_vec)
        });
        if let Some(failed) = &failed {
            worker.check_last_of_pin(&router.cluster, failed.is_some());
        }
        // Whoever is not known to follow pins may have sent the attempts anywhere.
        let follows = worker.follows_pins(&router.cluster);
        let failed = failed.flatten().filter(|_| follows);
        for host in failed.iter().flatten() {
            self.tale().host(*host);
            let attempt = Attempt {
                host: *host,
                began,
                took: None,
                outcome: router.on_the_way,
                seen: true,
                repeated: true,
            };
            worker.record(&router.cluster, &attempt);
        }
        self.tale().host(arrived.host);
        self.tale().attempts = attempts;
        attempts
    }

    /// The client has gone before any answer: what retries were made is paid for, what was not used is given back.
    pub(super) fn forget_unanswered<H: Host>(&mut self, worker: &mut Worker<H>) {
        if let Some(router) = self.router.take() {
            let attempts = worker.attribute_number(Attribute::AttemptCount);
            let made = usize::try_from(attempts).unwrap_or(usize::MAX).saturating_sub(1);
            let now = worker.clock();
            for unused in router.reserved.iter().skip(made) {
                worker.put_back(&router.cluster, *unused, now);
            }
        }
    }

    /// The answer is no host's: no attempt was made.
    pub(super) fn forget_router<H: Host>(&mut self, worker: &mut Worker<H>) {
        if let Some(router) = self.router.take() {
            let now = worker.clock();
            for unused in &router.reserved {
                worker.put_back(&router.cluster, *unused, now);
            }
        }
    }
}
