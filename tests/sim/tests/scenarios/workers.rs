//! Several workers, each with a VM of its own: what they share, and what survives a VM's death.

use crate::common::{A, B, BACKEND, C, config, counted, eject, has_traffic, hit, post, share, sim, sim_of};
use serde_json::json;
use sidestep_sim::{Call, Reply, Request, Sim, Status};
use std::time::Duration;

#[test]
fn ejections_outlive_the_vm_that_made_them() {
    let mut sim = sim(json!({}));
    eject(&mut sim, A);
    sim.kill_vm(0);
    sim.advance_secs(1);
    assert_eq!(share(&mut sim, A, 30), 0);
    sim.advance_secs(30);
    sim.host(A).answers(200);
    assert!(has_traffic(&mut sim, A));
}

#[test]
fn failures_counted_before_a_vm_died_count_after_it() {
    let mut sim = sim(json!({}));
    sim.host(A).answers(503);
    hit(&mut sim, A, 4);
    sim.kill_vm(0);
    sim.advance_secs(1);
    hit(&mut sim, A, 1);
    assert_eq!(sim.logged("ejected host").len(), 1);
}

#[test]
fn a_vm_that_dies_during_a_retry_takes_only_its_own_requests_along() {
    let mut sim = sim(json!({})).workers(2);
    sim.steer(BACKEND, Some(A));
    sim.host(A).answers(503);
    for host in [B, C] {
        sim.host(host).replies(Reply::status(200).after(Duration::from_secs(1)));
    }
    let (one, two) = (sim.begin(Request::get("/").on(0)), sim.begin(Request::get("/").on(1)));
    assert!(sim.until_held(one) && sim.until_held(two));
    sim.kill_vm(0);
    assert_eq!((sim.finish(one).status, sim.finish(two).status), (503, 200));
    sim.advance_secs(1);
    assert_eq!(sim.send(Request::get("/").on(0)).status, 200);
}

#[test]
fn a_new_configuration_keeps_the_ejections() {
    let mut sim = sim(json!({})).workers(2);
    eject(&mut sim, A);
    sim.reconfigure(config(&[A, B, C], json!({"outlier_detection": {"consecutive_5xx": 7}})))
        .expect("taken");
    assert_eq!(share(&mut sim, A, 30), 0);
}

#[test]
fn a_configuration_that_is_refused_leaves_the_old_one_at_work() {
    let mut sim = sim(json!({}));
    let logs = sim
        .reconfigure(r#"{"retry": {"num_retries": "many"}}"#)
        .expect_err("refused");
    assert!(logs.iter().any(|line| line.contains("retry.num_retries")), "{logs:?}");
    eject(&mut sim, A);
}

/// The workers' requests, `per_worker` each, all failing at A in one moment, in the order of the seed.
fn storm(seed: u64, workers: usize, per_worker: usize, threshold: usize) -> Sim {
    let extra = json!({"outlier_detection": {"consecutive_5xx": threshold, "max_ejection_percent": 50}});
    let mut sim = sim_of(&[A, B], extra).workers(workers);
    sim.steer(BACKEND, Some(A));
    sim.host(A).answers(503);
    for worker in 0..workers {
        for _ in 0..per_worker {
            sim.later(Duration::from_millis(1), post().on(worker));
        }
    }
    sim.settle_interleaved(seed);
    sim
}

#[test]
fn failures_are_counted_exactly_however_the_workers_take_turns() {
    let mut conflicts = 0;
    for seed in 0..60 {
        let sim = storm(seed, 4, 5, 20);
        assert_eq!(sim.attempts(A), 20, "seed {seed}");
        assert_eq!(sim.logged("ejected host").len(), 1, "seed {seed}: {:?}", sim.logs());
        conflicts += sim.shared_conflicts();
        let sim = storm(seed, 4, 5, 21);
        assert_eq!(sim.logged("ejected host").len(), 0, "seed {seed}");
    }
    assert!(conflicts > 100, "the workers met: {conflicts}");
}

#[test]
fn a_storm_of_failures_ejects_once_and_every_worker_knows() {
    for seed in 100..140 {
        let mut sim = storm(seed, 4, 6, 5);
        assert_eq!(sim.logged("ejected host").len(), 1, "seed {seed}");
        sim.steer(BACKEND, None);
        let before = sim.attempts(A);
        for worker in 0..4 {
            sim.advance(Duration::from_millis(1));
            assert_eq!(sim.send(post().on(worker)).status, 200, "seed {seed}");
        }
        assert_eq!(sim.attempts(A), before, "seed {seed}");
        assert_eq!(counted(&mut sim, "sidestep.errors.shared_data_contention"), 0);
        assert_eq!(sim.metric("sidestep.ejections.consecutive_5xx"), 1);
    }
}

#[test]
fn a_success_between_two_host_calls_of_another_worker_breaks_the_row() {
    let mut sim = sim_of(&[A, B], json!({})).workers(2);
    sim.host(A).answers(503);
    hit(&mut sim, A, 3);
    sim.before_next(0, Call::SetSharedData, |sim| {
        sim.host(A).next([Reply::status(200)]);
        assert_eq!(sim.send(post().on(1)).status, 200);
    });
    // The fourth failure is about to be written when the success comes first. (A fifth would eject: it was read to be
    // the fifth before the success came.)
    hit(&mut sim, A, 1);
    assert!(sim.logged("ejected").is_empty(), "{:?}", sim.logs());
    assert!(sim.shared_conflicts() > 0);
    hit(&mut sim, A, 3);
    assert!(sim.logged("ejected").is_empty());
    hit(&mut sim, A, 1);
    assert_eq!(sim.logged("ejected host").len(), 1);
}

#[test]
fn the_limit_holds_when_two_workers_eject_two_hosts_at_once() {
    for seed in 0..60 {
        let mut sim = sim_of(&[A, B], json!({"outlier_detection": {"max_ejection_percent": 100}})).workers(2);
        for host in [A, B] {
            sim.host(host).answers(503);
            hit(&mut sim, host, 4);
        }
        for worker in 0..2 {
            sim.later(Duration::from_millis(1), post().on(worker));
        }
        sim.settle_interleaved(seed);
        assert_eq!(sim.logged("ejected host").len(), 1, "seed {seed}: {:?}", sim.logs());
    }
}

#[test]
fn the_same_seed_tells_the_same_story() {
    let story = |seed| {
        let extra =
            json!({"picking": {"discovery_percent": 30}, "outlier_detection": {"max_ejection_time_jitter": "9s"}});
        let mut sim = sim(extra).workers(3);
        sim.host(A).replies(Reply::status(503).after(Duration::from_millis(3)));
        for number in 0..200 {
            sim.later(
                Duration::from_millis(number * 7),
                Request::get("/").on(number as usize % 3),
            );
        }
        sim.settle_interleaved(seed);
        sim.advance_secs(60);
        (
            sim.logs(),
            sim.metrics(),
            [A, B, C].map(|host| sim.attempts(host)),
            sim.calls(),
        )
    };
    for seed in 0..5 {
        assert!(story(seed) == story(seed), "seed {seed}");
    }
}

#[test]
fn workers_draw_different_lots() {
    // If they marched in step they would all meet the same host at once.
    let mut sim = sim(json!({})).workers(8);
    sim.start().expect("started");
    eject(&mut sim, A);
    sim.advance(Duration::from_millis(1));
    let mut first = std::collections::BTreeSet::new();
    for worker in 0..8 {
        first.extend(sim.send(post().on(worker)).tried);
    }
    assert_eq!(first.len(), 2, "all eight workers began with {first:?}");
}

#[test]
fn records_that_do_not_decode_count_as_empty_and_are_replaced() {
    let mut sim = sim(json!({}));
    eject(&mut sim, A);
    for key in sim.shared_keys() {
        sim.write_shared(&key, b"\xff\xffnonsense");
    }
    for _ in 0..30 {
        assert!([200, 503].contains(&sim.send(post()).status));
    }
    assert!(counted(&mut sim, "sidestep.errors.record") > 0);
    // What was known is lost, and learned again.
    assert_eq!(sim.logged("ejected host").len(), 2, "{:?}", sim.logs());
    assert_eq!(share(&mut sim, A, 30), 0);
}

#[test]
fn a_record_that_could_not_be_read_once_is_read_again() {
    for nth in 1..=3 {
        let mut sim = sim(json!({})).workers(2);
        for worker in 0..2 {
            sim.send(Request::get("/").on(worker));
        }
        eject(&mut sim, A);
        // Nothing that it answers tells worker 1 that it is out.
        sim.host(A).answers(200);
        let before = sim.attempts(A);
        sim.fault(|faults| faults.nth(Call::GetSharedData, nth, Status::InternalFailure));
        sim.send(post().on(1));
        sim.clear_faults();
        for _ in 0..30 {
            sim.send(post().on(1));
        }
        let met = sim.attempts(A) - before;
        assert!(
            met <= 1,
            "after a fault in read {nth} worker 1 sent {met} requests to the ejected host"
        );
    }
}
