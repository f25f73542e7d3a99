//! Single values of the wrong type, form or range.

use super::{BadConfig, bad};

pub(super) const VALUES: &[BadConfig] = &[
    // Values.
    bad(
        "an integer out of range",
        r#"{"retry": {"num_retries": 99}}"#,
        "retry.num_retries: found 99; expected an integer from 0 to 10",
    ),
    bad(
        "a negative integer",
        r#"{"retry": {"num_retries": -1}}"#,
        "retry.num_retries: found -1; expected an integer from 0 to 10",
    ),
    bad(
        "a fraction",
        r#"{"retry": {"num_retries": 1.5}}"#,
        "retry.num_retries: found 1.5; expected an integer from 0 to 10",
    ),
    bad(
        "an integer as text",
        r#"{"retry": {"num_retries": "1"}}"#,
        r#"retry.num_retries: found "1"; expected an integer from 0 to 10"#,
    ),
    bad(
        "null for an integer",
        r#"{"retry": {"num_retries": null}}"#,
        "retry.num_retries: found null; expected an integer from 0 to 10 (or no such field, for its default)",
    ),
    bad(
        "an integer over 32 bits",
        r#"{"outlier_detection": {"consecutive_5xx": 4294967296}}"#,
        "outlier_detection.consecutive_5xx: found 4294967296; expected an integer from 0 to 4294967295",
    ),
    bad(
        "gateway failures as a bool",
        r#"{"outlier_detection": {"consecutive_gateway_failure": true}}"#,
        "outlier_detection.consecutive_gateway_failure: found true; expected an integer from 0 to 4294967295",
    ),
    bad(
        "local-origin failures as a list",
        r#"{"outlier_detection": {"consecutive_local_origin_failure": [5]}}"#,
        "outlier_detection.consecutive_local_origin_failure: found [5]; expected an integer from 0 to 4294967295",
    ),
    bad(
        "a bool as a number",
        r#"{"outlier_detection": {"split_external_local_origin_errors": 1}}"#,
        "outlier_detection.split_external_local_origin_errors: found 1; expected true or false",
    ),
    bad(
        "a bool as text",
        r#"{"outlier_detection": {"split_external_local_origin_errors": "true"}}"#,
        r#"outlier_detection.split_external_local_origin_errors: found "true"; expected true or false"#,
    ),
    bad(
        "more than all",
        r#"{"outlier_detection": {"max_ejection_percent": 101}}"#,
        "outlier_detection.max_ejection_percent: found 101; expected an integer from 0 to 100",
    ),
    bad(
        "a share as text",
        r#"{"outlier_detection": {"enforcing_consecutive_5xx": "100%"}}"#,
        r#"outlier_detection.enforcing_consecutive_5xx: found "100%"; expected an integer from 0 to 100"#,
    ),
    bad(
        "a share as a fraction",
        r#"{"outlier_detection": {"enforcing_consecutive_gateway_failure": 0.5}}"#,
        "outlier_detection.enforcing_consecutive_gateway_failure: found 0.5; expected an integer from 0 to 100",
    ),
    bad(
        "a share as a list",
        r#"{"outlier_detection": {"enforcing_consecutive_local_origin_failure": [100]}}"#,
        "outlier_detection.enforcing_consecutive_local_origin_failure: found [100]; expected an integer from 0 to 100",
    ),
    bad(
        "a negative share",
        r#"{"picking": {"discovery_percent": -1}}"#,
        "picking.discovery_percent: found -1; expected an integer from 0 to 100",
    ),
    bad(
        "a duration as a number",
        r#"{"outlier_detection": {"interval": 10}}"#,
        r#"outlier_detection.interval: found 10; expected a duration from 1ms to 24h, such as "30s" or "250ms""#,
    ),
    bad(
        "no time at all",
        r#"{"outlier_detection": {"interval": "0s"}}"#,
        r#"outlier_detection.interval: found "0s"; expected a duration from 1ms to 24h, such as "30s" or "250ms""#,
    ),
    bad(
        "an unknown unit",
        r#"{"outlier_detection": {"base_ejection_time": "1d"}}"#,
        r#"outlier_detection.base_ejection_time: found "1d"; expected a duration from 1ms to 24h, such as "30s" or "250ms""#,
    ),
    bad(
        "a duration that is too long",
        r#"{"outlier_detection": {"base_ejection_time": "25h"}}"#,
        r#"outlier_detection.base_ejection_time: found "25h"; expected a duration from 1ms to 24h, such as "30s" or "250ms""#,
    ),
    bad(
        "two units",
        r#"{"outlier_detection": {"max_ejection_time": "1h30m"}}"#,
        r#"outlier_detection.max_ejection_time: found "1h30m"; expected a duration from 1ms to 24h, such as "30s" or "250ms""#,
    ),
    bad(
        "a negative duration",
        r#"{"outlier_detection": {"max_ejection_time_jitter": "-1s"}}"#,
        r#"outlier_detection.max_ejection_time_jitter: found "-1s"; expected a duration from 0s to 24h, such as "30s" or "250ms""#,
    ),
    bad(
        "a timeout of none",
        r#"{"retry": {"timeout": "0s"}}"#,
        r#"retry.timeout: found "0s"; expected a duration from 1ms to 1h, such as "30s" or "250ms""#,
    ),
    bad(
        "a timeout under a millisecond",
        r#"{"retry": {"timeout": "0.0009s"}}"#,
        r#"retry.timeout: found "0.0009s"; expected a duration from 1ms to 1h, such as "30s" or "250ms""#,
    ),
    bad(
        "a timeout that is too long",
        r#"{"retry": {"timeout": "3601s"}}"#,
        r#"retry.timeout: found "3601s"; expected a duration from 1ms to 1h, such as "30s" or "250ms""#,
    ),
    bad(
        "forgotten too soon",
        r#"{"picking": {"forget_after": "999ms"}}"#,
        r#"picking.forget_after: found "999ms"; expected a duration from 1s to 168h, such as "30s" or "250ms""#,
    ),
    bad(
        "a long value",
        r#"{"retry": {"timeout": "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}}"#,
        r#"retry.timeout: found "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...; expected a duration from 1ms to 1h, such as "30s" or "250ms""#,
    ),
    bad(
        "a value with control characters",
        r#"{"retry": {"timeout": "1s\n\u001b[2J\u2028"}}"#,
        r#"retry.timeout: found "1s\n\u001b[2J\u2028"; expected a duration from 1ms to 1h, such as "30s" or "250ms""#,
    ),
    bad(
        "a body that is too large",
        r#"{"retry": {"max_body_bytes": 16777217}}"#,
        "retry.max_body_bytes: found 16777217; expected an integer from 0 to 16777216",
    ),
    bad(
        "too much to hold",
        r#"{"retry": {"max_held_bytes": 268435457}}"#,
        "retry.max_held_bytes: found 268435457; expected an integer from 0 to 268435456",
    ),
    bad(
        "no hosts at all",
        r#"{"picking": {"max_hosts": 0}}"#,
        "picking.max_hosts: found 0; expected an integer from 1 to 10000",
    ),
    bad(
        "too many hosts",
        r#"{"picking": {"max_hosts": 10001}}"#,
        "picking.max_hosts: found 10001; expected an integer from 1 to 10000",
    ),
    // Header.
    bad(
        "a header that is no text",
        r#"{"picking": {"header": 1}}"#,
        r#"picking.header: found 1; expected the name of a header, such as "x-sidestep-host""#,
    ),
    bad(
        "a header without a name",
        r#"{"picking": {"header": ""}}"#,
        r#"picking.header: found ""; expected the name of a header, such as "x-sidestep-host""#,
    ),
    bad(
        "a header with a space",
        r#"{"picking": {"header": "x host"}}"#,
        r#"picking.header: found "x host"; expected the name of a header, such as "x-sidestep-host""#,
    ),
    bad(
        "a header with a line break",
        r#"{"picking": {"header": "x-host\r\nx-other"}}"#,
        r#"picking.header: found "x-host\r\nx-other"; expected the name of a header, such as "x-sidestep-host""#,
    ),
    bad(
        "a header with a long name",
        r#"{"picking": {"header": "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}}"#,
        r#"picking.header: found "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...; expected the name of a header, such as "x-sidestep-host""#,
    ),
    bad(
        "a pseudo-header",
        r#"{"picking": {"header": ":authority"}}"#,
        r#"picking.header: found ":authority"; expected a header that has no other use, such as "x-sidestep-host""#,
    ),
    bad(
        "the header Host",
        r#"{"picking": {"header": "Host"}}"#,
        r#"picking.header: found "Host"; expected a header that has no other use, such as "x-sidestep-host""#,
    ),
    bad(
        "a header of the connection",
        r#"{"picking": {"header": "transfer-encoding"}}"#,
        r#"picking.header: found "transfer-encoding"; expected a header that has no other use, such as "x-sidestep-host""#,
    ),
    bad(
        "a header of Envoy's",
        r#"{"picking": {"header": "x-envoy-original-dst-host"}}"#,
        r#"picking.header: found "x-envoy-original-dst-host"; expected a header that has no other use, such as "x-sidestep-host""#,
    ),
];
