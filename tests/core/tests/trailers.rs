//! What comes after an answer's headers: a gRPC status in the trailers, or an end that comes too early.

use sidestep::detect::Detector;
use sidestep::health::HostState;
use sidestep::metrics::Metric;
use sidestep::model::{Outcome, Timestamp};
use sidestep::stream::Flow;
use sidestep_core::test;
use sidestep_core::workers::{Flight, SECOND, Stage, Workers};

const GET: &[(&str, &str)] = &[];
const GRPC: &[(&str, &str)] = &[(":method", "POST"), ("content-type", "application/grpc+proto")];

/// A request whose answer, by host 1, has begun with a 200 that says nothing more.
fn begun(workers: &mut Workers, worker: usize, request: &[(&str, &str)]) -> Flight {
    let mut flight = workers.request(worker, request);
    assert_eq!(workers.answer(&mut flight, (1, "200", 0, &[])), Flow::Continue);
    flight
}

/// The answer ends with these trailers.
fn trailers(workers: &mut Workers, mut flight: Flight, pairs: &[(&str, &str)]) {
    workers.host.began(flight.began);
    workers.host.trailers(pairs);
    let flow = flight.stream.on_response_trailers(&mut workers.workers[flight.worker]);
    assert_eq!(flow, Flow::Continue);
    workers.gone(flight, 0);
}

/// Failures, successes, overloads, ignored attempts.
fn counts(workers: &mut Workers) -> [u64; 4] {
    [
        Metric::AttemptsFailureExternal,
        Metric::AttemptsSuccess,
        Metric::AttemptsOverload,
        Metric::AttemptsIgnored,
    ]
    .map(|metric| workers.count(metric))
}

#[test]
fn a_status_in_trailers_counts_as_it_would_in_headers() {
    for status in 0..18_u32 {
        let text = status.to_string();
        let mut in_headers = Workers::touchy(1, 3, "");
        let _ = in_headers.whole(0, GRPC, (1, "200", 0, &[("grpc-status", &text)]));
        let mut in_trailers = Workers::touchy(1, 3, "");
        let flight = begun(&mut in_trailers, 0, GRPC);
        trailers(&mut in_trailers, flight, &[("grpc-status", &text)]);
        assert_eq!(in_trailers.stage(1), in_headers.stage(1), "{status}");
        assert_eq!(counts(&mut in_trailers), counts(&mut in_headers), "{status}");
        let failure = matches!(status, 2 | 4 | 13 | 14 | 15);
        let stage = if failure { Stage::Ejected } else { Stage::Healthy };
        assert_eq!(in_trailers.stage(1), stage, "{status}");
    }
}

#[test]
fn until_the_trailers_come_nothing_is_known_and_then_it_counts_once() {
    let mut workers = Workers::touchy(1, 3, "");
    let flight = begun(&mut workers, 0, GRPC);
    assert_eq!(counts(&mut workers), [0; 4]);
    trailers(&mut workers, flight, &[("grpc-status", "0")]);
    assert_eq!(counts(&mut workers), [0, 1, 0, 0]);
}

#[test]
fn an_answer_of_trailers_alone_counts_at_once_and_once() {
    let mut workers = Workers::touchy(1, 3, "");
    let mut flight = workers.request(0, GRPC);
    workers.host.response(
        "10.0.0.1:80",
        "200",
        0,
        &[("grpc-status", "14"), ("grpc-message", "no")],
    );
    let _ = flight.stream.on_response_headers(&mut workers.workers[0], true);
    assert_eq!(workers.stage(1), Stage::Ejected);
    workers.gone(flight, 0);
    assert_eq!(counts(&mut workers), [1, 0, 0, 0]);
}

#[test]
fn an_answer_without_any_status_is_no_failure() {
    let mut workers = Workers::touchy(1, 3, "");
    let flight = begun(&mut workers, 0, GRPC);
    workers.end(flight);
    for odd in ["", "x", "-1", "99999999999"] {
        let flight = begun(&mut workers, 0, GRPC);
        trailers(&mut workers, flight, &[("grpc-status", odd)]);
    }
    assert_eq!(counts(&mut workers), [0, 5, 0, 0]);
    assert_eq!(workers.stage(1), Stage::Healthy);
}

#[test]
fn an_http_status_that_is_a_failure_counts_whatever_the_trailers_say() {
    let mut workers = Workers::touchy(1, 3, "");
    let mut flight = workers.request(0, GRPC);
    let _ = workers.answer(&mut flight, (1, "500", 0, &[]));
    assert_eq!(workers.stage(1), Stage::Ejected);
    trailers(&mut workers, flight, &[("grpc-status", "0")]);
    assert_eq!(counts(&mut workers), [1, 0, 0, 0]);
}

#[test]
fn what_is_no_grpc_has_no_status_in_its_trailers() {
    for content_type in ["application/grpc-web", "text/plain"] {
        let mut workers = Workers::touchy(1, 3, "");
        let flight = begun(&mut workers, 0, &[(":method", "POST"), ("content-type", content_type)]);
        assert_eq!(counts(&mut workers), [0, 1, 0, 0]);
        trailers(&mut workers, flight, &[("grpc-status", "14")]);
        assert_eq!(counts(&mut workers), [0, 1, 0, 0], "{content_type}");
        assert_eq!(workers.stage(1), Stage::Healthy);
    }
}

#[test]
fn trailers_that_ask_for_less_lower_the_share() {
    for (asks, millis) in [(("grpc-retry-pushback-ms", "2500"), 2500), (("retry-after", "4"), 4000)] {
        let mut workers = Workers::touchy(1, 3, "");
        let flight = begun(&mut workers, 0, GRPC);
        trailers(&mut workers, flight, &[("grpc-status", "8"), asks]);
        let until = workers.now().after(std::time::Duration::from_millis(millis));
        assert_eq!(workers.health(1).overloaded_until, until);
        assert_eq!(workers.stage(1), Stage::Healthy);
    }
}

#[test]
fn matchers_see_trailers_where_those_are_what_tells() {
    let matchers = r#""matchers": [
        {"header": {"name": "x-app", "exact": "broken"}, "outcome": "failure"},
        {"header": {"name": "x-fault-of-caller", "present": true}, "outcome": "ignored"}]"#;
    for (pairs, counted) in [
        ([("grpc-status", "0"), ("x-app", "broken")], [1, 0, 0, 0]),
        ([("grpc-status", "0"), ("x-app", "fine")], [0, 1, 0, 0]),
        ([("grpc-status", "14"), ("x-fault-of-caller", "")], [0, 0, 0, 1]),
    ] {
        let mut workers = Workers::touchy(1, 3, matchers);
        let flight = begun(&mut workers, 0, GRPC);
        trailers(&mut workers, flight, &pairs);
        assert_eq!(counts(&mut workers), counted, "{pairs:?}");
    }
}

#[test]
fn trailers_of_a_request_from_before_an_ejection_are_stragglers() {
    let mut workers = Workers::touchy(2, 3, "");
    let flights: Vec<_> = (0..4).map(|request| begun(&mut workers, request % 2, GRPC)).collect();
    assert_eq!(workers.fail(1, 1), Some(30 * SECOND));
    workers.live(SECOND);
    let health = workers.health(1);
    for (flight, status) in flights.into_iter().zip(["14", "0", "8", "1"]) {
        trailers(&mut workers, flight, &[("grpc-status", status)]);
    }
    assert_eq!(workers.health(1), health);
}

#[test]
fn a_grpc_answer_that_its_host_cuts_short_is_a_failure_in_the_row() {
    for (flags, stage) in [
        (0x10, Stage::Ejected),          // UR
        (0x40, Stage::Ejected),          // UC
        (0x80_0000, Stage::Ejected),     // UPE
        (0x4000, Stage::Healthy),        // DC
        (0x1000_0000, Stage::Healthy),   // DR
        (0x4000 | 0x10, Stage::Healthy), // the client first
        (0x1000_0000 | 0x40, Stage::Healthy),
        (0, Stage::Healthy),
    ] {
        let mut workers = Workers::touchy(1, 3, "");
        let flight = begun(&mut workers, 0, GRPC);
        workers.gone(flight, flags);
        assert_eq!(workers.stage(1), stage, "{flags:#x}");
    }
    let mut workers = Workers::start(
        1,
        3,
        r#""outlier_detection": {"split_external_local_origin_errors": true, "consecutive_local_origin_failure": 1}"#,
    );
    let flight = begun(&mut workers, 0, GRPC);
    workers.gone(flight, 0x10);
    assert!(matches!(workers.state(1), HostState::Ejected(ejection)
        if ejection.detector == Detector::ConsecutiveLocalOriginFailure));
}

/// Workers that eject by failure percentage alone.
fn by_percentage(workers: usize) -> Workers {
    Workers::start(
        workers,
        5,
        r#""outlier_detection": {
            "consecutive_5xx": 0, "enforcing_success_rate": 0, "enforcing_failure_percentage": 100,
            "failure_percentage_threshold": 50, "interval": "10s"}"#,
    )
}

/// So many requests for each host, of which these many at host 1 end with flags.
fn interval(workers: &mut Workers, requests: u32, cut: u32, flags: u64) {
    let count = workers.workers.len();
    for request in 0..requests {
        for host in 1..=5 {
            let mut flight = workers.request(request as usize % count, GET);
            assert_eq!(workers.answer(&mut flight, (host, "200", 0, &[])), Flow::Continue);
            if host == 1 && request < cut {
                workers.gone(flight, flags);
            } else {
                workers.end(flight);
            }
        }
    }
}

#[test]
fn bodies_that_a_host_cuts_short_count_for_the_detectors_that_look_at_intervals() {
    for (cut, flags, ejected) in [
        (80, 0x40, true),
        (80, 0x10, true),
        (80, 0x80_0000, true),
        (40, 0x40, false),
        (80, 0x4000, false),
        (80, 0x4000 | 0x40, false),
    ] {
        let mut workers = by_percentage(2);
        // Whole intervals are counted once a worker has met the cluster.
        interval(&mut workers, 2, 0, 0);
        workers.live(10 * SECOND);
        interval(&mut workers, 100, cut, flags);
        assert_eq!(workers.stage(1), Stage::Healthy);
        workers.live(13 * SECOND);
        assert_eq!(workers.stage(1) == Stage::Ejected, ejected, "{cut} of 100, {flags:#x}");
        let counted = if flags & 0x4000 == 0 { u64::from(cut) } else { 0 };
        assert_eq!(workers.count(Metric::AttemptsCut), counted);
        for host in 2..=5 {
            assert_eq!(workers.stage(host), Stage::Healthy);
        }
    }
}

#[test]
fn a_body_that_is_cut_short_is_no_failure_in_the_row() {
    let mut workers = Workers::touchy(1, 3, "");
    for _ in 0..10 {
        let flight = begun(&mut workers, 0, GET);
        workers.gone(flight, 0x40);
    }
    assert_eq!(workers.stage(1), Stage::Healthy);
    assert_eq!(workers.count(Metric::AttemptsCut), 10);
}

#[test]
fn an_answer_that_came_to_its_end_is_not_cut_by_what_follows() {
    let mut workers = Workers::touchy(1, 3, "");
    let mut flight = begun(&mut workers, 0, GET);
    let _ = flight.stream.on_response_body(&mut workers.workers[0], 5, false);
    let _ = flight.stream.on_response_body(&mut workers.workers[0], 0, true);
    workers.gone(flight, 0x40);
    let flight = begun(&mut workers, 0, GRPC);
    trailers(&mut workers, flight, &[("grpc-status", "0")]);
    assert_eq!(workers.count(Metric::AttemptsCut), 0);
    assert_eq!(counts(&mut workers), [0, 2, 0, 0]);
}

#[test]
fn a_trailer_is_not_taken_for_that_of_the_request_before() {
    let mut workers = Workers::touchy(1, 3, "");
    workers.host.trailers(&[("grpc-status", "14")]);
    let flight = begun(&mut workers, 0, GRPC);
    workers.end(flight);
    assert_eq!(workers.stage(1), Stage::Healthy);
    assert_eq!(workers.health(1).overloaded_until, Timestamp::ZERO);
}

#[test]
fn answers_from_before_an_ejection_that_are_cut_later_are_stragglers() {
    let settings = r#""outlier_detection": {"consecutive_5xx": 5, "enforcing_success_rate": 0,
        "enforcing_failure_percentage": 100, "failure_percentage_threshold": 50, "interval": "10s"}"#;
    let mut workers = Workers::start(2, 5, settings);
    for host in 1..=5 {
        workers.attempt(0, host, Outcome::Success);
        workers.attempt(1, host, Outcome::Success);
    }
    workers.tick_all();
    let mut long = Vec::new();
    for request in 0..80 {
        let mut flight = workers.request(request % 2, GET);
        let _ = workers.answer(&mut flight, (1, "200", 0, &[]));
        long.push(flight);
    }
    for _ in 0..5 {
        workers.fail(0, 1);
    }
    assert_eq!(workers.stage(1), Stage::Ejected);
    workers.live(30 * SECOND);
    workers.attempt(0, 1, Outcome::Success);
    workers.live(10 * SECOND);
    for flight in long {
        workers.gone(flight, 0x40);
    }
    for request in 0..300 {
        workers.attempt(request % 2, (request % 5 + 1) as u16, Outcome::Success);
    }
    workers.live(13 * SECOND);
    assert_ne!(workers.stage(1), Stage::Ejected);
}
