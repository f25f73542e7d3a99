//! What a gRPC upstream does with a call.

use crate::upstream::Pause;
use crate::wait::Gate;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use std::time::Duration;
use tonic::metadata::MetadataMap;
use tonic::{Code, Status};

/// What a gRPC upstream does with a call: notes, then a status in the trailers; or a status alone; or no answer.
///
/// Every answer has the upstream's name in `x-upstream`, in its headers.
#[derive(Clone, Debug)]
pub struct GrpcReply {
    pub(super) end: End,
    /// How many notes; else as the method is.
    pub(super) notes: Option<usize>,
    /// Beside what is there anyway.
    metadata: HeaderMap,
    /// Beside the status.
    trailers: HeaderMap,
    pub(super) before: Option<Pause>,
    pub(super) after_notes: Option<Pause>,
}

/// How a call ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// With notes, then this status in the trailers.
    Trailers(Code, String),
    /// With this status in the headers, and no more.
    TrailersOnly(Code, String),
    /// With a reset instead of headers.
    Reset(h2::Reason),
    /// With a reset after the notes.
    Cut,
}

impl GrpcReply {
    fn ending(end: End) -> Self {
        Self {
            end,
            notes: None,
            metadata: HeaderMap::new(),
            trailers: HeaderMap::new(),
            before: None,
            after_notes: None,
        }
    }

    /// Answers well: one note, three if it is `Listen`, each that comes if it is `Chat`.
    #[must_use]
    pub fn ok() -> Self {
        Self::ending(End::Trailers(Code::Ok, String::new()))
    }

    /// A status in place of an answer: "trailers-only", headers that are all there is. The request is read first, but not
    /// that of a `Chat`.
    #[must_use]
    pub fn status(code: Code, message: &str) -> Self {
        Self::ending(End::TrailersOnly(code, message.to_owned()))
    }

    /// Resets the stream with `INTERNAL_ERROR` instead of an answer.
    #[must_use]
    pub fn reset() -> Self {
        Self::ending(End::Reset(h2::Reason::INTERNAL_ERROR))
    }

    /// Resets the stream with `REFUSED_STREAM` instead of an answer.
    #[must_use]
    pub fn refuse_stream() -> Self {
        Self::ending(End::Reset(h2::Reason::REFUSED_STREAM))
    }

    /// With so many notes: `Chat` then ends after so many, and has none to echo before they have come. With 0, what
    /// follows the headers are the trailers, and still these are two.
    #[must_use]
    pub fn notes(mut self, count: usize) -> Self {
        self.notes = Some(count);
        self
    }

    /// This status in the trailers, after the notes.
    #[must_use]
    pub fn then_status(mut self, code: Code, message: &str) -> Self {
        self.end = End::Trailers(code, message.to_owned());
        self
    }

    /// A reset after the notes. It takes along those that are still on their way: a gate
    /// [after the notes](Self::held_after_notes), opened once they have come, lets none be lost.
    #[must_use]
    pub fn then_reset(mut self) -> Self {
        self.end = End::Cut;
        self
    }

    /// With this in the answer's headers; of trailers-only, too.
    ///
    /// # Panics
    /// Name or value are not what HTTP allows.
    #[must_use]
    pub fn metadata(mut self, name: &str, value: &str) -> Self {
        append(&mut self.metadata, name, value);
        self
    }

    /// With this beside the status, wherever that is. tonic sends none beside `OK` after notes.
    ///
    /// # Panics
    /// Name or value are not what HTTP allows.
    #[must_use]
    pub fn trailer(mut self, name: &str, value: &str) -> Self {
        append(&mut self.trailers, name, value);
        self
    }

    /// With `grpc-retry-pushback-ms` beside the status: when to try again; below zero: not at all.
    #[must_use]
    pub fn pushback_ms(self, time: i64) -> Self {
        self.trailer("grpc-retry-pushback-ms", &time.to_string())
    }

    /// Waits at a gate before it says anything.
    #[must_use]
    pub fn held_at(mut self, gate: &Gate) -> Self {
        self.before = Some(Pause::At(gate.clone()));
        self
    }

    /// Waits so long before it says anything.
    #[must_use]
    pub fn after(mut self, time: Duration) -> Self {
        self.before = Some(Pause::For(time));
        self
    }

    /// Waits at a gate after the notes.
    #[must_use]
    pub fn held_after_notes(mut self, gate: &Gate) -> Self {
        self.after_notes = Some(Pause::At(gate.clone()));
        self
    }

    /// What goes into the headers of an answer.
    pub(super) fn head(&self, name: &str) -> MetadataMap {
        let mut all = self.metadata.clone();
        append(&mut all, "x-upstream", name);
        MetadataMap::from_headers(all)
    }

    /// The status that takes the place of an answer, if one does.
    pub(super) fn instead(&self, name: &str) -> Option<Status> {
        let (code, message) = match &self.end {
            End::TrailersOnly(code, message) => (*code, message.clone()),
            // What is made of it is not sent.
            End::Reset(_) => (Code::Unknown, String::new()),
            End::Trailers(..) | End::Cut => return None,
        };
        let mut all = self.head(name).into_headers();
        all.extend(self.trailers.clone());
        Some(Status::with_metadata(code, message, MetadataMap::from_headers(all)))
    }

    /// The status after the notes, unless it is `OK`.
    pub(super) fn at_the_end(&self) -> Option<Status> {
        match &self.end {
            End::Trailers(code, message) if *code != Code::Ok => {
                let trailers = MetadataMap::from_headers(self.trailers.clone());
                Some(Status::with_metadata(*code, message.clone(), trailers))
            }
            _ => None,
        }
    }
}

fn append(headers: &mut HeaderMap, name: &str, value: &str) {
    headers.append(
        name.parse::<HeaderName>().expect("a header's name"),
        HeaderValue::from_str(value).expect("a header's value"),
    );
}
