//! A second attempt while the first one is still out, and retries that wait.

use serde_json::json;
use sidestep_envoy::{Scene, knowing};
use sidestep_support::{Behaviour, Cluster, Envoy, EnvoyConfig, Gate, Reply, Request, Upstream, filters};

#[tokio::test]
async fn a_silent_host_is_not_waited_for_and_other_filters_see_the_answer() {
    let plugin = json!({"retry": {"hedge": {"delay": "50ms"}}});
    let mark = "function envoy_on_response(handle) handle:headers():add('x-lua', 'seen') end";
    let scene = Scene::start_with(plugin, |config| config.filter_before(filters::lua(mark))).await;
    scene.a.set(Behaviour::Hang);
    for number in 0..12 {
        let answer = scene.client().get(&format!("/{number}")).await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_ne!(answer.header("x-upstream"), Some("a"));
        assert_eq!(answer.header("x-lua"), Some("seen"));
    }
    scene.metric_is("sidestep.hedges.won", scene.a.count()).await;
}

#[tokio::test]
async fn hedges_work_for_bodies_and_for_head_over_http2_too() {
    let plugin = json!({"retry": {"hedge": {"delay": "30ms"}}});
    let scene = Scene::start(plugin).await;
    scene.a.set(Behaviour::Hang);
    let client = scene.envoy.client().http2();
    for number in 0..9 {
        let put = Request::new("PUT", &format!("/{number}")).body(vec![b'x'; 20_000]);
        assert_eq!(client.send(put).await.unwrap().status(), 200);
        let head = client.send(Request::new("HEAD", &format!("/h{number}"))).await.unwrap();
        assert_eq!(head.status(), 200);
    }
    assert!(scene.a.count() > 0);
}

#[tokio::test]
async fn what_must_not_be_sent_twice_is_not_hedged() {
    let plugin = json!({"retry": {"hedge": {"delay": "20ms"}}});
    let scene = Scene::start(plugin).await;
    let gate = Gate::new();
    for server in scene.servers() {
        server.set(Reply::status(200).held_at(&gate));
    }
    let client = scene.client();
    let (answer, ()) = tokio::join!(client.send(Request::new("POST", "/").body("x")), async {
        // Another request that is hedged shows that the time has come.
        let other = scene.client();
        let get = tokio::spawn(async move { other.get("/get").await });
        scene
            .envoy
            .until_metric("sidestep.hedges.attempted", |n| n == 1)
            .await
            .unwrap();
        gate.open();
        get.await.unwrap().unwrap();
    });
    assert_eq!(answer.unwrap().status(), 200);
    let all = scene.servers().map(|server| server.received()).concat();
    assert_eq!(all.iter().filter(|request| request.method == "POST").count(), 1);
}

#[tokio::test]
async fn the_only_host_is_asked_again_after_a_while_and_as_it_asks() {
    let a = Upstream::http1("a").await;
    let cluster = Cluster::new("backend").host(&a);
    let plugin = knowing("backend", std::slice::from_ref(&a), json!({}));
    let envoy = Envoy::start(EnvoyConfig::new([cluster]).plugin(&plugin)).await.unwrap();
    for failure in [Reply::status(503), Reply::status(503).header("retry-after", "1")] {
        let asks = failure.clone();
        a.set_next(asks);
        let before = a.count();
        assert_eq!(envoy.client().get("/").await.unwrap().status(), 200);
        assert_eq!(a.count(), before + 2);
        let mut two: Vec<_> = a
            .received()
            .into_iter()
            .rev()
            .take(2)
            .map(|request| request.at)
            .collect();
        two.sort();
        println!("{:?} after it failed", two[1] - two[0]);
    }
    a.set_next(Reply::status(503).header("retry-after", "600"));
    assert_eq!(envoy.client().get("/").await.unwrap().status(), 503);
    envoy
        .until_metric("sidestep.retries_refused.retry_after", |n| n == 1)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_client_that_hangs_up_while_its_retry_waits_breaks_nothing() {
    let a = Upstream::http1("a").await;
    let cluster = Cluster::new("backend").host(&a);
    let plugin = knowing("backend", std::slice::from_ref(&a), json!({}));
    let envoy = Envoy::start(EnvoyConfig::new([cluster]).plugin(&plugin)).await.unwrap();
    a.set(Reply::status(503).header("retry-after", "2"));
    let before = a.count();
    let client = envoy.client();
    let arrived = async {
        let _ = a.until_count(before + 1).await;
    };
    client.send_until(Request::get("/"), arrived).await;
    a.set(Reply::status(200));
    for number in 0..20 {
        assert_eq!(envoy.client().get(&format!("/{number}")).await.unwrap().status(), 200);
    }
}
