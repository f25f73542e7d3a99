//! `status`.

use super::{BadConfig, bad};

pub(super) const STATUS: &[BadConfig] = &[
    bad(
        "a status interface that is also a filter",
        r#"{"status": {}, "retry": {"num_retries": 1}}"#,
        r#"retry: found {"num_retries":1}; expected nothing: where there is status, there is nothing else"#,
    ),
    bad(
        "a status interface beside something unknown",
        r#"{"stat": 1, "status": {}}"#,
        "stat: found 1; expected nothing: where there is status, there is nothing else",
    ),
    bad(
        "two status interfaces",
        r#"{"status": {}, "status": {"token": "a"}}"#,
        r#"status: found a second value, {"token":"a"}; expected each field at most once"#,
    ),
    bad(
        "a status interface as a bool",
        r#"{"status": true}"#,
        "status: found true; expected an object",
    ),
    bad(
        "no status interface, by null",
        r#"{"status": null}"#,
        "status: found null; expected an object (or no such field, for its default)",
    ),
    bad(
        "a status interface of a cluster",
        r#"{"clusters": {"a": {"status": {}}}}"#,
        r#"clusters.a.status: found unknown field "status"; expected one of standby_cluster, outlier_detection, retry, picking, probe, matchers, hosts"#,
    ),
    bad(
        "an unknown field of a status interface",
        r#"{"status": {"tokens": "a"}}"#,
        r#"status.tokens: found unknown field "tokens"; expected one of token, max_body_bytes (did you mean token?)"#,
    ),
    bad(
        "a token that is empty",
        r#"{"status": {"token": ""}}"#,
        "status.token: found something else; expected a text of 1 to 1024 visible ASCII characters",
    ),
    bad(
        "a token with a space, which is not shown",
        r#"{"status": {"token": "s3cret and more"}}"#,
        "status.token: found something else; expected a text of 1 to 1024 visible ASCII characters",
    ),
    bad(
        "a token that is a number",
        r#"{"status": {"token": 1234}}"#,
        "status.token: found something else; expected a text of 1 to 1024 visible ASCII characters",
    ),
    bad(
        "no room for a body",
        r#"{"status": {"max_body_bytes": 1023}}"#,
        "status.max_body_bytes: found 1023; expected an integer from 1024 to 67108864",
    ),
    bad(
        "too much room for a body",
        r#"{"status": {"max_body_bytes": 67108865}}"#,
        "status.max_body_bytes: found 67108865; expected an integer from 1024 to 67108864",
    ),
];
