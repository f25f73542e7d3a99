//! Routes that do more than lead to a cluster, and the access log that tells of them.

use serde_json::json;
use sidestep_support::{Cluster, Envoy, EnvoyConfig, Request, Route, Upstream};

async fn two() -> [Upstream; 2] {
    [Upstream::http1("a").await, Upstream::http1("b").await]
}

fn clusters([a, b]: &[Upstream; 2]) -> EnvoyConfig {
    EnvoyConfig::new([Cluster::new("one").host(a), Cluster::new("two").host(b)]).without_filter()
}

#[tokio::test]
async fn a_route_changes_the_headers_of_requests_and_answers() {
    let upstreams = two().await;
    let route = Route::new("changing", "/", "one")
        .adding_to_request("x-added", "1")
        .adding_to_request("x-added-too", "2")
        .removing_from_request("x-gone")
        .adding_to_response("x-said", "route");
    let envoy = Envoy::start(clusters(&upstreams).route_first(route)).await.unwrap();
    let request = Request::get("/").header("x-gone", "1").header("x-kept", "1");
    let answer = envoy.client().send(request).await.unwrap();
    assert_eq!(answer.header("x-said"), Some("route"));
    let received = &upstreams[0].received()[0];
    let of = |name| received.header(name);
    assert_eq!((of("x-added"), of("x-added-too")), (Some("1"), Some("2")));
    assert_eq!((of("x-gone"), of("x-kept")), (None, Some("1")));
}

#[tokio::test]
async fn a_route_is_for_requests_with_its_headers() {
    let upstreams = two().await;
    let both = Route::new("", "/", "two")
        .if_header("x-a", "1")
        .if_header("x-b", "2")
        .matching("case_sensitive", json!(false))
        .beside("metadata", json!({"filter_metadata": {"x": {"y": 1}}}));
    let envoy = Envoy::start(clusters(&upstreams).route_first(both)).await.unwrap();
    let client = envoy.client();
    let one = Request::get("/").header("x-a", "1");
    assert_eq!(client.send(one.clone()).await.unwrap().upstream(), "a");
    assert_eq!(client.send(one.header("x-b", "2")).await.unwrap().upstream(), "b");
}

#[tokio::test]
async fn a_header_names_the_cluster() {
    let upstreams = two().await;
    let route = Route::by_header("", "/", "x-cluster");
    let envoy = Envoy::start(clusters(&upstreams).route_first(route)).await.unwrap();
    for (cluster, name) in [("one", "a"), ("two", "b")] {
        let request = Request::get("/").header("x-cluster", cluster);
        assert_eq!(envoy.client().send(request).await.unwrap().upstream(), name);
    }
    assert_eq!(envoy.client().get("/").await.unwrap().status(), 503);
}

#[tokio::test]
async fn the_access_log_has_a_line_for_each_request() {
    let upstreams = two().await;
    let config = clusters(&upstreams)
        .route_first(Route::new("", "/nameless", "two"))
        .and_without_filter()
        .access_log("%RESPONSE_CODE% %ROUTE_NAME% %REQ(X-N)% %UPSTREAM_CLUSTER%");
    let envoy = Envoy::start(config).await.unwrap();
    assert!(envoy.access_log().is_empty());
    let request = |path, n: &str| Request::get(path).header("x-n", n);
    envoy.client().send(request("/", "1")).await.unwrap();
    envoy.until_access_log(1).await.unwrap();
    envoy.plain_client().send(request("/nameless", "2")).await.unwrap();
    let lines = envoy.until_access_log(2).await.unwrap();
    assert_eq!(lines, ["200 one 1 one", "200 - 2 two"]);
    assert_eq!(envoy.access_log(), lines);
}
