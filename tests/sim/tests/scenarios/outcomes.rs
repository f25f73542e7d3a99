//! What an answer says about its host.

use crate::common::{A, BACKEND, counted, hit, post, sim};
use serde_json::json;
use sidestep_sim::{Failure, Reply, Request, Sim};

/// How many times a host that answers like this is ejected within a hundred attempts.
fn ejections(sim: &mut Sim, reply: Reply) -> usize {
    sim.host(A).replies(reply);
    hit(sim, A, 100);
    sim.logged(&format!("ejected host {A}")).len()
}

#[test]
fn a_5xx_of_the_host_is_a_failure() {
    for status in [500, 501, 502, 503, 504, 507, 599] {
        assert_eq!(ejections(&mut sim(json!({})), Reply::status(status)), 1, "{status}");
    }
}

#[test]
fn what_is_no_5xx_never_ejects() {
    for status in [200, 204, 301, 304, 400, 404, 409, 425, 429] {
        assert_eq!(ejections(&mut sim(json!({})), Reply::status(status)), 0, "{status}");
    }
}

#[test]
fn a_connection_that_fails_is_a_failure() {
    for failure in [Failure::Refused, Failure::Closed, Failure::Reset, Failure::TimedOut] {
        assert_eq!(
            ejections(&mut sim(json!({})), Reply::failure(failure)),
            1,
            "{failure:?}"
        );
    }
}

#[test]
fn our_own_circuit_breaker_says_nothing_about_the_host() {
    let mut sim = sim(json!({}));
    assert_eq!(ejections(&mut sim, Reply::failure(Failure::Overflow)), 0);
    assert_eq!(counted(&mut sim, "sidestep.attempts.ignored"), 100);
}

#[test]
fn an_attempt_that_reached_no_host_says_nothing() {
    let mut sim = sim(json!({})).cluster("empty", [] as [&str; 0]);
    assert_eq!(sim.send(post().unrouted()).status, 404);
    assert_eq!(sim.send(Request::get("/").to("empty")).status, 503);
    assert_eq!(counted(&mut sim, "sidestep.attempts.ignored"), 2);
    assert_eq!(sim.metrics_under("sidestep.attempts."), 2);
}

#[test]
fn gateway_failures_have_a_row_of_their_own() {
    let policy = json!({"outlier_detection": {
        "consecutive_5xx": 0, "consecutive_gateway_failure": 3, "enforcing_consecutive_gateway_failure": 100}});
    assert_eq!(ejections(&mut sim(policy.clone()), Reply::status(500)), 0);
    let mut sim = sim(policy);
    assert_eq!(ejections(&mut sim, Reply::status(502)), 1);
    assert_eq!(sim.logged("consecutive_gateway_failure reached 3").len(), 1);
    assert_eq!(counted(&mut sim, "sidestep.ejections.consecutive_gateway_failure"), 1);
}

#[test]
fn local_origin_failures_count_apart_only_where_they_are_split() {
    let split = json!({"outlier_detection": {
        "split_external_local_origin_errors": true, "consecutive_5xx": 2, "consecutive_local_origin_failure": 4}});
    let mut apart = sim(split);
    apart.host(A).refuses();
    hit(&mut apart, A, 3);
    assert!(apart.logged("ejected").is_empty());
    hit(&mut apart, A, 1);
    assert_eq!(apart.logged("consecutive_local_origin_failure reached 4").len(), 1);
    let together = json!({"outlier_detection": {"consecutive_5xx": 2, "consecutive_local_origin_failure": 1}});
    let mut together = sim(together);
    together.host(A).refuses();
    hit(&mut together, A, 2);
    assert_eq!(together.logged("consecutive_5xx reached 2").len(), 1);
}

#[test]
fn each_outcome_is_counted_under_its_name() {
    let mut sim = sim(json!({}));
    for (reply, count) in [
        (Reply::status(200), 1),
        (Reply::status(500), 2),
        (Reply::status(429), 3),
    ] {
        sim.host(A).replies(reply);
        hit(&mut sim, A, count);
    }
    sim.host(A).refuses();
    hit(&mut sim, A, 1);
    sim.host(A).answers(425);
    hit(&mut sim, A, 1);
    sim.advance_secs(1);
    for (name, count) in [
        ("success", 1),
        ("failure_external", 2),
        ("overload", 3),
        ("failure_local_origin", 1),
        ("ignored", 1),
    ] {
        assert_eq!(sim.metric(&format!("sidestep.attempts.{name}")), count, "{name}");
    }
}

/// A gRPC call whose answer has this status in its headers (trailers-only).
fn grpc(sim: &mut Sim, status: &str) {
    sim.steer(BACKEND, Some(A));
    sim.host(A)
        .replies(Reply::status(200).headers_only().header("grpc-status", status));
    for _ in 0..5 {
        sim.advance(std::time::Duration::from_millis(1));
        sim.send(
            Request::new("POST", "/s/M")
                .header("content-type", "application/grpc")
                .body("x"),
        );
    }
}

#[test]
fn a_grpc_status_in_the_headers_counts_where_it_means_a_failing_host() {
    for (status, fails) in [
        ("0", false),
        ("1", false),
        ("2", true),
        ("4", true),
        ("5", false),
        ("8", false),
        ("13", true),
        ("14", true),
        ("15", true),
        ("nonsense", false),
    ] {
        let mut sim = sim(json!({}));
        grpc(&mut sim, status);
        assert_eq!(
            sim.logged("ejected host").len(),
            usize::from(fails),
            "grpc-status {status}"
        );
    }
}

#[test]
fn a_client_that_hangs_up_says_nothing_about_the_host() {
    let mut sim = sim(json!({}));
    sim.steer(BACKEND, Some(A));
    for _ in 0..10 {
        let id = sim.begin(post());
        sim.client_gone(id);
    }
    assert!(sim.logged("ejected").is_empty());
    assert_eq!(counted(&mut sim, "sidestep.attempts.failure_local_origin"), 0);
}
