//! Whatever happens: requests of every kind, hosts that do anything, clients that leave, in an order that chance decides.

use crate::common::{A, B, C, D, in_pieces, merge, sim_of};
use serde_json::json;
use sidestep_sim::{Chance, Failure, Reply, Request, Route, Sim};
use std::time::Duration;

const HOSTS: [&str; 4] = [A, B, C, D];

/// What a story is told with.
#[derive(Clone, Debug)]
struct Setting {
    engine: &'static str,
    hosts: usize,
    num_retries: u64,
    percent: u64,
    floor: u64,
    hedges: bool,
    ejects: bool,
    workers: usize,
}

impl Setting {
    fn draw(chance: &mut Chance) -> Setting {
        Setting {
            engine: ["filter", "router", "auto"][chance.below(3)],
            hosts: 1 + chance.below(4),
            num_retries: chance.below(4) as u64,
            percent: [0, 20, 100][chance.below(3)],
            floor: [0, 10, 1000][chance.below(3)],
            hedges: chance.happens(0.3),
            ejects: chance.happens(0.5),
            workers: 1 + chance.below(3),
        }
    }

    fn sim(&self) -> Sim {
        let mut extra = json!({
            "retry": {
                "engine": self.engine,
                "num_retries": self.num_retries,
                "retry_on": "gateway-error,reset,connect-failure,refused-stream",
                "budget": {"budget_percent": self.percent, "min_retries_per_second": self.floor},
            },
            "outlier_detection": {"base_ejection_time": "1s", "interval": "1s"},
        });
        if self.hedges {
            merge(&mut extra, json!({"retry": {"hedge": {"delay": "20ms"}}}));
        }
        if !self.ejects {
            let never = json!({"outlier_detection": {
                "enforcing_consecutive_5xx": 0, "enforcing_success_rate": 0, "slow": {"enforcing": 0},
            }});
            merge(&mut extra, never);
        }
        sim_of(&HOSTS[..self.hosts], extra)
            .route("plain", Route::new())
            .route("changing", Route::new().adds("x-added", "1"))
            .workers(self.workers)
    }
}

fn request(chance: &mut Chance, number: u64) -> Request {
    let method = ["GET", "HEAD", "PUT", "DELETE", "POST", "PATCH"][chance.below(6)];
    let request = Request::new(method, &format!("/{number}"))
        .header("x-number", &number.to_string())
        .route(["plain", "changing", ""][chance.below(3)]);
    match chance.below(4) {
        0 => request.body("some body"),
        1 => request.chunks(["some ", "body"]),
        2 if chance.happens(0.1) => request.chunks(["half"]).unfinished(),
        _ => request,
    }
}

fn reply(chance: &mut Chance) -> Reply {
    let reply = match chance.below(12) {
        0 | 1 => Reply::status(503),
        2 => Reply::status(503).header("retry-after", ["0", "1", "60"][chance.below(3)]),
        3 => Reply::status(500),
        4 => Reply::status(429).header("retry-after", "1"),
        5 => Reply::failure(Failure::Refused),
        6 => Reply::failure([Failure::Closed, Failure::Reset][chance.below(2)]),
        7 => Reply::status(200).chunks(["in ", "pieces"]),
        8 => Reply::status(204),
        _ => Reply::status(200),
    };
    reply.after(Duration::from_millis([0, 1, 5, 40][chance.below(4)]))
}

fn tell(seed: u64) -> [u64; 4] {
    let mut chance = Chance::new(seed);
    let setting = Setting::draw(&mut chance);
    let mut sim = setting.sim();
    println!("seed {seed}: {setting:?}");
    for host in &HOSTS[..setting.hosts] {
        let mut its = Chance::new(seed ^ u64::from(host.as_bytes()[7]) << 32);
        sim.host(host).behaves(move |_| reply(&mut its));
    }
    let (mut open, mut leaving, mut answers) = (Vec::new(), Vec::new(), Vec::new());
    let began = sim.now();
    for number in 0..150 {
        let delay = Duration::from_micros(chance.below(30_000) as u64);
        let request = request(&mut chance, number).on(chance.below(setting.workers));
        let method = request_method(&request);
        let id = sim.later(delay, request);
        if chance.happens(0.1) {
            leaving.push((number, method, id, sim.now() + delay.as_nanos() as u64));
        } else {
            open.push((number, method, id));
        }
        sim.advance(Duration::from_millis(chance.below(25) as u64));
        // Whatever has become of it by then; but it has to have come.
        if leaving.first().is_some_and(|(.., comes)| *comes < sim.now()) {
            let (number, method, id, _) = leaving.remove(0);
            answers.push((number, method, sim.client_gone(id)));
        }
        if chance.happens(0.05) {
            sim.jump_clock([-3, 3][chance.below(2)]);
        }
    }
    let stay = leaving.into_iter().map(|(number, method, id, _)| (number, method, id));
    for (number, method, id) in open.into_iter().chain(stay) {
        answers.push((number, method, sim.finish(id)));
    }
    sim.advance_secs(3);
    let trials = sim.metric("sidestep.probation.trials") as u64;
    let told = format!("seed {seed}, {setting:?}");
    for (number, method, answer) in &answers {
        let tried = answer.tried.len() as u64;
        let which = format!("{told}: request {number}, {method}: {answer:?}");
        // What was risked does not count, so one more where there were trials.
        assert!(tried <= 1 + setting.num_retries + trials.min(1), "{which}");
        if matches!(method.as_str(), "POST" | "PATCH") {
            assert!(tried <= 1, "{which}");
        }
        // Two attempts that are out at once don't end in the order in which they began.
        if !setting.ejects && setting.hosts > 1 && !setting.hedges {
            assert!(answer.tried.windows(2).all(|two| two[0] != two[1]), "{which}");
        }
        if !answer.client_gone && !answer.cut {
            assert!(answer.status > 0, "{which}");
            assert_eq!(in_pieces(answer), None, "{which}");
        }
    }
    let attempts: u64 = HOSTS.iter().map(|host| sim.attempts(host)).sum();
    let requests = answers.len() as u64;
    let seconds = (sim.now() - began) / 1_000_000_000 + 2;
    // Each jump of the clock may begin a second anew.
    let most = requests + requests * setting.percent / 100 + setting.floor * (seconds + 20);
    assert!(
        attempts <= most,
        "{told}: {attempts} attempts for {requests} requests, {most} at most"
    );
    let metric = |name: &str| sim.metric(name) as u64;
    [
        metric("sidestep.retries.waited"),
        metric("sidestep.retries.router"),
        metric("sidestep.hedges.attempted"),
        metric("sidestep.retries_refused.budget"),
    ]
}

fn request_method(request: &Request) -> String {
    request.method().to_owned()
}

#[test]
fn every_story_ends_well() {
    let mut reached = [0; 4];
    for seed in 0..120 {
        for (sum, more) in reached.iter_mut().zip(tell(seed)) {
            *sum += more;
        }
    }
    println!("waits, retries by the router, hedges, budgets used up: {reached:?}");
    assert!(reached.iter().all(|count| *count > 20), "{reached:?}");
}
