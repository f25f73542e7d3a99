//! What an upstream does with a request.

use super::Received;
use super::chance::Chance;
use crate::wait::Gate;
use bytes::Bytes;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A gRPC message without content: not compressed, no bytes.
pub(crate) const GRPC_MESSAGE: &[u8] = &[0; 5];

/// What an upstream does with a request. To refuse connections, [stop](super::Upstream::stop) it.
#[derive(Clone)]
#[expect(
    clippy::large_enum_variant,
    reason = "there are a handful, and `Reply(reply)` reads better without a box"
)]
pub enum Behaviour {
    /// Answers.
    Reply(Reply),
    /// Answers 200 with the request's own body, and its `content-type`, method and path
    /// (`x-echo-method`, `x-echo-path`) as headers.
    Echo,
    /// Closes the connection without a word; over HTTP/2 resets the stream with `INTERNAL_ERROR`.
    Close,
    /// Resets the stream with `REFUSED_STREAM`; over HTTP/1.1 the same as [`Close`](Self::Close).
    RefuseStream,
    /// Takes the request and says nothing, until whoever asked goes away.
    Hang,
    /// As the request itself says.
    ByRequest(Arc<dyn Fn(&Received) -> Behaviour + Send + Sync>),
}

impl Behaviour {
    /// `rare` for so many per cent of the requests, `normal` for the rest. The seed decides which.
    pub fn sometimes(percent: f64, seed: u64, rare: impl Into<Self>, normal: impl Into<Self>) -> Self {
        let (chance, rare, normal) = (Chance::new(seed), rare.into(), normal.into());
        Self::ByRequest(Arc::new(move |_| {
            let is_rare = chance.draw() * 100.0 < percent;
            if is_rare { rare.clone() } else { normal.clone() }
        }))
    }

    /// One after the other, each for its time, again and again. The first one begins now.
    ///
    /// # Panics
    /// There is none, or they take no time.
    #[must_use]
    pub fn in_turn<const N: usize>(turns: [(Duration, Self); N]) -> Self {
        let round: Duration = turns.iter().map(|(time, _)| *time).sum();
        assert!(round > Duration::ZERO, "turns that take time");
        let start = Instant::now();
        Self::ByRequest(Arc::new(move |_| {
            let within = start.elapsed().as_nanos() % round.as_nanos();
            let mut end = 0;
            let turn = turns.iter().find(|(time, _)| {
                end += time.as_nanos();
                within < end
            });
            turn.map_or(Self::Hang, |(_, behaviour)| behaviour.clone())
        }))
    }
}

impl From<Reply> for Behaviour {
    fn from(reply: Reply) -> Self {
        Self::Reply(reply)
    }
}

impl fmt::Debug for Behaviour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reply(reply) => reply.fmt(f),
            Self::Echo => f.write_str("Echo"),
            Self::Close => f.write_str("Close"),
            Self::RefuseStream => f.write_str("RefuseStream"),
            Self::Hang => f.write_str("Hang"),
            Self::ByRequest(_) => f.write_str("ByRequest"),
        }
    }
}

/// An answer: status, headers, body, and how much of it is given, when.
///
/// Every answer has the header `x-upstream` with the upstream's name.
#[derive(Clone, Debug)]
pub struct Reply {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) chunked: bool,
    pub(super) with_length: bool,
    pub(super) trailers: Option<HeaderMap>,
    pub(super) before_headers: Option<Pause>,
    pub(super) within_body: Option<Pause>,
    pub(super) cut: Option<Cut>,
}

/// What an answer waits for.
#[derive(Clone, Debug)]
pub(crate) enum Pause {
    For(Duration),
    At(Gate),
}

impl Pause {
    pub(crate) async fn pass(&self) {
        match self {
            Self::For(time) => tokio::time::sleep(*time).await,
            Self::At(gate) => gate.pass().await,
        }
    }
}

/// Where an answer breaks off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    Headers,
    Body,
}

impl Reply {
    /// An answer with this status, no headers of its own, and no body (`content-length: 0`).
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self {
            status,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            chunked: false,
            with_length: true,
            trailers: None,
            before_headers: None,
            within_body: None,
            cut: None,
        }
    }

    /// What a gRPC server says to a unary call: an empty message, and this status in the trailers.
    /// <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>
    #[must_use]
    pub fn grpc(status: u8) -> Self {
        Self::status(200)
            .header("content-type", "application/grpc")
            .body(GRPC_MESSAGE)
            .trailer("grpc-status", &status.to_string())
    }

    /// What a gRPC server says if it has no message: headers alone, with this status ("trailers-only").
    #[must_use]
    pub fn grpc_trailers_only(status: u8) -> Self {
        let mut reply = Self::status(200)
            .header("content-type", "application/grpc")
            .header("grpc-status", status.to_string());
        reply.with_length = false;
        reply
    }

    /// With this body, and its `content-length`.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// Sends the body in two chunks and without `content-length`.
    #[must_use]
    pub fn chunked(mut self) -> Self {
        self.chunked = true;
        self.with_length = false;
        self
    }

    /// With one header more.
    ///
    /// # Panics
    /// Name or value are not what HTTP allows.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.append(
            name.parse::<HeaderName>().expect("a header's name"),
            HeaderValue::from_bytes(value.as_ref()).expect("a header's value"),
        );
        self
    }

    /// With a trailer. Makes the body chunked.
    ///
    /// # Panics
    /// Name or value are not what HTTP allows.
    #[must_use]
    pub fn trailer(mut self, name: &str, value: &str) -> Self {
        let trailers = self.trailers.get_or_insert_default();
        trailers.append(
            name.parse::<HeaderName>().expect("a header's name"),
            HeaderValue::from_str(value).expect("a header's value"),
        );
        self.chunked()
    }

    /// Waits so long before the headers.
    #[must_use]
    pub fn after(mut self, time: Duration) -> Self {
        self.before_headers = Some(Pause::For(time));
        self
    }

    /// Waits at a gate before the headers.
    #[must_use]
    pub fn held_at(mut self, gate: &Gate) -> Self {
        self.before_headers = Some(Pause::At(gate.clone()));
        self
    }

    /// Waits so long in the middle of the body.
    #[must_use]
    pub fn pausing_in_body(mut self, time: Duration) -> Self {
        self.within_body = Some(Pause::For(time));
        self
    }

    /// Waits at a gate in the middle of the body.
    #[must_use]
    pub fn body_held_at(mut self, gate: &Gate) -> Self {
        self.within_body = Some(Pause::At(gate.clone()));
        self
    }

    /// Closes the connection in the middle of the headers.
    #[must_use]
    pub fn cut_in_headers(mut self) -> Self {
        self.cut = Some(Cut::Headers);
        self
    }

    /// Closes the connection (HTTP/2: resets the stream) in the middle of the body.
    #[must_use]
    pub fn cut_in_body(mut self) -> Self {
        self.cut = Some(Cut::Body);
        self
    }

    /// Whether the body goes out in steps: else it is one piece.
    pub(super) fn in_steps(&self) -> bool {
        self.chunked || self.within_body.is_some() || self.cut == Some(Cut::Body)
    }
}
