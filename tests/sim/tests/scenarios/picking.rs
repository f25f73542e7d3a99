//! Which host a request goes to, and what is said to Envoy about it.

use crate::common::{A, B, BACKEND, C, counted, eject, hit, post, share, sim};
use serde_json::json;
use sidestep_sim::{Reply, Request, Sim};
use std::time::Duration;

/// The pins that the hosts' attempts carried.
fn pins(sim: &Sim) -> Vec<String> {
    let seen = [A, B, C].into_iter().flat_map(|host| sim.seen(host));
    seen.filter_map(|seen| seen.pin).collect()
}

#[test]
fn nothing_is_pinned_while_no_host_is_ejected() {
    let mut sim = sim(json!({}));
    sim.gets(30);
    assert_eq!(pins(&sim), [""; 0]);
    assert_eq!([A, B, C].map(|host| sim.attempts(host)), [10, 10, 10]);
    assert_eq!(counted(&mut sim, "sidestep.pins.set"), 0);
}

#[test]
fn while_a_host_is_ejected_the_others_take_fair_turns() {
    let mut sim = sim(json!({}));
    eject(&mut sim, A);
    assert_eq!(share(&mut sim, A, 100), 0);
    assert_eq!([B, C].map(|host| sim.attempts(host)), [50, 50]);
    assert_eq!(counted(&mut sim, "sidestep.pins.set"), 100);
    assert!(pins(&sim).iter().all(|pin| !pin.contains(A)));
}

#[test]
fn nothing_is_pinned_again_when_all_hosts_are_back() {
    let mut sim = sim(json!({}));
    eject(&mut sim, A);
    sim.host(A).answers(200);
    sim.advance_secs(31);
    // One proves that it is well, and then its share grows for ten seconds.
    sim.get("/");
    sim.advance_secs(11);
    let before = pins(&sim).len();
    sim.gets(30);
    assert_eq!(pins(&sim).len(), before);
}

#[test]
fn a_client_cannot_choose_its_host() {
    let asks = |host| Request::get("/").header("x-sidestep-host", host);
    let mut sim = sim(json!({}));
    for _ in 0..30 {
        sim.send(asks(B));
    }
    assert_eq!(pins(&sim), [""; 0]);
    assert_eq!([A, B, C].map(|host| sim.attempts(host)), [10, 10, 10]);
    assert_eq!(counted(&mut sim, "sidestep.pins.client"), 30);
    eject(&mut sim, A);
    let before = sim.attempts(A);
    for _ in 0..30 {
        sim.send(asks(A));
    }
    assert_eq!(sim.attempts(A), before);
}

#[test]
fn a_client_cannot_choose_its_host_by_naming_it_twice_or_in_capitals() {
    let mut sim = sim(json!({}));
    let request = Request::get("/")
        .header("X-Sidestep-Host", C)
        .header("x-sidestep-host", B);
    sim.send(request);
    assert_eq!(pins(&sim), [""; 0]);
}

#[test]
fn the_header_may_have_another_name() {
    let mut sim = sim(json!({"picking": {"header": "x-pin"}})).override_header("x-pin");
    eject(&mut sim, A);
    sim.send(post().header("x-pin", A));
    assert_eq!(sim.attempts(A), 5);
    assert_eq!(pins(&sim).len(), 1);
}

#[test]
fn a_share_of_retriable_requests_goes_unpinned_and_only_of_these() {
    let mut sim = sim(json!({"picking": {"discovery_percent": 10}}));
    eject(&mut sim, A);
    for _ in 0..500 {
        sim.send(Request::get("/"));
    }
    sim.advance_secs(1);
    let found = sim.metric("sidestep.discovery");
    assert!((20..=85).contains(&found), "{found} of 500");
    // A third of them met the ejected host, and were retried elsewhere.
    assert!(sim.attempts(A) > 5);
    let before = sim.attempts(A);
    for _ in 0..500 {
        sim.send(post());
    }
    assert_eq!(sim.attempts(A), before);
}

#[test]
fn pins_that_the_cluster_ignores_are_counted_and_said_once() {
    let mut sim = sim(json!({}));
    sim.honours_pins(BACKEND, false);
    eject(&mut sim, A);
    hit(&mut sim, A, 20);
    assert!(counted(&mut sim, "sidestep.pins.ignored") > 0);
    assert_eq!(sim.logged("override_host").len(), 1, "{:?}", sim.logs());
}

#[test]
fn pins_that_the_cluster_follows_are_not_counted_as_ignored() {
    let mut sim = sim(json!({}));
    eject(&mut sim, A);
    share(&mut sim, A, 50);
    assert_eq!(counted(&mut sim, "sidestep.pins.ignored"), 0);
}

#[test]
fn when_all_known_hosts_fail_the_ones_that_stay_share_the_traffic() {
    let mut sim = sim(json!({"outlier_detection": {"max_ejection_percent": 100}}));
    for host in [A, B, C] {
        sim.host(host).answers(503);
    }
    for _ in 0..100 {
        sim.advance(Duration::from_millis(1));
        sim.send(post());
    }
    assert_eq!(sim.logged("ejected host").len(), 2);
    assert!(counted(&mut sim, "sidestep.ejections_refused.last_host") > 0);
}

/// How many of 200 requests, five milliseconds apart, go to B while A is out.
fn share_of_b(sim: &mut Sim) -> u64 {
    let before = sim.attempts(B);
    for number in 0..200 {
        sim.later(Duration::from_millis(number * 5), post());
    }
    sim.settle();
    sim.attempts(B) - before
}

#[test]
fn a_host_that_is_slow_to_answer_gets_less() {
    let mut sim = sim(json!({}));
    eject(&mut sim, A);
    sim.host(B)
        .replies(Reply::status(200).after(Duration::from_millis(500)));
    let slow = share_of_b(&mut sim);
    assert!((20..=70).contains(&slow), "{slow} of 200");
}

#[test]
fn requests_that_ended_in_any_way_are_not_in_flight_any_more() {
    let mut sim = sim(json!({"outlier_detection": {"base_ejection_time": "300s"}}));
    eject(&mut sim, A);
    for host in [B, C] {
        sim.host(host).replies(Reply::status(200).after(Duration::from_secs(1)));
    }
    // Only those at B are given up.
    let ids: Vec<_> = (0..100).map(|_| sim.begin(post())).collect();
    for (id, host) in ids.into_iter().zip([B, C].into_iter().cycle()) {
        if host == B {
            sim.client_gone(id);
        }
    }
    sim.settle();
    for host in [B, C] {
        sim.host(host).answers(200);
    }
    assert_eq!(share_of_b(&mut sim), 100);
}
