//! One request's way through the filter, from its headers to its end.
//!
//! Callbacks come in; what is decided goes out as calls to the host. The decisions themselves are made in
//! [`retry`](crate::retry), [`detect`](crate::detect), [`health`](crate::health) and [`pick`](crate::pick).

mod answer;
mod request;
mod response;
mod retrying;
mod seen;
mod watch;

use crate::host::{Attribute, CalloutToken, Host};
use crate::model::{HostAddr, Timestamp};
use crate::retry::{FirstBody, Keep, RetryRefusal, Standing};
use crate::worker::{Steering, Worker};
use answer::Answered;
use std::time::Duration;
use watch::Watch;

/// What Envoy is to do with what it just handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Flow {
    /// Pass it on.
    Continue,
    /// Hold it back until the filter says otherwise.
    Pause,
}

/// One request.
#[derive(Debug)]
pub struct Stream {
    /// When the request came, once somebody has asked.
    began: Option<Timestamp>,
    keep: Keep,
    /// HEAD: no answer has a body.
    head: bool,
    grpc: bool,
    router_retries: bool,
    asks_for_timeout: Option<Duration>,
    asks_for_try_timeout: Option<Duration>,
    /// Where the first attempt was sent, and why.
    steering: Option<Steering>,
    /// When the request was sent as a trial: later than it came, if another filter held it back.
    trial_sent: Option<Timestamp>,
    phase: Phase,
    watch: Option<Watch>,
}

/// Where the response stands.
#[derive(Debug)]
enum Phase {
    /// None yet.
    Waiting,
    /// It goes by untouched.
    Passing,
    /// It failed and is held back, while a retry is out.
    Retrying(Box<Retrying>),
    /// Another answer's headers have taken its place; its body is still to be replaced, or has been (`None`).
    Replacing(Option<Box<Answered>>),
    /// It was answered by a local reply.
    Replied,
}

/// A failed response that is held back while a retry is out.
#[derive(Debug)]
struct Retrying {
    cluster: String,
    /// The callout that is out.
    token: CalloutToken,
    /// Where it was sent, and when.
    target: HostAddr,
    sent: Timestamp,
    /// The hosts that have been tried, `target` included.
    tried: Vec<HostAddr>,
    /// Attempts so far, the first one and the callout included.
    attempts: u32,
    /// The response that is held back.
    first: FirstAnswer,
    /// The best answer of a retry so far, if it is better than the first one.
    best: Option<Answered>,
}

/// What must be known of the response that is held back.
#[derive(Clone, Copy, Debug)]
struct FirstAnswer {
    standing: Standing,
    body: FirstBody,
}

impl Default for Stream {
    fn default() -> Self {
        Self {
            began: None,
            keep: Keep::Nothing(RetryRefusal::NoCopy),
            head: false,
            grpc: false,
            router_retries: false,
            asks_for_timeout: None,
            asks_for_try_timeout: None,
            steering: None,
            trial_sent: None,
            phase: Phase::Waiting,
            watch: None,
        }
    }
}

impl Stream {
    /// The request has ended, in whatever way: nothing will be heard of it again.
    pub fn on_done<H: Host>(&mut self, worker: &mut Worker<H>) {
        let steering = self.release_steering(worker);
        end_trial_unproved(worker, steering.as_ref());
        if let Phase::Retrying(retrying) = &self.phase {
            worker.answered(&retrying.cluster, retrying.target);
        }
        self.phase = Phase::Passing;
        self.keep.give_up(RetryRefusal::NoCopy);
    }

    /// The first attempt is over.
    fn release_steering<H: Host>(&mut self, worker: &mut Worker<H>) -> Option<Steering> {
        let steering = self.steering.take()?;
        if let Some(host) = steering.pin.and_then(|pin| pin.first()) {
            worker.answered(&steering.cluster, host);
        }
        Some(steering)
    }

    /// When the request came. Asked for by those that need it, which is not every request.
    fn began<H: Host>(&mut self, worker: &mut Worker<H>) -> Timestamp {
        if let Some(began) = self.began {
            return began;
        }
        let began = match worker.attribute_number(Attribute::RequestTime) {
            0 => worker.now(),
            nanos => Timestamp::from_nanos(nanos),
        };
        self.began = Some(began);
        began
    }
}

/// A request was to be a trial, and says nothing about the host.
fn end_trial_unproved<H: Host>(worker: &mut Worker<H>, steering: Option<&Steering>) {
    if let Some(steering) = steering {
        worker.trial_void(steering);
    }
}
