//! Who makes the retries: the filter, or Envoy's router.

use crate::common::{A, B, BACKEND, C, D, counted, eject, sim, sim_of};
use serde_json::{Value, json};
use sidestep_sim::{Answer, Failure, Headers, Reply, Request, Route, Sim};
use std::time::Duration;

/// Everything about engines is as it comes, but for `extra`.
fn auto(extra: Value) -> Sim {
    let mut config = json!({"retry": {"engine": "auto"}});
    crate::common::merge(&mut config, extra);
    sim(config)
}

fn router(extra: Value) -> Sim {
    let mut config = json!({"retry": {"engine": "router"}});
    crate::common::merge(&mut config, extra);
    sim(config)
}

fn get(route: &str) -> Request {
    Request::get("/old/thing").route(route)
}

/// Whether the last attempt of an answer came as a callout.
fn by_filter(sim: &Sim, answer: &Answer) -> bool {
    let last = answer.tried.last().expect("an attempt");
    sim.seen(last).last().expect("it was seen").callout
}

/// What a host saw, less what the documentation says may differ.
fn comparable(headers: &Headers) -> Vec<(String, Vec<u8>)> {
    let documented = [
        "x-envoy-attempt-count",
        "x-envoy-expected-rq-timeout-ms",
        // Taken off on the way by the sample configuration.
        "x-envoy-internal",
    ];
    let mut all: Vec<_> = headers
        .iter()
        .filter(|(name, _)| !documented.contains(name))
        .map(|(name, value)| (name.to_owned(), value.to_vec()))
        .collect();
    all.sort();
    all
}

#[test]
fn a_route_is_the_routers_until_it_was_seen_and_the_filters_then() {
    let mut sim = auto(json!({})).route("plain", Route::new());
    sim.host(A).answers(503);
    let mut made = Vec::new();
    for _ in 0..20 {
        let answer = sim.send(get("plain"));
        assert_eq!(answer.status, 200);
        if answer.tried.len() > 1 {
            made.push(by_filter(&sim, &answer));
        }
    }
    let first = made.iter().position(|by_filter| *by_filter).expect("one by the filter");
    assert!(
        first <= 1 && made[first..].iter().all(|by_filter| *by_filter),
        "{made:?}"
    );
}

#[test]
fn whatever_a_route_changes_the_host_sees_the_same_request_twice() {
    let routes = [
        ("plain", Route::new()),
        ("prefix", Route::new().rewrites_prefix("/old", "/new")),
        ("host", Route::new().rewrites_host("inside.example")),
        ("adds", Route::new().adds("x-team", "blue")),
        ("removes", Route::new().removes("user-agent")),
        ("counts", Route::new().counts_attempts()),
    ];
    for (name, route) in routes {
        // As the very first request, and when the route is known.
        for before in [0, 30] {
            let mut sim = auto(json!({})).route(name, route.clone());
            for _ in 0..before {
                sim.send(get(name));
            }
            sim.host(A).answers(503);
            let answer = (0..10)
                .map(|_| sim.send(get(name)))
                .find(|answer| answer.tried.len() > 1)
                .expect("a retry");
            assert_eq!(answer.status, 200, "{name}");
            let seen = |host: &str| sim.seen(host).pop().expect("it was seen").headers;
            let (first, second) = (seen(A), seen(&answer.tried[1]));
            assert_eq!(comparable(&second), comparable(&first), "{name} after {before}");
            let number = second.get("x-envoy-attempt-count");
            assert!(number.is_none_or(|number| number == "2"), "{number:?}");
        }
    }
}

#[test]
fn a_route_that_changes_only_some_requests_is_found_out() {
    let mut sim = auto(json!({})).route("some", Route::new().rewrites_prefix("/old", "/new"));
    let plain = || Request::get("/other").route("some");
    for _ in 0..300 {
        sim.send(plain());
    }
    // By the one in so many that is watched whatever is known of its route.
    for _ in 0..64 {
        sim.send(get("some"));
    }
    assert_eq!(counted(&mut sim, "sidestep.routes.changing"), 1);
    sim.host(A).answers(503);
    for _ in 0..10 {
        let answer = sim.send(get("some"));
        assert_eq!(answer.status, 200);
        assert!(answer.tried.len() == 1 || !by_filter(&sim, &answer));
    }
}

#[test]
fn a_route_without_a_name_is_never_taken_for_plain() {
    let mut sim = auto(json!({}));
    for _ in 0..300 {
        sim.send(Request::get("/"));
    }
    sim.host(A).answers(503);
    let answers: Vec<_> = (0..10).map(|_| sim.send(Request::get("/"))).collect();
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert!(
        answers
            .iter()
            .all(|answer| answer.tried.len() == 1 || !by_filter(&sim, answer))
    );
    assert!(answers.iter().any(|answer| answer.tried.len() == 2));
}

#[test]
fn once_all_routes_are_plain_a_request_costs_what_it_costs_with_the_filter_alone() {
    let cost = |engine: &str| {
        let mut sim = sim(json!({"retry": {"engine": engine}})).route("plain", Route::new());
        let calls: Vec<_> = (0..300).map(|_| sim.send(get("plain")).calls.total()).collect();
        let mut late = calls[200..].to_vec();
        late.sort_unstable();
        println!("{engine}: first {:?}, later {} to {}", &calls[..3], late[0], late[99]);
        (late[0], late[90], late.iter().sum::<u32>())
    };
    let (auto, filter) = (cost("auto"), cost("filter"));
    assert_eq!((auto.0, auto.1), (filter.0, filter.1));
    // One in 64 is watched.
    assert!(auto.2 <= filter.2 + 10, "{auto:?} {filter:?}");
}

#[test]
fn of_the_hosts_that_failed_on_the_way_each_is_blamed_once() {
    let mut sim = sim_of(
        &[A, B, C, D],
        json!({"retry": {"engine": "router", "num_retries": 3, "budget": {"min_retries_per_second": 1000}}}),
    );
    for host in [A, B] {
        sim.host(host).answers(503);
    }
    for number in 0..200 {
        sim.advance(Duration::from_millis(1));
        assert_eq!(sim.get(&format!("/{number}")).status, 200);
        if sim.logged("ejected host").len() == 2 {
            break;
        }
    }
    assert_eq!((sim.attempts(A), sim.attempts(B)), (5, 5), "{:?}", sim.logs());
    assert_eq!(sim.logged(&format!("ejected host {A}")).len(), 1);
    assert_eq!(sim.logged(&format!("ejected host {B}")).len(), 1);
    let made = counted(&mut sim, "sidestep.retries.router");
    assert_eq!(made, 10, "each failure was repeated");
    assert_eq!(sim.metric("sidestep.attempts.failure_external"), 10);
}

#[test]
fn the_routers_attempts_go_to_one_host_after_the_other() {
    let mut sim = router(json!({"retry": {"num_retries": 5, "budget": {"min_retries_per_second": 1000}}}));
    sim.all_hosts(BACKEND, Reply::status(503));
    let answer = sim.get("/");
    assert_eq!((answer.status, answer.tried.len()), (503, 6));
    for three in answer.tried.windows(3) {
        assert!(
            three[0] != three[1] && three[1] != three[2] && three[0] != three[2],
            "{:?}",
            answer.tried
        );
    }
    assert_eq!(counted(&mut sim, "sidestep.retries_refused.num_retries"), 1);
}

#[test]
fn a_host_that_left_meanwhile_makes_nobody_else_guilty() {
    let mut sim = router(json!({"retry": {"num_retries": 2}}));
    sim.remove_host(BACKEND, B);
    sim.host(A).answers(503);
    for number in 0..40 {
        assert_eq!(sim.get(&format!("/{number}")).status, 200);
    }
    assert!(sim.logged(&format!("ejected host {C}")).is_empty(), "{:?}", sim.logs());
    assert!(sim.logged(&format!("ejected host {B}")).is_empty(), "{:?}", sim.logs());
}

#[test]
fn no_post_is_the_routers() {
    let mut sim = router(json!({"retry": {"retry_on": "5xx,reset,connect-failure,refused-stream,unavailable"}}));
    sim.steer(BACKEND, Some(A));
    for failure in [Failure::Refused, Failure::Closed, Failure::Reset, Failure::TryTimedOut] {
        sim.host(A).fails(failure);
        for request in [
            Request::new("POST", "/").body("x"),
            Request::new("PATCH", "/").body("x"),
            Request::new("POST", "/").body("x").header("idempotency-key", "\"k\""),
        ] {
            assert_eq!(sim.send(request).tried.len(), 1, "{failure:?}");
        }
    }
}

#[test]
fn grpc_is_retried_by_its_statuses_if_retry_on_names_one() {
    for (status, name) in [
        (1, "cancelled"),
        (4, "deadline-exceeded"),
        (8, "resource-exhausted"),
        (13, "internal"),
        (14, "unavailable"),
    ] {
        for engine in ["auto", "router"] {
            let mut sim = sim(json!({"retry": {"engine": engine, "retry_on": name}}));
            sim.host(A).replies(Reply::grpc_trailers_only(status));
            for _ in 0..12 {
                let answer = sim.send(Request::grpc("/echo.Echo/Say"));
                assert_eq!(answer.headers.get("grpc-status"), None, "{name}");
                assert_eq!(answer.trailers.get("grpc-status"), None, "200 by B or C: {name}");
            }
            assert!(counted(&mut sim, "sidestep.retries.router") > 0, "{name}");
        }
        // Not named: not retried.
        let mut sim = sim(json!({"retry": {"engine": "auto"}}));
        sim.steer(BACKEND, Some(A));
        sim.host(A).replies(Reply::grpc_trailers_only(status));
        assert_eq!(sim.send(Request::grpc("/echo.Echo/Say")).tried.len(), 1, "{name}");
    }
}

#[test]
fn hosts_whose_grpc_calls_the_router_repeated_are_ejected_all_the_same() {
    let mut sim = sim(json!({"retry": {"engine": "auto", "retry_on": "unavailable,gateway-error,reset"}}));
    sim.host(A).replies(Reply::grpc_trailers_only(14));
    for _ in 0..60 {
        sim.advance(Duration::from_millis(1));
        sim.send(Request::grpc("/echo.Echo/Say"));
    }
    assert_eq!(sim.logged(&format!("ejected host {A}")).len(), 1);
    assert_eq!(sim.attempts(A), 5);
}

#[test]
fn what_is_no_failure_is_held_against_nobody_on_the_way() {
    let mut sim = router(json!({"retry": {"retry_on": "retriable-4xx,5xx"}}));
    sim.host(A).answers(409);
    for _ in 0..60 {
        assert_eq!(sim.get("/").status, 200);
    }
    assert!(sim.logged("ejected host").is_empty());
}

#[test]
fn bodies_that_a_callout_can_not_carry_are_the_routers() {
    let mut sim = auto(json!({"retry": {"max_body_bytes": 10}})).route("plain", Route::new());
    for _ in 0..10 {
        sim.send(get("plain"));
    }
    sim.host(A).answers(503);
    for request in [
        Request::new("PUT", "/").body("far too long").route("plain"),
        Request::new("PUT", "/").chunks(["who ", "knows"]).route("plain"),
    ] {
        for _ in 0..12 {
            let answer = sim.send(request.clone());
            assert_eq!(answer.status, 200);
            assert!(answer.tried.len() == 1 || !by_filter(&sim, &answer));
        }
    }
    assert!(counted(&mut sim, "sidestep.retries.router") > 0);
}

#[test]
fn a_route_that_retries_by_itself_is_left_alone_once_that_has_been_seen() {
    let mut sim = auto(json!({})).route("own", Route::new().retries("5xx", 3));
    for _ in 0..10 {
        sim.send(get("own"));
    }
    sim.all_hosts(BACKEND, Reply::status(503));
    let answers: Vec<_> = (0..10).map(|_| sim.send(get("own"))).collect();
    for answer in &answers {
        assert!(answer.tried.len() <= 4, "{:?}", answer.tried);
        assert!(!by_filter(&sim, answer), "the two must not multiply");
    }
    assert_eq!(counted(&mut sim, "sidestep.routes.retrying"), 1);
    assert_eq!(sim.logged("retries by itself").len(), 1);
}

#[test]
fn the_circuit_breaker_for_retries_denies_one_and_the_answer_is_the_hosts_own() {
    let mut sim = router(json!({})).max_retries(BACKEND, 0);
    sim.host(A).answers(503);
    while sim.attempts(A) < 5 {
        assert_eq!(sim.get("/").tried.len(), 1);
    }
    assert_eq!(sim.logged(&format!("ejected host {A}")).len(), 1);
}

#[test]
fn a_host_in_probation_is_tried_by_the_routers_requests_too_and_nobody_pays() {
    let mut sim = router(json!({"outlier_detection": {"base_ejection_time": "5s"}}));
    eject(&mut sim, A);
    sim.advance_secs(6);
    let before = sim.attempts(A);
    for _ in 0..20 {
        assert_eq!(sim.get("/").status, 200);
    }
    assert_eq!(sim.attempts(A), before + 1);
    assert_eq!(counted(&mut sim, "sidestep.probation.failed"), 1);
    sim.host(A).answers(200);
    sim.advance_secs(12);
    for _ in 0..20 {
        assert_eq!(sim.get("/").status, 200);
    }
    assert_eq!(counted(&mut sim, "sidestep.probation.passed"), 1);
}

#[test]
fn a_silent_host_in_probation_costs_the_routers_request_a_second() {
    let mut sim = router(json!({"outlier_detection": {"base_ejection_time": "5s"}, "retry": {"timeout": "60s"}}));
    eject(&mut sim, A);
    sim.host(A).replies(Reply::status(200).after(Duration::from_secs(300)));
    sim.advance_secs(6);
    let answers = sim.gets(20);
    assert!(answers.iter().all(|answer| answer.status == 200));
    let slowest = answers.iter().map(|answer| answer.took).max().expect("an answer");
    assert!(
        slowest >= Duration::from_millis(900) && slowest <= Duration::from_millis(1_200),
        "{slowest:?}"
    );
    assert_eq!(counted(&mut sim, "sidestep.probation.failed"), 1);
}

#[test]
fn while_it_is_unknown_whether_pins_are_followed_nobody_is_blamed_by_one() {
    let mut sim = router(json!({
        "outlier_detection": {"consecutive_5xx": 1000},
        "retry": {"num_retries": 1, "budget": {"min_retries_per_second": 1000}},
    }));
    sim.honours_pins(BACKEND, false);
    // Every attempt meets A, whatever the pin says; at times A is the pin's second.
    sim.host(A).answers(503);
    sim.steer(BACKEND, Some(A));
    for _ in 0..60 {
        assert_eq!(sim.get("/").tried, [A, A]);
    }
    // The last answer of each is A's, that is sure. By chance it may look twice in a row as if pins were followed.
    let failures = counted(&mut sim, "sidestep.attempts.failure_external");
    assert!((60..=65).contains(&failures), "{failures}");
}

#[test]
fn a_callers_own_number_of_retries_does_not_take_the_place_of_the_policys() {
    let mut sim = router(json!({"retry": {"num_retries": 1}}));
    sim.all_hosts(BACKEND, Reply::status(503));
    for number in ["0", "5"] {
        let answer = sim.send(Request::get("/").header("x-envoy-max-retries", number));
        assert_eq!(answer.tried.len(), 2, "{number}");
    }
}

#[test]
fn a_client_that_leaves_while_the_router_retries_leaves_nothing_behind() {
    let mut sim = router(json!({"retry": {"num_retries": 3}}));
    sim.all_hosts(BACKEND, Reply::status(503).after(Duration::from_millis(10)));
    for at in [0, 5, 11, 23, 35, 47, 80] {
        let id = sim.begin(Request::get("/"));
        sim.advance(Duration::from_millis(at));
        sim.client_gone(id);
    }
    sim.all_hosts(BACKEND, Reply::status(200));
    assert_eq!(sim.get("/").status, 200);
}

#[test]
fn hosts_that_nobody_named_are_found_before_pins_are_set() {
    let mut sim = Sim::new(json!({"retry": {"engine": "router"}})).cluster(BACKEND, [A, B, C]);
    for _ in 0..60 {
        sim.get("/");
    }
    for host in [A, B, C] {
        assert!(sim.attempts(host) >= 15, "{host}: {}", sim.attempts(host));
    }
}

#[test]
fn a_body_too_large_for_its_own_cluster_is_for_the_router_though_another_cluster_takes_larger_ones() {
    let mut sim = auto(json!({"clusters": {BACKEND: {"retry": {"max_body_bytes": 10}}}})).route("plain", Route::new());
    // The route is known, and no request is asked for it any more.
    for _ in 0..300 {
        sim.send(get("plain"));
    }
    for _ in 0..20 {
        sim.host(A).replies(Reply::status(503));
        let request = Request::new("PUT", "/old/thing")
            .route("plain")
            .body("longer than ten bytes");
        let answer = sim.send(request);
        assert_eq!(answer.status, 200);
    }
    assert!(counted(&mut sim, "sidestep.retries.router") > 0);
    assert_eq!(counted(&mut sim, "sidestep.retries_refused.body_too_large"), 0);
}
