//! Callouts that the root context sends at its ticks.

use crate::playing;
use sidestep_sim::{Call, Failure, Fitness, Latency, Reply, Sim};
use std::time::Duration;

const HOST_A: &str = "calls backend /health a:1";

fn answers(sim: &Sim) -> Vec<String> {
    sim.logged("answer: ")
}

#[test]
fn a_host_answers_the_root_context_after_its_time() {
    let mut sim = playing(HOST_A);
    sim.host("a:1")
        .replies(Reply::status(204).header("x", "y").after(Duration::from_millis(30)));
    sim.advance(Duration::from_millis(279));
    assert_eq!((answers(&sim).len(), sim.attempts("a:1")), (0, 1));
    sim.advance(Duration::from_millis(2));
    assert_eq!(answers(&sim), ["answer: Some(\"204\") Some(\"30\") 0 0"]);
    let seen = &sim.seen("a:1")[0];
    assert!(seen.callout && !seen.headers.has("x-sidestep-host"));
    assert_eq!(seen.path, "/health");
}

#[test]
fn only_an_answer_of_a_host_has_a_service_time() {
    for (reply, expected) in [
        (Reply::failure(Failure::Refused), "answer: Some(\"503\") None"),
        (Reply::failure(Failure::Reset), "answer: Some(\"503\") None"),
        (
            Reply::status(200).after(Duration::from_secs(9)),
            "answer: Some(\"504\") None",
        ),
        (Reply::status(200).cut(), "answer: None None 0 0"),
        (Reply::grpc(14), "answer: Some(\"200\") Some(\"0\") 7 1"),
    ] {
        let mut sim = playing(HOST_A);
        sim.host("a:1").next([reply]);
        sim.advance_secs(1);
        let answers = answers(&sim);
        assert!(
            answers.iter().any(|answer| answer.starts_with(expected)),
            "{answers:?}, not {expected}"
        );
    }
}

#[test]
fn a_callout_to_a_host_that_left_goes_to_another_one() {
    let mut sim = playing(HOST_A);
    sim.start().unwrap();
    sim.remove_host("backend", "a:1");
    sim.advance(Duration::from_millis(251));
    assert_eq!((sim.attempts("a:1"), sim.attempts("b:1")), (0, 1));
    sim.remove_host("backend", "b:1");
    sim.advance(Duration::from_millis(250));
    assert_eq!(sim.logged("no healthy upstream").len(), 1);
}

#[test]
fn callouts_of_the_root_context_do_not_keep_a_simulation_from_settling() {
    let mut sim = playing(HOST_A);
    sim.host("a:1").takes(Latency::of(Duration::from_millis(499)));
    sim.advance_secs(1);
    let before = sim.now();
    sim.get("/");
    sim.settle();
    assert!(sim.now() - before < 1_000_000_000);
}

#[test]
fn answers_reach_no_vm_that_died_meanwhile() {
    let mut sim = playing(HOST_A);
    sim.host("a:1").takes(Latency::of(Duration::from_millis(100)));
    sim.advance(Duration::from_millis(300));
    sim.kill_vm(0);
    sim.advance_secs(5);
    assert_eq!((answers(&sim).len(), sim.attempts("a:1")), (0, 1));
}

#[test]
fn a_vm_can_be_killed_before_any_of_its_host_calls() {
    let mut sim = playing(HOST_A);
    sim.start().unwrap();
    let before = sim.calls();
    sim.advance(Duration::from_millis(260));
    let calls: u64 = sim.calls().since(&before).total().into();
    assert!(calls > 5, "a tick with a callout and its answer");
    for k in 0..calls {
        let mut sim = playing(HOST_A);
        sim.start().unwrap();
        let before = sim.calls();
        sim.kill_vm_after(0, k);
        sim.advance(Duration::from_millis(260));
        assert!(!sim.has_vm(0));
        assert_eq!(u64::from(sim.calls().since(&before).total()), k);
    }
    let mut sim = playing(HOST_A);
    sim.kill_vm_after(0, calls);
    sim.advance(Duration::from_millis(260));
    assert!(sim.has_vm(0));
}

fn with_admin() -> Sim {
    Sim::of(crate::probe::entry, "calls admin /clusters?format=json")
        .cluster("backend", ["10.0.0.1:80", "[2001:db8::1]:8080"])
        .admin("admin")
}

fn listed(sim: &mut Sim) -> serde_json::Value {
    sim.advance(Duration::from_millis(260));
    let line = sim
        .logged("cluster_statuses")
        .pop()
        .expect("an answer of the admin interface");
    let (_, json) = line.split_once(": ").expect("the time it came");
    serde_json::from_str(json).expect("JSON")
}

#[test]
fn the_admin_interface_lists_the_hosts_of_all_clusters() {
    let mut sim = with_admin();
    sim.start().unwrap();
    sim.fitness("backend", "10.0.0.1:80", Fitness::FailedHealthCheck);
    let json = listed(&mut sim);
    let clusters = &json["cluster_statuses"];
    assert_eq!(
        (&clusters[0]["name"], &clusters[1]["name"]),
        (&"backend".into(), &"admin".into())
    );
    let hosts = &clusters[0]["host_statuses"];
    assert_eq!(hosts[0]["address"]["socket_address"]["address"], "10.0.0.1");
    assert_eq!(hosts[0]["health_status"]["failed_active_health_check"], true);
    assert_eq!(hosts[1]["address"]["socket_address"]["address"], "2001:db8::1");
    assert_eq!(hosts[1]["address"]["socket_address"]["port_value"], 8080);
    assert_eq!(hosts[1]["health_status"]["eds_health_status"], "HEALTHY");
    sim.remove_host("backend", "10.0.0.1:80");
    sim.fitness("backend", "[2001:db8::1]:8080", Fitness::Draining);
    let json = listed(&mut sim);
    let hosts = &json["cluster_statuses"][0]["host_statuses"];
    assert_eq!(hosts[0]["health_status"]["eds_health_status"], "DRAINING");
    assert_eq!(hosts.as_array().map(Vec::len), Some(1));
}

#[test]
fn the_admin_interface_lists_only_what_it_is_asked_for() {
    let path = "calls admin /clusters?format=json&filter=%5E%28ba%5C.ck%7Cadmin%29%24";
    let mut sim = Sim::of(crate::probe::entry, path)
        .cluster("backend", ["a:1"])
        .cluster("ba.ck", ["a:1"])
        .admin("admin");
    let json = listed(&mut sim);
    let clusters = json["cluster_statuses"].as_array().expect("a list");
    let names: Vec<_> = clusters.iter().map(|cluster| &cluster["name"]).collect();
    assert_eq!(names, ["ba.ck", "admin"]);
}

#[test]
fn the_admin_interface_can_say_something_else() {
    let mut sim = with_admin();
    sim.host(Sim::ADMIN)
        .replies(Reply::status(200).body("[".repeat(100_000)));
    sim.advance(Duration::from_millis(260));
    assert_eq!(answers(&sim), ["answer: Some(\"200\") Some(\"0\") 100000 0"]);
    assert_eq!(sim.calls().of(Call::HttpCall), 1);
    sim.host(Sim::ADMIN).is_itself();
    assert!(listed(&mut sim).is_object());
}
