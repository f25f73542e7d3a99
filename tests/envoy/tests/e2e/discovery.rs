//! Hosts that come and go, known at once because Envoy's admin interface lists them.

use serde_json::{Value, json};
use sidestep_envoy::Crowd;
use sidestep_support::{
    Behaviour, Cluster, Endpoints, Envoy, EnvoyConfig, Reply, Request, Traffic, Upstream, wait_for,
};

/// A plugin that knows a cluster by its name, and no hosts but those that the admin interface lists. It tries nothing at
/// random.
fn plugin() -> Value {
    let mut plugin = nameless();
    plugin["clusters"] = json!({"backend": {}});
    plugin
}

/// A plugin that does not even know the cluster.
fn nameless() -> Value {
    json!({
        "outlier_detection": {"base_ejection_time": "300s"},
        "picking": {"discovery_percent": 0, "admin": {"cluster": "admin", "interval": "1s"}},
    })
}

async fn start(cluster: Cluster, plugin: &Value) -> Envoy {
    let config = EnvoyConfig::new([cluster])
        .plugin(plugin)
        .admin_cluster("admin")
        .unwrap();
    Envoy::start(config).await.unwrap()
}

/// A first request tells of the cluster, and the next reading of its hosts.
async fn know_hosts(envoy: &Envoy) {
    envoy.client().get("/").await.unwrap();
    let reads = envoy.metric("sidestep.admin.reads").await.unwrap();
    envoy
        .until_metric("sidestep.admin.reads", |n| n >= reads + 3)
        .await
        .unwrap();
}

fn traffic(envoy: &Envoy) -> Traffic {
    envoy.client().traffic(100.0, |n| Request::get(&format!("/{n}")))
}

async fn eject(envoy: &Envoy, server: &Upstream) {
    server.set(Reply::status(503));
    let traffic = traffic(envoy);
    let line = format!("ejected host {}", server.address());
    envoy.until_log(&line).await.unwrap();
    assert_eq!(traffic.stop().await.failed(), 0);
}

#[tokio::test]
async fn hosts_of_a_cluster_that_the_configuration_does_not_name_are_known_too() {
    let servers = Crowd::http1(3).await;
    let d = Upstream::http1("d").await;
    let endpoints = Endpoints::new("backend", &servers).unwrap();
    let envoy = start(Cluster::following(&endpoints), &nameless()).await;
    know_hosts(&envoy).await;
    eject(&envoy, &servers[0]).await;
    let _traffic = traffic(&envoy);
    endpoints.set(servers.iter().chain([&d])).unwrap();
    d.until_count(20).await.unwrap();
}

#[tokio::test]
async fn a_host_that_comes_gets_traffic_at_once_and_one_that_goes_gets_none() {
    let [a, b, c, d] = ["a", "b", "c", "d"].map(Upstream::http1);
    let (a, b, c, d) = (a.await, b.await, c.await, d.await);
    let endpoints = Endpoints::new("backend", [&a, &b, &c]).unwrap();
    let envoy = start(Cluster::following(&endpoints), &plugin()).await;
    know_hosts(&envoy).await;
    // While one is out, all requests are pinned to hosts that are known.
    eject(&envoy, &a).await;
    let traffic = traffic(&envoy);
    endpoints.set([&a, &b, &c, &d]).unwrap();
    d.until_count(20).await.unwrap();
    endpoints.set([&a, &b, &c]).unwrap();
    envoy
        .until_stat("cluster.backend.membership_total", |n| n == 3)
        .await
        .unwrap();
    wait_for("quiet", || async {
        let before = d.count();
        b.until_count(b.count() + 20).await.ok()?;
        (d.count() == before).then_some(())
    })
    .await
    .unwrap();
    assert_eq!(traffic.stop().await.failed(), 0);
    assert_eq!(envoy.metric("sidestep.discovery").await.unwrap(), 0);
}

#[tokio::test]
async fn an_ejected_host_that_goes_is_ejected_no_more() {
    let servers = Crowd::http1(3).await;
    let endpoints = Endpoints::new("backend", &servers).unwrap();
    let envoy = start(Cluster::following(&endpoints), &plugin()).await;
    know_hosts(&envoy).await;
    eject(&envoy, &servers[0]).await;
    envoy
        .until_metric("sidestep.ejections_active", |n| n == 1)
        .await
        .unwrap();
    endpoints.set(&servers[1..]).unwrap();
    envoy
        .until_metric("sidestep.ejections_active", |n| n == 0)
        .await
        .unwrap();
    // It comes back as what it was: leaving for a moment is no way around an ejection.
    endpoints.set(&servers).unwrap();
    envoy
        .until_metric("sidestep.ejections_active", |n| n == 1)
        .await
        .unwrap();
    let before = servers[0].count();
    let answers = envoy.client().send_many(60, 4, |_| Request::get("/")).await;
    assert!(
        answers
            .iter()
            .all(|answer| answer.as_ref().is_ok_and(|answer| answer.status() == 200))
    );
    assert_eq!(servers[0].count(), before);
}

#[tokio::test]
async fn a_host_that_envoy_itself_holds_unhealthy_is_not_picked() {
    // The override_host policy does not look at Envoy's health checks; who pins has to.
    let servers = Crowd::http1(4).await;
    for server in &servers {
        server.set_path("/healthz", Reply::status(200));
    }
    let cluster = Cluster::new("backend").hosts(&servers).with(
        "health_checks",
        json!([{
            "timeout": "1s",
            "interval": "0.2s",
            "no_traffic_interval": "0.2s",
            "unhealthy_threshold": 1,
            "healthy_threshold": 1,
            "http_health_check": {"path": "/healthz"},
        }]),
    );
    let envoy = start(cluster, &plugin()).await;
    servers[1].set_path("/healthz", Reply::status(503));
    envoy
        .until_stat("cluster.backend.membership_healthy", |n| n == 3)
        .await
        .unwrap();
    let reads = envoy.metric("sidestep.admin.reads").await.unwrap();
    envoy
        .until_metric("sidestep.admin.reads", |n| n >= reads + 2)
        .await
        .unwrap();
    eject(&envoy, &servers[0]).await;
    let users = |server: &Upstream| server.count() - server.count_at("/healthz");
    let before = users(&servers[1]);
    let answers = envoy.client().send_many(100, 4, |_| Request::get("/")).await;
    assert!(
        answers
            .iter()
            .all(|answer| answer.as_ref().is_ok_and(|answer| answer.status() == 200))
    );
    assert_eq!(users(&servers[1]), before);
    servers[1].set_path("/healthz", Reply::status(200));
    let _traffic = traffic(&envoy);
    wait_for("its traffic", || async {
        (users(&servers[1]) > before + 10).then_some(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn one_worker_reads_and_not_each() {
    let servers = Crowd::http1(2).await;
    let envoy = start(Cluster::new("backend").hosts(&servers), &plugin()).await;
    let start = std::time::Instant::now();
    let first = envoy.metric("sidestep.admin.reads").await.unwrap();
    let last = envoy
        .until_metric("sidestep.admin.reads", |n| n >= first + 8)
        .await
        .unwrap();
    // By two workers they would be twice as many; two more for metrics that come late.
    let intervals = start.elapsed().as_secs() + 1;
    assert!(
        last - first <= intervals + 2,
        "{} reads in {intervals} intervals",
        last - first
    );
}

#[tokio::test]
async fn odd_answers_of_the_admin_interface_are_counted_and_nothing_else() {
    // A server that takes the admin interface's place.
    let servers = Crowd::http1(3).await;
    let admin = Upstream::http1("admin").await;
    let clusters = [
        Cluster::new("backend").hosts(&servers),
        Cluster::new("admin").host(&admin).without_override_policy(),
    ];
    let plugin = plugin();
    let odd: [Behaviour; 8] = [
        Reply::status(200).body("no JSON").into(),
        Reply::status(200).body("{\"cluster_statuses\": 7}").into(),
        Reply::status(200).body(vec![b'['; 3_000_000]).into(),
        Reply::status(200)
            .body("{\"cluster_statuses\": [{\"name\": \"backend\"")
            .into(),
        Reply::status(500).body("{}").into(),
        Reply::status(200).body("1234").cut_in_body().into(),
        Behaviour::Close,
        Behaviour::Hang,
    ];
    admin.set(odd[0].clone());
    let envoy = Envoy::start(EnvoyConfig::new(clusters).plugin(&plugin)).await.unwrap();
    let traffic = traffic(&envoy);
    for behaviour in odd {
        admin.set(behaviour.clone());
        let failed = envoy.metric("sidestep.errors.admin").await.unwrap();
        let more = envoy.until_metric("sidestep.errors.admin", |n| n >= failed + 2).await;
        assert!(more.is_ok(), "{more:?}: {behaviour:?}");
    }
    eject(&envoy, &servers[0]).await;
    assert_eq!(traffic.stop().await.failed(), 0);
    let asked = admin.received();
    assert!(
        asked
            .iter()
            .all(|request| request.path.starts_with("/clusters?format=json"))
    );
    assert!(!envoy.log().contains("panicked"));
}
