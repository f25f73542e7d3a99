//! A request's way to its host.

use super::{Piece, Waits, end_of};
use crate::engine::Engine;
use crate::headers::Headers;
use crate::queue::Event;
use crate::reply::{Failure, Reply};
use crate::router::Retries;
use crate::upstream::Seen;
use crate::vm::Job;
use crate::world::StreamState;
use std::time::Duration;

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
        let endpoints = self
            .cluster_mut(&cluster)
            .map_or(0, |cluster| cluster.hosts().len() as u64);
        let mut state = StreamState {
            vm,
            request_headers: Some(headers),
            own_cluster: routed.then(|| cluster.clone()),
            ..StreamState::default()
        };
        let mut property = |path: &str, value: &[u8]| {
            state.properties.insert(path.to_owned(), value.to_vec());
        };
        property("request.time", &wall.to_le_bytes());
        if routed {
            property("xds.cluster_name", cluster.as_bytes());
            property("upstream.num_endpoints", &endpoints.to_le_bytes());
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

    /// The module lets the request's headers go: the route does its part, the host is picked, the rest follows.
    pub(super) fn send_upstream(&mut self, id: u32) {
        let (mut headers, cluster) = {
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
        let mut timeout = |name: &str| {
            let millis = headers.get(name).and_then(|value| value.parse().ok());
            headers.remove(name);
            millis.filter(|millis| *millis > 0).map(Duration::from_millis)
        };
        let whole = timeout("x-envoy-upstream-rq-timeout-ms");
        let its_headers = timeout("x-envoy-upstream-rq-per-try-timeout-ms");
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        let route = self.routes.get(&stream.request.route);
        let retries = Retries::of(&mut headers, route).pinned(headers.get(&self.override_header));
        if let Some(route) = route {
            route.change(&mut headers);
        }
        stream.request.cluster = cluster.or(stream.request.cluster.take());
        stream.retries = retries;
        stream.sent = headers;
        stream.timeout = whole;
        stream.headers_timeout = its_headers.filter(|it| whole.is_none_or(|whole| *it < whole));
        stream.waits = Waits::Request;
        let host = self.next_host(id);
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.host = host;
            stream.mark_attempt(Duration::ZERO);
        }
        self.next_request_piece(id);
    }

    pub(super) fn next_request_piece(&mut self, id: u32) {
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        if stream.request_pieces.is_empty() {
            stream.waits = Waits::Host;
            let host = stream.host.clone();
            self.ask_host(id, host);
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
        stream.sent_trailers = trailers.unwrap_or(std::mem::take(&mut stream.sent_trailers));
        if pauses && stream.request_pieces.is_empty() {
            stream.waits = Waits::RequestHeld;
        } else {
            self.next_request_piece(id);
        }
    }

    /// The router makes another attempt, at the next host.
    pub(super) fn retry(&mut self, id: u32) {
        let now = self.world().now;
        let host = self.next_host(id);
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        if host.is_some() {
            stream.host.clone_from(&host);
        }
        let spent = now - stream.retries.began.unwrap_or(now);
        stream.mark_attempt(Duration::from_nanos(spent));
        self.ask_host(id, host);
    }

    /// The host gets the request; its response comes when it comes.
    fn ask_host(&mut self, id: u32, host: Option<String>) {
        let now = self.world().now;
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        stream.answer.tried.extend(host.clone());
        if let (Some(host), Some(state)) = (&host, self.world().streams.get_mut(&id)) {
            let address = host.as_bytes().to_vec();
            state.properties.insert("upstream.address".to_owned(), address);
        }
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        let first = stream.retries.began.is_none();
        stream.retries.began.get_or_insert(now);
        let whole = stream.time_left(now);
        let its_headers = stream
            .headers_timeout
            .filter(|it| whole.is_none_or(|whole| *it < whole));
        let (headers, body) = (stream.sent.clone(), stream.sent_body.clone());
        let trailers = stream.sent_trailers.clone();
        let routed = stream.request.routed;
        let reply = match &host {
            Some(host) => self.attempt(host, headers, body, trailers, false),
            None if routed => Reply::failure(Failure::NoHost),
            None => Reply::failure(Failure::NoRoute),
        };
        // A time-out for the headers alone lets a body take its time; one for the whole answer cuts it.
        let late = |timeout: Option<Duration>| timeout.filter(|timeout| reply.after > *timeout);
        let reply = match (late(its_headers), late(whole)) {
            (Some(timeout), _) => Reply::failure(Failure::TryTimedOut).after(timeout),
            (None, Some(timeout)) => Reply::failure(Failure::TimedOut).after(timeout),
            (None, None) => reply,
        };
        self.answer_with(id, reply);
        if let Some(timeout) = whole.filter(|_| first) {
            self.schedule(timeout, Event::TimedOut(id));
        }
    }

    /// This is how the attempt will end, unless something comes before it.
    pub(crate) fn answer_with(&mut self, id: u32, mut reply: Reply) {
        let now = self.world().now;
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        let head = stream.request.method() == "HEAD";
        let after = reply.after;
        // The host's time is told from the first attempt on.
        reply.after += Duration::from_nanos(now - stream.retries.began.unwrap_or(now));
        let host = stream.host.as_deref().unwrap_or("nowhere");
        stream.response = Some(reply.resolve(host, head, stream.request.is_grpc()));
        stream.gap = reply.chunk_gap;
        self.schedule(after, Event::Response(id));
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
