//! Where requests are sent while some host gets less than its share: fair shares, ramps, overload, panic.

use sidestep::host::{Attribute, CalloutToken};
use sidestep::metrics::Metric;
use sidestep::model::{Outcome, Timestamp};
use sidestep::stream::Flow;
use sidestep_core::test;
use sidestep_core::workers::{Flight, SECOND, Stage, Workers};
use std::collections::BTreeMap;
use std::time::Duration;

const GET: &[(&str, &str)] = &[];

/// How many of so many requests to all workers are meant for each host.
fn meant(workers: &mut Workers, requests: usize) -> BTreeMap<u16, usize> {
    let count = workers.workers.len();
    let mut meant = BTreeMap::new();
    for request in 0..requests {
        let flight = workers.request(request % count, GET);
        *meant
            .entry(flight.pin.first().copied().unwrap_or_default())
            .or_default() += 1;
        workers.gone(flight, 0x4000);
    }
    meant
}

/// The part of so many requests that is meant for host 1, in thousandths of a fair share of `hosts`.
fn share_of_1(workers: &mut Workers, requests: usize, hosts: usize) -> usize {
    meant(workers, requests).get(&1).copied().unwrap_or(0) * hosts * 1000 / requests
}

/// Host 1 is ramping up since just now.
fn ramping(workers: usize, hosts: u16) -> Workers {
    let mut workers = Workers::in_probation(workers, hosts, "");
    workers.attempt(0, 1, Outcome::Success);
    assert_eq!(workers.stage(1), Stage::Ramp);
    workers
}

#[test]
fn while_all_hosts_have_their_share_nobody_is_pinned() {
    let mut workers = Workers::touchy(2, 3, "");
    assert_eq!(meant(&mut workers, 10), BTreeMap::from([(0, 10)]));
    workers.fail(0, 1);
    let meant = meant(&mut workers, 1000);
    assert_eq!(meant.keys().copied().collect::<Vec<_>>(), [2, 3]);
    assert!(meant.values().all(|count| (450..=550).contains(count)), "{meant:?}");
}

#[test]
fn in_a_ramp_a_hosts_part_of_the_traffic_grows_from_step_to_step_up_to_a_fair_one() {
    let mut workers = ramping(4, 5);
    let mut parts = Vec::new();
    for _ in 0..10 {
        parts.push(share_of_1(&mut workers, 8000, 5));
        workers.live(SECOND);
    }
    // At its beginning the tenth that it takes itself, and what the others' passing on leaves it.
    assert!((80..200).contains(&parts[0]), "{parts:?}");
    assert!(parts.windows(2).all(|step| step[0] < step[1]), "{parts:?}");
    assert!((850..1000).contains(&parts[9]), "{parts:?}");
    assert_eq!(workers.stage(1), Stage::Healthy);
    assert!(workers.request(0, GET).pin.is_empty());
}

#[test]
fn no_host_starves_after_a_ramp_while_another_one_is_still_out() {
    let mut workers = ramping(3, 5);
    workers.live(9 * SECOND);
    workers.fail(1, 2);
    workers.live(10 * SECOND);
    assert_eq!([workers.stage(1), workers.stage(2)], [Stage::Healthy, Stage::Ejected]);
    let meant = meant(&mut workers, 4000);
    assert_eq!(meant.len(), 4);
    assert!(meant.values().all(|count| (950..=1050).contains(count)), "{meant:?}");
}

#[test]
fn a_ramp_never_leaves_a_request_without_a_host() {
    // The only host that is not out is ramping.
    let settings = r#""outlier_detection": {"consecutive_5xx": 1, "max_ejection_percent": 100},
        "picking": {"discovery_percent": 0, "panic_threshold": 0}"#;
    let mut workers = Workers::start(2, 2, settings);
    workers.fail(0, 1);
    workers.live(30 * SECOND);
    workers.attempt(0, 1, Outcome::Success);
    workers.fail(0, 2);
    assert_eq!([workers.stage(1), workers.stage(2)], [Stage::Ramp, Stage::Ejected]);
    assert_eq!(meant(&mut workers, 100), BTreeMap::from([(1, 100)]));
}

#[test]
fn in_panic_there_are_no_pins_and_each_is_counted() {
    let settings = |threshold: u8| {
        format!(
            r#""outlier_detection": {{"consecutive_5xx": 1, "max_ejection_percent": 100}},
               "picking": {{"discovery_percent": 0, "panic_threshold": {threshold}}}"#
        )
    };
    // Of four hosts, 0 to 3 are out.
    for (threshold, panics) in [
        (0, [false, false, false, false]),
        (25, [false, false, false, false]),
        (26, [false, false, false, true]),
        (50, [false, false, false, true]),
        (51, [false, false, true, true]),
        (75, [false, false, true, true]),
        (100, [false, true, true, true]),
    ] {
        let mut workers = Workers::start(2, 4, &settings(threshold));
        for (host, panics) in (1..).zip(panics) {
            let before = workers.count(Metric::PinsRefusedPanic);
            let pinned = (0..10)
                .filter(|request| !workers.request(request % 2, GET).pin.is_empty())
                .count();
            let restless = host > 1;
            assert_eq!(
                pinned,
                if restless && !panics { 10 } else { 0 },
                "{threshold} % with {} out",
                host - 1
            );
            let refused = workers.count(Metric::PinsRefusedPanic) - before;
            assert_eq!(
                refused,
                if panics { 10 } else { 0 },
                "{threshold} % with {} out",
                host - 1
            );
            workers.fail(0, host);
        }
    }
}

#[test]
fn panic_ends_when_hosts_have_proved_themselves_and_they_do() {
    let settings = r#""outlier_detection": {"consecutive_5xx": 1, "max_ejection_percent": 100, "interval": "10s"},
        "picking": {"discovery_percent": 0, "panic_threshold": 50}"#;
    let mut workers = Workers::start(2, 4, settings);
    for host in 1..=3 {
        workers.fail(0, host);
    }
    workers.live(30 * SECOND);
    // Envoy sends requests to any host now, and what hosts in probation answer counts.
    assert!(workers.request(0, GET).pin.is_empty());
    let _ = workers.whole(1, GET, (2, "200", 0, &[]));
    assert_eq!(workers.stage(2), Stage::Ramp);
    assert!(!workers.request(0, GET).pin.is_empty());
}

#[test]
fn a_small_part_of_the_retriable_requests_goes_unpinned_and_no_other() {
    // What is risked is paid for by the budget.
    let settings = r#""outlier_detection": {"consecutive_5xx": 1}, "picking": {"discovery_percent": 10},
                      "retry": {"budget": {"min_retries_per_second": 10000}}"#;
    let mut workers = Workers::start(2, 3, settings);
    workers.fail(0, 1);
    let unpinned = meant(&mut workers, 4000)[&0];
    assert!((340..460).contains(&unpinned), "{unpinned}");
    assert_eq!(workers.count(Metric::Discovery), unpinned as u64);
    let posts = (0..1000).filter(|_| workers.request(0, &[(":method", "POST")]).pin.is_empty());
    assert_eq!(posts.count(), 0);
}

#[test]
fn a_request_that_went_unpinned_to_find_hosts_is_retried_whatever_failed() {
    for (status, flags) in [("500", 0), ("429", 0), ("503", 0x20), ("504", 0x4)] {
        let settings = r#""outlier_detection": {"consecutive_5xx": 0}, "picking": {"discovery_percent": 100}"#;
        let mut workers = Workers::start(1, 3, settings);
        let _ = workers.whole(0, GET, (1, "429", 0, &[("retry-after", "100")]));
        let mut flight = workers.request(0, GET);
        assert!(flight.pin.is_empty());
        assert_eq!(flight.limit, Some(1000));
        workers
            .host
            .attribute_is(Attribute::ResponseCodeDetails, b"upstream_per_try_timeout");
        assert_eq!(
            workers.answer(&mut flight, (2, status, flags, &[])),
            Flow::Pause,
            "{status}"
        );
        assert!(!workers.callout().contains(&2));
        workers.answer_retry(&mut flight, "200");
        workers.end(flight);
    }
}

/// An answer that asks for less, and for how long.
type Asks<'a> = (&'a str, u64, &'a [(&'a str, &'a str)], u64);

#[test]
fn an_overloaded_host_gets_a_tenth_until_it_said_and_is_never_ejected_for_it() {
    let grpc: &[(&str, &str)] = &[(":method", "POST"), ("content-type", "application/grpc")];
    // Half past nine on the morning of 6 November 1994, in ns.
    let at = Timestamp::from_nanos(784_114_200_000_000_000);
    let cases: [(&[(&str, &str)], Asks<'_>); 9] = [
        (GET, ("429", 0, &[("retry-after", "20")], 20_000)),
        (
            GET,
            ("429", 0, &[("retry-after", "Sun, 06 Nov 1994 09:30:25 GMT")], 25_000),
        ),
        (GET, ("429", 0, &[("retry-after", "100000")], 300_000)),
        (GET, ("429", 0, &[], 0)),
        (GET, ("429", 0, &[("retry-after", "soon")], 0)),
        (GET, ("429", 0, &[("retry-after", "Sun, 06 Nov 1994 09:29:59 GMT")], 0)),
        (
            GET,
            (
                "503",
                0,
                &[("x-envoy-overloaded", "true"), ("retry-after", "30")],
                30_000,
            ),
        ),
        (
            grpc,
            (
                "200",
                0,
                &[("grpc-status", "8"), ("grpc-retry-pushback-ms", "15000")],
                15_000,
            ),
        ),
        (
            grpc,
            ("200", 0, &[("grpc-status", "8"), ("grpc-retry-pushback-ms", "-1")], 0),
        ),
    ];
    for (request, (status, flags, headers, millis)) in cases {
        let what = format!("{status} {headers:?}");
        let mut workers = Workers::touchy(2, 5, "");
        workers.host.set_time(at);
        let _ = workers.whole(0, request, (1, status, flags, headers));
        for _ in 0..5 {
            workers.attempt(1, 1, Outcome::Overload);
        }
        assert_eq!(workers.stage(1), Stage::Healthy, "{what}");
        let until = if millis == 0 {
            Timestamp::ZERO
        } else {
            at.after(Duration::from_millis(millis))
        };
        assert_eq!(workers.health(1).overloaded_until, until, "{what}");
        if millis == 0 {
            assert!(workers.request(1, GET).pin.is_empty(), "{what}");
            continue;
        }
        workers.live(Duration::from_millis(millis - 1));
        let part = share_of_1(&mut workers, 2000, 5);
        assert!((50..250).contains(&part), "{what}: {part}");
        workers.live(Duration::from_millis(1));
        assert!(workers.request(1, GET).pin.is_empty(), "{what}");
        assert_eq!(workers.health(1).overloaded_until, Timestamp::ZERO);
    }
}

#[test]
fn an_envoy_of_ours_that_sheds_says_nothing_about_the_host() {
    let mut workers = Workers::touchy(1, 3, "");
    let shed = (
        1,
        "503",
        0x80,
        &[("x-envoy-overloaded", "true"), ("retry-after", "30")][..],
    );
    let _ = workers.whole(0, GET, shed);
    assert_eq!(workers.health(1).overloaded_until, Timestamp::ZERO);
    assert_eq!(workers.stage(1), Stage::Healthy);
}

#[test]
fn an_overloaded_host_that_ramps_gets_the_smaller_of_both_shares() {
    let mut workers = ramping(1, 5);
    workers.live(9 * SECOND);
    loop {
        let mut flight = workers.request(0, GET);
        if flight.pin[0] == 1 {
            let _ = workers.answer(&mut flight, (1, "429", 0, &[("retry-after", "60")]));
            break workers.end(flight);
        }
        workers.gone(flight, 0x4000);
    }
    let part = share_of_1(&mut workers, 4000, 5);
    assert!((80..200).contains(&part), "{part}");
}

#[test]
fn a_busy_host_is_spared_and_none_is_left_out_by_it() {
    let mut workers = Workers::touchy(1, 4, "");
    workers.fail(0, 1);
    // Host 2 answers nothing; the others do at once.
    let mut waiting = Vec::new();
    let mut meant = BTreeMap::<u16, u32>::new();
    for _ in 0..3000 {
        let mut flight = workers.request(0, GET);
        let host = flight.pin[0];
        *meant.entry(host).or_default() += 1;
        if host == 2 {
            waiting.push(flight);
        } else {
            assert_eq!(workers.answer(&mut flight, (host, "200", 0, &[])), Flow::Continue);
            workers.end(flight);
        }
    }
    assert!(meant[&2] < 400, "{meant:?}");
    assert!(meant[&3] > 1000 && meant[&4] > 1000, "{meant:?}");
    // Its answers come, and it gets its share again.
    for mut flight in waiting {
        let _ = workers.answer(&mut flight, (2, "200", 0, &[]));
        workers.end(flight);
    }
    let meant = self::meant(&mut workers, 3000);
    assert!((950..=1050).contains(&meant[&2]), "{meant:?}");
}

/// Workers that have seen pins followed, and a request that failed at host 2 and whose retry goes to the host that is
/// returned.
fn retried(settings: &str) -> (Workers, Flight, u16) {
    let mut workers = Workers::touchy(1, 4, settings);
    workers.fail(0, 1);
    let mut flight = workers.request(0, GET);
    let host = flight.pin[0];
    let _ = workers.answer(&mut flight, (host, "200", 0, &[]));
    workers.end(flight);
    let mut flight = workers.request(0, GET);
    let host = flight.pin[0];
    assert_eq!(workers.answer(&mut flight, (host, "503", 0, &[])), Flow::Pause);
    let target = workers.callout()[0];
    (workers, flight, target)
}

#[test]
fn a_retrys_answer_that_asks_for_less_lowers_the_share() {
    let (mut workers, mut flight, target) = retried("");
    workers.host.callout(
        &[
            (":status", "429"),
            ("retry-after", "30"),
            ("x-envoy-upstream-service-time", "1"),
        ],
        b"",
    );
    flight
        .stream
        .on_callout_response(&mut workers.workers[0], CalloutToken(1), 3, 0);
    assert_eq!(
        workers.health(target).overloaded_until,
        workers.now().after(30 * SECOND)
    );
}

#[test]
fn a_retrys_answer_is_matched_like_any_other() {
    let settings = r#""matchers": [{"header": {"name": "x-app", "exact": "broken"}, "outcome": "failure"}]"#;
    let settings = &format!(r#"{settings}, "retry": {{"num_retries": 1}}"#);
    let (mut workers, mut flight, _) = retried(settings);
    workers.host.callout(
        &[
            (":status", "200"),
            ("x-app", "broken"),
            ("x-envoy-upstream-service-time", "1"),
        ],
        b"",
    );
    flight
        .stream
        .on_callout_response(&mut workers.workers[0], CalloutToken(1), 3, 0);
    assert_eq!(workers.count(Metric::AttemptsFailureExternal), 3);
}
