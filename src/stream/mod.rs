//! One request's way through the filter, from its headers to its end.
//!
//! Callbacks come in; what is decided goes out as calls to the host. The decisions themselves are made in
//! [`retry`](crate::retry), [`detect`](crate::detect), [`health`](crate::health) and [`pick`](crate::pick).
//!
//! | file | what it is |
//! |---|---|
//! | `plugin` | the plugin in one VM: the worker, and the streams that wait for a moment |
//! | `request` | the request's way in: strip, choose the engine, steer, copy |
//! | `response` | the response's way out: what it says about its host, and whether it is good enough |
//! | `retrying`, `attempt` | a retry by the filter: when, where, and what its answer means |
//! | `deliver` | an answer in another one's place |
//! | `router` | retries by Envoy's router: told beforehand, accounted for afterwards |
//! | `hedge` | a second attempt while the first one is out |
//! | `standby` | a first attempt at the standby cluster |
//! | `tale` | what the request went through, for client and access log |
//! | `arrived`, `seen`, `watch`, `answer` | what answers, their ends, and callouts' answers say |

mod answer;
mod arrived;
mod attempt;
mod deliver;
mod hedge;
mod plugin;
mod request;
mod response;
mod retrying;
mod router;
mod seen;
mod standby;
mod tale;
mod watch;

pub use plugin::{Plugin, Slot};

use crate::config::Engine;
use crate::host::{Attribute, CalloutToken, Host, StreamId};
use crate::http::HeaderBlock;
use crate::model::{HostAddr, Timestamp};
use crate::retry::{FirstBody, Keep, RetryRefusal, Standing, Withdrawal};
use crate::worker::{Steering, Worker};
use answer::Answered;
use attempt::Sent;
use router::RouterRetries;
use std::rc::Rc;
use std::time::Duration;
use tale::Tale;
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
    id: StreamId,
    /// The plugin's callback is running, not one of its own: answers to what it sends now will come to the plugin.
    in_plugin: bool,
    /// When the request came, once somebody has asked.
    began: Option<Timestamp>,
    keep: Keep,
    /// What the request's headers say that matters later.
    traits: Traits,
    asks_for_timeout: Option<Duration>,
    asks_for_try_timeout: Option<Duration>,
    /// Where the first attempt was sent, and why.
    steering: Option<Steering>,
    /// When the request was sent as a trial: later than it came, if another filter held it back.
    trial_sent: Option<Timestamp>,
    /// Envoy's router was told to retry.
    router: Option<Box<RouterRetries>>,
    /// A second attempt that has been sent, or is to be sent then.
    hedge: Option<Box<hedge::Hedging>>,
    /// Where the second attempt was sent, whatever has become of it.
    hedged: Option<HostAddr>,
    /// The request was sent to take its route to the standby cluster: its own cluster, and that one.
    standby: Option<Box<(Rc<str>, Rc<str>)>>,
    phase: Phase,
    watch: Option<Watch>,
    /// The request as it came, to be held against what the router sent.
    watched: Option<Box<HeaderBlock>>,
    tale: Option<Box<Tale>>,
}

/// What a request's headers say that matters after they have gone.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "independent observations of one request")]
struct Traits {
    /// HEAD: no answer has a body.
    head: bool,
    grpc: bool,
    /// It asks Envoy's router to retry, or its route retries by itself.
    router_retries: bool,
    /// It may be repeated because of its `Idempotency-Key`.
    keyed: bool,
    /// It came in early data.
    early_data: bool,
    /// What its route does to requests is to be watched, should the filter's retry matter.
    route_unknown: bool,
    /// Envoy's router was told to retry.
    by_router: bool,
}

/// Where the response stands.
#[derive(Debug)]
enum Phase {
    /// None yet.
    Waiting,
    /// The request is held back, while the standby cluster is asked.
    Diverted(Box<standby::Diverted>),
    /// It goes by untouched.
    Passing,
    /// It failed and is held back, while a retry is out or waits.
    Retrying(Box<Retrying>),
    /// Another answer's headers have taken its place; its body is still to be replaced, or has been (`None`).
    Replacing(Option<Box<Answered>>),
    /// It was answered by a local reply.
    Replied,
}

/// A failed response that is held back.
#[derive(Debug)]
struct Retrying {
    cluster: Rc<str>,
    /// The retry that is out, or waits.
    out: Out,
    /// The hosts that have been tried, as far as they are known.
    tried: Vec<HostAddr>,
    /// Attempts so far that count, the first one and the one that is out included.
    attempts: u32,
    /// No attempt goes on beyond this.
    deadline: Timestamp,
    /// The standby cluster has had its attempt.
    standby_tried: bool,
    /// The response that is held back.
    first: FirstAnswer,
    /// The best answer of a retry so far, if it is better than the first one.
    best: Option<Answered>,
}

/// A retry.
#[derive(Debug)]
enum Out {
    /// It is on its way.
    Sent(Sent),
    /// It waits until then, and has been taken from the budget.
    Waits(Timestamp, Withdrawal),
    /// Its answer can't be had any more; at the next moment the client gets the best that there is.
    Lost,
}

/// What must be known of the response that is held back.
#[derive(Clone, Copy, Debug)]
struct FirstAnswer {
    standing: Standing,
    body: FirstBody,
    from: tale::Final,
}

impl Stream {
    /// The stream with this number.
    pub fn new(id: StreamId) -> Self {
        Self {
            id,
            in_plugin: false,
            began: None,
            keep: Keep::Nothing(RetryRefusal::NoCopy),
            traits: Traits::default(),
            asks_for_timeout: None,
            asks_for_try_timeout: None,
            steering: None,
            trial_sent: None,
            router: None,
            hedge: None,
            hedged: None,
            standby: None,
            phase: Phase::Waiting,
            watch: None,
            watched: None,
            tale: None,
        }
    }

    /// The request has ended, in whatever way: nothing will be heard of it again.
    pub fn on_done<H: Host>(&mut self, worker: &mut Worker<H>) {
        let steering = self.release_steering(worker);
        arrived::give_back(worker, steering.as_ref());
        match std::mem::replace(&mut self.phase, Phase::Passing) {
            Phase::Retrying(retrying) => match retrying.out {
                Out::Sent(sent) => sent.forget(worker),
                Out::Waits(_, withdrawn) => {
                    let now = worker.now();
                    worker.put_back(&retrying.cluster, withdrawn, now);
                }
                Out::Lost => {}
            },
            Phase::Diverted(diverted) => diverted.forget(worker),
            _ => {}
        }
        self.forget_hedge(worker);
        self.forget_unanswered(worker);
        self.keep.give_up(RetryRefusal::NoCopy);
    }

    /// Whether the stream waits for a moment, or for an answer that comes to the plugin.
    fn waits(&self) -> bool {
        let sent_by_plugin = |sent: &Sent| sent.to_plugin;
        let retrying = match &self.phase {
            Phase::Retrying(retrying) => match &retrying.out {
                Out::Sent(sent) => sent_by_plugin(sent),
                Out::Waits(..) | Out::Lost => true,
            },
            _ => false,
        };
        retrying || self.hedge.is_some()
    }

    /// The callouts whose answers come to the plugin.
    fn tokens_of_plugin(&self) -> impl Iterator<Item = CalloutToken> {
        let retry = match &self.phase {
            Phase::Retrying(retrying) => match &retrying.out {
                Out::Sent(sent) => Some(sent),
                Out::Waits(..) | Out::Lost => None,
            },
            _ => None,
        };
        let hedge = self.hedge.as_ref().and_then(|hedge| hedge.sent());
        [retry, hedge]
            .into_iter()
            .flatten()
            .filter(|sent| sent.to_plugin)
            .map(|sent| sent.token)
    }

    /// The first attempt is over.
    fn release_steering<H: Host>(&mut self, worker: &mut Worker<H>) -> Option<Steering> {
        let steering = self.steering.take()?;
        if let Some(host) = steering.pin.as_ref().and_then(crate::pick::Pin::first) {
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

    /// What the request went through so far; made the first time that there is something to tell.
    fn tale(&mut self) -> &mut Tale {
        let engine = if self.traits.by_router {
            Engine::Router
        } else {
            Engine::Filter
        };
        self.tale.get_or_insert_with(|| Box::new(Tale::of(engine)))
    }
}

/// A request was to be a trial, and says nothing about the host.
fn end_trial_unproved<H: Host>(worker: &mut Worker<H>, steering: Option<&Steering>) {
    if let Some(steering) = steering {
        worker.trial_void(steering);
    }
}
