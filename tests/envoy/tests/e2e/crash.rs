//! A VM that crashes takes nothing along: it is built anew, and what was learned is still there.

use serde_json::json;
use sidestep_envoy::Scene;
use sidestep_support::{ClientError, Connection, Gate, Reply, Request, trap_wasm, wait_for};

async fn crashable(plugin: serde_json::Value) -> Scene {
    Scene::start_with(plugin, |config| config.wasm(&trap_wasm())).await
}

/// Crashes the worker's VM, and waits until it serves again.
async fn crash(worker: &mut Connection) {
    let answer = worker
        .send(Request::get("/").header("x-sidestep-trap", "now"))
        .await
        .unwrap();
    assert_eq!(answer.status(), 503);
    let worker = &tokio::sync::Mutex::new(worker);
    wait_for("a new VM", || async {
        let answer = worker.lock().await.get("/").await.unwrap();
        (answer.status() == 200).then_some(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn ejections_outlive_the_vms() {
    let scene = crashable(json!({})).await;
    scene.eject_a().await;
    let failed = scene.a.count();
    let mut workers = scene.envoy.connection_per_worker(2).await.unwrap();
    for worker in &mut workers {
        crash(worker).await;
    }
    assert!(scene.envoy.log().contains("the test asked for it"));
    for worker in &mut workers {
        for _ in 0..30 {
            assert_eq!(worker.get("/").await.unwrap().status(), 200);
        }
    }
    assert_eq!(scene.a.count(), failed, "none at the ejected host");
    scene.metric_is("sidestep.ejections_active", 1).await;
}

#[tokio::test]
async fn counts_outlive_the_vms() {
    let scene = crashable(json!({})).await;
    let mut workers = scene.envoy.connection_per_worker(2).await.unwrap();
    scene.a.set(Reply::status(503));
    while scene.a.count() < 4 {
        workers[0].get("/").await.unwrap();
    }
    crash(&mut workers[0]).await;
    while scene.a.count() < 5 {
        workers[0].get("/").await.unwrap();
    }
    scene.envoy.until_log("ejected host").await.unwrap();
    for _ in 0..30 {
        workers[1].get("/").await.unwrap();
    }
    assert_eq!(scene.a.count(), 5);
}

#[tokio::test]
async fn a_crash_leaves_the_other_worker_alone() {
    let scene = crashable(json!({})).await;
    let mut workers = scene.envoy.connection_per_worker(2).await.unwrap();
    let answer = workers[0]
        .send(Request::get("/").header("x-sidestep-trap", "now"))
        .await
        .unwrap();
    assert_eq!(answer.status(), 503);
    for _ in 0..10 {
        assert_eq!(workers[1].get("/").await.unwrap().status(), 200);
    }
}

#[tokio::test]
async fn a_crash_while_a_retry_is_out_is_over_with_the_new_vm() {
    // Nobody but the lost VM knew that a client waits for a retry: Envoy's time-out for idle streams ends that.
    let plugin = json!({"outlier_detection": {"consecutive_5xx": 0}});
    let scene = Scene::start_with(plugin, |config| {
        config
            .wasm(&trap_wasm())
            .connection_manager("stream_idle_timeout", json!("1s"))
    })
    .await;
    for failure in [Reply::status(503), Reply::status(503).body("bad")] {
        let gate = Gate::new();
        scene.fail_and_retry(failure, Reply::status(200).body("late").held_at(&gate));
        let mut workers = scene.envoy.connection_per_worker(2).await.unwrap();
        let mut waits = workers.remove(0);
        let waiting = tokio::spawn(async move {
            for n in 0.. {
                let path = format!("/{n}");
                match waits.get(&path).await {
                    Ok(answer) if answer.status() == 200 => {}
                    other => return other.map(|answer| answer.status()),
                }
            }
            Ok(200)
        });
        gate.until_arrived(1).await.unwrap();
        let trap = || Request::get("/trap").header("x-sidestep-trap", "now");
        for status in scene.statuses(8, |_| trap()).await {
            assert_eq!(status, 503);
        }
        gate.open();
        gate.until_empty().await.unwrap();
        let ended = waiting.await.unwrap();
        assert!(!matches!(ended, Ok(200) | Err(ClientError::TimedOut)), "{ended:?}");
        scene.a.set(Reply::status(200));
        wait_for("new VMs", || async {
            let statuses = scene.statuses(30, |n| Request::get(&format!("/again/{n}"))).await;
            statuses.iter().all(|status| *status == 200).then_some(())
        })
        .await
        .unwrap();
    }
}
