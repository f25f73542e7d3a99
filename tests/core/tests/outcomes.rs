//! What an attempt says about its host: every row of the table of outcomes, and the matchers before it.

use sidestep::detect::{Answer, ResponseFlags, classify};
use sidestep::host::Attribute;
use sidestep::model::{FailureOrigin, Outcome};
use sidestep_core::test;
use sidestep_core::workers::{Stage, Workers};

const SUCCESS: Outcome = Outcome::Success;
const GATEWAY: Outcome = Outcome::Failure(FailureOrigin::External { gateway: true });
const BAD_ANSWER: Outcome = Outcome::Failure(FailureOrigin::External { gateway: false });
const NO_ANSWER: Outcome = Outcome::Failure(FailureOrigin::LocalOrigin);

fn status(status: u16) -> Answer {
    Answer {
        status,
        ..Answer::default()
    }
}

#[test]
fn a_status_is_a_failure_from_500_on_and_a_gateway_failure_at_502_503_504() {
    for (code, outcome) in [
        (100, SUCCESS),
        (101, SUCCESS),
        (200, SUCCESS),
        (304, SUCCESS),
        (404, SUCCESS),
        (425, Outcome::Ignored),
        (429, Outcome::Overload),
        (499, SUCCESS),
        (500, BAD_ANSWER),
        (501, BAD_ANSWER),
        (502, GATEWAY),
        (503, GATEWAY),
        (504, GATEWAY),
        (505, BAD_ANSWER),
        (599, BAD_ANSWER),
    ] {
        assert_eq!(classify(&status(code)), outcome, "{code}");
    }
}

#[test]
fn an_answer_that_envoy_made_is_judged_by_its_flag_and_not_by_its_status() {
    for (flags, code, outcome) in [
        (0x20, 503, NO_ANSWER),               // UF
        (0x40, 503, NO_ANSWER),               // UC
        (0x10, 503, NO_ANSWER),               // UR
        (0x8, 503, NO_ANSWER),                // LR
        (0x4, 504, NO_ANSWER),                // UT
        (0x80, 503, Outcome::Ignored),        // UO: our own circuit breaker
        (0x4000, 503, Outcome::Ignored),      // DC: the client is gone
        (0x1000_0000, 503, Outcome::Ignored), // DR: so too, by a reset of its stream
        (0x8020, 503, NO_ANSWER),             // URX with UF
    ] {
        let answer = Answer {
            flags: ResponseFlags(flags),
            ..status(code)
        };
        assert_eq!(classify(&answer), outcome, "{flags:#x}");
    }
}

#[test]
fn an_answer_that_an_envoy_further_on_shed_asks_for_less_and_one_that_ours_shed_says_nothing() {
    let shed = |flags| Answer {
        overloaded: true,
        flags: ResponseFlags(flags),
        ..status(503)
    };
    assert_eq!(classify(&shed(0)), Outcome::Overload);
    assert_eq!(classify(&shed(0x80)), Outcome::Ignored);
    assert_eq!(classify(&shed(0x20)), NO_ANSWER);
}

#[test]
fn a_grpc_status_is_judged_by_who_is_to_blame() {
    // google/rpc/code.proto
    for (code, outcome) in [
        (0, SUCCESS),
        (1, Outcome::Ignored),  // CANCELLED
        (2, BAD_ANSWER),        // UNKNOWN
        (3, SUCCESS),           // INVALID_ARGUMENT
        (4, GATEWAY),           // DEADLINE_EXCEEDED
        (5, SUCCESS),           // NOT_FOUND
        (6, SUCCESS),           // ALREADY_EXISTS
        (7, SUCCESS),           // PERMISSION_DENIED
        (8, Outcome::Overload), // RESOURCE_EXHAUSTED
        (9, SUCCESS),           // FAILED_PRECONDITION
        (10, SUCCESS),          // ABORTED
        (11, SUCCESS),          // OUT_OF_RANGE
        (12, SUCCESS),          // UNIMPLEMENTED
        (13, BAD_ANSWER),       // INTERNAL
        (14, GATEWAY),          // UNAVAILABLE
        (15, BAD_ANSWER),       // DATA_LOSS
        (16, SUCCESS),          // UNAUTHENTICATED
        (99, SUCCESS),
    ] {
        let answer = Answer {
            grpc_status: Some(code),
            ..status(200)
        };
        assert_eq!(classify(&answer), outcome, "{code}");
    }
}

/// One answer of host 1, by a route, where one failure ejects: is it a failure?
fn is_failure(json: &str, route: Option<&str>, status: &str, flags: u64, headers: &[(&str, &str)]) -> bool {
    let json = format!(
        r#"{{"outlier_detection": {{"consecutive_5xx": 1}},
            "clusters": {{"backend": {{"hosts": ["10.0.0.1:80", "10.0.0.2:80"] {json}"#
    );
    let mut workers = Workers::with_config(1, 2, &json);
    if let Some(route) = route {
        workers.host.attribute_is(Attribute::RouteName, route.as_bytes());
    }
    let _ = workers.whole(0, &[(":method", "POST")], (1, status, flags, headers));
    workers.stage(1) == Stage::Ejected
}

#[test]
fn the_first_matcher_of_the_cluster_that_matches_wins_over_the_table() {
    let json = r#", "matchers": [
        {"status": [501], "outcome": "ignored"},
        {"status": ["500-502"], "header": {"name": "x-app", "prefix": "ok"}, "outcome": "success"},
        {"header": {"name": "x-app", "exact": "broken"}, "outcome": "failure"},
        {"status": 404, "outcome": "failure"}
    ]}}}"#;
    for (status, headers, failure) in [
        ("200", &[][..], false),
        ("200", &[("x-app", "broken")], true),
        ("200", &[("x-app", "broken too")], false),
        ("404", &[], true),
        ("404", &[("x-app", "ok")], true),
        ("410", &[], false),
        ("500", &[], true),
        ("500", &[("x-app", "ok, really")], false),
        ("501", &[("x-app", "broken")], false),
        ("503", &[("x-app", "ok")], true),
        ("429", &[], false),
        ("429", &[("x-app", "broken")], true),
    ] {
        assert_eq!(
            is_failure(json, None, status, 0, headers),
            failure,
            "{status} {headers:?}"
        );
    }
}

#[test]
fn a_routes_matchers_come_before_its_clusters_and_other_routes_have_none_of_them() {
    let json = r#", "matchers": [{"status": 404, "outcome": "failure"}]}},
        "routes": {"search": {"matchers": [
            {"status": 404, "outcome": "success"},
            {"status": 410, "outcome": "failure"}
        ]}}}"#;
    for (route, by_404, by_410) in [
        (Some("search"), false, true),
        (Some("other"), true, false),
        (None, true, false),
    ] {
        assert_eq!(is_failure(json, route, "404", 0, &[]), by_404, "{route:?}");
        assert_eq!(is_failure(json, route, "410", 0, &[]), by_410, "{route:?}");
        assert!(is_failure(json, route, "503", 0, &[]), "{route:?}");
    }
}

#[test]
fn matchers_say_nothing_about_answers_that_envoy_made() {
    let json = r#", "matchers": [{"status": ["100-599"], "outcome": "success"}]}}}"#;
    assert!(!is_failure(json, None, "503", 0, &[]));
    assert!(is_failure(json, None, "503", 0x20, &[]));
    let json = r#", "matchers": [{"status": ["100-599"], "outcome": "failure"}]}}}"#;
    assert!(is_failure(json, None, "200", 0, &[]));
    assert!(!is_failure(json, None, "503", 0x80, &[]));
    assert!(!is_failure(json, None, "503", 0x4000, &[]));
}
