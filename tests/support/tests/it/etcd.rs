//! etcd, as tests handle it.

use sidestep_support::{Etcd, EtcdClient, EtcdCluster, EtcdError, Proxy, wait_for};
use std::time::{Duration, Instant};

#[tokio::test]
async fn what_is_put_is_listed_until_it_is_deleted() {
    let etcd = Etcd::start().await.unwrap();
    let client = etcd.client();
    client.put("/x/b", [0, 255]).await.unwrap();
    client.put("/x/a", "1").await.unwrap();
    client.put("/y", "another").await.unwrap();
    let entries = client.list("/x/").await.unwrap();
    let keys: Vec<_> = entries.iter().map(|entry| entry.key.as_str()).collect();
    assert_eq!(keys, ["/x/a", "/x/b"]);
    assert_eq!(
        (entries[1].value.as_slice(), entries[1].lease),
        ([0, 255].as_slice(), None)
    );
    assert!(entries[0].revision > entries[1].revision);
    client.delete("/x/").await.unwrap();
    assert_eq!(client.list("/x/").await.unwrap(), []);
    assert_eq!(client.list("/").await.unwrap().len(), 1);
}

#[tokio::test]
async fn the_revision_counts_writes_and_nothing_else() {
    let etcd = Etcd::start().await.unwrap();
    let client = etcd.client();
    let before = client.revision().await.unwrap();
    for n in 1..=3 {
        let revision = client.put("/x", "the same").await.unwrap();
        assert_eq!(revision, before + n);
        client.list("/x").await.unwrap();
        let lease = client.grant(60).await.unwrap();
        client.keep_alive(lease).await.unwrap();
        assert_eq!(client.revision().await.unwrap(), revision);
    }
}

#[tokio::test]
async fn an_etcd_is_quiet_when_nobody_has_written_for_a_while() {
    let etcd = Etcd::start().await.unwrap();
    let client = etcd.client();
    let revision = client.put("/x", "1").await.unwrap();
    let time = Duration::from_millis(300);
    let start = Instant::now();
    assert_eq!(client.until_quiet(time).await.unwrap(), revision);
    assert!(start.elapsed() >= time);
}

#[tokio::test]
async fn keys_go_with_their_lease() {
    let etcd = Etcd::start().await.unwrap();
    let client = etcd.client();
    let (short, long) = (client.grant(2).await.unwrap(), client.grant(600).await.unwrap());
    client.put_under("/x/short", "", short).await.unwrap();
    let before = client.put_under("/x/long", "", long).await.unwrap();
    assert_eq!(client.list("/x/").await.unwrap()[0].lease, Some(long));
    client.until("/x/", |entries| entries.len() == 1).await.unwrap();
    assert_eq!(client.revision().await.unwrap(), before + 1);
    client.revoke(long).await.unwrap();
    assert_eq!(client.list("/x/").await.unwrap(), []);
}

#[tokio::test]
async fn a_lease_can_be_kept_alive_by_one_message_and_the_end() {
    let etcd = Etcd::start().await.unwrap();
    let client = etcd.client();
    let lease = client.grant(100).await.unwrap();
    assert_eq!(client.keep_alive(lease).await.unwrap(), 100);
    client.revoke(lease).await.unwrap();
    assert_eq!(client.keep_alive(lease).await.unwrap(), 0);
}

#[tokio::test]
async fn a_killed_etcd_comes_back_with_its_disk_or_without() {
    let etcd = Etcd::start().await.unwrap();
    let client = etcd.client();
    client.put("/x", "1").await.unwrap();
    etcd.kill();
    assert!(matches!(client.list("/x").await, Err(EtcdError::Connect(_))));
    etcd.restart().await.unwrap();
    assert_eq!(client.list("/x").await.unwrap().len(), 1);
    etcd.restart_empty().await.unwrap();
    assert_eq!(client.list("/x").await.unwrap(), []);
}

#[tokio::test]
async fn a_frozen_etcd_says_nothing_until_it_goes_on() {
    let etcd = Etcd::start().await.unwrap();
    etcd.freeze();
    let client = etcd.client();
    let asked = tokio::time::timeout(Duration::from_millis(300), client.revision()).await;
    assert!(asked.is_err(), "{asked:?}");
    etcd.thaw();
    client.revision().await.unwrap();
}

#[tokio::test]
async fn a_cluster_does_without_its_leader() {
    let cluster = EtcdCluster::start(3).await.unwrap();
    let client = cluster.client();
    // On a busy machine the leadership may change at any time: calls fail then, and have to be made again.
    let put = async |value: &str| wait_for("a write", || async { client.put("/x", value).await.ok() }).await;
    put("1").await.unwrap();
    for member in cluster.members() {
        member.client().until("/x", |entries| entries.len() == 1).await.unwrap();
    }
    let lost = cluster.leader().await.unwrap();
    lost.kill();
    assert_ne!(cluster.leader().await.unwrap().address(), lost.address());
    put("2").await.unwrap();
    lost.restart().await.unwrap();
    lost.client()
        .until("/x", |entries| entries[0].value == b"2")
        .await
        .unwrap();
}

#[tokio::test]
async fn a_proxy_makes_etcd_slow_and_cuts_it_off() {
    let etcd = Etcd::start().await.unwrap();
    let proxy = Proxy::start(etcd.address()).await.unwrap();
    let client = EtcdClient::new([proxy.address()]);
    client.put("/x", "1").await.unwrap();
    proxy.set_delay(Duration::from_millis(200));
    let start = Instant::now();
    client.list("/x").await.unwrap();
    assert!(start.elapsed() >= Duration::from_millis(400), "there and back");
    proxy.set_delay(Duration::ZERO);
    proxy.cut().await;
    assert!(matches!(client.list("/x").await, Err(EtcdError::Connect(_))));
    proxy.mend().await.unwrap();
    assert_eq!(client.list("/x").await.unwrap().len(), 1);
}
