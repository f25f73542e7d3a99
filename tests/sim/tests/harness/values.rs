//! Metrics: one set of values for all VMs.

use crate::playing;
use sidestep_sim::{Call, Status};

#[test]
fn every_vm_reads_the_same_value_whoever_wrote_it() {
    let mut sim = playing("gauge").workers(2).ticking_together();
    sim.advance_secs(2);
    for line in ["Ok(0) Ok(0)", "Ok(7) Ok(1)", "Ok(7) Ok(2)", "Ok(7) Ok(3)"] {
        assert_eq!(sim.logged(line).len(), 1, "{:?}", sim.logs());
    }
    assert_eq!((sim.metric("level"), sim.metric("ticks")), (7, 4));
    assert_eq!(sim.calls().of(Call::GetMetric), 8);
}

#[test]
fn a_vm_that_is_loaded_anew_finds_the_values_that_the_old_one_left() {
    let mut sim = playing("gauge");
    sim.advance_secs(2);
    sim.kill_vm(0);
    sim.advance_secs(1);
    sim.get("/");
    sim.advance_secs(1);
    assert_eq!(sim.logged("Ok(7) Ok(2)").len(), 1, "{:?}", sim.logs());
}

#[test]
fn metrics_that_a_stats_matcher_excludes_stay_at_zero() {
    let mut sim = playing("gauge").without_metrics();
    sim.advance_secs(3);
    assert_eq!(sim.logged("Ok(0) Ok(0)").len(), 3);
    assert_eq!(sim.metrics_under(""), 0);
}

#[test]
#[should_panic(expected = "unexpected status: 10")]
fn reading_a_metric_can_be_made_to_fail() {
    // The SDK's wrapper panics on it; a module that binds the function itself gets the status.
    let mut sim = playing("gauge");
    sim.start().unwrap();
    sim.fault(|faults| faults.always(Call::GetMetric, Status::InternalFailure));
    sim.advance_secs(1);
}
