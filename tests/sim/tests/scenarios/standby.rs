//! The standby cluster: where requests go that no host of their own can take.

use crate::common::{A, B, BACKEND, assert_of_one_piece, counted, merge, post};
use serde_json::{Value, json};
use sidestep_sim::{Failure, Reply, Request, Sim};
use std::time::Duration;

const MIRROR: &str = "mirror";
const M: &str = "10.9.0.1:80";
const N: &str = "10.9.0.2:80";

fn with_standby(extra: Value) -> Sim {
    let mut config = json!({
        "picking": {"discovery_percent": 0},
        "retry": {"engine": "filter"},
        "outlier_detection": {"base_ejection_time": "10s"},
        "clusters": {
            BACKEND: {"hosts": [A, B], "standby_cluster": MIRROR},
            MIRROR: {"hosts": [M, N]},
        },
    });
    merge(&mut config, extra);
    let mut sim = Sim::new(config).cluster(BACKEND, [A, B]).cluster(MIRROR, [M, N]);
    for host in [M, N] {
        sim.host(host).replies(Reply::status(200).body("mirror"));
    }
    sim
}

/// Both hosts of the primary are out.
fn all_gone(sim: &mut Sim) {
    sim.all_hosts(BACKEND, Reply::status(503));
    for _ in 0..40 {
        sim.advance(Duration::from_millis(1));
        sim.send(post());
        if sim.logged("ejected host").len() == 2 {
            return;
        }
    }
    panic!("not all are out: {:?}", sim.logs());
}

fn primary(sim: &Sim) -> u64 {
    sim.attempts(A) + sim.attempts(B)
}

#[test]
fn a_retry_that_finds_nowhere_to_go_goes_to_the_standby() {
    let mut sim = with_standby(json!({"retry": {"num_retries": 2}}));
    sim.all_hosts(BACKEND, Reply::status(503));
    let answer = sim.get("/");
    assert_eq!((answer.status, answer.text().as_str()), (200, "mirror"));
    assert_eq!(answer.tried.len(), 3);
    assert_of_one_piece(&answer);
    assert_eq!(counted(&mut sim, "sidestep.standby.attempts"), 1);
}

#[test]
fn with_a_standby_the_last_host_may_go_and_requests_go_there_at_once() {
    let mut sim = with_standby(json!({}));
    all_gone(&mut sim);
    let before = primary(&sim);
    for method in ["GET", "HEAD", "DELETE"] {
        let answer = sim.send(Request::new(method, "/"));
        assert_eq!(answer.status, 200, "{method}");
        assert_of_one_piece(&answer);
    }
    // The first that could be repeated has shown that no route leads there; from then on they are called out.
    let after = primary(&sim);
    assert!(after <= before + 1);
    for _ in 0..10 {
        assert_eq!(sim.get("/").text(), "mirror");
        assert_eq!(
            sim.send(Request::new("POST", "/")).status,
            200,
            "without a body any method can be called out"
        );
    }
    assert_eq!(primary(&sim), after);
}

#[test]
fn what_a_callout_can_not_carry_is_asked_of_its_own_hosts() {
    let mut sim = with_standby(json!({}));
    all_gone(&mut sim);
    let answer = sim.send(post());
    assert_eq!((answer.status, answer.tried.len()), (503, 1));
    // It may be repeated: there.
    let answer = sim.send(Request::new("PUT", "/").body("x"));
    assert_eq!((answer.status, answer.text().as_str()), (200, "mirror"));
}

#[test]
fn a_route_by_the_header_takes_every_request_there() {
    let mut sim = with_standby(json!({})).routes_by_header("x-sidestep-cluster");
    all_gone(&mut sim);
    let before = primary(&sim);
    for _ in 0..5 {
        assert_eq!(sim.get("/").text(), "mirror");
        assert_eq!(sim.send(post()).text(), "mirror");
        assert_eq!(sim.send(Request::grpc("/a.B/C")).status, 200);
    }
    assert_eq!(primary(&sim), before);
    assert!(counted(&mut sim, "sidestep.standby.attempts") >= 15);
    assert!(sim.seen(M).iter().chain(&sim.seen(N)).all(|seen| !seen.callout));
}

#[test]
fn a_client_can_not_choose_the_cluster() {
    let mut sim = with_standby(json!({})).routes_by_header("x-sidestep-cluster");
    let answer = sim.send(Request::get("/").header("x-sidestep-cluster", MIRROR));
    assert_eq!(answer.status, 200);
    assert_eq!(sim.attempts(M) + sim.attempts(N), 0);
    assert!(
        !sim.seen(A)
            .iter()
            .chain(&sim.seen(B))
            .any(|seen| seen.headers.has("x-sidestep-cluster"))
    );
}

#[test]
fn when_the_primary_recovers_it_gets_its_requests_back_and_nobody_sees_how() {
    for by_route in [false, true] {
        let mut sim = with_standby(json!({}));
        if by_route {
            sim = sim.routes_by_header("x-sidestep-cluster");
        }
        all_gone(&mut sim);
        sim.all_hosts(BACKEND, Reply::status(200).body("primary"));
        let mut errors = 0;
        for _ in 0..600 {
            sim.advance(Duration::from_millis(100));
            errors += u32::from(sim.get("/").status != 200);
        }
        assert_eq!(errors, 0);
        assert_eq!(sim.get("/").text(), "primary");
        assert_eq!(sim.metric("sidestep.ejections_active"), 0);
    }
}

#[test]
fn a_trial_that_fails_is_answered_by_the_standby() {
    let mut sim = with_standby(json!({}));
    all_gone(&mut sim);
    for _ in 0..300 {
        sim.advance(Duration::from_millis(100));
        assert_eq!(sim.get("/").text(), "mirror");
    }
    assert!(counted(&mut sim, "sidestep.probation.failed") > 0);
}

#[test]
fn nobody_left_anywhere_and_the_client_gets_what_it_would_have_had() {
    let mut sim = with_standby(json!({}));
    all_gone(&mut sim);
    for host in [M, N] {
        sim.host(host).refuses();
    }
    for _ in 0..5 {
        let answer = sim.get("/");
        assert_eq!(answer.status, 503);
        assert_of_one_piece(&answer);
    }
}

#[test]
fn a_client_that_leaves_while_the_standby_is_asked_breaks_nothing() {
    let mut sim = with_standby(json!({}));
    all_gone(&mut sim);
    sim.get("/");
    for host in [M, N] {
        sim.host(host).replies(Reply::status(200).after(Duration::from_secs(1)));
    }
    let id = sim.begin(Request::get("/"));
    sim.advance(Duration::from_millis(100));
    sim.client_gone(id);
    sim.advance_secs(2);
    assert_eq!(sim.get("/").status, 200);
}

#[test]
fn a_post_that_was_called_out_to_the_standby_is_sent_once_whatever_becomes_of_it() {
    for failure in [Failure::Closed, Failure::Reset, Failure::TimedOut] {
        let mut sim = with_standby(json!({}));
        all_gone(&mut sim);
        sim.get("/");
        sim.get("/");
        let before = primary(&sim);
        sim.all_hosts(MIRROR, Reply::failure(failure));
        let answer = sim.send(Request::new("POST", "/"));
        assert!(answer.status >= 500, "{}", answer.status);
        assert_eq!(primary(&sim), before);
    }
}

#[test]
fn with_a_standby_the_hosts_come_back_where_no_request_can_be_a_trial() {
    let mut sim = with_standby(json!({}));
    all_gone(&mut sim);
    for host in [A, B] {
        sim.host(host).replies(Reply::status(200));
    }
    let before = primary(&sim);
    for _ in 0..600 {
        sim.advance_secs(1);
        sim.send(Request::new("POST", "/"));
    }
    assert!(primary(&sim) > before + 100, "{} {before}", primary(&sim));
}
