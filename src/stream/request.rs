//! The request's way in: strip, pin, copy.

use super::{Flow, Phase, Stream, end_trial_unproved};
use crate::host::Host;
use crate::http::{Method, RequestFacts};
use crate::metrics::{ErrorCause, Metric};
use crate::pick::Pin;
use crate::retry::{Keep, RetryRefusal, screen};
use crate::worker::{Steering, Worker};

impl Stream {
    /// The request's headers have come.
    pub fn on_request_headers<H: Host>(&mut self, worker: &mut Worker<H>, end_of_stream: bool) -> Flow {
        self.phase = Phase::Waiting;
        let headers = match worker.host.request_headers() {
            Ok(headers) => headers,
            Err(error) => {
                worker.error(ErrorCause::Request, format_args!("no request headers: {error}"));
                // Nobody knows whether the client names a host; it must not.
                strip(worker);
                return Flow::Continue;
            }
        };
        let facts = RequestFacts::read(&headers, worker.override_header());
        if facts.names_host {
            worker.count(Metric::PinsClient);
            strip(worker);
        }
        self.head = facts.method == Method::Head;
        self.grpc = facts.grpc;
        self.router_retries = facts.asks_router_to_retry;
        self.asks_for_timeout = facts.asks_for_timeout;
        self.asks_for_try_timeout = facts.asks_for_try_timeout;
        self.keep = match screen(&facts) {
            Ok(()) if worker.retries() => Keep::start(headers, end_of_stream, worker.held_bytes()),
            Ok(()) => Keep::Nothing(RetryRefusal::NumRetries),
            Err(refusal) => Keep::Nothing(refusal),
        };
        // A body that is still to come may be too large.
        // What streams for ever can't be retried by a callout, which wants an end.
        let retriable = || !self.router_retries && !facts.streams && self.keep.is_repeatable();
        if let Some(steering) = worker.steer(retriable) {
            self.steer(worker, steering);
        }
        Flow::Continue
    }

    fn steer<H: Host>(&mut self, worker: &mut Worker<H>, steering: Steering) {
        let pinned = steering
            .pin
            .as_ref()
            .is_none_or(|pin| set_pin(worker, &steering.cluster, pin));
        if !pinned {
            end_trial_unproved(worker, Some(&steering));
            return;
        }
        if steering.is_risked() {
            self.limit_attempt(worker, &steering);
        }
        if steering.trial.is_some() {
            self.trial_sent = Some(worker.now());
        }
        self.steering = Some(steering);
    }

    /// A host that is not trusted, and does not answer, must not keep its request for long: at most half of the time that
    /// there is. Envoy's router ends the attempt, but not an answer that has begun.
    fn limit_attempt<H: Host>(&self, worker: &mut Worker<H>, steering: &Steering) {
        let timeout = worker.policy(&steering.cluster).retry.timeout;
        let half = self.asks_for_timeout.unwrap_or(timeout).min(timeout) / 2;
        let asked = self.asks_for_try_timeout.unwrap_or(half).min(half);
        let limit = worker.risk_timeout(steering).min(asked).as_millis().max(1);
        // The retry is ours alone. The route's own would go by the same short time.
        for (header, value) in [
            ("x-envoy-upstream-rq-per-try-timeout-ms", limit.to_string()),
            ("x-envoy-max-retries", "0".to_owned()),
        ] {
            if let Err(error) = worker.host.set_request_header(header, &value) {
                worker.error(ErrorCause::Request, format_args!("{header} not set: {error}"));
            }
        }
    }

    /// A piece of the request's body has come. It passes at once; a copy stays.
    pub fn on_request_body<H: Host>(&mut self, worker: &mut Worker<H>, size: usize, end_of_stream: bool) -> Flow {
        if matches!(self.keep, Keep::Growing(_)) {
            if size > 0 && self.keep.admit(size, worker.max_body_bytes()) {
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

/// Removes the override header: only the filter names hosts.
fn strip<H: Host>(worker: &mut Worker<H>) {
    if let Err(error) = worker.host.remove_request_header(worker.override_header()) {
        worker.error(
            ErrorCause::OverrideHeader,
            format_args!("a client's own not removed: {error}"),
        );
    }
}
