//! Whether a cluster follows pins.

use crate::model::Timestamp;
use std::time::Duration;

/// How long a thing that Envoy was seen to do is held to be so: a configuration may change.
pub const BELIEVED_FOR: Duration = Duration::from_secs(60);

/// Whether a cluster follows pins, as far as has been seen. One without the override policy does not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PinSupport {
    /// No pinned attempt has been answered yet, or it is too long ago that one went elsewhere.
    #[default]
    Unknown,
    /// The last pinned attempt went where its pin said.
    Followed,
    /// The last pinned attempt went elsewhere, at this time.
    Ignored(Timestamp),
}

impl PinSupport {
    /// What is still to be believed of it.
    #[must_use]
    pub fn at(self, now: Timestamp) -> Self {
        match self {
            // In the future it is from before the clock was set back.
            Self::Ignored(since) if since > now || now.since(since) >= BELIEVED_FOR => Self::Unknown,
            other => other,
        }
    }
}
