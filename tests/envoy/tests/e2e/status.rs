//! What people see and do by hand, by the status interface: a listener of its own.

use serde_json::{Value, json};
use sidestep_envoy::{Scene, knowing};
use sidestep_support::{Client, Cluster, Envoy, EnvoyConfig, Gate, Reply, Request, Response, Upstream, wait_for};

async fn scene(plugin: Value) -> Scene {
    Scene::start_with(plugin, |config| config.and_status(&json!({"status": {}}))).await
}

fn status(scene: &Scene) -> Client {
    scene.envoy.status_client()
}

fn order(body: &Value) -> Request {
    Request::new("POST", "/hosts")
        .header("content-type", "application/json")
        .body(body.to_string())
}

fn to_a(scene: &Scene, action: &str) -> Value {
    json!({"cluster": "backend", "host": scene.a.address().to_string(), "action": action, "reason": "disk"})
}

/// Sends an order about `a`; the host as it is then.
async fn obeyed(scene: &Scene, action: &str) -> Value {
    let answer = status(scene).send(order(&to_a(scene, action))).await.unwrap();
    assert_eq!(answer.status(), 200, "{}", answer.text());
    let said = parsed(&answer);
    assert_eq!(said["cluster"], "backend");
    said["host"].clone()
}

fn parsed(answer: &Response) -> Value {
    assert_eq!(answer.header("content-type"), Some("application/json"), "{answer:?}");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    serde_json::from_slice(answer.body()).unwrap_or_else(|error| panic!("{error}: {}", answer.text()))
}

async fn hosts(envoy: &Envoy) -> Value {
    let answer = envoy.status_client().get("/hosts").await.unwrap();
    assert_eq!(answer.status(), 200);
    parsed(&answer)["clusters"].clone()
}

async fn host(envoy: &Envoy, of: &Upstream) -> Value {
    let clusters = hosts(envoy).await;
    let hosts = clusters["backend"]["hosts"].as_array().expect("hosts").clone();
    let address = of.address().to_string();
    let found = hosts.into_iter().find(|host| host["address"] == address.as_str());
    found.unwrap_or_else(|| panic!("no {address} in {clusters}"))
}

async fn refused(client: Client, request: Request, status: u16) -> String {
    let answer = client.send(request).await.unwrap();
    assert_eq!(answer.status(), status, "{}", answer.text());
    parsed(&answer)["error"].as_str().expect("why").to_owned()
}

/// Sends GETs by each worker; gives how many of them `a` got.
async fn share(scene: &Scene) -> u64 {
    let before = scene.a.count();
    for worker in &mut scene.envoy.connection_per_worker(2).await.unwrap() {
        for _ in 0..30 {
            assert_eq!(worker.get("/").await.unwrap().status(), 200);
        }
    }
    scene.a.count() - before
}

fn seconds(time: &Value) -> f64 {
    let text = time.as_str().and_then(|text| text.strip_suffix('s'));
    text.and_then(|text| text.parse().ok())
        .unwrap_or_else(|| panic!("{time}"))
}

#[tokio::test]
async fn who_is_ejected_why_and_for_how_long() {
    let scene = scene(json!({})).await;
    scene.eject_a().await;
    share(&scene).await;
    let a = host(&scene.envoy, &scene.a).await;
    let left = seconds(&a["remaining"]);
    assert!((1.0..=30.0).contains(&left), "{a}");
    let expected = json!({
        "address": scene.a.address().to_string(), "state": "ejected", "detector": "consecutive_5xx",
        "remaining": a["remaining"], "ejections": 1, "failures_in_a_row": 0, "overloaded": null, "unfit": false,
        "gone": false, "control": null,
    });
    assert_eq!(a, expected);
    let b = host(&scene.envoy, &scene.b).await;
    assert_eq!((&b["state"], &b["remaining"]), (&json!("healthy"), &Value::Null));
    let clusters = hosts(&scene.envoy).await;
    assert_eq!(
        clusters["backend"]["census"],
        json!({"known": 3, "out": 1, "available": 2})
    );
    assert_eq!(clusters["backend"]["pins"], "followed");
    let one = status(&scene).get("/hosts?cluster=%62ackend").await.unwrap();
    assert_eq!(parsed(&one)["clusters"].as_object().map(serde_json::Map::len), Some(1));
    let head = status(&scene).send(Request::new("HEAD", "/hosts")).await.unwrap();
    assert_eq!((head.status(), head.body().len()), (200, 0));
    refused(status(&scene), Request::get("/hosts?cluster=other"), 404).await;
}

#[tokio::test]
async fn failures_in_a_row_and_what_a_host_asked_for() {
    let scene = scene(json!({"retry": {"num_retries": 0}})).await;
    scene.a.set(Reply::status(503));
    while scene.a.count() < 3 {
        scene.client().get("/").await.unwrap();
    }
    assert_eq!(host(&scene.envoy, &scene.a).await["failures_in_a_row"], 3);
    scene.b.set(Reply::status(429).header("retry-after", "60"));
    wait_for("an overload", || async {
        scene.client().get("/").await.unwrap();
        let b = host(&scene.envoy, &scene.b).await;
        b["overloaded"].as_str().map(|_| seconds(&b["overloaded"]) > 50.0)
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_cluster_is_known_from_the_configuration_and_another_from_its_first_request() {
    let servers = [Upstream::http1("a").await, Upstream::http1("b").await];
    let clusters = ["backend", "met"].map(|name| Cluster::new(name).hosts(&servers));
    let config = EnvoyConfig::new(clusters)
        .plugin(&knowing("backend", &servers, json!({})))
        .and_status(&json!({"status": {}}));
    let envoy = Envoy::start(config).await.unwrap();
    let before = hosts(&envoy).await;
    assert_eq!(before["backend"]["census"]["known"], 2, "{before}");
    assert_eq!(before["met"], Value::Null);
    assert_eq!(envoy.client().get("/met/").await.unwrap().status(), 200);
    wait_for("the other cluster", || async {
        let known = hosts(&envoy).await["met"]["census"]["known"].as_u64();
        known.filter(|known| *known > 0)
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_host_that_is_ejected_by_hand_gets_nothing_more_from_any_worker() {
    let scene = scene(json!({"picking": {"ramp_time": "0s"}})).await;
    let mut workers = scene.envoy.connection_per_worker(2).await.unwrap();
    for worker in &mut workers {
        for _ in 0..6 {
            worker.get("/").await.unwrap();
        }
    }
    assert!(scene.a.count() > 2);
    let before = scene.a.count();
    let a = obeyed(&scene, "eject").await;
    assert_eq!((&a["state"], &a["detector"]), (&json!("ejected"), &json!("control")));
    assert!((595.0..=600.0).contains(&seconds(&a["remaining"])), "{a}");
    let control = json!({"action": "eject", "remaining": a["remaining"], "reason": "disk"});
    assert_eq!(a["control"], control);
    for worker in &mut workers {
        for _ in 0..30 {
            assert_eq!(worker.get("/").await.unwrap().status(), 200);
        }
    }
    assert_eq!(scene.a.count(), before);
    let line = format!(
        "by hand: eject host {} of cluster backend for 10m: disk",
        scene.a.address()
    );
    scene.envoy.until_log(&line).await.unwrap();
    assert_eq!(scene.envoy.log().matches("by hand:").count(), 1);
    scene.metric_is("sidestep.status.changes", 1).await;
    // Without a trial: who releases it vouches for it.
    let a = obeyed(&scene, "release").await;
    assert_eq!((&a["state"], &a["control"]), (&json!("healthy"), &Value::Null));
    assert!(share(&scene).await > 10);
    let line = format!("by hand: release host {} of cluster backend: disk", scene.a.address());
    scene.envoy.until_log(&line).await.unwrap();
}

#[tokio::test]
async fn an_ejection_by_hand_lasts_as_long_as_it_says() {
    let scene = scene(json!({"picking": {"ramp_time": "0s"}})).await;
    let mut body = to_a(&scene, "eject");
    body["for"] = json!("1s");
    assert_eq!(status(&scene).send(order(&body)).await.unwrap().status(), 200);
    wait_for("traffic", || async { (share(&scene).await > 0).then_some(()) })
        .await
        .unwrap();
}

#[tokio::test]
async fn a_host_that_is_held_by_hand_stays_whatever_it_answers() {
    let scene = scene(json!({})).await;
    let a = obeyed(&scene, "hold").await;
    assert_eq!(
        (&a["state"], &a["control"]["action"]),
        (&json!("healthy"), &json!("hold"))
    );
    scene.a.set(Reply::status(503));
    for _ in 0..3 {
        assert!(share(&scene).await > 10);
    }
    scene
        .envoy
        .until_metric("sidestep.ejections_refused.held", |n| n > 0)
        .await
        .unwrap();
    obeyed(&scene, "release").await;
    share(&scene).await;
    assert_eq!(host(&scene.envoy, &scene.a).await["state"], "ejected");
}

#[tokio::test]
async fn what_the_rules_speak_against_is_refused_with_the_reason() {
    let scene = scene(json!({})).await;
    share(&scene).await;
    let orders = scene.servers().map(|server| {
        let mut body = to_a(&scene, "eject");
        body["host"] = json!(server.address().to_string());
        order(&body)
    });
    let [first, second, last] = orders;
    for request in [first, second] {
        assert_eq!(status(&scene).send(request).await.unwrap().status(), 200);
    }
    let before = hosts(&scene.envoy).await["backend"]["census"].clone();
    let why = refused(status(&scene), last, 409).await;
    assert_eq!(why, "refused: last_host: it is the last host that is available");
    assert_eq!(hosts(&scene.envoy).await["backend"]["census"], before);
    scene.metric_is("sidestep.ejections_refused.last_host", 1).await;
    scene.metric_is("sidestep.status.refused", 1).await;
}

/// Two servers that outlive each Envoy before them.
struct Machine {
    servers: [Upstream; 3],
}

impl Machine {
    async fn new() -> Self {
        let servers = [
            Upstream::http1("a").await,
            Upstream::http1("b").await,
            Upstream::http1("c").await,
        ];
        Self { servers }
    }

    async fn boot(&self) -> Envoy {
        let plugin = knowing("backend", &self.servers, json!({"picking": {"forget_after": "1h"}}));
        let config = EnvoyConfig::new([Cluster::new("backend").hosts(&self.servers)]);
        let config = config.plugin(&plugin).and_status(&json!({"status": {}}));
        Envoy::start(config).await.expect("Envoy starts")
    }

    async fn eject_a(&self, envoy: &Envoy) {
        self.servers[0].set(Reply::status(503));
        while self.servers[0].count() < 5 {
            envoy.client().get("/").await.unwrap();
        }
        envoy.until_log("ejected host").await.unwrap();
    }
}

async fn snapshot(envoy: &Envoy) -> Vec<u8> {
    let answer = envoy.status_client().get("/snapshot").await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.header("content-type"), Some("application/octet-stream"));
    answer.body().to_vec()
}

fn put(path: &str, body: impl Into<Vec<u8>>) -> Request {
    Request::new("PUT", path).body(body.into())
}

#[tokio::test]
async fn a_backup_by_hand_outlives_envoy() {
    let machine = Machine::new().await;
    let first = machine.boot().await;
    machine.eject_a(&first).await;
    let body = json!({
        "cluster": "backend", "host": machine.servers[1].address().to_string(), "action": "hold", "for": "1h",
        "reason": "load test",
    });
    assert_eq!(first.status_client().send(order(&body)).await.unwrap().status(), 200);
    let backup = snapshot(&first).await;
    drop(first);
    let second = machine.boot().await;
    machine.servers[0].reset();
    assert_eq!(host(&second, &machine.servers[0]).await["state"], "healthy");

    // To compare is to ask what would be restored.
    let answer = second
        .status_client()
        .send(put("/snapshot?dry_run=true", backup.clone()))
        .await;
    let said = parsed(&answer.unwrap());
    assert_eq!(said["dry_run"], true);
    let a = machine.servers[0].address().to_string();
    let of_a = |said: &Value| {
        let hosts = said["clusters"]["backend"]["hosts"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        hosts
            .into_iter()
            .find(|host| host["address"] == a.as_str())
            .unwrap_or_default()
    };
    let expected = json!({
        "address": a, "snapshot": "ejected", "before": "healthy", "after": "ejected", "outcome": "restored",
        "reason": null,
    });
    assert_eq!(of_a(&said), expected);
    assert_eq!(
        host(&second, &machine.servers[0]).await["state"],
        "healthy",
        "a dry run"
    );

    let answer = second
        .status_client()
        .send(put("/snapshot", backup.clone()))
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    let said = parsed(&answer);
    assert_eq!((&said["dry_run"], &of_a(&said)), (&json!(false), &expected));
    let is = host(&second, &machine.servers[0]).await;
    assert_eq!(
        (&is["state"], &is["detector"]),
        (&json!("ejected"), &json!("consecutive_5xx"))
    );
    assert!(
        (1.0..30.0).contains(&seconds(&is["remaining"])),
        "the time that it had left: {is}"
    );
    let held = host(&second, &machine.servers[1]).await;
    assert_eq!(held["control"]["reason"], "load test");
    // Before the first failure, and for every worker.
    for worker in &mut second.connection_per_worker(2).await.unwrap() {
        for _ in 0..20 {
            assert_eq!(worker.get("/").await.unwrap().status(), 200);
        }
    }
    assert_eq!(machine.servers[0].count(), 0);
    second.until_log("by hand: restored ").await.unwrap();

    // The same once more is nothing new.
    let again = second.status_client().send(put("/snapshot", backup)).await.unwrap();
    assert_eq!(of_a(&parsed(&again))["outcome"], "unchanged");
}

/// CRC-32 of IEEE 802.3, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 }
        })
    })
}

/// A snapshot with other bytes at a place, and a checksum that is right again.
fn forged(snapshot: &[u8], at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut forged = snapshot[..snapshot.len() - 4].to_vec();
    forged[at..at + bytes.len()].copy_from_slice(bytes);
    let checksum = crc32(&forged);
    forged.extend_from_slice(&checksum.to_le_bytes());
    forged
}

#[tokio::test]
async fn a_snapshot_that_is_not_to_be_believed_changes_nothing() {
    const KIND: usize = 13;
    const TAKEN: usize = 14;
    let machine = Machine::new().await;
    let envoy = machine.boot().await;
    machine.eject_a(&envoy).await;
    let good = snapshot(&envoy).await;
    drop(envoy);
    let envoy = machine.boot().await;
    let before = hosts(&envoy).await;
    let taken = u64::from_le_bytes(good[TAKEN..TAKEN + 8].try_into().unwrap());
    let hour = 3_600_000_000_000_u64;
    assert_eq!(forged(&good, TAKEN, &taken.to_le_bytes()), good);
    let mut flipped = good.clone();
    flipped[good.len() / 2] ^= 1;
    for (body, status, why) in [
        (Vec::new(), 400, "damaged: no snapshot"),
        (b"{}".to_vec(), 400, "damaged: no snapshot"),
        (good[..good.len() - 1].to_vec(), 400, "damaged: "),
        (good[..9].to_vec(), 400, "damaged: "),
        ([&good[..], b"x"].concat(), 400, "damaged: "),
        (flipped, 400, "damaged: the checksum is another one"),
        (forged(&good, 8, &[9]), 400, "damaged: version 9"),
        (
            forged(&good, TAKEN, &(taken - 25 * hour).to_le_bytes()),
            409,
            "too old: taken ",
        ),
        (
            forged(&good, TAKEN, &(taken + hour).to_le_bytes()),
            409,
            "from the future: taken in ",
        ),
        (forged(&good, KIND, &[1]), 400, "damaged: a value that nothing writes"),
    ] {
        for path in ["/snapshot", "/snapshot?dry_run=true"] {
            let said = refused(envoy.status_client(), put(path, body.clone()), status).await;
            assert!(said.starts_with(why), "{said} instead of {why}");
        }
    }
    assert_eq!(hosts(&envoy).await, before);
    // Within the time, it is.
    let old = forged(&good, TAKEN, &(taken - 23 * hour).to_le_bytes());
    assert_eq!(
        envoy
            .status_client()
            .send(put("/snapshot", old))
            .await
            .unwrap()
            .status(),
        200
    );
    assert_eq!(host(&envoy, &machine.servers[0]).await["state"], "ejected");
}

#[tokio::test]
async fn a_snapshot_of_other_hosts_is_refused_for_their_cluster() {
    let machines = [Machine::new().await, Machine::new().await];
    let theirs = machines[0].boot().await;
    machines[0].eject_a(&theirs).await;
    let foreign = snapshot(&theirs).await;
    let ours = machines[1].boot().await;
    assert_eq!(ours.client().get("/").await.unwrap().status(), 200);
    let before = hosts(&ours).await;
    let said = parsed(&ours.status_client().send(put("/snapshot", foreign)).await.unwrap());
    let why = said["clusters"]["backend"]["refused"].as_str().unwrap_or_default();
    assert!(why.starts_with("another cluster's"), "{said}");
    assert_eq!(hosts(&ours).await, before);
}

#[tokio::test]
async fn without_the_token_nothing_is_said_or_done() {
    let scene = Scene::start_with(json!({}), |config| {
        config.and_status(&json!({"status": {"token": "s3cret"}}))
    })
    .await;
    let with = |request: Request, value: &str| request.header("authorization", value);
    for request in [
        Request::get("/hosts"),
        Request::get("/nowhere"),
        order(&to_a(&scene, "eject")),
        with(order(&to_a(&scene, "eject")), "Bearer s3cre"),
        with(order(&to_a(&scene, "eject")), "Basic s3cret"),
        with(with(Request::get("/snapshot"), "Bearer s3cret"), "Bearer s3cret"),
        put("/snapshot", "anything"),
    ] {
        let answer = status(&scene).send(request).await.unwrap();
        assert_eq!(answer.status(), 401);
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        assert!(!answer.text().contains("s3cre"), "{}", answer.text());
    }
    assert!(share(&scene).await > 10);
    let request = with(order(&to_a(&scene, "eject")), "bearer s3cret");
    assert_eq!(status(&scene).send(request).await.unwrap().status(), 200);
    assert_eq!(share(&scene).await, 0);
    assert!(!scene.envoy.log().contains("s3cret"));
}

#[tokio::test]
async fn odd_requests_are_refused_and_change_nothing() {
    let scene = scene(json!({})).await;
    share(&scene).await;
    let json = ("content-type", "application/json");
    let eject = to_a(&scene, "eject").to_string();
    let changed = |field: &str, value: Value| {
        let mut body = to_a(&scene, "eject");
        body[field] = value;
        order(&body)
    };
    let post = |body: &str| {
        Request::new("POST", "/hosts")
            .header(json.0, json.1)
            .body(body.to_owned())
    };
    let without = |field: &str| {
        let mut body = to_a(&scene, "eject");
        body.as_object_mut().expect("an object").remove(field);
        order(&body)
    };
    let bytes = |body: &[u8]| {
        Request::new("POST", "/hosts")
            .header(json.0, json.1)
            .body(body.to_vec())
    };
    let twice = eject.replacen('{', r#"{"reason": "once","#, 1);
    for (status_code, request, why) in [
        (404, Request::get("/"), "there are"),
        (404, Request::get("/hosts/"), "there are"),
        (404, post(&eject.replace("backend", "other")), "no cluster other"),
        (404, changed("host", json!("10.9.9.9:80")), "no host 10.9.9.9:80"),
        (405, Request::new("DELETE", "/hosts"), ""),
        (405, Request::new("POST", "/snapshot").body("x"), ""),
        (400, Request::get("/hosts?clusters=backend"), "the query"),
        (400, Request::get("/hosts?cluster=%ff"), "cluster is"),
        (400, put("/snapshot?dry_run=1", "x"), "dry_run"),
        (415, Request::new("POST", "/hosts").body(eject.clone()), "content-type"),
        (415, post(&eject).header("content-encoding", "gzip"), "a body with"),
        (
            400,
            Request::new("POST", "/hosts").header(json.0, json.1),
            "body: found invalid JSON",
        ),
        (400, post(""), "body: found invalid JSON"),
        (400, post("[]"), "body: found []"),
        (400, post(&eject[..eject.len() - 1]), "body: found invalid JSON"),
        (400, post(&format!("{eject}{eject}")), "body: found invalid JSON"),
        (400, post(&"[".repeat(100_000)), "body: found invalid JSON"),
        (
            400,
            bytes(b"{\"cluster\": \"\xff\"}"),
            "body: found text that is no UTF-8",
        ),
        (400, post(&twice), "body.reason: found a second value"),
        (400, without("cluster"), "body.cluster"),
        (400, without("host"), "body.host"),
        (400, without("action"), "body.action"),
        (400, without("reason"), "body.reason"),
        (400, changed("hots", json!(1)), "body.hots: found unknown field"),
        (400, changed("cluster", json!(1)), "body.cluster"),
        (400, changed("host", json!("localhost:80")), "body.host"),
        (
            400,
            changed("action", json!("kill")),
            "body.action: found \"kill\"; expected one of eject, release, hold",
        ),
        (400, changed("for", json!("25h")), "body.for"),
        (400, changed("for", json!("0s")), "body.for"),
        (400, changed("for", json!(60)), "body.for"),
        (400, changed("reason", json!("a\nb")), "body.reason"),
        (400, changed("reason", json!("x".repeat(121))), "body.reason"),
        (
            400,
            post(&eject.replace("eject", "release").replacen('{', r#"{"for": "1m","#, 1)),
            "body.for: a release",
        ),
    ] {
        let shown = format!("{request:?}");
        let said = refused(status(&scene), request, status_code).await;
        assert!(said.starts_with(why), "{said} instead of {why}, to {shown}");
    }
    let answer = status(&scene).send(Request::new("PUT", "/hosts")).await.unwrap();
    assert_eq!(answer.header("allow"), Some("GET, HEAD, POST"));
    let answer = status(&scene).send(Request::new("POST", "/snapshot")).await.unwrap();
    assert_eq!(answer.header("allow"), Some("GET, HEAD, PUT"));
    let clusters = hosts(&scene.envoy).await;
    assert_eq!(
        clusters["backend"]["census"],
        json!({"known": 3, "out": 0, "available": 3})
    );
    assert_eq!(clusters.as_object().map(serde_json::Map::len), Some(1), "{clusters}");
    assert!(share(&scene).await > 10);
    assert!(!scene.envoy.log().contains("by hand:"));
}

#[tokio::test]
async fn a_body_is_bounded_with_or_without_its_length() {
    let scene = Scene::start_with(json!({}), |config| {
        config.and_status(&json!({"status": {"max_body_bytes": 3_000_000}}))
    })
    .await;
    let padded = |size: usize| {
        let mut body = to_a(&scene, "hold").to_string();
        body.push_str(&" ".repeat(size - body.len()));
        Request::new("POST", "/hosts")
            .header("content-type", "application/json")
            .body(body)
    };
    // Three times what Envoy buffers.
    for request in [
        padded(3_000_000),
        padded(3_000_000).chunked(40_000),
        padded(300).chunked(7),
    ] {
        for client in [status(&scene), status(&scene).http2()] {
            let answer = client.send(request.clone()).await.unwrap();
            assert_eq!(answer.status(), 200, "{}", answer.text());
        }
    }
    let with_trailers = padded(300).trailer("x-checksum", "1");
    assert_eq!(status(&scene).http2().send(with_trailers).await.unwrap().status(), 200);
    for request in [padded(3_000_001), padded(3_000_001).chunked(40_000)] {
        refused(status(&scene).http2(), request, 413).await;
    }
    // By HTTP/1.1 with a length, the answer comes before the body.
    let gate = Gate::new();
    refused(status(&scene), padded(3_000_001).body_held_at(&gate), 413).await;
    gate.open();
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let scene = scene(json!({})).await;
    let gate = Gate::new();
    let request = order(&to_a(&scene, "eject")).body_held_at(&gate);
    let said = refused(status(&scene).http2(), request, 408).await;
    assert!(said.contains("allow_on_headers_stop_iteration"), "{said}");
    gate.open();
    assert!(share(&scene).await > 10);
    // Who hangs up in the middle of it has said nothing.
    let gate = Gate::new();
    let request = order(&to_a(&scene, "eject")).body_held_at(&gate);
    let hung_up = status(&scene).send_until(request, gate.until_arrived(1)).await;
    assert!(hung_up.is_none());
    assert!(share(&scene).await > 10);
}

#[tokio::test]
async fn without_the_interface_requests_for_it_are_like_all_others() {
    let scene = Scene::start(json!({})).await;
    scene.a.set(Reply::status(200));
    for request in [
        Request::get("/hosts"),
        order(&to_a(&scene, "eject")),
        Request::get("/snapshot"),
    ] {
        let answer = scene.client().send(request).await.unwrap();
        assert_eq!(answer.status(), 200);
        assert!(!answer.upstream().is_empty());
    }
    assert!(share(&scene).await > 10);
}
