//! The names of Envoy's `x-envoy-retry-on` and `x-envoy-retry-grpc-on`, and what becomes of them here.

use super::error::{BoxedError, Path};
use super::field::Field;
use super::json::show_text;
use super::names::one_of;

/// The conditions of Envoy's `x-envoy-retry-on` that a retry can be asked for, under Envoy's names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "a set of independent conditions, as in Envoy"
)]
pub struct RetryOn {
    /// `5xx`: any 5xx answer, and no answer at all.
    pub any_5xx: bool,
    /// `gateway-error`: 502, 503, 504, and no answer at all.
    pub gateway_error: bool,
    /// `reset`: no answer at all (connection failure, reset).
    pub reset: bool,
    /// `connect-failure`: no connection to the host.
    pub connect_failure: bool,
    /// `refused-stream`: the host reset the stream with `REFUSED_STREAM`.
    pub refused_stream: bool,
    /// `retriable-4xx`: 409.
    pub retriable_4xx: bool,
    /// `retriable-status-codes`: see [`RetryPolicy::retriable_status_codes`](super::RetryPolicy::retriable_status_codes).
    pub retriable_status_codes: bool,
    /// `envoy-ratelimited`: also retry an answer with `x-envoy-ratelimited`, which otherwise is never retried.
    pub envoy_ratelimited: bool,
}

/// The flag of a name.
type Flag = fn(&mut RetryOn) -> &mut bool;

/// The names that a retry can be asked for by.
const NAMES: [(&str, Flag); 8] = [
    ("5xx", |on| &mut on.any_5xx),
    ("gateway-error", |on| &mut on.gateway_error),
    ("reset", |on| &mut on.reset),
    ("connect-failure", |on| &mut on.connect_failure),
    ("refused-stream", |on| &mut on.refused_stream),
    ("retriable-4xx", |on| &mut on.retriable_4xx),
    (STATUS_CODES, |on| &mut on.retriable_status_codes),
    ("envoy-ratelimited", |on| &mut on.envoy_ratelimited),
];

/// The name that stands for the statuses of `retriable_status_codes`.
pub(super) const STATUS_CODES: &str = "retriable-status-codes";

/// Envoy's other names, and why they are refused: silence would look like support.
const REFUSED: [(&str, &str); 8] = [
    (
        "reset-before-request",
        "a filter cannot see whether the request was sent",
    ),
    ("retriable-headers", "sidestep has no list of such headers"),
    (
        "http3-post-connect-failure",
        "a filter cannot see the state of a QUIC connection",
    ),
    ("cancelled", GRPC),
    ("deadline-exceeded", GRPC),
    ("internal", GRPC),
    ("resource-exhausted", GRPC),
    ("unavailable", GRPC),
];

const GRPC: &str = "it is a gRPC status, and gRPC requests are not retried";

impl RetryOn {
    /// Reads a list of names, or Envoy's form of it: one text with commas in between.
    pub(super) fn read(field: &Field<'_>) -> Result<Self, BoxedError> {
        let mut conditions = Self::default();
        if let Some(text) = field.as_text() {
            // Like Envoy, this overlooks what is empty between two commas.
            for name in text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
                conditions.set(name, field.path())?;
            }
        } else if let Some(items) = field.as_items() {
            for item in items {
                let name = item.as_text().ok_or_else(|| item.refuse(one_of(names(), "")))?;
                conditions.set(name, item.path())?;
            }
        } else {
            return Err(field.refuse("a list of names, such as [\"gateway-error\", \"reset\"]"));
        }
        Ok(conditions)
    }

    fn set(&mut self, name: &str, path: &Path) -> Result<(), BoxedError> {
        if let Some((_, condition)) = NAMES.iter().find(|(known, _)| *known == name) {
            *condition(self) = true;
            return Ok(());
        }
        let mut expected = one_of(names(), name);
        if let Some((_, why)) = REFUSED.iter().find(|(refused, _)| *refused == name) {
            expected.push_str(&format!("; {name} is not supported: {why}"));
        }
        Err(path.error(show_text(name), expected))
    }
}

fn names() -> impl Iterator<Item = &'static str> + Clone {
    NAMES.iter().map(|(name, _)| *name)
}
