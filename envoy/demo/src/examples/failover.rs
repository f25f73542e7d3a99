//! A host refuses connections: the same requests through the same Envoy, with the filter and without.

use super::scene::{Hosts, RATE, clients, name, until_answers, until_said};
use super::{ExampleError, Telling};
use crate::traffic::percent;
use serde_json::json;
use sidestep_support::{Envoy, Summary};

/// Answers on each side before the host breaks, and after.
const BEFORE: u64 = 300;
const AFTER: u64 = 600;

pub(crate) async fn show(telling: &mut Telling) -> Result<(), ExampleError> {
    let plugin = json!({});
    telling.title("failover: one of four hosts refuses connections", &plugin)?;
    let hosts = Hosts::start(4).await;
    let envoy = Envoy::start(hosts.config(&plugin).and_without_filter()).await?;
    hosts.introduce(telling)?;
    telling.done(format!("{RATE} GETs a second by way of the filter, and {RATE} past it"))?;
    let with = clients(envoy.client(), "with");
    let without = clients(envoy.plain_client(), "without");
    until_answers(&with, BEFORE).await?;
    until_answers(&without, BEFORE).await?;
    let calm = (with.take(), without.take());
    telling.seen(format!("with: {} | without: {}", told(&calm.0), told(&calm.1)))?;

    let b = &hosts.0[1];
    b.stop().await;
    telling.done(format!("{} refuses connections from now on", name(b)))?;
    until_said(telling, &envoy, "ejected ", b, "").await?;
    for part in 1..=2 {
        until_answers(&with, AFTER * part / 2).await?;
        until_answers(&without, AFTER * part / 2).await?;
        let (with, without) = (with.look(told), without.look(told));
        telling.seen(format!("with: {with} | without: {without}"))?;
    }
    let (with, without) = (with.stop().await, without.stop().await);

    // The module hands its counts over once a second: all are there when those of all answers are.
    let (answers, failed) = (calm.0.count() + with.count(), calm.0.failed() + with.failed());
    envoy
        .until_metric("sidestep.attempts.success", |n| n >= answers - failed)
        .await?;
    let failures = envoy.metric("sidestep.attempts.failure_local_origin").await?;
    let saved = envoy.metric("sidestep.retries.succeeded").await?;
    telling.seen(format!(
        "with the filter {failures} attempts met the broken host, and {saved} requests were saved by a retry"
    ))?;
    telling.claim(
        failed == 0,
        format!("with the filter {failed} of {answers} requests failed"),
    );
    telling.claim(
        without.failed() > 0,
        format!(
            "without it {} of {} failed from then on ({:.0} %)",
            without.failed(),
            without.count(),
            percent(without.failed(), without.count())
        ),
    );
    telling.claim(
        saved > 0,
        format!("{saved} failed attempts were repeated at another host"),
    );
    Ok(())
}

fn told(seen: &Summary) -> String {
    format!("{} requests, {} failed", seen.count(), seen.failed())
}
