//! What the filter may cost. The figures are printed; the bounds are the project's.

use crate::common::{A, B, BACKEND, C, eject, hit, post, sim, sim_of};
use serde_json::json;
use sidestep_sim::{Call, Request, Sim, Tally};
use std::time::Duration;

/// The most host calls that a request may make, in all its callbacks, on the success path.
const HOST_CALLS: u32 = 6;

fn small_get() -> Request {
    Request::get("/")
}

/// One request of a worker that has been at work for a while, and its host calls.
fn cost(sim: &mut Sim, request: Request) -> Tally {
    cost_after(sim, 10, request)
}

fn cost_after(sim: &mut Sim, requests: usize, request: Request) -> Tally {
    for _ in 0..requests {
        sim.send(request.clone());
    }
    let answer = sim.send(request);
    assert_eq!(answer.status, 200);
    answer.calls
}

#[test]
fn the_success_path_makes_few_host_calls_and_writes_no_shared_data() {
    let mut sim = sim(json!({}));
    let calls = cost(&mut sim, small_get());
    println!("GET, nothing ejected: {calls:?}");
    assert!(calls.total() <= HOST_CALLS, "{calls:?}");
    assert_eq!(calls.of(Call::SetSharedData), 0);
    for request in [post(), Request::new("PUT", "/").body("x"), Request::new("HEAD", "/")] {
        println!("{:?}", cost(&mut sim, request));
    }
    // The first tick after a host's first answer notes that the host was seen.
    sim.advance_secs(2);
    let writes = sim.shared_writes();
    for _ in 0..1_000 {
        sim.advance(Duration::from_millis(10));
        let answer = sim.send(small_get());
        assert_eq!(answer.calls.of(Call::SetSharedData), 0);
    }
    // In ten seconds one interval ends, and what was counted in it is handed over.
    assert_eq!(sim.shared_writes(), writes + 1);
}

#[test]
fn the_first_requests_write_what_they_learn_and_then_nothing() {
    let mut sim = Sim::new(json!({"retry": {"engine": "filter"}}))
        .cluster(BACKEND, [A, B, C])
        .workers(2);
    for worker in 0..2 {
        for _ in 0..3 {
            sim.send(small_get().on(worker));
        }
    }
    sim.advance_secs(3);
    let writes = sim.shared_writes();
    for round in 0..1_000 {
        sim.advance(Duration::from_millis(5));
        assert!(sim.send(small_get().on(round % 2)).calls.total() <= HOST_CALLS);
    }
    assert_eq!(sim.shared_writes(), writes);
}

#[test]
fn the_number_of_hosts_does_not_change_the_number_of_host_calls() {
    let cost_with = |count: usize| {
        let hosts: Vec<String> = (0..count).map(|n| format!("10.1.{}.{}:80", n / 250, n % 250)).collect();
        let names: Vec<&str> = hosts.iter().map(String::as_str).collect();
        let mut sim = sim_of(&names, json!({}));
        // Each host's first answers have something to be looked up.
        let healthy = cost_after(&mut sim, 2 * count, small_get());
        sim.host(&hosts[0]).answers(503);
        hit(&mut sim, &hosts[0], 5);
        let pinned = cost_after(&mut sim, 2 * count, small_get());
        (healthy, pinned)
    };
    let (few, pinned) = cost_with(3);
    println!("3 hosts: {few:?}; with one ejected: {pinned:?}");
    for count in [100, 1_000] {
        let (healthy, ejected) = cost_with(count);
        println!("{count} hosts: {healthy:?}; with one ejected: {ejected:?}");
        assert_eq!((healthy.total(), ejected.total()), (few.total(), pinned.total()));
        // An address may be a few characters longer; nothing else may.
        assert!(healthy.bytes <= few.bytes + 16, "{healthy:?}");
    }
}

#[test]
fn requests_allocate_the_same_whatever_the_number_of_hosts() {
    let allocated = |count: usize| {
        let hosts: Vec<String> = (0..count).map(|n| format!("10.1.{}.{}:80", n / 250, n % 250)).collect();
        let names: Vec<&str> = hosts.iter().map(String::as_str).collect();
        let mut sim = sim_of(&names, json!({}));
        sim.gets(count.max(100));
        let before = sim.heap(0);
        sim.gets(100);
        sim.heap(0).allocated_bytes - before.allocated_bytes
    };
    let (few, many) = (allocated(3), allocated(1_000));
    println!("bytes allocated by 100 requests: {few} with 3 hosts, {many} with 1,000");
    assert!(many <= few + few / 10, "{few} and {many}");
}

/// A bit of everything.
fn traffic(sim: &mut Sim, requests: usize) {
    for number in 0..requests {
        let request = match number % 10 {
            0 => Request::new("PUT", "/").body("some body"),
            1 => post(),
            2 => Request::new("HEAD", "/"),
            _ => small_get(),
        };
        sim.send(request);
        if number % 50 == 0 {
            sim.advance(Duration::from_millis(100));
        }
    }
}

#[test]
fn a_hundred_thousand_requests_leave_the_heap_where_a_thousand_left_it() {
    let mut sim = sim(json!({}));
    // Now and then a host fails, is ejected and comes back.
    let mut count = 0;
    sim.host(A).behaves(move |_| {
        count += 1;
        sidestep_sim::Reply::status(if count % 3_000 < 10 { 503 } else { 200 })
    });
    traffic(&mut sim, 1_000);
    let at_rest = |sim: &mut Sim| {
        sim.advance_secs(700);
        sim.heap(0)
    };
    let early = at_rest(&mut sim);
    traffic(&mut sim, 99_000);
    let late = at_rest(&mut sim);
    println!(
        "live heap after 1,000 requests: {} bytes in {} blocks; after 100,000: {} bytes in {} blocks; {} ejections",
        early.live_bytes,
        early.live_blocks,
        late.live_bytes,
        late.live_blocks,
        sim.logged("ejected host").len(),
    );
    assert!(sim.logged("ejected host").len() > 3);
    assert!(late.live_blocks <= early.live_blocks + 4, "{early:?} {late:?}");
    assert!(late.live_bytes <= early.live_bytes + 512, "{early:?} {late:?}");
}

#[test]
fn requests_that_end_in_odd_ways_leave_nothing_behind() {
    let mut sim = sim(json!({}));
    sim.steer(BACKEND, Some(A));
    sim.host(A).answers(503);
    for host in [B, C] {
        sim.host(host)
            .replies(sidestep_sim::Reply::status(200).after(Duration::from_secs(1)));
    }
    let round = |sim: &mut Sim| {
        for _ in 0..100 {
            let id = sim.begin(Request::new("PUT", "/").body([1u8; 5_000]));
            sim.until_held(id);
            sim.client_gone(id);
            let id = sim.begin(Request::new("PUT", "/").chunks(["half of it"]).unfinished());
            sim.client_gone(id);
        }
        sim.settle();
        sim.advance_secs(700);
        sim.heap(0)
    };
    let early = round(&mut sim);
    let late = round(&mut sim);
    println!("{early:?} {late:?}");
    assert!(late.live_bytes <= early.live_bytes + 512, "{early:?} {late:?}");
}

#[test]
fn a_request_in_flight_takes_little_memory() {
    let per_request = |request: Request, extra: serde_json::Value, millis: u64| {
        let mut sim = sim(extra);
        sim.gets(100);
        for host in [A, B, C] {
            let reply = sidestep_sim::Reply::status(200).after(Duration::from_secs(2));
            sim.host(host).replies(reply);
        }
        let before = sim.heap(0).live_bytes;
        let ids: Vec<_> = (0..500).map(|_| sim.begin(request.clone())).collect();
        sim.advance(Duration::from_millis(millis));
        let each = (sim.heap(0).live_bytes - before) / 500;
        for id in ids {
            sim.finish(id);
        }
        each
    };
    let none = json!({"retry": {"num_retries": 0}});
    let hedged = json!({"retry": {"hedge": {"delay": "50ms"}, "budget": {"min_retries_per_second": 10_000}}});
    let put = || Request::new("PUT", "/").body([1_u8; 4096]);
    let rows = [
        ("GET, not to be retried", per_request(small_get(), none, 0)),
        ("GET, the filter's", per_request(small_get(), json!({}), 0)),
        (
            "GET, the router's",
            per_request(small_get(), json!({"retry": {"engine": "router"}}), 0),
        ),
        ("PUT of 4 kB, the filter's", per_request(put(), json!({}), 0)),
        (
            "PUT of 4 kB, the router's",
            per_request(put(), json!({"retry": {"engine": "router"}}), 0),
        ),
        ("GET, hedge planned", per_request(small_get(), hedged.clone(), 0)),
        ("GET, hedge sent", per_request(small_get(), hedged, 60)),
    ];
    for (what, bytes) in &rows {
        println!("bytes held for a request in flight, {what}: {bytes}");
    }
    for (what, bytes) in rows {
        let body = if what.contains("4 kB, the filter's") { 4096 } else { 0 };
        assert!(bytes <= body + 3_000, "{what}: {bytes}");
    }
}

#[test]
fn while_a_host_is_out_a_request_still_costs_little() {
    let mut sim = sim(json!({}));
    eject(&mut sim, A);
    let calls = cost(&mut sim, small_get());
    println!("GET, one host ejected: {calls:?}");
    assert!(calls.total() <= HOST_CALLS + 2, "{calls:?}");
    assert_eq!(calls.of(Call::SetSharedData), 0);
}
