//! A process is killed, and the next one knows what it knew.

use super::scene::{Hosts, RATE, clients, name, until_answers, until_said};
use super::snapshots::{NODE, list, until_kept};
use super::{ExampleError, Telling};
use serde_json::json;
use sidestep_support::{Envoy, Etcd, Reply};
use std::time::Instant;

/// Requests to the second process.
const ENOUGH: u64 = 400;

pub(crate) async fn show(telling: &mut Telling) -> Result<(), ExampleError> {
    // Else one request in a hundred is left to Envoy, which knows nothing of ejections.
    let plugin = json!({
        "outlier_detection": {"base_ejection_time": "60s"},
        "picking": {"discovery_percent": 0},
        "backup": {},
    });
    telling.title("restore: kill -9, and what was learned is there again", &plugin)?;
    let etcd = Etcd::start().await?;
    telling.done(format!("etcd is at {}", etcd.address()))?;
    let hosts = Hosts::start(5).await;
    let b = &hosts.0[1];
    let config = hosts.config(&plugin).etcd([etcd.address()]).node(NODE);
    let envoy = Envoy::start(config.clone()).await?;
    hosts.introduce(telling)?;
    telling.done(format!("Envoy, process {}, {RATE} GETs a second", envoy.pid()))?;
    let users = clients(envoy.client(), "first");
    until_answers(&users, 100).await?;
    b.set(Reply::status(503));
    telling.done(format!("{} answers 503 from now on", name(b)))?;
    until_said(telling, &envoy, "ejected ", b, "").await?;
    list(telling, &until_kept(&etcd.client(), b).await?)?;
    users.stop().await;

    telling.done(format!("kill -9 {}", envoy.pid()))?;
    envoy.kill();
    let start = Instant::now();
    let envoy = Envoy::start(config).await?;
    let ready = start.elapsed();
    telling.done(format!(
        "another Envoy, process {}, serves {:.2} s after its start",
        envoy.pid(),
        ready.as_secs_f64()
    ))?;
    until_said(telling, &envoy, "restored: ", b, "").await?;
    let restored = start.elapsed();
    telling.claim(
        true,
        format!(
            "restored {:.2} s after the start of the process, {:.2} s after it was ready",
            restored.as_secs_f64(),
            restored.saturating_sub(ready).as_secs_f64()
        ),
    );
    telling.done(format!("{RATE} GETs a second; {} still answers 503", b.name()))?;
    let users = clients(envoy.client(), "second");
    until_answers(&users, ENOUGH).await?;
    let seen = users.stop().await;
    telling.seen(format!("requests at each host: {}", hosts.shares("second")))?;
    telling.claim(
        b.count_from("second") == 0,
        format!(
            "{} got {} of {} requests to the new process",
            b.name(),
            b.count_from("second"),
            seen.count()
        ),
    );
    telling.claim(seen.failed() == 0, format!("{} of them failed", seen.failed()));
    Ok(())
}
