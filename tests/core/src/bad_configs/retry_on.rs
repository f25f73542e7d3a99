//! The names of `retry_on`, and statuses.

use super::{BadConfig, bad};

pub(super) const RETRY_ON: &[BadConfig] = &[
    bad(
        "retry_on as a number",
        r#"{"retry": {"retry_on": 503}}"#,
        r#"retry.retry_on: found 503; expected a list of names, such as ["gateway-error", "reset"]"#,
    ),
    bad(
        "retry_on with a number",
        r#"{"retry": {"retry_on": ["5xx", 503]}}"#,
        "retry.retry_on[1]: found 503; expected one of 5xx, gateway-error, reset, connect-failure, refused-stream, retriable-4xx, retriable-status-codes, envoy-ratelimited, cancelled, deadline-exceeded, internal, resource-exhausted, unavailable",
    ),
    bad(
        "an unknown condition",
        r#"{"retry": {"retry_on": ["gateway_error"]}}"#,
        r#"retry.retry_on[0]: found "gateway_error"; expected one of 5xx, gateway-error, reset, connect-failure, refused-stream, retriable-4xx, retriable-status-codes, envoy-ratelimited, cancelled, deadline-exceeded, internal, resource-exhausted, unavailable (did you mean gateway-error?)"#,
    ),
    bad(
        "an unknown condition in Envoy's form",
        r#"{"retry": {"retry_on": "5xx,always"}}"#,
        r#"retry.retry_on: found "always"; expected one of 5xx, gateway-error, reset, connect-failure, refused-stream, retriable-4xx, retriable-status-codes, envoy-ratelimited, cancelled, deadline-exceeded, internal, resource-exhausted, unavailable"#,
    ),
    bad(
        "a list in a list",
        r#"{"retry": {"retry_on": ["5xx,reset"]}}"#,
        r#"retry.retry_on[0]: found "5xx,reset"; expected one of 5xx, gateway-error, reset, connect-failure, refused-stream, retriable-4xx, retriable-status-codes, envoy-ratelimited, cancelled, deadline-exceeded, internal, resource-exhausted, unavailable"#,
    ),
    bad(
        "a condition with an empty name",
        r#"{"retry": {"retry_on": [""]}}"#,
        r#"retry.retry_on[0]: found ""; expected one of 5xx, gateway-error, reset, connect-failure, refused-stream, retriable-4xx, retriable-status-codes, envoy-ratelimited, cancelled, deadline-exceeded, internal, resource-exhausted, unavailable"#,
    ),
    bad(
        "a condition that a filter cannot see",
        r#"{"retry": {"retry_on": ["reset", "reset-before-request"]}}"#,
        r#"retry.retry_on[1]: found "reset-before-request"; expected one of 5xx, gateway-error, reset, connect-failure, refused-stream, retriable-4xx, retriable-status-codes, envoy-ratelimited, cancelled, deadline-exceeded, internal, resource-exhausted, unavailable; reset-before-request is not supported: a filter cannot see whether the request was sent"#,
    ),
    bad(
        "a condition that needs a list of headers",
        r#"{"retry": {"retry_on": "retriable-headers"}}"#,
        r#"retry.retry_on: found "retriable-headers"; expected one of 5xx, gateway-error, reset, connect-failure, refused-stream, retriable-4xx, retriable-status-codes, envoy-ratelimited, cancelled, deadline-exceeded, internal, resource-exhausted, unavailable; retriable-headers is not supported: sidestep has no list of such headers"#,
    ),
    bad(
        "a condition of HTTP/3",
        r#"{"retry": {"retry_on": "http3-post-connect-failure"}}"#,
        r#"retry.retry_on: found "http3-post-connect-failure"; expected one of 5xx, gateway-error, reset, connect-failure, refused-stream, retriable-4xx, retriable-status-codes, envoy-ratelimited, cancelled, deadline-exceeded, internal, resource-exhausted, unavailable; http3-post-connect-failure is not supported: a filter cannot see the state of a QUIC connection"#,
    ),
    bad(
        "statuses as a number",
        r#"{"retry": {"retry_on": "retriable-status-codes", "retriable_status_codes": 503}}"#,
        "retry.retriable_status_codes: found 503; expected a list of statuses, such as [409, 503]",
    ),
    bad(
        "a status that is none",
        r#"{"retry": {"retry_on": "retriable-status-codes", "retriable_status_codes": [503, 600]}}"#,
        "retry.retriable_status_codes[1]: found 600; expected an integer from 100 to 599",
    ),
    bad(
        "a status as text",
        r#"{"retry": {"retriable_status_codes": ["5xx"]}}"#,
        r#"retry.retriable_status_codes[0]: found "5xx"; expected an integer from 100 to 599"#,
    ),
];
