//! gRPC: what a call came to is in its trailers.

use crate::common::{A, BACKEND, counted, hit, sim};
use crate::crowd::{assert_only, crowd, ejections, hosts};
use serde_json::json;
use sidestep_sim::{Failure, Load, Reply, Request, Sim};
use std::time::Duration;

/// Sends calls to A, each a millisecond after the other.
fn call(sim: &mut Sim, count: usize) {
    sim.steer(BACKEND, Some(A));
    for _ in 0..count {
        sim.advance(Duration::from_millis(1));
        sim.send(Request::grpc("/s/M"));
    }
    sim.steer(BACKEND, None);
}

const FAILURES: [u32; 5] = [2, 4, 13, 14, 15];

#[test]
fn a_status_that_means_a_failing_host_ejects_wherever_it_stands_and_no_other_does() {
    for status in 0..=16 {
        for reply in [Reply::grpc(status), Reply::grpc_trailers_only(status)] {
            let mut sim = sim(json!({}));
            sim.host(A).replies(reply);
            call(&mut sim, 10);
            let expected = usize::from(FAILURES.contains(&status));
            assert_eq!(ejections(&sim).len(), expected, "grpc-status {status}");
        }
    }
}

#[test]
fn each_call_counts_once() {
    let mut sim = sim(json!({}));
    sim.host(A).replies(Reply::grpc(14));
    call(&mut sim, 4);
    assert!(ejections(&sim).is_empty());
    sim.host(A).replies(Reply::grpc(0));
    call(&mut sim, 1);
    sim.host(A).replies(Reply::grpc_trailers_only(14));
    call(&mut sim, 4);
    assert!(ejections(&sim).is_empty());
    assert_eq!(counted(&mut sim, "sidestep.attempts.failure_external"), 8);
    assert_eq!(sim.metric("sidestep.attempts.success"), 1);
}

#[test]
fn what_envoy_answers_for_a_host_is_a_failure_of_the_local_origin() {
    for failure in [Failure::Refused, Failure::Closed, Failure::Reset, Failure::TimedOut] {
        let mut sim = sim(json!({}));
        sim.host(A).fails(failure);
        call(&mut sim, 5);
        assert_eq!(ejections(&sim).len(), 1, "{failure:?}");
        assert_eq!(
            counted(&mut sim, "sidestep.attempts.failure_local_origin"),
            5,
            "{failure:?}"
        );
    }
    let mut sim = sim(json!({}));
    sim.host(A).fails(Failure::Overflow);
    call(&mut sim, 10);
    assert!(ejections(&sim).is_empty());
}

#[test]
fn a_stream_that_the_host_breaks_off_is_a_failure_and_one_that_the_client_leaves_is_nothing() {
    let mut broken = sim(json!({}));
    broken.host(A).replies(Reply::grpc(0).reset_midway());
    call(&mut broken, 5);
    assert_eq!(ejections(&broken).len(), 1);
    let mut left = sim(json!({}));
    left.host(A).replies(Reply::grpc(0).lasting(Duration::from_secs(60)));
    left.steer(BACKEND, Some(A));
    for _ in 0..20 {
        left.advance(Duration::from_millis(1));
        let id = left.begin(Request::grpc("/s/M"));
        assert!(left.until_answering(id));
        left.client_gone(id);
    }
    assert!(ejections(&left).is_empty());
}

#[test]
fn an_exhausted_host_gets_less_for_as_long_as_it_asks() {
    let hosts = hosts(5);
    let mut sim = crowd(&hosts, 4, json!({}));
    let reply = Reply::grpc(8).trailer("grpc-retry-pushback-ms", "20000");
    sim.host(&hosts[1]).next([reply]);
    sim.steer(BACKEND, Some(&hosts[1]));
    sim.send(Request::grpc("/s/M"));
    sim.steer(BACKEND, None);
    let mut load = Load::of(200, 1, |_| Request::grpc("/s/M"));
    let served = sim.under(&mut load, Duration::from_secs(18));
    let low = served.first_tried(&hosts[1]) as f64 * 5.0 / served.requests as f64;
    assert!((0.03..0.25).contains(&low), "{low}");
    sim.under(&mut load, Duration::from_secs(4));
    let served = sim.under(&mut load, Duration::from_secs(10));
    let full = served.first_tried(&hosts[1]) as f64 * 5.0 / served.requests as f64;
    assert!((0.85..1.15).contains(&full), "{full}");
}

#[test]
fn a_host_whose_calls_fail_more_than_others_goes_by_its_rate() {
    let hosts = hosts(10);
    let mut sim = crowd(&hosts, 8, json!({"outlier_detection": {"consecutive_5xx": 0}}));
    for host in &hosts {
        sim.host(host).replies(Reply::grpc(0));
    }
    let mut count = 0;
    sim.host(&hosts[4]).behaves(move |_| {
        count += 1;
        Reply::grpc(if count % 3 == 0 { 14 } else { 0 })
    });
    sim.under(
        &mut Load::of(300, 1, |_| Request::grpc("/s/M")),
        Duration::from_secs(20),
    );
    assert_only(&sim, &hosts[4]);
}

#[test]
fn a_row_of_failures_is_one_row_whether_http_or_grpc() {
    let mut sim = sim(json!({}));
    sim.host(A).answers(503);
    hit(&mut sim, A, 2);
    sim.host(A).replies(Reply::grpc(14));
    call(&mut sim, 2);
    assert!(ejections(&sim).is_empty());
    call(&mut sim, 1);
    assert_eq!(ejections(&sim).len(), 1);
}
