//! The response's way out: what it says about its host, and whether it is good enough for the client.

use super::arrived::{Arrived, check_steering, give_back};
use super::deliver::first_body;
use super::retrying::FirstFailure;
use super::seen::Seen;
use super::tale::Final;
use super::watch::Watch;
use super::{FirstAnswer, Flow, Phase, Stream};
use crate::config::ClusterPolicy;
use crate::detect::{Answer, ResponseFlags};
use crate::host::{Attribute, Host};
use crate::http::asked;
use crate::metrics::{ErrorCause, Metric};
use crate::model::{FailureOrigin, Outcome, Timestamp};
use crate::retry::{
    Decision, Failed, FirstBody, RetryRefusal, Standing, Withdrawal, deadline, decide, is_worth_a_retry,
    may_be_worth_a_retry, standing,
};
use crate::worker::{Attempt, Worker};
use std::rc::Rc;

impl Stream {
    /// The response's headers have come.
    pub fn on_response_headers<H: Host>(&mut self, worker: &mut Worker<H>, end_of_stream: bool) -> Flow {
        match std::mem::replace(&mut self.phase, Phase::Passing) {
            Phase::Waiting => {}
            // Somebody else has answered a request that is held back.
            Phase::Diverted(diverted) => diverted.forget(worker),
            // Our own local reply on its way out.
            other => {
                self.phase = other;
                return Flow::Continue;
            }
        }
        let flow = self.judge(worker, end_of_stream);
        if flow == Flow::Continue {
            // The client gets this answer: nothing will be repeated.
            self.forget_hedge(worker);
            self.keep_for_watching();
        }
        flow
    }

    /// What the response says about its host, and whether it is held back for a retry.
    fn judge<H: Host>(&mut self, worker: &mut Worker<H>, end_of_stream: bool) -> Flow {
        let steering = self.release_steering(worker);
        // A route to the standby cluster was meant to change the cluster: whether it did, only Envoy knows.
        let meant = steering.as_ref().filter(|_| self.standby.is_none());
        // The request was not steered, and the answer's headers tell all.
        let is_plain = steering.is_none() && self.router.is_none() && self.standby.is_none() && !self.traits.grpc;
        let Some(arrived) = Arrived::read(worker, meant, is_plain) else {
            give_back(worker, steering.as_ref());
            self.forget_router(worker);
            self.tell_of_nobody(worker);
            return Flow::Continue;
        };
        self.see_standby_route(worker, &arrived.cluster);
        let answer = self.look_at(worker, &arrived);
        let router = self.router.take();
        let attempts = router.map(|router| self.router_answered(worker, &router, &arrived));
        let seen = Seen {
            answer,
            cluster: &arrived.cluster,
        };
        let mut header = |_: &mut Worker<H>, name: &str| arrived.headers.get(name.as_bytes()).map(<[u8]>::to_vec);
        let short = steering.as_ref().is_some_and(|steering| steering.pin.is_none());
        let outcome = match seen.outcome(worker, &mut header) {
            // The time was ours, and short.
            _ if short && answer.flags.any_of(ResponseFlags::UPSTREAM_REQUEST_TIMEOUT) => Outcome::Ignored,
            outcome => outcome,
        };
        let attempt = self.attempt(worker, &arrived, outcome, attempts.unwrap_or(1));
        // Of a gRPC answer, the trailers will tell.
        let deferred =
            self.traits.grpc && answer.grpc_status.is_none() && outcome == Outcome::Success && !end_of_stream;
        let assumed = arrived.assumed;
        if assumed {
            worker.record_assumed(&arrived.cluster, &attempt);
        } else if !deferred {
            worker.record(&arrived.cluster, &attempt);
        }
        if outcome == Outcome::Overload {
            seen.lower_share(worker, arrived.host, &mut header);
        }
        // After several attempts nobody knows which host of the pin was meant.
        let meant = attempts.is_none_or(|attempts| attempts == 1) && outcome != Outcome::Ignored;
        let paid = check_steering(worker, steering, &arrived, (outcome, meant));
        // Another protocol (101) has ends of its own.
        let watched = outcome == Outcome::Success && !end_of_stream && arrived.status != 101;
        let watch = |cluster| {
            watched.then_some(Watch {
                cluster,
                assumed,
                attempt,
                deferred,
            })
        };
        let from = Final {
            received_status: (!answer.flags.any_of(ResponseFlags::NOT_BY_HOST)).then_some(arrived.status),
            flags: answer.flags,
            host: Some(arrived.host),
        };
        let policy = worker.policy(&arrived.cluster);
        if let Some(attempts) = attempts {
            self.end_of_router(worker, &arrived, &answer, attempts, &policy);
        } else {
            let failed_us = paid.is_some()
                && (matches!(outcome, Outcome::Failure(_) | Outcome::Overload)
                    || answer.flags.any_of(ResponseFlags::NO_ANSWER));
            if failed_us || may_be_worth_a_retry(arrived.status, &policy.retry) {
                let failed = Failed {
                    risked: failed_us,
                    router_retries: self.retries_by_route(worker),
                    asked: asked(&arrived.headers, worker.now()),
                    ..self.look_closer(worker, &arrived.headers, &answer)
                };
                return self.after_failure(worker, arrived, &failed, (from, end_of_stream), paid, watch);
            }
            if let Some(paid) = paid {
                let now = worker.now();
                worker.put_back(&arrived.cluster, paid, now);
            }
        }
        self.tell(worker, &arrived.cluster, &from);
        // Nearly every answer: the name moves on, without a copy.
        self.watch = watch(arrived.cluster);
        Flow::Continue
    }

    /// The first attempt has failed: it is repeated, or its answer passes.
    fn after_failure<H: Host>(
        &mut self,
        worker: &mut Worker<H>,
        arrived: Arrived,
        failed: &Failed,
        (from, end_of_stream): (Final, bool),
        paid: Option<Withdrawal>,
        watch: impl FnOnce(Rc<str>) -> Option<Watch>,
    ) -> Flow {
        let policy = worker.policy(&arrived.cluster);
        let now = worker.now();
        // The time that the filter risked is not the request's, nor is the attempt.
        let (began, attempts) = if failed.risked {
            (now, 0)
        } else {
            // A second attempt that is still out becomes the retry; one that has failed was it.
            let hedge_failed = self.hedged.is_some() && self.hedge.is_none();
            (self.began(worker), 1 + u32::from(hedge_failed))
        };
        let paid = match paid {
            Some(paid) if !failed.risked => {
                worker.put_back(&arrived.cluster, paid, now);
                None
            }
            paid => paid,
        };
        let deadline = deadline(began, &policy.retry, self.asks_for_timeout);
        let refused = match decide(failed, &policy.retry, attempts.max(1), deadline, now) {
            Decision::NotWanted => None,
            Decision::Refuse(reason) => Some(reason),
            Decision::Retry(_) => {
                let answer = FirstAnswer {
                    standing: if failed.risked {
                        Standing::NoAnswer
                    } else {
                        standing(failed, &policy.retry)
                    },
                    body: first_body(end_of_stream),
                    from,
                };
                if self.hedge_becomes_retry(&arrived.cluster, arrived.host, answer, deadline) {
                    return Flow::Pause;
                }
                let first = FirstFailure {
                    cluster: Rc::clone(&arrived.cluster),
                    host: arrived.host,
                    answer,
                    attempts,
                    deadline,
                    asked: failed.asked,
                    paid,
                };
                if self.retry_first(worker, first, now) == Flow::Pause {
                    return Flow::Pause;
                }
                self.tell(worker, &arrived.cluster, &from);
                self.watch = watch(arrived.cluster);
                return Flow::Continue;
            }
        };
        if let Some(reason) = refused {
            self.refuse(worker, reason);
        }
        if let Some(paid) = paid {
            worker.put_back(&arrived.cluster, paid, now);
        }
        self.tell(worker, &arrived.cluster, &from);
        self.watch = watch(arrived.cluster);
        Flow::Continue
    }

    /// The last answer that Envoy's router got: what its retries came to.
    fn end_of_router<H: Host>(
        &mut self,
        worker: &mut Worker<H>,
        arrived: &Arrived,
        answer: &Answer,
        attempts: u32,
        policy: &ClusterPolicy,
    ) {
        let failed = self.look_closer(worker, &arrived.headers, answer);
        let wanted = is_worth_a_retry(&failed, &policy.retry);
        let made = attempts as usize - 1;
        if wanted {
            self.refuse(worker, RetryRefusal::NumRetries);
        }
        if made > 0 {
            worker.report.add(Metric::RetriesFailed, made - usize::from(!wanted));
            worker.report.add(Metric::RetriesSucceeded, usize::from(!wanted));
        }
    }

    /// An answer that is no host's: the client is told, if that is wanted.
    fn tell_of_nobody<H: Host>(&self, worker: &mut Worker<H>) {
        if !worker.wants().report {
            return;
        }
        if let Some(cluster) = worker.cluster_name() {
            let from = Final {
                flags: ResponseFlags(worker.attribute_number(Attribute::ResponseFlags)),
                ..Final::default()
            };
            self.tell(worker, &cluster, &from);
        }
    }

    /// The attempt that is answered, with as much as its recording needs; `made` so many by Envoy's router.
    fn attempt<H: Host>(&mut self, worker: &mut Worker<H>, arrived: &Arrived, outcome: Outcome, made: u32) -> Attempt {
        // When it began tells stragglers from those that count; without an ejection there are none.
        let began = if outcome == Outcome::Success && !worker.has_history(&arrived.cluster, arrived.host) {
            Timestamp::ZERO
        } else {
            self.began(worker).max(self.trial_sent.unwrap_or_default())
        };
        // Envoy's router says how long the host took from the end of the request, by a clock that is never set.
        let took = match outcome {
            Outcome::Ignored | Outcome::Failure(FailureOrigin::LocalOrigin) => None,
            // Of all attempts together.
            _ if made > 1 => None,
            _ if arrived.service_time.is_some() => arrived.service_time,
            // Not while the request is still on its way, or if it is told not to (`suppress_envoy_headers`).
            _ => {
                let (now, began) = (worker.now(), self.began(worker));
                // A clock that was set back tells nothing.
                (now >= began).then(|| now.since(began))
            }
        };
        Attempt {
            host: arrived.host,
            began,
            took,
            outcome,
            seen: true,
            repeated: false,
        }
    }

    /// A piece of the response's body has come.
    pub fn on_response_body<H: Host>(&mut self, worker: &mut Worker<H>, size: usize, end_of_stream: bool) -> Flow {
        if end_of_stream {
            self.answer_ended(worker);
        }
        match &mut self.phase {
            Phase::Waiting | Phase::Diverted(_) | Phase::Passing | Phase::Replied => Flow::Continue,
            Phase::Retrying(retrying) => {
                // Only with `allow_on_headers_stop_iteration`: the body comes although the headers are held back.
                retrying.first.body = FirstBody::Passed;
                Flow::Pause
            }
            Phase::Replacing(answer) => {
                let answer = answer.take();
                let body = answer.as_ref().map_or(&[][..], |answer| &answer.body);
                if size == 0 && body.is_empty() {
                    return Flow::Continue;
                }
                match worker.host.replace_response_body(size, body) {
                    Ok(()) => Flow::Continue,
                    Err(error) => {
                        worker.error(ErrorCause::Delivery, format_args!("body not replaced: {error}"));
                        // Its length is not the one that the headers state.
                        reset(worker)
                    }
                }
            }
        }
    }

    /// The response's trailers have come.
    pub fn on_response_trailers<H: Host>(&mut self, worker: &mut Worker<H>) -> Flow {
        self.trailers_came(worker);
        match &self.phase {
            Phase::Waiting | Phase::Diverted(_) | Phase::Passing | Phase::Replied => Flow::Continue,
            Phase::Retrying(_) => Flow::Pause,
            Phase::Replacing(answer) => {
                if answer.as_ref().is_some_and(|answer| !answer.body.is_empty()) {
                    worker.error(
                        ErrorCause::Delivery,
                        format_args!("the first answer had trailers and no body, so the retry's has no place"),
                    );
                    return reset(worker);
                }
                if let Err(error) = worker.host.clear_response_trailers() {
                    worker.error(ErrorCause::Delivery, format_args!("trailers not removed: {error}"));
                }
                Flow::Continue
            }
        }
    }
}

/// Ends the stream, because what the client would get is not a whole answer. Nothing may pass a stream that is being
/// reset: Envoy 1.40 would crash.
fn reset<H: Host>(worker: &mut Worker<H>) -> Flow {
    if let Err(error) = worker.host.reset_stream() {
        worker.error(ErrorCause::Delivery, format_args!("stream not reset: {error}"));
    }
    Flow::Pause
}
