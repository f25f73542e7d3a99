//! What was learned is in etcd, and comes back from there after a restart.

use serde_json::{Value, json};
use sidestep_envoy::{BACKUP, Sidecar, Site, fail_for, until_backed_up};
use sidestep_support::{Behaviour, Etcd, EtcdClient, Reply, wait_for};
use std::time::{Duration, Instant};

fn keeping() -> Value {
    json!({"etcd": {"cluster": "etcd"}, "backup": {}})
}

async fn site(servers: u8) -> (Etcd, Site) {
    let etcd = Etcd::start().await.unwrap();
    let site = Site::start(servers, [etcd.address()]).await;
    (etcd, site)
}

/// Has a sidecar eject the first server, and waits until that is in etcd.
async fn eject_a(sidecar: &Sidecar, site: &Site, etcd: &EtcdClient) {
    let before = etcd.revision().await.unwrap();
    fail_for(site.a(), &[sidecar]);
    sidecar.until_ejected(site.a()).await.unwrap();
    until_backed_up(etcd, &sidecar.node, before).await;
    sidecar.until_metric("sidestep.backup.written", |n| n > 0).await;
}

#[tokio::test]
async fn an_ejection_outlives_the_process_and_costs_the_new_one_no_failure() {
    let (etcd, site) = site(3).await;
    let sidecar = site.sidecar("one", keeping()).await;
    eject_a(&sidecar, &site, &etcd.client()).await;
    sidecar.envoy.kill();
    site.a().set(Reply::status(503));
    site.a().reset();
    let sidecar = site.sidecar("one", keeping()).await;
    let live = Instant::now();
    let line = sidecar.until_restored(site.a()).await;
    let after = live.elapsed();
    println!("restored {after:?} after the new process was live");
    assert!(after < Duration::from_secs(5), "{after:?}");
    assert!(line.contains("ejected for"), "{line}");
    assert_eq!(sidecar.share_of(site.a(), 60).await, 0);
    assert_eq!(site.a().count(), 0, "none by retries or probes either");
    sidecar.until_metric("sidestep.restored", |n| n == 1).await;
    sidecar.until_metric("sidestep.ejections_active", |n| n == 1).await;
}

#[tokio::test]
async fn another_origin_starts_with_nothing_and_the_same_one_by_another_node_with_all_of_it() {
    let (etcd, site) = site(3).await;
    let named = |origin: &str| json!({"backup": {"origin": origin}});
    let first = site.sidecar("one", named("shared")).await;
    let before = etcd.client().revision().await.unwrap();
    fail_for(site.a(), &[&first]);
    first.until_ejected(site.a()).await.unwrap();
    until_backed_up(&etcd.client(), "shared", before).await;
    first.envoy.kill();
    let stranger = site.sidecar("two", named("other")).await;
    let heir = site.sidecar("three", named("shared")).await;
    heir.until_restored(site.a()).await;
    assert_eq!(heir.share_of(site.a(), 60).await, 0);
    assert!(stranger.share_of(site.a(), 60).await > 0);
    assert!(!stranger.envoy.log().contains("restored"));
}

#[tokio::test]
async fn a_damaged_snapshot_is_refused_and_the_one_before_is_taken() {
    let (etcd, site) = site(5).await;
    let client = etcd.client();
    let first = site.sidecar("one", keeping()).await;
    eject_a(&first, &site, &client).await;
    first.envoy.kill();
    let second = site.sidecar("one", keeping()).await;
    second.until_restored(site.a()).await;
    let before = client.revision().await.unwrap();
    fail_for(site.b(), &[&second]);
    second.until_ejected(site.b()).await.unwrap();
    let snapshots = until_backed_up(&client, "one", before).await;
    second.envoy.kill();
    site.b().set(Reply::status(200));
    assert!(snapshots.len() >= 2, "{snapshots:?}");
    let newest = snapshots.last().unwrap();
    let mut value = newest.value.clone();
    let middle = value.len() / 2;
    value[middle] ^= 0x10;
    client.put(&newest.key, value).await.unwrap();
    let third = site.sidecar("one", keeping()).await;
    third.until_restored(site.a()).await;
    third.until_metric("sidestep.restore.refused", |n| n > 0).await;
    assert_eq!(third.share_of(site.a(), 60).await, 0);
    assert!(third.share_of(site.b(), 60).await > 0, "what only the damaged one knew");
}

#[tokio::test]
async fn keys_say_whose_they_are_and_from_which_life() {
    let (etcd, site) = site(3).await;
    let sidecar = site.sidecar("one", keeping()).await;
    eject_a(&sidecar, &site, &etcd.client()).await;
    let all = etcd.client().list("/").await.unwrap();
    assert!(!all.is_empty());
    let hex = |text: &str, digits| text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    for entry in all {
        let rest = entry.key.strip_prefix(&format!("{BACKUP}one/"));
        let (epoch, number) = rest.and_then(|rest| rest.split_once('/')).expect(&entry.key);
        assert!(hex(epoch, 16) && hex(number, 8), "{}", entry.key);
        assert_eq!(entry.lease, None, "a snapshot outlives its writer");
    }
}

#[tokio::test]
async fn the_prefix_can_be_another_one() {
    let (etcd, site) = site(3).await;
    let plugin = json!({"etcd": {"prefix": "/of/my/own"}, "backup": {}});
    let sidecar = site.sidecar("one", plugin).await;
    fail_for(site.a(), &[&sidecar]);
    sidecar.until_ejected(site.a()).await.unwrap();
    let prefix = "/of/my/own/1/backup/one/";
    etcd.client()
        .until(prefix, |entries| !entries.is_empty())
        .await
        .unwrap();
    assert_eq!(etcd.client().list("/sidestep").await.unwrap(), []);
}

#[tokio::test]
async fn while_nothing_changes_nothing_is_written() {
    let (etcd, site) = site(3).await;
    let plugin = json!({"backup": {}, "fleet": {"lease": "3s"}});
    let sidecar = site.sidecar("one", plugin).await;
    let traffic = sidecar.traffic(50.0);
    let client = etcd.client();
    client.until("/sidestep/", |entries| !entries.is_empty()).await.unwrap();
    let before = client.until_quiet(Duration::from_secs(2)).await.unwrap();
    traffic.take();
    let time = Duration::from_secs(5);
    let start = Instant::now();
    wait_for("five seconds", || async { (start.elapsed() >= time).then_some(()) })
        .await
        .unwrap();
    let seen = traffic.stop().await;
    assert_eq!(client.revision().await.unwrap(), before, "{} requests", seen.count());
    assert_eq!(seen.failed(), 0, "{seen:?}");
}

#[tokio::test]
async fn hosts_that_flap_cost_one_write_a_second_at_most() {
    let (etcd, site) = site(6).await;
    let plugin = json!({
        "outlier_detection": {"base_ejection_time": "200ms", "consecutive_5xx": 2, "interval": "1s"},
        "picking": {"ramp_time": "100ms"},
        "backup": {},
    });
    let sidecar = site.sidecar("one", plugin).await;
    for (server, period) in site.servers.iter().zip([210, 230, 270, 310, 370, 430]) {
        let period = Duration::from_millis(period);
        let (bad, good) = (Reply::status(503).into(), Reply::status(200).into());
        let turns: [(Duration, Behaviour); 2] = [(period, bad), (period, good)];
        server.set(Behaviour::in_turn(turns));
    }
    let traffic = sidecar.traffic(100.0);
    let client = etcd.client();
    client.until(BACKUP, |entries| !entries.is_empty()).await.unwrap();
    let (before, start) = (client.revision().await.unwrap(), Instant::now());
    let time = Duration::from_secs(8);
    wait_for("eight seconds", || async { (start.elapsed() >= time).then_some(()) })
        .await
        .unwrap();
    let (writes, elapsed) = (client.revision().await.unwrap() - before, start.elapsed());
    traffic.stop().await;
    let log = sidecar.envoy.log();
    println!(
        "{writes} writes in {elapsed:?}, {} ejections",
        log.matches("ejected host").count()
    );
    let most = i64::try_from(elapsed.as_secs()).unwrap() + 2;
    assert!((2..=most).contains(&writes), "{writes} writes in {elapsed:?}");
}

#[tokio::test]
async fn a_new_configuration_keeps_the_ejections() {
    let (etcd, site) = site(3).await;
    let config = |plugin| site.config("one", plugin).listeners_from_file();
    let mut sidecar = Sidecar::start("one", config(keeping())).await;
    eject_a(&sidecar, &site, &etcd.client()).await;
    let mut changed = keeping();
    changed["retry"] = json!({"num_retries": 2});
    sidecar.envoy.reload(&config(changed)).await.unwrap();
    // The old configuration's filters serve until the workers have heard of the new one: both count.
    for _ in 0..5 {
        assert_eq!(sidecar.share_of(site.a(), 60).await, 0);
    }
    sidecar.until_metric("sidestep.ejections_active", |n| n == 1).await;
}
