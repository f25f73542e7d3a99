//! `etcd`, `backup` and `fleet`.

use super::{BadConfig, bad};

pub(super) const KEEP: &[BadConfig] = &[
    bad(
        "etcd for one cluster",
        r#"{"clusters": {"a": {"etcd": {}}}}"#,
        r#"clusters.a.etcd: found unknown field "etcd"; expected one of standby_cluster, outlier_detection, retry, picking, probe, matchers, hosts"#,
    ),
    bad(
        "a fleet for one cluster",
        r#"{"clusters": {"a": {"fleet": {}}}}"#,
        r#"clusters.a.fleet: found unknown field "fleet"; expected one of standby_cluster, outlier_detection, retry, picking, probe, matchers, hosts"#,
    ),
    bad(
        "no cluster of etcd",
        r#"{"etcd": {"cluster": ""}}"#,
        r#"etcd.cluster: found ""; expected the name of the cluster that leads to etcd"#,
    ),
    bad(
        "no time for etcd",
        r#"{"etcd": {"timeout": "1ms"}}"#,
        r#"etcd.timeout: found "1ms"; expected a duration from 10ms to 1m, such as "30s" or "250ms""#,
    ),
    bad(
        "a prefix that ends in a slash",
        r#"{"etcd": {"prefix": "/a/"}}"#,
        r#"etcd.prefix: found "/a/"; expected what keys begin with, such as "/sidestep": not empty, without a "/" at the end"#,
    ),
    bad(
        "no prefix",
        r#"{"etcd": {"prefix": ""}}"#,
        r#"etcd.prefix: found ""; expected what keys begin with, such as "/sidestep": not empty, without a "/" at the end"#,
    ),
    bad(
        "metadata with a name of gRPC's own",
        r#"{"etcd": {"metadata": {"grpc-timeout": "1S"}}}"#,
        r#"etcd.metadata.grpc-timeout: found "grpc-timeout"; expected the lower-case name of a header that gRPC does not use itself"#,
    ),
    bad(
        "metadata with a capital",
        r#"{"etcd": {"metadata": {"Authorization": "x"}}}"#,
        r#"etcd.metadata.Authorization: found "Authorization"; expected the lower-case name of a header that gRPC does not use itself"#,
    ),
    bad(
        "metadata that is empty",
        r#"{"etcd": {"metadata": {"authorization": ""}}}"#,
        r#"etcd.metadata.authorization: found ""; expected a text of visible characters"#,
    ),
    bad(
        "metadata that is no text",
        r#"{"etcd": {"metadata": {"authorization": 5}}}"#,
        r#"etcd.metadata.authorization: found 5; expected a text of visible characters"#,
    ),
    bad(
        "an unknown field of etcd",
        r#"{"etcd": {"endpoints": []}}"#,
        r#"etcd.endpoints: found unknown field "endpoints"; expected one of cluster, timeout, prefix, metadata"#,
    ),
    bad(
        "backups all the time",
        r#"{"backup": {"interval": "1s"}}"#,
        r#"backup.interval: found "1s"; expected a duration from 10s to 24h, such as "30s" or "250ms""#,
    ),
    bad(
        "backups of no age",
        r#"{"backup": {"max_age": "0s"}}"#,
        r#"backup.max_age: found "0s"; expected a duration from 1s to 168h, such as "30s" or "250ms""#,
    ),
    bad(
        "no backup kept",
        r#"{"backup": {"keep": 0}}"#,
        r#"backup.keep: found 0; expected an integer from 1 to 16"#,
    ),
    bad(
        "an origin with a slash",
        r#"{"backup": {"origin": "a/b"}}"#,
        r#"backup.origin: found "a/b"; expected a name without "/""#,
    ),
    bad(
        "a backup that is no object",
        r#"{"backup": true}"#,
        r#"backup: found true; expected an object"#,
    ),
    bad(
        "a fleet without a name",
        r#"{"fleet": {"name": ""}}"#,
        r#"fleet.name: found ""; expected a name without "/""#,
    ),
    bad(
        "a zone with a slash",
        r#"{"fleet": {"zone": "a/b"}}"#,
        r#"fleet.zone: found "a/b"; expected a name without "/""#,
    ),
    bad(
        "a quorum of none",
        r#"{"fleet": {"quorum": 0}}"#,
        r#"fleet.quorum: found 0; expected a number of sidecars from 1 to 10000, or a share of them such as "50%""#,
    ),
    bad(
        "a quorum of more than all",
        r#"{"fleet": {"quorum": "101%"}}"#,
        r#"fleet.quorum: found "101%"; expected a number of sidecars from 1 to 10000, or a share of them such as "50%""#,
    ),
    bad(
        "a quorum that is no number",
        r#"{"fleet": {"quorum": "most"}}"#,
        r#"fleet.quorum: found "most"; expected a number of sidecars from 1 to 10000, or a share of them such as "50%""#,
    ),
    bad(
        "a lease shorter than etcd's shortest",
        r#"{"fleet": {"lease": "1s"}}"#,
        r#"fleet.lease: found "1s"; expected a duration from 2s to 1h, such as "30s" or "250ms""#,
    ),
];
