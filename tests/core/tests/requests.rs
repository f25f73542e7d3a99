//! Single requests through the whole filter, over a fake host: odd cases that each were a bug once.

use sidestep::config::Config;
use sidestep::health::ClusterTable;
use sidestep::host::{CalloutToken, StreamId};
use sidestep::model::HostAddr;
use sidestep::stream::{Flow, Stream};
use sidestep::worker::Worker;
use sidestep_core::fake_host::FakeHost;
use sidestep_core::test;
use std::time::Duration;

const A: &str = "10.0.0.1:80";
const B: &str = "10.0.0.2:80";
const C: &str = "10.0.0.3:80";
const OVERRIDE: &str = "x-sidestep-host";
const MILLISECOND: Duration = Duration::from_millis(1);
const MINUTE: Duration = Duration::from_secs(60);

fn host() -> FakeHost {
    let host = FakeHost::default();
    host.pass(Duration::from_secs(1000));
    host.response(A, "200", 0, &[]);
    host
}

/// A worker whose cluster `backend` has these configured hosts and settings.
fn worker(host: &FakeHost, hosts: &[&str], settings: &str) -> Worker<FakeHost> {
    let json =
        format!(r#"{{"retry": {{"engine": "filter"}}, "clusters": {{"backend": {{"hosts": {hosts:?} {settings}}}}}}}"#);
    let config = Config::from_json(json.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
    Worker::start(host.clone(), config, 1)
}

/// A request that has no body, up to its first answer, which has one.
fn answered(
    host: &FakeHost,
    worker: &mut Worker<FakeHost>,
    request: &[(&str, &str)],
    answer: Answer,
) -> (Stream, Flow) {
    host.pass(MILLISECOND);
    host.request(request);
    host.response(answer.0, answer.1, answer.2, answer.3);
    let mut stream = Stream::new(StreamId(1));
    assert_eq!(stream.on_request_headers(worker, true), Flow::Continue);
    let flow = stream.on_response_headers(worker, false);
    (stream, flow)
}

/// Host, status, flags, headers.
type Answer<'a> = (&'a str, &'a str, u64, &'a [(&'a str, &'a str)]);

fn whole(host: &FakeHost, worker: &mut Worker<FakeHost>, request: &[(&str, &str)], answer: Answer) {
    let (mut stream, _) = answered(host, worker, request, answer);
    stream.on_done(worker);
}

fn pin_of(headers: &[(String, String)]) -> Option<String> {
    let pin = headers.iter().find(|(name, _)| name == OVERRIDE);
    pin.map(|(_, pin)| pin.clone())
}

fn table(host: &FakeHost) -> ClusterTable {
    let record = host.shared("sidestep/2/cluster/backend").unwrap_or_default();
    ClusterTable::decode(&record).unwrap_or_default()
}

fn is_available(host: &FakeHost, addr: &str) -> bool {
    let addr: HostAddr = addr.parse().expect("an address");
    table(host).get(addr).is_none_or(|found| found.is_available())
}

fn eject(host: &FakeHost, worker: &mut Worker<FakeHost>, addr: &str) {
    for _ in 0..5 {
        whole(host, worker, &[(":method", "POST")], (addr, "503", 0, &[]));
    }
    assert!(!is_available(host, addr));
}

#[test]
fn grpc_that_an_envoy_shed_does_not_eject() {
    let host = host();
    let mut worker = worker(&host, &[A, B], "");
    let grpc = [(":method", "POST"), ("content-type", "application/grpc")];
    for _ in 0..10 {
        // To gRPC, Envoy's own answer is a 200 with a gRPC status.
        let shed: Answer = (A, "200", 0x80, &[("grpc-status", "14"), ("x-envoy-overloaded", "true")]);
        whole(&host, &mut worker, &grpc, shed);
    }
    assert!(is_available(&host, A));
}

#[test]
fn a_grpc_host_that_cannot_be_reached_failed_by_local_origin() {
    let host = host();
    let settings = r#", "outlier_detection": {"split_external_local_origin_errors": true, "consecutive_5xx": 1}"#;
    let mut worker = worker(&host, &[A, B], settings);
    let grpc = [(":method", "POST"), ("content-type", "application/grpc")];
    for _ in 0..4 {
        whole(&host, &mut worker, &grpc, (A, "200", 0x20, &[("grpc-status", "14")]));
        assert!(is_available(&host, A));
    }
    whole(&host, &mut worker, &grpc, (A, "200", 0x20, &[("grpc-status", "14")]));
    assert!(!is_available(&host, A));
}

#[test]
fn a_host_that_only_retries_were_sent_to_is_forgotten() {
    let host = host();
    let mut worker = worker(&host, &[], r#", "outlier_detection": {"consecutive_5xx": 0}"#);
    for addr in [A, B, C] {
        whole(&host, &mut worker, &[], (addr, "200", 0, &[]));
    }
    // C leaves the cluster. A fails now and then, and the retries that name C are answered well by others.
    for _ in 0..15 {
        host.pass(MINUTE);
        for addr in [A, B] {
            whole(&host, &mut worker, &[], (addr, "200", 0, &[]));
        }
        for _ in 0..4 {
            let (mut stream, flow) = answered(&host, &mut worker, &[], (A, "503", 0, &[]));
            assert_eq!(flow, Flow::Pause);
            host.callout(&[(":status", "200"), ("x-envoy-upstream-service-time", "1")], b"ok");
            let token = u32::try_from(host.seen().callouts.len()).expect("few");
            stream.on_callout_response(&mut worker, CalloutToken(token), 2, 2);
            stream.on_done(&mut worker);
        }
        worker.on_tick();
    }
    let known: Vec<String> = table(&host).hosts().iter().map(|host| host.addr.to_string()).collect();
    assert_eq!(known, [A, B]);
}

#[test]
fn a_request_that_cannot_be_retried_is_not_used_for_discovery() {
    let host = host();
    let settings = r#", "retry": {"num_retries": 0}, "picking": {"discovery_percent": 100}"#;
    let mut worker = worker(&host, &[A, B], settings);
    eject(&host, &mut worker, A);
    whole(&host, &mut worker, &[], (B, "200", 0, &[]));
    assert_eq!(host.request_header(OVERRIDE).as_deref(), Some(B));
}

#[test]
fn a_record_that_could_not_be_read_is_read_again() {
    let host = host();
    let settings = r#", "picking": {"discovery_percent": 0}"#;
    let (mut one, mut other) = (worker(&host, &[A, B], settings), worker(&host, &[A, B], settings));
    for worker in [&mut one, &mut other] {
        whole(&host, worker, &[], (C, "200", 0, &[]));
    }
    eject(&host, &mut one, A);
    host.fail_next_read("sidestep/2/cluster/backend");
    for _ in 0..2 {
        host.request(&[]);
        let _ = Stream::new(StreamId(1)).on_request_headers(&mut other, true);
    }
    assert!(host.request_header(OVERRIDE).is_some());
}

#[test]
fn envoys_own_answer_does_not_take_the_place_of_a_hosts() {
    let host = host();
    let settings = r#", "retry": {"retry_on": "retriable-status-codes", "retriable_status_codes": [500]}"#;
    let mut worker = worker(&host, &[A, B], settings);
    let (mut stream, flow) = answered(&host, &mut worker, &[], (A, "500", 0, &[]));
    assert_eq!(flow, Flow::Pause);
    host.callout(&[(":status", "503")], b"upstream connect error");
    stream.on_callout_response(&mut worker, CalloutToken(1), 1, 22);
    assert!(host.seen().resumed);
    assert_eq!(host.seen().replaced, None);
}

#[test]
fn another_failure_is_no_better_than_the_first_even_if_nobody_would_repeat_it() {
    let host = host();
    let mut worker = worker(&host, &[A, B], "");
    let (mut stream, _) = answered(&host, &mut worker, &[], (A, "503", 0, &[]));
    host.callout(&[(":status", "500"), ("x-envoy-upstream-service-time", "1")], b"x");
    stream.on_callout_response(&mut worker, CalloutToken(1), 2, 1);
    assert!(host.seen().resumed);
    assert_eq!(host.seen().replaced, None);
}

#[test]
fn a_configured_host_that_is_not_in_the_cluster_costs_no_writes() {
    let host = host();
    let mut worker = worker(&host, &[A, B, C], r#", "picking": {"discovery_percent": 0}"#);
    eject(&host, &mut worker, A);
    // That pins are followed is written down once.
    whole(&host, &mut worker, &[], (B, "200", 0, &[]));
    let before = host.seen().writes;
    for _ in 0..100 {
        // Envoy passes C over, wherever it stands in the pin.
        whole(&host, &mut worker, &[], (B, "200", 0, &[]));
    }
    assert_eq!(host.seen().writes, before);
    // Once passed over it is not named again for a while.
    assert_eq!(host.request_header(OVERRIDE).as_deref(), Some(B));
}

#[test]
fn a_request_is_let_go_as_soon_as_its_answer_is_good() {
    let host = host();
    let mut worker = worker(&host, &[A, B], "");
    host.request(&[(":method", "PUT")]);
    host.request_body(&[0; 1000]);
    let mut stream = Stream::new(StreamId(1));
    let _ = stream.on_request_headers(&mut worker, false);
    let _ = stream.on_request_body(&mut worker, 1000, true);
    assert_eq!(worker.held_bytes().used(), 1000);
    let _ = stream.on_response_headers(&mut worker, false);
    assert_eq!(worker.held_bytes().used(), 0);
}

#[test]
fn an_answer_too_large_to_hold_is_not_held() {
    let host = host();
    let json = r#"{"retry": {"engine": "filter", "max_held_bytes": 10}, "clusters": {"backend": {"hosts": ["10.0.0.1:80", "10.0.0.2:80"]}}}"#;
    let mut worker = Worker::start(host.clone(), Config::from_json(json.as_bytes()).expect("right"), 1);
    for (size, delivered) in [(11, false), (10, true)] {
        let (mut stream, _) = answered(&host, &mut worker, &[], (A, "503", 0, &[]));
        host.callout(
            &[(":status", "200"), ("x-envoy-upstream-service-time", "1")],
            &vec![b'x'; size],
        );
        let token = u32::try_from(host.seen().callouts.len()).expect("few");
        stream.on_callout_response(&mut worker, CalloutToken(token), 2, size);
        assert_eq!(host.seen().replaced.is_some(), delivered, "{size} bytes");
        assert_eq!(worker.held_bytes().used(), if delivered { size } else { 0 });
        let _ = stream.on_response_body(&mut worker, 3, true);
        assert_eq!(worker.held_bytes().used(), 0);
        stream.on_done(&mut worker);
    }
}

#[test]
fn a_host_that_no_pin_can_name_is_not_watched() {
    let host = host();
    let mut worker = worker(&host, &[], "");
    let before = host.seen().writes;
    for _ in 0..10 {
        whole(&host, &mut worker, &[], ("[fe80::1%2]:80", "200", 0, &[]));
    }
    assert_eq!(host.seen().writes, before);
    assert_eq!(table(&host), ClusterTable::default());
}

#[test]
fn a_second_retry_knows_of_an_ejection_by_another_worker() {
    let settings = r#", "retry": {"num_retries": 2}, "outlier_detection": {"max_ejection_percent": 90}"#;
    for nanos in 0..20 {
        let host = host();
        host.pass(Duration::from_nanos(nanos * 77_777));
        let (mut one, mut other) = (worker(&host, &[A, B, C], settings), worker(&host, &[A, B, C], settings));
        let (mut stream, _) = answered(&host, &mut one, &[], (A, "503", 0, &[]));
        let target = |callout: usize| {
            let pin = host.seen().callouts.get(callout).and_then(|headers| pin_of(headers));
            pin.and_then(|pin| pin.split(',').next().map(str::to_owned))
        };
        let left = if target(0).as_deref() == Some(B) { C } else { B };
        eject(&host, &mut other, left);
        host.callout(&[(":status", "503"), ("x-envoy-upstream-service-time", "1")], b"");
        stream.on_callout_response(&mut one, CalloutToken(1), 2, 0);
        // Nobody is left but those that were tried: one of them is asked again.
        assert_ne!(target(1).as_deref(), Some(left));
        assert!(!host.seen().resumed);
    }
}

#[test]
fn the_first_failure_that_a_worker_sees_is_retried_if_hosts_are_configured() {
    let host = host();
    let settings = r#", "retry": {"retry_on": "retriable-status-codes", "retriable_status_codes": [425]}"#;
    let mut worker = worker(&host, &[A, B], settings);
    let (_, flow) = answered(&host, &mut worker, &[], (A, "425", 0, &[]));
    assert_eq!(flow, Flow::Pause);
}

#[test]
fn where_a_retrys_body_has_no_place_the_stream_is_reset_rather_than_cut_short() {
    let host = host();
    let mut worker = worker(&host, &[A, B], "");
    let (mut stream, _) = answered(&host, &mut worker, &[], (A, "503", 0, &[]));
    host.callout(&[(":status", "200"), ("x-envoy-upstream-service-time", "1")], b"hello");
    stream.on_callout_response(&mut worker, CalloutToken(1), 2, 5);
    let _ = stream.on_response_trailers(&mut worker);
    assert!(host.seen().reset);
}

#[test]
fn a_retry_names_every_host_that_it_may_go_to_and_none_that_was_tried() {
    let host = host();
    let mut worker = worker(&host, &[A, B, C], "");
    let (_, flow) = answered(&host, &mut worker, &[], (A, "503", 0, &[]));
    assert_eq!(flow, Flow::Pause);
    let pin = host.seen().callouts.last().and_then(|headers| pin_of(headers));
    let mut named: Vec<String> = pin.unwrap_or_default().split(',').map(str::to_owned).collect();
    named.sort_unstable();
    assert_eq!(named, [B, C]);
}

#[test]
fn a_host_whose_ejection_is_over_is_tried_before_any_tick_and_by_one_request() {
    let host = host();
    let settings = r#", "picking": {"discovery_percent": 0, "panic_threshold": 0},
        "outlier_detection": {"max_ejection_percent": 90}"#;
    // Another worker ejects them, for what it is answered is not what its pins ask for.
    let (mut worker, mut other) = (worker(&host, &[A, B, C], settings), worker(&host, &[A, B, C], settings));
    eject(&host, &mut other, A);
    host.pass(Duration::from_secs(10));
    eject(&host, &mut other, C);
    let mut pins = || {
        host.request(&[]);
        let _ = Stream::new(StreamId(1)).on_request_headers(&mut worker, true);
        host.request_header(OVERRIDE).unwrap_or_default()
    };
    assert_eq!(pins(), B);
    // A's time is over, C's is not.
    host.pass(Duration::from_secs(20));
    assert_eq!(pins(), format!("{A},{B}"));
    assert_eq!(pins(), B);
}
