//! Configurations: good ones, field by field, and nonsense.

use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Map, Value, json};

type Any = BoxedStrategy<Value>;

/// Any JSON, mostly nonsense.
pub(crate) fn nonsense() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        select(vec!["30s", "5xx", "10.0.0.1:80", "x-host"]).prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 64, 8, |inner| {
        let names = select(vec![
            "outlier_detection",
            "slow",
            "retry",
            "picking",
            "probe",
            "matchers",
            "clusters",
            "routes",
            "hosts",
            "header",
            "interval",
            "status",
            "outcome",
            "value",
            "seconds",
        ]);
        let name = prop_oneof![any::<String>(), names.prop_map(str::to_owned)];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::vec((name, inner), 0..8).prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn boolean() -> Any {
    any::<bool>().prop_map(Value::from).boxed()
}

fn integer(least: u32, most: u32) -> Any {
    prop_oneof![
        (least..=most).prop_map(Value::from),
        (least..=most).prop_map(|number| Value::from(f64::from(number))),
    ]
    .boxed()
}

fn duration(least_ms: u64, most_ms: u64) -> Any {
    prop_oneof![
        (least_ms..=most_ms).prop_map(|ms| format!("{ms}ms")),
        (least_ms..=most_ms).prop_map(|ms| format!("{}.{:03}s", ms / 1000, ms % 1000)),
    ]
    .prop_map(Value::from)
    .boxed()
}

/// Some of these fields.
fn some_of(fields: Vec<(&'static str, Any)>) -> Any {
    let fields: Vec<_> = fields
        .into_iter()
        .map(|(name, value)| prop::option::of(value.prop_map(move |value| (name.to_owned(), value))))
        .collect();
    fields
        .prop_map(|fields| Value::Object(fields.into_iter().flatten().collect()))
        .boxed()
}

fn outlier_detection() -> Any {
    let count = || integer(0, u32::MAX);
    let percent = || integer(0, 100);
    some_of(vec![
        ("consecutive_5xx", count()),
        ("consecutive_gateway_failure", count()),
        ("consecutive_local_origin_failure", count()),
        ("split_external_local_origin_errors", boolean()),
        ("enforcing_consecutive_5xx", percent()),
        ("enforcing_consecutive_gateway_failure", percent()),
        ("enforcing_consecutive_local_origin_failure", percent()),
        ("interval", duration(1, 86_400_000)),
        ("base_ejection_time", duration(1, 60_000)),
        ("max_ejection_time", duration(60_000, 86_400_000)),
        ("max_ejection_time_jitter", duration(0, 86_400_000)),
        ("max_ejection_percent", percent()),
        ("success_rate_stdev_factor", count()),
        ("success_rate_minimum_hosts", count()),
        ("success_rate_request_volume", count()),
        ("enforcing_success_rate", percent()),
        ("enforcing_local_origin_success_rate", percent()),
        ("failure_percentage_threshold", percent()),
        ("failure_percentage_minimum_hosts", count()),
        ("failure_percentage_request_volume", count()),
        ("enforcing_failure_percentage", percent()),
        ("enforcing_failure_percentage_local_origin", percent()),
        ("always_eject_one_host", boolean()),
        ("successful_active_health_check_uneject_host", boolean()),
        ("detect_degraded_hosts", Just(Value::from(false)).boxed()),
        ("slow", slow()),
    ])
}

fn slow() -> Any {
    some_of(vec![
        (
            "factor",
            prop_oneof![(1.1..=1000.0).prop_map(Value::from), (2..=1000).prop_map(Value::from)].boxed(),
        ),
        ("threshold", duration(1, 3_600_000)),
        ("percentile", integer(1, 99)),
        ("minimum_difference", duration(0, 3_600_000)),
        ("minimum_hosts", integer(2, u32::MAX)),
        ("request_volume", integer(1, u32::MAX)),
        ("enforcing", integer(0, 100)),
    ])
}

fn text(regex: &'static str) -> Any {
    regex.prop_map(Value::from).boxed()
}

/// Statuses as ranges, in each form.
fn statuses() -> Any {
    let status = || 100_u16..=599;
    let range = || {
        prop_oneof![
            status().prop_map(Value::from),
            (status(), status()).prop_map(|(a, b)| Value::from(format!("{}-{}", a.min(b), a.max(b)))),
        ]
    };
    prop_oneof![range(), prop::collection::vec(range(), 1..6).prop_map(Value::from)].boxed()
}

fn probe() -> Any {
    some_of(vec![
        ("enabled", boolean()),
        ("path", text("/[!-~]{0,20}")),
        ("method", text("[A-Z]{1,6}|M-SEARCH")),
        ("host", text("[!-~]{1,20}")),
        ("expected_statuses", prop_oneof![Just(json!("any")), statuses()].boxed()),
        ("interval", duration(5_000, 3_600_000)),
        ("timeout", duration(1, 5_000)),
        ("healthy_threshold", integer(1, 1000)),
        ("unhealthy_threshold", integer(1, 1000)),
        ("all", boolean()),
    ])
}

fn matchers() -> Any {
    let condition = prop_oneof![
        Just(json!({"present": true})),
        "[!-~]([ -~]{0,8}[!-~])?".prop_map(|value| json!({"exact": value})),
        "[!-~][ -~]{0,8}".prop_map(|value| json!({"prefix": value})),
    ];
    let header = ("[a-zA-Z0-9-]{1,12}", condition)
        .prop_map(|(name, condition)| json!({"header": merged(&json!({"name": name}), &condition)}));
    let status = statuses().prop_map(|statuses| json!({"status": statuses}));
    let both = (header.clone(), status.clone()).prop_map(|(header, status)| merged(&header, &status));
    let outcome = select(vec!["failure", "success", "ignored"]);
    let matcher = (prop_oneof![header, status, both], outcome)
        .prop_map(|(matcher, outcome)| merged(&matcher, &json!({"outcome": outcome})));
    prop::collection::vec(matcher, 0..5).prop_map(Value::from).boxed()
}

/// `retry_on` and `retriable_status_codes`, which belong together.
fn conditions() -> impl Strategy<Value = Map<String, Value>> {
    const NAMES: [&str; 7] = [
        "5xx",
        "gateway-error",
        "reset",
        "connect-failure",
        "refused-stream",
        "retriable-4xx",
        "envoy-ratelimited",
    ];
    let codes = prop::collection::vec(100_u16..=599, 0..5);
    (subsequence(NAMES.as_slice(), 0..=7), codes, any::<bool>()).prop_map(|(mut names, codes, as_text)| {
        if !codes.is_empty() {
            names.push("retriable-status-codes");
        }
        let names = if as_text { json!(names.join(",")) } else { json!(names) };
        Map::from_iter([
            ("retry_on".to_owned(), names),
            ("retriable_status_codes".to_owned(), json!(codes)),
        ])
    })
}

fn retry(top_level: Option<(&'static str, Any)>) -> Any {
    let mut fields = vec![
        ("num_retries", integer(0, 10)),
        ("timeout", duration(1, 3_600_000)),
        ("max_body_bytes", integer(0, 1 << 20)),
    ];
    fields.extend(top_level);
    (some_of(fields), prop::option::of(conditions()))
        .prop_map(|(fields, conditions)| merged(&fields, &Value::Object(conditions.unwrap_or_default())))
        .boxed()
}

fn picking(top_level: Vec<(&'static str, Any)>) -> Any {
    let mut fields = vec![
        ("discovery_percent", integer(0, 100)),
        ("max_hosts", integer(10, 10_000)),
        ("forget_after", duration(1000, 604_800_000)),
        ("ramp_time", duration(0, 3_600_000)),
        ("probation_timeout", duration(1, 3_600_000)),
        ("panic_threshold", integer(0, 100)),
    ];
    fields.extend(top_level);
    some_of(fields)
}

fn admin() -> Any {
    let cluster = ".{1,9}".prop_map(|name| json!({"cluster": name}));
    (cluster, some_of(vec![("interval", duration(1000, 3_600_000))]))
        .prop_map(|(cluster, interval)| merged(&cluster, &interval))
        .boxed()
}

/// The sections of the top level.
pub(crate) fn global() -> Any {
    some_of(vec![
        ("outlier_detection", outlier_detection()),
        ("retry", retry(Some(("max_held_bytes", integer(1 << 20, 1 << 28))))),
        (
            "picking",
            picking(vec![("header", text("[a-zA-Z]{1,5}-x")), ("admin", admin())]),
        ),
        ("probe", probe()),
        ("matchers", matchers()),
    ])
}

/// The sections of a cluster's block.
pub(crate) fn cluster() -> Any {
    some_of(vec![
        ("outlier_detection", outlier_detection()),
        ("retry", retry(None)),
        ("picking", picking(vec![])),
        ("probe", probe()),
        ("matchers", matchers()),
    ])
}

fn hosts() -> impl Strategy<Value = Value> {
    prop::collection::hash_set(
        (any::<std::net::IpAddr>(), any::<u16>()).prop_map(std::net::SocketAddr::from),
        0..10,
    )
    .prop_map(|hosts| {
        hosts
            .iter()
            .filter(|host| host.port() > 0)
            .map(|host| json!(host.to_string()))
            .collect()
    })
}

/// A configuration that loads.
pub(crate) fn valid() -> impl Strategy<Value = Value> {
    let clusters = prop::collection::hash_map(".+", (cluster(), hosts()), 0..4);
    let routes = prop::collection::hash_map(".+", some_of(vec![("matchers", matchers())]), 0..3);
    (global(), clusters, routes).prop_map(|(mut global, clusters, routes)| {
        let block = |(name, (block, hosts))| (name, merged(&block, &json!({"hosts": hosts})));
        global["clusters"] = Value::Object(clusters.into_iter().map(block).collect());
        global["routes"] = Value::Object(routes.into_iter().collect());
        global
    })
}

/// One object with the fields of both; where both have a field, objects are merged and else the second one's stays.
pub(crate) fn merged(below: &Value, above: &Value) -> Value {
    match (below, above) {
        (Value::Object(below), Value::Object(above)) => {
            let mut all = below.clone();
            for (name, value) in above {
                let value = below.get(name).map_or_else(|| value.clone(), |old| merged(old, value));
                all.insert(name.clone(), value);
            }
            Value::Object(all)
        }
        _ => above.clone(),
    }
}
