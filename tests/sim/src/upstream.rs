//! The upstream side: clusters, their hosts, and how each host behaves.

use crate::headers::Headers;
use std::collections::VecDeque;
use std::time::Duration;

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

/// A failure that Envoy answers itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The connection was refused.
    Refused,
    /// The host closed the connection before any header.
    Closed,
    /// The host reset the stream before any header.
    Reset,
    /// The route's timeout went by.
    TimedOut,
    /// Envoy's own circuit breaker is open.
    Overflow,
    /// No host to pick.
    NoHost,
    /// No route for the request.
    NoRoute,
}

impl Failure {
    /// Status, flags, details and body of Envoy's answer.
    pub(crate) fn local_reply(self) -> (u16, u64, &'static str, &'static str) {
        match self {
            Failure::Refused => (
                503,
                0x20,
                "upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_Connection_refused}",
                "upstream connect error or disconnect/reset before headers. reset reason: remote connection failure, \
                 transport failure reason: delayed connect error: Connection refused",
            ),
            Failure::Closed => (
                503,
                0x40,
                "upstream_reset_before_response_started{connection_termination}",
                "upstream connect error or disconnect/reset before headers. reset reason: connection termination",
            ),
            Failure::Reset => (
                503,
                0x10,
                "upstream_reset_before_response_started{remote_reset}",
                "upstream connect error or disconnect/reset before headers. reset reason: remote reset",
            ),
            Failure::TimedOut => (504, 0x4, "response_timeout", "upstream request timeout"),
            Failure::Overflow => (
                503,
                0x80,
                "upstream_reset_before_response_started{overflow}",
                "upstream connect error or disconnect/reset before headers. reset reason: overflow",
            ),
            Failure::NoHost => (503, 0x2, "no_healthy_upstream", "no healthy upstream"),
            Failure::NoRoute => (404, 0x100, "route_not_found", ""),
        }
    }
}

/// What a host does with an attempt.
#[derive(Clone, Debug)]
pub struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Headers,
    /// `None`: a short text that names the host.
    pub(crate) body: Option<Vec<Vec<u8>>>,
    pub(crate) chunked: bool,
    pub(crate) trailers: Option<Headers>,
    pub(crate) after: Duration,
    pub(crate) chunk_gap: Duration,
    pub(crate) cut: bool,
    pub(crate) failure: Option<Failure>,
}

impl Reply {
    /// An answer with this status, and a short body that names the host.
    pub fn status(status: u16) -> Reply {
        Reply {
            status,
            headers: Headers::default(),
            body: None,
            chunked: false,
            trailers: None,
            after: Duration::ZERO,
            chunk_gap: Duration::ZERO,
            cut: false,
            failure: None,
        }
    }

    /// No answer at all, but this failure.
    pub fn failure(failure: Failure) -> Reply {
        Reply {
            failure: Some(failure),
            ..Reply::status(failure.local_reply().0)
        }
    }

    /// Its status.
    pub fn status_code(&self) -> u16 {
        self.status
    }

    /// With this body and its length.
    pub fn body(mut self, body: impl AsRef<[u8]>) -> Reply {
        self.body = Some(vec![body.as_ref().to_vec()]);
        self
    }

    /// With a body in these pieces and no length.
    pub fn chunks<const N: usize>(mut self, chunks: [&str; N]) -> Reply {
        self.body = Some(chunks.map(|chunk| chunk.as_bytes().to_vec()).to_vec());
        self.chunked = true;
        self
    }

    /// Without a body: the headers end it.
    pub fn headers_only(mut self) -> Reply {
        self.body = Some(Vec::new());
        self
    }

    /// With one header more.
    pub fn header(mut self, name: &str, value: &str) -> Reply {
        self.headers.add(name, value);
        self
    }

    /// With one trailer more.
    pub fn trailer(mut self, name: &str, value: &str) -> Reply {
        self.trailers.get_or_insert_default().add(name, value);
        self
    }

    /// That much later.
    pub fn after(mut self, delay: Duration) -> Reply {
        self.after = delay;
        self
    }

    /// With that much time between the pieces of the body.
    pub fn trickling(mut self, gap: Duration) -> Reply {
        self.chunk_gap = gap;
        self
    }

    /// The connection breaks before the body's end. A callout then comes back with no headers.
    pub fn cut(mut self) -> Reply {
        self.cut = true;
        self
    }

    /// The headers and body pieces as Envoy hands them to its filters.
    pub(crate) fn resolve(&self, host: &str, head: bool) -> Resolved {
        let mut headers = Headers::default();
        headers.add(":status", self.status.to_string());
        let mut pieces: Vec<Vec<u8>> = Vec::new();
        let mut flags = 0;
        let mut details = "via_upstream";
        if let Some(failure) = self.failure {
            let (_, its_flags, its_details, body) = failure.local_reply();
            (flags, details) = (its_flags, its_details);
            if !body.is_empty() {
                headers.add("content-length", body.len().to_string());
                headers.add("content-type", "text/plain");
                pieces.push(body.as_bytes().to_vec());
            }
            if failure == Failure::Overflow {
                headers.add("x-envoy-overloaded", "true");
            }
        } else {
            let bodiless = matches!(self.status, 100..=199 | 204 | 304);
            if !bodiless {
                let text = || vec![format!("{} from {host}\n", self.status).into_bytes()];
                pieces = self.body.clone().unwrap_or_else(text);
                if self.chunked {
                    headers.add("transfer-encoding", "chunked");
                } else {
                    let length: usize = pieces.iter().map(Vec::len).sum();
                    headers.add("content-length", length.to_string());
                }
            }
            for (name, value) in self.headers.iter() {
                headers.set(name, value);
            }
            headers.add("x-envoy-upstream-service-time", "0");
        }
        if head {
            pieces.clear();
        }
        Resolved {
            headers,
            pieces,
            trailers: if head { None } else { self.trailers.clone() },
            flags,
            details,
            cut: self.cut && self.failure.is_none() && !head,
        }
    }
}

/// A reply as Envoy's filters get it.
#[derive(Clone, Debug)]
pub(crate) struct Resolved {
    pub(crate) headers: Headers,
    pub(crate) pieces: Vec<Vec<u8>>,
    pub(crate) trailers: Option<Headers>,
    pub(crate) flags: u64,
    pub(crate) details: &'static str,
    pub(crate) cut: bool,
}

type Behaviour = Box<dyn FnMut(&Seen) -> Reply>;

/// How many attempts a host remembers in full.
const REMEMBERED: usize = 1_000;

/// A host: what it does, and what it saw.
pub(crate) struct Host {
    behaviour: Behaviour,
    next: VecDeque<Reply>,
    pub(crate) seen: VecDeque<Seen>,
    pub(crate) attempts: u64,
}

impl Default for Host {
    fn default() -> Host {
        Host {
            behaviour: Box::new(|_| Reply::status(200)),
            next: VecDeque::new(),
            seen: VecDeque::new(),
            attempts: 0,
        }
    }
}

impl Host {
    pub(crate) fn answer(&mut self, seen: Seen) -> Reply {
        self.attempts += 1;
        let reply = self.next.pop_front().unwrap_or_else(|| (self.behaviour)(&seen));
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
        self.0.behaviour = Box::new(behaviour);
    }

    /// Does these with the next attempts, one each, and then what it did before.
    pub fn next<const N: usize>(self, replies: [Reply; N]) {
        self.0.next.extend(replies);
    }
}

/// A cluster: its hosts, and how it picks one.
pub(crate) struct Cluster {
    pub(crate) hosts: Vec<String>,
    pub(crate) honours_pins: bool,
    /// Where everything goes that no pin names.
    pub(crate) steered: Option<String>,
    turn: usize,
}

impl Cluster {
    pub(crate) fn new(hosts: Vec<String>) -> Cluster {
        Cluster {
            hosts,
            honours_pins: true,
            steered: None,
            turn: 0,
        }
    }

    /// The first host of the pin that is in the cluster, else the next in turn.
    pub(crate) fn pick(&mut self, pin: Option<&str>) -> Option<String> {
        if let Some(pin) = pin.filter(|_| self.honours_pins) {
            let mut named = pin.split(',').map(str::trim);
            let found = named.find(|name| self.hosts.iter().any(|host| host == name));
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
