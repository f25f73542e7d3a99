//! What people want of hosts: a record in shared data, written by somebody else than the workers.

use crate::common::{BACKEND, eject, post, share};
use crate::crowd::{crowd, ejections, health, hosts, out, table};
use serde_json::json;
use sidestep::health::{Control, ControlAction};
use sidestep::model::Timestamp;
use sidestep_sim::{Load, Request, Sim};
use std::time::Duration;

/// Writes a wish into the cluster's record, as the status interface would; workers find it at their next tick.
fn wish(sim: &mut Sim, action: ControlAction, host: &str, secs: u64) -> bool {
    let now = Timestamp::from_nanos(sim.wall());
    let mut table = table(sim);
    let control = Control {
        host: host.parse().expect("an address"),
        action,
        until: now.after(Duration::from_secs(secs)),
        reason: "it smells".to_owned(),
    };
    let changed = table
        .control(control, &sidestep::config::ClusterPolicy::default(), now)
        .changed;
    let key = format!("sidestep/2/cluster/{BACKEND}");
    sim.write_shared(&key, &table.encode());
    sim.advance_secs(1);
    changed
}

/// An Envoy that has met its cluster.
fn met(hosts: &[String], workers: usize) -> Sim {
    let mut sim = crowd(hosts, workers, json!({}));
    for worker in 0..workers {
        sim.send(Request::get("/").on(worker));
    }
    // A record is there only once there is something to say.
    eject(&mut sim, &hosts[hosts.len() - 1]);
    sim.host(&hosts[hosts.len() - 1]).answers(200);
    sim.under(&mut Load::gets(50, 1), Duration::from_secs(45));
    assert!(out(&sim).is_empty());
    sim
}

#[test]
fn a_host_that_a_person_ejects_gets_nothing_until_its_end_at_any_worker() {
    for workers in [1, 2, 16] {
        let hosts = hosts(5);
        let mut sim = met(&hosts, workers);
        assert!(wish(&mut sim, ControlAction::Eject, &hosts[1], 60));
        let mut load = Load::gets(100, 1);
        let served = sim.under(&mut load, Duration::from_secs(55));
        assert_eq!((served.first_tried(&hosts[1]), served.errors), (0, 0));
        sim.under(&mut load, Duration::from_secs(20));
        let served = sim.under(&mut load, Duration::from_secs(20));
        assert!(served.first_tried(&hosts[1]) > 300, "it comes back as any other");
    }
}

#[test]
fn a_host_that_a_person_releases_is_back_at_once_and_its_share_grows() {
    let hosts = hosts(5);
    let mut sim = met(&hosts, 4);
    eject(&mut sim, &hosts[0]);
    sim.host(&hosts[0]).answers(200);
    assert!(wish(&mut sim, ControlAction::Release, &hosts[0], 0));
    let mut load = Load::gets(200, 1);
    let served = sim.under(&mut load, Duration::from_secs(2));
    let share = served.first_tried(&hosts[0]) as f64 * 5.0 / served.requests as f64;
    assert!((0.03..0.6).contains(&share), "{share}");
    sim.under(&mut load, Duration::from_secs(10));
    let served = sim.under(&mut load, Duration::from_secs(10));
    let share = served.first_tried(&hosts[0]) as f64 * 5.0 / served.requests as f64;
    assert!((0.85..1.15).contains(&share), "{share}");
}

#[test]
fn a_host_that_a_person_holds_stays_whatever_it_answers_and_until_the_end() {
    let hosts = hosts(5);
    let mut sim = met(&hosts, 3);
    assert!(wish(&mut sim, ControlAction::Hold, &hosts[2], 100));
    sim.host(&hosts[2]).answers(503);
    let before = ejections(&sim).len();
    let mut load = Load::gets(50, 1);
    sim.under(&mut load, Duration::from_secs(95));
    assert_eq!(ejections(&sim).len(), before);
    assert!(sim.metric("sidestep.ejections_refused.held") > 0);
    sim.under(&mut load, Duration::from_secs(10));
    assert_eq!(out(&sim), [hosts[2].as_str()]);
}

#[test]
fn a_host_that_is_out_and_held_stays_out_until_the_end() {
    let hosts = hosts(5);
    let mut sim = met(&hosts, 3);
    eject(&mut sim, &hosts[0]);
    sim.host(&hosts[0]).answers(200);
    assert!(wish(&mut sim, ControlAction::Hold, &hosts[0], 120));
    let mut load = Load::gets(50, 1);
    let served = sim.under(&mut load, Duration::from_secs(115));
    assert_eq!(served.first_tried(&hosts[0]), 0);
    sim.under(&mut load, Duration::from_secs(20));
    assert!(out(&sim).is_empty(), "{:?}", health(&sim, &hosts[0]));
}

#[test]
fn a_person_may_eject_more_than_the_share_and_never_the_last() {
    let hosts = hosts(4);
    let mut sim = met(&hosts, 2);
    let went: Vec<bool> = hosts
        .iter()
        .map(|host| wish(&mut sim, ControlAction::Eject, host, 300))
        .collect();
    assert_eq!(went, [true, true, true, false]);
    // Fewer than half are available: Envoy's own load balancing is in charge, and that is said.
    share(&mut sim, &hosts[0], 20);
    assert_eq!(sim.logged("below panic_threshold").len(), 1);
}

#[test]
fn a_wish_outlives_every_vm() {
    let hosts = hosts(5);
    let mut sim = met(&hosts, 2);
    assert!(wish(&mut sim, ControlAction::Eject, &hosts[1], 600));
    for worker in 0..2 {
        sim.kill_vm(worker);
    }
    sim.advance_secs(2);
    let before = sim.attempts(&hosts[1]);
    for number in 0..50 {
        sim.advance(Duration::from_millis(10));
        assert_eq!(sim.send(post().on(number % 2)).status, 200);
    }
    assert_eq!(sim.attempts(&hosts[1]), before);
}
