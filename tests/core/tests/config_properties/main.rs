//! Whatever a configuration holds, reading it ends well: in a policy that keeps its promises, or in one line.

#![cfg(not(target_arch = "wasm32"))]

mod generate;
mod protobuf;

use generate::{cluster, global, merged, nonsense, valid};
use proptest::prelude::*;
use proptest::sample::Index;
use protobuf::{respelled, wire_struct};
use serde_json::{Value, json};
use sidestep::config::{ClusterPolicy, Config, ConfigError, HeaderCondition, Matcher};
use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::time::Duration;

fn read(json: &Value) -> Result<Config, ConfigError> {
    Config::from_json(json.to_string().as_bytes())
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
    let slow = &ejection.slow;
    assert!((1100..=1_000_000).contains(&slow.factor) && slow.minimum_hosts >= 2 && slow.request_volume >= 1);
    assert!((1..=99).contains(&slow.percentile.get()) && slow.threshold.is_none_or(|bound| !bound.is_zero()));
    let retry = &policy.retry;
    assert!(retry.num_retries <= 10 && !retry.timeout.is_zero());
    assert!(retry.retriable_status_codes.is_sorted_by(|a, b| a < b));
    assert!(!retry.retry_on.retriable_status_codes || !retry.retriable_status_codes.is_empty());
    assert!((1..=10_000).contains(&policy.picking.max_hosts) && policy.hosts.len() <= policy.picking.max_hosts);
    assert_eq!(policy.hosts.iter().collect::<HashSet<_>>().len(), policy.hosts.len());
    assert!(policy.hosts.iter().all(|host| host.socket_addr().port() > 0));
    assert!(!policy.picking.probation_timeout.is_zero());
    if let Some(probe) = &policy.probe {
        assert!(probe.path.starts_with('/') && probe.timeout <= probe.interval && !probe.timeout.is_zero());
        assert!(probe.interval >= Duration::from_millis(100));
        assert!(probe.healthy_threshold > 0 && probe.unhealthy_threshold > 0);
        assert!(probe.host.as_ref().is_none_or(|host| !host.is_empty()) && !probe.method.is_empty());
        let host = probe.host.iter().flat_map(|host| host.bytes());
        assert!(
            host.chain(probe.path.bytes())
                .chain(probe.method.bytes())
                .all(|b| b.is_ascii_graphic())
        );
        assert_apart(&probe.expected_statuses);
    }
    assert_matchers(&policy.matchers);
}

fn assert_matchers(matchers: &[Matcher]) {
    assert!(matchers.len() <= 32);
    for matcher in matchers {
        assert!(!matcher.statuses.is_empty() || matcher.header.is_some());
        assert_apart(&matcher.statuses);
        if let Some(header) = &matcher.header {
            assert!(!header.name.is_empty() && header.name == header.name.to_ascii_lowercase());
            if let HeaderCondition::Exact(value) | HeaderCondition::Prefix(value) = &header.value {
                assert!(!value.is_empty() && !value.contains('\n'));
            }
        }
    }
}

/// Sorted, with a status in between that is in none of them.
fn assert_apart(ranges: &[RangeInclusive<u16>]) {
    assert!(ranges.iter().all(|range| !range.is_empty()));
    assert!(ranges.is_sorted_by(|a, b| a.end() + 1 < *b.start()), "{ranges:?}");
    assert!(ranges.iter().all(|range| *range.start() >= 100 && *range.end() <= 599));
}

fn assert_ends_well(outcome: Result<Config, ConfigError>) {
    match outcome {
        Ok(config) => {
            for policy in config.policies() {
                assert_promises(policy);
                assert!(policy.retry.max_body_bytes <= config.bounds.held_bytes);
            }
            assert!((Duration::from_millis(100)..=Duration::from_secs(1)).contains(&config.tick()));
            assert!(config.admin.as_ref().is_none_or(|admin| !admin.cluster.is_empty()));
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
    fn a_valid_configuration_with_a_field_too_many_is_refused_by_its_path(json in valid(), dice: u64, at: Index) {
        let mut json = respelled(&json, dice);
        let mut places = Vec::new();
        self::places(&json, "", &mut places);
        // All objects but the maps of clusters and routes have a fixed set of fields.
        let is_map = |place: &str| place == "/clusters" || place == "/routes";
        places.retain(|place| !is_map(place) && json.pointer(place).is_some_and(Value::is_object));
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
    fn outlier_detection_means_the_same_in_every_spelling_of_protobuf(json in valid(), dice: u64) {
        prop_assert_eq!(read(&respelled(&json, dice)), read(&json));
    }

    #[test]
    fn nonsense_in_a_spelling_of_protobuf_ends_well(json in valid(), dice: u64, at: Index, nonsense in nonsense()) {
        let mut json = respelled(&json, dice);
        let mut places = Vec::new();
        self::places(&json, "", &mut places);
        *json.pointer_mut(&places[at.index(places.len())]).expect("a place in it") = nonsense;
        assert_ends_well(read(&json));
    }

    #[test]
    fn a_struct_means_what_the_same_json_means(json in valid(), dice: u64) {
        let json = respelled(&json, dice);
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
