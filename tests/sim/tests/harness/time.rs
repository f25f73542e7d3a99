//! Clocks and timers.

use crate::playing;
use sidestep_sim::{Call, Reply, Request, Sim};
use std::collections::BTreeSet;
use std::time::Duration;

#[test]
fn a_jump_of_the_clock_is_seen_by_the_module_and_by_no_timer() {
    let mut sim = playing("ticks");
    sim.advance_secs(1);
    sim.jump_clock(3_600);
    sim.advance_secs(1);
    sim.jump_clock(-7_200);
    sim.advance_secs(1);
    let ticks = sim.logged("tick at ").into_iter();
    let times: Vec<f64> = ticks
        .map(|line| {
            line.trim_start_matches("tick at ")
                .trim_end_matches('s')
                .parse()
                .unwrap()
        })
        .collect();
    assert_eq!(times.len(), 12);
    let gaps = times.windows(2).map(|two| (two[1] - two[0]).round() as i64);
    assert_eq!(gaps.filter(|gap| *gap != 0).collect::<Vec<_>>(), [3_600, -7_200]);
}

#[test]
fn the_time_of_a_request_can_be_read_in_every_phase() {
    let mut sim = playing("time");
    sim.host("a:1")
        .replies(Reply::status(200).after(Duration::from_secs(1)));
    sim.send(Request::get("/"));
    let said = |phase: &str| {
        let line = sim.logged(phase).pop().unwrap();
        let (time, at) = line[phase.len()..].split_once(" at ").unwrap();
        (time.to_owned(), at.to_owned())
    };
    let (time, at) = said("request: ");
    assert_eq!(time, format!("Some({at})"));
    for phase in ["response: ", "log: "] {
        assert_eq!(said(phase).0, time);
        assert_ne!(said(phase).1, at);
    }
}

/// When the ticks came, within their period.
fn moments(sim: &Sim) -> BTreeSet<u64> {
    let logs = sim.logs();
    let ticks = logs.iter().filter(|line| line.text.starts_with("tick"));
    ticks.map(|line| line.at % 250_000_000 / 1_000_000).collect()
}

#[test]
fn timers_go_off_at_different_times_in_all_vms_unless_they_shall_not() {
    let mut sim = playing("ticks").workers(16);
    sim.advance_secs(2);
    assert_eq!((sim.logged("tick").len(), moments(&sim).len()), (128, 16));
    let mut sim = playing("ticks").workers(16).ticking_together();
    sim.advance_secs(2);
    assert_eq!((sim.logged("tick").len(), moments(&sim).len()), (128, 1));
}

#[test]
fn a_dead_vm_does_not_tick() {
    let mut sim = playing("ticks").workers(2);
    sim.advance_secs(1);
    sim.kill_vm(1);
    let before = sim.logged("tick").len();
    sim.advance_secs(5);
    assert_eq!(sim.logged("tick").len() - before, 20);
    sim.send(Request::get("/").on(1));
    sim.advance_secs(1);
    assert_eq!(sim.logged("tick").len() - before, 28);
}

#[test]
fn workers_take_turns_at_every_host_call_of_their_ticks() {
    let run = |seed| {
        let mut sim = playing("gauge").workers(4).ticking_together();
        sim.advance_interleaved(Duration::from_secs(3), seed);
        assert_eq!(sim.metric("ticks"), 12);
        sim.logs()
    };
    assert!(run(1) == run(1), "the same seed, the same story");
    assert!((2..6).any(|seed| run(seed) != run(1)));
}

#[test]
fn time_stops_where_it_was_told_to_whoever_takes_turns() {
    let mut sim = playing("ticks").workers(3);
    sim.start().unwrap();
    let start = sim.now();
    sim.advance_interleaved(Duration::from_millis(1_700), 5);
    assert_eq!(sim.now() - start, 1_700_000_000);
    assert_eq!(sim.calls().of(Call::SetTickPeriod), 3);
}

/// When ticks were logged, in milliseconds after `start`.
fn ticked(sim: &Sim, start: u64) -> Vec<u64> {
    let logs = sim.logs();
    let ticks = logs.iter().filter(|line| line.text.starts_with("tick"));
    ticks.map(|line| (line.at - start) / 1_000_000).collect()
}

#[test]
fn a_period_that_is_set_starts_the_timer_anew() {
    let mut sim = playing("ticks");
    sim.start().unwrap();
    let start = sim.now();
    let setting = |sim: &mut Sim, period: &str| sim.send(Request::get("/").header("period", period));
    sim.advance(Duration::from_millis(600));
    setting(&mut sim, "250");
    sim.advance(Duration::from_millis(300));
    setting(&mut sim, "30");
    sim.advance(Duration::from_millis(65));
    setting(&mut sim, "0");
    sim.advance_secs(10);
    assert_eq!(ticked(&sim, start), [250, 500, 850, 930, 960]);
    setting(&mut sim, "40");
    sim.advance(Duration::from_millis(50));
    assert_eq!(ticked(&sim, start).last(), Some(&11_005));
}

#[test]
fn a_tick_can_be_the_last_one() {
    let mut sim = playing("ticks once");
    sim.advance_secs(5);
    assert_eq!(sim.logged("tick").len(), 1);
}
