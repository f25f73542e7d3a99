//! `outlier_detection.slow` and the recovery that `picking` speaks of.

use super::{BadConfig, bad};

pub(super) const SLOW_AND_PICKING: &[BadConfig] = &[
    bad(
        "slow as a duration",
        r#"{"outlier_detection": {"slow": "1s"}}"#,
        r#"outlier_detection.slow: found "1s"; expected an object"#,
    ),
    bad(
        "an unknown field of slow",
        r#"{"outlier_detection": {"slow": {"minimum_diff": "1s"}}}"#,
        r#"outlier_detection.slow.minimum_diff: found unknown field "minimum_diff"; expected one of factor, threshold, percentile, minimum_difference, minimum_hosts, request_volume, enforcing"#,
    ),
    bad(
        "a factor that picks a host of equals",
        r#"{"outlier_detection": {"slow": {"factor": 1}}}"#,
        "outlier_detection.slow.factor: found 1; expected a number from 1.1 to 1000",
    ),
    bad(
        "a factor under its least by a thousandth",
        r#"{"outlier_detection": {"slow": {"factor": 1.099}}}"#,
        "outlier_detection.slow.factor: found 1.099; expected a number from 1.1 to 1000",
    ),
    bad(
        "a factor that is too large",
        r#"{"outlier_detection": {"slow": {"factor": 1000.001}}}"#,
        "outlier_detection.slow.factor: found 1000.001; expected a number from 1.1 to 1000",
    ),
    bad(
        "a factor as text",
        r#"{"outlier_detection": {"slow": {"factor": "5"}}}"#,
        r#"outlier_detection.slow.factor: found "5"; expected a number from 1.1 to 1000"#,
    ),
    bad(
        "a threshold of none",
        r#"{"outlier_detection": {"slow": {"threshold": "0s"}}}"#,
        r#"outlier_detection.slow.threshold: found "0s"; expected a duration from 1ms to 1h, such as "30s" or "250ms""#,
    ),
    bad(
        "a threshold that is too long",
        r#"{"outlier_detection": {"slow": {"threshold": "61m"}}}"#,
        r#"outlier_detection.slow.threshold: found "61m"; expected a duration from 1ms to 1h, such as "30s" or "250ms""#,
    ),
    bad(
        "a percentile of none",
        r#"{"outlier_detection": {"slow": {"percentile": 0}}}"#,
        "outlier_detection.slow.percentile: found 0; expected an integer from 1 to 99",
    ),
    bad(
        "a percentile of all",
        r#"{"outlier_detection": {"slow": {"percentile": 100}}}"#,
        "outlier_detection.slow.percentile: found 100; expected an integer from 1 to 99",
    ),
    bad(
        "a percentile in an empty wrapper, which means 0",
        r#"{"outlier_detection": {"slow": {"percentile": {}}}}"#,
        "outlier_detection.slow.percentile.value: found 0; expected an integer from 1 to 99",
    ),
    bad(
        "a difference that is too long",
        r#"{"outlier_detection": {"slow": {"minimumDifference": {"seconds": 3601}}}}"#,
        r#"outlier_detection.slow.minimumDifference: found {"seconds":3601}; expected a duration from 0s to 1h, such as "30s" or "250ms""#,
    ),
    bad(
        "a host without peers",
        r#"{"outlier_detection": {"slow": {"minimum_hosts": 1}}}"#,
        "outlier_detection.slow.minimum_hosts: found 1; expected an integer from 2 to 4294967295",
    ),
    bad(
        "a volume of none",
        r#"{"outlier_detection": {"slow": {"request_volume": 0}}}"#,
        "outlier_detection.slow.request_volume: found 0; expected an integer from 1 to 4294967295",
    ),
    bad(
        "more than each verdict",
        r#"{"outlier_detection": {"slow": {"enforcing": 101}}}"#,
        "outlier_detection.slow.enforcing: found 101; expected an integer from 0 to 100",
    ),
    bad(
        "slow twice",
        r#"{"outlier_detection": {"slow": {}, "slow": {}}}"#,
        "outlier_detection.slow: found a second value, {}; expected each field at most once",
    ),
    bad(
        "a ramp that is too long",
        r#"{"picking": {"ramp_time": "61m"}}"#,
        r#"picking.ramp_time: found "61m"; expected a duration from 0s to 1h, such as "30s" or "250ms""#,
    ),
    bad(
        "no time for a probation",
        r#"{"picking": {"probation_timeout": "0s"}}"#,
        r#"picking.probation_timeout: found "0s"; expected a duration from 1ms to 1h, such as "30s" or "250ms""#,
    ),
    bad(
        "a panic threshold over all",
        r#"{"picking": {"panic_threshold": 101}}"#,
        "picking.panic_threshold: found 101; expected an integer from 0 to 100",
    ),
    bad(
        "the admin interface as a name alone",
        r#"{"picking": {"admin": "admin"}}"#,
        r#"picking.admin: found "admin"; expected an object"#,
    ),
    bad(
        "the admin interface without its cluster",
        r#"{"picking": {"admin": {"interval": "5s"}}}"#,
        "picking.admin.cluster: found nothing; expected the name of the cluster that leads to Envoy's admin interface",
    ),
    bad(
        "the admin interface with its cluster misspelt",
        r#"{"picking": {"admin": {"clusters": "admin"}}}"#,
        r#"picking.admin.clusters: found unknown field "clusters"; expected one of interval, cluster (did you mean cluster?)"#,
    ),
    bad(
        "the admin interface with a cluster that has no name",
        r#"{"picking": {"admin": {"cluster": ""}}}"#,
        r#"picking.admin.cluster: found ""; expected the name of the cluster that leads to Envoy's admin interface"#,
    ),
    bad(
        "the admin interface with a number for a cluster",
        r#"{"picking": {"admin": {"cluster": 9901}}}"#,
        "picking.admin.cluster: found 9901; expected the name of the cluster that leads to Envoy's admin interface",
    ),
    bad(
        "the admin interface read too often",
        r#"{"picking": {"admin": {"cluster": "admin", "interval": "999ms"}}}"#,
        r#"picking.admin.interval: found "999ms"; expected a duration from 1s to 1h, such as "30s" or "250ms""#,
    ),
    bad(
        "the admin interface for a single cluster",
        r#"{"clusters": {"a": {"picking": {"admin": {"cluster": "admin"}}}}}"#,
        r#"clusters.a.picking.admin: found {"cluster":"admin"}; expected no admin for a single cluster: it is top-level only"#,
    ),
];
