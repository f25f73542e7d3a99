//! Which failed requests get another attempt, and what that attempt is.

use crate::common::{A, B, BACKEND, C, counted, eject, sim, sim_of};
use serde_json::{Value, json};
use sidestep_sim::{Call, Failure, Reply, Request, Sim, Status};
use std::time::Duration;

/// An Envoy whose next requests go to A first, which answers like this.
fn first(reply: Reply, extra: Value) -> Sim {
    let mut sim = sim(extra);
    // Not the first request that the worker ever sees.
    sim.send(crate::common::post());
    sim.host(A).replies(reply);
    sim.steer(BACKEND, Some(A));
    sim
}

/// An Envoy whose first attempts fail with 503.
fn failing() -> Sim {
    first(Reply::status(503), json!({}))
}

#[track_caller]
fn assert_refused(sim: &mut Sim, reason: &str) {
    assert_eq!(
        counted(sim, &format!("sidestep.retries_refused.{reason}")),
        1,
        "{:?}",
        sim.metrics()
    );
    assert_eq!(sim.metric("sidestep.retries.attempted"), 0);
}

#[test]
fn a_failed_get_is_answered_by_another_host() {
    let mut sim = failing();
    let answer = sim.get("/");
    assert_eq!(answer.status, 200);
    assert_eq!((answer.tried.len(), answer.tried[0].as_str()), (2, A));
    assert_ne!(answer.tried[1], A);
    assert_eq!(counted(&mut sim, "sidestep.retries.attempted"), 1);
    assert_eq!(sim.metric("sidestep.retries.succeeded"), 1);
}

#[test]
fn idempotent_methods_are_retried_and_no_others() {
    for method in ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE", "QUERY"] {
        assert_eq!(failing().send(Request::new(method, "/")).status, 200, "{method}");
    }
    for method in ["POST", "PATCH", "CONNECT", "get", "LOCK", "PROPFIND", ""] {
        let answer = failing().send(Request::new(method, "/"));
        assert_eq!((answer.status, answer.tried.len()), (503, 1), "{method}");
    }
}

#[test]
fn a_post_reaches_a_host_once_and_the_refusal_is_counted() {
    let mut sim = failing();
    let before = sim.attempts(A);
    sim.send(Request::new("POST", "/").body("x"));
    assert_eq!([A, B, C].map(|host| sim.attempts(host)), [before + 1, 0, 0]);
    assert_refused(&mut sim, "method");
}

#[test]
fn by_default_gateway_errors_and_lost_connections_are_retried() {
    for (reply, retried) in [
        (Reply::status(500), false),
        (Reply::status(501), false),
        (Reply::status(502), true),
        (Reply::status(503), true),
        (Reply::status(504), true),
        (Reply::status(404), false),
        (Reply::status(429), false),
        (Reply::status(425), false),
        (Reply::failure(Failure::Refused), true),
        (Reply::failure(Failure::Closed), true),
        (Reply::failure(Failure::Reset), true),
        // Envoy's own circuit breaker: more requests are the last thing it needs.
        (Reply::failure(Failure::Overflow), false),
        // The time that the client was promised is over.
        (Reply::failure(Failure::TimedOut), false),
    ] {
        let what = format!("{reply:?}");
        let answer = first(reply, json!({})).get("/");
        assert_eq!(answer.tried.len(), 1 + usize::from(retried), "{what}");
    }
}

#[test]
fn a_request_that_envoy_shed_is_not_sent_again() {
    let mut sim = first(Reply::failure(Failure::Overflow), json!({}));
    assert_eq!(sim.get("/").status, 503);
    assert_refused(&mut sim, "overloaded");
    let mut sim = first(Reply::status(503).header("x-envoy-overloaded", "true"), json!({}));
    assert_eq!(sim.get("/").status, 503);
    assert_refused(&mut sim, "overloaded");
}

#[test]
fn retry_on_decides_what_is_retried() {
    let with = |retry_on: &[&str], reply: Reply| {
        let mut extra = json!({"retry": {"retry_on": retry_on}});
        if retry_on == ["retriable-status-codes"] {
            extra["retry"]["retriable_status_codes"] = json!([418]);
        }
        first(reply, extra).get("/").tried.len() == 2
    };
    assert!(with(&["5xx"], Reply::status(500)));
    assert!(!with(&["gateway-error"], Reply::status(500)));
    assert!(!with(&["reset"], Reply::status(503)));
    assert!(with(&["reset"], Reply::failure(Failure::Closed)));
    assert!(with(&["connect-failure"], Reply::failure(Failure::Refused)));
    assert!(!with(&["connect-failure"], Reply::failure(Failure::Closed)));
    assert!(with(&["retriable-4xx"], Reply::status(409)));
    assert!(!with(&["retriable-4xx"], Reply::status(404)));
    assert!(with(&["retriable-status-codes"], Reply::status(418)));
    assert!(!with(&["retriable-status-codes"], Reply::status(419)));
    let limited = Reply::status(429).header("x-envoy-ratelimited", "true");
    assert!(with(&["envoy-ratelimited"], limited));
}

#[test]
fn a_body_is_replayed_byte_for_byte() {
    let bytes: Vec<u8> = (0..=255).cycle().take(65_536).collect();
    let mut sim = failing();
    assert_eq!(sim.send(Request::new("PUT", "/x?q=1").body(&bytes)).status, 200);
    let second = [B, C]
        .into_iter()
        .flat_map(|host| sim.seen(host))
        .next()
        .expect("a retry");
    assert!(second.callout);
    assert_eq!((second.method.as_str(), second.path.as_str()), ("PUT", "/x?q=1"));
    assert!(second.body == bytes);
}

#[test]
fn a_body_in_pieces_is_replayed_whole() {
    let mut sim = failing();
    let pieces = ["first ", "", "second ", "third"];
    assert_eq!(sim.send(Request::new("PUT", "/").chunks(pieces)).status, 200);
    assert_eq!(
        sim.send(Request::new("PUT", "/").chunks(pieces).trailer("t", "1"))
            .status,
        200
    );
    let seen: Vec<_> = [B, C].into_iter().flat_map(|host| sim.seen(host)).collect();
    assert!(seen.iter().all(|seen| seen.body == b"first second third"));
    assert_eq!(
        seen.iter().filter(|seen| seen.trailers.get("t") == Some("1")).count(),
        1
    );
}

#[test]
fn a_retry_says_what_the_client_said() {
    let mut sim = failing();
    let request = Request::new("PUT", "/x")
        .header("cookie", "a=1")
        .header("cookie", "b=2")
        .header("via", "me")
        .body("x");
    sim.send(request);
    let first = sim.seen(A).pop().expect("a first attempt").headers;
    let mut second = [B, C]
        .into_iter()
        .flat_map(|host| sim.seen(host))
        .next()
        .expect("a retry")
        .headers;
    assert_eq!(second.get("x-envoy-internal"), Some("true"));
    second.remove("x-envoy-internal");
    assert_eq!(second.get("x-envoy-attempt-count"), Some("2"));
    second.remove("x-envoy-attempt-count");
    let sorted = |headers: &sidestep_sim::Headers| {
        let mut all: Vec<_> = headers
            .iter()
            .map(|(name, value)| (name.to_owned(), value.to_vec()))
            .collect();
        all.sort();
        all
    };
    assert_eq!(sorted(&second), sorted(&first));
}

#[test]
fn a_body_over_the_limit_is_not_kept_and_one_at_the_limit_is() {
    let limit = json!({"retry": {"max_body_bytes": 1_000}});
    let mut at = first(Reply::status(503), limit.clone());
    assert_eq!(
        at.send(Request::new("PUT", "/").chunks([[1u8; 500], [2u8; 500]]))
            .status,
        200
    );
    let mut over = first(Reply::status(503), limit);
    assert_eq!(
        over.send(Request::new("PUT", "/").chunks([vec![1u8; 500], vec![2u8; 501]]))
            .status,
        503
    );
    assert_refused(&mut over, "body_too_large");
}

#[test]
fn all_bodies_of_a_vm_together_have_a_bound() {
    let mut sim = first(
        Reply::status(503).after(Duration::from_secs(1)),
        json!({"retry": {"max_body_bytes": 1_000, "max_held_bytes": 2_500}}),
    );
    let put = || Request::new("PUT", "/").body([7u8; 1_000]);
    let ids: Vec<_> = (0..4).map(|_| sim.begin(put())).collect();
    let statuses: Vec<_> = ids.into_iter().map(|id| sim.finish(id).status).collect();
    assert_eq!(statuses, [200, 200, 503, 503]);
    assert_eq!(counted(&mut sim, "sidestep.retries_refused.held_bytes"), 2);
    // All of it is free again.
    assert_eq!(sim.send(put()).status, 200);
}

#[test]
fn a_request_that_is_not_complete_is_not_retried() {
    let mut sim = failing();
    assert_eq!(
        sim.send(Request::new("PUT", "/").chunks(["half"]).unfinished()).status,
        503
    );
    assert_refused(&mut sim, "request_incomplete");
}

#[test]
fn upgrades_connect_and_grpc_are_left_alone() {
    let websocket = || {
        Request::get("/")
            .header("connection", "Upgrade")
            .header("upgrade", "websocket")
    };
    for (request, reason) in [
        (websocket(), "upgrade"),
        (Request::new("CONNECT", "/"), "connect"),
        (Request::get("/s/M").header("content-type", "application/grpc"), "grpc"),
        (
            Request::get("/s/M").header("content-type", "application/grpc+proto"),
            "grpc",
        ),
    ] {
        let mut sim = failing();
        assert_eq!(sim.send(request).status, 503);
        assert_refused(&mut sim, reason);
    }
}

#[test]
fn a_header_that_is_no_text_stops_the_retry_and_nothing_else() {
    let mut sim = failing();
    let answer = sim.send(Request::get("/").header_bytes("x-odd", &[0xff, 0xfe]));
    assert_eq!((answer.status, answer.tried.len()), (503, 1));
    let first = sim.seen(A).pop().expect("a first attempt");
    assert_eq!(first.headers.get_bytes("x-odd"), Some(&[0xff, 0xfe][..]));
    assert_refused(&mut sim, "headers_not_utf8");
}

#[test]
fn a_retry_goes_to_no_host_that_was_tried_or_is_ejected() {
    let mut sim = sim_of(&[A, B, C], json!({"retry": {"num_retries": 5}}));
    eject(&mut sim, C);
    sim.host(A).answers(502);
    sim.host(B).answers(502);
    let answer = sim.get("/");
    assert_eq!(answer.status, 502);
    // Once both have been tried they take turns.
    assert_eq!(answer.tried.len(), 6, "{:?}", answer.tried);
    assert!(
        answer.tried.windows(2).all(|two| two[0] != two[1]),
        "{:?}",
        answer.tried
    );
    assert_eq!(sim.attempts(C), 5);
    assert_eq!(counted(&mut sim, "sidestep.retries_refused.num_retries"), 1);
}

#[test]
fn the_number_of_retries_is_bounded() {
    for (retries, attempts, status) in [(0, 1, 503), (1, 2, 503), (2, 3, 200)] {
        let mut sim = sim(json!({"retry": {"num_retries": retries}}));
        let fails_twice = std::rc::Rc::new(std::cell::Cell::new(0));
        for host in [A, B, C] {
            let failed = fails_twice.clone();
            sim.host(host).behaves(move |_| {
                failed.set(failed.get() + 1);
                Reply::status(if failed.get() <= 2 { 503 } else { 200 })
            });
        }
        let answer = sim.get("/");
        assert_eq!(
            (answer.tried.len(), answer.status),
            (attempts, status),
            "{retries} retries"
        );
        let mut hosts = answer.tried;
        hosts.dedup();
        assert_eq!(hosts.len(), attempts, "no host twice");
    }
}

#[test]
fn a_retry_has_the_time_that_is_left_and_no_more() {
    let mut sim = first(
        Reply::status(503).after(Duration::from_secs(2)),
        json!({"retry": {"timeout": "5s"}}),
    );
    for host in [B, C] {
        sim.host(host)
            .replies(Reply::status(200).after(Duration::from_secs(60)));
    }
    let answer = sim.get("/");
    assert_eq!((answer.status, answer.took), (503, Duration::from_secs(5)));
}

#[test]
fn when_the_time_is_over_there_is_no_retry() {
    let mut sim = first(
        Reply::status(503).after(Duration::from_secs(6)),
        json!({"retry": {"timeout": "5s"}}),
    );
    assert_eq!(sim.get("/").tried, [A]);
    assert_refused(&mut sim, "deadline");
}

#[test]
fn a_route_that_retries_itself_is_left_alone() {
    let mut sim = failing();
    assert_eq!(
        sim.send(Request::get("/").header("x-envoy-retry-on", "5xx")).status,
        503
    );
    assert_refused(&mut sim, "route_retries");
    let mut sim = failing();
    sim.odd_property("upstream.request_attempt_count", Some(&2u64.to_le_bytes()));
    assert_eq!(sim.get("/").status, 503);
    assert_refused(&mut sim, "route_retries");
}

#[test]
fn a_callout_that_envoy_refuses_leaves_the_original() {
    for status in [Status::BadArgument, Status::InternalFailure] {
        let mut sim = failing();
        sim.start().expect("started");
        sim.fault(|faults| faults.always(Call::HttpCall, status));
        let answer = sim.get("/");
        assert_eq!((answer.status, answer.text()), (503, format!("503 from {A}\n")));
        assert_refused(&mut sim, "dispatch_failed");
    }
}

#[test]
fn a_cluster_may_have_its_own_policy() {
    let own = json!({"clusters": {"quiet": {"hosts": [A, B], "retry": {"num_retries": 0}}}});
    let mut sim = sim(own).cluster("quiet", [A, B]);
    sim.steer(BACKEND, Some(A));
    sim.steer("quiet", Some(A));
    sim.host(A).answers(503);
    assert_eq!(sim.send(Request::get("/").to("quiet")).tried.len(), 1);
    assert_eq!(sim.send(Request::get("/")).tried.len(), 2);
}

#[test]
fn retries_after_an_ejection_count_for_their_hosts() {
    let policy = json!({"outlier_detection": {"max_ejection_percent": 100}, "picking": {"panic_threshold": 0}});
    let mut sim = sim(policy);
    eject(&mut sim, A);
    // Pins are seen to be followed from now on.
    sim.host(B).answers(503);
    for _ in 0..20 {
        sim.advance(Duration::from_millis(1));
        assert_eq!(sim.get("/").status, 200);
    }
    assert_eq!(sim.logged("ejected host").len(), 2);
    assert_eq!(sim.attempts(B), 5);
}
