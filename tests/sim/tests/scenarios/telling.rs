//! What a request went through, told to its client and to the access log.

use crate::common::{A, B, BACKEND, sim, sim_of};
use serde_json::{Value, json};
use sidestep_sim::{Answer, Failure, Reply, Request, Sim};

fn telling(extra: Value) -> Sim {
    let report = json!({"attempts": true, "proxy_status": "edge"});
    let mut config = json!({"retry": {"report": report}});
    crate::common::merge(&mut config, extra);
    sim(config)
}

fn state(answer: &Answer, name: &str) -> String {
    let name = format!("wasm.sidestep.{name}");
    answer.filter_state.get(&name).cloned().unwrap_or_default()
}

fn header<'a>(answer: &'a Answer, name: &str) -> &'a str {
    answer.headers.get(name).unwrap_or("none")
}

#[test]
fn a_good_answer_at_once_says_one_attempt_and_nothing_else() {
    let answer = telling(json!({})).get("/");
    assert_eq!(header(&answer, "x-sidestep-attempts"), "1");
    assert_eq!(header(&answer, "proxy-status"), "none");
    assert!(answer.filter_state.is_empty());
}

#[test]
fn nothing_is_said_to_clients_unless_it_is_wanted() {
    let mut sim = sim(json!({}));
    sim.steer(BACKEND, Some(A));
    sim.host(A).answers(503);
    let answer = sim.get("/");
    assert_eq!(header(&answer, "x-sidestep-attempts"), "none");
    assert_eq!(header(&answer, "proxy-status"), "none");
    // The access log can tell all the same.
    assert_eq!(state(&answer, "attempts"), "2");
}

#[test]
fn a_retried_answer_says_how_often_and_where() {
    for engine in ["filter", "router"] {
        let mut sim = telling(json!({"retry": {"engine": engine}}));
        sim.host(A).answers(503);
        let answer = (0..5)
            .map(|_| sim.get("/"))
            .find(|answer| answer.tried.len() == 2)
            .expect("a retry");
        assert_eq!(header(&answer, "x-sidestep-attempts"), "2", "{engine}");
        assert_eq!(
            header(&answer, "proxy-status"),
            "edge; received-status=200; details=\"2 attempts\"",
            "{engine}"
        );
        assert_eq!(state(&answer, "attempts"), "2");
        assert_eq!(state(&answer, "hosts"), answer.tried.join(","));
        assert_eq!(state(&answer, "engine"), engine);
        assert_eq!(state(&answer, "refused"), "");
    }
}

#[test]
fn a_refusal_is_told_with_its_reason() {
    let mut sim = telling(json!({}));
    sim.steer(BACKEND, Some(A));
    sim.host(A).answers(503);
    let answer = sim.send(Request::new("POST", "/").body("x"));
    assert_eq!(
        header(&answer, "proxy-status"),
        "edge; received-status=503; details=\"1 attempt, no further one: method\""
    );
    assert_eq!(state(&answer, "refused"), "method");
    assert_eq!(state(&answer, "attempts"), "1");
}

#[test]
fn a_host_that_gave_no_answer_is_named_only_if_it_may_be() {
    for next_hop in [false, true] {
        let mut sim = telling(json!({"retry": {"report": {"next_hop": next_hop}}}));
        sim.all_hosts(BACKEND, Reply::failure(Failure::Refused));
        let answer = sim.get("/");
        let told = header(&answer, "proxy-status").to_owned();
        assert!(told.starts_with("edge; error=connection_refused"), "{told}");
        assert_eq!(told.contains("next-hop"), next_hop, "{told}");
    }
}

#[test]
fn nobody_left_is_told_as_well() {
    let mut sim = telling(json!({}));
    for host in [A, B, crate::common::C] {
        sim.remove_host(BACKEND, host);
    }
    let answer = sim.get("/");
    assert_eq!(answer.status, 503);
    assert_eq!(
        header(&answer, "proxy-status"),
        "edge; error=destination_unavailable; details=\"1 attempt\""
    );
}

#[test]
fn a_wait_and_a_budget_leave_their_marks() {
    let mut sim = sim_of(
        &[A],
        json!({"retry": {"budget": {"budget_percent": 0, "min_retries_per_second": 1}}}),
    );
    sim.host(A).answers(503);
    let answer = sim.get("/");
    assert_eq!(
        (state(&answer, "attempts"), state(&answer, "refused")),
        ("2".to_owned(), "num_retries".to_owned())
    );
    let answer = sim.get("/");
    assert_eq!(
        (state(&answer, "attempts"), state(&answer, "refused")),
        ("1".to_owned(), "budget".to_owned())
    );
}

#[test]
fn each_attempt_knows_its_number() {
    let mut sim = sim(json!({"retry": {"num_retries": 2}}));
    sim.steer(BACKEND, Some(A));
    sim.all_hosts(BACKEND, Reply::status(503));
    let answer = sim.get("/");
    let numbers: Vec<_> = answer
        .tried
        .iter()
        .map(|host| {
            sim.seen(host)
                .pop()
                .and_then(|seen| seen.headers.get("x-envoy-attempt-count").map(str::to_owned))
        })
        .collect();
    assert_eq!(numbers, [None, Some("2".to_owned()), Some("3".to_owned())]);
}
