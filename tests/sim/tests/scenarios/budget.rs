//! However much fails: how many retries there are.

use crate::common::{A, B, BACKEND, C, counted, post, sim, sim_of};
use serde_json::{Value, json};
use sidestep_sim::{Failure, Load, Reply, Request, Sim};
use std::time::Duration;

/// An Envoy whose hosts all fail, and stay in rotation.
fn all_fail(budget: Value, workers: usize) -> Sim {
    let mut sim = sim(json!({
        "outlier_detection": {"enforcing_consecutive_5xx": 0, "enforcing_success_rate": 0},
        "retry": {"num_retries": 3, "budget": budget},
    }))
    .workers(workers);
    sim.all_hosts(BACKEND, Reply::status(503));
    sim
}

fn attempts(sim: &Sim) -> u64 {
    [A, B, C].into_iter().map(|host| sim.attempts(host)).sum()
}

#[test]
fn when_everything_fails_the_load_grows_by_the_share_and_the_floor_and_no_more() {
    for (percent, floor, workers) in [
        (20.0, 10, 1),
        (20.0, 10, 4),
        (0.0, 10, 3),
        (12.345, 0, 2),
        (100.0, 0, 1),
    ] {
        let budget = json!({"budget_percent": percent, "min_retries_per_second": floor});
        let mut sim = all_fail(budget, workers);
        let mut load = Load::gets(500, 1);
        let served = sim.under(&mut load, Duration::from_secs(12));
        let (requests, attempts) = (served.requests as f64, attempts(&sim) as f64);
        let most = requests * (1.0 + percent / 100.0) + f64::from(floor) * 13.0;
        println!(
            "{percent} % and {floor}/s, {workers} workers: {requests} requests, {attempts} attempts, {most} at most"
        );
        assert!(attempts <= most, "{attempts} of {requests}, {most} at most");
        // And it is used: without what falls into the first seconds, when few requests have been seen.
        assert!(
            attempts >= requests * (1.0 + percent / 100.0 * 0.9),
            "{attempts} of {requests}"
        );
    }
}

#[test]
fn the_routers_retries_are_within_the_same_budget() {
    for workers in [1, 3] {
        let mut sim = sim(json!({
            "outlier_detection": {"enforcing_consecutive_5xx": 0},
            "retry": {"engine": "router", "num_retries": 3},
        }))
        .workers(workers);
        sim.all_hosts(BACKEND, Reply::status(503).after(Duration::from_millis(5)));
        let served = sim.under(&mut Load::gets(500, 1), Duration::from_secs(12));
        let (requests, attempts) = (served.requests as f64, attempts(&sim) as f64);
        let most = requests * 1.2 + 10.0 * 13.0;
        println!("router, {workers} workers: {requests} requests, {attempts} attempts, {most} at most");
        assert!(attempts <= most);
        assert!(attempts >= requests * 1.15, "{attempts} of {requests}");
        assert!(counted(&mut sim, "sidestep.retries_refused.budget") > 0);
    }
}

#[test]
fn a_service_with_little_traffic_has_its_retries_from_the_floor() {
    let mut sim = sim(json!({}));
    sim.steer(BACKEND, Some(A));
    sim.host(A)
        .next([Reply::status(503), Reply::status(200), Reply::status(503)]);
    assert_eq!(sim.get("/").status, 200);
    sim.advance_secs(60);
    assert_eq!(sim.get("/").status, 200);
    assert_eq!(sim.get("/").status, 200);
    assert_eq!(counted(&mut sim, "sidestep.retries.succeeded"), 2);
}

#[test]
fn the_floor_is_one_for_all_workers_and_comes_back_every_second() {
    let budget = json!({"budget_percent": 0, "min_retries_per_second": 7});
    let mut sim = all_fail(budget, 4);
    let mut before = 0;
    for second in 0..3 {
        for number in 0..40 {
            sim.send(Request::get("/").on(number % 4));
        }
        let made = attempts(&sim) - before - 40;
        before = attempts(&sim);
        assert_eq!(made, 7, "in second {second}");
        sim.advance_secs(1);
    }
    assert!(counted(&mut sim, "sidestep.retries_refused.budget") > 0);
}

#[test]
fn without_any_budget_nothing_is_retried_and_nothing_is_risked() {
    let budget = json!({"budget_percent": 0, "min_retries_per_second": 0});
    let mut sim = sim(json!({"retry": {"budget": budget}, "picking": {"discovery_percent": 100}}));
    sim.steer(BACKEND, Some(A));
    sim.host(A).answers(503);
    for _ in 0..5 {
        assert_eq!(sim.get("/").tried.len(), 1);
    }
    assert_eq!(sim.logged("ejected host").len(), 1);
    sim.steer(BACKEND, None);
    let before = sim.attempts(A);
    for _ in 0..50 {
        assert_eq!(sim.get("/").status, 200);
    }
    assert_eq!(sim.attempts(A), before, "no request is sent there to learn something");
    assert_eq!(counted(&mut sim, "sidestep.retries.attempted"), 0);
}

#[test]
fn only_so_many_callouts_of_a_worker_are_out_at_once() {
    let mut sim = sim(json!({"retry": {"max_concurrent_retries": 2}}));
    sim.steer(BACKEND, Some(A));
    sim.host(A).answers(503);
    for host in [B, C] {
        sim.host(host).replies(Reply::status(200).after(Duration::from_secs(1)));
    }
    let ids: Vec<_> = (0..3).map(|_| sim.begin(Request::get("/"))).collect();
    let statuses: Vec<u16> = ids.into_iter().map(|id| sim.finish(id).status).collect();
    assert_eq!(statuses, [200, 200, 503]);
    assert_eq!(counted(&mut sim, "sidestep.retries_refused.concurrent_retries"), 1);
    // They have their answers: there is room again.
    assert_eq!(sim.get("/").status, 200);
}

#[test]
fn a_client_that_leaves_takes_its_room_along_only_until_its_callout_must_have_ended() {
    let extra = json!({"retry": {"max_concurrent_retries": 1, "timeout": "2s"}});
    let mut sim = sim_of(&[A, B], extra);
    sim.steer(BACKEND, Some(A));
    sim.host(A).answers(503);
    sim.host(B).fails(Failure::TimedOut);
    sim.host(B).replies(Reply::status(200).after(Duration::from_secs(10)));
    let id = sim.begin(Request::get("/"));
    assert!(sim.until_held(id));
    sim.client_gone(id);
    assert_eq!(sim.get("/").status, 503);
    sim.advance_secs(3);
    sim.host(B).answers(200);
    assert_eq!(sim.get("/").status, 200);
}

#[test]
fn posts_that_fail_have_no_part_in_it() {
    let mut sim = all_fail(json!({"budget_percent": 100}), 1);
    for _ in 0..30 {
        assert_eq!(sim.send(post()).tried.len(), 1);
    }
    assert_eq!(counted(&mut sim, "sidestep.retries_refused.budget"), 0);
    assert_eq!(counted(&mut sim, "sidestep.retries_refused.method"), 30);
}

#[test]
fn what_was_risked_for_a_client_that_left_is_given_back() {
    let mut sim = sim(json!({
        "retry": {"num_retries": 3, "budget": {"budget_percent": 50, "min_retries_per_second": 0}},
        "picking": {"discovery_percent": 100},
    }));
    crate::common::eject(&mut sim, A);
    // So that no request is older than the budget's memory.
    sim.advance_secs(11);
    sim.host(A).answers(200);
    sim.gets(60);
    sim.all_hosts(BACKEND, Reply::status(200).after(Duration::from_secs(1)));
    for _ in 0..60 {
        let id = sim.begin(Request::get("/"));
        sim.advance(Duration::from_millis(1));
        sim.client_gone(id);
    }
    sim.all_hosts(BACKEND, Reply::status(503));
    let tried = sim.get("/").tried;
    assert!(tried.len() >= 4, "a first attempt and three retries: {tried:?}");
}
