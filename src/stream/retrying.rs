//! A retry's way: out to the next host, back with an answer, and into the place of the one that failed.

use super::answer::{Answered, Reading, Unreadable};
use super::seen::Seen;
use super::{FirstAnswer, Flow, Phase, Retrying, Stream};
use crate::host::{Callout, CalloutToken, Host};
use crate::metrics::{ErrorCause, Metric};
use crate::model::{HostAddr, Outcome, Timestamp};
use crate::retry::{Decision, Delivery, RetryRefusal, Standing, deadline, decide, response_headers};
use crate::worker::{Attempt, Worker};
use std::time::Duration;

/// A callout on its way.
struct Sent {
    token: CalloutToken,
    target: HostAddr,
}

impl Stream {
    /// The first attempt failed at `host`: holds its answer back and sends a retry, or lets it pass. `attempts` were made
    /// so far that count.
    pub(super) fn retry_first<H: Host>(
        &mut self,
        worker: &mut Worker<H>,
        cluster: String,
        host: HostAddr,
        first: FirstAnswer,
        attempts: u32,
        (now, timeout): (Timestamp, Duration),
    ) -> Flow {
        match self.send(worker, &cluster, &[host], now, timeout) {
            Ok(sent) => {
                self.phase = Phase::Retrying(Box::new(Retrying {
                    cluster,
                    token: sent.token,
                    target: sent.target,
                    sent: now,
                    tried: vec![host, sent.target],
                    attempts: attempts.saturating_add(1),
                    first,
                    best: None,
                }));
                Flow::Pause
            }
            Err(reason) => {
                worker.count(Metric::from(reason));
                Flow::Continue
            }
        }
    }

    /// Sends a retry to a host that is not among `tried`.
    fn send<H: Host>(
        &self,
        worker: &mut Worker<H>,
        cluster: &str,
        tried: &[HostAddr],
        now: Timestamp,
        timeout: Duration,
    ) -> Result<Sent, RetryRefusal> {
        let copy = self.keep.whole()?;
        if copy.body().len() > worker.policy(cluster).retry.max_body_bytes {
            return Err(RetryRefusal::BodyTooLarge);
        }
        let pin = worker.pin_retry(cluster, tried, now)?;
        let target = pin.first().ok_or(RetryRefusal::NoOtherHost)?;
        let value = pin.header_value();
        let callout = Callout {
            cluster,
            headers: copy.attempt_headers(worker.override_header(), Some(&value))?,
            body: copy.body(),
            trailers: copy.attempt_trailers(),
            timeout,
        };
        match worker.host.dispatch(callout) {
            Ok(token) => {
                worker.count(Metric::RetriesAttempted);
                worker.sent(cluster, target);
                Ok(Sent { token, target })
            }
            Err(_) => Err(RetryRefusal::DispatchFailed),
        }
    }

    /// A callout's answer has come.
    pub fn on_callout_response<H: Host>(
        &mut self,
        worker: &mut Worker<H>,
        token: CalloutToken,
        num_headers: usize,
        body_size: usize,
    ) {
        match std::mem::replace(&mut self.phase, Phase::Passing) {
            Phase::Retrying(retrying) if retrying.token == token => {
                self.retry_answered(worker, retrying, num_headers, body_size);
            }
            // Not the one that is waited for.
            other => self.phase = other,
        }
    }

    fn retry_answered<H: Host>(
        &mut self,
        worker: &mut Worker<H>,
        mut retrying: Box<Retrying>,
        num_headers: usize,
        body_size: usize,
    ) {
        worker.answered(&retrying.cluster, retrying.target);
        let policy = worker.policy(&retrying.cluster);
        let reading = Reading::of(&worker.host, num_headers, body_size, &policy.retry, worker.held_bytes());
        let reading = reading.unwrap_or_else(|why| {
            match why {
                Unreadable::TooLarge(_) => worker.count(Metric::from(RetryRefusal::HeldBytes)),
                Unreadable::Host(_) | Unreadable::NoStatus | Unreadable::Cut(..) => {
                    worker.error(
                        ErrorCause::CalloutAnswer,
                        format_args!("a retry's answer is lost: {why}"),
                    );
                }
            }
            Reading::unreadable()
        });
        let outcome = self.outcome_of_retry(worker, &retrying, &reading);
        Self::record_retry(worker, &retrying, outcome);
        if reading.standing == Standing::Good
            && let Some(answered) = reading.answered
        {
            worker.count(Metric::RetriesSucceeded);
            self.deliver(worker, retrying.first, answered);
            return;
        }
        worker.count(Metric::RetriesFailed);
        let best = if retrying.best.is_some() {
            Standing::Failure
        } else {
            retrying.first.standing
        };
        if reading.standing > best && reading.answered.is_some() {
            retrying.best = reading.answered;
        }
        let now = worker.now();
        let deadline = deadline(self.began(worker), &policy.retry, self.asks_for_timeout);
        let again = match decide(&reading.failed, &policy.retry, retrying.attempts, deadline, now) {
            Decision::Retry(timeout) => self
                .send(worker, &retrying.cluster, &retrying.tried, now, timeout)
                .map_err(Some),
            Decision::Refuse(reason) => Err(Some(reason)),
            Decision::NotWanted => Err(None),
        };
        match again {
            Ok(sent) => {
                retrying.token = sent.token;
                retrying.target = sent.target;
                retrying.sent = now;
                retrying.tried.push(sent.target);
                retrying.attempts = retrying.attempts.saturating_add(1);
                self.phase = Phase::Retrying(retrying);
            }
            Err(reason) => {
                if let Some(reason) = reason {
                    worker.count(Metric::from(reason));
                }
                match retrying.best.take() {
                    Some(best) => self.deliver(worker, retrying.first, best),
                    None => {
                        self.keep.give_up(RetryRefusal::NoCopy);
                        resume(worker);
                    }
                }
            }
        }
    }

    /// What a retry's answer says about its host, by the same rules as a first answer.
    fn outcome_of_retry<H: Host>(&self, worker: &mut Worker<H>, retrying: &Retrying, reading: &Reading) -> Outcome {
        let Some(answered) = &reading.answered else {
            return reading.outcome;
        };
        let seen = Seen {
            answer: reading.answer,
            cluster: &retrying.cluster,
        };
        let mut header = |_: &mut Worker<H>, name: &str| answered.headers.get(name.as_bytes()).map(<[u8]>::to_vec);
        let outcome = seen.outcome(worker, &mut header);
        if outcome == Outcome::Overload && worker.follows_pins(&retrying.cluster) {
            seen.lower_share(worker, retrying.target, &mut header);
        }
        outcome
    }

    /// Records what a retry says about the host that it was sent to. Nothing can tell which host answered a
    /// callout, so it is held against a host only where pins have been seen to be followed.
    fn record_retry<H: Host>(worker: &mut Worker<H>, retrying: &Retrying, outcome: Outcome) {
        if !worker.follows_pins(&retrying.cluster) {
            worker.count_attempt(outcome);
            return;
        }
        worker.record(
            &retrying.cluster,
            &Attempt {
                host: retrying.target,
                began: retrying.sent,
                // Its body is part of the time that it took.
                took: None,
                outcome,
                seen: false,
            },
        );
    }

    /// Puts an answer in the place of the first one.
    fn deliver<H: Host>(&mut self, worker: &mut Worker<H>, first: FirstAnswer, mut answer: Answered) {
        self.keep.give_up(RetryRefusal::NoCopy);
        let bodiless = self.head || matches!(answer.status, 100..=199 | 204 | 304);
        if bodiless {
            answer.body.clear();
        }
        let length = answer.body.len().to_string();
        let headers = response_headers(&answer.headers, bodiless, &length);
        match Delivery::of(first.body, !answer.body.is_empty()) {
            Delivery::InPlace => match worker.host.replace_response_headers(&headers) {
                Ok(()) => {
                    self.phase = Phase::Replacing(Some(Box::new(answer)));
                    resume(worker);
                }
                Err(error) => undelivered(worker, error),
            },
            Delivery::LocalReply => {
                let headers: Vec<_> = headers
                    .into_iter()
                    .filter(|(name, _)| !name.starts_with(b":") && *name != b"content-length")
                    .collect();
                // Set before the call: the reply passes this filter on its way out.
                self.phase = Phase::Replied;
                let sent = worker
                    .host
                    .send_local_response(answer.status, &headers, &answer.body, "sidestep_retry");
                if let Err(error) = sent {
                    self.phase = Phase::Passing;
                    undelivered(worker, error);
                }
            }
        }
    }
}

/// The answer can't be delivered: the client gets the first one.
fn undelivered<H: Host>(worker: &mut Worker<H>, error: crate::host::HostError) {
    worker.error(
        ErrorCause::Delivery,
        format_args!("a retry's answer could not take the failed one's place: {error}"),
    );
    resume(worker);
}

/// Lets the first response go on.
fn resume<H: Host>(worker: &mut Worker<H>) {
    if let Err(error) = worker.host.resume_response() {
        worker.error(ErrorCause::Delivery, format_args!("response not resumed: {error}"));
    }
}
