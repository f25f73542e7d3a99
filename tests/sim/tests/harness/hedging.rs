//! What the root context does to a stream: answers before any answer, requests that are held and go on.

use crate::hedger;
use sidestep_sim::{Reply, Request, Sim};
use std::time::Duration;

fn saying(words: &str) -> Sim {
    let mut sim = Sim::of(hedger::entry, words).cluster("backend", ["a:1", "b:1"]);
    sim.host("a:1")
        .replies(Reply::status(200).after(Duration::from_secs(4)));
    sim
}

fn lines(sim: &Sim) -> Vec<String> {
    sim.logs().into_iter().map(|line| line.text).collect()
}

#[test]
fn an_answer_of_the_tick_reaches_the_client_while_the_host_has_the_request() {
    let mut sim = saying("answer");
    let answer = sim.get("/");
    assert_eq!((answer.status, answer.text().as_str()), (200, "from the tick"));
    assert_eq!((answer.local, answer.tried), (true, vec!["a:1".to_owned()]));
    assert_eq!(answer.took, Duration::from_millis(100));
    let expected = [
        "headers, end true",
        "response 200 Some(\"a:1\")",
        "response body 13, end true",
        "log, path Some(\"/\")",
    ];
    assert_eq!(lines(&sim), expected);
    // The host's own answer never comes.
    sim.advance_secs(10);
    assert_eq!(lines(&sim), expected);
}

#[test]
fn the_answer_of_a_callout_that_a_tick_sent_overtakes_the_slow_host() {
    let mut sim = saying("call");
    sim.host("b:1")
        .replies(Reply::status(200).body("faster").after(Duration::from_millis(50)));
    let answer = sim.get("/");
    assert_eq!((answer.status, answer.text().as_str()), (200, "faster"));
    assert_eq!(answer.headers.get("x-by"), Some("root"));
    assert_eq!(answer.took, Duration::from_millis(150));
    assert_eq!(
        lines(&sim)[1..4],
        [
            "back: Ok(())",
            "response 200 Some(\"a:1\")",
            "response body 6, end true"
        ]
    );
}

#[test]
fn no_retry_of_the_router_follows_once_the_module_has_answered() {
    let mut sim = saying("answer");
    sim.host("a:1").refuses();
    sim.host("b:1")
        .replies(Reply::failure(sidestep_sim::Failure::Reset).after(Duration::from_secs(1)));
    let request = Request::get("/")
        .header("x-envoy-retry-on", "5xx")
        .header("x-envoy-max-retries", "5");
    let answer = sim.send(request);
    assert_eq!((answer.status, answer.tried.len()), (200, 2));
    sim.advance_secs(5);
    assert_eq!(sim.attempts("a:1") + sim.attempts("b:1"), 2);
}

#[test]
fn a_held_request_can_be_answered_without_a_host() {
    let mut sim = saying("hold answer");
    let answer = sim.send(Request::new("PUT", "/held").body("never sent"));
    assert_eq!((answer.status, answer.text().as_str()), (200, "from the tick"));
    assert!(answer.tried.is_empty());
    assert_eq!(
        lines(&sim),
        [
            "headers, end false",
            "response 200 None",
            "response body 13, end true",
            "log, path Some(\"/held\")"
        ]
    );
    sim.advance_secs(5);
    assert_eq!(sim.attempts("a:1") + sim.attempts("b:1"), 0);
}

#[test]
fn an_answer_for_a_stream_that_has_ended_finds_no_context() {
    let mut sim = saying("call");
    sim.host("b:1")
        .replies(Reply::status(200).after(Duration::from_secs(1)));
    let id = sim.begin(Request::get("/"));
    sim.advance(Duration::from_millis(500));
    assert!(sim.client_gone(id).client_gone);
    sim.advance_secs(2);
    assert_eq!(lines(&sim).last().map(String::as_str), Some("back: Err(BadArgument)"));
}

#[test]
fn a_request_held_at_its_headers_goes_on_with_all_of_its_body() {
    let mut sim = saying("hold resume");
    sim.host("a:1").answers(201);
    let request = Request::new("PUT", "/")
        .chunks(["one", "two", "three"])
        .trailer("t", "1");
    let answer = sim.send(request);
    assert_eq!((answer.status, answer.took), (201, Duration::from_millis(100)));
    let seen = &sim.seen("a:1")[0];
    assert_eq!(
        (seen.method.as_str(), seen.body.as_slice()),
        ("PUT", &b"onetwothree"[..])
    );
    assert_eq!(seen.trailers.get("t"), Some("1"));
    // The body comes to the filter when the headers have gone on, and whole.
    assert_eq!(
        lines(&sim)[..2],
        ["headers, end false", "body 11 \"onetwothree\", end false"]
    );
}

#[test]
fn a_request_held_at_its_body_shows_all_of_it_that_came() {
    let mut sim = saying("gather");
    sim.host("a:1").answers(201);
    sim.send(Request::new("PUT", "/").chunks(["one", "two", "three"]));
    assert_eq!(
        lines(&sim)[1..4],
        [
            "body 3 \"one\", end false",
            "body 6 \"onetwo\", end false",
            "body 11 \"onetwothree\", end true"
        ]
    );
    assert_eq!(sim.seen("a:1")[0].body, b"onetwothree");
}
