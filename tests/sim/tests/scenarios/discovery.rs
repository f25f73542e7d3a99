//! Hosts that Envoy itself lists.

use crate::common::{BACKEND, counted, eject, merge};
use crate::crowd::{assert_only, elected, hosts, out, table};
use serde_json::{Value, json};
use sidestep_sim::{Chance, Failure, Fitness, Load, Reply, Request, Sim};
use std::time::Duration;

/// An Envoy whose configuration names no host, and that can be asked every five seconds.
fn listed(hosts: &[String], workers: usize, extra: Value) -> Sim {
    let mut config = json!({
        "picking": {"discovery_percent": 0, "admin": {"cluster": "admin", "interval": "5s"}},
        "retry": {"engine": "filter"},
        "clusters": {BACKEND: {}},
    });
    merge(&mut config, extra);
    Sim::new(config).cluster(BACKEND, hosts).admin("admin").workers(workers)
}

/// The hosts that are known and not gone.
fn known(sim: &Sim) -> Vec<String> {
    let table = table(sim);
    let there = table.hosts().iter().filter(|host| !host.gone);
    there.map(|host| host.addr.to_string()).collect()
}

fn sorted(mut hosts: Vec<String>) -> Vec<String> {
    hosts.sort_by_key(|host| host.parse::<sidestep::model::HostAddr>().expect("an address"));
    hosts
}

fn reads(sim: &Sim) -> u64 {
    sim.attempts(Sim::ADMIN)
}

#[test]
fn all_hosts_are_known_before_any_request() {
    for workers in [1, 4, 16] {
        let hosts = hosts(30);
        let mut sim = listed(&hosts, workers, json!({}));
        sim.advance_secs(10);
        assert_eq!(known(&sim), sorted(hosts.clone()));
        assert!(
            (1..=3).contains(&reads(&sim)),
            "{workers} workers read {} times",
            reads(&sim)
        );
        // A request that fails can be repeated elsewhere, whoever gets it.
        sim.host(&hosts[0]).answers(503);
        sim.steer(BACKEND, Some(&hosts[0]));
        for worker in 0..workers {
            assert_eq!(sim.send(Request::get("/").on(worker)).status, 200);
        }
    }
}

#[test]
fn only_one_worker_reads_and_another_goes_on_when_it_dies() {
    let hosts = hosts(10);
    let mut sim = listed(&hosts, 8, json!({}));
    sim.send(Request::get("/"));
    sim.advance_secs(60);
    assert!((11..=13).contains(&reads(&sim)), "{}", reads(&sim));
    let before = reads(&sim);
    let worker = elected(&sim);
    sim.kill_vm(worker);
    sim.advance_secs(10);
    assert!(reads(&sim) > before, "nobody has taken over within two intervals");
    sim.advance_secs(50);
    assert!((10..=14).contains(&(reads(&sim) - before)), "{}", reads(&sim) - before);
    assert_eq!(counted(&mut sim, "sidestep.errors.admin"), 0);
}

#[test]
fn hosts_that_come_are_found_and_hosts_that_go_are_forgotten_within_an_interval() {
    let hosts = hosts(60);
    let mut sim = listed(&hosts[..50], 4, json!({}));
    eject_first(&mut sim, &hosts);
    let mut load = Load::gets(200, 1);
    for host in &hosts[50..] {
        sim.add_host(BACKEND, host);
    }
    for host in &hosts[40..50] {
        sim.remove_host(BACKEND, host);
    }
    sim.under(&mut load, Duration::from_secs(7));
    let expected: Vec<String> = hosts[..40].iter().chain(&hosts[50..]).cloned().collect();
    assert_eq!(known(&sim), sorted(expected));
    let served = sim.under(&mut load, Duration::from_secs(10));
    assert_eq!(served.errors, 0);
    for host in &hosts[50..] {
        assert!(served.first_tried(host) > 10, "{host}: {}", served.first_tried(host));
    }
    for host in &hosts[40..50] {
        assert_eq!(served.first_tried(host), 0);
    }
}

/// One host is out, so that pins are set.
fn eject_first(sim: &mut Sim, hosts: &[String]) {
    sim.send(Request::get("/"));
    sim.advance_secs(7);
    eject(sim, &hosts[0]);
}

#[test]
fn hosts_that_envoy_thinks_unfit_get_no_pin() {
    for fitness in [Fitness::FailedHealthCheck, Fitness::Unhealthy, Fitness::Draining] {
        let hosts = hosts(10);
        let mut sim = listed(&hosts, 4, json!({}));
        eject_first(&mut sim, &hosts);
        sim.fitness(BACKEND, &hosts[5], fitness);
        let mut load = Load::gets(200, 1);
        sim.under(&mut load, Duration::from_secs(7));
        let served = sim.under(&mut load, Duration::from_secs(10));
        assert_eq!(served.first_tried(&hosts[5]), 0, "{fitness:?}");
        sim.fitness(BACKEND, &hosts[5], Fitness::Fit);
        sim.under(&mut load, Duration::from_secs(7));
        let served = sim.under(&mut load, Duration::from_secs(10));
        assert!(served.first_tried(&hosts[5]) > 150, "{fitness:?}");
        assert_only(&sim, &hosts[0]);
    }
}

#[test]
fn what_envoy_s_own_outlier_detection_thinks_is_not_ours() {
    let hosts = hosts(10);
    let mut sim = listed(&hosts, 4, json!({}));
    eject_first(&mut sim, &hosts);
    sim.fitness(BACKEND, &hosts[5], Fitness::FailedOutlierCheck);
    let mut load = Load::gets(200, 1);
    sim.under(&mut load, Duration::from_secs(7));
    let served = sim.under(&mut load, Duration::from_secs(10));
    assert!(served.first_tried(&hosts[5]) > 150);
}

#[test]
fn an_ejected_host_that_comes_back_is_still_ejected() {
    let hosts = hosts(10);
    let mut sim = listed(&hosts, 4, json!({"outlier_detection": {"base_ejection_time": "100s"}}));
    eject_first(&mut sim, &hosts);
    sim.remove_host(BACKEND, &hosts[0]);
    sim.advance_secs(10);
    assert!(!known(&sim).contains(&hosts[0]));
    sim.add_host(BACKEND, &hosts[0]);
    sim.advance_secs(10);
    assert_eq!(out(&sim), [hosts[0].as_str()]);
    let served = sim.under(&mut Load::gets(200, 1), Duration::from_secs(10));
    assert_eq!((served.first_tried(&hosts[0]), served.errors), (0, 0));
}

#[test]
fn odd_answers_change_nothing_and_are_counted() {
    let hosts = hosts(10);
    let huge = format!("{{\"cluster_statuses\": [{}]}}", "[],".repeat(4_000_000));
    for (what, reply) in [
        (
            "malformed",
            Reply::status(200).body("{\"cluster_statuses\": [{\"name\": \"backend\""),
        ),
        (
            "no JSON",
            Reply::status(200).body("backend::default_priority::max_connections::1024\n"),
        ),
        ("not UTF-8", Reply::status(200).body([0xff, 0xfe, 0x00])),
        ("empty", Reply::status(200).body("")),
        ("forbidden", Reply::status(403)),
        ("huge", Reply::status(200).body(huge)),
        ("broken off", Reply::status(200).cut()),
        ("refused", Reply::failure(Failure::Refused)),
        ("late", Reply::status(200).after(Duration::from_secs(60))),
        ("deep", Reply::status(200).body("[".repeat(1_000_000))),
    ] {
        let mut sim = listed(&hosts, 2, json!({}));
        sim.send(Request::get("/"));
        sim.advance_secs(7);
        let before = known(&sim);
        assert_eq!(before.len(), 10);
        sim.host(Sim::ADMIN).replies(reply);
        sim.advance_secs(20);
        assert_eq!(known(&sim), before, "{what}");
        let errors = sim.metric("sidestep.errors.admin");
        assert!((2..=5).contains(&errors), "{what}: {errors}");
        sim.host(Sim::ADMIN).is_itself();
        sim.remove_host(BACKEND, &hosts[9]);
        sim.advance_secs(7);
        assert_eq!(known(&sim).len(), 9, "{what}: afterwards it reads again");
    }
}

#[test]
fn an_answer_without_the_cluster_or_without_hosts_is_no_reason_to_panic() {
    let hosts = hosts(10);
    let mut sim = listed(&hosts, 2, json!({}));
    eject_first(&mut sim, &hosts);
    for body in [
        r#"{"cluster_statuses": []}"#,
        r#"{"cluster_statuses": [{"name": "backend"}]}"#,
        r#"{"cluster_statuses": [{"name": "backend", "host_statuses": []}]}"#,
        r#"{"cluster_statuses": [{"name": "backend", "host_statuses": [{}, 7, null]}]}"#,
        r#"{}"#,
        r#"[]"#,
    ] {
        sim.host(Sim::ADMIN).replies(Reply::status(200).body(body));
        let served = sim.under(&mut Load::gets(100, 1), Duration::from_secs(12));
        assert_eq!(served.errors, 0, "{body}");
    }
    sim.host(Sim::ADMIN).is_itself();
    sim.under(&mut Load::gets(100, 1), Duration::from_secs(45));
    assert_eq!(known(&sim).len(), 10);
}

#[test]
fn no_more_hosts_are_known_than_may_be() {
    let hosts = hosts(500);
    let mut sim = listed(&hosts, 4, json!({"picking": {"max_hosts": 100}}));
    sim.send(Request::get("/"));
    sim.advance_secs(20);
    assert_eq!(known(&sim).len(), 100);
    assert!(counted(&mut sim, "sidestep.admin.skipped") >= 400);
}

#[test]
fn a_host_set_that_changes_all_the_time_costs_no_request() {
    for seed in 1..4 {
        let hosts = hosts(200);
        let mut sim = listed(&hosts[..100], 8, json!({}));
        eject_first(&mut sim, &hosts);
        let mut chance = Chance::new(seed);
        let mut load = Load::gets(400, seed);
        let mut there: Vec<usize> = (0..100).collect();
        for _ in 0..60 {
            let gone = there.swap_remove(chance.below(there.len()));
            sim.remove_host(BACKEND, &hosts[gone]);
            let come = chance.below(hosts.len());
            if !there.contains(&come) {
                there.push(come);
                sim.add_host(BACKEND, &hosts[come]);
            }
            let served = sim.under(&mut load, Duration::from_millis(500));
            // Nobody fails but the first host, and its failures are answered elsewhere.
            assert_eq!(served.errors, 0, "seed {seed}");
        }
        sim.under(&mut load, Duration::from_secs(12));
        let expected = there.iter().map(|number| hosts[*number].clone()).collect();
        assert_eq!(known(&sim), sorted(expected), "seed {seed}");
        assert_eq!(counted(&mut sim, "sidestep.pins.ignored"), 0, "seed {seed}");
    }
}

#[test]
fn wherever_the_reader_dies_the_hosts_are_known() {
    for k in 0.. {
        let hosts = hosts(10);
        let mut sim = listed(&hosts, 2, json!({}));
        sim.send(Request::get("/").on(0));
        sim.send(Request::get("/").on(1));
        sim.advance_secs(6);
        let worker = elected(&sim);
        sim.remove_host(BACKEND, &hosts[3]);
        sim.kill_vm_after(worker, k);
        sim.advance_secs(6);
        let alive = sim.has_vm(worker);
        sim.advance_secs(9);
        assert_eq!(known(&sim).len(), 9, "killed before call {k}");
        if alive {
            break;
        }
    }
}
