//! What is seen of an answer, and what it says about its host.

use crate::detect::{Answer, ResponseFlags, classify, matched};
use crate::host::Host;
use crate::http::{grpc_pushback, retry_after};
use crate::model::{HostAddr, Outcome};
use crate::worker::Worker;

/// An answer, as far as it has come.
pub(super) struct Seen<'a> {
    pub(super) answer: Answer,
    pub(super) cluster: &'a str,
}

impl Seen<'_> {
    /// What the answer says about its host: by the matchers of its route and its cluster, or else by the table of
    /// outcomes. `header` finds a header or, where those are what has come, a trailer.
    pub(super) fn outcome<H: Host>(
        &self,
        worker: &mut Worker<H>,
        header: &mut impl FnMut(&mut Worker<H>, &str) -> Option<Vec<u8>>,
    ) -> Outcome {
        if worker.wants().matchers && !self.answer.flags.any_of(ResponseFlags::NOT_BY_HOST) {
            let policy = worker.policy(self.cluster);
            let route = worker.route();
            let of_route = route.iter().flat_map(|route| &route.matchers);
            let outcome = matched(of_route.chain(&policy.matchers), self.answer.status, |name| {
                header(worker, name)
            });
            if let Some(outcome) = outcome {
                return outcome;
            }
        }
        classify(&self.answer)
    }

    /// The host asks for less. If it says until when, its share is lowered until then.
    pub(super) fn lower_share<H: Host>(
        &self,
        worker: &mut Worker<H>,
        host: HostAddr,
        header: &mut impl FnMut(&mut Worker<H>, &str) -> Option<Vec<u8>>,
    ) {
        let pushback = header(worker, "grpc-retry-pushback-ms").and_then(|value| grpc_pushback(&value));
        let asked = pushback.or_else(|| {
            let value = header(worker, "retry-after")?;
            retry_after(&value, worker.now())
        });
        if let Some(asked) = asked {
            worker.overloaded(self.cluster, host, asked);
        }
    }
}
