//! Configurations that load, each with what it must come to.

mod pasted;
mod sections;

pub use pasted::PASTED_CONFIGS;
pub use sections::SECTION_CONFIGS;

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

/// Those about a configuration as a whole, and about values and clusters in general.
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
        json: r#"{"outlier_detection": {"slow": {}}, "retry": {}, "picking": {}, "matchers": [], "clusters": {}, "routes": {}}"#,
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
                "max_ejection_time": "1ms", "max_ejection_time_jitter": "0s", "max_ejection_percent": 0,
                "success_rate_stdev_factor": 0, "success_rate_minimum_hosts": 0, "success_rate_request_volume": 0,
                "failure_percentage_threshold": 0, "failure_percentage_minimum_hosts": 0,
                "failure_percentage_request_volume": 0, "enforcing_failure_percentage": 0,
                "slow": {
                    "factor": 1.1, "threshold": "1ms", "percentile": 1, "minimum_difference": "0s",
                    "minimum_hosts": 2, "request_volume": 1, "enforcing": 0
                }
            },
            "retry": {
                "retry_on": [], "num_retries": 0, "timeout": "1ms", "retriable_status_codes": [],
                "max_body_bytes": 0, "max_held_bytes": 0
            },
            "picking": {
                "header": "x", "discovery_percent": 0, "max_hosts": 1, "forget_after": "1s", "ramp_time": "0s",
                "probation_timeout": "1ms", "panic_threshold": 0, "admin": {"cluster": "a", "interval": "1s"}
            },
            "probe": {
                "path": "/", "method": "G", "host": "h", "expected_statuses": [100], "interval": "100ms",
                "timeout": "1ms", "healthy_threshold": 1, "unhealthy_threshold": 1
            },
            "clusters": {"c": {"hosts": []}}
        }"#,
        same_as: r#"{
            "outlier_detection": {
                "consecutive_5xx": 0, "consecutive_gateway_failure": 0, "consecutive_local_origin_failure": 0,
                "enforcing_consecutive_5xx": 0, "enforcing_consecutive_gateway_failure": 0,
                "enforcing_consecutive_local_origin_failure": 0, "interval": "0.001s", "base_ejection_time": "0.001s",
                "max_ejection_time": "0.001s", "max_ejection_percent": 0,
                "success_rate_stdev_factor": 0, "success_rate_minimum_hosts": 0, "success_rate_request_volume": 0,
                "failure_percentage_threshold": 0, "failure_percentage_minimum_hosts": 0,
                "failure_percentage_request_volume": 0,
                "slow": {
                    "factor": 1.1000001, "threshold": "0.001s", "percentile": 1, "minimum_difference": "0ms",
                    "minimum_hosts": 2, "request_volume": 1, "enforcing": 0
                }
            },
            "retry": {"retry_on": "", "num_retries": 0, "timeout": "0.001s", "max_held_bytes": 0},
            "picking": {
                "header": "X", "discovery_percent": 0, "max_hosts": 1, "forget_after": "1000ms", "ramp_time": "0ms",
                "probation_timeout": "0.001s", "panic_threshold": 0, "admin": {"cluster": "a", "interval": "1000ms"}
            },
            "probe": {
                "method": "G", "host": "h", "expected_statuses": "100-100", "interval": "0.1s", "timeout": "0.001s",
                "healthy_threshold": 1, "unhealthy_threshold": 1
            },
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
                "max_ejection_time_jitter": "24h", "max_ejection_percent": 100,
                "success_rate_stdev_factor": 4294967295, "success_rate_minimum_hosts": 4294967295,
                "success_rate_request_volume": 4294967295, "failure_percentage_threshold": 100,
                "failure_percentage_minimum_hosts": 4294967295, "failure_percentage_request_volume": 4294967295,
                "slow": {
                    "factor": 1000, "threshold": "1h", "percentile": 99, "minimum_difference": "1h",
                    "minimum_hosts": 4294967295, "request_volume": 4294967295
                }
            },
            "retry": {
                "retry_on": ["retriable-status-codes"], "retriable_status_codes": [100, 599], "num_retries": 10,
                "timeout": "1h", "max_body_bytes": 16777216, "max_held_bytes": 268435456
            },
            "picking": {
                "discovery_percent": 100, "max_hosts": 10000, "forget_after": "168h", "ramp_time": "1h",
                "probation_timeout": "1h", "panic_threshold": 100, "admin": {"cluster": "a", "interval": "1h"}
            },
            "probe": {
                "expected_statuses": [599], "interval": "1h", "timeout": "1m", "healthy_threshold": 1000,
                "unhealthy_threshold": 1000
            }
        }"#,
        same_as: r#"{
            "outlier_detection": {
                "consecutive_5xx": 4294967295.0, "consecutive_gateway_failure": 4294967295.0,
                "consecutive_local_origin_failure": 4294967295.0, "enforcing_consecutive_gateway_failure": 100.0,
                "interval": "1440m", "base_ejection_time": "1440m", "max_ejection_time_jitter": "86400s",
                "max_ejection_percent": 100.0,
                "success_rate_stdev_factor": 4294967295.0, "success_rate_minimum_hosts": 4294967295.0,
                "success_rate_request_volume": 4294967295.0, "failure_percentage_threshold": 100.0,
                "failure_percentage_minimum_hosts": 4294967295.0, "failure_percentage_request_volume": 4294967295.0,
                "slow": {
                    "factor": 1e3, "threshold": "60m", "percentile": 99.0, "minimum_difference": "3600s",
                    "minimum_hosts": 4294967295.0, "request_volume": 4294967295.0
                }
            },
            "retry": {
                "retry_on": "retriable-status-codes", "retriable_status_codes": [599, 100], "num_retries": 10.0,
                "timeout": "60m", "max_body_bytes": 16777216.0, "max_held_bytes": 268435456.0
            },
            "picking": {
                "discovery_percent": 100.0, "max_hosts": 1e4, "forget_after": "604800s", "ramp_time": "60m",
                "probation_timeout": "60m", "panic_threshold": 100.0, "admin": {"cluster": "a", "interval": "60m"}
            },
            "probe": {
                "expected_statuses": 599.0, "interval": "60m", "timeout": "60s", "healthy_threshold": 1e3,
                "unhealthy_threshold": 1e3
            }
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
        "success_rate_stdev_factor": 1900,
        "success_rate_minimum_hosts": 5,
        "success_rate_request_volume": 100,
        "enforcing_success_rate": 100,
        "enforcing_local_origin_success_rate": 100,
        "failure_percentage_threshold": 85,
        "failure_percentage_minimum_hosts": 5,
        "failure_percentage_request_volume": 50,
        "enforcing_failure_percentage": 0,
        "enforcing_failure_percentage_local_origin": 0,
        "slow": {
            "factor": 5,
            "percentile": 50,
            "minimum_difference": "50ms",
            "minimum_hosts": 3,
            "request_volume": 20,
            "enforcing": 100
        },
        "interval": "10s",
        "base_ejection_time": "30s",
        "max_ejection_time": "300s",
        "max_ejection_time_jitter": "0s",
        "max_ejection_percent": 50,
        "always_eject_one_host": true,
        "successful_active_health_check_uneject_host": true
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
        "forget_after": "10m",
        "ramp_time": "10s",
        "probation_timeout": "1s",
        "panic_threshold": 50
    },
    "matchers": [],
    "clusters": {},
    "routes": {}
}"#;
