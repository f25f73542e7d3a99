//! A second attempt while the first one is still out.

use crate::common::{A, B, BACKEND, C, assert_of_one_piece, counted, post, sim, sim_of};
use serde_json::{Value, json};
use sidestep_sim::{Failure, Latency, Load, Reply, Request, Sim};
use std::time::Duration;

const MS: Duration = Duration::from_millis(1);

fn hedging(extra: Value) -> Sim {
    let mut config = json!({"retry": {"hedge": {"delay": "50ms"}}});
    crate::common::merge(&mut config, extra);
    let mut sim = sim(config);
    for host in [B, C] {
        sim.host(host).replies(Reply::status(200).after(10 * MS));
    }
    sim.steer(BACKEND, Some(A));
    sim
}

fn slow(sim: &mut Sim, millis: u32) {
    sim.host(A).replies(Reply::status(200).body("late").after(MS * millis));
}

#[test]
fn a_slow_host_is_not_waited_for() {
    let mut sim = hedging(json!({}));
    slow(&mut sim, 4000);
    let answer = sim.get("/");
    assert_eq!((answer.status, answer.tried.len()), (200, 2));
    assert!((60 * MS..70 * MS).contains(&answer.took), "{:?}", answer.took);
    assert_eq!(answer.details, "sidestep_hedge");
    assert_of_one_piece(&answer);
    assert_eq!(sim.attempts(B) + sim.attempts(C), 1);
    assert_eq!(counted(&mut sim, "sidestep.hedges.won"), 1);
}

#[test]
fn a_first_answer_in_time_is_the_one_and_nothing_else_is_sent() {
    let mut sim = hedging(json!({}));
    slow(&mut sim, 49);
    for _ in 0..20 {
        assert_eq!(sim.get("/").text(), "late");
    }
    sim.advance_secs(2);
    assert_eq!(sim.attempts(B) + sim.attempts(C), 0);
}

#[test]
fn a_first_answer_that_comes_after_all_wins_if_it_is_first() {
    let mut sim = hedging(json!({}));
    slow(&mut sim, 55);
    let answer = sim.get("/");
    assert_eq!((answer.text().as_str(), answer.took), ("late", 55 * MS));
    sim.advance_secs(1);
    assert_eq!(counted(&mut sim, "sidestep.hedges.attempted"), 1);
    assert_eq!(sim.metric("sidestep.hedges.won"), 0);
}

#[test]
fn a_first_attempt_that_fails_meanwhile_waits_for_the_second() {
    let mut sim = hedging(json!({}));
    sim.host(A).replies(Reply::status(503).after(55 * MS));
    let answer = sim.get("/");
    assert_eq!(answer.status, 200);
    assert!((60 * MS..70 * MS).contains(&answer.took), "{:?}", answer.took);
    assert_of_one_piece(&answer);
    assert_eq!(sim.attempts(B) + sim.attempts(C), 1);
}

#[test]
fn a_second_attempt_that_fails_leaves_the_first_one_its_time() {
    for failure in [
        Reply::status(503),
        Reply::failure(Failure::Refused),
        Reply::failure(Failure::Closed).cut(),
    ] {
        let mut sim = hedging(json!({}));
        slow(&mut sim, 400);
        for host in [B, C] {
            sim.host(host).replies(failure.clone());
        }
        let answer = sim.get("/");
        assert_eq!((answer.text().as_str(), answer.took), ("late", 400 * MS));
    }
}

#[test]
fn both_fail_and_the_client_gets_the_first() {
    let mut sim = hedging(json!({}));
    sim.host(A).replies(Reply::status(503).body("first").after(55 * MS));
    for host in [B, C] {
        sim.host(host).replies(Reply::status(503).body("second").after(10 * MS));
    }
    let answer = sim.get("/");
    assert_eq!((answer.status, answer.text().as_str()), (503, "first"));
    assert_of_one_piece(&answer);
}

#[test]
fn what_may_not_be_repeated_is_not_hedged() {
    let mut sim = hedging(json!({}));
    slow(&mut sim, 200);
    sim.send(post());
    sim.send(Request::get("/").header("accept", "text/event-stream"));
    let id = sim.begin(Request::new("PUT", "/").chunks(["half"]).unfinished());
    sim.advance_secs(1);
    sim.client_gone(id);
    assert_eq!(sim.attempts(B) + sim.attempts(C), 0);
}

#[test]
fn a_client_that_leaves_before_or_after_the_second_attempt_breaks_nothing() {
    for at in [10, 50, 55, 61] {
        let mut sim = hedging(json!({}));
        slow(&mut sim, 4000);
        let id = sim.begin(Request::get("/"));
        sim.advance(MS * at);
        sim.client_gone(id);
        sim.advance_secs(6);
        assert_eq!(sim.get("/").status, 200);
    }
}

#[test]
fn the_budget_bounds_hedges_as_it_bounds_retries() {
    let budget = json!({"budget_percent": 0, "min_retries_per_second": 3});
    let mut sim = hedging(json!({"retry": {"budget": budget}}));
    slow(&mut sim, 400);
    let ids: Vec<_> = (0..10).map(|_| sim.begin(Request::get("/"))).collect();
    for id in ids {
        assert_eq!(sim.finish(id).status, 200);
    }
    assert_eq!(sim.attempts(B) + sim.attempts(C), 3);
    assert_eq!(counted(&mut sim, "sidestep.retries_refused.budget"), 7);
}

#[test]
fn the_clusters_own_times_say_when_a_second_attempt_is_due() {
    let mut sim = sim_of(&[A, B, C], json!({"retry": {"hedge": {}}}));
    for host in [A, B, C] {
        sim.host(host).takes(Latency::of(20 * MS));
    }
    let mut load = Load::gets(100, 3);
    // Nothing is known before an interval is over.
    sim.host(A).next([Reply::status(200).after(300 * MS)]);
    sim.steer(BACKEND, Some(A));
    assert!(sim.get("/").took >= 300 * MS);
    sim.steer(BACKEND, None);
    sim.under(&mut load, Duration::from_secs(21));
    assert!(
        sim.metric("sidestep.hedges.attempted") <= 110,
        "at most the slowest twentieth"
    );
    sim.steer(BACKEND, Some(A));
    sim.host(A).next([Reply::status(200).after(300 * MS)]);
    let answer = sim.get("/");
    assert!((30 * MS..60 * MS).contains(&answer.took), "{:?}", answer.took);
}

#[test]
fn many_at_once_each_get_an_answer_of_their_own() {
    let mut sim = hedging(json!({"retry": {"budget": {"min_retries_per_second": 1000}}}));
    sim.host(A)
        .behaves(|seen| Reply::status(200).body(format!("for {}", seen.path)).after(400 * MS));
    for host in [B, C] {
        sim.host(host)
            .behaves(|seen| Reply::status(200).body(format!("for {}", seen.path)).after(7 * MS));
    }
    let ids: Vec<_> = (0..100)
        .map(|number| {
            let path = format!("/{number}");
            (
                path.clone(),
                sim.later(Duration::from_micros(700 * number), Request::get(&path)),
            )
        })
        .collect();
    sim.settle();
    for (path, id) in ids {
        let answer = sim.answer(id).expect("an answer");
        assert_eq!(answer.text(), format!("for {path}"));
        assert!(answer.took < 80 * MS, "{:?}", answer.took);
    }
}

#[test]
fn a_slow_answer_that_was_given_up_says_nothing_good_about_its_host() {
    let mut sim = hedging(json!({}));
    slow(&mut sim, 4000);
    for _ in 0..5 {
        sim.get("/");
    }
    sim.advance_secs(10);
    let good = counted(&mut sim, "sidestep.attempts.success");
    assert_eq!(good, 5, "those of the second attempts");
}
