//! The same code natively, in the simulator, which counts what it allocates.

use crate::bed::Bed;
use crate::module::{ANSWER_HEADERS, EJECTED, post};
use crate::path::{self, ANSWER, ROUTE, Scene};
use crate::totals::{Totals, What};
use sidestep_sim::{Reply, Request, Route, Sim};
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

/// A simulated Envoy with one worker.
pub(crate) struct SimulatedBed {
    sim: Sim,
    scene: Scene,
    failing: Rc<Cell<usize>>,
}

impl Bed for SimulatedBed {
    fn made(scene: &Scene) -> SimulatedBed {
        let mut sim = Sim::new(scene.configuration()).route(ROUTE, Route::new());
        for number in 0..scene.setting.clusters {
            sim = sim.cluster(&path::cluster(number), scene.hosts(number));
        }
        let failing = Rc::new(Cell::new(0));
        for (number, host) in (0..scene.setting.clusters).flat_map(|number| scene.hosts(number).into_iter().enumerate())
        {
            let failing = Rc::clone(&failing);
            sim.host(&host).behaves(move |seen| {
                reply(if number < failing.get() && !seen.callout {
                    503
                } else {
                    200
                })
            });
        }
        SimulatedBed {
            sim,
            scene: *scene,
            failing,
        }
    }

    fn fail(&mut self, hosts: usize) {
        self.failing.set(hosts);
    }

    fn steer(&mut self, cluster: usize, host: Option<&str>) {
        self.sim.steer(&path::cluster(cluster), host);
    }

    fn send(&mut self, cluster: usize) {
        self.run(self.scene.request(cluster));
    }

    fn post(&mut self, cluster: usize) {
        self.run(post(cluster));
    }

    fn tick(&mut self, seconds: u32) {
        self.sim.advance_secs(seconds.into());
    }

    fn totals(&self) -> Totals {
        let (heap, calls) = (self.sim.heap(0), self.sim.calls());
        let mut totals = Totals::default();
        totals.add(What::Allocations, heap.allocations);
        totals.add(What::AllocatedBytes, heap.allocated_bytes);
        totals.add(What::Calls, calls.total().into());
        for (call, count) in calls.called() {
            totals.add(What::Call(call), count.into());
        }
        totals
    }

    fn ejected(&self) -> usize {
        let lines = self.sim.logged(EJECTED);
        lines.iter().filter(|line| line.starts_with(EJECTED)).count()
    }
}

impl SimulatedBed {
    fn run(&mut self, request: Request) {
        let before = self.sim.now();
        let answer = self.sim.send(request);
        assert!(answer.status != 0 && !answer.local && !answer.cut, "{answer:?}");
        // The simulator's clock moves a little with each event: a tick does not come of that.
        let took = Duration::from_nanos(self.sim.now() - before);
        assert!(took < Duration::from_millis(1), "no time passes but at ticks: {took:?}");
    }
}

fn reply(status: u16) -> Reply {
    let reply = Reply::status(status).body([b'y'; ANSWER]);
    let headers = ANSWER_HEADERS.into_iter();
    headers.fold(reply, |reply, (name, value)| reply.header(name, value))
}
