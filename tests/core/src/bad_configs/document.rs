//! What is no configuration at all, and fields that are none.

use super::{BadConfig, bad};

pub(super) const DOCUMENT: &[BadConfig] = &[
    // Documents.
    bad(
        "text that is no JSON",
        "retry",
        r#"configuration: found "retry", which is no JSON; expected one object of JSON, such as {"retry": {"num_retries": 1}} (YAML has to be written as JSON)"#,
    ),
    bad(
        "YAML",
        "retry:\n  num_retries: 1\n",
        r#"configuration: found "retry:", which is no JSON; expected one object of JSON, such as {"retry": {"num_retries": 1}} (YAML has to be written as JSON)"#,
    ),
    bad(
        "YAML with a comment first",
        "# two tries\nretry: {num_retries: 1}",
        r##"configuration: found "# two tries", which is no JSON; expected one object of JSON, such as {"retry": {"num_retries": 1}} (YAML has to be written as JSON)"##,
    ),
    bad(
        "a comment in JSON",
        "{\n  // two tries\n  \"retry\": {}\n}",
        r#"configuration: found invalid JSON, key must be a string at line 2 column 3: "// two tries"; expected one object of JSON, such as {"retry": {"num_retries": 1}}"#,
    ),
    bad(
        "an unfinished object",
        r#"{"retry": {"num_retries": 1}"#,
        r#"configuration: found invalid JSON, EOF while parsing an object at line 1 column 28: "{\"retry\": {\"num_retries\": 1}"; expected one object of JSON, such as {"retry": {"num_retries": 1}}"#,
    ),
    bad(
        "a comma too many",
        r#"{"retry": {},}"#,
        r#"configuration: found invalid JSON, trailing comma at line 1 column 14: "{\"retry\": {},}"; expected one object of JSON, such as {"retry": {"num_retries": 1}}"#,
    ),
    bad(
        "something after the object",
        r#"{"retry": {}} {}"#,
        r#"configuration: found invalid JSON, trailing characters at line 1 column 15: "{\"retry\": {}} {}"; expected one object of JSON, such as {"retry": {"num_retries": 1}}"#,
    ),
    bad(
        "a list at the top",
        r#"[{"retry": {}}]"#,
        r#"configuration: found [{"retry":{}}]; expected an object"#,
    ),
    bad(
        "null at the top",
        "null",
        "configuration: found null; expected an object",
    ),
    bad(
        "a text at the top",
        r#""{}""#,
        r#"configuration: found "{}"; expected an object"#,
    ),
    bad(
        "nested too deep",
        "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
        r#"configuration: found invalid JSON, recursion limit exceeded at line 1 column 128: "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[...; expected one object of JSON, such as {"retry": {"num_retries": 1}}"#,
    ),
    bad(
        "a number that no double holds",
        r#"{"retry": {"num_retries": 1e999}}"#,
        r#"configuration: found invalid JSON, number out of range at line 1 column 31: "{\"retry\": {\"num_retries\": 1e999}}"; expected one object of JSON, such as {"retry": {"num_retries": 1}}"#,
    ),
    // Fields and sections.
    bad(
        "an unknown section",
        r#"{"retries": {"num_retries": 1}}"#,
        r#"retries: found unknown field "retries"; expected one of outlier_detection, retry, picking, probe, matchers, clusters, routes, status, etcd, backup, fleet"#,
    ),
    bad(
        "hosts at the top",
        r#"{"hosts": ["10.0.0.1:80"]}"#,
        r#"hosts: found unknown field "hosts"; expected one of outlier_detection, retry, picking, probe, matchers, clusters, routes, status, etcd, backup, fleet"#,
    ),
    bad(
        "an unknown field",
        r#"{"retry": {"num_retires": 1}}"#,
        r#"retry.num_retires: found unknown field "num_retires"; expected one of engine, retry_on, num_retries, retriable_status_codes, timeout, per_try_timeout, max_body_bytes, max_held_bytes, max_concurrent_retries, budget, back_off, max_retry_after, hedge, report (did you mean num_retries?)"#,
    ),
    bad(
        "a field that Envoy has and sidestep has not",
        r#"{"picking": {"healthy_panic_threshold": {"value": 50}}}"#,
        r#"picking.healthy_panic_threshold: found unknown field "healthy_panic_threshold"; expected one of discovery_percent, max_hosts, forget_after, ramp_time, probation_timeout, panic_threshold, header, admin"#,
    ),
    bad(
        "a name with a line break in it",
        r#"{"a\nb": 1}"#,
        r#""a\nb": found unknown field "a\nb"; expected one of outlier_detection, retry, picking, probe, matchers, clusters, routes, status, etcd, backup, fleet"#,
    ),
    bad(
        "a section that is a list",
        r#"{"retry": []}"#,
        "retry: found []; expected an object",
    ),
    bad(
        "a section that is null",
        r#"{"picking": null}"#,
        "picking: found null; expected an object (or no such field, for its default)",
    ),
    bad(
        "a section nearly right",
        r#"{"outlier-detections": {}}"#,
        r#"outlier-detections: found unknown field "outlier-detections"; expected one of outlier_detection, retry, picking, probe, matchers, clusters, routes, status, etcd, backup, fleet (did you mean outlier_detection?)"#,
    ),
    bad(
        "the same field twice",
        r#"{"retry": {"num_retries": 1, "num_retries": 2}}"#,
        "retry.num_retries: found a second value, 2; expected each field at most once",
    ),
    bad(
        "the same section twice",
        r#"{"retry": {}, "picking": {}, "retry": {"num_retries": 2}}"#,
        r#"retry: found a second value, {"num_retries":2}; expected each field at most once"#,
    ),
];
