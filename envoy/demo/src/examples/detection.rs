//! A bad host is found out by what it answers to users and by what it answers to probes, and comes back by probes.

use super::scene::{HEALTH, Hosts, RATE, clients, name, until_answers, until_said};
use super::{ExampleError, Telling};
use serde_json::json;
use sidestep_support::{Behaviour, Envoy, Reply, Summary, wait_for};
use std::time::{Duration, Instant};

const USERS: &str = "users";
const PROBES: &str = "sidestep-probe";
/// What `consecutive_5xx` is here.
const FAILURES: u64 = 3;
/// So many more may be under way when the host goes.
const UNDER_WAY: u64 = 3;
/// Without probes, the host would be out for so long.
const EJECTION: Duration = Duration::from_secs(300);

pub(crate) async fn show(telling: &mut Telling) -> Result<(), ExampleError> {
    let plugin = json!({
        "outlier_detection": {"consecutive_5xx": FAILURES, "base_ejection_time": "300s"},
        "picking": {"ramp_time": "2s"},
        "probe": {"path": HEALTH, "interval": "500ms", "all": true},
    });
    telling.title("detection: passive by users' answers, active by probes", &plugin)?;
    let hosts = Hosts::start(4).await;
    let (b, c) = (&hosts.0[1], &hosts.0[2]);
    let envoy = Envoy::start(hosts.config(&plugin)).await?;
    hosts.introduce(telling)?;
    telling.done(format!("{RATE} GETs a second"))?;
    let users = clients(envoy.client(), USERS);
    until_answers(&users, 100).await?;

    let before = b.count_from(USERS);
    b.set(Reply::status(503));
    b.set_path(HEALTH, Reply::status(503));
    telling.done(format!("passive: {} answers 503 from now on", name(b)))?;
    let line = until_said(telling, &envoy, "ejected ", b, "").await?;
    let (met, out_since) = (b.count_from(USERS) - before, Instant::now());
    telling.seen(format!(
        "{met} users' requests met it; all {} requests so far were answered, {} failed",
        users.look(Summary::count),
        users.look(Summary::failed)
    ))?;
    let by_answers = line.contains(&format!("consecutive_5xx reached {FAILURES}"));
    telling.claim(
        by_answers && met <= FAILURES + UNDER_WAY,
        format!("passive: out after {met} answers of 503"),
    );

    let probes = b.count_from(PROBES);
    wait_for("probes", || async {
        (b.count_from(PROBES) >= probes + 2).then_some(())
    })
    .await?;
    telling.seen("two more probes of it have failed")?;
    b.set(Reply::status(200));
    b.set_path(HEALTH, Reply::status(200));
    telling.done(format!("active: {} is well again", b.name()))?;
    until_said(telling, &envoy, "", b, " is in probation").await?;
    until_said(telling, &envoy, "", b, " proved itself").await?;
    until_said(telling, &envoy, "", b, " is back").await?;
    let out = out_since.elapsed();
    let before = b.count_from(USERS);
    wait_for("users at the host that is back", || async {
        (b.count_from(USERS) >= before + 20).then_some(())
    })
    .await?;
    telling.claim(
        out < EJECTION,
        format!(
            "active: in full service again after {:.1} s, not after {} s",
            out.as_secs_f64(),
            EJECTION.as_secs()
        ),
    );

    c.set_path(HEALTH, Behaviour::Hang);
    telling.done(format!("active: {} does not answer {HEALTH} any more", name(c)))?;
    let line = until_said(telling, &envoy, "ejected ", c, "").await?;
    telling.claim(line.contains(": probe"), "active: out by probes alone");
    let seen = users.stop().await;
    telling.seen(format!("requests at each host: {}", hosts.shares(USERS)))?;
    telling.claim(
        seen.failed() == 0,
        format!("{} of {} users' requests failed", seen.failed(), seen.count()),
    );
    Ok(())
}
