//! Whatever the admin interface answers, reading it ends well: in an orderly list, or in one error.

#![cfg(not(target_arch = "wasm32"))]

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::Value;
use sidestep::discover::hosts;
use std::collections::HashSet;

/// See `discovery.rs`.
const ENVOY: &[u8] = include_bytes!("../src/admin_clusters.json");

fn all(_: &str) -> Option<usize> {
    Some(usize::MAX)
}

const NAMES: [&str; 14] = [
    "cluster_statuses",
    "clusterStatuses",
    "name",
    "host_statuses",
    "hostStatuses",
    "address",
    "socket_address",
    "socketAddress",
    "port_value",
    "portValue",
    "priority",
    "health_status",
    "eds_health_status",
    "failed_active_health_check",
];

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u16>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        select(vec!["10.0.0.1", "::1", "c", "DRAINING"]).prop_map(Value::from),
    ];
    leaf.prop_recursive(8, 128, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::vec((select(NAMES.to_vec()), inner), 0..8).prop_map(|fields| {
                let fields = fields.into_iter().map(|(name, value)| (name.to_owned(), value));
                Value::Object(fields.collect())
            }),
        ]
    })
}

/// Puts `by` in the place of the value with this number, counted from the outside in.
fn replace(value: &mut Value, mut place: usize, by: &Value) -> usize {
    if place == 0 {
        value.clone_from(by);
        return usize::MAX;
    }
    place -= 1;
    let children: Vec<&mut Value> = match value {
        Value::Array(items) => items.iter_mut().collect(),
        Value::Object(fields) => fields.values_mut().collect(),
        _ => Vec::new(),
    };
    for child in children {
        place = replace(child, place, by);
        if place == usize::MAX {
            break;
        }
    }
    place
}

proptest! {
    #[test]
    fn any_json_is_read_or_refused(json in json()) {
        // Whatever comes out, it is in order.
        if let Ok(listing) = hosts(json.to_string().as_bytes(), |_| Some(3)) {
            let names: HashSet<_> = listing.clusters.iter().map(|cluster| &cluster.name).collect();
            prop_assert_eq!(names.len(), listing.clusters.len());
            for cluster in &listing.clusters {
                prop_assert!(cluster.hosts.len() <= 3);
                prop_assert!(cluster.hosts.is_sorted_by(|a, b| a.addr < b.addr));
            }
        }
    }

    #[test]
    fn one_odd_value_costs_one_cluster_at_most(place in 2..400_usize, by in json()) {
        let mut json: Value = serde_json::from_slice(ENVOY).unwrap();
        let before = hosts(ENVOY, all).unwrap();
        // 0 would be the body, and 1 the list of clusters, which have no rest that could be read.
        replace(&mut json, place, &by);
        let after = hosts(json.to_string().as_bytes(), all).unwrap();
        let whole = before.clusters.iter().filter(|cluster| after.clusters.contains(cluster)).count();
        prop_assert!(whole + 1 >= before.clusters.len());
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200), cut in 0..6000_usize) {
        let _ = hosts(&bytes, all);
        let mut spoilt = ENVOY[..cut].to_vec();
        spoilt.extend(&bytes);
        spoilt.extend(&ENVOY[(cut + bytes.len()).min(ENVOY.len())..]);
        let _ = hosts(&spoilt, all);
    }
}
