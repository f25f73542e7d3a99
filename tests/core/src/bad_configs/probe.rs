//! `probe`.

use super::{BadConfig, bad};

pub(super) const PROBE: &[BadConfig] = &[
    bad(
        "a probe as a path",
        r#"{"probe": "/healthz"}"#,
        r#"probe: found "/healthz"; expected an object"#,
    ),
    bad(
        "a probe as a bool",
        r#"{"clusters": {"a": {"probe": false}}}"#,
        "clusters.a.probe: found false; expected an object",
    ),
    bad(
        "an unknown field of a probe",
        r#"{"probe": {"expected_status": 200}}"#,
        r#"probe.expected_status: found unknown field "expected_status"; expected one of enabled, path, method, host, expected_statuses, interval, timeout, healthy_threshold, unhealthy_threshold, all (did you mean expected_statuses?)"#,
    ),
    bad(
        "a probe turned off by a number",
        r#"{"probe": {"enabled": 0}}"#,
        "probe.enabled: found 0; expected true or false",
    ),
    bad(
        "a mistake in a probe that is off",
        r#"{"probe": {"enabled": false, "path": "healthz"}}"#,
        r#"probe.path: found "healthz"; expected a path that begins with / and has only visible ASCII, such as "/healthz""#,
    ),
    bad(
        "a path without its slash",
        r#"{"probe": {"path": "healthz"}}"#,
        r#"probe.path: found "healthz"; expected a path that begins with / and has only visible ASCII, such as "/healthz""#,
    ),
    bad(
        "a path that is empty",
        r#"{"probe": {"path": ""}}"#,
        r#"probe.path: found ""; expected a path that begins with / and has only visible ASCII, such as "/healthz""#,
    ),
    bad(
        "a path with a space",
        r#"{"probe": {"path": "/health z"}}"#,
        r#"probe.path: found "/health z"; expected a path that begins with / and has only visible ASCII, such as "/healthz""#,
    ),
    bad(
        "a path with a line break",
        r#"{"probe": {"path": "/a\r\nx: y"}}"#,
        r#"probe.path: found "/a\r\nx: y"; expected a path that begins with / and has only visible ASCII, such as "/healthz""#,
    ),
    bad(
        "a path with a character that is not seen",
        r#"{"probe": {"path": "/a\u007f"}}"#,
        r#"probe.path: found "/a\u007f"; expected a path that begins with / and has only visible ASCII, such as "/healthz""#,
    ),
    bad(
        "a path that is too long",
        r#"{"probe": {"path": "/xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}}"#,
        "probe.path: found 1025 bytes; expected at most 1024 bytes",
    ),
    bad(
        "a method in lower case",
        r#"{"probe": {"method": "get"}}"#,
        r#"probe.method: found "get"; expected a method in capitals, such as "GET" or "HEAD", and not CONNECT"#,
    ),
    bad(
        "a method with a space",
        r#"{"probe": {"method": "GET /"}}"#,
        r#"probe.method: found "GET /"; expected a method in capitals, such as "GET" or "HEAD", and not CONNECT"#,
    ),
    bad(
        "a method without a name",
        r#"{"probe": {"method": ""}}"#,
        r#"probe.method: found ""; expected a method in capitals, such as "GET" or "HEAD", and not CONNECT"#,
    ),
    bad(
        "a method that asks for a tunnel",
        r#"{"probe": {"method": "CONNECT"}}"#,
        r#"probe.method: found "CONNECT"; expected a method in capitals, such as "GET" or "HEAD", and not CONNECT"#,
    ),
    bad(
        "a host without a name for its probe",
        r#"{"probe": {"host": ""}}"#,
        r#"probe.host: found ""; expected a host in visible ASCII, such as "backend.example""#,
    ),
    bad(
        "a host with a space for its probe",
        r#"{"probe": {"host": "a b"}}"#,
        r#"probe.host: found "a b"; expected a host in visible ASCII, such as "backend.example""#,
    ),
    bad(
        "a status that none can have",
        r#"{"probe": {"expected_statuses": [200, 600]}}"#,
        r#"probe.expected_statuses[1]: found 600; expected a status from 100 to 599 or a range such as "500-599""#,
    ),
    bad(
        "no status at all",
        r#"{"probe": {"expected_statuses": []}}"#,
        r#"probe.expected_statuses: found []; expected a status from 100 to 599, a range such as "500-599", a list of both, or "any""#,
    ),
    bad(
        "a word for statuses",
        r#"{"probe": {"expected_statuses": "all"}}"#,
        r#"probe.expected_statuses: found "all"; expected a status from 100 to 599, a range such as "500-599", a list of both, or "any""#,
    ),
    bad(
        "any status in a list",
        r#"{"probe": {"expected_statuses": ["any"]}}"#,
        r#"probe.expected_statuses[0]: found "any"; expected a status from 100 to 599 or a range such as "500-599""#,
    ),
    bad(
        "a range that runs backwards",
        r#"{"probe": {"expected_statuses": ["299-200"]}}"#,
        r#"probe.expected_statuses[0]: found "299-200"; expected a status from 100 to 599 or a range such as "500-599""#,
    ),
    bad(
        "a range beyond all statuses",
        r#"{"probe": {"expected_statuses": ["500-600"]}}"#,
        r#"probe.expected_statuses[0]: found "500-600"; expected a status from 100 to 599 or a range such as "500-599""#,
    ),
    bad(
        "a range with spaces",
        r#"{"probe": {"expected_statuses": "200 - 299"}}"#,
        r#"probe.expected_statuses: found "200 - 299"; expected a status from 100 to 599, a range such as "500-599", a list of both, or "any""#,
    ),
    bad(
        "a range with three ends",
        r#"{"probe": {"expected_statuses": "200-299-399"}}"#,
        r#"probe.expected_statuses: found "200-299-399"; expected a status from 100 to 599, a range such as "500-599", a list of both, or "any""#,
    ),
    bad(
        "a class of statuses",
        r#"{"probe": {"expected_statuses": ["2xx"]}}"#,
        r#"probe.expected_statuses[0]: found "2xx"; expected a status from 100 to 599 or a range such as "500-599""#,
    ),
    bad(
        "probes too often",
        r#"{"probe": {"interval": "99ms"}}"#,
        r#"probe.interval: found "99ms"; expected a duration from 100ms to 1h, such as "30s" or "250ms""#,
    ),
    bad(
        "probes too seldom",
        r#"{"probe": {"interval": "2h"}}"#,
        r#"probe.interval: found "2h"; expected a duration from 100ms to 1h, such as "30s" or "250ms""#,
    ),
    bad(
        "a probe without time",
        r#"{"probe": {"timeout": "0s"}}"#,
        r#"probe.timeout: found "0s"; expected a duration from 1ms to 1m, such as "30s" or "250ms""#,
    ),
    bad(
        "a probe with too much time",
        r#"{"probe": {"interval": "5m", "timeout": "61s"}}"#,
        r#"probe.timeout: found "61s"; expected a duration from 1ms to 1m, such as "30s" or "250ms""#,
    ),
    bad(
        "a probe that is not over when the next one starts",
        r#"{"probe": {"interval": "1s", "timeout": "2s"}}"#,
        r#"probe.timeout: found "2s"; expected at most interval, which is 1s"#,
    ),
    bad(
        "a probe that is not over in the default interval",
        r#"{"probe": {"timeout": "6s"}}"#,
        r#"probe.timeout: found "6s"; expected at most interval, which is 5s"#,
    ),
    bad(
        "a cluster's probes more often than the global time-out",
        r#"{"probe": {"timeout": "4s"}, "clusters": {"a": {"probe": {"interval": "3s"}}}}"#,
        r#"clusters.a.probe.interval: found "3s"; expected at least timeout, which is 4s"#,
    ),
    bad(
        "a threshold of no passes",
        r#"{"probe": {"healthy_threshold": 0}}"#,
        "probe.healthy_threshold: found 0; expected an integer from 1 to 1000",
    ),
    bad(
        "a threshold of too many failures",
        r#"{"probe": {"unhealthy_threshold": 1001}}"#,
        "probe.unhealthy_threshold: found 1001; expected an integer from 1 to 1000",
    ),
    bad(
        "probes of all hosts as text",
        r#"{"probe": {"all": "yes"}}"#,
        r#"probe.all: found "yes"; expected true or false"#,
    ),
];
