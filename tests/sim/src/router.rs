//! Envoy's router: which hosts a request's attempts go to, and whether another attempt follows.

use crate::engine::Engine;
use crate::headers::Headers;
use crate::queue::Event;
use crate::reply::{Failure, Reply, Resolved};
use crate::route::Route;
use crate::sim::Sim;
use crate::stream::Waits;
use std::collections::VecDeque;
use std::time::Duration;

/// How long the router waits between two attempts. Envoy draws a time below 25 ms for the first retry.
pub(crate) const BACK_OFF: Duration = Duration::from_millis(12);

/// URX, a further retry was wanted and there was none left.
const RETRY_LIMIT_EXCEEDED: u64 = 0x8000;

/// UO, the circuit breaker of the cluster is open.
const OVERFLOW: u64 = 0x80;

/// What the router keeps of one request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Retries {
    on: Vec<String>,
    grpc_on: Vec<String>,
    codes: Vec<u16>,
    /// Retries that are left.
    left: u32,
    /// The hosts that the override header names and no attempt has taken yet.
    pin: VecDeque<String>,
    /// Attempts so far.
    pub(crate) attempts: u64,
    counts_attempts: bool,
    /// When the whole request was there for the first attempt.
    pub(crate) began: Option<u64>,
    /// A retry is under way, or waits for its turn.
    again: bool,
}

fn names(value: &str) -> Vec<String> {
    value.split(',').map(|name| name.trim().to_owned()).collect()
}

impl Retries {
    /// Reads the orders off the request's headers and takes them away. The route's own policy is joined with them.
    pub(crate) fn of(headers: &mut Headers, route: Option<&Route>) -> Retries {
        let mut take = |name: &str| {
            let value = headers.get(name).map(str::to_owned);
            headers.remove(name);
            value
        };
        let on = take("x-envoy-retry-on");
        let grpc_on = take("x-envoy-retry-grpc-on");
        let max = take("x-envoy-max-retries").and_then(|value| value.parse().ok());
        let codes = take("x-envoy-retriable-status-codes").unwrap_or_default();
        let own = route.and_then(|route| route.retries.clone());
        let number = max.or(own.as_ref().map(|(_, number)| *number)).unwrap_or(1);
        // The one list of a policy has the conditions for gRPC in it; of the headers each knows its own words.
        let own = own.map(|(on, _)| names(&on)).unwrap_or_default();
        let with_own = |value: Option<String>| [names(&value.unwrap_or_default()), own.clone()].concat();
        Retries {
            on: with_own(on),
            grpc_on: with_own(grpc_on),
            codes: names(&codes).iter().filter_map(|code| code.parse().ok()).collect(),
            left: number,
            counts_attempts: route.is_some_and(|route| route.counts_attempts),
            ..Retries::default()
        }
    }

    /// The hosts that the override header names, for one attempt after the other.
    pub(crate) fn pinned(mut self, pin: Option<&str>) -> Retries {
        self.pin = pin.map(names).unwrap_or_default().into();
        self
    }

    /// What changes in the request's headers from one attempt to the next.
    pub(crate) fn mark(&self, headers: &mut Headers) {
        if self.counts_attempts {
            headers.set("x-envoy-attempt-count", self.attempts.to_string());
        }
    }

    /// Whether an attempt that ended so is one to repeat.
    fn wants(&self, response: &Resolved) -> bool {
        let on = |name: &str| self.on.iter().any(|it| it == name);
        let any = |names: &[&str]| names.iter().any(|name| on(name));
        if let Some(failure) = response.failure {
            // No answer of a host. What Envoy decided itself is final.
            let more = match failure {
                Failure::TimedOut | Failure::Overflow | Failure::NoHost | Failure::NoRoute => return false,
                Failure::Refused => on("connect-failure"),
                Failure::RefusedStream => on("refused-stream"),
                Failure::Closed | Failure::Reset | Failure::TryTimedOut => false,
            };
            return more || any(&["5xx", "gateway-error", "reset"]);
        }
        let headers = &response.headers;
        if headers.has("x-envoy-overloaded") {
            return false;
        }
        if headers.has("x-envoy-ratelimited") {
            return on("envoy-ratelimited");
        }
        let status = headers.get(":status").and_then(|status| status.parse().ok());
        let by_status = status.is_some_and(|status: u16| {
            (on("5xx") && (500..600).contains(&status))
                || (on("gateway-error") && (502..=504).contains(&status))
                || (on("retriable-4xx") && status == 409)
                || (on("retriable-status-codes") && self.codes.contains(&status))
        });
        let grpc = match headers.get("grpc-status") {
            Some("1") => "cancelled",
            Some("4") => "deadline-exceeded",
            Some("8") => "resource-exhausted",
            Some("13") => "internal",
            Some("14") => "unavailable",
            _ => return by_status,
        };
        by_status || self.grpc_on.iter().any(|it| it == grpc)
    }
}

impl Engine {
    /// The host of the next attempt: the next one of the pin that is in the cluster, else the cluster's own choice.
    pub(crate) fn next_host(&mut self, id: u32) -> Option<String> {
        let stream = self.streams.get_mut(&id)?;
        if !stream.request.routed {
            return None;
        }
        let name = stream.request.cluster.clone().unwrap_or_default();
        let mut pin = std::mem::take(&mut stream.retries.pin);
        let host = self.cluster_mut(&name).and_then(|cluster| cluster.next(&mut pin));
        self.streams.get_mut(&id)?.retries.pin = pin;
        host
    }

    /// The attempt has ended. Whether another one follows, so that nobody hears of this end.
    pub(crate) fn tries_again(&mut self, id: u32) -> bool {
        let now = self.world().now;
        let Some(stream) = self.streams.get_mut(&id) else {
            return false;
        };
        stream.retries.again = false;
        let Some(response) = stream.response.as_mut() else {
            return false;
        };
        if stream.local || !stream.retries.wants(response) {
            return false;
        }
        if stream.retries.left == 0 {
            response.flags |= RETRY_LIMIT_EXCEEDED;
            return false;
        }
        stream.retries.left -= 1;
        let cluster = stream.request.cluster.clone().unwrap_or_default();
        let breaks = self.breaks(&cluster);
        let Some(stream) = self.streams.get_mut(&id) else {
            return false;
        };
        if breaks {
            stream
                .response
                .iter_mut()
                .for_each(|response| response.flags |= OVERFLOW);
            return false;
        }
        stream.retries.again = true;
        match stream.time_left(now).filter(|left| *left <= BACK_OFF) {
            Some(left) => self.answer_with(id, Reply::failure(Failure::TimedOut).after(left)),
            None => self.schedule(BACK_OFF, Event::Retry(id)),
        }
        true
    }

    /// Whether the cluster has as many of the router's retries under way as its circuit breaker allows.
    fn breaks(&self, cluster: &str) -> bool {
        let Some(limit) = self.max_retries.get(cluster) else {
            return false;
        };
        let under_way = self.streams.values().filter(|stream| {
            stream.retries.again && stream.waits == Waits::Host && stream.request.cluster.as_deref() == Some(cluster)
        });
        under_way.count() >= *limit
    }
}

impl Sim {
    /// Bounds how many of the router's retries the cluster has under way at once, as its circuit breaker's
    /// `max_retries`. Where it is reached a failed answer goes on as it is, with the flag UO. Callouts do not count.
    ///
    /// ```no_run
    /// # use sidestep_sim::Sim;
    /// let mut sim = Sim::new("{}").cluster("backend", ["10.0.0.1:80"]).max_retries("backend", 3);
    /// ```
    pub fn max_retries(mut self, cluster: &str, retries: usize) -> Sim {
        self.engine.max_retries.insert(cluster.to_owned(), retries);
        self
    }
}
