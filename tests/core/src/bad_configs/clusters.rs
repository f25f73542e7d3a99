//! Blocks of clusters, and fields that contradict each other.

use super::{BadConfig, bad};

pub(super) const CLUSTERS: &[BadConfig] = &[
    // Clusters.
    bad(
        "clusters as a list",
        r#"{"clusters": [{"name": "a"}]}"#,
        r#"clusters: found [{"name":"a"}]; expected an object"#,
    ),
    bad(
        "a cluster as a list of hosts",
        r#"{"clusters": {"a": ["10.0.0.1:80"]}}"#,
        r#"clusters.a: found ["10.0.0.1:80"]; expected an object"#,
    ),
    bad(
        "a cluster that is null",
        r#"{"clusters": {"a": null}}"#,
        "clusters.a: found null; expected an object (or no such field, for its default)",
    ),
    bad(
        "a cluster without a name",
        r#"{"clusters": {"": {}}}"#,
        r#"clusters."": found ""; expected the name of a cluster"#,
    ),
    bad(
        "the same cluster twice",
        r#"{"clusters": {"a": {}, "b": {}, "a": {}}}"#,
        "clusters.a: found a second block for this cluster; expected each cluster at most once",
    ),
    bad(
        "an unknown field of a cluster",
        r#"{"clusters": {"a": {"host": []}}}"#,
        r#"clusters.a.host: found unknown field "host"; expected one of standby_cluster, outlier_detection, retry, picking, probe, matchers, hosts (did you mean hosts?)"#,
    ),
    bad(
        "a cluster in a cluster",
        r#"{"clusters": {"a": {"clusters": {}}}}"#,
        r#"clusters.a.clusters: found unknown field "clusters"; expected one of standby_cluster, outlier_detection, retry, picking, probe, matchers, hosts"#,
    ),
    bad(
        "a cluster with a dot in its name",
        r#"{"clusters": {"a.b": {"retry": {"num_retries": 11}}}}"#,
        r#"clusters."a.b".retry.num_retries: found 11; expected an integer from 0 to 10"#,
    ),
    bad(
        "a header of a single cluster",
        r#"{"clusters": {"a": {"picking": {"header": "x-host"}}}}"#,
        r#"clusters.a.picking.header: found "x-host"; expected no header for a single cluster: it is top-level only"#,
    ),
    bad(
        "held bytes of a single cluster",
        r#"{"clusters": {"a": {"retry": {"max_held_bytes": 0}}}}"#,
        "clusters.a.retry.max_held_bytes: found 0; expected no max_held_bytes for a single cluster: it is top-level only",
    ),
    bad(
        "an unknown field of a cluster's section",
        r#"{"clusters": {"a": {"retry": {"max_held": 0}}}}"#,
        r#"clusters.a.retry.max_held: found unknown field "max_held"; expected one of engine, retry_on, num_retries, retriable_status_codes, timeout, per_try_timeout, max_body_bytes, budget, back_off, max_retry_after, hedge, report"#,
    ),
    bad(
        "hosts as text",
        r#"{"clusters": {"a": {"hosts": "10.0.0.1:80"}}}"#,
        r#"clusters.a.hosts: found "10.0.0.1:80"; expected a list of hosts, such as ["10.0.0.1:8080"]"#,
    ),
    bad(
        "hosts that are null",
        r#"{"clusters": {"a": {"hosts": null}}}"#,
        r#"clusters.a.hosts: found null; expected a list of hosts, such as ["10.0.0.1:8080"] (or no such field, for its default)"#,
    ),
    bad(
        "a host by name",
        r#"{"clusters": {"a": {"hosts": ["10.0.0.1:80", "backend:80"]}}}"#,
        r#"clusters.a.hosts[1]: found "backend:80"; expected an IP address with a port, such as "10.0.0.1:8080" or "[2001:db8::1]:8080"; leave out hosts with names: Envoy resolves them, and sidestep learns them from responses"#,
    ),
    bad(
        "a host by name without a port",
        r#"{"clusters": {"a": {"hosts": ["localhost"]}}}"#,
        r#"clusters.a.hosts[0]: found "localhost"; expected an IP address with a port, such as "10.0.0.1:8080" or "[2001:db8::1]:8080"; leave out hosts with names: Envoy resolves them, and sidestep learns them from responses"#,
    ),
    bad(
        "a host by URL",
        r#"{"clusters": {"a": {"hosts": ["http://10.0.0.1:80"]}}}"#,
        r#"clusters.a.hosts[0]: found "http://10.0.0.1:80"; expected an IP address with a port, such as "10.0.0.1:8080" or "[2001:db8::1]:8080""#,
    ),
    bad(
        "a host without a port",
        r#"{"clusters": {"a": {"hosts": ["10.0.0.1"]}}}"#,
        r#"clusters.a.hosts[0]: found "10.0.0.1"; expected an IP address with a port, such as "10.0.0.1:8080" or "[2001:db8::1]:8080""#,
    ),
    bad(
        "a host with port 0",
        r#"{"clusters": {"a": {"hosts": ["10.0.0.1:0"]}}}"#,
        r#"clusters.a.hosts[0]: found "10.0.0.1:0"; expected an IP address with a port, such as "10.0.0.1:8080" or "[2001:db8::1]:8080""#,
    ),
    bad(
        "a host with a port that is none",
        r#"{"clusters": {"a": {"hosts": ["10.0.0.1:65536"]}}}"#,
        r#"clusters.a.hosts[0]: found "10.0.0.1:65536"; expected an IP address with a port, such as "10.0.0.1:8080" or "[2001:db8::1]:8080""#,
    ),
    bad(
        "IPv6 without brackets",
        r#"{"clusters": {"a": {"hosts": ["2001:db8::1"]}}}"#,
        r#"clusters.a.hosts[0]: found "2001:db8::1"; expected an IP address with a port, such as "10.0.0.1:8080" or "[2001:db8::1]:8080""#,
    ),
    bad(
        "a host as a number",
        r#"{"clusters": {"a": {"hosts": [8080]}}}"#,
        r#"clusters.a.hosts[0]: found 8080; expected an IP address with a port, such as "10.0.0.1:8080" or "[2001:db8::1]:8080""#,
    ),
    bad(
        "a host that is null",
        r#"{"clusters": {"a": {"hosts": [null]}}}"#,
        r#"clusters.a.hosts[0]: found null; expected an IP address with a port, such as "10.0.0.1:8080" or "[2001:db8::1]:8080""#,
    ),
    bad(
        "the same host twice",
        r#"{"clusters": {"a": {"hosts": ["[::1]:80", "10.0.0.1:80", "[0::1]:80"]}}}"#,
        r#"clusters.a.hosts[2]: found "[0::1]:80"; expected each host at most once"#,
    ),
    bad(
        "more hosts than are kept",
        r#"{"picking": {"max_hosts": 2}, "clusters": {"a": {"hosts": ["10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"]}}}"#,
        "clusters.a.hosts: found 3 hosts; expected at most 2, as picking.max_hosts says",
    ),
    // Fields that contradict each other.
    bad(
        "a maximum below the base",
        r#"{"outlier_detection": {"base_ejection_time": "60s", "max_ejection_time": "30s"}}"#,
        r#"outlier_detection.max_ejection_time: found "30s"; expected at least base_ejection_time, which is 1m"#,
    ),
    bad(
        "a maximum below the base's default",
        r#"{"outlier_detection": {"max_ejection_time": "29s"}}"#,
        r#"outlier_detection.max_ejection_time: found "29s"; expected at least base_ejection_time, which is 30s"#,
    ),
    bad(
        "a cluster's base above the global maximum",
        r#"{"outlier_detection": {"max_ejection_time": "60s"}, "clusters": {"a": {"outlier_detection": {"base_ejection_time": "90s"}}}}"#,
        r#"clusters.a.outlier_detection.base_ejection_time: found "90s"; expected at most max_ejection_time, which is 1m"#,
    ),
    bad(
        "a cluster's maximum below the global base",
        r#"{"outlier_detection": {"base_ejection_time": "60s"}, "clusters": {"a": {"outlier_detection": {"max_ejection_time": "5s"}}}}"#,
        r#"clusters.a.outlier_detection.max_ejection_time: found "5s"; expected at least base_ejection_time, which is 1m"#,
    ),
    bad(
        "a body larger than all bodies",
        r#"{"retry": {"max_body_bytes": 2000, "max_held_bytes": 1000}}"#,
        "retry.max_body_bytes: found 2000; expected at most max_held_bytes, which is 1000",
    ),
    bad(
        "a cluster's body larger than all bodies",
        r#"{"retry": {"max_held_bytes": 1000}, "clusters": {"a": {"retry": {"max_body_bytes": 1001}}}}"#,
        "clusters.a.retry.max_body_bytes: found 1001; expected at most max_held_bytes, which is 1000",
    ),
    bad(
        "statuses that no condition names",
        r#"{"retry": {"retriable_status_codes": [409]}}"#,
        "retry.retriable_status_codes: found [409]; expected retriable-status-codes in retry_on too, without which the list means nothing",
    ),
    bad(
        "a cluster's statuses that no condition names",
        r#"{"clusters": {"a": {"retry": {"retriable_status_codes": [409]}}}}"#,
        "clusters.a.retry.retriable_status_codes: found [409]; expected retriable-status-codes in retry_on too, without which the list means nothing",
    ),
    bad(
        "a condition without its statuses",
        r#"{"retry": {"retry_on": ["retriable-status-codes"]}}"#,
        r#"retry.retry_on: found ["retriable-status-codes"]; expected retriable_status_codes beside it, for retriable-status-codes to mean"#,
    ),
    bad(
        "a condition whose statuses are none",
        r#"{"retry": {"retry_on": "retriable-status-codes", "retriable_status_codes": []}}"#,
        "retry.retriable_status_codes: found []; expected at least one status, for retry_on has retriable-status-codes",
    ),
    bad(
        "a cluster that empties the global statuses",
        r#"{"retry": {"retry_on": "retriable-status-codes", "retriable_status_codes": [409]}, "clusters": {"a": {"retry": {"retriable_status_codes": []}}}}"#,
        "clusters.a.retry.retriable_status_codes: found []; expected at least one status, for retry_on has retriable-status-codes",
    ),
];
