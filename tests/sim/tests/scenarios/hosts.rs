//! Which hosts are known: configured ones, and those that answered.

use crate::common::{A, B, BACKEND, C, D, counted, eject, hit, post, share, sim};
use serde_json::json;
use sidestep_sim::{Reply, Request, Sim};
use std::time::Duration;

/// An Envoy whose configuration names no host.
fn unknown(extra: serde_json::Value) -> Sim {
    let mut config = json!({"picking": {"discovery_percent": 0}, "retry": {"engine": "filter"}});
    for (key, value) in extra.as_object().expect("an object") {
        for (field, value) in value.as_object().expect("an object") {
            config[key][field] = value.clone();
        }
    }
    Sim::new(config).cluster(BACKEND, [A, B, C]).workers(2)
}

#[test]
fn hosts_are_learned_from_answers_by_all_workers() {
    let mut sim = unknown(json!({}));
    for _ in 0..3 {
        sim.send(post().on(0));
    }
    sim.host(A).answers(503);
    sim.steer(BACKEND, Some(A));
    let answer = sim.send(Request::get("/").on(1));
    assert_eq!(answer.status, 200, "worker 1 knows the hosts that worker 0 has seen");
    sim.steer(BACKEND, None);
    eject(&mut sim, A);
    assert_eq!(share(&mut sim, A, 30), 0);
}

#[test]
fn with_no_other_host_known_envoy_has_the_choice_after_a_while() {
    let mut sim = unknown(json!({}));
    sim.host(A).answers(503);
    let answer = sim.get("/");
    assert_eq!((answer.status, answer.tried), (200, vec![A.to_owned(), B.to_owned()]));
    let retry = sim.seen(B).pop().expect("the retry");
    assert!(retry.callout && retry.pin.is_none(), "{retry:?}");
    assert_eq!(counted(&mut sim, "sidestep.retries.waited"), 1);
}

#[test]
fn a_host_that_joins_is_found_by_the_unpinned_share() {
    let mut sim = sim(json!({"picking": {"discovery_percent": 20}}));
    eject(&mut sim, A);
    sim.add_host(BACKEND, D);
    assert_eq!(share(&mut sim, D, 20), 0, "pinned requests can't meet it");
    sim.gets(300);
    let before = sim.attempts(D);
    assert!(before > 0);
    share(&mut sim, D, 30);
    assert!(sim.attempts(D) >= before + 8, "now it is in the pins");
}

#[test]
fn a_host_that_left_costs_no_request() {
    let mut sim = sim(json!({}));
    eject(&mut sim, A);
    sim.remove_host(BACKEND, B);
    let before = sim.attempts(B);
    for _ in 0..30 {
        assert_eq!(sim.send(post()).status, 200);
    }
    assert_eq!(sim.attempts(B), before);
    assert_eq!(counted(&mut sim, "sidestep.pins.ignored"), 0);
}

#[test]
fn a_host_that_is_not_seen_for_long_is_forgotten() {
    let mut sim = unknown(json!({"picking": {"forget_after": "60s"}, "retry": {"num_retries": 5}}));
    for _ in 0..3 {
        sim.send(post());
    }
    sim.remove_host(BACKEND, C);
    for _ in 0..90 {
        sim.advance_secs(1);
        sim.send(post());
    }
    // Both that are left fail: a third one would be tried if it were known.
    sim.host(A).answers(503);
    sim.host(B).answers(503);
    sim.steer(BACKEND, Some(A));
    let tried = sim.get("/").tried;
    assert_eq!(tried[..2], [A, B]);
    assert!(!tried.iter().any(|host| host == C), "{tried:?}");
}

#[test]
fn a_configured_host_is_never_forgotten() {
    let mut sim = sim(json!({"picking": {"forget_after": "60s"}}));
    sim.advance_secs(3_600);
    sim.host(A).answers(503);
    sim.steer(BACKEND, Some(A));
    assert_eq!(sim.get("/").status, 200);
}

#[test]
fn hosts_beyond_the_bound_are_not_watched_and_that_is_counted() {
    let mut sim = unknown(json!({"picking": {"max_hosts": 2}}));
    sim.host(C).answers(503);
    for _ in 0..30 {
        sim.send(post());
    }
    assert!(counted(&mut sim, "sidestep.errors.max_hosts") > 0);
    assert!(sim.logged("ejected").is_empty());
    assert_eq!(sim.logged("is not watched").len(), 1, "{:?}", sim.logs());
}

#[test]
fn an_address_that_is_no_ip_and_port_is_not_watched() {
    let mut sim = Sim::new("{}").cluster(BACKEND, ["/run/socket"]);
    sim.host("/run/socket").answers(503);
    for _ in 0..10 {
        assert_eq!(sim.get("/").status, 503);
    }
    assert!(counted(&mut sim, "sidestep.errors.host_address") > 0);
}

#[test]
fn ipv6_hosts_are_hosts_too() {
    let hosts = ["[2001:db8::1]:80", "[2001:db8::2]:80"];
    let mut sim = crate::common::sim_of(&hosts, json!({}));
    sim.host(hosts[0]).answers(503);
    hit(&mut sim, hosts[0], 5);
    assert_eq!(sim.logged("ejected host [2001:db8::1]:80").len(), 1);
    assert_eq!(share(&mut sim, hosts[0], 20), 0);
}

#[test]
fn a_slow_first_answer_of_a_new_host_is_no_problem() {
    let mut sim = unknown(json!({}));
    sim.host(A).replies(Reply::status(200).after(Duration::from_secs(3)));
    let ids: Vec<_> = (0..6)
        .map(|milli| sim.later(Duration::from_millis(milli), Request::get("/")))
        .collect();
    sim.settle();
    for id in ids {
        assert_eq!(sim.answer(id).map(|answer| answer.status), Some(200));
    }
}

#[test]
fn a_pin_whose_hosts_have_all_left_says_nothing_about_the_cluster() {
    let mut sim = crate::common::sim_of(&[A, B], json!({"picking": {"discovery_percent": 5}}));
    eject(&mut sim, A);
    for _ in 0..5 {
        assert_eq!(sim.get("/").status, 200);
    }
    // All hosts are replaced, one after the other, as a rolling update does.
    sim.add_host(BACKEND, C);
    sim.add_host(BACKEND, D);
    sim.remove_host(BACKEND, A);
    sim.remove_host(BACKEND, B);
    // Some requests go where Envoy likes, and so both new ones are found.
    for _ in 0..300 {
        sim.advance(Duration::from_millis(10));
        assert_eq!(sim.get("/").status, 200);
    }
    // A retry finds its way.
    sim.host(C).answers(503);
    sim.steer(BACKEND, Some(C));
    assert_eq!(sim.get("/").status, 200);
    assert_eq!(counted(&mut sim, "sidestep.pins.ignored"), 0, "{:?}", sim.logs());
}
