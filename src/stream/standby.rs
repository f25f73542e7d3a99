//! First attempts at the standby cluster, while no host of a request's own cluster is available.
//!
//! Where a route matches [`STANDBY_HEADER`], Envoy itself takes the request to the standby cluster: any request, as it
//! streams, with all that the filter does for a cluster. Else the request is held back, and sent by a callout once it is
//! whole: what a callout can't carry goes to its own cluster, whose hosts are then asked after all.

use super::attempt::{Sent, Try};
use super::deliver::Good;
use super::tale::Final;
use super::{Flow, Phase, Stream};
use crate::host::{CalloutToken, Host};
use crate::http::{HeaderBlock, Method, RequestFacts, STANDBY_HEADER};
use crate::metrics::{ErrorCause, Metric};
use crate::model::Timestamp;
use crate::retry::{Keep, RetryRefusal, Standing};
use crate::worker::Worker;
use std::rc::Rc;

/// A request that is held back.
#[derive(Debug)]
pub(super) struct Diverted {
    cluster: String,
    standby: Rc<str>,
    /// The callout, once the request is whole.
    sent: Option<Sent>,
    /// How much of its body has come, which Envoy keeps meanwhile.
    body_size: usize,
}

impl Diverted {
    pub(super) fn is(&self, token: CalloutToken) -> bool {
        self.sent.as_ref().is_some_and(|sent| sent.token == token)
    }

    pub(super) fn forget<H: Host>(&self, worker: &mut Worker<H>) {
        if let Some(sent) = &self.sent {
            sent.forget(worker);
        }
    }
}

/// Lets the request's route find the standby cluster. Returns whether it does.
pub(super) fn leads_to<H: Host>(worker: &mut Worker<H>, cluster: &str, standby: &str, now: Timestamp) -> bool {
    if !worker.tries_standby_route(cluster, now) {
        return false;
    }
    let set = worker.host.set_request_header(STANDBY_HEADER, standby);
    let found = set.and_then(|()| worker.host.clear_route_cache());
    if found.is_ok() && worker.cluster_name().as_deref() == Some(standby) {
        worker.count(Metric::StandbyAttempts);
        return true;
    }
    worker.no_standby_route(cluster, now);
    let removed = worker.host.remove_request_header(STANDBY_HEADER);
    if let Err(error) = found
        .and(removed)
        .and_then(|()| worker.host.clear_route_cache())
    {
        worker.error(ErrorCause::Route, format_args!("no other route for a request: {error}"));
    }
    false
}

impl Stream {
    /// Holds a request back and sends it to the standby cluster. `None` if no callout can carry it.
    pub(super) fn divert<H: Host>(
        &mut self,
        worker: &mut Worker<H>,
        cluster: String,
        standby: Rc<str>,
        (headers, facts, end_of_stream): (HeaderBlock, &RequestFacts, bool),
        now: Timestamp,
    ) -> Option<Flow> {
        let fits = facts.content_length.is_none_or(|length| length <= worker.wants().max_body_bytes);
        if facts.grpc || facts.upgrade || facts.method == Method::Connect || !fits || !headers.is_text() {
            return None;
        }
        // A first attempt may be of any method.
        self.keep = Keep::start(headers, end_of_stream, worker.held_bytes());
        let mut diverted = Box::new(Diverted {
            cluster,
            standby,
            sent: None,
            body_size: 0,
        });
        if end_of_stream && !self.send_diverted(worker, &mut diverted, now) {
            return None;
        }
        self.phase = Phase::Diverted(diverted);
        Some(Flow::Pause)
    }

    /// More of a request that is held back has come; Envoy keeps it, so `size` is all of the body so far.
    pub(super) fn diverted_body<H: Host>(&mut self, worker: &mut Worker<H>, size: usize, end_of_stream: bool) -> Flow {
        if let Phase::Diverted(diverted) = &mut self.phase {
            diverted.body_size = size;
        }
        if end_of_stream {
            return self.diverted_whole(worker, None);
        }
        if size <= worker.wants().max_body_bytes {
            Flow::Pause
        } else {
            self.undivert(RetryRefusal::BodyTooLarge)
        }
    }

    /// The request that is held back has come to its end: it is sent, or goes to its own cluster after all.
    pub(super) fn diverted_whole<H: Host>(&mut self, worker: &mut Worker<H>, trailers: Option<HeaderBlock>) -> Flow {
        let Phase::Diverted(mut diverted) = std::mem::replace(&mut self.phase, Phase::Waiting) else {
            return Flow::Continue;
        };
        if diverted.body_size > 0 && !self.keep_body(worker, diverted.body_size) {
            return self.undivert(RetryRefusal::BodyTooLarge);
        }
        self.keep.finish(trailers);
        let now = worker.now();
        if !self.send_diverted(worker, &mut diverted, now) {
            return self.undivert(RetryRefusal::DispatchFailed);
        }
        self.phase = Phase::Diverted(diverted);
        Flow::Pause
    }

    fn send_diverted<H: Host>(&mut self, worker: &mut Worker<H>, diverted: &mut Diverted, now: Timestamp) -> bool {
        let policy = worker.policy(&diverted.standby);
        let timeout = self.asks_for_timeout.unwrap_or(policy.retry.timeout).min(policy.retry.timeout);
        let target = worker.standby_target(&diverted.standby, now);
        let this = Try {
            number: 1,
            timeout,
            now,
            by_tick: false,
        };
        match self.send(worker, &target, this) {
            Ok(sent) => {
                worker.count(Metric::StandbyAttempts);
                diverted.sent = Some(sent);
                true
            }
            Err(reason) => {
                self.refuse(worker, reason);
                false
            }
        }
    }

    /// The request goes to its own cluster after all.
    fn undivert(&mut self, reason: RetryRefusal) -> Flow {
        self.phase = Phase::Waiting;
        self.keep.give_up(reason);
        Flow::Continue
    }

    /// The standby cluster's answer has come.
    pub(super) fn diversion_answered<H: Host>(
        &mut self,
        worker: &mut Worker<H>,
        diverted: &Diverted,
        num_headers: usize,
        body_size: usize,
    ) {
        let Some(sent) = &diverted.sent else {
            return;
        };
        let reading = self.read_answer(worker, sent, num_headers, body_size);
        self.phase = Phase::Waiting;
        let from = Final {
            received_status: Some(reading.failed.status),
            flags: reading.failed.flags,
            host: sent.host,
        };
        if reading.standing > Standing::NoAnswer
            && let Some(answer) = reading.answered
        {
            let cluster = &diverted.cluster;
            if self.deliver_early(worker, Good { answer, cluster, from }, "sidestep_standby") {
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
