//! A response's way to the client.

use super::{Piece, Stream, Waits, end_of, merge, pieces};
use crate::engine::Engine;
use crate::grpc;
use crate::headers::Headers;
use crate::queue::Event;
use crate::reply::Resolved;
use crate::vm::Job;
use std::time::Duration;

impl Engine {
    pub(super) fn prepare_response(&mut self, id: u32) -> Option<(usize, Job)> {
        if self.tries_again(id) {
            return None;
        }
        let stream = self.streams.get_mut(&id)?;
        let vm = stream.vm?;
        let response = stream.response.clone()?;
        stream.waits = Waits::Response;
        stream.response_pieces = pieces(response.pieces, response.trailers, !response.cut);
        let end = end_of(&stream.response_pieces) && !response.cut;
        let host = stream.host.clone();
        let attempts = stream.retries.attempts;
        let details = match stream.local {
            true => stream.answer.details.clone(),
            false => response.details.to_owned(),
        };
        let count = response.headers.len();
        let mut world = self.world();
        let state = world.streams.get_mut(&id)?;
        let status = response
            .headers
            .get(":status")
            .and_then(|status| status.parse().ok())
            .unwrap_or(0u64);
        let mut property = |path: &str, value: &[u8]| {
            state.properties.insert(path.to_owned(), value.to_vec());
        };
        property("response.code", &status.to_le_bytes());
        property("response.flags", &response.flags.to_le_bytes());
        property("response.code_details", details.as_bytes());
        if let Some(host) = host {
            property("upstream.address", host.as_bytes());
            property("upstream.request_attempt_count", &attempts.to_le_bytes());
        }
        state.response_headers = Some(response.headers);
        Some((
            vm,
            Job::ResponseHeaders {
                context: id,
                count,
                end,
            },
        ))
    }

    pub(super) fn prepare_response_piece(&mut self, id: u32) -> Option<(usize, Job)> {
        let stream = self.streams.get_mut(&id)?;
        let vm = stream.vm?;
        let Some(piece) = stream.response_pieces.pop_front() else {
            // Nothing more comes, and the end never did.
            stream.answer.cut = true;
            let flags = stream.response.as_ref().map_or(0, |response| response.cut_flags);
            self.ends_with(id, flags, "upstream_reset_after_response_started");
            self.close(id);
            return None;
        };
        let mut world = self.world();
        let state = world.streams.get_mut(&id)?;
        let job = match piece {
            Piece::Body { bytes, end } => {
                let body = state.response_body.get_or_insert_default();
                body.extend(bytes);
                Job::ResponseBody {
                    context: id,
                    size: body.len(),
                    end,
                }
            }
            Piece::Trailers(trailers) => {
                let count = trailers.len();
                state.response_trailers = Some(trailers);
                Job::ResponseTrailers { context: id, count }
            }
        };
        Some((vm, job))
    }

    pub(super) fn after_response_headers(&mut self, id: u32, pauses: bool) {
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        if pauses {
            stream.waits = Waits::ResponseHeld;
        } else {
            self.give_headers(id, false);
        }
    }

    /// The response's headers go to the client, as the module left them.
    pub(super) fn give_headers(&mut self, id: u32, held: bool) {
        let headers = {
            let mut world = self.world();
            let Some(state) = world.streams.get_mut(&id) else {
                return;
            };
            // After a pause Envoy leaves the map where the module can still read it.
            if held {
                state.response_headers.clone()
            } else {
                state.response_headers.take()
            }
        };
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        stream.take_headers(headers.unwrap_or_default());
        stream.answer.local = stream.local;
        stream.waits = Waits::Response;
        if held && stream.gap.is_zero() {
            // What came while the response was held is one piece now.
            merge(&mut stream.response_pieces);
        }
        let cut = stream.response.as_ref().is_some_and(|response| response.cut);
        if stream.response_pieces.is_empty() && !cut {
            self.close(id);
        } else {
            let gap = stream.gap;
            self.schedule(gap, Event::ResponsePiece(id));
        }
    }

    pub(super) fn after_response_piece(&mut self, id: u32, pauses: bool) {
        let mut world = self.world();
        let Some(state) = world.streams.get_mut(&id) else {
            return;
        };
        let (body, trailers) = if pauses {
            (None, None)
        } else {
            (state.response_body.take(), state.response_trailers.take())
        };
        drop(world);
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        stream.answer.body.extend(body.unwrap_or_default());
        if let Some(trailers) = trailers {
            stream.answer.trailers = trailers;
        }
        let cut = stream.response.as_ref().is_some_and(|response| response.cut);
        if !stream.response_pieces.is_empty() || cut {
            let gap = stream.gap;
            self.schedule(gap, Event::ResponsePiece(id));
        } else if pauses {
            stream.waits = Waits::BodyHeld;
        } else {
            self.close(id);
        }
    }

    pub(super) fn local_response(&mut self, id: u32, status: u32, extra: Headers, body: Vec<u8>) {
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        let mut headers = Headers::default();
        headers.add(":status", status.to_string());
        for (name, value) in extra.iter().filter(|(name, _)| *name != ":status") {
            headers.add(name, value);
        }
        let head = stream.request.method() == "HEAD";
        let grpc = stream.request.is_grpc();
        let (headers, body) = if grpc {
            (grpc::local_reply(status as u16, &body), Vec::new())
        } else {
            (headers, body)
        };
        let mut headers = headers;
        if !body.is_empty() {
            headers.set("content-length", body.len().to_string());
            if !headers.has("content-type") {
                headers.add("content-type", "text/plain");
            }
        }
        match stream.waits {
            Waits::Request | Waits::RequestHeld | Waits::Host => {
                // No response yet: this one takes the way of a response, the module's own callbacks included.
                stream.local = true;
                stream.gap = Duration::ZERO;
                stream.request_pieces.clear();
                stream.response = Some(Resolved {
                    headers,
                    pieces: if body.is_empty() || head {
                        Vec::new()
                    } else {
                        vec![body]
                    },
                    trailers: None,
                    flags: 0,
                    details: "",
                    cut: false,
                    cut_flags: 0,
                    failure: None,
                });
                self.events.forget_stream(id);
                self.schedule(Duration::ZERO, Event::Response(id));
            }
            Waits::ResponseHeld => {
                // Straight to the client, past the other filters.
                stream.take_headers(headers);
                stream.answer.local = true;
                stream.answer.body = if head { Vec::new() } else { body };
                self.close(id);
            }
            Waits::Response | Waits::BodyHeld => {
                stream.answer.cut = true;
                self.close(id);
            }
            Waits::Nothing => {}
        }
    }
}

impl Stream {
    fn take_headers(&mut self, headers: Headers) {
        let status = headers.get(":status").and_then(|status| status.parse().ok());
        self.answer.status = status.unwrap_or(0);
        self.answer.headers = headers;
    }
}
