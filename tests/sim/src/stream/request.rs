//! A request's way to its host.

use super::{Piece, Waits, end_of};
use crate::engine::Engine;
use crate::headers::Headers;
use crate::queue::Event;
use crate::reply::{Failure, Reply};
use crate::router::{BACK_OFF, Retries};
use crate::upstream::Seen;
use crate::vm::Job;
use crate::world::StreamState;
use std::time::Duration;

/// URX, `UpstreamRetryLimitExceeded`.
const RETRY_LIMIT_EXCEEDED: u64 = 0x8000;

impl Engine {
    pub(super) fn prepare_open(&mut self, id: u32) -> Option<(usize, Job)> {
        let worker = self.streams.get(&id)?.request.worker;
        let vm = self.vm_for_new_stream(worker);
        let first_cluster = self.clusters.first().map(|(name, _)| name.clone());
        let now = self.world().now;
        let stream = self.streams.get_mut(&id)?;
        stream.opened = now;
        let Some(vm) = vm else {
            // The VM is dead and not yet to be loaded again: Envoy answers for it.
            stream.answer.status = 503;
            stream.answer.local = true;
            self.forget_stream(id);
            return None;
        };
        stream.vm = Some(vm);
        let cluster = stream.request.cluster.clone().or(first_cluster).unwrap_or_default();
        stream.request.cluster = Some(cluster.clone());
        let end = stream.request.finished && end_of(&stream.request_pieces);
        let headers = stream.request.headers.clone();
        let routed = stream.request.routed;
        let route = stream.request.route.clone();
        let count = headers.len();
        let wall = self.world().wall();
        let mut state = StreamState {
            vm,
            request_headers: Some(headers),
            own_cluster: cluster.clone(),
            ..StreamState::default()
        };
        let mut property = |path: &str, value: &[u8]| {
            state.properties.insert(path.to_owned(), value.to_vec());
        };
        property("request.time", &wall.to_le_bytes());
        if routed {
            property("xds.cluster_name", cluster.as_bytes());
            property("xds.route_name", route.as_bytes());
            property("xds.virtual_host_name", b"all");
        }
        self.world().streams.insert(id, state);
        Some((
            vm,
            Job::RequestHeaders {
                context: id,
                count,
                end,
            },
        ))
    }

    pub(super) fn prepare_request_piece(&mut self, id: u32) -> Option<(usize, Job)> {
        let stream = self.streams.get_mut(&id)?;
        let vm = stream.vm?;
        let piece = stream.request_pieces.pop_front()?;
        let mut world = self.world();
        let state = world.streams.get_mut(&id)?;
        let job = match piece {
            Piece::Body { bytes, end } => {
                let body = state.request_body.get_or_insert_default();
                body.extend(bytes);
                Job::RequestBody {
                    context: id,
                    size: body.len(),
                    end,
                }
            }
            Piece::Trailers(trailers) => {
                let count = trailers.len();
                state.request_trailers = Some(trailers);
                Job::RequestTrailers { context: id, count }
            }
        };
        Some((vm, job))
    }

    pub(super) fn after_request_headers(&mut self, id: u32, pauses: bool) {
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        if pauses {
            stream.waits = Waits::RequestHeld;
        } else {
            self.send_upstream(id);
        }
    }

    /// The module lets the request's headers go: the host is picked, the rest follows.
    pub(super) fn send_upstream(&mut self, id: u32) {
        let headers = {
            let mut world = self.world();
            let Some(state) = world.streams.get_mut(&id) else {
                return;
            };
            let headers = state.request_headers.take().or(state.passed_on.take());
            if let Some(cluster) = &state.cluster {
                let name = cluster.clone().into_bytes();
                state.properties.insert("xds.cluster_name".to_owned(), name);
            }
            (headers.unwrap_or_default(), state.cluster.clone())
        };
        let (mut headers, cluster) = headers;
        if let (Some(cluster), Some(stream)) = (cluster, self.streams.get_mut(&id)) {
            stream.request.cluster = Some(cluster);
        }
        let mut timeout = |name: &str| {
            let millis = headers.get(name).and_then(|value| value.parse().ok());
            headers.remove(name);
            millis.filter(|millis| *millis > 0).map(Duration::from_millis)
        };
        let whole = timeout("x-envoy-upstream-rq-timeout-ms");
        let its_headers = timeout("x-envoy-upstream-rq-per-try-timeout-ms");
        if let Some(expected) = its_headers.or(whole) {
            headers.set("x-envoy-expected-rq-timeout-ms", expected.as_millis().to_string());
        }
        let pin = headers.get(&self.override_header).map(str::to_owned);
        let Some(route) = self.streams.get(&id).map(|stream| stream.request.route.clone()) else {
            return;
        };
        let route = self.routes.get(&route);
        let mut retries = Retries::of(&mut headers, route);
        if let Some(route) = route {
            route.change(&mut headers);
        }
        retries.pin = pin.map(|pin| pin.split(',').map(|host| host.trim().to_owned()).collect());
        let now = self.world().now;
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        stream.retries = retries;
        stream.routed_at = now;
        stream.sent = headers;
        stream.timeout = whole;
        stream.headers_timeout = its_headers.filter(|it| whole.is_none_or(|whole| *it < whole));
        stream.waits = Waits::Request;
        self.next_request_piece(id);
    }

    pub(super) fn next_request_piece(&mut self, id: u32) {
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        if stream.request_pieces.is_empty() {
            stream.waits = Waits::Host;
            self.ask_host(id);
        } else {
            self.schedule(Duration::ZERO, Event::RequestPiece(id));
        }
    }

    pub(super) fn after_request_piece(&mut self, id: u32, pauses: bool) {
        let mut world = self.world();
        let Some(state) = world.streams.get_mut(&id) else {
            return;
        };
        let body = if pauses { None } else { state.request_body.take() };
        let trailers = state.request_trailers.take();
        drop(world);
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        stream.sent_body.extend(body.unwrap_or_default());
        stream.sent_trailers = trailers.unwrap_or_default();
        if pauses && stream.request_pieces.is_empty() {
            stream.waits = Waits::RequestHeld;
        } else {
            self.next_request_piece(id);
        }
    }

    /// The host of the next attempt: the next one of the pin that is in the cluster, else the cluster's own choice.
    fn next_host(&mut self, id: u32) -> Option<String> {
        let stream = self.streams.get_mut(&id)?;
        if !stream.request.routed {
            return None;
        }
        let name = stream.request.cluster.clone().unwrap_or_default();
        let mut pin = stream.retries.pin.take().unwrap_or_default();
        let cluster = self.cluster_mut(&name)?;
        let host = cluster.next(&mut pin);
        self.streams.get_mut(&id)?.retries.pin = Some(pin);
        host
    }

    /// The host gets the request; its response comes when it comes, or the router makes another attempt.
    pub(super) fn ask_host(&mut self, id: u32) {
        let host = self.next_host(id);
        let now = self.world().now;
        let Some(stream) = self.streams.get_mut(&id) else { return };
        stream.host = host.clone();
        stream.retries.attempts += 1;
        if stream.retries.counts_attempts {
            let attempts = stream.retries.attempts.to_string();
            stream.sent.set("x-envoy-attempt-count", attempts);
        }
        let (headers, body) = (stream.sent.clone(), stream.sent_body.clone());
        let trailers = stream.sent_trailers.clone();
        let head = headers.get(":method") == Some("HEAD");
        let routed = stream.request.routed;
        let reply = match &host {
            Some(host) => self.attempt(host, headers, body, trailers, false),
            None if routed => Reply::failure(Failure::NoHost),
            None => Reply::failure(Failure::NoRoute),
        };
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        stream.answer.tried.extend(host.clone());
        // A time-out for the headers alone lets a body take its time; one for the whole answer cuts it.
        let spent = Duration::from_nanos(now - stream.routed_at);
        let whole = stream.timeout.map(|whole| whole.saturating_sub(spent));
        let late = |timeout: Option<Duration>| timeout.filter(|timeout| reply.after > *timeout);
        let reply = match (late(stream.headers_timeout), late(whole)) {
            (Some(timeout), _) => Reply::failure(Failure::TryTimedOut).after(timeout),
            (None, Some(timeout)) => Reply::failure(Failure::TimedOut).after(timeout),
            (None, None) => reply,
        };
        if stream.retries.wants(&reply) {
            let cluster = stream.request.cluster.clone().unwrap_or_default();
            if stream.retries.left > 0 && self.may_retry(&cluster) {
                let Some(stream) = self.streams.get_mut(&id) else { return };
                stream.retries.left -= 1;
                self.schedule(reply.after + BACK_OFF, Event::Retry(id));
                return;
            }
        }
        let Some(stream) = self.streams.get_mut(&id) else { return };
        stream.retries.exhausted = stream.retries.attempts > 1 && stream.retries.left == 0 && stream.retries.wants(&reply);
        let after = reply.after;
        let reply = reply.later_by(spent);
        let mut resolved = reply.resolve(host.as_deref().unwrap_or("nowhere"), head, stream.request.is_grpc());
        if stream.retries.exhausted {
            resolved.flags |= RETRY_LIMIT_EXCEEDED;
        }
        stream.gap = reply.chunk_gap;
        stream.response = Some(resolved);
        self.schedule(after, Event::Response(id));
        if let Some(timeout) = whole {
            self.schedule(timeout, Event::TimedOut(id));
        }
    }

    /// Whether the cluster's circuit breaker lets one more of the router's retries through.
    fn may_retry(&self, cluster: &str) -> bool {
        let limit = self.max_retries.get(cluster).copied();
        let under_way = self.streams.values().filter(|stream| {
            stream.request.cluster.as_deref() == Some(cluster)
                && stream.retries.attempts > 1
                && stream.waits == Waits::Host
        });
        limit.is_none_or(|limit| under_way.count() < limit)
    }

    /// The whole answer's time is over in the middle of its body.
    pub(super) fn time_out(&mut self, id: u32) {
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        if stream.waits == Waits::Response {
            stream.answer.cut = true;
            self.ends_with(id, 0x4, "response_timeout");
            self.close(id);
        }
    }

    /// One attempt at a host.
    pub(crate) fn attempt(
        &mut self,
        host: &str,
        mut headers: Headers,
        body: Vec<u8>,
        trailers: Headers,
        callout: bool,
    ) -> Reply {
        let pin = headers.get(&self.override_header).map(str::to_owned);
        headers.remove(&self.override_header);
        let text = |name: &str| headers.get(name).unwrap_or("").to_owned();
        let seen = Seen {
            host: host.to_owned(),
            method: text(":method"),
            path: text(":path"),
            headers: headers.clone(),
            pin,
            body,
            trailers,
            callout,
            at: self.world().now,
        };
        if self.admin_has(host) {
            let report = self.admin_answer(&seen.path);
            return self.hosts.entry(host.to_owned()).or_default().answer(seen, report);
        }
        let usual = Reply::status(200);
        self.hosts.entry(host.to_owned()).or_default().answer(seen, usual)
    }
}
