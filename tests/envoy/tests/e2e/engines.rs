//! Who makes the retries, and that the host sees the same request again.

use serde_json::{Value, json};
use sidestep_envoy::Scene;
use sidestep_support::{EnvoyConfig, Reply, Request, Route};

/// Everything that decides about the engine is as it comes, but for this.
fn with_engine(engine: &str) -> Value {
    json!({"retry": {"engine": engine}})
}

const LOG: &str = "%REQ(:path)% %RESPONSE_CODE% attempts=%FILTER_STATE(wasm.sidestep.attempts:PLAIN)% \
                   hosts=%FILTER_STATE(wasm.sidestep.hosts:PLAIN)% engine=%FILTER_STATE(wasm.sidestep.engine:PLAIN)% \
                   refused=%FILTER_STATE(wasm.sidestep.refused:PLAIN)%";

#[tokio::test]
async fn the_router_makes_the_retries_that_it_is_told_to() {
    let scene = Scene::start_with(with_engine("router"), |config| config.access_log(LOG)).await;
    scene.a.set(Reply::status(503));
    for number in 0..12 {
        let answer = scene.client().get(&format!("/{number}")).await.unwrap();
        assert_eq!(answer.status(), 200);
    }
    println!("{:#?}", scene.envoy.until_access_log(12).await.unwrap());
    println!("{:#?}", scene.envoy.metrics().await.unwrap().into_iter().filter(|(_, v)| *v > 0).collect::<Vec<_>>());
    println!("{}", scene.envoy.log());
}

#[tokio::test]
async fn probe_auto() {
    let adapt = |config: EnvoyConfig| {
        config
            .access_log(LOG)
            .route_first(Route::new("rewriting", "/old", "backend").with("prefix_rewrite", json!("/new")))
    };
    let scene = Scene::start_with(with_engine("auto"), adapt).await;
    for number in 0..12 {
        scene.client().get(&format!("/{number}")).await.unwrap();
        scene.client().get(&format!("/old/{number}")).await.unwrap();
    }
    scene.a.set(Reply::status(503));
    for number in 20..26 {
        assert_eq!(scene.client().get(&format!("/{number}")).await.unwrap().status(), 200);
        assert_eq!(scene.client().get(&format!("/old/{number}")).await.unwrap().status(), 200);
    }
    println!("{:#?}", scene.envoy.until_access_log(36).await.unwrap());
    println!("{:#?}", scene.envoy.metrics().await.unwrap().into_iter().filter(|(_, v)| *v > 0).collect::<Vec<_>>());
    println!("{}", scene.envoy.log());
    let _ = Request::get("/");
}
