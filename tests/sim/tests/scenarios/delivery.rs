//! How the answer of a retry reaches the client, and when the original does instead.

use crate::common::{A, B, BACKEND, assert_of_one_piece, counted, sim_of};
use serde_json::json;
use sidestep_sim::{Answer, Failure, Reply, Request, Sim};
use std::time::Duration;

/// An Envoy whose requests go to A first, which answers like the first, and then to B, which answers like the second.
fn pair(first: Reply, second: Reply) -> Sim {
    let mut sim = sim_of(&[A, B], json!({}));
    sim.steer(BACKEND, Some(A));
    sim.host(A).replies(first);
    sim.host(B).replies(second);
    sim
}

fn get(first: Reply, second: Reply) -> Answer {
    let answer = pair(first, second).get("/");
    assert_of_one_piece(&answer);
    assert_eq!(answer.tried, [A, B]);
    answer
}

fn bad() -> Reply {
    Reply::status(503)
        .body("bad")
        .header("x-bad", "1")
        .header("content-type", "text/bad")
}

fn good() -> Reply {
    Reply::status(200).body("a good answer").header("x-good", "1")
}

#[test]
fn the_new_answer_takes_the_place_of_the_old_one_for_the_other_filters_too() {
    let answer = get(bad(), good());
    assert_eq!((answer.status, answer.text().as_str()), (200, "a good answer"));
    assert!(!answer.local, "in place, so that CORS and others see it");
    assert_eq!(answer.headers.get("x-good"), Some("1"));
    assert!(!answer.headers.has("x-bad"));
    assert!(!answer.headers.has("content-type"));
}

#[test]
fn lengths_fit_whatever_the_two_bodies_look_like() {
    let firsts = [
        bad(),
        Reply::status(503).chunks(["one", "two", "three"]),
        Reply::status(503)
            .chunks(["one", "two", "three"])
            .trickling(Duration::from_millis(5)),
        Reply::status(503).chunks(["one", ""]),
        Reply::status(503).body("x".repeat(100_000)),
        Reply::failure(Failure::Refused),
        Reply::failure(Failure::Closed),
        Reply::failure(Failure::Reset),
    ];
    let seconds = [
        good(),
        Reply::status(200).chunks(["a good ", "answer"]),
        Reply::status(200).body("a good answer").trailer("t", "1"),
    ];
    for first in &firsts {
        for second in &seconds {
            let answer = get(first.clone(), second.clone());
            assert_eq!(
                (answer.status, answer.text().as_str()),
                (200, "a good answer"),
                "{first:?} {second:?}"
            );
            assert_eq!(answer.headers.get("content-length"), Some("13"));
            assert!(!answer.headers.has("transfer-encoding"));
        }
    }
}

#[test]
fn an_empty_answer_replaces_a_full_one() {
    for second in [
        Reply::status(204),
        Reply::status(304),
        Reply::status(200).headers_only(),
    ] {
        let status = second.status_code();
        let answer = get(bad(), second);
        assert_eq!((answer.status, answer.body.len()), (status, 0));
        assert!(!answer.local);
    }
}

#[test]
fn a_headers_only_original_gets_a_body_by_a_local_response() {
    let answer = get(Reply::status(503).headers_only(), good());
    assert_eq!((answer.status, answer.text().as_str()), (200, "a good answer"));
    assert_eq!(answer.headers.get("x-good"), Some("1"));
    assert!(answer.local);
}

#[test]
fn a_headers_only_original_is_replaced_in_place_by_one_without_a_body() {
    let answer = get(
        Reply::status(503).headers_only(),
        Reply::status(204).header("x-good", "1"),
    );
    assert_eq!((answer.status, answer.local), (204, false));
    assert_eq!(answer.headers.get("x-good"), Some("1"));
}

#[test]
fn a_head_request_gets_the_headers_of_the_new_answer_with_their_length() {
    let mut sim = pair(bad(), good());
    let answer = sim.send(Request::new("HEAD", "/"));
    assert_eq!((answer.status, answer.body.len(), answer.local), (200, 0, false));
    assert_eq!(answer.headers.get("content-length"), Some("13"));
}

#[test]
fn the_original_s_trailers_do_not_end_the_new_answer() {
    let answer = get(bad().trailer("x-bad-trailer", "1"), good());
    assert_eq!(answer.text(), "a good answer");
    assert!(!answer.trailers.has("x-bad-trailer"), "{answer:?}");
}

#[test]
fn a_retry_that_failed_worse_leaves_the_original_untouched() {
    for second in [
        Reply::failure(Failure::Refused),
        Reply::failure(Failure::Closed),
        Reply::status(200).cut(),
        Reply::status(200).after(Duration::from_secs(3_000)),
        Reply::status(503).body("as bad"),
    ] {
        let answer = get(bad(), second);
        assert_eq!((answer.status, answer.text().as_str()), (503, "bad"));
        assert_eq!(answer.headers.get("x-bad"), Some("1"));
        assert_eq!(answer.headers.get("content-type"), Some("text/bad"));
    }
}

#[test]
fn a_chunked_original_with_trailers_stays_whole_when_the_retry_fails() {
    let first = Reply::status(503).chunks(["one", "two"]).trailer("t", "1");
    let answer = get(first, Reply::failure(Failure::Refused));
    assert_eq!(
        (answer.text().as_str(), answer.trailers.get("t")),
        ("onetwo", Some("1"))
    );
}

#[test]
fn an_answer_of_a_host_is_better_than_none() {
    let answer = get(
        Reply::failure(Failure::Refused),
        Reply::status(503).body("busy, come back"),
    );
    assert_eq!(answer.text(), "busy, come back");
}

#[test]
fn an_answer_that_nobody_would_retry_is_delivered_whatever_it_says() {
    for status in [404, 400, 301, 409, 429] {
        assert_eq!(get(bad(), Reply::status(status)).status, status);
    }
}

#[test]
fn another_failure_of_a_host_replaces_no_failure_of_a_host_but_envoy_s_own() {
    assert_eq!(get(bad(), Reply::status(500)).text(), "bad");
    assert_eq!(get(Reply::failure(Failure::Refused), Reply::status(500)).status, 500);
}

#[test]
fn an_answer_too_large_to_hold_leaves_the_original() {
    let mut sim = sim_of(
        &[A, B],
        json!({"retry": {"max_body_bytes": 1_000, "max_held_bytes": 10_000}}),
    );
    sim.steer(BACKEND, Some(A));
    sim.host(A).replies(bad());
    sim.host(B).replies(Reply::status(200).body(vec![b'x'; 10_001]));
    assert_eq!(sim.get("/").text(), "bad");
    assert_eq!(counted(&mut sim, "sidestep.retries_refused.held_bytes"), 1);
    sim.host(B).replies(Reply::status(200).body(vec![b'x'; 10_000]));
    assert_eq!(sim.get("/").body.len(), 10_000);
}

#[test]
fn an_answer_without_headers_is_no_answer() {
    let mut sim = pair(bad(), Reply::status(200).cut());
    assert_eq!(sim.get("/").text(), "bad");
    assert_eq!(counted(&mut sim, "sidestep.retries.failed"), 1);
    assert_eq!(sim.metrics_under("sidestep.errors."), 0, "{:?}", sim.metrics());
}

#[test]
fn a_client_that_hangs_up_during_the_retry_gets_nothing_and_nothing_breaks() {
    let mut sim = pair(bad(), good().after(Duration::from_secs(2)));
    let id = sim.begin(Request::get("/"));
    assert!(sim.until_held(id));
    assert!(sim.client_gone(id).client_gone);
    sim.settle();
    assert_eq!(sim.attempts(B), 1);
    assert_eq!(sim.get("/").status, 200);
    assert_eq!(counted(&mut sim, "sidestep.retries.succeeded"), 1);
    assert_eq!(sim.metrics_under("sidestep.errors."), 0);
}

#[test]
fn a_client_that_hangs_up_at_any_other_time_breaks_nothing() {
    let mut sim = pair(bad().after(Duration::from_secs(1)), good());
    let id = sim.begin(Request::get("/"));
    sim.client_gone(id);
    let id = sim.begin(Request::new("PUT", "/").chunks(["half"]).unfinished());
    sim.client_gone(id);
    sim.settle();
    assert_eq!(sim.attempts(B), 0);
    assert_eq!(sim.get("/").status, 200);
}

#[test]
fn many_requests_at_once_each_get_their_own_answer() {
    let mut sim = sim_of(&[A, B], json!({"retry": {"budget": {"min_retries_per_second": 100}}})).workers(2);
    sim.steer(BACKEND, Some(A));
    sim.host(A)
        .behaves(|_| Reply::status(503).after(Duration::from_millis(7)));
    sim.host(B).behaves(|seen| {
        let delay = seen.path.len() as u64 * 3 % 11;
        Reply::status(200)
            .body(format!("for {}", seen.path))
            .after(Duration::from_millis(delay))
    });
    let ids: Vec<_> = (0..100)
        .map(|number| {
            let path = format!("/{}{number}", "x".repeat(number % 13));
            let request = Request::get(&path).on(number % 2);
            (path, sim.later(Duration::from_millis(number as u64 % 5), request))
        })
        .collect();
    sim.settle();
    for (path, id) in ids {
        let answer = sim.answer(id).expect("answered");
        assert_eq!((answer.status, answer.text()), (200, format!("for {path}")));
    }
}
