//! Other filters act on a retried answer as on any other.

use serde_json::json;
use sidestep_envoy::Scene;
use sidestep_support::{Behaviour, Reply, Request, filters};

const LUA: &str = r"
function envoy_on_response(handle)
  -- Waits for the body: objects from before are of no use after.
  local body = handle:body()
  local headers = handle:headers()
  headers:add('x-seen-status', headers:get(':status'))
  headers:add('x-seen-length', tostring(body and body:length() or 0))
end";

async fn with_filters() -> Scene {
    Scene::start_with(json!({}), |config| {
        config
            .filter_before(filters::cors())
            .virtual_host("typed_per_filter_config", filters::cors_policy("http://here"))
            .filter_before(filters::lua(LUA))
    })
    .await
}

#[tokio::test]
async fn those_before_it_see_the_retrys_answer() {
    for behaviour in [
        Reply::status(503).body("bad").into(),
        Reply::status(503).body("bad").chunked().into(),
        Behaviour::Close,
    ] {
        let scene = with_filters().await;
        scene.a.set(behaviour);
        scene.b.set(Reply::status(200).body("12345"));
        scene.c.set(Reply::status(200).body("12345"));
        let answer = scene
            .reach_a(|| Request::get("/").header("origin", "http://here"))
            .await;
        assert_eq!((answer.status(), answer.text().as_str()), (200, "12345"));
        assert_eq!(answer.header("access-control-allow-origin"), Some("http://here"));
        assert_eq!(answer.header("x-seen-status"), Some("200"));
        assert_eq!(answer.header("x-seen-length"), Some("5"));
    }
}

#[tokio::test]
async fn those_before_it_see_a_retry_without_a_body() {
    let scene = with_filters().await;
    scene.a.set(Reply::status(503));
    scene.b.set(Reply::status(204));
    scene.c.set(Reply::status(204));
    let answer = scene
        .reach_a(|| Request::get("/").header("origin", "http://here"))
        .await;
    assert_eq!(answer.status(), 204);
    assert_eq!(answer.header("access-control-allow-origin"), Some("http://here"));
    assert_eq!(answer.header("x-seen-status"), Some("204"));
}

#[tokio::test]
async fn those_before_it_see_the_first_answer_if_that_is_the_better_one() {
    let scene = with_filters().await;
    scene.a.set(Reply::status(503).body("sorry"));
    scene.b.stop().await;
    scene.c.stop().await;
    let answer = scene
        .reach_a(|| Request::get("/").header("origin", "http://here"))
        .await;
    assert_eq!((answer.status(), answer.text().as_str()), (503, "sorry"));
    assert_eq!(answer.header("access-control-allow-origin"), Some("http://here"));
    assert_eq!(answer.header("x-seen-length"), Some("5"));
}

#[tokio::test]
async fn a_reply_of_another_filter_is_nobodys_failure() {
    let code =
        "function envoy_on_request(h) if h:headers():get('x-stop') then h:respond({[':status'] = '503'}, 'no') end end";
    let scene = Scene::start_with(json!({}), |config| config.filter_after(filters::lua(code))).await;
    for _ in 0..10 {
        let answer = scene
            .client()
            .send(Request::get("/").header("x-stop", "1"))
            .await
            .unwrap();
        assert_eq!((answer.status(), answer.text().as_str()), (503, "no"));
    }
    assert_eq!(scene.count(), 0);
    scene.metric_is("sidestep.attempts.ignored", 10).await;
    scene.metric_is("sidestep.retries.attempted", 0).await;
}
