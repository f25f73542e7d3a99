//! Envoy, without the filter: what the tests of the filter stand on.

use serde_json::json;
use sidestep_support::{Behaviour, Cluster, Envoy, EnvoyConfig, EnvoyError, Gate, Reply, Request, Upstream, filters};
use std::path::Path;
use std::time::Duration;

async fn three() -> [Upstream; 3] {
    [
        Upstream::http1("a").await,
        Upstream::http1("b").await,
        Upstream::http1("c").await,
    ]
}

fn plain(upstreams: &[Upstream]) -> EnvoyConfig {
    EnvoyConfig::new([Cluster::new("backend").hosts(upstreams)]).without_filter()
}

#[tokio::test]
async fn serves_all_hosts_in_turn_and_counts() {
    let upstreams = three().await;
    let envoy = Envoy::start(plain(&upstreams)).await.unwrap();
    for answer in envoy.client().send_many(60, 10, |_| Request::get("/")).await {
        assert_eq!(answer.unwrap().status(), 200);
    }
    assert!(upstreams.iter().all(|upstream| upstream.count() > 0));
    assert_eq!(
        envoy
            .until_stat("cluster.backend.upstream_rq_200", |n| n == 60)
            .await
            .unwrap(),
        60
    );
    assert_eq!(envoy.metric("sidestep.retries.attempted").await.unwrap(), 0);
}

#[tokio::test]
async fn the_override_header_names_the_host_and_goes_no_further() {
    let upstreams = three().await;
    let envoy = Envoy::start(plain(&upstreams)).await.unwrap();
    let request = |n: usize| Request::get("/").header("x-sidestep-host", upstreams[n % 3].address().to_string());
    let answers = envoy.client().send_many(30, 5, request).await;
    for (n, answer) in answers.into_iter().enumerate() {
        assert_eq!(answer.unwrap().upstream(), upstreams[n % 3].name());
    }
    let seen = upstreams[0].received();
    assert!(seen.iter().all(|request| request.header("x-sidestep-host").is_none()));
}

#[tokio::test]
async fn without_the_policy_the_header_is_only_a_header() {
    let upstreams = three().await;
    let cluster = Cluster::new("backend").hosts(&upstreams).without_override_policy();
    let envoy = Envoy::start(EnvoyConfig::new([cluster]).without_filter())
        .await
        .unwrap();
    let request = |_| Request::get("/").header("x-sidestep-host", upstreams[0].address().to_string());
    envoy.client().send_many(30, 1, request).await;
    assert!(upstreams[1].count() > 0);
    assert!(upstreams[1].received()[0].header("x-sidestep-host").is_some());
}

#[tokio::test]
async fn each_failure_is_seen_as_what_it_is() {
    let a = Upstream::http1("a").await;
    let envoy = Envoy::start(plain(std::slice::from_ref(&a))).await.unwrap();
    let client = envoy.client();
    let status_for = |behaviour: Behaviour| {
        a.set(behaviour);
        async {
            let answer = client.get("/").await;
            answer.map_or(0, |answer| answer.status())
        }
    };
    assert_eq!(status_for(Reply::status(503).into()).await, 503);
    assert_eq!(status_for(Behaviour::Close).await, 503);
    // Half of the headers is a protocol error to Envoy.
    assert_eq!(status_for(Reply::status(200).cut_in_headers().into()).await, 502);
    assert_eq!(
        status_for(Reply::status(200).body("1234").cut_in_body().into()).await,
        0
    );
    a.stop().await;
    assert_eq!(status_for(Reply::status(200).into()).await, 503);
    a.start().await;
    assert_eq!(status_for(Reply::status(200).into()).await, 200);
    assert_eq!(envoy.stat("cluster.backend.upstream_cx_connect_fail").await.unwrap(), 1);
}

#[tokio::test]
async fn http2_upstreams_answer_fail_and_refuse() {
    let a = Upstream::http2("a").await;
    let cluster = Cluster::new("backend").host(&a).http2();
    let envoy = Envoy::start(EnvoyConfig::new([cluster]).without_filter())
        .await
        .unwrap();
    let client = envoy.client();
    a.set(Behaviour::Echo);
    let answer = client.send(Request::new("PUT", "/x").body("abc")).await.unwrap();
    assert_eq!((answer.status(), answer.text().as_str()), (200, "abc"));
    assert_eq!(a.received()[0].version, hyper::Version::HTTP_2);
    assert_eq!(a.received()[0].header("host"), Some("sidestep.test"));
    for behaviour in [
        Behaviour::Close,
        Behaviour::RefuseStream,
        Reply::status(200).cut_in_headers().into(),
    ] {
        a.set(behaviour.clone());
        assert_eq!(client.get("/").await.unwrap().status(), 503, "{behaviour:?}");
    }
    a.set(Reply::status(200).body("1234").cut_in_body());
    assert!(client.get("/").await.is_err());
    // A refused stream is counted elsewhere.
    assert_eq!(envoy.stat("cluster.backend.upstream_rq_rx_reset").await.unwrap(), 2);
}

#[tokio::test]
async fn a_slow_host_meets_the_routes_timeout() {
    let a = Upstream::http1("a").await;
    let gate = Gate::new();
    a.set(Reply::status(200).held_at(&gate));
    let config = plain(std::slice::from_ref(&a)).route_timeout(Duration::from_millis(50));
    let envoy = Envoy::start(config).await.unwrap();
    assert_eq!(envoy.client().get("/").await.unwrap().status(), 504);
    gate.until_empty().await.unwrap();
}

#[tokio::test]
async fn filters_stand_before_and_after() {
    let a = Upstream::http1("a").await;
    let config = plain(std::slice::from_ref(&a))
        .filter_before(filters::cors())
        .virtual_host("typed_per_filter_config", filters::cors_policy("http://here"))
        .filter_before(filters::lua(
            "function envoy_on_response(h) h:headers():add('x-order', 'outer') end",
        ))
        .filter_after(filters::lua(
            "function envoy_on_response(h) h:headers():add('x-order', 'inner') end",
        ));
    let envoy = Envoy::start(config).await.unwrap();
    let request = Request::get("/").header("origin", "http://here");
    let answer = envoy.client().send(request).await.unwrap();
    assert_eq!(answer.header("access-control-allow-origin"), Some("http://here"));
    let order: Vec<_> = answer.headers().get_all("x-order").iter().collect();
    assert_eq!(order, ["inner", "outer"]);
}

#[tokio::test]
async fn clusters_are_reached_by_their_names() {
    let [a, b, _] = three().await;
    let clusters = [Cluster::new("one").host(&a), Cluster::new("two").host(&b)];
    let config = EnvoyConfig::new(clusters).without_filter().and_without_filter();
    let envoy = Envoy::start(config).await.unwrap();
    for client in [envoy.client(), envoy.plain_client()] {
        for (path, name) in [("/", "a"), ("/one/x", "a"), ("/two/x", "b")] {
            assert_eq!(client.get(path).await.unwrap().upstream(), name);
        }
    }
}

#[tokio::test]
async fn there_is_a_connection_to_each_worker() {
    let a = Upstream::http1("a").await;
    let envoy = Envoy::start(plain(std::slice::from_ref(&a)).workers(3)).await.unwrap();
    let mut connections = envoy.connection_per_worker(3).await.unwrap();
    assert_eq!(connections.len(), 3);
    for connection in &mut connections {
        assert_eq!(connection.get("/").await.unwrap().status(), 200);
    }
}

#[tokio::test]
async fn ends_with_its_value_and_leaves_nothing_behind() {
    let a = Upstream::http1("a").await;
    let envoy = Envoy::start(plain(std::slice::from_ref(&a))).await.unwrap();
    let process = format!("/proc/{}", envoy.pid());
    assert!(Path::new(&process).exists());
    envoy.until_log("admin address").await.unwrap();
    drop(envoy);
    assert!(!Path::new(&process).exists());
}

#[tokio::test]
async fn says_why_a_configuration_is_refused() {
    let a = Upstream::http1("a").await;
    let good = plain(std::slice::from_ref(&a));
    assert_eq!(Envoy::validate(&good).await.unwrap(), Ok(()));
    let bad = good.route("no_such_field", json!(1));
    let log = Envoy::validate(&bad).await.unwrap().unwrap_err();
    assert!(log.contains("no_such_field"), "{log}");
    let error = Envoy::start(bad).await.unwrap_err();
    assert!(matches!(error, EnvoyError::Ended { .. }), "{error}");
    assert!(error.to_string().contains("no_such_field"));
}

#[tokio::test]
async fn a_missing_module_is_named() {
    let config = EnvoyConfig::new([Cluster::new("backend")]).wasm(Path::new("/nowhere.wasm"));
    let error = Envoy::start(config).await.unwrap_err();
    assert!(matches!(error, EnvoyError::NoModule(_)), "{error}");
}
