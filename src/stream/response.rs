//! The response's way out: what it says about its host, and whether it is good enough for the client.

use super::{FirstAnswer, Flow, Phase, Stream};
use crate::detect::{Answer, ResponseFlags, classify};
use crate::health::Attempt;
use crate::host::{Attribute, Host};
use crate::metrics::{ErrorCause, Metric};
use crate::model::{HostAddr, Outcome};
use crate::retry::{Decision, Failed, FirstBody, RetryRefusal, deadline, decide, may_be_worth_a_retry, standing};
use crate::worker::Worker;

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
        let pinned = self.release_pin(worker);
        let Some(status) = status(worker) else {
            return Flow::Continue;
        };
        let Some((cluster, host)) = attempted(worker) else {
            worker.count_attempt(Outcome::Ignored);
            return Flow::Continue;
        };
        let policy = worker.policy(&cluster);
        let worth_a_look = may_be_worth_a_retry(status, &policy.retry);
        let answer = if self.grpc || worth_a_look || matches!(status, 425 | 429) {
            self.look_at(worker, status)
        } else {
            // Nearly every response: nothing more is asked about it.
            Answer {
                status,
                ..Answer::default()
            }
        };
        let outcome = classify(&answer);
        worker.record(
            &cluster,
            &Attempt {
                host,
                began: self.began,
                outcome,
                seen: true,
            },
        );
        if let Some(pinned) = pinned
            && pinned.cluster == cluster
            && outcome != Outcome::Ignored
        {
            worker.check_pin(&pinned.cluster, &pinned.pin, host);
        }
        if !worth_a_look {
            return Flow::Continue;
        }
        let router_retries = self.router_retries || worker.attribute_number(Attribute::AttemptCount) > 1;
        let failed = look_closer(worker, &answer, router_retries);
        let now = worker.now();
        let deadline = deadline(self.began, &policy.retry, self.asks_for_timeout);
        match decide(&failed, &policy.retry, 1, deadline, now) {
            Decision::NotWanted => Flow::Continue,
            Decision::Refuse(reason) => {
                worker.count(Metric::from(reason));
                Flow::Continue
            }
            Decision::Retry(timeout) => {
                let first = FirstAnswer {
                    standing: standing(&failed, &policy.retry),
                    body: if end_of_stream {
                        FirstBody::None
                    } else {
                        FirstBody::Ahead
                    },
                };
                self.retry_first(worker, cluster, host, first, now, timeout)
            }
        }
    }

    /// A piece of the response's body has come.
    pub fn on_response_body<H: Host>(&mut self, worker: &mut Worker<H>, size: usize) -> Flow {
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

    /// Asks what the classification of an answer that is not plainly good needs.
    fn look_at<H: Host>(&self, worker: &mut Worker<H>, status: u16) -> Answer {
        let grpc_status = if self.grpc {
            header(worker, "grpc-status").and_then(|value| std::str::from_utf8(&value).ok()?.parse().ok())
        } else {
            None
        };
        // Envoy answers in the host's place by 5xx, and a gRPC request by 200 and a gRPC status.
        let by_envoy = status >= 500 || grpc_status.is_some_and(|status| status != 0);
        Answer {
            status,
            flags: if by_envoy {
                ResponseFlags(worker.attribute_number(Attribute::ResponseFlags))
            } else {
                ResponseFlags::default()
            },
            grpc_status,
            overloaded: by_envoy && header(worker, "x-envoy-overloaded").is_some(),
        }
    }
}

/// Asks what the decision about a retry needs beyond the classification.
fn look_closer<H: Host>(worker: &mut Worker<H>, answer: &Answer, router_retries: bool) -> Failed {
    let reset = answer.flags.any_of(ResponseFlags::UPSTREAM_REMOTE_RESET);
    Failed {
        status: answer.status,
        flags: answer.flags,
        refused_stream: reset
            && worker
                .attribute(Attribute::ResponseCodeDetails)
                .is_some_and(|details| contains(&details, b"remote_refused_stream_reset")),
        overloaded: answer.overloaded,
        rate_limited: header(worker, "x-envoy-ratelimited").is_some(),
        router_retries,
    }
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

fn status<H: Host>(worker: &mut Worker<H>) -> Option<u16> {
    match worker.host.response_header(":status") {
        Ok(value) => value.as_deref().and_then(parse_status),
        Err(error) => {
            worker.error(ErrorCause::Response, format_args!("no response status: {error}"));
            None
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

pub(super) fn parse_status(value: &[u8]) -> Option<u16> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

/// A response header; one that Envoy fails to give is counted and counts as missing.
fn header<H: Host>(worker: &mut Worker<H>, name: &str) -> Option<Vec<u8>> {
    match worker.host.response_header(name) {
        Ok(value) => value,
        Err(error) => {
            worker.error(ErrorCause::Response, format_args!("no response header {name}: {error}"));
            None
        }
    }
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}
