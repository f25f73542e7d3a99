//! Envoy's hosts, routes and statistics, as a test arranges them.

use serde_json::{Value, json};
use sidestep_support::{Behaviour, Client, Cluster, Endpoints, Envoy, EnvoyConfig, Request, Route, Upstream};
use std::collections::BTreeSet;

async fn who_answers(client: &Client) -> BTreeSet<String> {
    let answers = client.send_many(40, 4, |_| Request::get("/")).await;
    answers
        .iter()
        .flatten()
        .map(|answer| answer.upstream().to_owned())
        .collect()
}

#[tokio::test]
async fn hosts_come_and_go_while_envoy_runs() {
    let (a, b) = (Upstream::http1("a").await, Upstream::http1("b").await);
    let endpoints = Endpoints::new("backend", [&a]).unwrap();
    let config = EnvoyConfig::new([Cluster::following(&endpoints)]).without_filter();
    let envoy = Envoy::start(config).await.unwrap();
    assert_eq!(who_answers(&envoy.client()).await, ["a".to_owned()].into());
    for (hosts, names) in [(vec![&a, &b], vec!["a", "b"]), (vec![&b], vec!["b"])] {
        let count = hosts.len() as u64;
        endpoints.set(hosts).unwrap();
        let total = "cluster.backend.membership_total";
        envoy.until_stat(total, |n| n == count).await.unwrap();
        // The workers hear of it a little later than the statistics.
        sidestep_support::wait_for("the new hosts alone", || async {
            let who = who_answers(&envoy.client()).await;
            who.iter().eq(names.iter()).then_some(())
        })
        .await
        .unwrap();
    }
}

#[tokio::test]
async fn the_admin_interface_is_a_cluster() {
    let a = Upstream::http1("a").await;
    let config = EnvoyConfig::new([Cluster::new("backend").host(&a)])
        .without_filter()
        .admin_cluster("admin")
        .unwrap()
        .route_first(Route::new("hosts", "/clusters", "admin"));
    let envoy = Envoy::start(config).await.unwrap();
    let answer = envoy.client().get("/clusters?format=json").await.unwrap();
    let json: Value = serde_json::from_str(&answer.text()).unwrap();
    let names: BTreeSet<_> = json["cluster_statuses"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|cluster| cluster["name"].as_str())
        .collect();
    assert_eq!(names, ["admin", "backend"].into());
    assert_eq!(envoy.stat("server.live").await.unwrap(), 1);
}

#[tokio::test]
async fn routes_have_names_and_say_their_own() {
    let (a, b) = (Upstream::http1("a").await, Upstream::http1("b").await);
    let clusters = [Cluster::new("one").host(&a), Cluster::new("two").host(&b)];
    let config = EnvoyConfig::new(clusters)
        .without_filter()
        .route_first(Route::new("special", "/special", "two").with("timeout", json!("0.05s")))
        .virtual_host(
            "response_headers_to_add",
            json!([{"header": {"key": "x-route", "value": "%ROUTE_NAME%"}}]),
        );
    let envoy = Envoy::start(config).await.unwrap();
    b.set(Behaviour::Hang);
    let of_b = envoy.client().get("/special/x").await.unwrap();
    assert_eq!((of_b.status(), of_b.header("x-route")), (504, Some("special")));
    let of_a = envoy.client().get("/").await.unwrap();
    assert_eq!((of_a.upstream(), of_a.header("x-route")), ("a", Some("one")));
}

#[tokio::test]
async fn statistics_can_be_left_out() {
    let a = Upstream::http1("a").await;
    let config = EnvoyConfig::new([Cluster::new("backend").host(&a)])
        .without_filter()
        .only_stats(&["cluster.backend.upstream_rq_total"]);
    let envoy = Envoy::start(config).await.unwrap();
    envoy.client().get("/").await.unwrap();
    envoy
        .until_stat("cluster.backend.upstream_rq_total", |n| n == 1)
        .await
        .unwrap();
    assert_eq!(envoy.stats(".*").await.unwrap().len(), 1);
}
