//! Blocks of `outlier_detection` as Envoy, its tools and control planes write them.

use super::GoodConfig;

/// Configurations with such a block.
pub const PASTED_CONFIGS: &[GoodConfig] = &[
    GoodConfig {
        name: "every field of Envoy's, as its admin interface prints them",
        json: r#"{"outlier_detection": {
            "consecutive_5xx": 3,
            "interval": "5s",
            "base_ejection_time": "15s",
            "max_ejection_percent": 30,
            "enforcing_consecutive_5xx": 100,
            "enforcing_success_rate": 0,
            "success_rate_minimum_hosts": 4,
            "success_rate_request_volume": 80,
            "success_rate_stdev_factor": 1500,
            "consecutive_gateway_failure": 2,
            "enforcing_consecutive_gateway_failure": 100,
            "split_external_local_origin_errors": true,
            "consecutive_local_origin_failure": 7,
            "enforcing_consecutive_local_origin_failure": 90,
            "enforcing_local_origin_success_rate": 0,
            "failure_percentage_threshold": 60,
            "enforcing_failure_percentage": 50,
            "enforcing_failure_percentage_local_origin": 40,
            "failure_percentage_minimum_hosts": 3,
            "failure_percentage_request_volume": 20,
            "max_ejection_time": "120s",
            "max_ejection_time_jitter": "2.500s",
            "successful_active_health_check_uneject_host": false,
            "monitors": [],
            "always_eject_one_host": false,
            "detect_degraded_hosts": false
        }}"#,
        same_as: EVERY_FIELD,
    },
    GoodConfig {
        name: "every field of Envoy's, as protobuf's JSON has them",
        json: r#"{"outlier_detection": {
            "consecutive5xx": 3,
            "interval": "5s",
            "baseEjectionTime": "15s",
            "maxEjectionPercent": 30,
            "enforcingConsecutive5xx": 100,
            "enforcingSuccessRate": 0,
            "successRateMinimumHosts": 4,
            "successRateRequestVolume": 80,
            "successRateStdevFactor": 1500,
            "consecutiveGatewayFailure": 2,
            "enforcingConsecutiveGatewayFailure": 100,
            "splitExternalLocalOriginErrors": true,
            "consecutiveLocalOriginFailure": 7,
            "enforcingConsecutiveLocalOriginFailure": 90,
            "enforcingLocalOriginSuccessRate": 0,
            "failurePercentageThreshold": 60,
            "enforcingFailurePercentage": 50,
            "enforcingFailurePercentageLocalOrigin": 40,
            "failurePercentageMinimumHosts": 3,
            "failurePercentageRequestVolume": 20,
            "maxEjectionTime": "120.000000000s",
            "maxEjectionTimeJitter": "2.500000000s",
            "successfulActiveHealthCheckUnejectHost": false,
            "monitors": [],
            "alwaysEjectOneHost": false,
            "detectDegradedHosts": false
        }}"#,
        same_as: EVERY_FIELD,
    },
    GoodConfig {
        name: "every field of Envoy's, as the messages have them",
        json: r#"{"outlier_detection": {
            "consecutive_5xx": {"value": 3},
            "interval": {"seconds": 5},
            "base_ejection_time": {"seconds": 15, "nanos": 0},
            "max_ejection_percent": {"value": 30},
            "enforcing_consecutive_5xx": {"value": 100},
            "enforcing_success_rate": {},
            "success_rate_minimum_hosts": {"value": 4},
            "success_rate_request_volume": {"value": 80},
            "success_rate_stdev_factor": {"value": 1500},
            "consecutive_gateway_failure": {"value": 2},
            "enforcing_consecutive_gateway_failure": {"value": 100},
            "split_external_local_origin_errors": true,
            "consecutive_local_origin_failure": {"value": 7},
            "enforcing_consecutive_local_origin_failure": {"value": 90},
            "enforcing_local_origin_success_rate": {"value": 0},
            "failure_percentage_threshold": {"value": 60},
            "enforcing_failure_percentage": {"value": 50},
            "enforcing_failure_percentage_local_origin": {"value": 40},
            "failure_percentage_minimum_hosts": {"value": 3},
            "failure_percentage_request_volume": {"value": 20},
            "max_ejection_time": {"seconds": 120},
            "max_ejection_time_jitter": {"seconds": 2, "nanos": 500000000},
            "successful_active_health_check_uneject_host": {},
            "always_eject_one_host": {"value": false},
            "detect_degraded_hosts": {}
        }}"#,
        same_as: EVERY_FIELD,
    },
    GoodConfig {
        name: "a cluster of Istio's, as istioctl proxy-config prints it",
        json: r#"{"clusters": {"outbound|9080||reviews.default.svc.cluster.local": {"outlier_detection": {
            "consecutive5xx": 7,
            "interval": "300s",
            "baseEjectionTime": "900s",
            "maxEjectionPercent": 100,
            "enforcingConsecutive5xx": 100,
            "enforcingSuccessRate": 0
        }}}}"#,
        same_as: r#"{"clusters": {"outbound|9080||reviews.default.svc.cluster.local": {"outlier_detection": {
            "consecutive_5xx": 7,
            "interval": "5m",
            "base_ejection_time": "15m",
            "max_ejection_time": "15m",
            "max_ejection_percent": 100,
            "enforcing_success_rate": 0
        }}}}"#,
    },
    GoodConfig {
        name: "gateway failures of Istio's, from a dump of what it sends to Envoy",
        json: r#"{"outlier_detection": {
            "consecutive_5xx": {},
            "interval": {"seconds": 1},
            "base_ejection_time": {"seconds": 180},
            "max_ejection_percent": {"value": 50},
            "enforcing_consecutive_5xx": {},
            "enforcing_success_rate": {},
            "consecutive_gateway_failure": {"value": 1},
            "enforcing_consecutive_gateway_failure": {"value": 100}
        }}"#,
        same_as: r#"{"outlier_detection": {
            "consecutive_5xx": 0,
            "interval": "1s",
            "base_ejection_time": "3m",
            "enforcing_consecutive_5xx": 0,
            "enforcing_success_rate": 0,
            "consecutive_gateway_failure": 1,
            "enforcing_consecutive_gateway_failure": 100
        }}"#,
    },
    GoodConfig {
        name: "a cluster of Envoy Gateway's",
        json: r#"{"outlier_detection": {
            "baseEjectionTime": "30s",
            "consecutive5xx": 16,
            "consecutiveGatewayFailure": 16,
            "consecutiveLocalOriginFailure": 16,
            "enforcingConsecutiveGatewayFailure": 100,
            "interval": "3s",
            "maxEjectionPercent": 10,
            "splitExternalLocalOriginErrors": true
        }}"#,
        same_as: r#"{"outlier_detection": {
            "consecutive_5xx": 16,
            "consecutive_gateway_failure": 16,
            "consecutive_local_origin_failure": 16,
            "enforcing_consecutive_gateway_failure": 100,
            "interval": "3s",
            "max_ejection_percent": 10,
            "split_external_local_origin_errors": true
        }}"#,
    },
    GoodConfig {
        name: "64 bits in quotes, as JavaScript needs them",
        json: r#"{"outlier_detection": {
            "consecutive5xx": {"value": "4"},
            "successRateStdevFactor": "1300",
            "interval": {"seconds": "2", "nanos": 250000000},
            "maxEjectionTimeJitter": {"nanos": "1000000"},
            "slow": {"minimumDifference": {"seconds": "0"}, "requestVolume": "7", "minimumHosts": {"value": 2}}
        }}"#,
        same_as: r#"{"outlier_detection": {
            "consecutive_5xx": 4,
            "success_rate_stdev_factor": 1300,
            "interval": "2.25s",
            "max_ejection_time_jitter": "1ms",
            "slow": {"minimum_difference": "0s", "request_volume": 7, "minimum_hosts": 2}
        }}"#,
    },
    GoodConfig {
        name: "a cluster's pasted block over one that was written by hand",
        json: r#"{
            "outlier_detection": {"consecutive_5xx": 3, "max_ejection_time": "20m", "slow": {"minimum_hosts": 4}},
            "clusters": {"a": {"outlier_detection": {
                "consecutive5xx": 9, "baseEjectionTime": "900s", "slow": {"requestVolume": 9}
            }}}
        }"#,
        same_as: r#"{
            "outlier_detection": {"consecutive_5xx": 3, "max_ejection_time": "20m", "slow": {"minimum_hosts": 4}},
            "clusters": {"a": {"outlier_detection": {
                "consecutive_5xx": 9, "base_ejection_time": "15m", "max_ejection_time": "20m",
                "slow": {"minimum_hosts": 4, "request_volume": 9}
            }}}
        }"#,
    },
    GoodConfig {
        name: "a cluster's block that was written by hand over a pasted one",
        json: r#"{
            "outlier_detection": {"consecutive5xx": {"value": 3}, "slow": {"minimumHosts": 4}},
            "clusters": {"a": {"outlier_detection": {"interval": "1s"}}}
        }"#,
        same_as: r#"{
            "outlier_detection": {"consecutive_5xx": 3, "slow": {"minimum_hosts": 4}},
            "clusters": {"a": {"outlier_detection": {
                "consecutive_5xx": 3, "interval": "1s", "slow": {"minimum_hosts": 4}
            }}}
        }"#,
    },
];

const EVERY_FIELD: &str = r#"{"outlier_detection": {
    "consecutive_5xx": 3, "interval": "5s", "base_ejection_time": "15s", "max_ejection_percent": 30,
    "enforcing_success_rate": 0, "success_rate_minimum_hosts": 4, "success_rate_request_volume": 80,
    "success_rate_stdev_factor": 1500, "consecutive_gateway_failure": 2, "enforcing_consecutive_gateway_failure": 100,
    "split_external_local_origin_errors": true, "consecutive_local_origin_failure": 7,
    "enforcing_consecutive_local_origin_failure": 90, "enforcing_local_origin_success_rate": 0,
    "failure_percentage_threshold": 60, "enforcing_failure_percentage": 50,
    "enforcing_failure_percentage_local_origin": 40, "failure_percentage_minimum_hosts": 3,
    "failure_percentage_request_volume": 20, "max_ejection_time": "2m", "max_ejection_time_jitter": "2500ms",
    "successful_active_health_check_uneject_host": false, "always_eject_one_host": false
}}"#;
