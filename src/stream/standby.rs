//! First attempts at the standby cluster, while no host of a request's own cluster is available.
//!
//! Where a route matches [`STANDBY_HEADER`], Envoy itself takes the request to the standby cluster: any request, as it
//! streams, with all that the filter does for a cluster. Else a request that has no body is held back and sent by a callout.
//! One with a body can't be: Envoy gives a filter no body while it holds the headers back. It goes to its own cluster, whose hosts are asked
//! after all, and if it fails there and may be repeated, it is repeated at the standby cluster.

use super::answer::Answered;
use super::attempt::{Sent, Try};
use super::deliver::Good;
use super::tale::Final;
use super::{Flow, Phase, Stream};
use crate::host::{CalloutToken, Host};
use crate::http::{HeaderBlock, Method, RequestFacts, STANDBY_HEADER};
use crate::metrics::{ErrorCause, Metric};
use crate::model::Timestamp;
use crate::retry::{Keep, RetryRefusal, Standing, screen};
use crate::worker::Worker;
use std::rc::Rc;

/// A request that is held back.
#[derive(Debug)]
pub(super) struct Diverted {
    cluster: Rc<str>,
    /// It must not be sent a second time, whatever becomes of it.
    once: bool,
    /// The callout.
    sent: Sent,
}

impl Diverted {
    pub(super) fn is(&self, token: CalloutToken) -> bool {
        self.sent.token == token
    }

    pub(super) fn forget<H: Host>(&self, worker: &mut Worker<H>) {
        self.sent.forget(worker);
    }
}

/// Lets the request's route find the standby cluster. Whether it does shows when the answer is there: Envoy tells of the
/// new route only once the request has gone on.
pub(super) fn send_by_route<H: Host>(worker: &mut Worker<H>, standby: &str) -> bool {
    let set = worker.host.set_request_header(STANDBY_HEADER, standby);
    let found = set.and_then(|()| worker.host.clear_route_cache());
    if let Err(error) = found {
        worker.error(ErrorCause::Route, format_args!("no other route for a request: {error}"));
    }
    found.is_ok()
}

impl Stream {
    /// Sends a request to the standby cluster, if none of its own hosts is available: by its route, or by a callout.
    /// `repeatable`: should its route lead elsewhere, it is repeated at the standby cluster.
    pub(super) fn stand_by<H: Host>(
        &mut self,
        worker: &mut Worker<H>,
        (headers, facts, end_of_stream): (&HeaderBlock, &RequestFacts, bool),
        repeatable: bool,
        now: Timestamp,
    ) -> Option<Flow> {
        let cluster = worker.cluster_name()?;
        let standby = worker.standby_of(&cluster, now, || repeatable && !facts.streams)?;
        let may_be_called_out = end_of_stream && !facts.grpc && !facts.upgrade && facts.method != Method::Connect;
        let by_route = match worker.standby_route(&cluster, now) {
            Some(known) => known,
            None => repeatable || !may_be_called_out,
        };
        if by_route {
            if send_by_route(worker, &standby) {
                self.standby = Some(Box::new((cluster, standby)));
            }
            return None;
        }
        if !may_be_called_out || !headers.is_text() {
            return None;
        }
        let once = screen(facts, self.traits.keyed).is_err();
        self.divert(worker, (cluster, once), &standby, headers.clone(), now)
    }

    /// An answer has come from this cluster: was the request sent to a standby cluster, and did it go there?
    pub(super) fn see_standby_route<H: Host>(&mut self, worker: &mut Worker<H>, answered: &str) {
        if let Some(sent) = self.standby.take() {
            let (cluster, standby) = *sent;
            let leads = *standby == *answered;
            if leads {
                worker.count(Metric::StandbyAttempts);
            }
            let now = worker.clock();
            worker.see_standby_route(&cluster, leads, now);
        }
    }

    /// Holds a request back and sends it to the standby cluster.
    fn divert<H: Host>(
        &mut self,
        worker: &mut Worker<H>,
        (cluster, once): (Rc<str>, bool),
        standby: &str,
        headers: HeaderBlock,
        now: Timestamp,
    ) -> Option<Flow> {
        // A first attempt may be of any method.
        self.keep = Keep::start(headers, true, worker.held_bytes());
        let policy = worker.policy(standby);
        let timeout = self
            .asks_for_timeout
            .unwrap_or(policy.retry.timeout)
            .min(policy.retry.timeout);
        let target = worker.standby_target(standby, now);
        let this = Try {
            number: 1,
            timeout,
            now,
        };
        match self.send(worker, &target, this) {
            Ok(sent) => {
                worker.count(Metric::StandbyAttempts);
                self.phase = Phase::Diverted(Box::new(Diverted { cluster, once, sent }));
                Some(Flow::Pause)
            }
            Err(reason) => {
                self.refuse(worker, reason);
                None
            }
        }
    }

    /// The standby cluster's answer has come.
    pub(super) fn diversion_answered<H: Host>(
        &mut self,
        worker: &mut Worker<H>,
        diverted: &Diverted,
        num_headers: usize,
        body_size: usize,
    ) {
        let sent = &diverted.sent;
        let reading = self.read_answer(worker, sent, num_headers, body_size);
        self.phase = Phase::Waiting;
        let from = Final {
            received_status: Some(reading.failed.status),
            flags: reading.failed.flags,
            host: sent.host,
        };
        // What may have been carried out is not sent again: then even no answer is the answer.
        let answered = if diverted.once {
            Some(
                reading
                    .answered
                    .unwrap_or_else(|| Answered::unavailable(worker.held_bytes())),
            )
        } else {
            reading.answered.filter(|_| reading.standing > Standing::NoAnswer)
        };
        if let Some(answer) = answered {
            let cluster = &diverted.cluster;
            if self.deliver_early(worker, Good { answer, cluster, from }, "sidestep_standby") {
                return;
            }
            if diverted.once {
                if let Err(error) = worker.host.reset_stream() {
                    worker.error(ErrorCause::Delivery, format_args!("stream not reset: {error}"));
                }
                return;
            }
        }
        // Nobody there either: its own cluster's answer is the one that the client would have had without us.
        self.keep.give_up(RetryRefusal::NoOtherHost);
        if let Err(error) = worker.host.resume_request() {
            worker.error(ErrorCause::Request, format_args!("request not resumed: {error}"));
        }
    }
}
