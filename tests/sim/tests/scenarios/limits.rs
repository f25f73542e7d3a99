//! Not every host that fails may go, and each refusal is counted with its reason.

use crate::common::{A, B, C, D, counted, eject, has_traffic, hit, sim, sim_of};
use serde_json::json;
use sidestep_sim::Sim;

fn ejected(sim: &Sim) -> usize {
    sim.logged("ejected host").len()
}

#[test]
fn no_more_than_the_percentage_may_be_out() {
    let mut sim = sim_of(&[A, B, C, D], json!({}));
    eject(&mut sim, A);
    eject(&mut sim, B);
    sim.host(C).answers(503);
    hit(&mut sim, C, 5);
    assert_eq!(ejected(&sim), 2);
    // Everything is pinned away from A and B, so the hits were shared by C and D.
    while sim.attempts(C) < 12 {
        hit(&mut sim, C, 1);
    }
    assert_eq!(ejected(&sim), 2);
    assert!(counted(&mut sim, "sidestep.ejections_refused.max_ejection_percent") >= 1);
}

#[test]
fn of_three_hosts_one_may_go_by_default() {
    let mut sim = sim(json!({}));
    eject(&mut sim, A);
    sim.host(B).answers(503);
    hit(&mut sim, B, 30);
    assert_eq!(ejected(&sim), 1);
    assert!(has_traffic(&mut sim, B));
}

#[test]
fn of_two_hosts_one_may_go_whatever_the_percentage_but_zero() {
    let mut one = sim_of(&[A, B], json!({"outlier_detection": {"max_ejection_percent": 1}}));
    eject(&mut one, A);
    let mut none = sim_of(&[A, B], json!({"outlier_detection": {"max_ejection_percent": 0}}));
    none.host(A).answers(503);
    hit(&mut none, A, 20);
    assert_eq!(ejected(&none), 0);
    assert_eq!(counted(&mut none, "sidestep.ejections_refused.max_ejection_percent"), 4);
}

#[test]
fn the_last_one_available_never_goes() {
    let mut sim = sim_of(&[A, B], json!({"outlier_detection": {"max_ejection_percent": 100}}));
    eject(&mut sim, A);
    sim.host(B).answers(503);
    hit(&mut sim, B, 20);
    assert_eq!(ejected(&sim), 1);
    assert_eq!(counted(&mut sim, "sidestep.ejections_refused.last_host"), 4);
    let mut alone = sim_of(&[A], json!({"outlier_detection": {"max_ejection_percent": 100}}));
    alone.host(A).answers(503);
    hit(&mut alone, A, 5);
    assert_eq!(ejected(&alone), 0);
    assert_eq!(counted(&mut alone, "sidestep.ejections_refused.last_host"), 1);
}

#[test]
fn a_detector_that_only_reports_ejects_nobody() {
    let mut sim = sim(json!({"outlier_detection": {"enforcing_consecutive_5xx": 0}}));
    sim.host(A).answers(500);
    hit(&mut sim, A, 10);
    assert_eq!(ejected(&sim), 0);
    assert_eq!(counted(&mut sim, "sidestep.ejections_refused.not_enforced"), 2);
    assert_eq!(sim.metric("sidestep.ejections.consecutive_5xx"), 0);
}

#[test]
fn a_threshold_of_zero_switches_its_detector_off() {
    let mut sim = sim(json!({"outlier_detection": {"consecutive_5xx": 0, "consecutive_gateway_failure": 0}}));
    sim.host(A).answers(503);
    hit(&mut sim, A, 100);
    assert_eq!(ejected(&sim), 0);
    assert_eq!(counted(&mut sim, "sidestep.ejections_refused.not_enforced"), 0);
}

#[test]
fn jitter_lengthens_an_ejection_by_no_more_than_it_says() {
    let extra = json!({"outlier_detection": {"max_ejection_time_jitter": "10s"}});
    let mut sim = sim(extra);
    eject(&mut sim, A);
    sim.host(A).answers(200);
    sim.advance_secs(29);
    assert_eq!(sim.attempts(A), 5);
    assert!(!has_traffic(&mut sim, A));
    sim.advance_secs(11);
    assert!(has_traffic(&mut sim, A));
}
