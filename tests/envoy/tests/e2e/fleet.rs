//! What several sidecars of a fleet report of a host, the others believe; what one reports, they don't.

use serde_json::{Value, json};
use sidestep_envoy::{FLEET, Sidecar, Site, fail_for, until_members};
use sidestep_support::{Etcd, EtcdEntry, Lease, Reply, Upstream, wait_for};
use std::time::{Duration, Instant};

fn fleet() -> Value {
    json!({
        "fleet": {"quorum": 2, "lease": "3s"},
        "picking": {"ramp_time": "0s"},
    })
}

/// Sidecars of one fleet, called `one`, `two` and `three`.
struct Fleet {
    etcd: Etcd,
    site: Site,
    one: Sidecar,
    two: Sidecar,
    three: Sidecar,
}

impl Fleet {
    async fn start(servers: u8, plugin: Value) -> Self {
        let etcd = Etcd::start().await.unwrap();
        let site = Site::start(servers, [etcd.address()]).await;
        let config = |node| site.config(node, plugin.clone()).workers(1);
        let (one, two, three) = tokio::join!(
            Sidecar::start("one", config("one")),
            Sidecar::start("two", config("two")),
            Sidecar::start("three", config("three")),
        );
        until_members(&etcd.client(), 3).await;
        // What others say of a host that a sidecar has not met is nothing to it.
        for sidecar in [&one, &two, &three] {
            for server in &site.servers {
                assert!(sidecar.share_of(server, 60).await > 0);
            }
        }
        Self {
            etcd,
            site,
            one,
            two,
            three,
        }
    }

    /// The first server fails for two of them, and both eject it.
    async fn two_eject_a(&self) {
        fail_for(self.site.a(), &[&self.one, &self.two]);
        self.one.until_ejected(self.site.a()).await.unwrap();
        self.two.until_ejected(self.site.a()).await.unwrap();
    }

    /// Waits until so many sidecars report this server, and gives the reports.
    async fn until_reports(&self, server: &Upstream, count: usize) -> Vec<EtcdEntry> {
        let prefix = format!("{FLEET}ejected/backend/{}/", server.address());
        let client = self.etcd.client();
        let reports = client.until(&prefix, |entries| entries.len() == count);
        reports.await.unwrap()
    }

    /// Somebody who is no sidecar becomes a member.
    async fn join(&self, liar: &str, lease: Lease) {
        let key = format!("{FLEET}member/{liar}");
        self.etcd.client().put_under(&key, "", lease).await.unwrap();
    }

    /// And reports a server.
    async fn lie(&self, server: &Upstream, liar: &str, lease: Lease) {
        let key = format!("{FLEET}ejected/backend/{}/{liar}", server.address());
        self.etcd.client().put_under(&key, "", lease).await.unwrap();
    }
}

#[tokio::test]
async fn what_two_see_fail_the_third_avoids_without_having_seen_it() {
    let fleet = Fleet::start(3, fleet()).await;
    let a = fleet.site.a();
    assert!(fleet.three.share_of(a, 30).await > 0);
    fleet.two_eject_a().await;
    let agreed = Instant::now();
    fleet.three.until_ejected_by_fleet(a).await;
    let after = agreed.elapsed();
    println!("the third ejects it {after:?} after the second one");
    assert!(after < Duration::from_secs(10), "{after:?}");
    // It would be answered well there: `a` does not fail for it.
    assert_eq!(fleet.three.share_of(a, 60).await, 0);
    fleet.three.until_metric("sidestep.ejections.fleet", |n| n == 1).await;
    assert!(!fleet.three.has_ejected(a, false));
    assert_eq!(fleet.one.envoy.metric("sidestep.ejections.fleet").await.unwrap(), 0);
}

#[tokio::test]
async fn a_quorum_can_be_a_share_of_the_members_who_come_and_go() {
    let mut plugin = fleet();
    plugin["fleet"]["quorum"] = json!("50%");
    let fleet = Fleet::start(6, plugin).await;
    let (a, c) = (fleet.site.a(), fleet.site.last());
    let lease = fleet.etcd.client().grant(60).await.unwrap();
    for liar in ["liar1-x", "liar2-x", "liar3-x"] {
        fleet.join(liar, lease).await;
    }
    until_members(&fleet.etcd.client(), 6).await;
    // Two of six are less than half of them, three are not: that those are believed shows that all have been heard.
    fleet.two_eject_a().await;
    fleet.until_reports(a, 2).await;
    for liar in ["liar1-x", "liar2-x", "liar3-x"] {
        fleet.lie(c, liar, lease).await;
    }
    fleet.three.until_ejected_by_fleet(c).await;
    assert!(!fleet.three.has_ejected(a, true));
    assert!(fleet.three.share_of(a, 60).await > 0);
    // And two of three are more than half.
    fleet.etcd.client().revoke(lease).await.unwrap();
    fleet.three.until_ejected_by_fleet(a).await;
}

#[tokio::test]
async fn a_lone_voice_changes_nothing_whether_it_is_wrong_or_lies() {
    let fleet = Fleet::start(6, fleet()).await;
    let (a, b, c) = (fleet.site.a(), fleet.site.b(), fleet.site.last());
    // Wrong about the host: it fails for `one` alone.
    fail_for(a, &[&fleet.one]);
    fleet.one.until_ejected(a).await.unwrap();
    let report = fleet.until_reports(a, 1).await.remove(0);
    assert!(report.lease.is_some() && report.key.contains("/one"), "{report:?}");
    let lease = fleet.etcd.client().grant(60).await.unwrap();
    fleet.join("liar1-x", lease).await;
    fleet.join("liar2-x", lease).await;
    fleet.lie(b, "liar1-x", lease).await;
    // Two who agree are believed: so the lone ones, which came before, have been heard as well.
    fleet.lie(c, "liar1-x", lease).await;
    fleet.lie(c, "liar2-x", lease).await;
    for sidecar in [&fleet.one, &fleet.two, &fleet.three] {
        sidecar.until_ejected_by_fleet(c).await;
        assert!(!sidecar.has_ejected(a, true) && !sidecar.has_ejected(b, true));
        assert_eq!(sidecar.share_of(c, 60).await, 0);
        assert!(sidecar.share_of(b, 60).await > 0);
    }
    for sidecar in [&fleet.two, &fleet.three] {
        assert!(sidecar.share_of(a, 60).await > 0);
    }
}

#[tokio::test]
async fn what_a_dead_sidecar_said_goes_with_its_lease_and_so_does_the_ejection() {
    let fleet = Fleet::start(3, fleet()).await;
    let (a, client) = (fleet.site.a(), fleet.etcd.client());
    fleet.two_eject_a().await;
    fleet.three.until_ejected_by_fleet(a).await;
    assert_eq!(fleet.three.share_of(a, 60).await, 0);
    fleet.one.envoy.kill();
    let no_one = |entries: &[EtcdEntry]| !entries.iter().any(|entry| entry.key.contains("/one"));
    client.until(FLEET, no_one).await.unwrap();
    until_members(&client, 2).await;
    let before = a.count_from("three");
    wait_for("traffic of the third at a again", || async {
        assert_eq!(fleet.three.get().await.status(), 200);
        (a.count_from("three") > before).then_some(())
    })
    .await
    .unwrap();
    fleet.three.until_metric("sidestep.ejections_active", |n| n == 0).await;
    assert_eq!(fleet.two.share_of(a, 60).await, 0, "it has seen so itself");
}

#[tokio::test]
async fn a_sidecar_whose_hosts_all_fail_says_nothing() {
    let etcd = Etcd::start().await.unwrap();
    let site = Site::start(4, [etcd.address()]).await;
    let sidecar = site.sidecar("one", fleet()).await;
    let client = etcd.client();
    until_members(&client, 1).await;
    for server in &site.servers {
        assert!(sidecar.share_of(server, 20).await > 0);
    }
    for server in &site.servers {
        server.set(Reply::status(503));
    }
    let traffic = sidecar.traffic(200.0);
    let refused = "sidestep.ejections_refused.max_ejection_percent";
    let (time, start) = (Duration::from_secs(4), Instant::now());
    wait_for("ejections, and time to tell of them", || async {
        let reports = client.list(&format!("{FLEET}ejected/")).await.unwrap();
        assert_eq!(reports, []);
        (start.elapsed() >= time && sidecar.envoy.metric(refused).await.ok()? > 0).then_some(())
    })
    .await
    .unwrap();
    traffic.stop().await;
    assert!(sidecar.envoy.log().contains("ejected host"));
}

#[tokio::test]
async fn other_fleets_and_other_zones_are_not_heard() {
    let etcd = Etcd::start().await.unwrap();
    let site = Site::start(3, [etcd.address()]).await;
    let config = |node, fleet, zone| {
        let plugin = json!({"fleet": {"name": fleet, "zone": zone, "quorum": 2, "lease": "3s"}});
        site.config(node, plugin).workers(1)
    };
    let (one, two, same, elsewhere, stranger) = tokio::join!(
        Sidecar::start("one", config("one", "shop", "x")),
        Sidecar::start("two", config("two", "shop", "x")),
        Sidecar::start("same", config("same", "shop", "x")),
        Sidecar::start("elsewhere", config("elsewhere", "shop", "y")),
        Sidecar::start("stranger", config("stranger", "bank", "x")),
    );
    let members = |fleet: &str| format!("/sidestep/1/fleet/{fleet}/member/");
    for (fleet, count) in [("shop/x", 3), ("shop/y", 1), ("bank/x", 1)] {
        let right = |entries: &[EtcdEntry]| entries.len() == count;
        etcd.client().until(&members(fleet), right).await.unwrap();
    }
    fail_for(site.a(), &[&one, &two]);
    one.until_ejected(site.a()).await.unwrap();
    two.until_ejected(site.a()).await.unwrap();
    same.until_ejected_by_fleet(site.a()).await;
    for sidecar in [&elsewhere, &stranger] {
        assert!(sidecar.share_of(site.a(), 60).await > 0);
        assert!(!sidecar.envoy.log().contains("ejected host"));
    }
}
