//! Reading the hosts that Envoy's admin interface lists.

use sidestep::discover::{DiscoverError, ListedCluster, ListedHost, Listing, MAX_BODY, Standing, hosts, path};
use sidestep_core::test;

/// What Envoy 1.40.0 answered to `GET /clusters?format=json`, less most of its counters, with its clusters sorted. There
/// was a host for each thing that can be wrong with one: ejected by Envoy's outlier detection, unhealthy, draining, timed
/// out and degraded by discovery; failed, degraded and excluded at once by active health checks; removed while its
/// checks pass; of the second priority; at a path of the file system; an internal listener.
const ENVOY: &[u8] = include_bytes!("../src/admin_clusters.json");

fn all(_: &str) -> Option<usize> {
    Some(usize::MAX)
}

fn read(body: &str) -> Result<Listing, DiscoverError> {
    hosts(body.as_bytes(), all)
}

fn listed(hosts: &[ListedHost]) -> Vec<(String, Standing)> {
    hosts
        .iter()
        .map(|host| (host.addr.to_string(), host.standing))
        .collect()
}

/// The hosts of the one cluster in a body, and what was skipped.
fn only(body: &str) -> (Vec<(String, Standing)>, usize) {
    let listing = read(body).unwrap();
    assert_eq!(listing.clusters.len(), 1, "{body}");
    (listed(&listing.clusters[0].hosts), listing.skipped)
}

/// A cluster `c` with these entries for hosts.
fn cluster(hosts: &str) -> String {
    format!(r#"{{"cluster_statuses":[{{"name":"c","host_statuses":[{hosts}]}}]}}"#)
}

/// A host at 10.0.0.1, at this port, with these other fields.
fn host(port: &str, more: &str) -> String {
    format!(r#"{{"address":{{"socket_address":{{"address":"10.0.0.1","port_value":{port}}}}}{more}}}"#)
}

#[test]
fn the_answer_of_envoy_is_read_with_its_health() {
    use Standing::{Fit, Spare, Unfit};
    let listing = hosts(ENVOY, all).unwrap();
    let expected: [(&str, &[(&str, Standing)]); 7] = [
        (
            "backend",
            &[
                // Ejected by Envoy's outlier detection.
                ("127.0.0.1:18101", Fit),
                // Unhealthy, draining and degraded by discovery.
                ("127.0.0.1:18102", Unfit),
                ("127.0.0.1:18103", Unfit),
                ("127.0.0.1:18104", Spare),
                // Timed out by discovery, which Envoy shows as unhealthy.
                ("[::1]:18105", Unfit),
            ],
        ),
        (
            "checked",
            &[
                // Failed, passed, degraded, and failed by its own `x-envoy-immediate-health-check-fail`.
                ("127.0.0.1:18301", Unfit),
                ("127.0.0.1:18302", Fit),
                ("127.0.0.1:18303", Spare),
                ("127.0.0.1:18306", Unfit),
            ],
        ),
        (
            "moving",
            &[
                // Still there, removed from discovery, of the second priority.
                ("127.0.0.1:18302", Fit),
                ("127.0.0.1:18304", Unfit),
                ("127.0.0.1:18305", Spare),
            ],
        ),
        ("outbound|80||by-name.local", &[("127.0.0.1:18201", Fit)]),
        ("internal", &[]),
        ("admin", &[("127.0.0.1:19901", Fit)]),
        ("empty", &[]),
    ];
    for (cluster, (name, hosts)) in listing.clusters.iter().zip(expected) {
        assert_eq!(cluster.name, name);
        let hosts: Vec<_> = hosts.iter().map(|(addr, fit)| ((*addr).to_owned(), *fit)).collect();
        assert_eq!(listed(&cluster.hosts), hosts, "{name}");
        assert_eq!(cluster.left_out, 0);
    }
    assert_eq!(listing.clusters.len(), 7);
    // The pipe of `backend`, and the internal listener.
    assert_eq!(listing.skipped, 2);
}

#[test]
fn only_wanted_clusters_are_read() {
    let wanted = |name: &str| (name == "checked").then_some(100);
    let listing = hosts(ENVOY, wanted).unwrap();
    assert_eq!(listing.clusters.len(), 1);
    assert_eq!(listing.clusters[0].name, "checked");
    assert_eq!(listing.skipped, 0, "the entries of others do not count");
    // Nor are they looked at: this number would be too large to read.
    let listing = hosts(cluster(&host("1e999", "")).as_bytes(), wanted);
    assert_eq!(listing, Ok(Listing::default()));
}

#[test]
fn of_too_many_hosts_always_the_same_are_left_out() {
    let two = |name: &str| (name == "c").then_some(2);
    for ports in [["3", "1", "2", "1"], ["2", "1", "1", "3"]] {
        let body = cluster(&ports.map(|port| host(port, "")).join(","));
        let ListedCluster { hosts, left_out, .. } = hosts(body.as_bytes(), two).unwrap().clusters.remove(0);
        let addrs: Vec<_> = hosts.iter().map(|host| host.addr.to_string()).collect();
        assert_eq!(addrs, ["10.0.0.1:1", "10.0.0.1:2"]);
        assert_eq!(left_out, 1);
    }
}

#[test]
fn every_sign_of_ill_health_counts_in_both_spellings() {
    for (health, standing) in [
        (r#""eds_health_status":"UNHEALTHY""#, Standing::Unfit),
        (r#""edsHealthStatus":"DRAINING""#, Standing::Unfit),
        (r#""eds_health_status":"TIMEOUT""#, Standing::Unfit),
        (r#""eds_health_status":"DEGRADED""#, Standing::Spare),
        (r#""eds_health_status":"HEALTHY""#, Standing::Fit),
        (r#""eds_health_status":"UNKNOWN""#, Standing::Fit),
        (r#""failed_active_health_check":true"#, Standing::Unfit),
        (r#""failedActiveHealthCheck":true"#, Standing::Unfit),
        (r#""pending_active_hc":true"#, Standing::Unfit),
        (r#""pendingActiveHc":true"#, Standing::Unfit),
        (r#""excluded_via_immediate_hc_fail":true"#, Standing::Unfit),
        (r#""excludedViaImmediateHcFail":true"#, Standing::Unfit),
        (r#""pending_dynamic_removal":true"#, Standing::Unfit),
        (r#""pendingDynamicRemoval":true"#, Standing::Unfit),
        (r#""failed_active_degraded_check":true"#, Standing::Spare),
        (r#""failedActiveDegradedCheck":true"#, Standing::Spare),
        (r#""failed_active_health_check":false"#, Standing::Fit),
        (r#""failed_outlier_check":true"#, Standing::Fit),
        (r#""something_new":true"#, Standing::Fit),
        ("", Standing::Fit),
    ] {
        for name in ["health_status", "healthStatus"] {
            let body = cluster(&host("80", &format!(r#","{name}":{{{health}}}"#)));
            assert_eq!(only(&body), (vec![("10.0.0.1:80".to_owned(), standing)], 0), "{body}");
        }
    }
    let spare = vec![("10.0.0.1:80".to_owned(), Standing::Spare)];
    assert_eq!(only(&cluster(&host("80", r#","priority":1"#))), (spare, 0));
}

#[test]
fn a_body_in_camel_case_reads_the_same() {
    let camel = r#"{"clusterStatuses":[{"name":"c","hostStatuses":[
        {"address":{"socketAddress":{"address":"10.0.0.1","portValue":80}}}]}]}"#;
    assert_eq!(read(camel), read(&cluster(&host("80", ""))));
    assert_eq!(only(camel).0.len(), 1);
}

#[test]
fn a_host_listed_twice_has_its_best_standing() {
    let [fit, spare, unfit] = ["", r#","priority":2"#, r#","health_status":{"pending_active_hc":true}"#];
    for (first, second, standing) in [
        (fit, unfit, Standing::Fit),
        (unfit, spare, Standing::Spare),
        (spare, fit, Standing::Fit),
        (unfit, unfit, Standing::Unfit),
    ] {
        let body = cluster(&[host("80", first), host("80", second)].join(","));
        assert_eq!(only(&body), (vec![("10.0.0.1:80".to_owned(), standing)], 0), "{body}");
    }
}

#[test]
fn a_cluster_listed_twice_is_one() {
    let body = format!(
        r#"{{"cluster_statuses":[{{"name":"c","host_statuses":[{}]}},{{"name":"c","host_statuses":[{}]}}]}}"#,
        host("2", ""),
        host("1", "")
    );
    assert_eq!(only(&body).0.len(), 2);
}

#[test]
fn a_name_may_come_after_the_hosts() {
    let body = format!(
        r#"{{"cluster_statuses":[{{"host_statuses":[{}],"name":"c"}},{{"host_statuses":[7],"name":"d"}}]}}"#,
        host("80", "")
    );
    let wanted = |name: &str| (name == "c").then_some(5);
    let listing = hosts(body.as_bytes(), wanted).unwrap();
    assert_eq!(listing.clusters.len(), 1);
    assert_eq!(listing.clusters[0].hosts.len(), 1);
    assert_eq!(listing.skipped, 0);
}

#[test]
fn odd_entries_are_skipped_and_counted_and_the_others_are_read() {
    let long = "1".repeat(1000);
    for odd in [
        "null",
        "7",
        "[]",
        r#""10.0.0.1:80""#,
        "{}",
        r#"{"address":null}"#,
        r#"{"address":[]}"#,
        r#"{"address":"10.0.0.1:80"}"#,
        r#"{"address":{"pipe":{"path":"/tmp/socket"}}}"#,
        r#"{"address":{"envoy_internal_address":{"server_listener_name":"inner"}}}"#,
        r#"{"address":{"socket_address":{"address":"10.0.0.1"}}}"#,
        r#"{"address":{"socket_address":{"port_value":80}}}"#,
        r#"{"address":{"socket_address":{"address":"backend","port_value":80}}}"#,
        r#"{"address":{"socket_address":{"address":"fe80::1%2","port_value":80}}}"#,
        r#"{"address":{"socket_address":{"address":7,"port_value":80}}}"#,
        &host("0", ""),
        &host("65536", ""),
        &host("-1", ""),
        &host("80.5", ""),
        &host("1e99", ""),
        &host(r#""80""#, ""),
        &host("true", ""),
        &host("[80]", ""),
        &host(r#"{"port":80}"#, ""),
        &host("80", r#","priority":"first""#),
        &host("80", r#","priority":-1"#),
        &host("80", r#","priority":0.5"#),
        &host("80", r#","health_status":true"#),
        &host("80", r#","health_status":[{"failed_active_health_check":true}]"#),
        &host("80", r#","health_status":{"failed_active_health_check":"true"}"#),
        &host("80", r#","health_status":{"eds_health_status":2}"#),
        &host("80", r#","health_status":{"eds_health_status":["DRAINING"]}"#),
        &format!(r#"{{"address":{{"socket_address":{{"address":"{long}","port_value":80}}}}}}"#),
    ] {
        let body = cluster(&[host("1", ""), odd.to_owned(), host("2", "")].join(","));
        let (hosts, skipped) = only(&body);
        assert_eq!((hosts.len(), skipped), (2, 1), "{odd}");
    }
}

#[test]
fn odd_clusters_are_skipped_and_counted_and_the_others_are_read() {
    for odd in [
        "null",
        "7",
        "[]",
        "{}",
        r#"{"name":7}"#,
        r#"{"name":null}"#,
        r#"{"name":{"name":"c"}}"#,
    ] {
        let body = format!(r#"{{"cluster_statuses":[{{"name":"a"}},{odd},{{"name":"b"}}]}}"#);
        let listing = read(&body).unwrap();
        assert_eq!((listing.clusters.len(), listing.skipped), (2, 1), "{odd}");
    }
    for odd in ["7", "{}", r#""no""#] {
        let body = format!(r#"{{"cluster_statuses":[{{"name":"c","host_statuses":{odd}}}]}}"#);
        assert_eq!(only(&body), (vec![], 1), "{odd}");
    }
}

#[test]
fn what_is_null_or_missing_has_its_default() {
    for body in [
        "{}",
        r#"{"cluster_statuses":[]}"#,
        r#"{"cluster_statuses":null}"#,
        r#"{"else":[1]}"#,
    ] {
        assert_eq!(read(body), Ok(Listing::default()), "{body}");
    }
    let body = r#"{"cluster_statuses":[{"name":"c","host_statuses":null}]}"#;
    assert_eq!(only(body), (vec![], 0));
    let nulls = r#","priority":null,"health_status":{"eds_health_status":null,"pending_active_hc":null},"stats":null"#;
    let fit = vec![("10.0.0.1:80".to_owned(), Standing::Fit)];
    assert_eq!(only(&cluster(&host("80", nulls))), (fit, 0));
}

#[test]
fn what_is_no_list_of_clusters_is_refused() {
    for body in [
        "null",
        "[]",
        "7",
        r#""text""#,
        r#"{"cluster_statuses":7}"#,
        r#"{"cluster_statuses":{}}"#,
    ] {
        assert_eq!(read(body), Err(DiscoverError::NotClusters), "{body}");
    }
    let not_json = |line, column| Err(DiscoverError::NotJson { line, column });
    // What Envoy says to a filter that is no pattern.
    assert_eq!(read("Invalid re2 regex"), not_json(1, 1));
    assert_eq!(read(""), not_json(1, 0));
    assert_eq!(read("{}\n{}"), not_json(2, 1));
    assert_eq!(hosts(b"{\"a\xff\":1}", all), Err(DiscoverError::NotText { from: 3 }));
    assert_eq!(
        hosts(&vec![b' '; MAX_BODY + 1], all),
        Err(DiscoverError::TooLarge(MAX_BODY + 1))
    );
}

#[test]
fn a_body_cut_anywhere_is_refused() {
    let end = ENVOY.trim_ascii_end().len();
    for cut in 0..end {
        assert!(
            matches!(hosts(&ENVOY[..cut], all), Err(DiscoverError::NotJson { .. })),
            "{cut}"
        );
    }
}

#[test]
fn nesting_takes_no_stack() {
    // Skipped where nothing is wanted, however deep.
    let (open, close) = ("[".repeat(1_000_000), "]".repeat(1_000_000));
    let body = format!(r#"{{"deep":{open}{close}}}"#);
    assert_eq!(read(&body), Ok(Listing::default()));
    assert!(matches!(
        read(&open),
        Err(DiscoverError::NotJson { .. } | DiscoverError::NotClusters)
    ));
}

#[test]
fn the_path_asks_envoy_to_leave_out_other_clusters() {
    assert_eq!(path(["a"]), "/clusters?format=json&filter=%5E%28a%29%24");
    assert_eq!(
        path(["outbound|80||r.b_c", "é"]),
        "/clusters?format=json&filter=%5E%28outbound%5C%7C80%5C%7C%5C%7Cr%5C%2Eb_c%7C%C3%A9%29%24"
    );
}

#[test]
fn a_name_that_fits_in_no_pattern_and_too_many_names_ask_for_all() {
    let all = "/clusters?format=json";
    assert_eq!(path(["a", "b\0", "c"]), all);
    let names = vec!["twenty-one-characters"; 1000];
    assert_eq!(path(names), all);
}
