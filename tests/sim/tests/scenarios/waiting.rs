//! Retries that wait: for how long, for whom, and what becomes of those whose request ends meanwhile.

use crate::common::{A, B, BACKEND, assert_of_one_piece, counted, sim_of};
use serde_json::{Value, json};
use sidestep_sim::{Call, Reply, Request, Sim, Status};
use std::time::Duration;

const MS: Duration = Duration::from_millis(1);

/// One host, which fails once and is good afterwards.
fn one_host(failure: Reply, extra: Value) -> Sim {
    let mut sim = sim_of(&[A], extra);
    sim.host(A).next([failure]);
    sim
}

#[test]
fn a_host_that_was_tried_is_asked_again_after_a_while() {
    let mut sim = sim_of(&[A], json!({}));
    let waits: Vec<_> = (0..40)
        .map(|_| {
            sim.advance_secs(1);
            sim.host(A).next([Reply::status(503)]);
            let answer = sim.get("/");
            assert_eq!((answer.status, answer.tried.len()), (200, 2));
            assert_of_one_piece(&answer);
            answer.took
        })
        .collect();
    let (least, most) = (waits.iter().min(), waits.iter().max());
    println!("waits from {least:?} to {most:?}");
    assert!(most <= Some(&(27 * MS)) && most > Some(&(15 * MS)));
    assert!(least < Some(&(5 * MS)));
}

#[test]
fn a_host_that_was_not_tried_is_asked_at_once() {
    let mut sim = sim_of(&[A, B], json!({}));
    sim.steer(BACKEND, Some(A));
    sim.host(A).replies(Reply::status(503).header("retry-after", "3"));
    let answer = sim.get("/");
    assert_eq!((answer.status, answer.took), (200, Duration::ZERO));
}

#[test]
fn a_hosts_own_wish_is_respected_in_seconds_as_a_date_and_in_milliseconds() {
    // The clock stands at 15 June 2025, 15:06:40.
    for (name, value, wait) in [
        ("retry-after", "1", 1000),
        ("retry-after", "Sun, 15 Jun 2025 15:06:44 GMT", 3000),
        ("grpc-retry-pushback-ms", "1500", 1500),
    ] {
        let mut sim = one_host(Reply::status(503).header(name, value), json!({}));
        let answer = sim.get("/");
        assert_eq!(answer.status, 200, "{name}: {value}");
        let waited = u64::try_from(answer.took.as_millis()).unwrap();
        assert!((wait..wait + 1002).contains(&waited), "{name}: {value}: {waited}");
        assert!(name == "retry-after" || waited <= wait + 1, "{waited}");
    }
}

#[test]
fn who_asks_for_too_long_or_for_nothing_at_all_is_not_asked_again() {
    for (name, value) in [
        ("retry-after", "6"),
        ("retry-after", "99999999999999999999"),
        ("grpc-retry-pushback-ms", "-1"),
        ("grpc-retry-pushback-ms", "never"),
    ] {
        let mut sim = one_host(Reply::status(503).header(name, value), json!({}));
        let answer = sim.get("/");
        assert_eq!((answer.status, answer.tried.len()), (503, 1), "{name}: {value}");
        assert_eq!(counted(&mut sim, "sidestep.retries_refused.retry_after"), 1);
    }
}

#[test]
fn nobody_waits_beyond_the_time_that_there_is() {
    let mut sim = one_host(
        Reply::status(503).header("retry-after", "3"),
        json!({"retry": {"timeout": "2s"}}),
    );
    let answer = sim.get("/");
    assert_eq!((answer.status, answer.took), (503, Duration::ZERO));
    assert_eq!(counted(&mut sim, "sidestep.retries_refused.deadline"), 1);
}

#[test]
fn a_client_that_leaves_while_its_retry_waits_costs_no_attempt_and_gives_the_budget_back() {
    let extra = json!({"retry": {"budget": {"budget_percent": 0, "min_retries_per_second": 1}}});
    let mut sim = one_host(Reply::status(503).header("retry-after", "0"), extra);
    sim.host(A).replies(Reply::status(503).header("retry-after", "1"));
    let id = sim.begin(Request::get("/"));
    assert!(sim.until_held(id));
    let before = sim.attempts(A);
    let answer = sim.client_gone(id);
    assert!(answer.client_gone);
    sim.advance(500 * MS);
    // The retry that was not made is there for the next one of the same second.
    sim.host(A).next([Reply::status(503)]);
    sim.host(A).is_itself();
    assert_eq!(sim.get("/").status, 200);
    assert!(sim.attempts(A) <= before + 2);
}

#[test]
fn a_retry_that_waited_goes_where_it_is_best_sent_then() {
    let mut sim = sim_of(&[A, B], json!({"retry": {"num_retries": 2}}));
    sim.steer(BACKEND, Some(A));
    for host in [A, B] {
        sim.host(host).replies(Reply::status(503).header("retry-after", "1"));
    }
    let id = sim.begin(Request::get("/"));
    assert!(sim.until_held(id));
    sim.advance(100 * MS);
    // The last one tried was B, so A's turn has come.
    sim.host(A).answers(200);
    let answer = sim.finish(id);
    assert_eq!(
        (answer.status, answer.tried),
        (200, vec![A.to_owned(), B.to_owned(), A.to_owned()])
    );
}

#[test]
fn many_wait_at_once_and_each_gets_its_own_answer() {
    let extra = json!({"retry": {"budget": {"min_retries_per_second": 1000}}});
    let mut sim = sim_of(&[A], extra).workers(2);
    let mut failed = std::collections::HashSet::new();
    sim.host(A).behaves(move |seen| {
        if failed.insert(seen.path.clone()) {
            Reply::status(503)
        } else {
            Reply::status(200).body(format!("for {}", seen.path))
        }
    });
    let ids: Vec<_> = (0..200)
        .map(|number| {
            let path = format!("/{number}");
            let delay = Duration::from_micros(300 * number as u64);
            let request = Request::get(&path).on(number % 2);
            (path, sim.later(delay, request))
        })
        .collect();
    sim.settle();
    for (path, id) in ids {
        let answer = sim.answer(id).expect("an answer");
        assert_eq!((answer.status, answer.text()), (200, format!("for {path}")));
    }
}

#[test]
fn the_tick_is_fast_only_while_something_waits() {
    let mut sim = one_host(Reply::status(503).header("retry-after", "2"), json!({}));
    sim.advance_secs(5);
    let ticks = |sim: &mut Sim, time: Duration| {
        let before = sim.calls().of(Call::SetTickPeriod);
        sim.advance(time);
        sim.calls().of(Call::SetTickPeriod) - before
    };
    assert_eq!(ticks(&mut sim, Duration::from_secs(20)), 0, "at rest");
    assert_eq!(sim.get("/").status, 200);
    assert!(ticks(&mut sim, Duration::from_secs(2)) <= 2);
    assert_eq!(ticks(&mut sim, Duration::from_secs(20)), 0, "at rest again");
}

#[test]
fn without_a_timer_nobody_is_left_waiting() {
    let mut sim = sim_of(&[A], json!({}));
    sim.fault(|faults| faults.always(Call::SetTickPeriod, Status::InternalFailure));
    sim.host(A).replies(Reply::status(503).header("retry-after", "1"));
    let answer = sim.get("/");
    assert_eq!((answer.status, answer.tried.len()), (503, 1));
}

#[test]
fn a_clock_that_is_set_back_holds_nobody_up_for_long() {
    let mut sim = one_host(Reply::status(503).header("retry-after", "2"), json!({}));
    let id = sim.begin(Request::get("/"));
    assert!(sim.until_held(id));
    sim.jump_clock(-3600);
    let answer = sim.finish(id);
    assert_eq!(answer.status, 200);
    assert!(answer.took <= Duration::from_secs(3), "{:?}", answer.took);
}

#[test]
fn the_vm_dies_while_a_retry_waits_and_the_next_one_works() {
    let mut sim = sim_of(&[A], json!({})).surviving_traps();
    sim.host(A).next([Reply::status(503).header("retry-after", "2")]);
    let id = sim.begin(Request::get("/"));
    assert!(sim.until_held(id));
    sim.kill_vm(0);
    assert_eq!(sim.finish(id).status, 503);
    sim.advance_secs(2);
    sim.host(A).next([Reply::status(503)]);
    assert_eq!(sim.get("/").status, 200);
}

#[test]
fn a_waiting_stream_that_can_not_be_acted_on_gets_its_first_answer_after_all() {
    let mut sim = one_host(Reply::status(503).header("retry-after", "1"), json!({}));
    let id = sim.begin(Request::get("/"));
    assert!(sim.until_held(id));
    sim.fault(|faults| faults.nth(Call::SetEffectiveContext, 1, Status::BadArgument));
    let answer = sim.finish(id);
    assert_eq!((answer.status, answer.tried.len()), (503, 1));
    assert_of_one_piece(&answer);
    assert_eq!(counted(&mut sim, "sidestep.errors.timer"), 1);
}
