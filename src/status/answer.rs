//! What the status interface answers.

use super::json::Writer;

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The body's type.
    pub content_type: &'static str,
    /// A header that only some answers have.
    pub extra: Option<(&'static str, &'static str)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// 200 with this JSON.
    pub(super) fn json(body: Writer) -> Self {
        Self {
            status: 200,
            content_type: "application/json",
            extra: None,
            body: body.end(),
        }
    }

    /// 200 with a snapshot.
    pub(super) const fn snapshot(body: Vec<u8>) -> Self {
        Self {
            status: 200,
            content_type: "application/octet-stream",
            extra: None,
            body,
        }
    }

    /// A refusal, and why.
    pub(super) fn refusal(status: u16, why: &str) -> Self {
        let mut body = Writer::default();
        body.object(|json| json.name("error").text(why));
        Self {
            status,
            ..Self::json(body)
        }
    }

    /// With one header more.
    pub(super) const fn with(mut self, name: &'static str, value: &'static str) -> Self {
        self.extra = Some((name, value));
        self
    }
}
