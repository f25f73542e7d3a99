//! Whatever host call fails, whenever it fails: no panic, and the client gets what Envoy would have given it, or better.

use crate::common::{A, B, BACKEND, C, eject, in_pieces, signed, sim};
use serde_json::json;
use sidestep_sim::{Answer, Call, Chance, Failure, Reply, Request, Sim, Status};
use std::time::Duration;

/// A way of using the filter: what was there before, and the request.
struct Use {
    name: &'static str,
    before: fn(&mut Sim),
    request: fn() -> Request,
}

fn nothing(_: &mut Sim) {}

fn a_fails(sim: &mut Sim) {
    sim.host(A).replies(signed(503, A));
    sim.steer(BACKEND, Some(A));
}

fn a_fails_without_a_body(sim: &mut Sim) {
    sim.host(A).replies(Reply::status(503).headers_only());
    sim.steer(BACKEND, Some(A));
}

fn a_refuses(sim: &mut Sim) {
    sim.host(A).refuses();
    sim.steer(BACKEND, Some(A));
}

fn all_fail(sim: &mut Sim) {
    for host in [A, B, C] {
        sim.host(host).replies(signed(503, host).trailer("t", "1"));
    }
}

fn a_is_out(sim: &mut Sim) {
    eject(sim, A);
    sim.host(A).replies(signed(200, A));
}

fn a_is_out_and_the_rest_fails(sim: &mut Sim) {
    eject(sim, A);
    sim.host(B).fails(Failure::Closed);
    sim.host(C).replies(signed(502, C));
}

fn a_is_about_to_go(sim: &mut Sim) {
    sim.host(A).replies(signed(503, A));
    crate::common::hit(sim, A, 4);
    sim.steer(BACKEND, Some(A));
}

const USES: &[Use] = &[
    Use {
        name: "plain GET",
        before: nothing,
        request: || Request::get("/"),
    },
    Use {
        name: "POST",
        before: nothing,
        request: || Request::new("POST", "/").body("x"),
    },
    Use {
        name: "PUT in pieces",
        before: nothing,
        request: || Request::new("PUT", "/").chunks(["a", "b"]),
    },
    Use {
        name: "client's pin",
        before: nothing,
        request: || Request::get("/").header("x-sidestep-host", B),
    },
    Use {
        name: "retried GET",
        before: a_fails,
        request: || Request::get("/"),
    },
    Use {
        name: "retried HEAD",
        before: a_fails,
        request: || Request::new("HEAD", "/"),
    },
    Use {
        name: "retried PUT with trailers",
        before: a_fails,
        request: || Request::new("PUT", "/").chunks(["a", "b"]).trailer("t", "1"),
    },
    Use {
        name: "failed POST",
        before: a_fails,
        request: || Request::new("POST", "/").body("x"),
    },
    Use {
        name: "headers-only failure",
        before: a_fails_without_a_body,
        request: || Request::get("/"),
    },
    Use {
        name: "refused",
        before: a_refuses,
        request: || Request::get("/"),
    },
    Use {
        name: "retry fails too",
        before: all_fail,
        request: || Request::get("/"),
    },
    Use {
        name: "pinned",
        before: a_is_out,
        request: || Request::get("/"),
    },
    Use {
        name: "pinned, client's pin",
        before: a_is_out,
        request: || Request::get("/").header("x-sidestep-host", A),
    },
    Use {
        name: "pinned and retried",
        before: a_is_out_and_the_rest_fails,
        request: || Request::get("/"),
    },
    Use {
        name: "ejecting",
        before: a_is_about_to_go,
        request: || Request::get("/"),
    },
    Use {
        name: "gRPC",
        before: a_fails,
        request: || {
            Request::new("POST", "/s/M")
                .header("content-type", "application/grpc")
                .body("x")
        },
    },
];

fn prepared(it: &Use) -> Sim {
    let mut sim = sim(json!({}));
    for host in [A, B, C] {
        sim.host(host).replies(signed(200, host));
    }
    sim.advance_secs(2);
    (it.before)(&mut sim);
    sim.advance(Duration::from_millis(1));
    sim
}

/// A request, the ticks around it, and a request after it.
fn play(sim: &mut Sim, it: &Use) -> Answer {
    let answer = sim.send((it.request)());
    sim.advance_secs(2);
    answer
}

/// What is wrong with an answer. The client may get what the hosts say, as one of them said it; never anything of the
/// filter's own making.
fn worse(answer: &Answer) -> Option<String> {
    if ![200, 502, 503].contains(&answer.status) {
        return Some(format!("status {}", answer.status));
    }
    if answer.tried.is_empty() {
        return Some("the request never left".to_owned());
    }
    in_pieces(answer)
}

#[track_caller]
fn assert_no_worse(answer: &Answer, context: &str) {
    if let Some(fault) = worse(answer) {
        panic!("{context}: {fault}");
    }
}

/// Whether an answer may break off: its headers are on their way already when its body can't be replaced. Better cut
/// than headers of one answer and the body of another.
fn may_be_cut(call: Call) -> bool {
    call == Call::SetBuffer
}

#[test]
fn any_host_call_may_fail_once_in_any_use() {
    let mut tried = 0;
    let mut faults = Vec::new();
    for it in USES {
        let mut plain = prepared(it);
        let before = plain.calls();
        let unfaulted = play(&mut plain, it);
        assert_no_worse(&unfaulted, it.name);
        let made: Vec<_> = plain.calls().since(&before).called().collect();
        for (call, count) in made {
            // A response that can neither be replaced nor let go stays where it is: nothing can help there.
            if call == Call::ContinueStream {
                continue;
            }
            for nth in 1..=u64::from(count) {
                for &status in call.legal_faults() {
                    let mut sim = prepared(it);
                    sim.fault(|faults| faults.nth(call, nth, status));
                    let answer = play(&mut sim, it);
                    sim.clear_faults();
                    // All is as before for the requests that follow.
                    let next = sim.get("/");
                    let excused = answer.cut && may_be_cut(call);
                    for fault in worse(&answer).filter(|_| !excused).into_iter().chain(worse(&next)) {
                        faults.push(format!(
                            "{}: {call:?} number {nth} answers {status:?}: {fault}",
                            it.name
                        ));
                    }
                    tried += 1;
                }
            }
        }
    }
    println!("{tried} single faults in {} uses", USES.len());
    assert!(
        faults.is_empty(),
        "{} of them did harm:\n{}",
        faults.len(),
        faults.join("\n")
    );
    assert!(tried > 500, "{tried}");
}

#[test]
fn any_host_function_may_fail_always_in_any_use() {
    let mut faults = Vec::new();
    for it in USES {
        for &call in Call::ALL {
            if call == Call::ContinueStream {
                continue;
            }
            for &status in call.legal_faults() {
                let mut sim = prepared(it);
                sim.fault(|faults| faults.always(call, status));
                let answer = play(&mut sim, it);
                if let Some(fault) = worse(&answer).filter(|_| !(answer.cut && may_be_cut(call))) {
                    faults.push(format!("{}: {call:?} always answers {status:?}: {fault}", it.name));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{} did harm:\n{}", faults.len(), faults.join("\n"));
}

/// Everything fails now and then, with retries, ejections, several workers and many requests at once.
fn chaos(seed: u64) -> Sim {
    let mut chance = Chance::new(seed);
    let mut sim = sim(json!({"picking": {"discovery_percent": 20}, "retry": {"num_retries": 2}})).workers(3);
    for host in [A, B, C] {
        let mut chance = Chance::new(chance.number());
        sim.host(host).behaves(move |seen| {
            let delay = Duration::from_millis(chance.within(0..40));
            let reply = match chance.below(10) {
                0..=4 => signed(200, &seen.host),
                5 | 6 => signed(503, &seen.host),
                7 => Reply::failure(Failure::Refused),
                8 => Reply::status(503).headers_only(),
                _ => signed(200, &seen.host).trailer("t", "1"),
            };
            reply.after(delay)
        });
    }
    sim.start().expect("started");
    for &call in Call::ALL.iter().filter(|call| **call != Call::ContinueStream) {
        let statuses = call.legal_faults();
        let status = statuses[chance.below(statuses.len())];
        let (probability, seed) = (0.03, chance.number());
        sim.fault(|faults| faults.sometimes(call, probability, status, seed));
    }
    let mut ids = Vec::new();
    for number in 0..120 {
        let request = match chance.below(6) {
            0 => Request::new("PUT", "/").chunks(["a", "b"]),
            1 => Request::new("POST", "/").body("x"),
            2 => Request::new("HEAD", "/"),
            3 => Request::get("/").header("x-sidestep-host", A),
            _ => Request::get("/"),
        };
        ids.push(sim.later(Duration::from_millis(chance.within(0..2_000)), request.on(number % 3)));
    }
    for (number, id) in ids.iter().enumerate() {
        if number % 17 == 0 {
            let gone = sim.begin(Request::get("/").on(number % 3));
            sim.until_held(gone);
            if sim.answer(gone).is_none() {
                sim.client_gone(gone);
            }
        }
        let answer = sim.finish(*id);
        if !answer.cut {
            assert_no_worse(&answer, &format!("seed {seed}, request {number}"));
        }
    }
    sim.settle();
    sim
}

#[test]
fn in_a_storm_of_faults_every_client_gets_an_answer_of_one_piece() {
    let mut injected = 0;
    for seed in 0..20 {
        injected += chaos(seed).clear_faults();
    }
    println!("{injected} faults");
    assert!(injected > 500, "{injected}");
}

#[test]
fn odd_attributes_harm_nobody() {
    let odd: [Option<&[u8]>; 5] = [None, Some(b""), Some(b"\xff\xfe"), Some(&[0; 7]), Some(&[0xff; 4_000])];
    for path in [
        "xds.cluster_name",
        "upstream.address",
        "response.flags",
        "response.code_details",
        "upstream.request_attempt_count",
    ] {
        for value in odd {
            for it in USES {
                let mut sim = prepared(it);
                sim.odd_property(path, value);
                assert_no_worse(&play(&mut sim, it), &format!("{}: {path} is {value:?}", it.name));
            }
        }
    }
}

#[test]
fn internal_errors_are_counted_and_logged_once_for_each_cause() {
    let mut sim = sim(json!({}));
    sim.start().expect("started");
    sim.fault(|faults| faults.always(Call::GetSharedData, Status::InternalFailure));
    sim.gets(100);
    sim.advance_secs(1);
    assert!(sim.metric("sidestep.errors.shared_data_read") >= 100);
    let lines = sim.logs().into_iter().filter(|line| line.level >= 3).count();
    assert!((1..=2).contains(&lines), "{:?}", sim.logs());
}
