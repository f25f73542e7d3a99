//! The request's way in: strip, choose who would repeat it, steer, copy.

use super::arrived::give_back;
use super::{Flow, Phase, Stream};
use crate::config::Engine;
use crate::host::Host;
use crate::http::{HeaderBlock, Method, RequestFacts, STANDBY_HEADER};
use crate::metrics::{ErrorCause, Metric};
use crate::model::Timestamp;
use crate::pick::Pin;
use crate::retry::{Keep, MAX_RETRIES, RetryRefusal, RouteNature, choose, fits_a_callout, screen};
use crate::worker::{Steering, Worker};
use std::rc::Rc;
use std::time::Duration;

/// Who would repeat a request.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Choice {
    /// The filter, from a copy.
    Filter,
    /// Envoy's router; the cluster that was looked up on the way.
    Router(Rc<str>),
    /// Nobody.
    Nobody(RetryRefusal),
}

impl Stream {
    /// The request's headers have come.
    pub fn on_request_headers<H: Host>(&mut self, worker: &mut Worker<H>, end_of_stream: bool) -> Flow {
        self.phase = Phase::Waiting;
        let headers = match worker.host.request_headers() {
            Ok(headers) => headers,
            Err(error) => {
                worker.error(ErrorCause::Request, format_args!("no request headers: {error}"));
                // Nobody knows whether the client names a host or a cluster; it must not.
                strip(worker, None);
                strip(worker, Some(STANDBY_HEADER));
                return Flow::Continue;
            }
        };
        let facts = RequestFacts::read(&headers, worker.override_header());
        if facts.names_host {
            worker.count(Metric::PinsClient);
            strip(worker, None);
        }
        if facts.names_cluster {
            strip(worker, Some(STANDBY_HEADER));
        }
        self.traits.head = facts.method == Method::Head;
        self.traits.grpc = facts.grpc;
        self.traits.router_retries = facts.asks_router_to_retry;
        self.traits.early_data = facts.early_data;
        self.asks_for_timeout = facts.asks_for_timeout;
        self.asks_for_try_timeout = facts.asks_for_try_timeout;
        let choice = self.choose(worker, &facts, &headers, end_of_stream);
        let restless = worker.is_restless();
        if worker.wants().standby
            && let Some(now) = restless
        {
            let repeatable = choice == Choice::Filter && end_of_stream && headers.is_text();
            if let Some(flow) = self.stand_by(worker, (&headers, &facts, end_of_stream), repeatable, now) {
                return flow;
            }
        }
        let mut cluster = match choice {
            Choice::Filter => {
                self.keep = Keep::start(headers, end_of_stream, worker.held_bytes());
                None
            }
            Choice::Nobody(reason) => {
                self.keep = Keep::Nothing(reason);
                None
            }
            Choice::Router(cluster) => {
                let now = restless.unwrap_or_else(|| worker.now());
                let cluster = self.standby.as_ref().map_or(cluster, |sent| Rc::clone(&sent.1));
                if self.tell_router(worker, &cluster, &facts, now) {
                    // A trial has its own, shorter limit.
                    if !self.steering.as_ref().is_some_and(Steering::is_risked) {
                        self.limit_tries(worker, &cluster);
                    }
                    return Flow::Continue;
                }
                Some(cluster)
            }
        };
        if worker.wants().per_try_timeout || worker.wants().hedge {
            cluster = cluster.or_else(|| worker.cluster_name());
            if let Some(cluster) = &cluster {
                self.limit_tries(worker, cluster);
            }
        }
        if let Some(now) = restless
            && let Some(cluster) = self
                .standby
                .as_ref()
                .map(|sent| Rc::clone(&sent.1))
                .or_else(|| cluster.clone())
                .or_else(|| worker.cluster_name())
        {
            // A body that is still to come may be too large.
            // What streams for ever can't be retried by a callout, which wants an end.
            let retriable = || !self.traits.router_retries && !facts.streams && self.keep.is_repeatable();
            if let Some(steering) = worker.steer(cluster, now, retriable) {
                self.pin(worker, steering, now);
            }
        }
        if worker.wants().hedge
            && !facts.streams
            && !self.traits.router_retries
            && !self.steering.as_ref().is_some_and(Steering::is_risked)
            && !matches!(self.keep, Keep::Nothing(_))
            && let Some(cluster) = cluster
        {
            let now = restless.unwrap_or_else(|| worker.now());
            self.plan_hedge(worker, cluster, now);
        }
        Flow::Continue
    }

    /// Who would repeat the request. Costs no host call where the filter is the engine of all clusters, or all routes are
    /// known to be plain.
    fn choose<H: Host>(
        &mut self,
        worker: &mut Worker<H>,
        facts: &RequestFacts,
        headers: &HeaderBlock,
        end_of_stream: bool,
    ) -> Choice {
        let wants = *worker.wants();
        if !wants.retries {
            return Choice::Nobody(RetryRefusal::NumRetries);
        }
        let keyed = wants.idempotency_key
            && facts.method == Method::Keyable
            && facts.idempotency_key
            && worker.route().is_some_and(|route| route.idempotency_key);
        self.traits.keyed = keyed;
        let by_filter = match screen(facts, keyed) {
            Ok(()) => Choice::Filter,
            Err(reason) => Choice::Nobody(reason),
        };
        let grpc = facts.grpc && wants.grpc;
        if !wants.engines || facts.asks_router_to_retry || (by_filter != Choice::Filter && !grpc) {
            return by_filter;
        }
        let fits = fits_a_callout(facts, end_of_stream, wants.fits_body_bytes);
        let watches = worker.watches_request();
        if watches {
            self.watched = Some(Box::new(headers.clone()));
        }
        if !worker.asks_for_routes() && fits && !wants.router {
            return by_filter;
        }
        let Some(cluster) = worker.cluster_name() else {
            return by_filter;
        };
        let policy = worker.policy(&cluster);
        if policy.retry.num_retries == 0 {
            return Choice::Nobody(RetryRefusal::NumRetries);
        }
        if policy.retry.engine == Engine::Filter {
            return by_filter;
        }
        let now = worker.now();
        let key = worker.route_key();
        if !watches && worker.is_new_route(key.as_ref()) {
            self.watched = Some(Box::new(headers.clone()));
        }
        let nature = worker.route_nature(key.as_ref(), now);
        let fits = fits_a_callout(facts, end_of_stream, policy.retry.max_body_bytes);
        match choose(policy.retry.engine, fits, || nature) {
            Ok(Engine::Filter) => by_filter,
            // The router can't give the first failure back that a 409 would take the place of.
            Ok(_) if keyed && nature != RouteNature::Plain => Choice::Nobody(RetryRefusal::RouteChanges),
            Ok(_) if keyed => by_filter,
            Ok(_) => Choice::Router(cluster),
            Err(reason) => {
                self.traits.router_retries = true;
                Choice::Nobody(reason)
            }
        }
    }

    /// Bounds each attempt by the policy's `per_try_timeout`.
    fn limit_tries<H: Host>(&self, worker: &mut Worker<H>, cluster: &str) {
        if let Some(limit) = worker.policy(cluster).retry.per_try_timeout {
            let limit = self.asks_for_try_timeout.map_or(limit, |asked| asked.min(limit));
            set_header(worker, PER_TRY_TIMEOUT, &limit.as_millis().max(1).to_string());
        }
    }

    /// Carries out where a request is sent.
    pub(super) fn pin<H: Host>(&mut self, worker: &mut Worker<H>, steering: Steering, now: Timestamp) {
        let pinned = steering
            .pin
            .as_ref()
            .is_none_or(|pin| set_pin(worker, &steering.cluster, pin));
        if !pinned {
            give_back(worker, Some(&steering));
            return;
        }
        if steering.is_risked() {
            self.limit_attempt(worker, &steering);
        }
        if steering.trial.is_some() {
            self.trial_sent = Some(now);
        }
        self.steering = Some(steering);
    }

    /// A host that is not trusted, and does not answer, must not keep its request for long: at most half of the time that
    /// there is. Envoy's router ends the attempt, but not an answer that has begun. Where the router makes the retries,
    /// they go by the same time.
    fn limit_attempt<H: Host>(&self, worker: &mut Worker<H>, steering: &Steering) {
        let policy = worker.policy(&steering.cluster);
        let timeout = policy.retry.timeout;
        let half = self.asks_for_timeout.unwrap_or(timeout).min(timeout) / 2;
        let limits = [self.asks_for_try_timeout, policy.retry.per_try_timeout, Some(half)];
        let asked = limits.into_iter().flatten().min().unwrap_or(Duration::MAX);
        let limit = worker.risk_timeout(steering).min(asked).as_millis().max(1);
        set_header(worker, PER_TRY_TIMEOUT, &limit.to_string());
        if steering.paid.is_some() {
            // The retry is ours alone. The route's own would go by the same short time.
            set_header(worker, MAX_RETRIES, "0");
        }
    }

    /// A piece of the request's body has come. It passes at once; a copy stays.
    pub fn on_request_body<H: Host>(&mut self, worker: &mut Worker<H>, size: usize, end_of_stream: bool) -> Flow {
        if matches!(self.keep, Keep::Growing(_)) {
            if size > 0 && self.keep.admit(size, worker.wants().max_body_bytes) {
                match worker.host.request_body(size) {
                    Ok(piece) if piece.len() == size => self.keep.push(piece),
                    other => {
                        self.keep.give_up(RetryRefusal::NoCopy);
                        let found = other.map(|piece| piece.len());
                        worker.error(
                            ErrorCause::Request,
                            format_args!("{size} bytes of request body: {found:?}"),
                        );
                    }
                }
            }
            if end_of_stream {
                self.keep.finish(None);
            }
        }
        Flow::Continue
    }

    /// The request's trailers have come: it is complete.
    pub fn on_request_trailers<H: Host>(&mut self, worker: &mut Worker<H>) -> Flow {
        if matches!(self.keep, Keep::Growing(_)) {
            match worker.host.request_trailers() {
                Ok(trailers) => self.keep.finish(Some(trailers)),
                Err(error) => {
                    self.keep.give_up(RetryRefusal::NoCopy);
                    worker.error(ErrorCause::Request, format_args!("no request trailers: {error}"));
                }
            }
        }
        Flow::Continue
    }
}

/// The header that bounds each attempt, in milliseconds to its response headers.
const PER_TRY_TIMEOUT: &str = "x-envoy-upstream-rq-per-try-timeout-ms";

fn set_header<H: Host>(worker: &mut Worker<H>, name: &str, value: &str) {
    if let Err(error) = worker.host.set_request_header(name, value) {
        worker.error(ErrorCause::Request, format_args!("{name} not set: {error}"));
    }
}

/// Names the hosts to Envoy. Returns whether it took them.
fn set_pin<H: Host>(worker: &mut Worker<H>, cluster: &str, pin: &Pin) -> bool {
    let set = worker
        .host
        .set_request_header(worker.override_header(), &pin.header_value());
    match set {
        Ok(()) => {
            worker.count(Metric::PinsSet);
            if let Some(host) = pin.first() {
                worker.sent(cluster, host);
            }
        }
        Err(error) => worker.error(ErrorCause::OverrideHeader, format_args!("pin not set: {error}")),
    }
    set.is_ok()
}

/// Removes a header by which only the filter steers: the override header, or another one.
fn strip<H: Host>(worker: &mut Worker<H>, other: Option<&str>) {
    let name = other.unwrap_or_else(|| worker.override_header());
    if let Err(error) = worker.host.remove_request_header(name) {
        let why = format!("a client's own {name} not removed: {error}");
        worker.error(ErrorCause::OverrideHeader, format_args!("{why}"));
    }
}
