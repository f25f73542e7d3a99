//! Whatever a configuration holds, reading it ends well: in a policy that keeps its promises, or in one line.

#![cfg(not(target_arch = "wasm32"))]

use proptest::prelude::*;
use proptest::sample::{Index, select, subsequence};
use serde_json::{Map, Value, json};
use sidestep::config::{ClusterPolicy, Config, ConfigError};
use std::collections::HashSet;

type Any = BoxedStrategy<Value>;

fn read(json: &Value) -> Result<Config, ConfigError> {
    Config::from_json(json.to_string().as_bytes())
}

/// Any JSON, mostly nonsense.
fn nonsense() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        select(vec!["30s", "5xx", "10.0.0.1:80", "x-host"]).prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 64, 8, |inner| {
        let names = select(vec!["retry", "clusters", "hosts", "picking", "header", "interval"]);
        let name = prop_oneof![any::<String>(), names.prop_map(str::to_owned)];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::vec((name, inner), 0..8).prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
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
    let failures = || integer(0, u32::MAX);
    let percent = || integer(0, 100);
    some_of(vec![
        ("consecutive_5xx", failures()),
        ("consecutive_gateway_failure", failures()),
        ("consecutive_local_origin_failure", failures()),
        (
            "split_external_local_origin_errors",
            any::<bool>().prop_map(Value::from).boxed(),
        ),
        ("enforcing_consecutive_5xx", percent()),
        ("enforcing_consecutive_gateway_failure", percent()),
        ("enforcing_consecutive_local_origin_failure", percent()),
        ("interval", duration(1, 86_400_000)),
        ("base_ejection_time", duration(1, 60_000)),
        ("max_ejection_time", duration(60_000, 86_400_000)),
        ("max_ejection_time_jitter", duration(0, 86_400_000)),
        ("max_ejection_percent", percent()),
    ])
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

fn picking(top_level: Option<(&'static str, Any)>) -> Any {
    let mut fields = vec![
        ("discovery_percent", integer(0, 100)),
        ("max_hosts", integer(10, 10_000)),
        ("forget_after", duration(1000, 604_800_000)),
    ];
    fields.extend(top_level);
    some_of(fields)
}

/// The sections of the top level.
fn global() -> Any {
    some_of(vec![
        ("outlier_detection", outlier_detection()),
        ("retry", retry(Some(("max_held_bytes", integer(1 << 20, 1 << 28))))),
        (
            "picking",
            picking(Some(("header", "[a-zA-Z]{1,5}-x".prop_map(Value::from).boxed()))),
        ),
    ])
}

/// The sections of a cluster's block.
fn cluster() -> Any {
    some_of(vec![
        ("outlier_detection", outlier_detection()),
        ("retry", retry(None)),
        ("picking", picking(None)),
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
fn valid() -> impl Strategy<Value = Value> {
    let clusters = prop::collection::hash_map(".+", (cluster(), hosts()), 0..4);
    (global(), clusters).prop_map(|(mut global, clusters)| {
        let block = |(name, (block, hosts))| (name, merged(&block, &json!({"hosts": hosts})));
        global["clusters"] = Value::Object(clusters.into_iter().map(block).collect());
        global
    })
}

/// One object with the fields of both; where both have a field, objects are merged and else the second one's stays.
fn merged(below: &Value, above: &Value) -> Value {
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

/// All values in this one, itself included, by JSON pointer.
fn places(value: &Value, here: &str, places: &mut Vec<String>) {
    places.push(here.to_owned());
    match value {
        Value::Array(items) => {
            for (i, item) in items.iter().enumerate() {
                self::places(item, &format!("{here}/{i}"), places);
            }
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                let name = name.replace('~', "~0").replace('/', "~1");
                self::places(field, &format!("{here}/{name}"), places);
            }
        }
        _ => {}
    }
}

/// What every reader of a policy relies on.
fn assert_promises(policy: &ClusterPolicy) {
    let ejection = &policy.outlier_detection;
    assert!(!ejection.interval.is_zero() && !ejection.base_ejection_time.is_zero());
    assert!(ejection.max_ejection_time >= ejection.base_ejection_time);
    let retry = &policy.retry;
    assert!(retry.num_retries <= 10 && !retry.timeout.is_zero());
    assert!(retry.retriable_status_codes.is_sorted_by(|a, b| a < b));
    assert!(!retry.retry_on.retriable_status_codes || !retry.retriable_status_codes.is_empty());
    assert!((1..=10_000).contains(&policy.picking.max_hosts) && policy.hosts.len() <= policy.picking.max_hosts);
    assert_eq!(policy.hosts.iter().collect::<HashSet<_>>().len(), policy.hosts.len());
    assert!(policy.hosts.iter().all(|host| host.socket_addr().port() > 0));
}

fn assert_ends_well(outcome: Result<Config, ConfigError>) {
    match outcome {
        Ok(config) => {
            for policy in config.policies() {
                assert_promises(policy);
                assert!(policy.retry.max_body_bytes <= config.max_held_bytes);
            }
            let header = &config.override_header;
            assert!(
                !header.is_empty() && !header.bytes().any(|byte| byte.is_ascii_uppercase()),
                "{header}"
            );
        }
        Err(error) => {
            let line = error.to_string();
            assert!(!line.chars().any(char::is_control), "{line:?}");
            assert!(line.contains(": found ") && line.contains("; expected "), "{line}");
            assert!(line.len() < 2000, "{line}");
        }
    }
}

/// A message of protobuf's: the field `number` with these bytes.
fn message(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut message = vec![number << 3 | 2];
    let mut size = bytes.len();
    while size > 127 {
        message.push(size as u8 | 0x80);
        size >>= 7;
    }
    message.push(size as u8);
    message.extend_from_slice(bytes);
    message
}

/// `google.protobuf.Value`.
fn wire_value(value: &Value) -> Vec<u8> {
    match value {
        Value::Null => vec![0x08, 0],
        Value::Bool(bool) => vec![0x20, u8::from(*bool)],
        Value::Number(number) => {
            let mut bytes = vec![0x11];
            bytes.extend(number.as_f64().expect("a double").to_le_bytes());
            bytes
        }
        Value::String(text) => message(3, text.as_bytes()),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().flat_map(|item| message(1, &wire_value(item))).collect();
            message(6, &items)
        }
        Value::Object(fields) => message(5, &wire_struct(fields)),
    }
}

/// `google.protobuf.Struct`.
fn wire_struct(fields: &Map<String, Value>) -> Vec<u8> {
    let entry = |(name, value): (&String, &Value)| {
        message(
            1,
            &[message(1, name.as_bytes()), message(2, &wire_value(value))].concat(),
        )
    };
    fields.iter().flat_map(entry).collect()
}

proptest! {
    #[test]
    fn any_bytes_end_well(bytes: Vec<u8>) {
        assert_ends_well(Config::from_json(&bytes));
    }

    #[test]
    fn any_text_ends_well(text in "[\\[\\]{}\":,a-z0-9.\\\\ \n#-]{0,60}") {
        assert_ends_well(Config::from_json(text.as_bytes()));
    }

    #[test]
    fn any_json_ends_well(json in nonsense()) {
        assert_ends_well(read(&json));
    }

    #[test]
    fn a_valid_configuration_loads(json in valid()) {
        let outcome = read(&json);
        prop_assert!(outcome.is_ok(), "{:?}", outcome);
        assert_ends_well(outcome);
    }

    #[test]
    fn a_valid_configuration_with_nonsense_somewhere_ends_well(mut json in valid(), at: Index, nonsense in nonsense()) {
        let mut places = Vec::new();
        self::places(&json, "", &mut places);
        *json.pointer_mut(&places[at.index(places.len())]).expect("a place in it") = nonsense;
        assert_ends_well(read(&json));
    }

    #[test]
    fn a_valid_configuration_with_a_field_too_many_is_refused_by_its_path(mut json in valid(), at: Index) {
        let mut places = Vec::new();
        self::places(&json, "", &mut places);
        // All objects but the map of clusters have a fixed set of fields.
        places.retain(|place| place != "/clusters" && json.pointer(place).is_some_and(Value::is_object));
        json.pointer_mut(&places[at.index(places.len())]).expect("an object")["stranger"] = json!(1);
        let error = read(&json).expect_err("refused");
        prop_assert!(error.path.ends_with("stranger"), "{}", error);
        prop_assert_eq!(error.found, "unknown field \"stranger\"");
    }

    #[test]
    fn a_cluster_has_what_its_block_says_and_else_what_the_top_says(global in global(), cluster in cluster()) {
        let flat = read(&merged(&global, &cluster)).expect("loads");
        let nested = read(&merged(&global, &json!({"clusters": {"a": cluster}}))).expect("loads");
        let global = read(&global).expect("loads");
        prop_assert_eq!(nested.cluster("a"), flat.cluster("a"));
        prop_assert_eq!(nested.cluster("b"), global.cluster("b"));
    }

    #[test]
    fn a_struct_means_what_the_same_json_means(json in valid()) {
        let bytes = wire_struct(json.as_object().expect("an object"));
        prop_assert_eq!(Config::from_json(&bytes), read(&json));
    }

    #[test]
    fn a_struct_of_nonsense_is_refused_like_the_same_json(json in nonsense()) {
        if let Value::Object(fields) = &json {
            // Not by what was found: a double that was text on its way may have lost its last digit.
            let refusal = |outcome: Result<Config, ConfigError>| outcome.map_err(|error| (error.path, error.expected));
            prop_assert_eq!(refusal(Config::from_json(&wire_struct(fields))), refusal(read(&json)));
        }
    }

    #[test]
    fn a_cut_or_altered_struct_ends_well(json in valid(), cut: Index, at: Index, byte: u8) {
        let mut bytes = wire_struct(json.as_object().expect("an object"));
        bytes.truncate(cut.index(bytes.len() + 1));
        if !bytes.is_empty() {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        assert_ends_well(Config::from_json(&bytes));
    }
}
