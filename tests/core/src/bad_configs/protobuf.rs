//! A block of `outlier_detection` as protobuf writes it, with a mistake.

use super::{BadConfig, bad};

pub(super) const PROTOBUF: &[BadConfig] = &[
    bad(
        "a field in both cases",
        r#"{"outlier_detection": {"base_ejection_time": "1s", "baseEjectionTime": "1s"}}"#,
        r#"outlier_detection.baseEjectionTime: found a second value, "1s"; expected each field at most once"#,
    ),
    bad(
        "a field in both cases, the other way round",
        r#"{"outlier_detection": {"enforcingConsecutive5xx": 0, "interval": "1s", "enforcing_consecutive_5xx": 0}}"#,
        "outlier_detection.enforcing_consecutive_5xx: found a second value, 0; expected each field at most once",
    ),
    bad(
        "a field in half of camel case",
        r#"{"outlier_detection": {"consecutive5XX": 5}}"#,
        r#"outlier_detection.consecutive5XX: found unknown field "consecutive5XX"; expected one of consecutive_5xx, consecutive_gateway_failure, consecutive_local_origin_failure, success_rate_minimum_hosts, success_rate_request_volume, success_rate_stdev_factor, failure_percentage_minimum_hosts, failure_percentage_request_volume, enforcing_consecutive_5xx, enforcing_consecutive_gateway_failure, enforcing_consecutive_local_origin_failure, enforcing_success_rate, enforcing_local_origin_success_rate, failure_percentage_threshold, enforcing_failure_percentage, enforcing_failure_percentage_local_origin, max_ejection_percent, split_external_local_origin_errors, always_eject_one_host, successful_active_health_check_uneject_host, interval, base_ejection_time, max_ejection_time, max_ejection_time_jitter, slow (did you mean consecutive_5xx?)"#,
    ),
    bad(
        "a name of Istio's own",
        r#"{"outlier_detection": {"consecutiveGatewayErrors": 5}}"#,
        r#"outlier_detection.consecutiveGatewayErrors: found unknown field "consecutiveGatewayErrors"; expected one of consecutive_5xx, consecutive_gateway_failure, consecutive_local_origin_failure, success_rate_minimum_hosts, success_rate_request_volume, success_rate_stdev_factor, failure_percentage_minimum_hosts, failure_percentage_request_volume, enforcing_consecutive_5xx, enforcing_consecutive_gateway_failure, enforcing_consecutive_local_origin_failure, enforcing_success_rate, enforcing_local_origin_success_rate, failure_percentage_threshold, enforcing_failure_percentage, enforcing_failure_percentage_local_origin, max_ejection_percent, split_external_local_origin_errors, always_eject_one_host, successful_active_health_check_uneject_host, interval, base_ejection_time, max_ejection_time, max_ejection_time_jitter, slow"#,
    ),
    bad(
        "a value out of range under a name in camel case",
        r#"{"outlier_detection": {"maxEjectionPercent": 101}}"#,
        "outlier_detection.maxEjectionPercent: found 101; expected an integer from 0 to 100",
    ),
    bad(
        "a maximum below the base in camel case",
        r#"{"outlier_detection": {"baseEjectionTime": "60s", "maxEjectionTime": "30s"}}"#,
        r#"outlier_detection.maxEjectionTime: found "30s"; expected at least base_ejection_time, which is 1m"#,
    ),
    bad(
        "a cluster's base in camel case above the global maximum",
        r#"{"outlier_detection": {"max_ejection_time": "60s"}, "clusters": {"a": {"outlier_detection": {"baseEjectionTime": "90s"}}}}"#,
        r#"clusters.a.outlier_detection.baseEjectionTime: found "90s"; expected at most max_ejection_time, which is 1m"#,
    ),
    bad(
        "an integer out of range in digits",
        r#"{"outlier_detection": {"enforcing_success_rate": "101"}}"#,
        r#"outlier_detection.enforcing_success_rate: found "101"; expected an integer from 0 to 100"#,
    ),
    bad(
        "digits with a sign",
        r#"{"outlier_detection": {"consecutive_5xx": "+5"}}"#,
        r#"outlier_detection.consecutive_5xx: found "+5"; expected an integer from 0 to 4294967295"#,
    ),
    bad(
        "digits with decimals",
        r#"{"outlier_detection": {"success_rate_stdev_factor": "1900.0"}}"#,
        r#"outlier_detection.success_rate_stdev_factor: found "1900.0"; expected an integer from 0 to 4294967295"#,
    ),
    bad(
        "no digits",
        r#"{"outlier_detection": {"failure_percentage_minimum_hosts": ""}}"#,
        r#"outlier_detection.failure_percentage_minimum_hosts: found ""; expected an integer from 0 to 4294967295"#,
    ),
    bad(
        "more digits than 32 bits hold",
        r#"{"outlier_detection": {"success_rate_request_volume": "4294967296"}}"#,
        r#"outlier_detection.success_rate_request_volume: found "4294967296"; expected an integer from 0 to 4294967295"#,
    ),
    bad(
        "a wrapper with a value out of range",
        r#"{"outlier_detection": {"failure_percentage_threshold": {"value": 101}}}"#,
        "outlier_detection.failure_percentage_threshold.value: found 101; expected an integer from 0 to 100",
    ),
    bad(
        "a wrapper with a fraction",
        r#"{"outlier_detection": {"success_rate_minimum_hosts": {"value": 4.5}}}"#,
        "outlier_detection.success_rate_minimum_hosts.value: found 4.5; expected an integer from 0 to 4294967295",
    ),
    bad(
        "a wrapper in a wrapper",
        r#"{"outlier_detection": {"consecutive_5xx": {"value": {"value": 5}}}}"#,
        r#"outlier_detection.consecutive_5xx.value: found {"value":5}; expected an integer from 0 to 4294967295"#,
    ),
    bad(
        "a wrapper with another field",
        r#"{"outlier_detection": {"enforcing_failure_percentage": {"val": 5}}}"#,
        r#"outlier_detection.enforcing_failure_percentage.val: found unknown field "val"; expected one of value"#,
    ),
    bad(
        "a wrapper with two values",
        r#"{"outlier_detection": {"enforcing_failure_percentage": {"value": 5, "value": 6}}}"#,
        "outlier_detection.enforcing_failure_percentage.value: found a second value, 6; expected each field at most once",
    ),
    bad(
        "a wrapper of a bool with a number",
        r#"{"outlier_detection": {"always_eject_one_host": {"value": 1}}}"#,
        "outlier_detection.always_eject_one_host.value: found 1; expected true or false",
    ),
    bad(
        "a bool in quotes",
        r#"{"outlier_detection": {"successful_active_health_check_uneject_host": "true"}}"#,
        r#"outlier_detection.successful_active_health_check_uneject_host: found "true"; expected true or false"#,
    ),
    bad(
        "a message of a duration that is too long",
        r#"{"outlier_detection": {"max_ejection_time": {"seconds": 86401}}}"#,
        r#"outlier_detection.max_ejection_time: found {"seconds":86401}; expected a duration from 1ms to 24h, such as "30s" or "250ms""#,
    ),
    bad(
        "a message of no duration",
        r#"{"outlier_detection": {"interval": {}}}"#,
        r#"outlier_detection.interval: found {}; expected a duration from 1ms to 24h, such as "30s" or "250ms""#,
    ),
    bad(
        "a message of a negative duration",
        r#"{"outlier_detection": {"base_ejection_time": {"seconds": -1}}}"#,
        "outlier_detection.base_ejection_time.seconds: found -1; expected an integer from 0 to 4294967295",
    ),
    bad(
        "a message of a duration with too many nanoseconds",
        r#"{"outlier_detection": {"base_ejection_time": {"seconds": 1, "nanos": 1000000000}}}"#,
        "outlier_detection.base_ejection_time.nanos: found 1000000000; expected an integer from 0 to 999999999",
    ),
    bad(
        "a message of a duration with a fraction of a second",
        r#"{"outlier_detection": {"base_ejection_time": {"seconds": 1.5}}}"#,
        "outlier_detection.base_ejection_time.seconds: found 1.5; expected an integer from 0 to 4294967295",
    ),
    bad(
        "a message of a duration in other units",
        r#"{"outlier_detection": {"base_ejection_time": {"millis": 500}}}"#,
        r#"outlier_detection.base_ejection_time.millis: found unknown field "millis"; expected one of seconds, nanos"#,
    ),
    bad(
        "a duration with ten decimals",
        r#"{"outlier_detection": {"interval": "1.0000000001s"}}"#,
        r#"outlier_detection.interval: found "1.0000000001s"; expected a duration from 1ms to 24h, such as "30s" or "250ms""#,
    ),
    bad(
        "a duration in digits alone",
        r#"{"outlier_detection": {"interval": "10"}}"#,
        r#"outlier_detection.interval: found "10"; expected a duration from 1ms to 24h, such as "30s" or "250ms""#,
    ),
    bad(
        "monitors",
        r#"{"outlier_detection": {"monitors": [{"name": "envoy.outlier_detection_monitors.consecutive_errors"}]}}"#,
        r#"outlier_detection.monitors: found [{"name":"envoy.outlier_detection_monitors.consecutive_er...; expected no monitors: they are extensions of Envoy's, which calls them not implemented"#,
    ),
    bad(
        "monitors in an older form",
        r#"{"outlier_detection": {"monitors": {"consecutive_errors": [{"threshold": 5}]}}}"#,
        r#"outlier_detection.monitors: found {"consecutive_errors":[{"threshold":5}]}; expected no monitors: they are extensions of Envoy's, which calls them not implemented"#,
    ),
    bad(
        "degraded hosts",
        r#"{"outlier_detection": {"detect_degraded_hosts": true}}"#,
        "outlier_detection.detect_degraded_hosts: found true; expected false: sidestep ejects hosts, and knows no degraded ones",
    ),
    bad(
        "degraded hosts in camel case, wrapped",
        r#"{"outlier_detection": {"detectDegradedHosts": {"value": true}}}"#,
        r#"outlier_detection.detectDegradedHosts: found {"value":true}; expected false: sidestep ejects hosts, and knows no degraded ones"#,
    ),
    bad(
        "degraded hosts as text",
        r#"{"outlier_detection": {"detect_degraded_hosts": "false"}}"#,
        r#"outlier_detection.detect_degraded_hosts: found "false"; expected true or false"#,
    ),
    bad(
        "degraded hosts twice",
        r#"{"outlier_detection": {"detect_degraded_hosts": false, "detectDegradedHosts": false}}"#,
        "outlier_detection.detectDegradedHosts: found a second value, false; expected each field at most once",
    ),
    bad(
        "camel case outside of outlier_detection",
        r#"{"retry": {"numRetries": 1}}"#,
        r#"retry.numRetries: found unknown field "numRetries"; expected one of engine, retry_on, num_retries, retriable_status_codes, timeout, per_try_timeout, max_body_bytes, max_held_bytes, max_concurrent_retries, budget, back_off, max_retry_after, hedge, report (did you mean num_retries?)"#,
    ),
    bad(
        "the section in camel case",
        r#"{"outlierDetection": {}}"#,
        r#"outlierDetection: found unknown field "outlierDetection"; expected one of outlier_detection, retry, picking, probe, matchers, clusters, routes, status, etcd, backup, fleet (did you mean outlier_detection?)"#,
    ),
    bad(
        "digits outside of outlier_detection",
        r#"{"picking": {"panic_threshold": "50"}}"#,
        r#"picking.panic_threshold: found "50"; expected an integer from 0 to 100"#,
    ),
    bad(
        "a wrapper outside of outlier_detection",
        r#"{"picking": {"panic_threshold": {"value": 50}}}"#,
        r#"picking.panic_threshold: found {"value":50}; expected an integer from 0 to 100"#,
    ),
    bad(
        "a message of a duration outside of outlier_detection",
        r#"{"probe": {"interval": {"seconds": 5}}}"#,
        r#"probe.interval: found {"seconds":5}; expected a duration from 100ms to 1h, such as "30s" or "250ms""#,
    ),
];
