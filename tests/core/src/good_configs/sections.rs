//! Probes, matchers, routes: configurations that load.

use super::GoodConfig;

/// Configurations with such sections.
pub const SECTION_CONFIGS: &[GoodConfig] = &[
    GoodConfig {
        name: "backups and a fleet with every default",
        json: r#"{
            "etcd": {"cluster": "etcd", "timeout": "1s", "prefix": "/sidestep", "metadata": {}},
            "backup": {"interval": "10m", "max_age": "1h", "keep": 2},
            "fleet": {"name": "default", "zone": "", "quorum": 2, "lease": "10s"}
        }"#,
        same_as: r#"{"backup": {}, "fleet": {}}"#,
    },
    GoodConfig {
        name: "an etcd that nothing is kept in",
        json: r#"{"etcd": {}}"#,
        same_as: "{}",
    },
    GoodConfig {
        name: "a probe with every default",
        json: r#"{"probe": {
            "enabled": true, "path": "/", "method": "GET", "expected_statuses": ["200-299"], "interval": "5s",
            "timeout": "1s", "healthy_threshold": 2, "unhealthy_threshold": 3, "all": false
        }}"#,
        same_as: r#"{"probe": {}}"#,
    },
    GoodConfig {
        name: "a probe that is off",
        json: r#"{"probe": {"enabled": false, "path": "/healthz"}}"#,
        same_as: "{}",
    },
    GoodConfig {
        name: "probes at the top are those of a cluster, too",
        json: r#"{"probe": {"path": "/a", "interval": "10s"}, "clusters": {"a": {"probe": {"path": "/b"}}, "b": {}}}"#,
        same_as: r#"{"probe": {"path": "/a", "interval": "10s"}, "clusters": {
            "a": {"probe": {"path": "/b", "interval": "10s"}},
            "b": {"probe": {"path": "/a", "interval": "10s"}}
        }}"#,
    },
    GoodConfig {
        name: "an interval that is shorter than the default time-out",
        json: r#"{"probe": {"interval": "500ms"}}"#,
        same_as: r#"{"probe": {"interval": "500ms", "timeout": "500ms"}}"#,
    },
    GoodConfig {
        name: "statuses that overlap, touch and repeat",
        json: r#"{"probe": {"expected_statuses": ["300-399", 200, "204-210", 201, "208-220", 200, 221, "350-360"]}}"#,
        same_as: r#"{"probe": {"expected_statuses": ["200-201", "204-221", "300-399"]}}"#,
    },
    GoodConfig {
        name: "one status, in each form",
        json: r#"{"matchers": [{"status": 503, "outcome": "ignored"}, {"status": "500-599", "outcome": "failure"}]}"#,
        same_as: r#"{"matchers": [
            {"status": ["503-503"], "outcome": "ignored"}, {"status": ["500-550", "551-599"], "outcome": "failure"}
        ]}"#,
    },
    GoodConfig {
        name: "names of headers in any case",
        json: r#"{"matchers": [{"header": {"name": "X-App-Error", "present": true}, "outcome": "failure"}]}"#,
        same_as: r#"{"matchers": [{"header": {"name": "x-app-error", "present": true}, "outcome": "failure"}]}"#,
    },
    GoodConfig {
        name: "a cluster's matchers stand in the place of those at the top",
        json: r#"{
            "matchers": [{"status": 501, "outcome": "ignored"}],
            "clusters": {"a": {"matchers": [{"status": 502, "outcome": "ignored"}]}, "b": {"matchers": []}, "c": {}}
        }"#,
        same_as: r#"{
            "clusters": {
                "a": {"matchers": [{"status": 502, "outcome": "ignored"}]},
                "b": {"retry": {}, "matchers": []},
                "c": {"matchers": [{"status": 501, "outcome": "ignored"}]}
            },
            "matchers": [{"status": [501], "outcome": "ignored"}]
        }"#,
    },
    GoodConfig {
        name: "routes without anything to say",
        json: r#"{"routes": {"a": {}, "b": {"matchers": []}}}"#,
        same_as: "{}",
    },
    GoodConfig {
        name: "the admin interface with its default",
        json: r#"{"picking": {"admin": {"cluster": "admin"}}, "clusters": {"admin": {}}}"#,
        same_as: r#"{"picking": {"admin": {"cluster": "admin", "interval": "5s"}}, "clusters": {"admin": {}}}"#,
    },
    GoodConfig {
        name: "a factor with more than three decimals",
        json: r#"{"outlier_detection": {"slow": {"factor": 2.4996}}}"#,
        same_as: r#"{"outlier_detection": {"slow": {"factor": 2.5}}}"#,
    },
];
