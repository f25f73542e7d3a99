//! The simulator itself: that it is what Envoy is, as far as a filter can tell.

mod callouts;
mod endings;
mod hedger;
mod hedging;
mod probe;
mod retries;
mod routes;
mod rush;
mod time;
mod values;

use sidestep_sim::{Call, Failure, Reply, Request, Sim, Status};
use std::time::Duration;

pub(crate) fn playing(part: &str) -> Sim {
    Sim::of(probe::entry, part).cluster("backend", ["a:1", "b:1"])
}

#[test]
fn a_request_reaches_a_host_and_its_answer_the_client() {
    let mut sim = playing("nothing");
    sim.host("a:1")
        .replies(Reply::status(201).body("hello").header("x-host", "a").trailer("t", "1"));
    let answer = sim.send(Request::new("PUT", "/x").body("sent").header("k", "v"));
    assert_eq!((answer.status, answer.text().as_str()), (201, "hello"));
    assert_eq!(answer.headers.get("x-host"), Some("a"));
    assert_eq!(answer.trailers.get("t"), Some("1"));
    assert_eq!(answer.tried, ["a:1"]);
    let seen = &sim.seen("a:1")[0];
    assert_eq!((seen.method.as_str(), seen.path.as_str()), ("PUT", "/x"));
    assert_eq!((seen.body.as_slice(), seen.headers.get("k")), (&b"sent"[..], Some("v")));
}

#[test]
fn hosts_take_turns_unless_a_pin_names_one() {
    let mut sim = playing("nothing");
    let tried = |sim: &mut Sim, request| sim.send(request).tried;
    assert_eq!(tried(&mut sim, Request::get("/")), ["a:1"]);
    assert_eq!(tried(&mut sim, Request::get("/")), ["b:1"]);
    let pinned = || Request::get("/").header("x-sidestep-host", "b:1");
    assert_eq!(tried(&mut sim, pinned()), ["b:1"]);
    assert_eq!(sim.seen("b:1")[1].pin.as_deref(), Some("b:1"));
    assert!(!sim.seen("b:1")[1].headers.has("x-sidestep-host"));
    sim.honours_pins("backend", false);
    assert_eq!(tried(&mut sim, pinned()), ["a:1"]);
}

#[test]
fn a_map_can_be_read_only_in_its_phase() {
    let mut sim = playing("maps");
    sim.host("a:1").answers(503);
    sim.send(Request::new("PUT", "/").body("x"));
    let lines: Vec<_> = sim.logs().into_iter().map(|line| line.text).collect();
    assert_eq!(
        lines,
        [
            "configured",
            "request headers: [0, 2, 2]",
            "request body: [2, 2, 2]",
            "response headers: [2, 0, 2]",
            "callout: [2, 0, 0]",
            // The headers were stopped, so Envoy leaves the map there.
            "response body: [2, 0, 2]",
            "log: [0, 0, 2]",
        ]
    );
}

#[test]
fn a_held_response_is_replaced_in_place() {
    let mut sim = playing("replace");
    sim.host("a:1")
        .replies(Reply::status(503).body("first").header("x-kept", "yes"));
    sim.host("b:1").replies(Reply::status(200).body("from the second"));
    let answer = sim.get("/");
    assert_eq!((answer.status, answer.text().as_str()), (200, "from the second"));
    assert_eq!(answer.headers.get("x-kept"), Some("yes"));
    assert_eq!((answer.tried, answer.local), (vec!["a:1".into(), "b:1".into()], false));
    assert!(sim.seen("b:1")[0].callout);
    assert_eq!(sim.seen("b:1")[0].headers.get("x-envoy-internal"), Some("true"));
}

#[test]
fn a_local_response_to_a_held_response_goes_straight_to_the_client() {
    let mut sim = playing("local");
    sim.host("a:1").answers(503);
    let answer = sim.get("/");
    assert_eq!((answer.status, answer.local), (200, true));
    assert_eq!(answer.headers.get("x-by"), Some("filter"));
    assert_eq!(answer.text(), "200 from b:1\n");
}

#[test]
fn a_local_response_before_any_response_never_reaches_a_host() {
    let mut sim = playing("answer");
    let answer = sim.get("/");
    assert_eq!(
        (answer.status, answer.text().as_str(), answer.local),
        (418, "teapot", true)
    );
    assert!(answer.tried.is_empty());
}

#[test]
fn a_callout_that_is_cut_comes_back_without_headers() {
    let mut sim = playing("replace");
    sim.host("a:1").answers(503);
    sim.host("b:1").replies(Reply::status(200).cut());
    assert_eq!(sim.get("/").status, 503);
    assert_eq!(sim.logged("callout with no headers, body None").len(), 1);
}

#[test]
fn a_slow_callout_ends_at_its_timeout_with_504() {
    let mut sim = playing("replace");
    sim.host("a:1").answers(503);
    sim.host("b:1")
        .replies(Reply::status(200).after(Duration::from_secs(60)));
    let answer = sim.get("/");
    assert_eq!((answer.status, answer.took), (504, Duration::from_secs(5)));
    assert_eq!(answer.text(), "upstream request timeout");
}

#[test]
fn the_answer_for_a_stream_that_is_gone_reaches_nobody() {
    let mut sim = playing("replace");
    sim.host("a:1").answers(503);
    sim.host("b:1")
        .replies(Reply::status(200).after(Duration::from_secs(1)));
    let id = sim.begin(Request::get("/"));
    assert!(sim.until_held(id));
    let answer = sim.client_gone(id);
    assert!(answer.client_gone);
    sim.settle();
    assert_eq!(sim.attempts("b:1"), 1);
}

#[test]
fn bodies_can_be_extended_at_both_ends_and_come_whole_when_stopped() {
    let mut sim = playing("bodies");
    sim.host("a:1")
        .replies(Reply::status(200).chunks(["one", "two", "three"]));
    let answer = sim.send(Request::new("PUT", "/").chunks(["ab", "cd"]));
    assert_eq!(sim.seen("a:1")[0].body, b"<ab><cd>");
    assert_eq!(answer.text(), "onetwothree");
    for line in [
        "request body 2 false",
        "request body 2 true",
        "response body 6 false",
        "response body 11 true",
    ] {
        assert_eq!(sim.logged(line).len(), 1, "{line}");
    }
    sim.send(Request::new("HEAD", "/"));
    assert_eq!(sim.logged("response end true").len(), 1);
}

#[test]
fn failures_show_the_flags_and_the_host_and_the_request_is_hidden() {
    let mut sim = playing("properties");
    sim.host("a:1").refuses();
    sim.host("b:1").fails(Failure::TimedOut);
    assert_eq!((sim.get("/").status, sim.get("/").status), (503, 504));
    let flags = |bit: u64| format!("{:?}", Some(bit.to_le_bytes().to_vec()));
    assert_eq!(sim.logged(&format!("{} Some(\"a:1\") None", flags(0x20))).len(), 1);
    assert_eq!(sim.logged(&format!("{} Some(\"b:1\") None", flags(0x4))).len(), 1);
    let unrouted = sim.send(Request::get("/").unrouted());
    assert_eq!(unrouted.status, 404);
    assert_eq!(sim.logged(&format!("{} None None", flags(0x100))).len(), 1);
}

#[test]
fn a_context_that_is_not_there_cannot_be_the_effective_one() {
    let mut sim = playing("effective");
    sim.get("/");
    assert_eq!(
        (sim.logged("Ok(())").len(), sim.logged("Err(BadArgument)").len()),
        (1, 1)
    );
}

#[test]
fn ticks_come_at_their_period_in_every_vm() {
    let mut sim = playing("ticks").workers(2);
    sim.advance_secs(2);
    assert_eq!(sim.logged("tick").len(), 16);
}

#[test]
fn a_refused_configuration_is_refused_with_what_was_logged() {
    assert_eq!(playing("refuse").start(), Err(vec!["configured".into()]));
    let mut sim = playing("nothing");
    assert!(sim.reconfigure("refuse").is_err());
    assert_eq!(sim.get("/").status, 200);
}

#[test]
fn a_new_configuration_waits_for_the_requests_of_the_old_one() {
    let mut sim = playing("replace");
    sim.host("a:1")
        .replies(Reply::status(503).after(Duration::from_secs(1)));
    let id = sim.begin(Request::get("/"));
    sim.reconfigure("answer").unwrap();
    assert_eq!(sim.get("/").status, 418);
    assert_eq!(sim.finish(id).status, 200);
}

#[test]
fn a_panic_ends_the_vm_and_a_second_later_there_is_a_new_one() {
    let mut sim = playing("trap").surviving_traps();
    assert_eq!(sim.send(Request::get("/").header("trap", "now")).status, 503);
    assert_eq!((sim.traps(), sim.get("/").status), (1, 503));
    sim.advance_secs(1);
    assert_eq!(sim.get("/").status, 200);
}

#[test]
#[should_panic(expected = "as asked")]
fn a_panic_of_the_module_fails_the_test_with_its_message() {
    playing("trap").send(Request::get("/").header("trap", "now"));
}

#[test]
fn host_calls_are_counted_for_each_request() {
    let mut sim = playing("properties");
    sim.get("/");
    let answer = sim.get("/");
    assert_eq!(answer.calls.of(Call::GetProperty), 3);
    assert_eq!(answer.calls.of(Call::GetHeader), 1);
    assert_eq!(answer.calls.total(), 5, "{:?}", answer.calls);
    assert_eq!(sim.calls().of(Call::GetProperty), 6);
}

#[test]
fn a_fault_strikes_the_call_it_is_meant_for() {
    let mut sim = playing("properties");
    sim.start().unwrap();
    sim.fault(|faults| faults.nth(Call::GetProperty, 2, Status::NotFound));
    sim.get("/");
    sim.get("/");
    assert_eq!(sim.logged("None None").len(), 1);
    assert_eq!(sim.clear_faults(), 1);
}

#[test]
fn what_the_module_forgets_to_free_is_seen_to_the_byte() {
    let live = |part: &str| {
        let mut sim = playing(part);
        sim.gets(10);
        let before = sim.heap(0);
        sim.gets(100);
        let after = sim.heap(0);
        (
            after.live_bytes - before.live_bytes,
            after.live_blocks - before.live_blocks,
        )
    };
    assert_eq!(live("nothing"), (0, 0));
    assert_eq!(live("leak"), (10_000, 100));
}

fn number(sim: &Sim) -> u64 {
    u64::from_le_bytes(sim.shared("number").unwrap().try_into().unwrap())
}

#[test]
fn another_worker_can_act_between_two_host_calls() {
    let mut sim = playing("count").workers(2);
    sim.get("/");
    sim.before_next(0, Call::SetSharedData, |sim| {
        assert_eq!(sim.send(Request::get("/").on(1)).status, 200);
    });
    sim.get("/");
    assert_eq!((number(&sim), sim.shared_conflicts()), (3, 1));
}

#[test]
fn workers_take_turns_in_the_order_of_the_seed() {
    let run = |seed| {
        let mut sim = playing("count").workers(4);
        for index in 0..40 {
            sim.later(Duration::ZERO, Request::get("/").on(index % 4));
        }
        sim.settle_interleaved(seed);
        assert_eq!(number(&sim), 40);
        sim.shared_conflicts()
    };
    let conflicts: Vec<_> = (0..10).map(run).collect();
    assert!(conflicts.iter().all(|count| *count > 0), "{conflicts:?}");
    assert_eq!(conflicts, (0..10).map(run).collect::<Vec<_>>());
}

#[test]
#[should_panic(expected = "the request hangs")]
fn a_request_that_nobody_answers_fails_the_test() {
    let mut sim = playing("nothing");
    sim.host("a:1")
        .replies(Reply::status(200).after(Duration::from_secs(3_600)));
    sim.get("/");
}
