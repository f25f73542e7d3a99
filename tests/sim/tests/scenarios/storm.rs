//! Everything at once: many workers and hosts, failures, deaths, host calls that fail, clocks that jump, hosts that come
//! and go. Whatever happens meanwhile, some things always hold, and when it is over all is well again.

use crate::common::{BACKEND, in_pieces};
use crate::crowd::{Watch, crowd, ejections, health, hosts, out, probes, table, take_around};
use serde_json::{Value, json};
use sidestep::health::HostState;
use sidestep_sim::{Call, Chance, Failure, Latency, Load, Reply, Request, Sim, Status};
use std::time::Duration;

/// Something goes wrong with a host.
fn sicken(sim: &mut Sim, host: &str, chance: &mut Chance) {
    match chance.below(7) {
        0 => sim.host(host).answers(503),
        1 => sim.host(host).refuses(),
        2 => sim.host(host).answers_some(0.5, 500, chance.number()),
        3 => sim
            .host(host)
            .takes(Latency::around(Duration::from_millis(400), 0.5, chance.number())),
        4 => sim.host(host).replies(Reply::status(200).body("half of").cut()),
        5 => sim.host(host).replies(Reply::failure(Failure::Closed)),
        _ => sim.host(host).answers(429),
    }
}

fn heal(sim: &mut Sim, host: &str) {
    sim.host(host).is_itself();
    sim.host(host).takes(Latency::around(Duration::from_millis(20), 0.3, 1));
}

/// What a storm is made of.
struct Storm {
    hosts: usize,
    workers: usize,
    per_second: u32,
    steps: usize,
    config: Value,
    deaths: bool,
    jumps: bool,
    faults: bool,
    changing: bool,
}

impl Storm {
    fn of(hosts: usize, workers: usize) -> Storm {
        Storm {
            hosts,
            workers,
            per_second: 150,
            steps: 60,
            config: json!({"outlier_detection": {"interval": "3s", "base_ejection_time": "4s", "max_ejection_time": "12s",
                "success_rate_request_volume": 20}, "picking": {"ramp_time": "4s"}}),
            deaths: false,
            jumps: false,
            faults: false,
            changing: false,
        }
    }

    fn run(&self, seed: u64) -> Sim {
        let hosts = hosts(self.hosts);
        let mut chance = Chance::new(seed);
        let mut sim = crowd(&hosts, self.workers, self.config.clone());
        take_around(&mut sim, &hosts, Duration::from_millis(20));
        let mut load = Load::of(self.per_second, seed, |number| match number % 8 {
            0 => Request::new("PUT", "/").body("some body"),
            1 => Request::new("POST", "/").body("x"),
            2 => Request::grpc("/s/M"),
            _ => Request::get("/"),
        });
        let mut watch = Watch::of(50);
        let mut there: Vec<usize> = (0..self.hosts).collect();
        for _ in 0..self.steps {
            for _ in 0..1 + self.hosts / 20 {
                let host = &hosts[chance.below(self.hosts)];
                if chance.happens(0.4) {
                    sicken(&mut sim, host, &mut chance);
                } else {
                    heal(&mut sim, host);
                }
            }
            if self.deaths && chance.happens(0.3) {
                let worker = chance.below(self.workers);
                if sim.has_vm(worker) {
                    sim.kill_vm_after(worker, chance.within(0..300));
                }
            }
            if self.jumps && chance.happens(0.1) {
                let secs = chance.within(0..8_000) as i64 - 4_000;
                sim.jump_clock(secs);
            }
            if self.faults {
                let seed = chance.number();
                sim.fault(|faults| {
                    faults.clear();
                    for call in [
                        Call::GetSharedData,
                        Call::SetSharedData,
                        Call::GetMetric,
                        Call::GetProperty,
                    ] {
                        faults.sometimes(call, 0.02, Status::InternalFailure, seed);
                    }
                });
            }
            if self.changing {
                let place = chance.below(there.len());
                let gone = there.swap_remove(place);
                sim.remove_host(BACKEND, &hosts[gone]);
                let come = chance.below(self.hosts);
                if !there.contains(&come) {
                    there.push(come);
                    sim.add_host(BACKEND, &hosts[come]);
                }
            }
            sim.under(&mut load, Duration::from_millis(1_000));
            if !self.faults {
                watch.check(&sim);
            }
        }
        // It is over.
        sim.clear_faults();
        for (number, host) in hosts.iter().enumerate() {
            heal(&mut sim, host);
            if !there.contains(&number) {
                sim.add_host(BACKEND, host);
            }
        }
        let told = format!("seed {seed}");
        // The longest ejection, a probation, a ramp; and a worker that saw Envoy pass a host over believes that it is gone
        // for a minute.
        let believed = if self.changing { 65 } else { 0 };
        sim.under(&mut load, Duration::from_secs(40 + believed));
        let still: Vec<_> = out(&sim).iter().map(|host| health(&sim, host)).collect();
        assert!(still.is_empty(), "{told}: still out: {still:?}");
        let before = ejections(&sim).len();
        let served = sim.under(&mut load, Duration::from_secs(20));
        assert_eq!(ejections(&sim).len(), before, "{told}: {:?}", ejections(&sim).last());
        assert_eq!(served.errors, 0, "{told}");
        let fair = served.requests as f64 / self.hosts as f64;
        for host in &hosts {
            let share = served.first_tried(host) as f64 / fair;
            assert!(
                share > 0.4,
                "{told}: {host} starves with a share of {share}: {:?}",
                health(&sim, host)
            );
        }
        for host in table(&sim).hosts() {
            let state = &host.state;
            assert!(
                matches!(state, HostState::Healthy),
                "{told}: {} is {state:?}",
                host.addr
            );
        }
        sim
    }
}

#[test]
fn hosts_that_fail_and_recover_at_random() {
    for (workers, seed) in [(2, 2), (16, 4)] {
        let sim = Storm::of(20, workers).run(seed);
        assert!(ejections(&sim).len() > 10, "something happened");
    }
}

#[test]
fn workers_that_die_meanwhile() {
    for seed in 10..12 {
        let storm = Storm {
            deaths: true,
            ..Storm::of(20, 6)
        };
        storm.run(seed);
    }
}

#[test]
fn clocks_that_jump_meanwhile() {
    for seed in 20..22 {
        let storm = Storm {
            jumps: true,
            ..Storm::of(20, 4)
        };
        storm.run(seed);
    }
}

#[test]
fn host_calls_that_fail_meanwhile() {
    for seed in 30..32 {
        let storm = Storm {
            faults: true,
            ..Storm::of(20, 4)
        };
        storm.run(seed);
    }
}

#[test]
fn hosts_that_come_and_go_meanwhile() {
    for seed in 40..42 {
        let storm = Storm {
            changing: true,
            ..Storm::of(30, 4)
        };
        storm.run(seed);
    }
}

#[test]
fn all_of_it_with_probes_and_five_hundred_hosts() {
    let mut storm = Storm {
        deaths: true,
        jumps: true,
        faults: true,
        changing: true,
        per_second: 400,
        steps: 15,
        ..Storm::of(500, 16)
    };
    storm.config["probe"] = json!({"path": "/health", "interval": "2s", "all": true});
    let sim = storm.run(50);
    assert!(ejections(&sim).len() > 30);
    assert!(probes(&sim, &hosts(1)[0]).len() > 10);
}

#[test]
fn workers_that_take_turns_at_every_host_call_keep_the_limits_exactly() {
    for seed in 0..12 {
        let hosts = hosts(6);
        let workers = 2 + seed as usize % 5;
        let config = json!({"outlier_detection": {"max_ejection_percent": 34, "base_ejection_time": "2s"},
            "picking": {"ramp_time": "1s"}, "probe": {"interval": "1s", "timeout": "200ms"}});
        let mut sim = crowd(&hosts, workers, config).ticking_together();
        let mut watch = Watch::of(34);
        let mut chance = Chance::new(seed);
        let mut ids = Vec::new();
        for _ in 0..40 {
            for host in &hosts {
                sim.host(host).answers(if chance.happens(0.5) { 503 } else { 200 });
            }
            for _ in 0..20 {
                let delay = Duration::from_micros(chance.within(0..250_000));
                ids.push(sim.later(delay, Request::get("/").on(chance.below(workers))));
            }
            sim.advance_interleaved(Duration::from_millis(250), seed);
            watch.check(&sim);
        }
        assert_eq!(watch.most_out, 2, "seed {seed}");
        sim.settle();
        for id in ids {
            let answer = sim.answer(id).expect("an answer");
            assert_eq!(in_pieces(&answer), None);
        }
        assert_eq!(sim.metric("sidestep.errors.shared_data_contention"), 0);
    }
}

#[test]
fn workers_that_take_turns_and_die_in_the_middle_leave_nothing_stuck() {
    for seed in 0..16 {
        let hosts = hosts(5);
        let workers = 2 + seed as usize % 4;
        let config = json!({"outlier_detection": {"max_ejection_percent": 40, "base_ejection_time": "2s",
            "max_ejection_time": "4s"}, "picking": {"ramp_time": "1s"}, "probe": {"interval": "1s", "timeout": "200ms"}});
        let mut sim = crowd(&hosts, workers, config).ticking_together();
        let mut watch = Watch::of(40);
        let mut chance = Chance::new(seed);
        for _ in 0..40 {
            for host in &hosts {
                sim.host(host).answers(if chance.happens(0.3) { 503 } else { 200 });
            }
            for _ in 0..20 {
                let delay = Duration::from_micros(chance.within(0..250_000));
                sim.later(delay, Request::get("/").on(chance.below(workers)));
            }
            let worker = chance.below(workers);
            if sim.has_vm(worker) {
                sim.kill_vm_after(worker, chance.within(0..200));
            }
            sim.advance_interleaved(Duration::from_millis(250), chance.number());
            watch.check(&sim);
        }
        sim.all_hosts(BACKEND, Reply::status(200));
        let mut load = Load::gets(50, seed);
        sim.under(&mut load, Duration::from_secs(25));
        assert!(out(&sim).is_empty(), "seed {seed}: {:?}", out(&sim));
        let served = sim.under(&mut load, Duration::from_secs(5));
        assert_eq!(served.errors, 0, "seed {seed}");
        assert_eq!(served.first_tried.len(), 5, "seed {seed}");
    }
}

#[test]
fn host_calls_that_fail_every_third_time_keep_no_host_out_for_ever() {
    for call in [
        Call::GetTime,
        Call::GetProperty,
        Call::GetSharedData,
        Call::SetSharedData,
        Call::GetMetric,
        Call::IncrementMetric,
        Call::HttpCall,
        Call::GetMap,
        Call::ReplaceHeader,
    ] {
        for status in call.legal_faults() {
            let hosts = hosts(5);
            let config = json!({"outlier_detection": {"base_ejection_time": "3s"}, "picking": {"ramp_time": "2s"},
                "probe": {"interval": "2s", "timeout": "500ms"}});
            let mut sim = crowd(&hosts, 3, config);
            sim.start().expect("started");
            sim.fault(|faults| faults.sometimes(call, 0.33, *status, 7));
            sim.host(&hosts[1]).answers(503);
            let mut load = Load::gets(40, 1);
            let mut watch = Watch::of(50);
            for _ in 0..20 {
                sim.under(&mut load, Duration::from_secs(1));
                watch.check(&sim);
            }
            assert!(watch.most_out > 0, "{call:?} {status:?}");
            sim.host(&hosts[1]).answers(200);
            sim.under(&mut load, Duration::from_secs(60));
            assert!(
                out(&sim).is_empty(),
                "{call:?} {status:?}: {:?}",
                health(&sim, &hosts[1])
            );
        }
    }
}
