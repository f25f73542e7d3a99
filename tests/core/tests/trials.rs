//! Probation: one request at a time, and only one that could be retried elsewhere.

use sidestep::health::{Control, ControlAction};
use sidestep::host::{Attribute, StreamId};
use sidestep::metrics::Metric;
use sidestep::stream::{Flow, Stream};
use sidestep_core::test;
use sidestep_core::workers::{CLUSTER, Flight, SECOND, Stage, Workers, addr, steer_request};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

const GET: &[(&str, &str)] = &[];
const POST: &[(&str, &str)] = &[(":method", "POST")];

#[test]
fn of_all_requests_to_all_workers_one_at_a_time_is_a_trial() {
    let mut workers = Workers::in_probation(4, 3, "");
    let flights: Vec<_> = (0..40).map(|request| workers.request(request % 4, GET)).collect();
    let (trials, others): (Vec<_>, Vec<_>) = flights.into_iter().partition(|flight| flight.pin[0] == 1);
    assert_eq!(trials.len(), 1);
    assert!(others.iter().all(|flight| !flight.pin.contains(&1)));
    assert_eq!(workers.count(Metric::ProbationTrials), 1);
}

#[test]
fn two_workers_that_see_a_host_in_probation_at_once_send_one_trial() {
    let mut workers = Workers::in_probation(2, 3, "");
    let other = Rc::new(RefCell::new(workers.workers.pop().expect("two")));
    let theirs = Rc::new(RefCell::new(None));
    let (worker, steering) = (Rc::clone(&other), Rc::clone(&theirs));
    workers.host.interrupt_next_write(move || {
        *steering.borrow_mut() = steer_request(&mut worker.borrow_mut(), || true);
    });
    let ours = workers.steer(0, true).expect("a host is out");
    let theirs = theirs.borrow_mut().take().expect("a host is out");
    assert_eq!(theirs.trial, Some(addr(1)));
    assert_eq!(ours.trial, None);
    assert!(ours.pin.is_some_and(|pin| pin.hosts().all(|host| host != addr(1))));
}

#[test]
fn hosts_in_probation_are_tried_one_beside_the_other() {
    let mut workers = Workers::touchy(2, 4, "");
    workers.fail(0, 1);
    workers.fail(1, 2);
    workers.live(31 * SECOND);
    let flights: Vec<_> = (0..10).map(|request| workers.request(request % 2, GET)).collect();
    let first = |host: u16| flights.iter().filter(|flight| flight.pin[0] == host).count();
    assert_eq!([first(1), first(2)], [1, 1]);
    // A trial must not be sent on to another host in probation.
    for flight in &flights {
        assert!(flight.pin.iter().skip(1).all(|host| *host > 2), "{:?}", flight.pin);
    }
}

#[test]
fn a_trial_whose_vm_dies_is_followed_by_another_when_its_lease_is_over_and_not_before() {
    let mut workers = Workers::in_probation(3, 3, "");
    assert_eq!(workers.request(0, GET).pin[0], 1);
    workers.replace(0);
    // `probation_timeout` and 5 s.
    for _ in 0..5 {
        workers.live(SECOND);
        for worker in 0..3 {
            assert!(!workers.request(worker, GET).pin.contains(&1));
        }
    }
    workers.live(SECOND);
    let trials = (0..3)
        .filter(|worker| workers.request(*worker, GET).pin[0] == 1)
        .count();
    assert_eq!(trials, 1);
}

#[test]
fn a_trial_that_says_nothing_is_followed_by_another_at_once() {
    type End = fn(&mut Workers, Flight);
    let ends: [(&str, End); 4] = [
        ("the client hung up", |workers, flight| workers.gone(flight, 0x4000)),
        ("the host left the cluster", |workers, mut flight| {
            let _ = workers.answer(&mut flight, (2, "200", 0, &[]));
            workers.end(flight);
        }),
        ("our own circuit breaker", |workers, mut flight| {
            let _ = workers.answer(&mut flight, (1, "503", 0x80, &[]));
            workers.end(flight);
        }),
        ("too early", |workers, mut flight| {
            let _ = workers.answer(&mut flight, (1, "425", 0, &[]));
            workers.end(flight);
        }),
    ];
    for (what, end) in ends {
        let mut workers = Workers::in_probation(2, 3, "");
        let trial = workers.request(0, GET);
        assert_eq!(trial.pin[0], 1);
        end(&mut workers, trial);
        assert_eq!(workers.stage(1), Stage::Probation, "{what}");
        // The first worker may have seen that the host is not there.
        assert_eq!(workers.request(1, GET).pin[0], 1, "{what}");
    }
}

#[test]
fn whatever_a_trial_fails_of_its_request_goes_elsewhere_and_the_host_is_out_for_longer() {
    let settings = r#""matchers": [{"header": {"name": "x-app", "exact": "broken"}, "outcome": "failure"}]"#;
    type Failure<'a> = (&'a str, u64, &'a [(&'a str, &'a str)]);
    let failures: [Failure<'_>; 11] = [
        ("500", 0, &[]),
        ("501", 0, &[]),
        ("503", 0, &[]),
        ("503", 0, &[("x-envoy-overloaded", "true")]),
        ("429", 0, &[]),
        ("429", 0, &[("retry-after", "10")]),
        ("429", 0, &[("x-envoy-ratelimited", "true")]),
        ("200", 0, &[("x-app", "broken")]),
        ("503", 0x20, &[]),
        ("503", 0x40, &[]),
        ("504", 0x4, &[]),
    ];
    for (status, flags, headers) in failures {
        let mut workers = Workers::in_probation(2, 3, settings);
        let asked = [("x-envoy-upstream-rq-per-try-timeout-ms", "700")];
        let mut trial = workers.request(0, &asked);
        assert_eq!(trial.pin[0], 1);
        workers.pass(Duration::from_millis(700));
        if flags == 0x4 {
            workers
                .host
                .attribute_is(Attribute::ResponseCodeDetails, b"upstream_per_try_timeout");
        }
        let what = format!("{status} {flags:#x} {headers:?}");
        assert_eq!(
            workers.answer(&mut trial, (1, status, flags, headers)),
            Flow::Pause,
            "{what}"
        );
        assert!(!workers.callout().contains(&1), "{what}");
        assert_eq!(workers.ejected_for(1), Some(60 * SECOND), "{what}");
        workers.answer_retry(&mut trial, "200");
        workers.end(trial);
        assert_eq!(workers.count(Metric::ProbationFailed), 1, "{what}");
        assert_eq!(workers.count(Metric::RetriesSucceeded), 1, "{what}");
    }
}

#[test]
fn a_trial_may_take_as_long_as_probation_timeout_says_and_other_requests_as_long_as_before() {
    let mut workers = Workers::in_probation(1, 3, "");
    assert_eq!(workers.request(0, GET).limit, Some(1000));
    assert_eq!(workers.request(0, GET).limit, None);
}

#[test]
fn what_could_not_be_retried_elsewhere_is_never_a_trial() {
    let grpc = [(":method", "POST"), ("content-type", "application/grpc")];
    let upgrade = [("connection", "upgrade"), ("upgrade", "websocket")];
    let by_router = [("x-envoy-retry-on", "5xx")];
    for request in [POST, &[(":method", "CONNECT")], &grpc, &upgrade, &by_router] {
        let mut workers = Workers::in_probation(2, 3, "");
        assert!(!workers.request(0, request).pin.contains(&1), "{request:?}");
        assert_eq!(workers.count(Metric::ProbationTrials), 0);
    }
    for settings in [r#""retry": {"num_retries": 0}"#, r#""retry": {"retry_on": ""}"#] {
        let mut workers = Workers::in_probation(2, 3, settings);
        assert!(!workers.request(0, GET).pin.contains(&1), "{settings}");
    }
    // Callouts take text alone.
    let mut workers = Workers::in_probation(1, 3, "");
    workers.host.odd_request_header("x-name", b"caf\xe9");
    assert!(!workers.request(0, GET).pin.contains(&1));
    // A body that is still to come may be too large.
    let mut workers = Workers::in_probation(1, 3, "");
    workers.host.request(&[(":method", "PUT")]);
    let mut stream = Stream::new(StreamId(1));
    let _ = stream.on_request_headers(&mut workers.workers[0], false);
    assert!(
        !workers
            .host
            .request_header("x-sidestep-host")
            .expect("a pin")
            .contains("10.0.0.1:")
    );
}

#[test]
fn where_no_request_could_be_a_trial_the_host_comes_back_after_an_interval_without() {
    let mut workers = Workers::in_probation(2, 3, "");
    // Without requests nobody waits.
    workers.live(50 * SECOND);
    for _ in 0..10 {
        let _ = workers.whole(1, POST, (2, "200", 0, &[]));
        assert_eq!(workers.stage(1), Stage::Probation);
        workers.live(SECOND);
    }
    let flight = workers.request(1, POST);
    assert_eq!(workers.stage(1), Stage::Ramp);
    assert_eq!(workers.count(Metric::ProbationTrials), 0);
    workers.end(flight);
    workers.live(10 * SECOND);
    assert_eq!(workers.stage(1), Stage::Healthy);
}

#[test]
fn a_trial_that_times_out_leaves_time_for_the_retry() {
    for (settings, headers) in [
        ("", &[("x-envoy-upstream-rq-timeout-ms", "800")][..]),
        (r#""retry": {"timeout": "800ms"}"#, &[]),
    ] {
        let mut workers = Workers::in_probation(1, 3, settings);
        let mut trial = workers.request(0, headers);
        let Some(limit) = trial.limit.filter(|_| trial.pin[0] == 1) else {
            continue;
        };
        workers.pass(Duration::from_millis(limit));
        let details: &[u8] = if limit < 800 {
            b"upstream_per_try_timeout"
        } else {
            b"upstream_response_timeout"
        };
        workers.host.attribute_is(Attribute::ResponseCodeDetails, details);
        assert_eq!(
            workers.answer(&mut trial, (1, "504", 0x4, &[])),
            Flow::Pause,
            "{settings} {headers:?}"
        );
    }
}

#[test]
fn a_trial_of_an_earlier_probation_does_not_end_the_one_that_is_out() {
    let mut workers = Workers::in_probation(2, 3, "");
    let old = workers.request(0, GET);
    assert_eq!(old.pin[0], 1);
    let control = Control {
        host: addr(1),
        action: ControlAction::Eject,
        until: workers.now().after(SECOND),
        reason: String::new(),
    };
    workers.workers[0].control(CLUSTER, &control);
    workers.live(SECOND);
    assert_eq!(workers.request(1, GET).pin[0], 1);
    workers.gone(old, 0x4000);
    for worker in [0, 1] {
        assert!(!workers.request(worker, GET).pin.contains(&1));
    }
}

#[test]
fn a_host_does_not_come_back_without_proof_while_another_workers_trial_is_out() {
    let mut workers = Workers::in_probation(2, 3, "");
    let _ = workers.whole(0, POST, (2, "200", 0, &[]));
    workers.live(10 * SECOND);
    let other = Rc::new(RefCell::new(workers.workers.pop().expect("two")));
    let theirs = Rc::new(RefCell::new(None));
    let (worker, steering) = (Rc::clone(&other), Rc::clone(&theirs));
    workers.host.interrupt_next_write(move || {
        *steering.borrow_mut() = steer_request(&mut worker.borrow_mut(), || true);
    });
    let _ = workers.request(0, POST);
    let theirs = theirs.borrow_mut().take().expect("a host is out");
    assert_eq!(theirs.trial, Some(addr(1)));
    assert_eq!(workers.stage(1), Stage::Probation);
}
