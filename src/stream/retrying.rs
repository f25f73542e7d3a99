//! A retry by the filter: when it is sent and where to, and what its answer means for the one that is held back.

use super::answer::Reading;
use super::attempt::{Sent, Try};
use super::deliver::{Good, resume};
use super::tale::Final;
use super::{FirstAnswer, Flow, Out, Phase, Retrying, Stream};
use crate::config::{ClusterPolicy, Engine};
use crate::host::{CalloutToken, Host};
use crate::http::{Asked, asked};
use crate::metrics::Metric;
use crate::model::{HostAddr, Timestamp};
use crate::retry::{Decision, Failed, RetryRefusal, RouteNature, Standing, Withdrawal, back_off, decide};
use crate::worker::{Target, Worker};
use std::rc::Rc;
use std::time::Duration;

/// A callout's time-out counts in whole milliseconds, and 0 would mean none.
const SHORTEST: Duration = Duration::from_millis(1);

/// A first attempt that failed.
#[derive(Debug)]
pub(super) struct FirstFailure {
    pub(super) cluster: Rc<str>,
    pub(super) host: HostAddr,
    pub(super) answer: FirstAnswer,
    /// Attempts so far that count.
    pub(super) attempts: u32,
    pub(super) deadline: Timestamp,
    /// When the host wants to be asked again.
    pub(super) asked: Asked,
    /// The retry is paid for.
    pub(super) paid: Option<Withdrawal>,
}

impl Stream {
    /// The first attempt failed: holds its answer back and sends a retry, now or later, or lets it pass.
    pub(super) fn retry_first<H: Host>(&mut self, worker: &mut Worker<H>, first: FirstFailure, now: Timestamp) -> Flow {
        let policy = worker.policy(&first.cluster);
        let mut retrying = Box::new(Retrying {
            out: Out::Waits(now, Withdrawal::Share),
            tried: self.hedged.into_iter().chain([first.host]).collect(),
            attempts: first.attempts,
            deadline: first.deadline,
            standby_tried: false,
            first: first.answer,
            best: None,
            cluster: first.cluster,
        });
        if self.hedged.is_none() {
            self.tale().host(first.host);
        }
        let next = self
            .check_route(worker, &policy, now)
            .and_then(|()| self.next(worker, &mut retrying, first.asked, first.paid, now));
        match next {
            Ok(out) => {
                retrying.out = out;
                self.phase = Phase::Retrying(retrying);
                Flow::Pause
            }
            Err(reason) => {
                if let Some(paid) = first.paid {
                    worker.put_back(&retrying.cluster, paid, now);
                }
                self.refuse(worker, reason);
                Flow::Continue
            }
        }
    }

    /// Whether a callout would send the request that the first attempt sent: with the engine `auto` its route must be
    /// known for that.
    pub(super) fn check_route<H: Host>(
        &mut self,
        worker: &mut Worker<H>,
        policy: &ClusterPolicy,
        now: Timestamp,
    ) -> Result<(), RetryRefusal> {
        if policy.retry.engine == Engine::Filter || self.keep.whole().is_err() {
            return Ok(());
        }
        // Whenever a retry of the filter's is at stake the route is held against what it did.
        self.traits.route_unknown = true;
        let key = worker.route_key();
        match worker.route_nature(key.as_ref(), now) {
            RouteNature::Plain => Ok(()),
            RouteNature::Changing => Err(RetryRefusal::RouteChanges),
            RouteNature::Retrying => Err(RetryRefusal::RouteRetries),
        }
    }

    /// The next attempt: sent, or to be sent after a while.
    fn next<H: Host>(
        &mut self,
        worker: &mut Worker<H>,
        retrying: &mut Retrying,
        asked: Asked,
        paid: Option<Withdrawal>,
        now: Timestamp,
    ) -> Result<Out, RetryRefusal> {
        let policy = worker.policy(&retrying.cluster);
        if self.keep.whole()?.body().len() > policy.retry.max_body_bytes {
            return Err(RetryRefusal::BodyTooLarge);
        }
        let target = worker.retry_target(&retrying.cluster, &retrying.tried, !retrying.standby_tried, now)?;
        let wait = if target.again {
            let asked = match asked {
                Asked::After(wait) => Some(wait),
                Asked::Nothing | Asked::Never => None,
            };
            back_off(&policy.retry, retrying.attempts.max(1), asked, &mut worker.draw())
                .ok_or(RetryRefusal::RetryAfter)?
        } else {
            Duration::ZERO
        };
        if now.after(wait).after(SHORTEST) > retrying.deadline {
            return Err(RetryRefusal::Deadline);
        }
        if !worker.in_flight.has_room(now) {
            return Err(RetryRefusal::ConcurrentRetries);
        }
        let withdrawn = paid
            .or_else(|| worker.withdraw(&retrying.cluster, now))
            .ok_or(RetryRefusal::Budget)?;
        if wait < SHORTEST {
            return match self.send_retry(worker, retrying, &target, now) {
                Ok(sent) => Ok(Out::Sent(sent)),
                Err(reason) => {
                    // Who has paid beforehand gets it back elsewhere.
                    if paid.is_none() {
                        worker.put_back(&retrying.cluster, withdrawn, now);
                    }
                    Err(reason)
                }
            };
        }
        let until = now.after(wait);
        if !worker.wake(self.id, until, now) {
            if paid.is_none() {
                worker.put_back(&retrying.cluster, withdrawn, now);
            }
            return Err(RetryRefusal::DispatchFailed);
        }
        worker.count(Metric::RetriesWaited);
        Ok(Out::Waits(until, withdrawn))
    }

    fn send_retry<H: Host>(
        &mut self,
        worker: &mut Worker<H>,
        retrying: &mut Retrying,
        target: &Target,
        now: Timestamp,
    ) -> Result<Sent, RetryRefusal> {
        let policy = worker.policy(&retrying.cluster);
        // Not more, should the clock have been set back.
        let left = retrying.deadline.since(now).min(policy.retry.timeout);
        let this = Try {
            number: self.tale().attempts.saturating_add(1),
            timeout: policy.retry.per_try_timeout.unwrap_or(left).min(left).max(SHORTEST),
            now,
        };
        let sent = self.send(worker, target, this)?;
        worker.count(Metric::RetriesAttempted);
        if *target.cluster == *retrying.cluster {
            retrying.tried.extend(target.host());
        } else {
            worker.count(Metric::StandbyAttempts);
            retrying.standby_tried = true;
        }
        retrying.attempts = retrying.attempts.saturating_add(1);
        Ok(sent)
    }

    /// A moment has come that this stream waited for; it may have stopped waiting since.
    pub(super) fn on_moment<H: Host>(&mut self, worker: &mut Worker<H>, moment: Timestamp, now: Timestamp) {
        match std::mem::replace(&mut self.phase, Phase::Passing) {
            Phase::Retrying(retrying) => match retrying.out {
                Out::Waits(until, withdrawn) if until == moment => self.wait_is_over(worker, retrying, withdrawn, now),
                Out::Lost => self.give_best(worker, *retrying, None),
                _ => self.phase = Phase::Retrying(retrying),
            },
            Phase::Waiting => {
                self.phase = Phase::Waiting;
                self.hedge_if_due(worker, moment, now);
            }
            other => self.phase = other,
        }
    }

    /// A moment has come, or an answer, and Envoy did not let the stream act.
    pub(super) fn on_missed<H: Host>(&mut self, worker: &mut Worker<H>) {
        /// After this it is tried again.
        const AGAIN: Duration = Duration::from_millis(100);
        let now = worker.now();
        if let Phase::Retrying(retrying) = &mut self.phase {
            match std::mem::replace(&mut retrying.out, Out::Lost) {
                Out::Sent(sent) => sent.forget(worker),
                Out::Waits(_, withdrawn) => worker.put_back(&retrying.cluster, withdrawn, now),
                Out::Lost => {}
            }
        } else {
            self.forget_hedge(worker);
        }
        // Should the timer be dead as well, there is nothing left to do.
        let _ = worker.wake(self.id, now.after(AGAIN), now);
    }

    /// A retry that had to wait is sent, to where it is best sent now.
    fn wait_is_over<H: Host>(
        &mut self,
        worker: &mut Worker<H>,
        mut retrying: Box<Retrying>,
        withdrawn: Withdrawal,
        now: Timestamp,
    ) {
        let target = worker.retry_target(&retrying.cluster, &retrying.tried, !retrying.standby_tried, now);
        let sent = target.and_then(|target| self.send_retry(worker, &mut retrying, &target, now));
        match sent {
            Ok(sent) => {
                retrying.out = Out::Sent(sent);
                self.phase = Phase::Retrying(retrying);
            }
            Err(reason) => {
                worker.put_back(&retrying.cluster, withdrawn, now);
                self.give_best(worker, *retrying, Some(reason));
            }
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
        worker.in_flight.answered(token.0);
        if self.is_hedge(token) {
            self.hedge_answered(worker, num_headers, body_size);
            return;
        }
        match std::mem::replace(&mut self.phase, Phase::Passing) {
            Phase::Retrying(retrying) => match &retrying.out {
                Out::Sent(sent) if sent.token == token => {
                    let sent = sent.clone();
                    let reading = self.read_answer(worker, &sent, num_headers, body_size);
                    self.retry_answered(worker, retrying, &sent, reading);
                }
                _ => self.phase = Phase::Retrying(retrying),
            },
            Phase::Diverted(diverted) if diverted.is(token) => {
                self.diversion_answered(worker, &diverted, num_headers, body_size);
            }
            // Not the one that is waited for.
            other => self.phase = other,
        }
    }

    /// A retry's answer: it is delivered, or another attempt is made, or the client gets the best that there is.
    pub(super) fn retry_answered<H: Host>(
        &mut self,
        worker: &mut Worker<H>,
        mut retrying: Box<Retrying>,
        sent: &Sent,
        reading: Reading,
    ) {
        let reading = self.without_conflict(reading);
        let from = Final {
            received_status: reading.answered.as_ref().map(|answered| answered.status),
            flags: reading.failed.flags,
            host: sent.host,
        };
        if reading.standing == Standing::Good
            && let Some(answer) = reading.answered
        {
            worker.count(Metric::RetriesSucceeded);
            let cluster = &retrying.cluster;
            self.deliver(worker, retrying.first, Good { answer, cluster, from });
            return;
        }
        worker.count(Metric::RetriesFailed);
        let best = if retrying.best.is_some() {
            Standing::Failure
        } else {
            retrying.first.standing
        };
        let now = worker.now();
        let policy = worker.policy(&retrying.cluster);
        let failed = Failed {
            // Its own time was over, not the request's, which is looked at anyway.
            per_try_timeout: policy.retry.per_try_timeout.is_some(),
            early_data: self.traits.early_data,
            asked: reading
                .answered
                .as_ref()
                .map_or(Asked::Nothing, |answered| asked(&answered.headers, now)),
            ..reading.failed
        };
        if reading.standing > best && reading.answered.is_some() {
            retrying.best = reading.answered;
        }
        let again = match decide(&failed, &policy.retry, retrying.attempts, retrying.deadline, now) {
            Decision::Retry(_) => self.next(worker, &mut retrying, failed.asked, None, now).map_err(Some),
            Decision::Refuse(reason) => Err(Some(reason)),
            Decision::NotWanted => Err(None),
        };
        match again {
            Ok(out) => {
                retrying.out = out;
                self.phase = Phase::Retrying(retrying);
            }
            Err(reason) => self.give_best(worker, *retrying, reason),
        }
    }

    /// A 409 to a retry by `Idempotency-Key` says that the first attempt is still at work: it tells the client nothing, and
    /// never takes the place of what it got first.
    pub(super) fn without_conflict(&self, mut reading: Reading) -> Reading {
        if self.traits.keyed && reading.failed.status == 409 {
            reading.answered = None;
            reading.standing = Standing::NoAnswer;
        }
        reading
    }

    /// There is no further attempt: the client gets the best answer so far.
    fn give_best<H: Host>(&mut self, worker: &mut Worker<H>, mut retrying: Retrying, reason: Option<RetryRefusal>) {
        if let Some(reason) = reason {
            self.refuse(worker, reason);
        }
        if let Some(answer) = retrying.best.take() {
            let from = Final {
                received_status: Some(answer.status),
                ..Final::default()
            };
            let cluster = &retrying.cluster;
            self.deliver(worker, retrying.first, Good { answer, cluster, from });
            return;
        }
        self.keep_for_watching();
        let first = retrying.first.from;
        self.tell(worker, &retrying.cluster, &first);
        resume(worker);
    }
}
