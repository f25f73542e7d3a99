//! Backups and fleet, with a hundred sidecars over one etcd: everything of the filter but its shell, deterministic.
#![cfg(not(target_arch = "wasm32"))]

mod crowd;
mod etcd;

use crowd::Crowd;
use sidestep_core::workers::{CLUSTER, addr};
use std::collections::BTreeSet;
use std::time::Duration;

/// Hosts of the cluster.
const HOSTS: u16 = 5;

const FLEET: &str = r#""fleet": {"quorum": 3, "lease": "5s"}, "picking": {"discovery_percent": 0}"#;
const BACKUP: &str = r#""backup": {}, "picking": {"discovery_percent": 0}"#;

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn nothing(_: usize, _: u16) -> bool {
    false
}

#[test]
fn what_a_quorum_sees_all_avoid_within_two_seconds() {
    let mut crowd = Crowd::new(100, HOSTS, FLEET);
    crowd.run(secs(3), nothing);
    // Three of a hundred see it fail, and the others never meet it again.
    crowd.run(secs(5), |sidecar, host| sidecar < 3 && host == 1);
    let mut waited = Duration::ZERO;
    while crowd.reports(1) < 3 {
        crowd.run(crowd::STEP, |sidecar, host| sidecar < 3 && host == 1);
        waited += crowd::STEP;
        assert!(waited < secs(30), "{} reports", crowd.reports(1));
    }
    crowd.run(secs(2), |sidecar, host| sidecar < 3 && host == 1);
    assert_eq!(crowd.out_for(1), 100);
    // It is well again: they all let it prove itself.
    crowd.run(secs(120), nothing);
    assert_eq!((crowd.out_for(1), crowd.reports(1)), (0, 0));
}

#[test]
fn one_alone_changes_nothing_for_others_whether_it_errs_or_lies() {
    let mut crowd = Crowd::new(20, HOSTS, FLEET);
    crowd.run(secs(3), nothing);
    crowd.run(secs(20), |sidecar, host| sidecar == 0 && host == 1);
    assert_eq!((crowd.out_for(1), crowd.reports(1)), (1, 1));
    for liar in ["x", "x"] {
        let key = format!("/sidestep/1/fleet/default/-/ejected/{CLUSTER}/{}/{liar}", addr(2));
        crowd.etcd.put(&key, b"");
    }
    crowd.run(secs(10), nothing);
    assert_eq!(crowd.out_for(2), 0);
}

#[test]
fn who_is_cut_off_from_all_hosts_tells_nobody_of_it() {
    let mut crowd = Crowd::new(20, HOSTS, FLEET);
    crowd.run(secs(3), nothing);
    for _ in 0..60 {
        crowd.run(secs(1), |sidecar, _| sidecar < 6);
        for host in 1..=HOSTS {
            assert_eq!(crowd.reports(host), 0, "host {host}");
        }
    }
    assert!((1..=HOSTS).any(|host| crowd.is_out(0, host)), "it has ejected some");
    assert!((6..20).all(|number| (1..=HOSTS).all(|host| !crowd.is_out(number, host))));
}

#[test]
fn no_more_hosts_go_than_may_whatever_the_fleet_says() {
    let mut crowd = Crowd::new(10, HOSTS, FLEET);
    crowd.run(secs(3), nothing);
    for host in 1..=HOSTS {
        for sidecar in ["x", "y", "z"] {
            let key = format!("/sidestep/1/fleet/default/-/ejected/{CLUSTER}/{}/{sidecar}", addr(host));
            crowd.etcd.put(&key, b"");
        }
    }
    crowd.run(secs(30), nothing);
    for number in 0..10 {
        assert_eq!(crowd.by_fleet(number).len(), 2, "half of five, rounded down");
    }
}

#[test]
fn the_evidence_of_a_dead_sidecar_ends_with_its_lease() {
    let mut crowd = Crowd::new(
        10,
        HOSTS,
        r#""fleet": {"quorum": 2, "lease": "5s"}, "outlier_detection": {"base_ejection_time": "200s"}"#,
    );
    crowd.run(secs(3), nothing);
    crowd.run(secs(5), |sidecar, host| sidecar < 2 && host == 1);
    while crowd.out_for(1) < 10 {
        crowd.run(secs(1), |sidecar, host| sidecar < 2 && host == 1);
    }
    crowd.kill(0);
    crowd.run(secs(7), nothing);
    assert_eq!(crowd.reports(1), 1);
    // What the other one saw itself stays; the fleet has no quorum for it any more, and the host proves itself.
    crowd.run(secs(60), nothing);
    assert!(crowd.is_out(1, 1));
    assert!((2..10).all(|number| crowd.by_fleet(number).is_empty()));
}

#[test]
fn without_etcd_all_goes_on_and_afterwards_all_agree_again() {
    let mut crowd = Crowd::new(60, HOSTS, FLEET);
    crowd.run(secs(3), nothing);
    for number in 0..60 {
        crowd.cut(number, number % 2 == 0);
    }
    // Each half sees another host fail; only those who can talk share it.
    crowd.run(secs(10), |sidecar, host| {
        host == 1 + u16::from(sidecar % 2 == 0) && sidecar < 10
    });
    for number in 0..10 {
        assert!(
            crowd.is_out(number, 1 + u16::from(number % 2 == 0)),
            "{number} by what it sees"
        );
    }
    assert_eq!(crowd.out_for(1), 30, "those who can talk");
    assert_eq!(crowd.out_for(2), 5, "those who see it");
    for number in 0..60 {
        crowd.cut(number, false);
    }
    crowd.run(secs(20), |sidecar, host| host <= 2 && sidecar < 10);
    assert_eq!((crowd.out_for(1), crowd.out_for(2)), (60, 60));
    crowd.run(secs(200), nothing);
    assert_eq!((crowd.out_for(1), crowd.out_for(2)), (0, 0));
}

#[test]
fn a_store_that_lost_everything_hears_everything_again() {
    let mut crowd = Crowd::new(10, HOSTS, r#""fleet": {"quorum": 3, "lease": "5s"}, "backup": {}"#);
    crowd.run(secs(3), nothing);
    crowd.run(secs(6), |sidecar, host| sidecar < 4 && host == 1);
    for number in 0..10 {
        crowd.cut(number, true);
    }
    crowd.etcd.lose_all();
    crowd.run(secs(2), |sidecar, host| sidecar < 4 && host == 1);
    for number in 0..10 {
        crowd.cut(number, false);
    }
    crowd.run(secs(20), |sidecar, host| sidecar < 4 && host == 1);
    assert_eq!(crowd.reports(1), 4);
    assert_eq!(crowd.etcd.values("/member/").len(), 10);
    assert!(!crowd.etcd.values("/backup/node-0/").is_empty());
}

#[test]
fn nothing_is_written_while_nothing_changes() {
    let mut crowd = Crowd::new(10, HOSTS, r#""fleet": {"quorum": 2, "lease": "5s"}, "backup": {}"#);
    crowd.run(secs(5), nothing);
    crowd.run(secs(3), |_, host| host == 1);
    crowd.run(secs(100), nothing);
    let before = crowd.etcd.revision();
    crowd.run(secs(300), nothing);
    assert_eq!(crowd.etcd.revision(), before);
}

#[test]
fn a_new_process_has_the_ejection_before_it_could_see_a_failure() {
    let mut crowd = Crowd::new(1, HOSTS, BACKUP);
    let bad = |_: usize, host: u16| host == 1;
    crowd.run(secs(2), nothing);
    crowd.run(secs(6), bad);
    assert!(crowd.is_out(0, 1));
    crowd.restart(0);
    // Its first tick restores; one request may be faster.
    crowd.run(secs(10), bad);
    assert!(crowd.is_out(0, 1));
    let sent = crowd.sidecars[0].sent.get(&addr(1)).copied().unwrap_or_default();
    assert!(sent <= 1, "{sent} requests met it");
    // Its time is what was left of it, and not a new one.
    crowd.run(secs(60), nothing);
    assert!(!crowd.is_out(0, 1));
}

#[test]
fn what_the_process_before_still_writes_is_restored_as_it_comes() {
    let config = r#""backup": {"origin": "both"}, "picking": {"discovery_percent": 0}, "outlier_detection": {"base_ejection_time": "100s"}"#;
    let mut crowd = Crowd::new(2, HOSTS, config);
    crowd.run(secs(2), nothing);
    crowd.run(secs(8), |sidecar, host| sidecar == 0 && host == 1);
    crowd.restart(1);
    crowd.run(secs(1), |sidecar, host| sidecar == 0 && host == 1);
    assert!(crowd.is_out(1, 1), "what was there");
    // The old one lives on, and sees another host fail.
    crowd.run(secs(8), |sidecar, host| sidecar == 0 && host == 2);
    assert!(crowd.is_out(0, 2));
    assert!(crowd.is_out(1, 2), "and what comes");
}

#[test]
fn a_restarted_sidecar_is_one_voice_and_not_two() {
    let config =
        r#""fleet": {"quorum": 2, "lease": "60s"}, "backup": {}, "outlier_detection": {"base_ejection_time": "200s"}"#;
    let mut crowd = Crowd::new(5, HOSTS, config);
    crowd.run(secs(3), nothing);
    crowd.run(secs(8), |sidecar, host| sidecar == 0 && host == 1);
    crowd.restart(0);
    // Its keys of before are still there, and it has restored the ejection.
    crowd.run(secs(10), |sidecar, host| sidecar == 0 && host == 1);
    assert_eq!(crowd.reports(1), 1);
    assert_eq!(crowd.out_for(1), 1);
}

#[test]
fn backups_are_few_whatever_happens_and_the_last_is_what_is() {
    let mut crowd = Crowd::new(1, HOSTS, BACKUP);
    crowd.run(secs(2), nothing);
    for round in 0..200_u16 {
        let bad = 1 + round % HOSTS;
        crowd.run(secs(4), |_, host| host == bad);
        let kept = crowd.etcd.values("/backup/node-0/").len();
        assert!(kept <= 40, "{kept} snapshots");
    }
    crowd.run(secs(2), nothing);
    let before: BTreeSet<u16> = (1..=HOSTS).filter(|host| crowd.is_out(0, *host)).collect();
    crowd.restart(0);
    crowd.run(Duration::from_millis(500), nothing);
    let after: BTreeSet<u16> = (1..=HOSTS).filter(|host| crowd.is_out(0, *host)).collect();
    assert_eq!(after, before);
}

#[test]
fn any_story_ends_in_agreement() {
    for seed in 0..6 {
        let mut crowd = Crowd::new(20, HOSTS, r#""fleet": {"quorum": "20%", "lease": "5s"}, "backup": {}"#);
        crowd.entropy = sidestep::model::Entropy::seeded(seed);
        for _ in 0..25 {
            let who = usize::try_from(crowd.entropy.below(20)).expect("an index");
            match crowd.entropy.below(6) {
                0 => crowd.restart(who),
                1 => crowd.cut(who, true),
                2 => crowd.cut(who, false),
                3 if crowd.entropy.below(4) == 0 => crowd.etcd.lose_all(),
                _ => {}
            }
            let bad = u16::try_from(crowd.entropy.below(7)).expect("a host");
            let see = usize::try_from(crowd.entropy.below(20)).expect("a number");
            let time = Duration::from_millis(crowd.entropy.below(4_000));
            crowd.run(time, |sidecar, host| host == bad && sidecar < see);
        }
        for number in 0..20 {
            crowd.cut(number, false);
        }
        crowd.run(secs(400), nothing);
        for host in 1..=HOSTS {
            assert_eq!(
                (crowd.out_for(host), crowd.reports(host)),
                (0, 0),
                "seed {seed}, host {host}"
            );
        }
        assert_eq!(crowd.etcd.values("/member/").len(), 20, "seed {seed}");
    }
}
