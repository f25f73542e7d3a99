//! What is learned is in etcd: a snapshot, then what changes.

use super::scene::{Hosts, RATE, clients, name, until_answers, until_said};
use super::snapshots::{NODE, list, until_kept};
use super::{ExampleError, Telling};
use serde_json::json;
use sidestep_support::{Envoy, Etcd, Reply};
use std::time::Duration;

/// Who has something to write does so within a second.
const QUIET: Duration = Duration::from_millis(2500);

pub(crate) async fn show(telling: &mut Telling) -> Result<(), ExampleError> {
    let plugin = json!({"outlier_detection": {"base_ejection_time": "60s"}, "backup": {}});
    telling.title("backup: ejections, as they are kept in etcd", &plugin)?;
    let etcd = Etcd::start().await?;
    let store = etcd.client();
    telling.done(format!("etcd is at {}", etcd.address()))?;
    let hosts = Hosts::start(5).await;
    let (b, c) = (&hosts.0[1], &hosts.0[2]);
    let config = hosts.config(&plugin).etcd([etcd.address()]).node(NODE);
    let envoy = Envoy::start(config).await?;
    hosts.introduce(telling)?;
    telling.done(format!("an Envoy called {NODE}, {RATE} GETs a second"))?;
    let users = clients(envoy.client(), "users");
    until_answers(&users, 100).await?;

    b.set(Reply::status(503));
    telling.done(format!("{} answers 503 from now on", name(b)))?;
    until_said(telling, &envoy, "ejected ", b, "").await?;
    let first = until_kept(&store, b).await?;
    list(telling, &first)?;
    telling.claim(true, format!("the ejection of {} is in etcd", b.name()));

    let before = store.until_quiet(QUIET).await?;
    telling.seen(format!("nothing changes: nothing was written for {QUIET:?}"))?;
    c.set(Reply::status(503));
    telling.done(format!("{} answers 503, too", name(c)))?;
    until_said(telling, &envoy, "ejected ", c, "").await?;
    let second = until_kept(&store, c).await?;
    list(telling, &second)?;
    let writes = store.revision().await? - before;
    if let Some(newest) = second.last() {
        telling.claim(
            newest.is_increment && newest.changed == [c.address()],
            format!(
                "the change is an increment of {} bytes, of that host alone",
                newest.bytes
            ),
        );
    }
    telling.claim(writes <= 2, format!("writes for it: {writes}"));
    let seen = users.stop().await;
    telling.claim(
        seen.failed() == 0,
        format!("{} of {} users' requests failed", seen.failed(), seen.count()),
    );
    Ok(())
}
