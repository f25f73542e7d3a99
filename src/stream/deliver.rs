//! An answer in another one's place.

use super::answer::Answered;
use super::tale::Final;
use super::{FirstAnswer, Phase, Stream};
use crate::host::{Host, HostError};
use crate::http::Pair;
use crate::metrics::ErrorCause;
use crate::retry::{Delivery, FirstBody, RetryRefusal, response_headers};
use crate::worker::Worker;

/// An answer, and whose it is.
#[derive(Debug)]
pub(super) struct Good<'a> {
    pub(super) answer: Answered,
    /// The request's cluster, by whose policy the client is told of it.
    pub(super) cluster: &'a str,
    pub(super) from: Final,
}

impl Stream {
    /// Puts an answer in the place of the first one, which is held back.
    pub(super) fn deliver<H: Host>(&mut self, worker: &mut Worker<H>, first: FirstAnswer, good: Good<'_>) {
        match Delivery::of(first.body, self.has_body(&good.answer)) {
            Delivery::InPlace => self.deliver_in_place(worker, good),
            Delivery::LocalReply => {
                if !self.reply(worker, good, "sidestep_retry") {
                    self.phase = Phase::Passing;
                    resume(worker);
                }
            }
        }
    }

    /// Answers a request that has no response yet.
    pub(super) fn deliver_early<H: Host>(&mut self, worker: &mut Worker<H>, good: Good<'_>, details: &str) -> bool {
        let waiting = std::mem::replace(&mut self.phase, Phase::Replied);
        let sent = self.reply(worker, good, details);
        if !sent {
            self.phase = waiting;
        }
        sent
    }

    fn has_body(&self, answer: &Answered) -> bool {
        !self.is_bodiless(answer) && !answer.body.is_empty()
    }

    const fn is_bodiless(&self, answer: &Answered) -> bool {
        self.traits.head || matches!(answer.status, 100..=199 | 204 | 304)
    }

    fn deliver_in_place<H: Host>(&mut self, worker: &mut Worker<H>, good: Good<'_>) {
        self.keep_for_watching();
        let bodiless = self.is_bodiless(&good.answer);
        let words = self.words(worker, good.cluster, &good.from);
        let mut answer = good.answer;
        if bodiless {
            answer.body.clear();
        }
        let length = answer.body.len().to_string();
        let mut headers = response_headers(&answer.headers, bodiless, &length);
        headers.extend(words.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())));
        match worker.host.replace_response_headers(&headers) {
            Ok(()) => self.phase = Phase::Replacing(Some(Box::new(answer))),
            Err(error) => undelivered(worker, error),
        }
        resume(worker);
    }

    /// Answers by a local reply. Returns whether Envoy took it.
    fn reply<H: Host>(&mut self, worker: &mut Worker<H>, good: Good<'_>, details: &str) -> bool {
        self.keep_for_watching();
        let bodiless = self.is_bodiless(&good.answer);
        let words = self.words(worker, good.cluster, &good.from);
        let answer = &good.answer;
        let body: &[u8] = if bodiless { &[] } else { &answer.body };
        let length = body.len().to_string();
        let headers = response_headers(&answer.headers, bodiless, &length).into_iter();
        // Envoy makes these itself.
        let mut headers: Vec<Pair<'_>> = headers
            .filter(|(name, _)| !name.starts_with(b":") && *name != b"content-length")
            .collect();
        headers.extend(words.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())));
        // Set before the call: the reply passes this filter on its way out.
        self.phase = Phase::Replied;
        let sent = worker.host.send_local_response(answer.status, &headers, body, details);
        if let Err(error) = sent {
            undelivered(worker, error);
        }
        sent.is_ok()
    }

    /// The request will not be sent again; but if its route is to be watched, its headers are still of use.
    pub(super) fn keep_for_watching(&mut self) {
        if self.traits.route_unknown
            && self.watched.is_none()
            && let Ok(copy) = self.keep.whole()
        {
            self.watched = Some(Box::new(copy.headers.clone()));
        }
        self.keep.give_up(RetryRefusal::NoCopy);
    }
}

/// Which of the first answer's parts are still to come.
pub(super) const fn first_body(end_of_stream: bool) -> FirstBody {
    if end_of_stream {
        FirstBody::None
    } else {
        FirstBody::Ahead
    }
}

/// The answer can't be delivered: the client gets the first one.
fn undelivered<H: Host>(worker: &mut Worker<H>, error: HostError) {
    worker.error(
        ErrorCause::Delivery,
        format_args!("a retry's answer could not take the failed one's place: {error}"),
    );
}

/// Lets the first response go on.
pub(super) fn resume<H: Host>(worker: &mut Worker<H>) {
    if let Err(error) = worker.host.resume_response() {
        worker.error(ErrorCause::Delivery, format_args!("response not resumed: {error}"));
    }
}
