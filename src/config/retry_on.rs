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
    /// `cancelled`: gRPC CANCELLED (1). This and the following count if they stand in an answer's headers, as in Envoy.
    pub grpc_cancelled: bool,
    /// `deadline-exceeded`: gRPC DEADLINE_EXCEEDED (4).
    pub grpc_deadline_exceeded: bool,
    /// `internal`: gRPC INTERNAL (13).
    pub grpc_internal: bool,
    /// `resource-exhausted`: gRPC RESOURCE_EXHAUSTED (8).
    pub grpc_resource_exhausted: bool,
    /// `unavailable`: gRPC UNAVAILABLE (14).
    pub grpc_unavailable: bool,
}

/// The flag of a name.
type Flag = fn(&mut RetryOn) -> &mut bool;

/// The names that a retry can be asked for by.
const NAMES: [(&str, Flag); 13] = [
    ("5xx", |on| &mut on.any_5xx),
    ("gateway-error", |on| &mut on.gateway_error),
    ("reset", |on| &mut on.reset),
    ("connect-failure", |on| &mut on.connect_failure),
    ("refused-stream", |on| &mut on.refused_stream),
    ("retriable-4xx", |on| &mut on.retriable_4xx),
    (STATUS_CODES, |on| &mut on.retriable_status_codes),
    ("envoy-ratelimited", |on| &mut on.envoy_ratelimited),
    ("cancelled", |on| &mut on.grpc_cancelled),
    ("deadline-exceeded", |on| &mut on.grpc_deadline_exceeded),
    ("internal", |on| &mut on.grpc_internal),
    ("resource-exhausted", |on| &mut on.grpc_resource_exhausted),
    ("unavailable", |on| &mut on.grpc_unavailable),
];

/// Where the conditions of `x-envoy-retry-grpc-on` begin among the names.
const GRPC: usize = 8;

/// The name that stands for the statuses of `retriable_status_codes`.
pub(super) const STATUS_CODES: &str = "retriable-status-codes";

/// Envoy's other names, and why they are refused: silence would look like support.
const REFUSED: [(&str, &str); 3] = [
    (
        "reset-before-request",
        "a filter cannot see whether the request was sent",
    ),
    ("retriable-headers", "sidestep has no list of such headers"),
    (
        "http3-post-connect-failure",
        "a filter cannot see the state of a QUIC connection",
    ),
];

impl RetryOn {
    /// Whether it names a status of gRPC. gRPC calls are POSTs, which only their application knows to be idempotent: to
    /// name one is to say so.
    pub const fn has_grpc(&self) -> bool {
        self.grpc_cancelled
            || self.grpc_deadline_exceeded
            || self.grpc_internal
            || self.grpc_resource_exhausted
            || self.grpc_unavailable
    }

    /// The values of Envoy's `x-envoy-retry-on` and `x-envoy-retry-grpc-on`.
    pub fn header_values(mut self) -> [String; 2] {
        let mut values = [String::new(), String::new()];
        for (at, (name, condition)) in NAMES.iter().enumerate() {
            if *condition(&mut self) {
                let [http, grpc] = &mut values;
                let value = if at < GRPC { http } else { grpc };
                if !value.is_empty() {
                    value.push(',');
                }
                value.push_str(name);
            }
        }
        values
    }

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
