//! What an answer says after its headers: a gRPC status in its trailers, or that the host broke it off.

use super::Stream;
use super::seen::Seen;
use crate::detect::{Answer, ResponseFlags};
use crate::host::{Attribute, Host};
use crate::http::number;
use crate::metrics::{ErrorCause, Metric};
use crate::model::{FailureOrigin, Outcome};
use crate::worker::{Attempt, Worker};
use std::rc::Rc;

/// An answer that is on its way to the client.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) cluster: Rc<str>,
    /// That is only assumed.
    pub(super) assumed: bool,
    /// The attempt, as its headers told it.
    pub(super) attempt: Attempt,
    /// Nothing is recorded yet: what counts are the trailers.
    pub(super) deferred: bool,
}

impl Stream {
    /// The answer has ended without trailers.
    pub(super) fn answer_ended<H: Host>(&mut self, worker: &mut Worker<H>) {
        if let Some(watch) = self.watch.take()
            && watch.deferred
        {
            // gRPC without a status is no failure that Envoy knows.
            worker.record(&watch.cluster, &watch.attempt);
        }
    }

    /// The answer's trailers have come.
    pub(super) fn trailers_came<H: Host>(&mut self, worker: &mut Worker<H>) {
        let Some(mut watch) = self.watch.take().filter(|watch| watch.deferred) else {
            return;
        };
        let grpc_status = trailer(worker, "grpc-status").and_then(|value| number(&value));
        let seen = Seen {
            answer: Answer {
                status: 200,
                flags: ResponseFlags::default(),
                grpc_status,
                overloaded: false,
            },
            cluster: &watch.cluster,
        };
        watch.attempt.outcome = seen.outcome(worker, &mut trailer);
        worker.record(&watch.cluster, &watch.attempt);
        if watch.attempt.outcome == Outcome::Overload {
            seen.lower_share(worker, watch.attempt.host, &mut trailer);
        }
    }

    /// The stream is over; Envoy tells it how.
    pub fn on_log<H: Host>(&mut self, worker: &mut Worker<H>) {
        // A request that was sent nowhere has been through nothing of its route.
        if let Some(seen) = self.watched.take()
            && worker
                .attribute(Attribute::UpstreamAddress)
                .is_some_and(|address| !address.is_empty())
        {
            worker.watch_route(&seen);
        }
        self.leave_for_the_log(worker);
        // An answer that came to its end is not watched any more: nearly every one.
        let Some(mut watch) = self.watch.take() else {
            return;
        };
        let flags = ResponseFlags(worker.attribute_number(Attribute::ResponseFlags));
        if flags.any_of(ResponseFlags::CLIENT_GONE) || !flags.any_of(ResponseFlags::CUT_SHORT) {
            return;
        }
        if watch.assumed
            && worker
                .found_cluster(watch.attempt.host)
                .is_none_or(|found| found != watch.cluster)
        {
            // It was counted for another cluster, which has not failed.
            worker.count(Metric::AttemptsCut);
            return;
        }
        if watch.deferred {
            watch.attempt.outcome = Outcome::Failure(FailureOrigin::LocalOrigin);
            worker.record(&watch.cluster, &watch.attempt);
        } else {
            worker.record_cut(&watch.cluster, &watch.attempt);
        }
    }
}

/// A response trailer; one that Envoy fails to give is counted and counts as missing.
fn trailer<H: Host>(worker: &mut Worker<H>, name: &str) -> Option<Vec<u8>> {
    match worker.host.response_trailer(name) {
        Ok(value) => value,
        Err(error) => {
            worker.error(
                ErrorCause::Response,
                format_args!("no response trailer {name}: {error}"),
            );
            None
        }
    }
}
