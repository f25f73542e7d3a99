//! Retries by Envoy's router.

use crate::playing;
use sidestep_sim::{Failure, Reply, Request, Route, Sim};
use std::time::Duration;

/// A request with these orders for the router.
fn asking(on: &str) -> Request {
    Request::get("/").header("x-envoy-retry-on", on)
}

/// Three hosts, tried in this order where no pin says otherwise.
fn router() -> Sim {
    Sim::of(crate::probe::entry, "router").cluster("backend", ["a:1", "b:1", "c:1"])
}

fn tried(request: Request, reply: Reply) -> usize {
    let mut sim = router();
    sim.all_hosts("backend", reply);
    sim.send(request).tried.len()
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[test]
fn a_retry_goes_to_the_next_host_of_the_pin_and_the_module_hears_of_the_last_answer() {
    let mut sim = router();
    sim.host("a:1").refuses();
    sim.host("b:1").answers(503);
    let request = asking("5xx,connect-failure")
        .header("x-envoy-max-retries", "3")
        .header("x-sidestep-host", "a:1,x:1,b:1,c:1");
    let answer = sim.send(request);
    assert_eq!((answer.status, answer.text().as_str()), (200, "200 from c:1\n"));
    assert_eq!(answer.tried, ["a:1", "b:1", "c:1"]);
    assert_eq!(answer.took, millis(24));
    assert_eq!(
        sim.logged("answered"),
        ["answered 200 by Some(\"c:1\") after Some(3), flags 0"]
    );
    assert_eq!(sim.seen("c:1")[0].pin.as_deref(), Some("a:1,x:1,b:1,c:1"));
    let orders = ["x-envoy-retry-on", "x-envoy-max-retries"];
    assert!(orders.iter().all(|name| !sim.seen("a:1")[0].headers.has(name)));
    assert!(!sim.logged("sent")[0].contains("retr"));
}

#[test]
fn when_the_pin_is_used_up_the_cluster_picks() {
    let mut sim = router();
    sim.host("c:1").answers(500);
    let request = asking("5xx").header("x-sidestep-host", "c:1");
    assert_eq!(sim.send(request).tried, ["c:1", "a:1"]);
}

#[test]
fn each_condition_repeats_what_it_stands_for_and_nothing_else() {
    let status = Reply::status;
    let fails = Reply::failure;
    let limited = || status(429).header("x-envoy-ratelimited", "true");
    for (on, reply, retried) in [
        ("5xx", status(500), true),
        ("5xx", status(404), false),
        ("5xx", fails(Failure::Closed), true),
        ("5xx", status(503).header("x-envoy-overloaded", "true"), false),
        ("5xx", status(503).header("x-envoy-ratelimited", "true"), false),
        ("5xx", fails(Failure::Overflow), false),
        ("gateway-error", status(502), true),
        ("gateway-error", status(500), false),
        ("gateway-error", fails(Failure::Reset), true),
        ("reset", fails(Failure::Reset), true),
        ("reset", fails(Failure::Refused), true),
        ("reset", status(503), false),
        ("connect-failure", fails(Failure::Refused), true),
        ("connect-failure", fails(Failure::Closed), false),
        ("refused-stream", fails(Failure::RefusedStream), true),
        ("refused-stream", fails(Failure::Reset), false),
        ("retriable-4xx", status(409), true),
        ("retriable-4xx", status(408), false),
        ("retriable-status-codes", status(418), true),
        ("retriable-status-codes", status(417), false),
        ("5xx", status(418), false),
        ("envoy-ratelimited", limited(), true),
        ("retriable-status-codes", limited(), false),
        ("connect-failure, 5xx", status(500), true),
        ("no-such-condition", status(500), false),
    ] {
        let request = asking(on).header("x-envoy-retriable-status-codes", "418, 429");
        let expected = if retried { 2 } else { 1 };
        assert_eq!(tried(request, reply.clone()), expected, "{on}: {reply:?}");
    }
}

#[test]
fn without_orders_nothing_is_repeated() {
    let request = Request::get("/").header("x-envoy-max-retries", "3");
    assert_eq!(tried(request, Reply::status(503)), 1);
}

#[test]
fn a_grpc_status_counts_in_headers_and_never_in_trailers() {
    let asking = |on: &str| Request::grpc("/s/M").header("x-envoy-retry-grpc-on", on);
    for (on, code) in [
        ("cancelled", 1),
        ("deadline-exceeded", 4),
        ("resource-exhausted", 8),
        ("internal", 13),
        ("unavailable", 14),
    ] {
        assert_eq!(tried(asking(on), Reply::grpc_trailers_only(code)), 2, "{on}");
        assert_eq!(tried(asking(on), Reply::grpc(code)), 1, "{on}");
        assert_eq!(tried(asking(on), Reply::grpc_trailers_only(5)), 1, "{on}");
    }
    assert_eq!(tried(asking("cancelled"), Reply::grpc_trailers_only(14)), 1);
}

#[test]
fn the_flags_are_those_of_the_last_attempt_and_say_that_the_number_was_used_up() {
    let run = |number: &str, last: Reply| {
        let mut sim = router();
        sim.host("a:1").refuses();
        sim.host("b:1").replies(last);
        sim.send(asking("5xx").header("x-envoy-max-retries", number));
        sim.logged("answered").pop().unwrap()
    };
    let closed = || Reply::failure(Failure::Closed);
    assert_eq!(
        run("1", closed()),
        "answered 503 by Some(\"b:1\") after Some(2), flags 8040"
    );
    assert_eq!(
        run("0", closed()),
        "answered 503 by Some(\"a:1\") after Some(1), flags 8020"
    );
    assert_eq!(
        run("1", Reply::status(500)),
        "answered 500 by Some(\"b:1\") after Some(2), flags 8000"
    );
    assert_eq!(
        run("1", Reply::status(404)),
        "answered 404 by Some(\"b:1\") after Some(2), flags 0"
    );
}

const PER_TRY: &str = "x-envoy-upstream-rq-per-try-timeout-ms";
const WHOLE: &str = "x-envoy-upstream-rq-timeout-ms";

#[test]
fn a_try_that_takes_too_long_is_repeated_and_the_service_time_counts_from_the_first() {
    let mut sim = router();
    sim.host("a:1").replies(Reply::status(200).after(millis(5_000)));
    sim.host("b:1").replies(Reply::status(200).after(millis(30)));
    let answer = sim.send(asking("5xx").header(PER_TRY, "100").header(WHOLE, "1000"));
    assert_eq!((answer.status, answer.took), (200, millis(142)));
    assert_eq!(answer.headers.get("x-envoy-upstream-service-time"), Some("142"));
    let expected = |host: &str| {
        sim.seen(host)[0]
            .headers
            .get("x-envoy-expected-rq-timeout-ms")
            .map(str::to_owned)
    };
    assert_eq!(expected("b:1").as_deref(), Some("100"));
}

#[test]
fn the_time_for_the_whole_answer_runs_over_all_attempts_and_its_end_is_final() {
    for (slow, attempts, last) in [(millis(60), 2, "b:1"), (millis(95), 1, "a:1"), (millis(900), 1, "a:1")] {
        let mut sim = router();
        sim.all_hosts("backend", Reply::status(503).after(slow));
        let request = asking("5xx").header(WHOLE, "100").header("x-envoy-max-retries", "9");
        let answer = sim.send(request);
        assert_eq!((answer.status, answer.took), (504, millis(100)), "{slow:?}");
        assert_eq!(answer.tried.len(), attempts, "{slow:?}");
        let logged = format!("answered 504 by Some(\"{last}\") after Some({attempts}), flags 4");
        assert_eq!(sim.logged("answered"), [logged]);
    }
    let mut sim = router();
    sim.host("a:1").replies(Reply::status(503).after(millis(60)));
    sim.send(asking("5xx").header(WHOLE, "100"));
    let seen = &sim.seen("b:1")[0].headers;
    assert_eq!(seen.get("x-envoy-expected-rq-timeout-ms"), Some("28"));
}

#[test]
fn a_body_is_sent_with_every_attempt() {
    let mut sim = router();
    sim.host("a:1").answers(503);
    let request = Request::new("PUT", "/").body("all of it").trailer("t", "1");
    sim.send(request.header("x-envoy-retry-on", "5xx"));
    for host in ["a:1", "b:1"] {
        let seen = &sim.seen(host)[0];
        assert_eq!(
            (seen.body.as_slice(), seen.trailers.get("t")),
            (&b"all of it"[..], Some("1"))
        );
    }
}

#[test]
fn a_cluster_that_is_empty_by_then_ends_it() {
    let mut sim = router();
    sim.host("a:1").replies(Reply::status(503).after(millis(10)));
    let id = sim.begin(asking("5xx").header("x-envoy-max-retries", "5"));
    for host in ["a:1", "b:1", "c:1"] {
        sim.remove_host("backend", host);
    }
    let answer = sim.finish(id);
    assert_eq!((answer.status, answer.text().as_str()), (503, "no healthy upstream"));
    assert_eq!(answer.tried, ["a:1"]);
}

#[test]
fn a_client_that_leaves_between_two_attempts_ends_them() {
    let mut sim = router();
    sim.host("a:1").answers(503);
    let id = sim.begin(asking("5xx"));
    sim.advance(millis(5));
    assert!(sim.client_gone(id).client_gone);
    sim.advance_secs(1);
    assert_eq!(sim.attempts("b:1"), 0);
}

#[test]
fn a_cluster_bounds_how_many_retries_are_under_way_at_once() {
    let mut sim = router().max_retries("backend", 1);
    sim.host("a:1").answers(503);
    sim.host("b:1").replies(Reply::status(200).after(millis(100)));
    let pinned = || asking("5xx").header("x-sidestep-host", "a:1,b:1");
    let first = sim.begin(pinned());
    sim.advance(millis(1));
    // One retry waits for its turn: the next one is one too many.
    let second = sim.send(pinned());
    assert_eq!((second.status, second.text().as_str()), (503, "503 from a:1\n"));
    assert_eq!(sim.logged("answered").len(), 1);
    assert!(sim.logged("answered")[0].ends_with("after Some(1), flags 80"));
    sim.advance(millis(50));
    assert_eq!(sim.send(pinned()).status, 503);
    assert_eq!(sim.finish(first).status, 200);
    assert_eq!(sim.send(pinned()).status, 200);
}

#[test]
fn a_routes_own_policy_is_joined_with_the_orders_of_the_headers() {
    let run = |request: Request, reply: Reply| {
        let route = Route::new().retries("retriable-4xx,unavailable", 3).counts_attempts();
        let mut sim = router().route("own", route);
        sim.all_hosts("backend", reply);
        let tried = sim.send(request.route("own")).tried.len();
        let last = ["c:1", "b:1", "a:1"]
            .iter()
            .filter_map(|host| sim.seen(host).pop())
            .max_by_key(|seen| seen.at);
        let counted = last.and_then(|seen| seen.headers.get("x-envoy-attempt-count").map(str::to_owned));
        assert_eq!(counted, Some(tried.to_string()));
        let log = sim.logged("sent").pop().unwrap();
        assert!(log.contains(&format!("(\"x-envoy-attempt-count\", \"{tried}\")")));
        tried
    };
    assert_eq!(run(Request::get("/"), Reply::status(409)), 4);
    assert_eq!(run(Request::grpc("/s/M"), Reply::grpc_trailers_only(14)), 4);
    assert_eq!(run(Request::get("/"), Reply::status(500)), 1);
    assert_eq!(run(asking("5xx"), Reply::status(500)), 4);
    assert_eq!(
        run(asking("5xx").header("x-envoy-max-retries", "1"), Reply::status(409)),
        2
    );
}

#[test]
fn a_callout_is_never_repeated_by_the_router() {
    let mut sim = playing("replace").route("", Route::new().retries("5xx", 3));
    sim.host("a:1").answers(503);
    sim.host("b:1").answers(503);
    // The route's policy repeats the request itself, three times; its last answer is held and called out for.
    let answer = sim.get("/");
    assert_eq!((answer.tried.len(), answer.status), (5, 503));
}
