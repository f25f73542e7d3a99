//! What a host answers, or what Envoy answers for it, and what Envoy's filters get of it.

use crate::grpc;
use crate::headers::Headers;
use std::time::Duration;

/// A failure that Envoy answers itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The connection was refused.
    Refused,
    /// The host closed the connection before any header.
    Closed,
    /// The host reset the stream before any header.
    Reset,
    /// The host refused the stream (HTTP/2's REFUSED_STREAM).
    RefusedStream,
    /// The route's timeout went by.
    TimedOut,
    /// The timeout for one try went by.
    TryTimedOut,
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
            Failure::RefusedStream => (
                503,
                0x10,
                "upstream_reset_before_response_started{remote_refused_stream_reset}",
                "upstream connect error or disconnect/reset before headers. reset reason: remote refused stream reset",
            ),
            Failure::TimedOut => (504, 0x4, "response_timeout", "upstream request timeout"),
            Failure::TryTimedOut => (504, 0x4, "upstream_per_try_timeout", "upstream request timeout"),
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
    pub(crate) cut_flags: u64,
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
            cut_flags: 0x40,
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

    /// The headers at once, and a body that goes on for that long.
    pub fn lasting(self, time: Duration) -> Reply {
        self.chunks(["it begins\n", "it ends\n"]).trickling(time / 2)
    }

    /// The connection breaks before the body's end (flag UC). A callout then comes back with no headers.
    pub fn cut(mut self) -> Reply {
        self.cut = true;
        self
    }

    /// The host resets the stream before the body's end (flag UR). A callout then comes back with no headers.
    pub fn reset_midway(mut self) -> Reply {
        self.cut = true;
        self.cut_flags = 0x10;
        self
    }

    /// A gRPC answer: one message, and this status in the trailers.
    pub fn grpc(status: u32) -> Reply {
        Reply::status(200)
            .header("content-type", "application/grpc")
            .body(b"\0\0\0\0\x02ok")
            .chunked()
            .trailer("grpc-status", &status.to_string())
    }

    /// A gRPC answer without a message: its headers are its trailers.
    pub fn grpc_trailers_only(status: u32) -> Reply {
        Reply::status(200)
            .header("content-type", "application/grpc")
            .header("grpc-status", &status.to_string())
            .headers_only()
            .chunked()
    }

    /// Without a length.
    fn chunked(mut self) -> Reply {
        self.chunked = true;
        self
    }

    /// The headers and body pieces as Envoy hands them to its filters.
    ///
    /// Envoy answers a failure of a gRPC call in gRPC's own way.
    pub(crate) fn resolve(&self, host: &str, head: bool, grpc: bool) -> Resolved {
        let mut headers = Headers::default();
        headers.add(":status", self.status.to_string());
        let mut pieces: Vec<Vec<u8>> = Vec::new();
        let mut flags = 0;
        let mut details = "via_upstream";
        if let Some(failure) = self.failure {
            let (_, its_flags, its_details, body) = failure.local_reply();
            (flags, details) = (its_flags, its_details);
            if grpc {
                headers = grpc::local_reply(self.status, body.as_bytes());
            } else if !body.is_empty() {
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
                if self.chunked && pieces.is_empty() {
                    // Trailers alone: HTTP/2 needs no header to say that nothing follows.
                } else if self.chunked {
                    headers.add("transfer-encoding", "chunked");
                } else {
                    let length: usize = pieces.iter().map(Vec::len).sum();
                    headers.add("content-length", length.to_string());
                }
            }
            for (name, value) in self.headers.iter() {
                headers.set(name, value);
            }
            headers.add("x-envoy-upstream-service-time", self.after.as_millis().to_string());
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
            cut_flags: self.cut_flags,
            failure: self.failure,
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
    pub(crate) cut_flags: u64,
    /// The failure that Envoy answers itself; none for a host's answer.
    pub(crate) failure: Option<Failure>,
}
