//! Which failed requests get another attempt.

use sidestep::config::{RetryOn, RetryPolicy};
use sidestep::detect::ResponseFlags;
use sidestep::http::{HeaderBlock, RequestFacts};
use sidestep::model::Timestamp;
use sidestep::retry::{
    Decision, Failed, RetryRefusal, Standing, deadline, decide, is_worth_a_retry, may_be_worth_a_retry, screen,
    standing,
};
use sidestep_core::test;
use std::time::Duration;

fn failed(status: u16) -> Failed {
    Failed {
        status,
        ..Failed::default()
    }
}

fn no_answer(flags: ResponseFlags) -> Failed {
    Failed { flags, ..failed(503) }
}

fn decided(failed: &Failed, policy: &RetryPolicy) -> Decision {
    let now = Timestamp::from_nanos(1);
    decide(failed, policy, 1, deadline(now, policy, None), now)
}

/// `retry_on` with these conditions and no others.
fn retry_on(set: impl FnOnce(&mut RetryOn)) -> RetryPolicy {
    let mut policy = RetryPolicy {
        retry_on: RetryOn::default(),
        ..RetryPolicy::default()
    };
    set(&mut policy.retry_on);
    policy
}

#[test]
fn only_idempotent_requests_that_are_plain_http_are_screened_in() {
    let facts = |pairs: &[(&[u8], &[u8])]| RequestFacts::read(&HeaderBlock::from_pairs(pairs), "x-sidestep-host");
    for method in ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE", "QUERY"] {
        assert_eq!(
            screen(&facts(&[(b":method", method.as_bytes())]), false),
            Ok(()),
            "{method}"
        );
    }
    for method in ["POST", "PATCH", "LOCK", "PROPFIND", "get"] {
        assert_eq!(
            screen(&facts(&[(b":method", method.as_bytes())]), false),
            Err(RetryRefusal::Method),
            "{method}"
        );
    }
    assert_eq!(screen(&facts(&[]), false), Err(RetryRefusal::Method));
    assert_eq!(
        screen(&facts(&[(b":method", b"CONNECT")]), false),
        Err(RetryRefusal::Connect)
    );
    assert_eq!(
        screen(&facts(&[(b":method", b"GET"), (b"upgrade", b"websocket")]), false),
        Err(RetryRefusal::Upgrade)
    );
    assert_eq!(
        screen(
            &facts(&[(b":method", b"PUT"), (b"content-type", b"application/grpc")]),
            false
        ),
        Err(RetryRefusal::Grpc)
    );
}

#[test]
fn each_condition_of_retry_on_means_what_it_means_to_envoy() {
    let uf = no_answer(ResponseFlags::UPSTREAM_CONNECTION_FAILURE);
    let uc = no_answer(ResponseFlags::UPSTREAM_CONNECTION_TERMINATION);
    let ur = no_answer(ResponseFlags::UPSTREAM_REMOTE_RESET);
    let refused = Failed {
        refused_stream: true,
        ..ur
    };
    let limited = Failed {
        rate_limited: true,
        ..failed(429)
    };
    let all = [
        failed(500),
        failed(503),
        failed(409),
        failed(418),
        uf,
        uc,
        ur,
        refused,
        limited,
    ];
    let wanted = |policy: &RetryPolicy| all.map(|failed| is_worth_a_retry(&failed, policy));
    let (y, n) = (true, false);
    //                                                  500 503 409 418 UF UC UR refused limited
    assert_eq!(wanted(&retry_on(|_| {})), [n, n, n, n, n, n, n, n, n]);
    assert_eq!(wanted(&retry_on(|on| on.any_5xx = y)), [y, y, n, n, y, y, y, y, n]);
    assert_eq!(
        wanted(&retry_on(|on| on.gateway_error = y)),
        [n, y, n, n, y, y, y, y, n]
    );
    assert_eq!(wanted(&retry_on(|on| on.reset = y)), [n, n, n, n, y, y, y, y, n]);
    assert_eq!(
        wanted(&retry_on(|on| on.connect_failure = y)),
        [n, n, n, n, y, n, n, n, n]
    );
    assert_eq!(
        wanted(&retry_on(|on| on.refused_stream = y)),
        [n, n, n, n, n, n, n, y, n]
    );
    assert_eq!(
        wanted(&retry_on(|on| on.retriable_4xx = y)),
        [n, n, y, n, n, n, n, n, n]
    );
    assert_eq!(
        wanted(&retry_on(|on| on.envoy_ratelimited = y)),
        [n, n, n, n, n, n, n, n, y]
    );
    let codes = RetryPolicy {
        retriable_status_codes: vec![418],
        ..retry_on(|on| on.retriable_status_codes = y)
    };
    assert_eq!(wanted(&codes), [n, n, n, y, n, n, n, n, n]);
}

#[test]
fn what_is_worth_a_retry_always_got_a_closer_look() {
    for bits in 0..256_u32 {
        let policy = RetryPolicy {
            retriable_status_codes: vec![404, 418],
            ..retry_on(|on| {
                let [a, b, c, d, e, f, g, h] = std::array::from_fn(|bit| bits >> bit & 1 == 1);
                *on = RetryOn {
                    any_5xx: a,
                    gateway_error: b,
                    reset: c,
                    connect_failure: d,
                    refused_stream: e,
                    retriable_4xx: f,
                    retriable_status_codes: g,
                    envoy_ratelimited: h,
                    ..RetryOn::default()
                };
            })
        };
        for status in 100..600 {
            for rate_limited in [false, true] {
                // Envoy's rate limit filter answers 429.
                let failed = Failed {
                    rate_limited: rate_limited && status == 429,
                    ..failed(status)
                };
                assert!(
                    !is_worth_a_retry(&failed, &policy) || may_be_worth_a_retry(status, &policy),
                    "{status} with {:?}",
                    policy.retry_on
                );
            }
        }
    }
}

#[test]
fn each_reason_not_to_retry_is_said() {
    let policy = RetryPolicy::default();
    let left = decided(&failed(503), &policy);
    assert_eq!(left, Decision::Retry(policy.timeout));
    assert_eq!(decided(&failed(500), &policy), Decision::NotWanted);
    for (failed, reason) in [
        (
            Failed {
                overloaded: true,
                ..failed(503)
            },
            RetryRefusal::Overloaded,
        ),
        (
            Failed {
                flags: ResponseFlags::UPSTREAM_OVERFLOW,
                ..failed(503)
            },
            RetryRefusal::Overloaded,
        ),
        (
            Failed {
                rate_limited: true,
                ..failed(503)
            },
            RetryRefusal::RateLimited,
        ),
        (
            Failed {
                router_retries: true,
                ..failed(503)
            },
            RetryRefusal::RouteRetries,
        ),
        (
            no_answer(ResponseFlags::UPSTREAM_REQUEST_TIMEOUT),
            RetryRefusal::Deadline,
        ),
    ] {
        assert_eq!(decided(&failed, &policy), Decision::Refuse(reason));
    }
    let off = RetryPolicy {
        num_retries: 0,
        ..policy
    };
    assert_eq!(decided(&failed(503), &off), Decision::NotWanted);
}

#[test]
fn attempts_end_at_num_retries_and_at_the_deadline() {
    let policy = RetryPolicy {
        num_retries: 2,
        timeout: Duration::from_secs(1),
        ..RetryPolicy::default()
    };
    let began = Timestamp::from_nanos(5);
    let after = |millis| began.after(Duration::from_millis(millis));
    let end = deadline(began, &policy, None);
    let at = |attempts, millis| decide(&failed(503), &policy, attempts, end, after(millis));
    assert_eq!(at(2, 0), Decision::Retry(Duration::from_secs(1)));
    assert_eq!(at(3, 0), Decision::Refuse(RetryRefusal::NumRetries));
    assert_eq!(at(1, 400), Decision::Retry(Duration::from_millis(600)));
    assert_eq!(at(1, 999), Decision::Retry(Duration::from_millis(1)));
    let half_a_millisecond_left = began.after(Duration::from_micros(999_500));
    assert_eq!(
        decide(&failed(503), &policy, 1, end, half_a_millisecond_left),
        Decision::Refuse(RetryRefusal::Deadline)
    );
    assert_eq!(at(1, 1000), Decision::Refuse(RetryRefusal::Deadline));
    assert_eq!(at(1, 5000), Decision::Refuse(RetryRefusal::Deadline));
}

#[test]
fn a_caller_that_wants_to_wait_for_less_is_not_kept_longer() {
    let policy = RetryPolicy::default();
    let began = Timestamp::from_nanos(5);
    let second = Duration::from_secs(1);
    assert_eq!(deadline(began, &policy, Some(second)), began.after(second));
    assert_eq!(
        deadline(began, &policy, Some(100 * second)),
        began.after(policy.timeout)
    );
    let asked = |value: &[u8]| {
        let headers = HeaderBlock::from_pairs(&[(b"x-envoy-upstream-rq-timeout-ms", value)]);
        RequestFacts::read(&headers, "x-sidestep-host").asks_for_timeout
    };
    assert_eq!(asked(b"200"), Some(Duration::from_millis(200)));
    for odd in [&b"0"[..], b"", b"-1", b"1s", b"\xff"] {
        assert_eq!(asked(odd), None);
    }
}

#[test]
fn an_answer_of_a_host_is_worth_more_than_envoys_and_a_good_one_more_than_a_failure() {
    let policy = RetryPolicy::default();
    assert_eq!(
        standing(&no_answer(ResponseFlags::UPSTREAM_CONNECTION_FAILURE), &policy),
        Standing::NoAnswer
    );
    assert_eq!(
        standing(&no_answer(ResponseFlags::UPSTREAM_OVERFLOW), &policy),
        Standing::NoAnswer
    );
    // A 500 is a failure, although the default `retry_on` does not repeat it.
    for status in [500, 503] {
        assert_eq!(standing(&failed(status), &policy), Standing::Failure);
    }
    for status in [200, 404] {
        assert_eq!(standing(&failed(status), &policy), Standing::Good);
    }
    let conflict = retry_on(|on| on.retriable_4xx = true);
    assert_eq!(standing(&failed(409), &conflict), Standing::Failure);
    assert!(Standing::NoAnswer < Standing::Failure && Standing::Failure < Standing::Good);
}
