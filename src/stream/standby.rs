//! First attempts at the standby cluster, while no host of a request's own cluster is available.
//!
//! Where a route matches [`STANDBY_HEADER`], Envoy itself takes the request to the standby cluster: any request, as it
//! streams, with all that the filter does for a cluster. Else a request that has no body is held back and sent by a callout.
//! One with a body can't be: Envoy gives a filter no body while it holds the headers back. It goes to its own cluster, whose hosts are asked
//! after all, and if it fails there and may be repeated, it is repeated at the standby cluster.

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

/// A request that is held back.
#[derive(Debug)]
pub(super) struct Diverted {
    cluster: String,
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
        standby: &str,
        (headers, facts): (HeaderBlock, &RequestFacts),
        now: Timestamp,
    ) -> Option<Flow> {
        if facts.grpc || facts.upgrade || facts.method == Method::Connect || !headers.is_text() {
            return None;
        }
        // A first attempt may be of any method.
        self.keep = Keep::start(headers, true, worker.held_bytes());
        let policy = worker.policy(standby);
        let timeout = self.asks_for_timeout.unwrap_or(policy.retry.timeout).min(policy.retry.timeout);
        let target = worker.standby_target(standby, now);
        let this = Try {
            number: 1,
            timeout,
            now,
            by_tick: false,
        };
        match self.send(worker, &target, this) {
            Ok(sent) => {
                worker.count(Metric::StandbyAttempts);
                self.phase = Phase::Diverted(Box::new(Diverted { cluster, sent }));
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
