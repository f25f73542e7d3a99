//! Whatever happens to etcd, no user notices; and when it is back, all works as before.

use serde_json::{Value, json};
use sidestep_envoy::{Sidecar, Site, fail_for, next_answers, until_backed_up, until_members};
use sidestep_support::{Etcd, EtcdClient, EtcdCluster, Proxy, Summary};
use std::net::SocketAddr;
use std::time::Duration;

/// No answer takes that long, unless it waits for etcd: for that it would take [`PATIENCE`] at least.
const SLOW: Duration = Duration::from_secs(2);

/// How long sidecars wait for etcd, in seconds.
const PATIENCE: u64 = 3;

/// How many requests a second each sidecar gets.
const LOAD: f64 = 30.0;

fn keeping() -> Value {
    json!({
        "etcd": {"timeout": format!("{PATIENCE}s")},
        "backup": {},
        "fleet": {"quorum": 2, "lease": "3s"},
    })
}

/// Whether the sidecars have to see calls fail. A cluster that has lost its leader may be quick to find another.
#[derive(PartialEq)]
enum Trouble {
    Seen,
    PerhapsUnseen,
}

/// Three sidecars under load that never stops: trouble begins, they go on alone; it ends, and they are a fleet again.
async fn nobody_notices(
    addresses: Vec<SocketAddr>,
    client: EtcdClient,
    trouble: Trouble,
    begin: impl AsyncFnOnce(),
    end: impl AsyncFnOnce(),
) {
    let site = Site::start(5, addresses).await;
    let config = |node| site.config(node, keeping()).workers(1);
    let (one, two, three) = tokio::join!(
        Sidecar::start("one", config("one")),
        Sidecar::start("two", config("two")),
        Sidecar::start("three", config("three")),
    );
    let sidecars = [&one, &two, &three];
    until_members(&client, 3).await;
    let traffic = sidecars.map(|sidecar| sidecar.traffic(LOAD));
    let mut seen = Vec::new();
    for traffic in &traffic {
        seen.push(next_answers(traffic, 30).await);
    }
    begin().await;
    if trouble == Trouble::Seen {
        for sidecar in sidecars {
            sidecar.until_metric("sidestep.etcd.failed", |n| n > 0).await;
        }
    }
    fail_for(site.last(), &[&three]);
    three.until_ejected(site.last()).await.unwrap();
    for traffic in &traffic {
        seen.push(next_answers(traffic, 60).await);
    }
    end().await;
    until_members(&client, 3).await;
    let before = client.revision().await.unwrap();
    fail_for(site.a(), &[&one, &two]);
    one.until_ejected(site.a()).await.unwrap();
    two.until_ejected(site.a()).await.unwrap();
    three.until_ejected_by_fleet(site.a()).await;
    assert_eq!(three.share_of(site.a(), 30).await, 0);
    until_backed_up(&client, "one", before).await;
    for traffic in traffic {
        seen.push(traffic.stop().await);
    }
    nobody_waited(&seen);
}

fn nobody_waited(seen: &[Summary]) {
    let mut requests = 0;
    let mut slowest = Duration::ZERO;
    for summary in seen {
        assert_eq!(summary.failed(), 0, "{summary:?}");
        requests += summary.count();
        slowest = slowest.max(summary.percentile(100));
    }
    println!("{requests} requests, the slowest took {slowest:?}");
    assert!(slowest < SLOW, "{slowest:?}");
}

#[tokio::test]
async fn an_etcd_that_is_killed_and_comes_back() {
    let etcd = Etcd::start().await.unwrap();
    let begin = async || etcd.kill();
    let end = async || etcd.restart().await.unwrap();
    nobody_notices(vec![etcd.address()], etcd.client(), Trouble::Seen, begin, end).await;
}

#[tokio::test]
async fn an_etcd_that_comes_back_with_an_empty_disk() {
    let etcd = Etcd::start().await.unwrap();
    let begin = async || etcd.kill();
    let end = async || etcd.restart_empty().await.unwrap();
    nobody_notices(vec![etcd.address()], etcd.client(), Trouble::Seen, begin, end).await;
}

#[tokio::test]
async fn an_etcd_that_freezes_and_goes_on() {
    let etcd = Etcd::start().await.unwrap();
    let begin = async || etcd.freeze();
    let end = async || etcd.thaw();
    nobody_notices(vec![etcd.address()], etcd.client(), Trouble::Seen, begin, end).await;
}

#[tokio::test]
async fn an_etcd_that_gets_slow_and_quick_again() {
    let etcd = Etcd::start().await.unwrap();
    let proxy = Proxy::start(etcd.address()).await.unwrap();
    let begin = async || proxy.set_delay(Duration::from_secs(PATIENCE + 1));
    let end = async || proxy.set_delay(Duration::ZERO);
    nobody_notices(vec![proxy.address()], etcd.client(), Trouble::Seen, begin, end).await;
}

#[tokio::test]
async fn an_etcd_that_is_cut_off_and_reached_again() {
    let etcd = Etcd::start().await.unwrap();
    let proxy = Proxy::start(etcd.address()).await.unwrap();
    let begin = async || proxy.cut().await;
    let end = async || proxy.mend().await.unwrap();
    nobody_notices(vec![proxy.address()], etcd.client(), Trouble::Seen, begin, end).await;
}

#[tokio::test]
async fn an_etcd_cluster_that_loses_its_leader_and_stays_without_it() {
    let cluster = EtcdCluster::start(3).await.unwrap();
    let begin = async || cluster.leader().await.unwrap().kill();
    let end = async || {
        cluster.leader().await.unwrap();
    };
    nobody_notices(
        cluster.addresses(),
        cluster.client(),
        Trouble::PerhapsUnseen,
        begin,
        end,
    )
    .await;
}

#[tokio::test]
async fn an_etcd_that_was_never_there() {
    let etcd = Etcd::start().await.unwrap();
    etcd.kill();
    let site = Site::start(3, [etcd.address()]).await;
    let sidecar = site.sidecar("one", keeping()).await;
    let traffic = sidecar.traffic(LOAD);
    sidecar.until_metric("sidestep.etcd.failed", |n| n > 0).await;
    fail_for(site.a(), &[&sidecar]);
    sidecar.until_ejected(site.a()).await.unwrap();
    assert_eq!(sidecar.share_of(site.a(), 30).await, 0);
    nobody_waited(&[traffic.stop().await]);
}
