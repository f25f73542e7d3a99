//! Hosts that ask for less, and clusters that have too few hosts left.

use crate::common::{BACKEND, counted, eject, post};
use crate::crowd::{crowd, ejections, health, hosts, out};
use serde_json::json;
use sidestep_sim::{Load, Reply, Request, Served, Sim};
use std::time::Duration;

/// What part of its fair share a host got.
fn share(served: &Served, hosts: &[String], host: usize) -> f64 {
    served.first_tried(&hosts[host]) as f64 * hosts.len() as f64 / served.requests as f64
}

/// One answer of the host asks for less.
fn ask_for_less(sim: &mut Sim, host: &str, reply: Reply) {
    sim.host(host).next([reply]);
    sim.steer(BACKEND, Some(host));
    sim.send(post());
    sim.steer(BACKEND, None);
}

#[test]
fn a_host_that_asks_for_less_gets_a_tenth_for_as_long_as_it_asks_at_every_worker() {
    for workers in [1, 4, 16] {
        let hosts = hosts(5);
        let mut sim = crowd(&hosts, workers, json!({}));
        let reply = Reply::status(429).header("retry-after", "30");
        ask_for_less(&mut sim, &hosts[2], reply);
        let mut load = Load::gets(300, 1);
        let served = sim.under(&mut load, Duration::from_secs(29));
        let low = share(&served, &hosts, 2);
        assert!((0.05..0.2).contains(&low), "{workers} workers: {low}");
        sim.under(&mut load, Duration::from_secs(2));
        let served = sim.under(&mut load, Duration::from_secs(20));
        let full = share(&served, &hosts, 2);
        assert!((0.9..1.1).contains(&full), "{workers} workers: {full}");
        assert!(ejections(&sim).is_empty());
    }
}

#[test]
fn nobody_may_ask_for_more_than_five_minutes() {
    let hosts = hosts(5);
    let mut sim = crowd(&hosts, 2, json!({}));
    let reply = Reply::status(429).header("retry-after", "86400");
    ask_for_less(&mut sim, &hosts[2], reply);
    sim.advance_secs(302);
    let served = sim.under(&mut Load::gets(300, 1), Duration::from_secs(10));
    let full = share(&served, &hosts, 2);
    assert!((0.85..1.15).contains(&full), "{full}");
}

#[test]
fn a_host_that_asks_for_nothing_keeps_its_share() {
    for reply in [
        Reply::status(429),
        Reply::status(429).header("retry-after", "soon"),
        Reply::status(429).header("retry-after", "-5"),
        Reply::status(429).header("retry-after", "0"),
        Reply::status(200).header("retry-after", "30"),
    ] {
        let hosts = hosts(5);
        let mut sim = crowd(&hosts, 2, json!({}));
        ask_for_less(&mut sim, &hosts[2], reply);
        let served = sim.under(&mut Load::gets(200, 1), Duration::from_secs(10));
        let full = share(&served, &hosts, 2);
        assert!((0.85..1.15).contains(&full), "{full}");
    }
}

#[test]
fn a_date_to_come_back_at_is_as_good_as_seconds() {
    let hosts = hosts(5);
    let mut sim = crowd(&hosts, 2, json!({}));
    // The clock is at Sun, 15 Jun 2025 15:06:40 GMT.
    let reply = Reply::status(429).header("retry-after", "Sun, 15 Jun 2025 15:07:10 GMT");
    ask_for_less(&mut sim, &hosts[2], reply);
    let mut load = Load::gets(300, 1);
    let served = sim.under(&mut load, Duration::from_secs(28));
    assert!(share(&served, &hosts, 2) < 0.2);
    sim.under(&mut load, Duration::from_secs(4));
    let served = sim.under(&mut load, Duration::from_secs(10));
    assert!(share(&served, &hosts, 2) > 0.85);
}

#[test]
fn hosts_that_all_ask_for_less_share_alike_and_serve_all() {
    let hosts = hosts(5);
    let mut sim = crowd(&hosts, 4, json!({}));
    for host in &hosts {
        sim.host(host).replies(Reply::status(429).header("retry-after", "20"));
    }
    let mut load = Load::of(100, 1, |_| post());
    sim.under(&mut load, Duration::from_secs(5));
    for host in &hosts {
        sim.host(host).answers(200);
    }
    let served = sim.under(&mut load, Duration::from_secs(14));
    assert_eq!(served.errors, 0);
    for host in 0..5 {
        let share = share(&served, &hosts, host);
        assert!((0.7..1.3).contains(&share), "{host}: {share}");
    }
    assert!(ejections(&sim).is_empty() && out(&sim).is_empty());
}

#[test]
fn a_jump_of_the_clock_leaves_no_host_with_less_for_ever() {
    for jump in [3_600, -3_600, -86_400 * 30] {
        let hosts = hosts(5);
        let mut sim = crowd(&hosts, 3, json!({}));
        let reply = Reply::status(429).header("retry-after", "60");
        ask_for_less(&mut sim, &hosts[2], reply);
        sim.advance_secs(5);
        sim.jump_clock(jump);
        sim.under(&mut Load::gets(10, 1), Duration::from_secs(305));
        let served = sim.under(&mut Load::gets(100, 1), Duration::from_secs(10));
        let full = share(&served, &hosts, 2);
        assert!(
            (0.8..1.2).contains(&full),
            "{jump} s: {full}, {:?}",
            health(&sim, &hosts[2])
        );
    }
}

#[test]
fn below_the_panic_threshold_envoy_is_in_charge_and_above_it_pins_are_back() {
    let hosts = hosts(5);
    // Three of five requests fail then: more than the budget's share.
    let policy = json!({
        "outlier_detection": {"max_ejection_percent": 100, "base_ejection_time": "20s"},
        "retry": {"budget": {"budget_percent": 100}},
    });
    let mut sim = crowd(&hosts, 2, policy);
    for host in &hosts[..2] {
        eject(&mut sim, host);
    }
    let mut load = Load::gets(100, 1);
    let served = sim.under(&mut load, Duration::from_secs(1));
    assert_eq!(served.first_tried(&hosts[0]), 0);
    assert_eq!(counted(&mut sim, "sidestep.pins_refused.panic"), 0);
    eject(&mut sim, &hosts[2]);
    // Two of five: every host gets its turn, and what fails is answered by one of the two.
    let served = sim.under(&mut load, Duration::from_secs(4));
    assert!(share(&served, &hosts, 0) > 0.8);
    assert_eq!(served.errors, 0);
    assert!(counted(&mut sim, "sidestep.pins_refused.panic") > 300);
    assert_eq!(sim.logged("2 of 5 hosts are available, below panic_threshold").len(), 2);
    for host in &hosts {
        sim.host(host).answers(200);
    }
    sim.under(&mut load, Duration::from_secs(60));
    assert!(out(&sim).is_empty(), "{:?}", sim.logs());
}

#[test]
fn all_hosts_failing_leaves_one_and_loses_no_more_than_envoy_would() {
    let hosts = hosts(5);
    let policy = json!({"outlier_detection": {"max_ejection_percent": 100, "base_ejection_time": "5s"}});
    let mut sim = crowd(&hosts, 4, policy);
    for host in &hosts {
        sim.host(host).answers(503);
    }
    let mut load = Load::of(100, 1, |number| match number % 2 {
        0 => Request::get("/"),
        _ => post(),
    });
    sim.under(&mut load, Duration::from_secs(30));
    assert_eq!(out(&sim).len(), 4, "the last one never goes");
    for host in &hosts {
        sim.host(host).answers(200);
    }
    let served = sim.under(&mut load, Duration::from_secs(3));
    assert!(served.errors <= 1, "{}", served.errors);
    sim.under(&mut load, Duration::from_secs(90));
    assert!(out(&sim).is_empty(), "{:?}", sim.logs());
}
