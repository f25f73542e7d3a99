//! How streams end, and what the log is told.

use crate::playing;
use sidestep_sim::{Failure, Reply, Request, Sim};
use std::time::Duration;

/// What the log was told of the only request.
fn logged(sim: &Sim) -> String {
    let lines: Vec<_> = sim.logs().into_iter().map(|line| line.text).collect();
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert_eq!((lines[0].as_str(), lines[2].as_str()), ("configured", "done"));
    lines[1].clone()
}

#[test]
fn the_log_comes_before_the_end_and_knows_host_cluster_and_route() {
    let mut sim = playing("log");
    sim.send(Request::get("/").route("to-backend"));
    assert_eq!(
        logged(&sim),
        "log: 0 Some(\"via_upstream\") Some(\"a:1\") Some(\"backend\") Some(\"to-backend\")"
    );
}

#[test]
fn a_route_need_not_have_a_name() {
    let mut sim = playing("log");
    sim.get("/");
    assert!(logged(&sim).ends_with("Some(\"backend\") None"));
    let mut sim = playing("log");
    sim.send(Request::get("/").unrouted());
    assert_eq!(logged(&sim), "log: 100 Some(\"route_not_found\") None None None");
}

#[test]
fn a_body_that_breaks_off_is_cut_and_the_log_says_who_did_it() {
    for (reply, flags) in [
        (Reply::status(200).body("half of").cut(), 0x40),
        (Reply::status(200).body("half of").reset_midway(), 0x10),
    ] {
        let mut sim = playing("log");
        sim.host("a:1").replies(reply);
        let answer = sim.get("/");
        assert_eq!(
            (answer.status, answer.cut, answer.text().as_str()),
            (200, true, "half of")
        );
        let expected = format!("log: {flags:x} Some(\"upstream_reset_after_response_started\") Some(\"a:1\")");
        assert!(logged(&sim).starts_with(&expected), "{}", logged(&sim));
    }
}

#[test]
fn a_client_that_leaves_in_the_middle_of_a_body_is_in_the_log() {
    let mut sim = playing("log");
    sim.host("a:1")
        .replies(Reply::status(200).lasting(Duration::from_secs(100)));
    let id = sim.begin(Request::get("/"));
    assert!(sim.until_answering(id));
    sim.advance_secs(60);
    let answer = sim.client_gone(id);
    assert_eq!((answer.status, answer.text().as_str()), (200, "it begins\n"));
    assert!(answer.client_gone && !answer.cut);
    assert!(logged(&sim).starts_with("log: 4000 Some(\"downstream_remote_disconnect\") Some(\"a:1\")"));
}

#[test]
fn a_long_stream_has_its_headers_at_once_and_its_end_when_it_ends() {
    let mut sim = playing("log");
    sim.host("a:1")
        .replies(Reply::status(200).lasting(Duration::from_secs(3_600)));
    let id = sim.begin(Request::get("/"));
    let start = sim.now();
    assert!(sim.until_answering(id));
    assert_eq!(sim.now(), start);
    sim.advance_secs(3_599);
    assert!(sim.answer(id).is_none());
    sim.advance_secs(1);
    assert_eq!(
        sim.answer(id).map(|answer| answer.text()),
        Some("it begins\nit ends\n".into())
    );
}

#[test]
fn a_grpc_call_has_its_status_in_trailers_or_in_headers_that_are_all() {
    let mut sim = playing("nothing");
    sim.host("a:1").next([Reply::grpc(14), Reply::grpc_trailers_only(5)]);
    sim.steer("backend", Some("a:1"));
    let answer = sim.send(Request::grpc("/s/M"));
    assert_eq!((answer.status, answer.headers.get("grpc-status")), (200, None));
    assert_eq!((answer.trailers.get("grpc-status"), answer.body.len()), (Some("14"), 7));
    let answer = sim.send(Request::grpc("/s/M"));
    assert_eq!((answer.status, answer.headers.get("grpc-status")), (200, Some("5")));
    assert!(answer.body.is_empty() && answer.trailers.is_empty());
}

#[test]
fn envoy_answers_a_grpc_call_in_grpc() {
    let mut sim = playing("nothing");
    sim.host("a:1").fails(Failure::Refused);
    let answer = sim.send(Request::grpc("/s/M"));
    assert_eq!((answer.status, answer.headers.get("grpc-status")), (200, Some("14")));
    let message = answer.headers.get("grpc-message");
    assert!(message.is_some_and(|text| text.contains("Connection refused")));
    assert!(answer.body.is_empty());
    let answer = playing("answer").send(Request::grpc("/s/M"));
    assert_eq!((answer.status, answer.headers.get("grpc-status")), (200, Some("2")));
    assert_eq!(answer.headers.get("grpc-message"), Some("teapot"));
}

const WHOLE: &str = "x-envoy-upstream-rq-timeout-ms";
const HEADERS: &str = "x-envoy-upstream-rq-per-try-timeout-ms";

#[test]
fn the_timeouts_that_a_request_asks_for_are_kept_and_no_host_sees_them() {
    for (name, details) in [(WHOLE, "response_timeout"), (HEADERS, "upstream_per_try_timeout")] {
        let mut sim = playing("log");
        sim.host("a:1")
            .replies(Reply::status(200).after(Duration::from_secs(2)));
        let answer = sim.send(Request::get("/").header(name, "700"));
        assert_eq!((answer.status, answer.took), (504, Duration::from_millis(700)));
        assert!(logged(&sim).starts_with(&format!("log: 4 Some(\"{details}\") Some(\"a:1\")")));
        let headers = &sim.seen("a:1")[0].headers;
        assert!(!headers.has(name));
        assert_eq!(headers.get("x-envoy-expected-rq-timeout-ms"), Some("700"));
    }
}

#[test]
fn a_timeout_for_the_whole_answer_cuts_a_body_and_one_for_a_try_does_not() {
    let asked = |name: &str| {
        let mut sim = playing("log");
        sim.host("a:1")
            .replies(Reply::status(200).lasting(Duration::from_secs(2)));
        let answer = sim.send(Request::get("/").header(name, "700"));
        (answer.status, answer.cut, answer.took, logged(&sim))
    };
    let (status, cut, took, log) = asked(WHOLE);
    assert_eq!((status, cut, took), (200, true, Duration::from_millis(700)));
    assert!(log.starts_with("log: 4 Some(\"response_timeout\")"));
    let (status, cut, took, log) = asked(HEADERS);
    assert_eq!((status, cut, took), (200, false, Duration::from_secs(2)));
    assert!(log.starts_with("log: 0 Some(\"via_upstream\")"));
}
