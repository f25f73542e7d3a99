//! Configurations that load, each with what it must come to.

/// A configuration and a shorter one that means the same.
#[derive(Clone, Copy, Debug)]
pub struct GoodConfig {
    /// What is special about it.
    pub name: &'static str,
    /// The plugin's configuration.
    pub json: &'static str,
    /// Another way to write it.
    pub same_as: &'static str,
}

/// All of them.
pub const GOOD_CONFIGS: &[GoodConfig] = &[
    GoodConfig {
        name: "no text",
        json: "",
        same_as: "{}",
    },
    GoodConfig {
        name: "white space",
        json: " \n\t",
        same_as: "{}",
    },
    GoodConfig {
        name: "every field with its default",
        json: EVERY_DEFAULT,
        same_as: "{}",
    },
    GoodConfig {
        name: "empty sections",
        json: r#"{"outlier_detection": {}, "retry": {}, "picking": {}, "clusters": {}}"#,
        same_as: "{}",
    },
    GoodConfig {
        name: "whole numbers as doubles",
        json: r#"{"retry": {"num_retries": 2.0, "max_body_bytes": 1e3}, "picking": {"discovery_percent": -0.0}}"#,
        same_as: r#"{"retry": {"num_retries": 2, "max_body_bytes": 1000}, "picking": {"discovery_percent": 0}}"#,
    },
    GoodConfig {
        name: "retry_on in Envoy's form",
        json: r#"{"retry": {"retry_on": "5xx, reset,,connect-failure,"}}"#,
        same_as: r#"{"retry": {"retry_on": ["5xx", "reset", "connect-failure"]}}"#,
    },
    GoodConfig {
        name: "retry_on empty in Envoy's form",
        json: r#"{"retry": {"retry_on": ""}}"#,
        same_as: r#"{"retry": {"retry_on": []}}"#,
    },
    GoodConfig {
        name: "names in any order and more than once",
        json: r#"{"retry": {"retry_on": ["reset", "5xx", "reset"]}}"#,
        same_as: r#"{"retry": {"retry_on": ["5xx", "reset"]}}"#,
    },
    GoodConfig {
        name: "statuses in any order and more than once",
        json: r#"{"retry": {"retry_on": ["retriable-status-codes"], "retriable_status_codes": [503, 409, 503]}}"#,
        same_as: r#"{"retry": {"retry_on": ["retriable-status-codes"], "retriable_status_codes": [409, 503]}}"#,
    },
    GoodConfig {
        name: "durations in other units",
        json: r#"{"outlier_detection": {"interval": "1500ms", "base_ejection_time": "1m"}, "retry": {"timeout": "0.5s"}}"#,
        same_as: r#"{"outlier_detection": {"interval": "1.5s", "base_ejection_time": "60s"}, "retry": {"timeout": "500ms"}}"#,
    },
    GoodConfig {
        name: "a header in mixed case",
        json: r#"{"picking": {"header": "X-Pick-Host"}}"#,
        same_as: r#"{"picking": {"header": "x-pick-host"}}"#,
    },
    GoodConfig {
        name: "a long base lifts the maximum",
        json: r#"{"outlier_detection": {"base_ejection_time": "10m"}}"#,
        same_as: r#"{"outlier_detection": {"base_ejection_time": "10m", "max_ejection_time": "10m"}}"#,
    },
    GoodConfig {
        name: "a short base leaves the maximum",
        json: r#"{"outlier_detection": {"base_ejection_time": "1s"}}"#,
        same_as: r#"{"outlier_detection": {"base_ejection_time": "1s", "max_ejection_time": "300s"}}"#,
    },
    GoodConfig {
        name: "little room lowers the limit of a body",
        json: r#"{"retry": {"max_held_bytes": 1000}}"#,
        same_as: r#"{"retry": {"max_held_bytes": 1000, "max_body_bytes": 1000}}"#,
    },
    GoodConfig {
        name: "all limits at their lowest",
        json: r#"{
            "outlier_detection": {
                "consecutive_5xx": 0, "consecutive_gateway_failure": 0, "consecutive_local_origin_failure": 0,
                "enforcing_consecutive_5xx": 0, "enforcing_consecutive_gateway_failure": 0,
                "enforcing_consecutive_local_origin_failure": 0, "interval": "1ms", "base_ejection_time": "1ms",
                "max_ejection_time": "1ms", "max_ejection_time_jitter": "0s", "max_ejection_percent": 0
            },
            "retry": {
                "retry_on": [], "num_retries": 0, "timeout": "1ms", "retriable_status_codes": [],
                "max_body_bytes": 0, "max_held_bytes": 0
            },
            "picking": {"header": "x", "discovery_percent": 0, "max_hosts": 1, "forget_after": "1s"},
            "clusters": {"c": {"hosts": []}}
        }"#,
        same_as: r#"{
            "outlier_detection": {
                "consecutive_5xx": 0, "consecutive_gateway_failure": 0, "consecutive_local_origin_failure": 0,
                "enforcing_consecutive_5xx": 0, "enforcing_consecutive_gateway_failure": 0,
                "enforcing_consecutive_local_origin_failure": 0, "interval": "0.001s", "base_ejection_time": "0.001s",
                "max_ejection_time": "0.001s", "max_ejection_percent": 0
            },
            "retry": {"retry_on": "", "num_retries": 0, "timeout": "0.001s", "max_held_bytes": 0},
            "picking": {"header": "X", "discovery_percent": 0, "max_hosts": 1, "forget_after": "1000ms"},
            "clusters": {"c": {}}
        }"#,
    },
    GoodConfig {
        name: "all limits at their highest",
        json: r#"{
            "outlier_detection": {
                "consecutive_5xx": 4294967295, "consecutive_gateway_failure": 4294967295,
                "consecutive_local_origin_failure": 4294967295, "enforcing_consecutive_gateway_failure": 100,
                "interval": "24h", "base_ejection_time": "24h", "max_ejection_time": "24h",
                "max_ejection_time_jitter": "24h", "max_ejection_percent": 100
            },
            "retry": {
                "retry_on": ["retriable-status-codes"], "retriable_status_codes": [100, 599], "num_retries": 10,
                "timeout": "1h", "max_body_bytes": 16777216, "max_held_bytes": 268435456
            },
            "picking": {"discovery_percent": 100, "max_hosts": 10000, "forget_after": "168h"}
        }"#,
        same_as: r#"{
            "outlier_detection": {
                "consecutive_5xx": 4294967295.0, "consecutive_gateway_failure": 4294967295.0,
                "consecutive_local_origin_failure": 4294967295.0, "enforcing_consecutive_gateway_failure": 100.0,
                "interval": "1440m", "base_ejection_time": "1440m", "max_ejection_time_jitter": "86400s",
                "max_ejection_percent": 100.0
            },
            "retry": {
                "retry_on": "retriable-status-codes", "retriable_status_codes": [599, 100], "num_retries": 10.0,
                "timeout": "60m", "max_body_bytes": 16777216.0, "max_held_bytes": 268435456.0
            },
            "picking": {"discovery_percent": 100.0, "max_hosts": 1e4, "forget_after": "604800s"}
        }"#,
    },
    GoodConfig {
        name: "a cluster changes single fields",
        json: r#"{
            "outlier_detection": {"consecutive_5xx": 3, "interval": "1s"},
            "retry": {"num_retries": 2},
            "clusters": {"a": {"outlier_detection": {"consecutive_5xx": 7}, "retry": {"timeout": "1s"}}}
        }"#,
        same_as: r#"{
            "outlier_detection": {"consecutive_5xx": 3, "interval": "1s"},
            "retry": {"num_retries": 2},
            "clusters": {"a": {
                "outlier_detection": {"consecutive_5xx": 7, "interval": "1s"},
                "retry": {"num_retries": 2, "timeout": "1s"}
            }}
        }"#,
    },
    GoodConfig {
        name: "a cluster lifts a maximum that nobody stated",
        json: r#"{
            "outlier_detection": {"base_ejection_time": "20m"},
            "clusters": {"a": {"outlier_detection": {"base_ejection_time": "1s"}}}
        }"#,
        same_as: r#"{
            "outlier_detection": {"base_ejection_time": "20m", "max_ejection_time": "20m"},
            "clusters": {"a": {"outlier_detection": {"base_ejection_time": "1s", "max_ejection_time": "300s"}}}
        }"#,
    },
    GoodConfig {
        name: "a cluster has its own conditions and no use for the global statuses",
        json: r#"{
            "retry": {"retry_on": ["retriable-status-codes"], "retriable_status_codes": [409]},
            "clusters": {"a": {"retry": {"retry_on": ["5xx"]}}}
        }"#,
        same_as: r#"{
            "retry": {"retry_on": ["retriable-status-codes"], "retriable_status_codes": [409]},
            "clusters": {"a": {"retry": {"retry_on": "5xx"}}}
        }"#,
    },
    GoodConfig {
        name: "clusters with any name, hosts of both families",
        json: r#"{"clusters": {
            "outbound|80||a.b.svc": {"hosts": ["10.0.0.1:80", "[2001:db8::1]:80"]},
            "ä ö": {}
        }}"#,
        same_as: r#"{"clusters": {
            "\u00e4 \u00f6": {"picking": {}},
            "outbound|80||a.b.svc": {"hosts": ["10.0.0.1:80", "[2001:0db8:0::0001]:80"]}
        }}"#,
    },
];

/// Every field that may stand at the top, with its default.
const EVERY_DEFAULT: &str = r#"{
    "outlier_detection": {
        "consecutive_5xx": 5,
        "consecutive_gateway_failure": 5,
        "consecutive_local_origin_failure": 5,
        "split_external_local_origin_errors": false,
        "enforcing_consecutive_5xx": 100,
        "enforcing_consecutive_gateway_failure": 0,
        "enforcing_consecutive_local_origin_failure": 100,
        "interval": "10s",
        "base_ejection_time": "30s",
        "max_ejection_time": "300s",
        "max_ejection_time_jitter": "0s",
        "max_ejection_percent": 50
    },
    "retry": {
        "retry_on": ["gateway-error", "connect-failure", "refused-stream", "reset"],
        "num_retries": 1,
        "retriable_status_codes": [],
        "timeout": "15s",
        "max_body_bytes": 65536,
        "max_held_bytes": 16777216
    },
    "picking": {
        "header": "x-sidestep-host",
        "discovery_percent": 1,
        "max_hosts": 1024,
        "forget_after": "10m"
    },
    "clusters": {}
}"#;
