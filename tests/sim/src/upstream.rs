//! The upstream side: clusters, their hosts, and how each host behaves.

use crate::chance::Chance;
use crate::headers::Headers;
use crate::latency::Latency;
use crate::reply::{Failure, Reply};
use std::collections::{BTreeMap, HashSet, VecDeque};

/// What a host saw of an attempt.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The host.
    pub host: String,
    /// The request's method.
    pub method: String,
    /// The request's path.
    pub path: String,
    /// All its headers, without the override header, which is removed on the way to the host.
    pub headers: Headers,
    /// The override header's value, as the load balancing saw it.
    pub pin: Option<String>,
    /// The body, whole.
    pub body: Vec<u8>,
    /// The trailers.
    pub trailers: Headers,
    /// Whether it came as a callout of the module.
    pub callout: bool,
    /// When, in nanoseconds of the virtual clock.
    pub at: u64,
}

type Behaviour = Box<dyn FnMut(&Seen) -> Reply>;

/// How many attempts a host remembers in full.
const REMEMBERED: usize = 1_000;

/// A host: what it does, and what it saw.
#[derive(Default)]
pub(crate) struct Host {
    /// What it does with an attempt; none: what a host does.
    behaviour: Option<Behaviour>,
    latency: Option<Latency>,
    next: VecDeque<Reply>,
    pub(crate) seen: VecDeque<Seen>,
    pub(crate) attempts: u64,
}

impl Host {
    /// What comes of an attempt, `usual` where nobody said otherwise.
    pub(crate) fn answer(&mut self, seen: Seen, usual: Reply) -> Reply {
        self.attempts += 1;
        let mut reply = match (self.next.pop_front(), &mut self.behaviour) {
            (Some(reply), _) => reply,
            (None, Some(behaviour)) => behaviour(&seen),
            (None, None) => usual,
        };
        if let Some(latency) = &mut self.latency {
            reply.after += latency.draw();
        }
        if self.seen.len() == REMEMBERED {
            self.seen.pop_front();
        }
        self.seen.push_back(seen);
        reply
    }
}

/// A host of the simulator, to say what it does from now on.
pub struct HostHandle<'a>(pub(crate) &'a mut Host);

impl HostHandle<'_> {
    /// Answers with this status.
    pub fn answers(self, status: u16) {
        self.replies(Reply::status(status));
    }

    /// Does this with every attempt.
    pub fn replies(self, reply: Reply) {
        self.behaves(move |_| reply.clone());
    }

    /// Fails every attempt like this.
    pub fn fails(self, failure: Failure) {
        self.replies(Reply::failure(failure));
    }

    /// Refuses connections.
    pub fn refuses(self) {
        self.fails(Failure::Refused);
    }

    /// Decides for each attempt.
    pub fn behaves(self, behaviour: impl FnMut(&Seen) -> Reply + 'static) {
        self.0.behaviour = Some(Box::new(behaviour));
    }

    /// Does what a host does if nobody says anything: answers 200.
    pub fn is_itself(self) {
        self.0.behaviour = None;
    }

    /// Answers this share of the attempts, 0 to 1, with that status, and the others with 200.
    pub fn answers_some(self, share: f64, status: u16, seed: u64) {
        let mut chance = Chance::new(seed);
        self.behaves(move |_| Reply::status(if chance.happens(share) { status } else { 200 }));
    }

    /// Takes that long for each answer's headers, on top of what its replies say.
    pub fn takes(self, latency: Latency) {
        self.0.latency = Some(latency);
    }

    /// Does these with the next attempts, one each, and then what it did before.
    pub fn next<const N: usize>(self, replies: [Reply; N]) {
        self.0.next.extend(replies);
    }
}

/// What Envoy itself thinks of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fitness {
    /// Nothing is wrong with it.
    Fit,
    /// Envoy's own active health check failed.
    FailedHealthCheck,
    /// Envoy's own outlier detection has it out.
    FailedOutlierCheck,
    /// The control plane says that it is unhealthy.
    Unhealthy,
    /// The control plane says that it is going away.
    Draining,
    /// The control plane says that it does not do well, and may be used.
    Degraded,
}

/// A cluster: its hosts, and how it picks one.
pub(crate) struct Cluster {
    hosts: Vec<String>,
    names: HashSet<String>,
    /// What Envoy itself thinks of hosts that it does not think fit.
    pub(crate) fitness: BTreeMap<String, Fitness>,
    pub(crate) honours_pins: bool,
    /// Where everything goes that no pin names.
    pub(crate) steered: Option<String>,
    turn: usize,
}

impl Cluster {
    pub(crate) fn new(hosts: Vec<String>) -> Cluster {
        Cluster {
            names: hosts.iter().cloned().collect(),
            hosts,
            fitness: BTreeMap::new(),
            honours_pins: true,
            steered: None,
            turn: 0,
        }
    }

    pub(crate) fn hosts(&self) -> &[String] {
        &self.hosts
    }

    pub(crate) fn add(&mut self, host: &str) {
        if self.names.insert(host.to_owned()) {
            self.hosts.push(host.to_owned());
        }
    }

    pub(crate) fn remove(&mut self, host: &str) {
        if self.names.remove(host) {
            self.hosts.retain(|name| name != host);
            self.fitness.remove(host);
        }
    }

    /// Takes the next host of a pin that is in the cluster, or else the next in turn.
    pub(crate) fn next(&mut self, pin: &mut VecDeque<String>) -> Option<String> {
        while let Some(host) = pin.pop_front() {
            if self.honours_pins && self.names.contains(&host) {
                return Some(host);
            }
        }
        self.pick(None)
    }

    /// The first host of the pin that is in the cluster, else the next in turn.
    pub(crate) fn pick(&mut self, pin: Option<&str>) -> Option<String> {
        if let Some(pin) = pin.filter(|_| self.honours_pins) {
            let mut named = pin.split(',').map(str::trim);
            let found = named.find(|name| self.names.contains(*name));
            if let Some(host) = found {
                return Some(host.to_owned());
            }
        }
        if self.hosts.is_empty() || self.steered.is_some() {
            return self.steered.clone();
        }
        let host = self.hosts[self.turn % self.hosts.len()].clone();
        self.turn += 1;
        Some(host)
    }
}

#[cfg(test)]
mod tests {
    use super::Cluster;

    #[test]
    fn a_pin_names_the_host_and_unknown_names_are_skipped() {
        let mut cluster = Cluster::new(vec!["a:1".into(), "b:1".into()]);
        assert_eq!(cluster.pick(Some("x:1, b:1,a:1")).as_deref(), Some("b:1"));
        assert_eq!(cluster.pick(Some("x:1")).as_deref(), Some("a:1"));
        cluster.honours_pins = false;
        assert_eq!(cluster.pick(Some("a:1")).as_deref(), Some("b:1"));
    }
}
