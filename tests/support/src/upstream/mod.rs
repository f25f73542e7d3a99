//! A real HTTP server that fails as it is told to.

mod behaviour;
mod body;
mod chance;
mod received;
mod script;
mod serve;
mod tally;
mod wire;

pub use behaviour::{Behaviour, Reply};
pub(crate) use behaviour::{GRPC_MESSAGE, Pause};
pub use received::{Head, Received};

use crate::server::{Server, lock};
use crate::wait::{TimedOut, wait_for};
use script::{Latency, Script};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tally::Tally;

/// The most requests that one upstream remembers; its counters go on beyond that.
const REMEMBERED: usize = 10_000;

/// A server on a loopback port of its own, whose behaviour can be changed at any time.
///
/// It says `200`, with its name as body and in the header `x-upstream`, until told otherwise. It ends with its value.
/// Its port stays its own while it is [stopped](Self::stop): nobody else can be given it.
#[derive(Debug)]
pub struct Upstream {
    state: Arc<State>,
    server: Server,
}

/// What the connections' tasks share with the handle.
#[derive(Debug)]
struct State {
    name: String,
    http2: bool,
    script: Mutex<Script>,
    received: Mutex<VecDeque<Received>>,
    requests: AtomicU64,
    connections: AtomicU64,
    tally: Tally,
}

impl Upstream {
    /// A server for HTTP/1.1 on a free port.
    ///
    /// # Panics
    /// No loopback port can be had.
    pub async fn http1(name: &str) -> Self {
        Self::listening(name, 0, false).expect("a free loopback port")
    }

    /// A server for HTTP/2 without TLS (prior knowledge) on a free port.
    ///
    /// # Panics
    /// No loopback port can be had.
    pub async fn http2(name: &str) -> Self {
        Self::listening(name, 0, true).expect("a free loopback port")
    }

    /// A server for HTTP/1.1 on a port of the caller's choice.
    ///
    /// # Errors
    /// The port is taken.
    pub async fn http1_on(name: &str, port: u16) -> std::io::Result<Self> {
        Self::listening(name, port, false)
    }

    fn listening(name: &str, port: u16, http2: bool) -> std::io::Result<Self> {
        let state = Arc::new(State {
            name: name.to_owned(),
            http2,
            script: Mutex::new(Script::new(Reply::status(200).body(name.to_owned()).into())),
            received: Mutex::default(),
            requests: AtomicU64::new(0),
            connections: AtomicU64::new(0),
            tally: Tally::default(),
        });
        let for_server = Arc::clone(&state);
        let server = Server::start(port, move |stream| serve::connection(stream, Arc::clone(&for_server)))?;
        Ok(Self { state, server })
    }

    /// The name it answers with.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.state.name
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// From now on, answers like this.
    pub fn set(&self, behaviour: impl Into<Behaviour>) {
        lock(&self.state.script).normal = behaviour.into();
    }

    /// The next request is answered like this, before all others; several of these queue up.
    pub fn set_next(&self, behaviour: impl Into<Behaviour>) {
        lock(&self.state.script).next.push_back(behaviour.into());
    }

    /// From now on, answers each request as `choose` says. The request's body has been read by then.
    pub fn set_by(&self, choose: impl Fn(&Received) -> Behaviour + Send + Sync + 'static) {
        self.set(Behaviour::ByRequest(Arc::new(choose)));
    }

    /// From now on, answers requests for this path like that, whatever happens to the others: neither
    /// [`set_next`](Self::set_next) nor [`set_latency`](Self::set_latency) touches them.
    pub fn set_path(&self, path: &str, behaviour: impl Into<Behaviour>) {
        let mut script = lock(&self.state.script);
        script.paths.insert(path.to_owned(), behaviour.into());
    }

    /// From now on, holds every answer back by `base`, and by a random part of `jitter` more.
    pub fn set_latency(&self, base: Duration, jitter: Duration) {
        lock(&self.state.script).latency = Latency::new(base, jitter);
    }

    /// Goes down: closes its connections and refuses new ones. Does nothing if it is down already.
    pub async fn stop(&self) {
        self.server.stop().await;
    }

    /// Comes back, on the same port. Does nothing if it is up already.
    ///
    /// # Panics
    /// The port was lost, which its reservation prevents.
    pub async fn start(&self) {
        self.server.open().expect("the port is reserved");
    }

    /// Whether it is up.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.server.is_up()
    }

    /// How many requests came since it was made or [reset](Self::reset), also those it answered badly.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.state.requests.load(Ordering::SeqCst)
    }

    /// How many of them were for this path, with or without a query.
    #[must_use]
    pub fn count_at(&self, path: &str) -> u64 {
        self.state.tally.at(path)
    }

    /// How many of them had this `user-agent`; an empty one: had none.
    #[must_use]
    pub fn count_from(&self, user_agent: &str) -> u64 {
        self.state.tally.from(user_agent)
    }

    /// How many requests are under way: have come, and the last piece of their answer has not been given.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.state.tally.in_flight()
    }

    /// The most requests that were under way at once, since it was made or [reset](Self::reset).
    #[must_use]
    pub fn most_in_flight(&self) -> usize {
        self.state.tally.most_in_flight()
    }

    /// How many connections it accepted since it was made.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// The requests since it was made or [reset](Self::reset), oldest first; the newest 10,000 of them.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        lock(&self.state.received).iter().cloned().collect()
    }

    /// Forgets the requests it got.
    pub fn reset(&self) {
        lock(&self.state.received).clear();
        self.state.tally.reset();
        self.state.requests.store(0, Ordering::SeqCst);
    }

    /// Waits until it has got so many requests.
    ///
    /// # Errors
    /// They did not come in time.
    pub async fn until_count(&self, count: u64) -> Result<(), TimedOut> {
        wait_for(format!("{count} requests at {}", self.name()), || async {
            (self.count() >= count).then_some(())
        })
        .await
    }
}

impl State {
    fn remember(&self, request: Received) {
        self.tally.add(&request);
        let mut received = lock(&self.received);
        if received.len() == REMEMBERED {
            received.pop_front();
        }
        received.push_back(request);
        self.requests.fetch_add(1, Ordering::SeqCst);
    }
}
