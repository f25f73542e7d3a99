//! A gRPC server that fails as it is told to.

use super::{GrpcMethod, GrpcReply, serve};
use crate::server::{Server, lock};
use crate::wait::{TimedOut, wait_for};
use hyper::HeaderMap;
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

/// A server of `sidestep.test.Echo` on a loopback port of its own, whose behaviour can be changed at any time.
///
/// It answers well until told otherwise. It ends with its value. For a cluster of these:
/// `Cluster::new("backend").address(upstream.address()).http2()`.
#[derive(Debug)]
pub struct GrpcUpstream {
    state: Arc<State>,
    server: Server,
}

/// What the connections' tasks share with the handle.
#[derive(Debug)]
pub(super) struct State {
    pub(super) name: String,
    script: Mutex<Script>,
    received: Mutex<Vec<GrpcReceived>>,
}

#[derive(Debug)]
struct Script {
    normal: GrpcReply,
    next: VecDeque<GrpcReply>,
    methods: HashMap<GrpcMethod, GrpcReply>,
}

/// One call, as it reached the upstream.
#[derive(Clone, Debug)]
pub struct GrpcReceived {
    /// The method.
    pub method: GrpcMethod,
    /// The request's headers.
    pub headers: HeaderMap,
    /// The texts of the notes that had come when this was asked.
    pub notes: Vec<String>,
}

impl GrpcUpstream {
    /// A server on a free port.
    ///
    /// # Panics
    /// No loopback port can be had.
    pub async fn new(name: &str) -> Self {
        let state = Arc::new(State {
            name: name.to_owned(),
            script: Mutex::new(Script {
                normal: GrpcReply::ok(),
                next: VecDeque::new(),
                methods: HashMap::new(),
            }),
            received: Mutex::default(),
        });
        let for_server = Arc::clone(&state);
        let server = Server::start(0, move |stream| serve::connection(stream, Arc::clone(&for_server)));
        let server = server.expect("a free loopback port");
        Self { state, server }
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
    pub fn set(&self, reply: GrpcReply) {
        lock(&self.state.script).normal = reply;
    }

    /// The next call is answered like this, before all others; several of these queue up.
    pub fn set_next(&self, reply: GrpcReply) {
        lock(&self.state.script).next.push_back(reply);
    }

    /// From now on, answers calls of this method like that, where no [`set_next`](Self::set_next) is due.
    pub fn set_method(&self, method: GrpcMethod, reply: GrpcReply) {
        lock(&self.state.script).methods.insert(method, reply);
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

    /// How many calls came since it was made or [reset](Self::reset), also those it answered badly.
    #[must_use]
    pub fn count(&self) -> usize {
        lock(&self.state.received).len()
    }

    /// How many of them were of this method.
    #[must_use]
    pub fn count_of(&self, method: GrpcMethod) -> usize {
        let received = lock(&self.state.received);
        received.iter().filter(|call| call.method == method).count()
    }

    /// The calls since it was made or [reset](Self::reset), oldest first.
    #[must_use]
    pub fn received(&self) -> Vec<GrpcReceived> {
        lock(&self.state.received).clone()
    }

    /// Forgets the calls it got. None may be under way.
    pub fn reset(&self) {
        lock(&self.state.received).clear();
    }

    /// Waits until it has got so many calls.
    ///
    /// # Errors
    /// They did not come in time.
    pub async fn until_count(&self, count: usize) -> Result<(), TimedOut> {
        wait_for(format!("{count} calls at {}", self.name()), || async {
            (self.count() >= count).then_some(())
        })
        .await
    }
}

impl State {
    /// Takes a call down: its number, and what to do with it.
    pub(super) fn enter(&self, method: GrpcMethod, headers: &HeaderMap) -> (usize, GrpcReply) {
        let mut received = lock(&self.received);
        received.push(GrpcReceived {
            method,
            headers: headers.clone(),
            notes: Vec::new(),
        });
        (received.len() - 1, lock(&self.script).take(method))
    }

    /// Takes a note of that call down.
    pub(super) fn add(&self, call: usize, text: &str) {
        if let Some(call) = lock(&self.received).get_mut(call) {
            call.notes.push(text.to_owned());
        }
    }
}

impl Script {
    fn take(&mut self, method: GrpcMethod) -> GrpcReply {
        let next = self.next.pop_front();
        let reply = next.or_else(|| self.methods.get(&method).cloned());
        reply.unwrap_or_else(|| self.normal.clone())
    }
}
