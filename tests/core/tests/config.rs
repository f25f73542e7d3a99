//! The plugin's configuration: what loads, what it comes to, and what is refused with which words.

use sidestep::config::{
    Admin, Config, ConfigError, HeaderCondition, HeaderMatcher, MatchedOutcome, Matcher, Probe, Slow,
};
use sidestep::model::{HostAddr, Percent};
use sidestep_core::bad_configs::BAD_CONFIGS;
use sidestep_core::good_configs::{GOOD_CONFIGS, PASTED_CONFIGS, SECTION_CONFIGS};
use sidestep_core::test;
use std::time::Duration;

fn read(json: &str) -> Result<Config, ConfigError> {
    Config::from_json(json.as_bytes())
}

fn refusal(bytes: &[u8]) -> String {
    Config::from_json(bytes).expect_err("must be refused").to_string()
}

#[test]
fn what_is_wrong_is_said_in_one_line_with_path_found_and_expected() {
    let mut surprises = Vec::new();
    for bad in BAD_CONFIGS {
        let said = read(bad.json).map_or_else(|error| error.to_string(), |_| "it loads".to_owned());
        if said != bad.error {
            surprises.push(format!("{}:\n  {said}\n  instead of\n  {}", bad.name, bad.error));
        }
    }
    assert!(surprises.is_empty(), "{}", surprises.join("\n"));
}

#[test]
fn what_is_refused_is_known_by_a_name_of_its_own() {
    for (i, bad) in BAD_CONFIGS.iter().enumerate() {
        assert!(
            BAD_CONFIGS[..i].iter().all(|other| other.name != bad.name),
            "{}",
            bad.name
        );
    }
    assert!(BAD_CONFIGS.len() >= 40);
}

#[test]
fn what_means_the_same_reads_the_same() {
    for good in [GOOD_CONFIGS, PASTED_CONFIGS, SECTION_CONFIGS].concat() {
        let config = read(good.json).unwrap_or_else(|error| panic!("{}: {error}", good.name));
        let same = read(good.same_as).unwrap_or_else(|error| panic!("{}, written otherwise: {error}", good.name));
        assert_eq!(config, same, "{}", good.name);
    }
}

#[test]
fn every_field_reaches_the_policy() {
    let config = read(
        r#"{
            "outlier_detection": {
                "consecutive_5xx": 11, "consecutive_gateway_failure": 12, "consecutive_local_origin_failure": 13,
                "split_external_local_origin_errors": true, "enforcing_consecutive_5xx": 14,
                "enforcing_consecutive_gateway_failure": 15, "enforcing_consecutive_local_origin_failure": 16,
                "interval": "17s", "base_ejection_time": "18s", "max_ejection_time": "19s",
                "max_ejection_time_jitter": "20s", "max_ejection_percent": 21, "success_rate_stdev_factor": 40,
                "success_rate_minimum_hosts": 41, "success_rate_request_volume": 42, "enforcing_success_rate": 43,
                "enforcing_local_origin_success_rate": 44, "failure_percentage_threshold": 45,
                "failure_percentage_minimum_hosts": 46, "failure_percentage_request_volume": 47,
                "enforcing_failure_percentage": 48, "enforcing_failure_percentage_local_origin": 49,
                "always_eject_one_host": false, "successful_active_health_check_uneject_host": true,
                "slow": {
                    "factor": 5.123, "threshold": "51s", "percentile": 52, "minimum_difference": "53ms",
                    "minimum_hosts": 54, "request_volume": 55, "enforcing": 56
                }
            },
            "retry": {
                "retry_on": ["5xx", "retriable-status-codes"], "retriable_status_codes": [422], "num_retries": 3,
                "timeout": "23s", "max_body_bytes": 24, "max_held_bytes": 25
            },
            "picking": {
                "header": "x-26", "discovery_percent": 27, "max_hosts": 28, "forget_after": "29s",
                "ramp_time": "33s", "probation_timeout": "34s", "panic_threshold": 35,
                "admin": {"cluster": "envoy-admin", "interval": "36s"}
            },
            "clusters": {"a": {"hosts": ["10.0.0.30:31", "[::1]:32"]}}
        }"#,
    )
    .expect("loads");
    let percent = |value| Percent::new(value).expect("a percentage");
    assert_eq!(config.override_header, "x-26");
    assert_eq!(config.bounds.held_bytes, 25);
    let admin = Admin {
        cluster: "envoy-admin".to_owned(),
        interval: Duration::from_secs(36),
    };
    assert_eq!(config.admin, Some(admin));

    let policy = config.cluster("a");
    let hosts = ["10.0.0.30:31", "[::1]:32"].map(|host| host.parse::<HostAddr>().expect("a host"));
    assert_eq!(policy.hosts, hosts);
    assert!(config.cluster("b").hosts.is_empty());

    let ejection = &policy.outlier_detection;
    assert_eq!(ejection.consecutive_5xx, 11);
    assert_eq!(ejection.consecutive_gateway_failure, 12);
    assert_eq!(ejection.consecutive_local_origin_failure, 13);
    assert!(ejection.split_external_local_origin_errors);
    assert_eq!(ejection.enforcing_consecutive_5xx, percent(14));
    assert_eq!(ejection.enforcing_consecutive_gateway_failure, percent(15));
    assert_eq!(ejection.enforcing_consecutive_local_origin_failure, percent(16));
    assert_eq!(ejection.interval, Duration::from_secs(17));
    assert_eq!(ejection.base_ejection_time, Duration::from_secs(18));
    assert_eq!(ejection.max_ejection_time, Duration::from_secs(19));
    assert_eq!(ejection.max_ejection_time_jitter, Duration::from_secs(20));
    assert_eq!(ejection.max_ejection_percent, percent(21));
    assert_eq!(ejection.success_rate_stdev_factor, 40);
    assert_eq!(ejection.success_rate_minimum_hosts, 41);
    assert_eq!(ejection.success_rate_request_volume, 42);
    assert_eq!(ejection.enforcing_success_rate, percent(43));
    assert_eq!(ejection.enforcing_local_origin_success_rate, percent(44));
    assert_eq!(ejection.failure_percentage_threshold, percent(45));
    assert_eq!(ejection.failure_percentage_minimum_hosts, 46);
    assert_eq!(ejection.failure_percentage_request_volume, 47);
    assert_eq!(ejection.enforcing_failure_percentage, percent(48));
    assert_eq!(ejection.enforcing_failure_percentage_local_origin, percent(49));
    assert!(!ejection.always_eject_one_host && ejection.successful_active_health_check_uneject_host);
    let slow = Slow {
        factor: 5123,
        threshold: Some(Duration::from_secs(51)),
        percentile: percent(52),
        minimum_difference: Duration::from_millis(53),
        minimum_hosts: 54,
        request_volume: 55,
        enforcing: percent(56),
    };
    assert_eq!(ejection.slow, slow);

    let retry = &policy.retry;
    assert!(retry.retry_on.any_5xx && retry.retry_on.retriable_status_codes && !retry.retry_on.reset);
    assert_eq!(retry.retriable_status_codes, [422]);
    assert_eq!(retry.num_retries, 3);
    assert_eq!(retry.timeout, Duration::from_secs(23));
    assert_eq!(retry.max_body_bytes, 24);

    let picking = &policy.picking;
    assert_eq!(picking.discovery_percent, percent(27));
    assert_eq!(picking.max_hosts, 28);
    assert_eq!(picking.forget_after, Duration::from_secs(29));
    assert_eq!(picking.ramp_time, Duration::from_secs(33));
    assert_eq!(picking.probation_timeout, Duration::from_secs(34));
    assert_eq!(picking.panic_threshold, percent(35));
}

#[test]
fn every_field_of_a_probe_reaches_the_policy() {
    let config = read(
        r#"{"clusters": {"a": {"probe": {
            "path": "/p?q=1", "method": "HEAD", "host": "h:1", "expected_statuses": [204, "300-399"], "interval": "4s",
            "timeout": "3s", "healthy_threshold": 5, "unhealthy_threshold": 6, "all": true
        }}}}"#,
    )
    .expect("loads");
    let probe = Probe {
        path: "/p?q=1".to_owned(),
        method: "HEAD".to_owned(),
        host: Some("h:1".to_owned()),
        expected_statuses: vec![204..=204, 300..=399],
        interval: Duration::from_secs(4),
        timeout: Duration::from_secs(3),
        healthy_threshold: 5,
        unhealthy_threshold: 6,
        all: true,
    };
    assert_eq!(config.cluster("a").probe, Some(probe));
    assert_eq!(config.cluster("b").probe, None);
}

#[test]
fn any_answer_may_pass_a_probe() {
    let config = read(r#"{"probe": {"expected_statuses": "any"}}"#).expect("loads");
    let probe = config.cluster("").probe.clone().expect("a probe");
    assert_eq!(probe.expected_statuses, []);
}

#[test]
fn a_probe_is_on_where_its_block_is_unless_it_says_no() {
    for (top, of_cluster, is_on, is_on_elsewhere) in [
        ("", "", false, false),
        (r#""probe": {},"#, "", true, true),
        ("", r#""probe": {}"#, true, false),
        (r#""probe": {"enabled": false},"#, "", false, false),
        (r#""probe": {"enabled": false},"#, r#""probe": {}"#, false, false),
        (
            r#""probe": {"enabled": false},"#,
            r#""probe": {"enabled": true}"#,
            true,
            false,
        ),
        (r#""probe": {},"#, r#""probe": {"enabled": false}"#, false, true),
        ("", r#""probe": {"enabled": false}"#, false, false),
    ] {
        let json = format!(r#"{{{top} "clusters": {{"a": {{{of_cluster}}}}}}}"#);
        let config = read(&json).expect("loads");
        assert_eq!(config.cluster("a").probe.is_some(), is_on, "{json}");
        assert_eq!(config.cluster("b").probe.is_some(), is_on_elsewhere, "{json}");
    }
}

#[test]
fn every_field_of_a_matcher_reaches_the_policy_and_the_route_in_the_order_of_the_list() {
    let list = r#"[
        {"status": [501, "520-529"], "outcome": "failure"},
        {"header": {"name": "x-a", "present": true}, "outcome": "success"},
        {"status": 500, "header": {"name": "x-b", "exact": "no such thing"}, "outcome": "ignored"},
        {"header": {"name": "x-c", "prefix": "err "}, "outcome": "failure"}
    ]"#;
    let matcher = |statuses: &[_], header: Option<(&str, HeaderCondition)>, outcome| Matcher {
        statuses: statuses.to_vec(),
        header: header.map(|(name, value)| HeaderMatcher {
            name: name.to_owned(),
            value,
        }),
        outcome,
    };
    let exact = HeaderCondition::Exact("no such thing".to_owned());
    let prefix = HeaderCondition::Prefix("err ".to_owned());
    let matchers = [
        matcher(&[501..=501, 520..=529], None, MatchedOutcome::Failure),
        matcher(&[], Some(("x-a", HeaderCondition::Present)), MatchedOutcome::Success),
        matcher(&[500..=500], Some(("x-b", exact)), MatchedOutcome::Ignored),
        matcher(&[], Some(("x-c", prefix)), MatchedOutcome::Failure),
    ];
    let config = read(&format!(
        r#"{{"clusters": {{"a": {{"matchers": {list}}}}}, "routes": {{"r": {{"matchers": {list}}}, "s": {{}}}}}}"#
    ))
    .expect("loads");
    assert_eq!(config.cluster("a").matchers, matchers);
    assert_eq!(config.cluster("b").matchers, []);
    assert_eq!(config.route("r").expect("a route").matchers, matchers);
    assert!(config.has_routes() && config.route("s").is_none() && config.route("a").is_none());
    assert!(!Config::default().has_routes());
}

#[test]
fn a_tick_is_an_eighth_of_the_shortest_interval_between_a_tenth_of_a_second_and_a_second() {
    for (json, millis) in [
        ("{}", 1000),
        (r#"{"outlier_detection": {"interval": "8s"}}"#, 1000),
        (r#"{"outlier_detection": {"interval": "3s"}}"#, 375),
        (r#"{"outlier_detection": {"interval": "1ms"}}"#, 100),
        (r#"{"probe": {"interval": "2s"}}"#, 250),
        (r#"{"probe": {"interval": "2s", "enabled": false}}"#, 1000),
        (r#"{"picking": {"admin": {"cluster": "a", "interval": "1s"}}}"#, 125),
        (r#"{"clusters": {"a": {"outlier_detection": {"interval": "2s"}}}}"#, 250),
        (
            r#"{"outlier_detection": {"interval": "2s"}, "clusters": {"a": {"probe": {"interval": "1s"}}}}"#,
            125,
        ),
        (r#"{"probe": {"interval": "100ms"}}"#, 100),
    ] {
        let tick = read(json).expect("loads").tick();
        assert_eq!(tick, Duration::from_millis(millis), "{json}");
    }
}

#[test]
fn as_many_matchers_as_may_be_load() {
    let matchers = |count| vec![r#"{"status": 503, "outcome": "ignored"}"#; count].join(",");
    let config = read(&format!(r#"{{"matchers": [{}]}}"#, matchers(32))).expect("loads");
    assert_eq!(config.cluster("").matchers.len(), 32);
}

#[test]
fn what_is_not_ascii_has_no_place_in_a_probe() {
    for field in ["path", "host", "method"] {
        let error = read(&format!(r#"{{"probe": {{"{field}": "/gr\u00fcn"}}}}"#)).expect_err("refused");
        assert_eq!(error.path, format!("probe.{field}"));
    }
}

#[test]
fn each_condition_has_a_name_of_its_own() {
    let names = [
        "5xx",
        "gateway-error",
        "reset",
        "connect-failure",
        "refused-stream",
        "retriable-4xx",
        "retriable-status-codes",
        "envoy-ratelimited",
    ];
    let flags = names.map(|name| {
        let codes = if name == "retriable-status-codes" { "418" } else { "" };
        let json = format!(r#"{{"retry": {{"retry_on": "{name}", "retriable_status_codes": [{codes}]}}}}"#);
        let on = read(&json).expect("loads").cluster("").retry.retry_on;
        [
            on.any_5xx,
            on.gateway_error,
            on.reset,
            on.connect_failure,
            on.refused_stream,
            on.retriable_4xx,
            on.retriable_status_codes,
            on.envoy_ratelimited,
        ]
    });
    for (i, set) in flags.iter().enumerate() {
        let expected: [bool; 8] = std::array::from_fn(|flag| flag == i);
        assert_eq!(*set, expected, "{}", names[i]);
    }
}

#[test]
fn a_cluster_without_a_block_has_the_global_policy() {
    let config = read(r#"{"retry": {"num_retries": 4}, "clusters": {"a": {"retry": {"num_retries": 5}}}}"#);
    let config = config.expect("loads");
    assert_eq!(config.cluster("a").retry.num_retries, 5);
    assert_eq!(config.cluster("b").retry.num_retries, 4);
}

#[test]
fn bytes_that_are_no_text_are_refused() {
    const OBJECT: &str = r#"one object of JSON, such as {"retry": {"num_retries": 1}}"#;
    assert_eq!(
        refusal(b"{\"retry\": \"\xff\"}"),
        format!("configuration: found text that is no UTF-8, from byte 11 on; expected {OBJECT}")
    );
    assert_eq!(
        refusal(b"\x00asm"),
        format!(
            "configuration: found binary data, from byte 0 on; expected {OBJECT} in a google.protobuf.StringValue, \
             or the same as a google.protobuf.Struct"
        )
    );
}

#[test]
fn a_huge_configuration_is_refused_before_it_is_read() {
    const LIMIT: usize = 1024 * 1024;
    let mut bytes = b"{}".to_vec();
    bytes.resize(LIMIT, b' ');
    assert_eq!(Config::from_json(&bytes), Ok(Config::default()));
    bytes.push(b' ');
    assert_eq!(
        refusal(&bytes),
        "configuration: found 1048577 bytes; expected at most 1048576 bytes"
    );
}

#[test]
fn as_many_fields_as_fit_are_refused_without_much_ado() {
    let unknown = format!("{{{}\"a\":0}}", "\"a\":0,".repeat(170_000));
    assert!(refusal(unknown.as_bytes()).starts_with("a: found unknown field \"a\""));
    let repeated = format!("{{{}\"retry\":{{}}}}", "\"retry\":{},".repeat(80_000));
    assert!(refusal(repeated.as_bytes()).starts_with("retry: found a second value, {}"));
    let long = format!("{{\"{}\":0}}", "a".repeat(1_000_000));
    assert!(refusal(long.as_bytes()).len() < 500);
}

#[test]
fn ten_thousand_hosts_load() {
    let hosts: Vec<_> = (0..10_000)
        .map(|i| format!("\"10.0.{}.{}:80\"", i / 250, i % 250))
        .collect();
    let json = format!(
        r#"{{"picking": {{"max_hosts": 10000}}, "clusters": {{"a": {{"hosts": [{}]}}}}}}"#,
        hosts.join(",")
    );
    assert_eq!(read(&json).expect("loads").cluster("a").hosts.len(), 10_000);
}

#[test]
fn a_struct_of_protobuf_means_what_its_json_means() {
    // As Envoy 1.40 hands it over: `{ retry: { num_retries: 99 } }`.
    let mut bytes = b"\n%\n\x05retry\x12\x1c*\x1a\n\x18\n\x0bnum_retries\x12\t\x11\0\0\0\0\0\xc0X@".to_vec();
    assert_eq!(
        refusal(&bytes),
        "retry.num_retries: found 99; expected an integer from 0 to 10"
    );
    let number = bytes.len() - 8;
    bytes[number..].copy_from_slice(&3_f64.to_le_bytes());
    assert_eq!(Config::from_json(&bytes), read(r#"{"retry": {"num_retries": 3}}"#));
}
