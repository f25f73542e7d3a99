//! Envoy's admin interface, as far as a filter can ask it: `GET /clusters?format=json`, with or without a `filter`.

use crate::engine::Engine;
use crate::reply::Reply;
use crate::upstream::{Cluster, Fitness};
use std::fmt::Write;

/// The one host of the cluster that is the admin interface.
pub(crate) const ADDRESS: &str = "127.0.0.1:9901";

/// What every host is listed with, in Envoy's own words and white space: it is most of what there is to read.
const STATS: [(&str, &str); 9] = [
    ("", "cx_connect_fail"),
    ("", "cx_total"),
    ("", "rq_error"),
    ("", "rq_success"),
    ("", "rq_timeout"),
    ("", "rq_total"),
    ("GAUGE", "cx_active"),
    ("GAUGE", "rq_active"),
    ("GAUGE", "rq_pending_active"),
];

impl Engine {
    pub(crate) fn admin_has(&self, host: &str) -> bool {
        host == ADDRESS && self.admin.is_some()
    }

    pub(crate) fn admin_answer(&self, path: &str) -> Reply {
        let Some(query) = path.strip_prefix("/clusters?") else {
            return Reply::status(404).body("invalid path");
        };
        if !query.split('&').any(|part| part == "format=json") {
            return Reply::status(200).body("not in JSON");
        }
        let filter = query.split('&').find_map(|part| part.strip_prefix("filter="));
        let names = filter.map(names_of);
        let mut json = String::from("{\n \"cluster_statuses\": [");
        let wanted = |name: &String| names.as_ref().is_none_or(|names| names.contains(name));
        let listed = self.clusters.iter().filter(|(name, _)| wanted(name));
        for (index, (name, cluster)) in listed.enumerate() {
            let comma = if index > 0 { "," } else { "" };
            let _ = write!(json, "{comma}\n  {{\n   \"name\": \"{name}\",\n   \"host_statuses\": [");
            for (index, host) in cluster.hosts().iter().enumerate() {
                json.push_str(if index > 0 { ",\n" } else { "\n" });
                json.push_str(&status(cluster, host));
            }
            let _ = write!(json, "\n   ],\n   \"observability_name\": \"{name}\"\n  }}");
        }
        json.push_str("\n ]\n}\n");
        Reply::status(200).header("content-type", "application/json").body(json)
    }
}

/// The names that a filter of the form `^(one|other)$` matches, whose characters may stand behind backslashes.
fn names_of(filter: &str) -> Vec<String> {
    let mut bytes = Vec::new();
    let mut rest = filter.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits: String = rest.by_ref().take(2).map(char::from).collect();
            bytes.push(u8::from_str_radix(&digits, 16).expect("two hexadecimal digits"));
        } else {
            bytes.push(byte);
        }
    }
    let pattern = String::from_utf8(bytes).expect("a pattern that is text");
    let inner = pattern.strip_prefix("^(").and_then(|rest| rest.strip_suffix(")$"));
    let inner = inner.expect("the only form of a filter that is known here");
    inner.split('|').map(|name| name.replace('\\', "")).collect()
}

fn status(cluster: &Cluster, host: &str) -> String {
    let address = match host.rsplit_once(':') {
        Some((ip, port)) => {
            let ip = ip.trim_matches(['[', ']']);
            format!("\"socket_address\": {{\n       \"address\": \"{ip}\",\n       \"port_value\": {port}\n      }}")
        }
        None => format!("\"pipe\": {{\n       \"path\": \"{host}\"\n      }}"),
    };
    let stats = STATS.map(|(kind, name)| match kind {
        "" => format!("      {{\n       \"name\": \"{name}\"\n      }}"),
        _ => format!("      {{\n       \"type\": \"{kind}\",\n       \"name\": \"{name}\"\n      }}"),
    });
    let (failed, eds) = match cluster.fitness.get(host).copied().unwrap_or(Fitness::Fit) {
        Fitness::Fit => ("", "HEALTHY"),
        Fitness::FailedHealthCheck => ("\"failed_active_health_check\": true,\n      ", "HEALTHY"),
        Fitness::FailedOutlierCheck => ("\"failed_outlier_check\": true,\n      ", "HEALTHY"),
        Fitness::Unhealthy => ("", "UNHEALTHY"),
        Fitness::Draining => ("", "DRAINING"),
        Fitness::Degraded => ("", "DEGRADED"),
    };
    format!(
        "    {{\n     \"address\": {{\n      {address}\n     }},\n     \"stats\": [\n{}\n     ],\n     \
         \"health_status\": {{\n      {failed}\"eds_health_status\": \"{eds}\"\n     }},\n     \"weight\": 1,\n     \
         \"locality\": {{}}\n    }}",
        stats.join(",\n")
    )
}
