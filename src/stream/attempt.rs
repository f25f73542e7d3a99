//! An attempt by callout: out to a host, and what its answer says.

use super::Stream;
use super::answer::{Reading, Unreadable};
use super::seen::Seen;
use crate::host::{Callout, CalloutToken, Host};
use crate::metrics::{ErrorCause, Metric};
use crate::model::{HostAddr, Outcome, Timestamp};
use crate::pick::Pin;
use crate::retry::RetryRefusal;
use crate::worker::{Attempt, Target, Worker};
use std::rc::Rc;
use std::time::Duration;

/// A callout on its way.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) token: CalloutToken,
    /// The cluster that it was sent to.
    pub(super) cluster: Rc<str>,
    /// The host that it was sent to; `None` if Envoy chose.
    pub(super) host: Option<HostAddr>,
    pub(super) at: Timestamp,
    /// Its answer comes to the plugin, not to the stream.
    pub(super) to_plugin: bool,
    /// It repeats another attempt.
    pub(super) repeats: bool,
}

/// What an attempt is, beside where it goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Try {
    /// The how manieth attempt of its request it is.
    pub(super) number: u32,
    /// How long it may take.
    pub(super) timeout: Duration,
    pub(super) now: Timestamp,
}

impl Sent {
    /// Its answer has come, or will find nobody.
    pub(super) fn forget<H: Host>(&self, worker: &mut Worker<H>) {
        if let Some(host) = self.host {
            worker.answered(&self.cluster, host);
        }
    }
}

impl Stream {
    /// Sends the request once more, as it came.
    pub(super) fn send<H: Host>(
        &mut self,
        worker: &mut Worker<H>,
        target: &Target,
        this: Try,
    ) -> Result<Sent, RetryRefusal> {
        if !worker.in_flight.has_room(this.now) {
            return Err(RetryRefusal::ConcurrentRetries);
        }
        let copy = self.keep.whole()?;
        let pin = target.pin.as_ref().map(Pin::header_value);
        let number = this.number.to_string();
        let callout = Callout {
            cluster: &target.cluster,
            headers: copy.attempt_headers(worker.override_header(), pin.as_deref(), &number)?,
            body: copy.body(),
            trailers: copy.attempt_trailers(),
            timeout: this.timeout,
        };
        let token = worker
            .host
            .dispatch(callout)
            .map_err(|_| RetryRefusal::DispatchFailed)?;
        worker.in_flight.sent(token.0, this.now, this.now.after(this.timeout));
        let host = target.host();
        if let Some(host) = host {
            worker.sent(&target.cluster, host);
            self.tale().host(host);
        }
        self.tale().attempts = this.number;
        Ok(Sent {
            token,
            cluster: Rc::clone(&target.cluster),
            host,
            at: this.now,
            to_plugin: self.in_plugin,
            repeats: this.number > 1,
        })
    }

    /// Reads a callout's answer, and records what it says about its host.
    pub(super) fn read_answer<H: Host>(
        &mut self,
        worker: &mut Worker<H>,
        sent: &Sent,
        num_headers: usize,
        body_size: usize,
    ) -> Reading {
        sent.forget(worker);
        let policy = worker.policy(&sent.cluster);
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
        let outcome = outcome(worker, sent, &reading);
        record(worker, sent, outcome);
        reading
    }
}

/// What a callout's answer says about its host, by the same rules as a first answer.
fn outcome<H: Host>(worker: &mut Worker<H>, sent: &Sent, reading: &Reading) -> Outcome {
    let Some(answered) = &reading.answered else {
        return reading.outcome;
    };
    let seen = Seen {
        answer: reading.answer,
        cluster: &sent.cluster,
    };
    let mut header = |_: &mut Worker<H>, name: &str| answered.headers.get(name.as_bytes()).map(<[u8]>::to_vec);
    let outcome = seen.outcome(worker, &mut header);
    if let Some(host) = sent.host
        && outcome == Outcome::Overload
        && worker.follows_pins(&sent.cluster)
    {
        seen.lower_share(worker, host, &mut header);
    }
    outcome
}

/// Records what a callout says about the host that it was sent to. Nothing can tell which host answered a callout, so it
/// is held against a host only where pins have been seen to be followed.
fn record<H: Host>(worker: &mut Worker<H>, sent: &Sent, outcome: Outcome) {
    match sent.host {
        Some(host) if worker.follows_pins(&sent.cluster) => worker.record(
            &sent.cluster,
            &Attempt {
                host,
                began: sent.at,
                // Its body is part of the time that it took.
                took: None,
                outcome,
                seen: false,
                repeated: sent.repeats,
            },
        ),
        _ => worker.count_attempt(outcome),
    }
}
