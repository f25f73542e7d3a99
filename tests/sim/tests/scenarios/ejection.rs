//! A host that fails is ejected, and comes back when its time is over.

use crate::common::{A, B, BACKEND, C, D, counted, eject, has_traffic, hit, hit_on, merge, post, share, sim, sim_of};
use serde_json::json;
use sidestep_sim::{Reply, Request, Sim};
use std::time::Duration;

#[test]
fn five_failures_in_a_row_eject_a_host_and_it_gets_no_more_traffic() {
    let mut sim = sim(json!({}));
    sim.host(A).answers(503);
    hit(&mut sim, A, 4);
    assert!(sim.logged("ejected").is_empty());
    hit(&mut sim, A, 1);
    let line = format!("ejected host {A} of cluster {BACKEND} for 30s: consecutive_5xx reached 5 (ejection 1)");
    assert_eq!(sim.logged(&line).len(), 1, "{:?}", sim.logs());
    assert_eq!(share(&mut sim, A, 100), 0);
    assert_eq!(sim.attempts(A), 5);
}

#[test]
fn an_ejection_is_seen_by_another_worker_before_its_next_request() {
    let mut sim = sim(json!({})).workers(3);
    for worker in 0..3 {
        sim.send(Request::get("/").on(worker));
    }
    sim.host(A).answers(503);
    hit(&mut sim, A, 5);
    let before = sim.attempts(A);
    for round in 0..30 {
        assert_eq!(sim.send(post().on(round % 3)).status, 200);
    }
    assert_eq!(sim.attempts(A), before);
}

#[test]
fn failures_that_alternate_between_workers_count_as_one_row() {
    let mut sim = sim(json!({})).workers(2);
    sim.host(A).answers(503);
    for round in 0..5 {
        assert!(sim.logged("ejected").is_empty());
        hit_on(&mut sim, round % 2, A, 1);
    }
    assert_eq!(sim.logged("ejected host").len(), 1);
}

#[test]
fn a_success_at_any_worker_breaks_the_row() {
    let mut sim = sim(json!({})).workers(2);
    sim.host(A).answers(503);
    hit_on(&mut sim, 0, A, 4);
    sim.host(A).answers(200);
    hit_on(&mut sim, 1, A, 1);
    sim.host(A).answers(503);
    hit_on(&mut sim, 0, A, 4);
    assert!(sim.logged("ejected").is_empty());
    hit_on(&mut sim, 1, A, 1);
    assert_eq!(sim.logged("ejected host").len(), 1);
}

#[test]
fn a_success_breaks_the_row_even_if_the_failures_were_counted_while_it_was_under_way() {
    let mut sim = sim(json!({})).workers(2);
    hit_on(&mut sim, 1, A, 1);
    sim.steer(BACKEND, Some(A));
    sim.host(A).next([Reply::status(200).after(Duration::from_millis(100))]);
    let slow = sim.begin(post().on(1));
    sim.host(A).answers(503);
    hit_on(&mut sim, 0, A, 4);
    assert_eq!(sim.finish(slow).status, 200);
    hit_on(&mut sim, 0, A, 4);
    assert!(sim.logged("ejected").is_empty(), "{:?}", sim.logs());
    hit_on(&mut sim, 0, A, 1);
    assert_eq!(sim.logged("ejected host").len(), 1);
}

#[test]
fn a_host_is_tried_at_once_while_another_is_still_out() {
    let mut sim = sim_of(&[A, B, C, D], json!({}));
    eject(&mut sim, A);
    sim.advance_secs(10);
    eject(&mut sim, B);
    for host in [A, B] {
        sim.host(host).answers(200);
    }
    assert_eq!(share(&mut sim, A, 10), 0);
    // Between the end of the first ejection and the tick that writes it down.
    sim.advance(Duration::from_millis(20_050));
    let b = sim.attempts(B);
    assert_eq!(sim.get("/").tried, [A]);
    assert!(has_traffic(&mut sim, A));
    assert_eq!(sim.attempts(B), b);
}

#[test]
fn traffic_returns_when_the_time_is_over_and_not_before() {
    let mut sim = sim(json!({}));
    eject(&mut sim, A);
    sim.host(A).answers(200);
    sim.advance(Duration::from_millis(29_900));
    assert_eq!(sim.send(post()).status, 200);
    assert_eq!(sim.attempts(A), 5);
    sim.advance(Duration::from_millis(200));
    assert!(has_traffic(&mut sim, A));
}

/// Fails the host until it is ejected, and says for how many seconds; lets that time pass.
fn next_ejection(sim: &mut Sim) -> u64 {
    let before = sim.logged("ejected host").len();
    sim.host(A).answers(503);
    hit(sim, A, 5);
    let lines = sim.logged("ejected host");
    assert_eq!(lines.len(), before + 1, "{lines:?}");
    sim.host(A).answers(200);
    sim.steer(BACKEND, Some(A));
    let (start, met) = (sim.now(), sim.attempts(A));
    while sim.attempts(A) == met {
        sim.advance(Duration::from_millis(500));
        sim.get("/");
    }
    sim.steer(BACKEND, None);
    (sim.now() - start) / 1_000_000_000
}

/// An Envoy whose hosts have their full share as soon as they have proved themselves.
fn without_ramp(extra: serde_json::Value) -> Sim {
    let mut policy = json!({"picking": {"ramp_time": "0s"}});
    merge(&mut policy, extra);
    sim(policy)
}

#[test]
fn each_ejection_lasts_longer_up_to_the_maximum() {
    let mut sim = without_ramp(json!({"outlier_detection": {"max_ejection_time": "100s"}}));
    let lasted: Vec<_> = (0..5).map(|_| next_ejection(&mut sim)).collect();
    assert_eq!(lasted, [30, 60, 90, 100, 100]);
}

#[test]
fn the_multiplier_falls_by_one_for_each_quiet_interval() {
    let mut sim = without_ramp(json!({}));
    assert_eq!([(); 3].map(|()| next_ejection(&mut sim)), [30, 60, 90]);
    sim.advance_secs(10);
    // Three, less one, and one more.
    assert_eq!(next_ejection(&mut sim), 90);
    sim.advance_secs(20);
    assert_eq!(next_ejection(&mut sim), 60);
    sim.advance_secs(600);
    assert_eq!(next_ejection(&mut sim), 30);
}

#[test]
fn the_counts_start_anew_after_an_ejection() {
    let mut sim = without_ramp(json!({}));
    eject(&mut sim, A);
    sim.advance_secs(30);
    sim.host(A).answers(200);
    assert_eq!(sim.get("/").tried, [A]);
    sim.host(A).answers(503);
    hit(&mut sim, A, 4);
    assert_eq!(sim.logged("ejected host").len(), 1);
    hit(&mut sim, A, 1);
    assert_eq!(sim.logged("ejected host").len(), 2);
}

#[test]
fn attempts_that_began_before_an_ejection_do_not_extend_it() {
    let mut sim = sim(json!({}));
    sim.host(A).replies(Reply::status(503).after(Duration::from_secs(5)));
    sim.steer(BACKEND, Some(A));
    for milli in 0..20 {
        sim.later(Duration::from_millis(milli), post());
    }
    sim.settle();
    assert_eq!(sim.logged("ejected host").len(), 1);
    sim.steer(BACKEND, None);
    sim.host(A).answers(200);
    sim.advance_secs(25);
    sim.advance_secs(5);
    assert!(has_traffic(&mut sim, A));
}

#[test]
fn stragglers_that_answer_after_the_ejection_do_not_count_towards_the_next() {
    let mut sim = sim(json!({"outlier_detection": {"base_ejection_time": "1s", "max_ejection_time": "1s"}}));
    sim.steer(BACKEND, Some(A));
    sim.host(A).replies(Reply::status(503).after(Duration::from_secs(60)));
    for milli in 0..10 {
        sim.later(Duration::from_millis(milli), post());
    }
    sim.advance(Duration::from_millis(20));
    eject(&mut sim, A);
    sim.settle();
    assert_eq!(sim.logged("ejected host").len(), 1);
}

#[test]
fn the_gauge_counts_the_hosts_that_are_out() {
    let mut sim = sim(json!({})).workers(2);
    assert_eq!(counted(&mut sim, "sidestep.ejections_active"), 0);
    eject(&mut sim, A);
    assert_eq!(counted(&mut sim, "sidestep.ejections_active"), 1);
    sim.advance_secs(30);
    assert_eq!(counted(&mut sim, "sidestep.ejections_active"), 0);
    assert_eq!(sim.metric("sidestep.ejections.consecutive_5xx"), 1);
}

#[test]
fn clusters_are_judged_apart() {
    let mut sim = sim(json!({})).cluster("other", [A, "10.9.0.1:80"]);
    sim.host(A).answers(503);
    hit(&mut sim, A, 5);
    assert_eq!(sim.logged("ejected host").len(), 1);
    let before = sim.attempts(A);
    for _ in 0..4 {
        sim.send(post().to("other"));
    }
    assert_eq!(sim.attempts(A), before + 2);
}

#[test]
fn an_idle_time_of_days_leaves_a_host_like_new() {
    let mut sim = without_ramp(json!({}));
    eject(&mut sim, B);
    sim.advance_secs(3 * 24 * 3_600);
    sim.host(B).answers(200);
    assert!(has_traffic(&mut sim, B));
    assert!(has_traffic(&mut sim, C));
    assert_eq!(next_ejection(&mut sim), 30);
}
