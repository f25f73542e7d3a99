//! One request on its way through the simulated Envoy: what comes next for it, and what its callbacks' answers mean.

mod request;
mod response;

use crate::abi::{PAUSE, stream};
use crate::engine::Engine;
use crate::headers::Headers;
use crate::queue::Event;
use crate::reply::Resolved;
use crate::request::{Answer, Request};
use crate::router::Retries;
use crate::vm::Job;
use crate::world::Deferred;
use std::collections::VecDeque;
use std::time::Duration;

/// What a stream waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waits {
    /// The rest of the request.
    Request,
    /// The module, which stopped the request.
    RequestHeld,
    /// The host.
    Host,
    /// The module, which stopped the response's headers.
    ResponseHeld,
    /// The rest of the response.
    Response,
    /// The module, which stopped the response's body at its end.
    BodyHeld,
    /// Nothing: the client has it all.
    Nothing,
}

/// A piece of a body, or what ends it.
#[derive(Clone, Debug)]
enum Piece {
    Body { bytes: Vec<u8>, end: bool },
    Trailers(Headers),
}

fn pieces(bodies: Vec<Vec<u8>>, trailers: Option<Headers>, ends: bool) -> VecDeque<Piece> {
    let last = bodies.len();
    let mut pieces: VecDeque<_> = bodies
        .into_iter()
        .enumerate()
        .map(|(index, bytes)| Piece::Body {
            bytes,
            end: ends && trailers.is_none() && index + 1 == last,
        })
        .collect();
    pieces.extend(trailers.filter(|_| ends).map(Piece::Trailers));
    pieces
}

/// Makes one piece of what there is of a body.
fn merge(pieces: &mut VecDeque<Piece>) {
    let mut bytes = Vec::new();
    let mut ended = None;
    let mut rest = VecDeque::new();
    for piece in std::mem::take(pieces) {
        match piece {
            Piece::Body { bytes: more, end } => {
                bytes.extend(more);
                ended = Some(ended.unwrap_or(false) || end);
            }
            trailers => rest.push_back(trailers),
        }
    }
    if let Some(end) = ended {
        rest.push_front(Piece::Body { bytes, end });
    }
    *pieces = rest;
}

/// A request under way.
pub(crate) struct Stream {
    pub(crate) request: Request,
    pub(crate) vm: Option<usize>,
    pub(crate) waits: Waits,
    pub(crate) answer: Answer,
    opened: u64,
    request_pieces: VecDeque<Piece>,
    /// The request's headers as the module passed them on.
    sent: Headers,
    sent_body: Vec<u8>,
    sent_trailers: Headers,
    host: Option<String>,
    pub(crate) response: Option<Resolved>,
    response_pieces: VecDeque<Piece>,
    gap: Duration,
    /// How long the whole answer may take, and how long its headers.
    timeout: Option<Duration>,
    headers_timeout: Option<Duration>,
    /// What Envoy's router may do for it.
    pub(crate) retries: Retries,
    /// The response is one that Envoy makes for `send_local_response`.
    pub(crate) local: bool,
}

impl Stream {
    /// What is left of the time for the whole answer.
    pub(crate) fn time_left(&self, now: u64) -> Option<Duration> {
        let spent = Duration::from_nanos(now - self.retries.began.unwrap_or(now));
        self.timeout.map(|whole| whole.saturating_sub(spent))
    }

    /// One attempt more, after that much time: what the request's headers say of it.
    fn mark_attempt(&mut self, spent: Duration) {
        self.retries.attempts += 1;
        self.retries.mark(&mut self.sent);
        let left = self.timeout.map(|whole| whole.saturating_sub(spent));
        let expected = self.headers_timeout.into_iter().chain(left).min();
        if let Some(expected) = expected {
            // No time at all would mean any time.
            let millis = expected.as_millis().max(1);
            self.sent.set("x-envoy-expected-rq-timeout-ms", millis.to_string());
        }
    }
}

fn end_of(pieces: &VecDeque<Piece>) -> bool {
    pieces.is_empty()
}

impl Engine {
    /// A new request, which arrives after `delay`.
    pub(crate) fn open(&mut self, request: Request, delay: Duration) -> u32 {
        self.start().expect("the module takes its configuration");
        let id = self.next_context();
        let request_pieces = pieces(request.chunks.clone(), request.trailers.clone(), request.finished);
        let answer = Answer {
            head: request.method() == "HEAD",
            ..Answer::default()
        };
        let stream = Stream {
            request_pieces,
            request,
            vm: None,
            waits: Waits::Request,
            answer,
            opened: self.world().now,
            sent: Headers::default(),
            sent_body: Vec::new(),
            sent_trailers: Headers::default(),
            host: None,
            response: None,
            response_pieces: VecDeque::new(),
            gap: Duration::ZERO,
            timeout: None,
            headers_timeout: None,
            retries: Retries::default(),
            local: false,
        };
        self.streams.insert(id, stream);
        self.schedule(delay, Event::Open(id));
        id
    }

    /// What the event means for the state, and the callback that goes with it.
    pub(crate) fn prepare(&mut self, event: &Event) -> Option<(usize, Job)> {
        match event {
            Event::Open(id) => self.prepare_open(*id),
            Event::RequestPiece(id) => self.prepare_request_piece(*id),
            Event::Response(id) => self.prepare_response(*id),
            Event::ResponsePiece(id) => self.prepare_response_piece(*id),
            Event::Retry(id) => {
                self.retry(*id);
                None
            }
            Event::TimedOut(id) => {
                self.time_out(*id);
                None
            }
            Event::End(id) => self.prepare_end(*id),
            Event::Callout { vm, callout, answer } => {
                self.vms[*vm].as_ref()?;
                let mut world = self.world();
                let state = &mut world.vms[*vm];
                state.call_answer = Some(answer.clone());
                let count = |headers: &Option<Headers>| headers.as_ref().map_or(0, Headers::len);
                let job = Job::CallResponse {
                    token: callout.token,
                    stream: callout.stream,
                    headers: count(&answer.headers),
                    body: answer.body.len(),
                    trailers: count(&answer.trailers),
                };
                Some((*vm, job))
            }
            Event::Tick(vm) => {
                self.vms[*vm].as_ref()?;
                Some((*vm, Job::Tick))
            }
        }
    }

    /// What the callback's answer means.
    pub(crate) fn conclude(&mut self, event: &Event, vm: usize, returned: u32) {
        let (stops, deferred) = {
            let mut world = self.world();
            let state = &mut world.vms[vm];
            state.call_answer = None;
            let stops = std::mem::take(&mut state.stop_iteration);
            (stops, std::mem::take(&mut state.deferred))
        };
        let pauses = returned == PAUSE || stops;
        match event {
            Event::Open(id) => self.after_request_headers(*id, pauses),
            Event::RequestPiece(id) => self.after_request_piece(*id, pauses),
            Event::Response(id) => self.after_response_headers(*id, pauses),
            Event::ResponsePiece(id) => self.after_response_piece(*id, pauses),
            Event::End(id) => self.forget_stream(*id),
            Event::Tick(_) | Event::Callout { .. } | Event::TimedOut(_) | Event::Retry(_) => {}
        }
        for action in deferred {
            match action {
                Deferred::Continue { context, stream } => self.go_on(context, stream),
                Deferred::Close { context } => {
                    if let Some(stream) = self.streams.get_mut(&context) {
                        stream.answer.cut = true;
                        self.close(context);
                    }
                }
                Deferred::LocalResponse {
                    context,
                    status,
                    headers,
                    body,
                    details,
                } => {
                    self.local_response(context, status, headers, body);
                    if let Some(stream) = self.streams.get_mut(&context) {
                        stream.answer.details = details;
                    }
                }
                Deferred::Callout(callout) => self.send_callout(vm, callout),
            }
        }
        self.set_timer(vm, matches!(event, Event::Tick(_)));
        self.end_vm_if_over(vm);
    }

    fn go_on(&mut self, id: u32, kind: u32) {
        let Some(waits) = self.streams.get(&id).map(|stream| stream.waits) else {
            return;
        };
        match (kind, waits) {
            (stream::REQUEST, Waits::RequestHeld) => {
                let Some(stream) = self.streams.get_mut(&id) else {
                    return;
                };
                if stream.sent.is_empty() {
                    // What came while the request was held is one piece now.
                    merge(&mut stream.request_pieces);
                    self.send_upstream(id);
                } else {
                    self.after_request_piece(id, false);
                }
            }
            (stream::RESPONSE, Waits::ResponseHeld) => self.give_headers(id, true),
            (stream::RESPONSE, Waits::BodyHeld) => self.after_response_piece(id, false),
            (_, Waits::Nothing) => {}
            _ => panic!("the module continues a stream that it has not stopped: {waits:?}"),
        }
    }

    fn prepare_end(&mut self, id: u32) -> Option<(usize, Job)> {
        let stream = self.streams.get(&id)?;
        let vm = stream.vm?;
        let (sent, answered) = (stream.sent.clone(), stream.answer.headers.clone());
        let mut world = self.world();
        let state = world.streams.get_mut(&id)?;
        // A request that never reached the router is logged as the module left it.
        let left = || state.request_headers.clone().or(state.passed_on.clone());
        let sent = Some(sent).filter(|sent| !sent.is_empty()).or_else(left);
        state.log_request_headers = Some(sent.unwrap_or_default());
        state.log_response_headers = Some(answered);
        Some((vm, Job::End { context: id }))
    }

    /// The client has all it will get; what is left are the last callbacks.
    pub(crate) fn close(&mut self, id: u32) {
        self.events.forget_stream(id);
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.waits = Waits::Nothing;
            self.schedule(Duration::ZERO, Event::End(id));
        }
    }

    pub(crate) fn client_gone(&mut self, id: u32) {
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        if stream.waits == Waits::Nothing {
            return;
        }
        stream.answer.client_gone = true;
        self.ends_with(id, 0x4000, "downstream_remote_disconnect");
        self.close(id);
    }

    /// What the log says of a stream that does not end as it should.
    fn ends_with(&mut self, id: u32, flags: u64, details: &str) {
        if let Some(state) = self.world().streams.get_mut(&id) {
            let mut property = |path: &str, value: &[u8]| {
                state.properties.insert(path.to_owned(), value.to_vec());
            };
            property("response.flags", &flags.to_le_bytes());
            property("response.code_details", details.as_bytes());
        }
    }

    /// The stream is gone for the module too: its answer stays.
    pub(crate) fn forget_stream(&mut self, id: u32) {
        let Some(mut stream) = self.streams.remove(&id) else {
            return;
        };
        let mut world = self.world();
        if let Some(state) = world.streams.remove(&id) {
            stream.answer.calls = state.tally;
            let text = |value: Vec<u8>| String::from_utf8_lossy(&value).into_owned();
            let filter_state = state.filter_state.into_iter();
            stream.answer.filter_state = filter_state.map(|(name, value)| (name, text(value))).collect();
        }
        stream.answer.took = Duration::from_nanos(world.now - stream.opened);
        drop(world);
        self.events.forget_stream(id);
        self.answers.insert(id, stream.answer);
    }
}
