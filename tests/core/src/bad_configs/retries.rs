//! Engines, budgets, waits, hedging, reports, the standby cluster.

use super::{BadConfig, bad};

pub(super) const RETRIES: &[BadConfig] = &[
    bad(
        "an engine that there is not",
        r#"{"retry": {"engine": "envoy"}}"#,
        r#"retry.engine: found "envoy"; expected one of auto, filter, router"#,
    ),
    bad(
        "a misspelt engine",
        r#"{"retry": {"engine": "Router"}}"#,
        r#"retry.engine: found "Router"; expected one of auto, filter, router (did you mean router?)"#,
    ),
    bad(
        "an attempt that may take longer than all of them",
        r#"{"retry": {"timeout": "1s", "per_try_timeout": "2s"}}"#,
        "retry.per_try_timeout: found \"2s\"; expected at most timeout, which is 1s",
    ),
    bad(
        "a cluster whose time is shorter than the inherited one of an attempt",
        r#"{"retry": {"per_try_timeout": "2s"}, "clusters": {"a": {"retry": {"timeout": "1s"}}}}"#,
        r#"clusters.a.retry.timeout: found "1s"; expected at least per_try_timeout, which is 2s"#,
    ),
    bad(
        "more than all as a budget",
        r#"{"retry": {"budget": {"budget_percent": 100.5}}}"#,
        "retry.budget.budget_percent: found 100.5; expected a number from 0 to 100",
    ),
    bad(
        "a budget that does not last",
        r#"{"retry": {"budget": {"ttl": "10ms"}}}"#,
        r#"retry.budget.ttl: found "10ms"; expected a duration from 1s to 1m, such as "30s" or "250ms""#,
    ),
    bad(
        "half a retry a second",
        r#"{"retry": {"budget": {"min_retries_per_second": 0.5}}}"#,
        "retry.budget.min_retries_per_second: found 0.5; expected an integer from 0 to 1000000",
    ),
    bad(
        "the budget's name in Envoy",
        r#"{"retry": {"budget": {"min_retry_concurrency": 3}}}"#,
        r#"retry.budget.min_retry_concurrency: found unknown field "min_retry_concurrency"; expected one of budget_percent, min_retries_per_second, ttl"#,
    ),
    bad(
        "a longest wait that is shorter than the first",
        r#"{"retry": {"back_off": {"base_interval": "1s", "max_interval": "10ms"}}}"#,
        r#"retry.back_off.max_interval: found "10ms"; expected at least base_interval, which is 1s"#,
    ),
    bad(
        "a wait that nobody lives to see",
        r#"{"retry": {"max_retry_after": "1h"}}"#,
        r#"retry.max_retry_after: found "1h"; expected a duration from 0s to 5m, such as "30s" or "250ms""#,
    ),
    bad(
        "a delay by another percentile",
        r#"{"retry": {"hedge": {"delay": "p99"}}}"#,
        r#"retry.hedge.delay: found "p99"; expected "p95", or a duration from 1ms to 1m, such as "50ms""#,
    ),
    bad(
        "hedging as a switch",
        r#"{"retry": {"hedge": true}}"#,
        "retry.hedge: found true; expected an object",
    ),
    bad(
        "a cluster's own bound on callouts",
        r#"{"clusters": {"a": {"retry": {"max_concurrent_retries": 3}}}}"#,
        "clusters.a.retry.max_concurrent_retries: found 3; expected no max_concurrent_retries for a single cluster: it is top-level only",
    ),
    bad(
        "a proxy whose name is no token",
        r#"{"retry": {"report": {"proxy_status": "my edge"}}}"#,
        r#"retry.report.proxy_status: found "my edge"; expected a name of letters, digits, - _ . * : /, such as "edge""#,
    ),
    bad(
        "a host named in a header that there is not",
        r#"{"retry": {"report": {"next_hop": true}}}"#,
        "retry.report.next_hop: found true; expected proxy_status beside it, in which the host is named",
    ),
    bad(
        "a cluster that stands by for itself",
        r#"{"clusters": {"a": {"standby_cluster": "a"}}}"#,
        r#"clusters.a.standby_cluster: found "a"; expected the name of another cluster"#,
    ),
    bad(
        "a standby without a name",
        r#"{"clusters": {"a": {"standby_cluster": ""}}}"#,
        r#"clusters.a.standby_cluster: found ""; expected the name of another cluster"#,
    ),
    bad(
        "a standby for all",
        r#"{"standby_cluster": "b"}"#,
        r#"standby_cluster: found unknown field "standby_cluster"; expected one of outlier_detection, retry, picking, probe, matchers, clusters, routes, status, etcd, backup, fleet"#,
    ),
    bad(
        "keys for all routes",
        r#"{"retry": {"idempotency_key": true}}"#,
        r#"retry.idempotency_key: found unknown field "idempotency_key"; expected one of engine, retry_on, num_retries, retriable_status_codes, timeout, per_try_timeout, max_body_bytes, max_held_bytes, max_concurrent_retries, budget, back_off, max_retry_after, hedge, report"#,
    ),
    bad(
        "a key as text",
        r#"{"routes": {"a": {"retry": {"idempotency_key": "yes"}}}}"#,
        r#"routes.a.retry.idempotency_key: found "yes"; expected true or false"#,
    ),
];
