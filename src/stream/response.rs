//! The response's way out: what it says about its host, and whether it is good enough for the client.

use super::seen::Seen;
use super::watch::Watch;
use super::{FirstAnswer, Flow, Phase, Stream, end_trial_unproved};
use crate::detect::{Answer, ResponseFlags};
use crate::host::{Attribute, Host};
use crate::http::{HeaderBlock, SERVICE_TIME};
use crate::metrics::{ErrorCause, Metric};
use crate::model::{FailureOrigin, HostAddr, Outcome, Timestamp};
use crate::retry::{
    Decision, Failed, FirstBody, RetryRefusal, Standing, deadline, decide, may_be_worth_a_retry, standing,
};
use crate::worker::{Attempt, Steering, Worker};
use std::time::Duration;

impl Stream {
    /// The response's headers have come.
    pub fn on_response_headers<H: Host>(&mut self, worker: &mut Worker<H>, end_of_stream: bool) -> Flow {
        if !matches!(self.phase, Phase::Waiting) {
            // Our own local reply on its way out.
            return Flow::Continue;
        }
        self.phase = Phase::Passing;
        let flow = self.judge(worker, end_of_stream);
        if flow == Flow::Continue {
            // The client gets this answer: nothing will be repeated.
            self.keep.give_up(RetryRefusal::NoCopy);
        }
        flow
    }

    /// What the response says about its host, and whether it is held back for a retry.
    fn judge<H: Host>(&mut self, worker: &mut Worker<H>, end_of_stream: bool) -> Flow {
        let steering = self.release_steering(worker);
        let Some(arrived) = Arrived::read(worker) else {
            end_trial_unproved(worker, steering.as_ref());
            return Flow::Continue;
        };
        let policy = worker.policy(&arrived.cluster);
        let answer = self.look_at(worker, &arrived);
        let seen = Seen {
            answer,
            cluster: &arrived.cluster,
        };
        let mut header = |_: &mut Worker<H>, name: &str| arrived.headers.get(name.as_bytes()).map(<[u8]>::to_vec);
        let unpinned = steering.as_ref().is_some_and(|steering| steering.pin.is_none());
        let outcome = match seen.outcome(worker, &mut header) {
            // The time was ours, and short.
            _ if unpinned && answer.flags.any_of(ResponseFlags::UPSTREAM_REQUEST_TIMEOUT) => Outcome::Ignored,
            outcome => outcome,
        };
        let attempt = self.attempt(worker, &arrived, outcome);
        // Of a gRPC answer, the trailers will tell.
        let deferred = self.grpc && answer.grpc_status.is_none() && outcome == Outcome::Success && !end_of_stream;
        if !deferred {
            worker.record(&arrived.cluster, &attempt);
        }
        if outcome == Outcome::Overload {
            seen.lower_share(worker, arrived.host, &mut header);
        }
        let risked = check_steering(worker, steering, &arrived, outcome);
        let failed_us = risked
            && (matches!(outcome, Outcome::Failure(_) | Outcome::Overload)
                || answer.flags.any_of(ResponseFlags::NO_ANSWER));
        // Another protocol (101) has ends of its own.
        let watched = outcome == Outcome::Success && !end_of_stream && arrived.status != 101;
        let watch = |cluster| {
            watched.then_some(Watch {
                cluster,
                attempt,
                deferred,
            })
        };
        if !failed_us && !may_be_worth_a_retry(arrived.status, &policy.retry) {
            // Nearly every answer: the name moves on, without a copy.
            self.watch = watch(arrived.cluster);
            return Flow::Continue;
        }
        self.watch = watch(arrived.cluster.clone());
        let failed = Failed {
            risked: failed_us,
            ..self.look_closer(worker, &arrived.headers, &answer)
        };
        let now = worker.now();
        // The time that the filter risked is not the request's.
        let began = if failed_us { now } else { self.began(worker) };
        let deadline = deadline(began, &policy.retry, self.asks_for_timeout);
        match decide(&failed, &policy.retry, 1, deadline, now) {
            Decision::NotWanted => Flow::Continue,
            Decision::Refuse(reason) => {
                worker.count(Metric::from(reason));
                Flow::Continue
            }
            Decision::Retry(timeout) => {
                let first = FirstAnswer {
                    standing: if failed_us {
                        Standing::NoAnswer
                    } else {
                        standing(&failed, &policy.retry)
                    },
                    body: if end_of_stream {
                        FirstBody::None
                    } else {
                        FirstBody::Ahead
                    },
                };
                // Nor is the attempt.
                let attempts = if failed_us { 0 } else { 1 };
                self.watch = None;
                self.retry_first(worker, arrived.cluster, arrived.host, first, attempts, (now, timeout))
            }
        }
    }

    /// The attempt that is answered, with as much as its recording needs.
    fn attempt<H: Host>(&mut self, worker: &mut Worker<H>, arrived: &Arrived, outcome: Outcome) -> Attempt {
        // When it began tells stragglers from those that count; without an ejection there are none.
        let began = if outcome == Outcome::Success && !worker.has_history(&arrived.cluster, arrived.host) {
            Timestamp::ZERO
        } else {
            self.began(worker).max(self.trial_sent.unwrap_or_default())
        };
        // Envoy's router says how long the host took from the end of the request, by a clock that is never set.
        let by_router = arrived.headers.number(SERVICE_TIME).map(Duration::from_millis);
        let took = match outcome {
            Outcome::Ignored | Outcome::Failure(FailureOrigin::LocalOrigin) => None,
            _ if by_router.is_some() => by_router,
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
        }
    }

    /// A piece of the response's body has come.
    pub fn on_response_body<H: Host>(&mut self, worker: &mut Worker<H>, size: usize, end_of_stream: bool) -> Flow {
        if end_of_stream {
            self.answer_ended(worker);
        }
        match &mut self.phase {
            Phase::Waiting | Phase::Passing | Phase::Replied => Flow::Continue,
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
            Phase::Waiting | Phase::Passing | Phase::Replied => Flow::Continue,
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

    /// What the classification of an answer needs. Of nearly every answer, that is its status.
    fn look_at<H: Host>(&self, worker: &mut Worker<H>, arrived: &Arrived) -> Answer {
        let Arrived { headers, status, .. } = arrived;
        let grpc_status = if self.grpc {
            headers.number(b"grpc-status")
        } else {
            None
        };
        // Envoy answers in the host's place by 5xx, and a gRPC request by 200 and a gRPC status.
        let by_envoy = *status >= 500 || grpc_status.is_some_and(|status: u32| status != 0);
        Answer {
            status: *status,
            flags: if by_envoy {
                ResponseFlags(worker.attribute_number(Attribute::ResponseFlags))
            } else {
                ResponseFlags::default()
            },
            grpc_status,
            overloaded: by_envoy && headers.get(b"x-envoy-overloaded").is_some(),
        }
    }

    /// What the decision about a retry needs beyond the classification.
    fn look_closer<H: Host>(&self, worker: &mut Worker<H>, headers: &HeaderBlock, answer: &Answer) -> Failed {
        let reset = answer.flags.any_of(ResponseFlags::UPSTREAM_REMOTE_RESET);
        let timeout = answer.flags.any_of(ResponseFlags::UPSTREAM_REQUEST_TIMEOUT);
        let details = if reset || timeout {
            worker.attribute(Attribute::ResponseCodeDetails).unwrap_or_default()
        } else {
            Vec::new()
        };
        Failed {
            status: answer.status,
            flags: answer.flags,
            refused_stream: reset && contains(&details, b"remote_refused_stream_reset"),
            overloaded: answer.overloaded,
            rate_limited: headers.get(b"x-envoy-ratelimited").is_some(),
            per_try_timeout: timeout && contains(&details, b"per_try_timeout"),
            risked: false,
            router_retries: self.router_retries || worker.attribute_number(Attribute::AttemptCount) > 1,
        }
    }
}

/// An answer of a host, or one that Envoy made in its place.
struct Arrived {
    headers: HeaderBlock,
    status: u16,
    cluster: String,
    host: HostAddr,
}

impl Arrived {
    /// `None` if the answer says nothing about any host.
    fn read<H: Host>(worker: &mut Worker<H>) -> Option<Self> {
        let headers = match worker.host.response_headers() {
            Ok(headers) => headers,
            Err(error) => {
                worker.error(ErrorCause::Response, format_args!("no response headers: {error}"));
                return None;
            }
        };
        let status = headers.number(b":status")?;
        let Some((cluster, host)) = attempted(worker) else {
            worker.count_attempt(Outcome::Ignored);
            return None;
        };
        Some(Self {
            headers,
            status,
            cluster,
            host,
        })
    }
}

/// Looks whether the pin was followed, and gives a trial back that the answer says nothing about. Returns whether the
/// filter sent the request where it went to learn something.
fn check_steering<H: Host>(
    worker: &mut Worker<H>,
    steering: Option<Steering>,
    arrived: &Arrived,
    outcome: Outcome,
) -> bool {
    let Some(steering) = steering else {
        return false;
    };
    let here = steering.cluster == arrived.cluster;
    if outcome == Outcome::Ignored || !here || steering.trial != Some(arrived.host) {
        end_trial_unproved(worker, Some(&steering));
    }
    if here
        && outcome != Outcome::Ignored
        && let Some(pin) = &steering.pin
    {
        worker.check_pin(&steering.cluster, pin, arrived.host);
    }
    here && steering.is_risked()
}

/// Where the attempt went. `None` if it went nowhere that can be watched: no route, no healthy host, another
/// filter's reply, a host that is no `ip:port`.
fn attempted<H: Host>(worker: &mut Worker<H>) -> Option<(String, HostAddr)> {
    let address = worker.attribute(Attribute::UpstreamAddress)?;
    let Ok(host) = HostAddr::from_bytes(&address) else {
        let address = String::from_utf8_lossy(&address);
        worker.error(ErrorCause::HostAddress, format_args!("host {address:?} is not watched"));
        return None;
    };
    Some((worker.cluster_name()?, host))
}

/// Ends the stream, because what the client would get is not a whole answer. Nothing may pass a stream that is being
/// reset: Envoy 1.40 would crash.
fn reset<H: Host>(worker: &mut Worker<H>) -> Flow {
    if let Err(error) = worker.host.reset_stream() {
        worker.error(ErrorCause::Delivery, format_args!("stream not reset: {error}"));
    }
    Flow::Pause
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}
