//! What is done to count a path's costs, on any bed: the module in the interpreter, or the same code in the simulator.

use crate::path::{Path, Scene, host};
use crate::totals::Totals;

/// Requests that a figure is the mean of: as many as the router's watch, which comes once in so many, takes to come round.
const REQUESTS: usize = 64;
/// The same for what happens at ticks.
const TICKS: usize = 4;

/// One worker, its clusters, and what it has cost so far. No time passes but at ticks.
pub(crate) trait Bed {
    /// A bed on which nothing has happened yet.
    fn made(scene: &Scene) -> Self;
    /// Whether all hosts answer requests with 503 from now on. Callouts are always answered with 200.
    fn fails(&mut self, fails: bool);
    /// Envoy's own load balancing picks this host from now on, or all in turn.
    fn steer(&mut self, cluster: usize, host: Option<&str>);
    /// Sends a request of the scene's path to a cluster, and sees it to its end.
    fn send(&mut self, cluster: usize);
    /// Sends a POST that is not retried.
    fn post(&mut self, cluster: usize);
    /// Lets so many seconds pass, with a tick in each.
    fn tick(&mut self, seconds: u32);
    /// What was counted up to now.
    fn totals(&self) -> Totals;
    /// Whether the worker has said that it ejected this host.
    fn has_ejected(&self, host: &str) -> bool;
}

/// The sums over so many requests or ticks of a worker that has been at work for a while, and how many there were.
pub(crate) fn count<B: Bed>(scene: &Scene) -> (Totals, u64) {
    let mut run = Run {
        bed: B::made(scene),
        scene: *scene,
        turn: 0,
    };
    run.settle();
    let times = if scene.path.is_of_ticks() { TICKS } else { REQUESTS };
    let mut sum = Totals::default();
    for _ in 0..times {
        run.prepare();
        let before = run.bed.totals();
        run.step();
        sum.add_between(&before, &run.bed.totals());
        run.turn += 1;
    }
    (sum, times as u64)
}

struct Run<B> {
    bed: B,
    scene: Scene,
    /// Steps so far.
    turn: usize,
}

impl<B: Bed> Run<B> {
    /// Lets happen what happens only once: each host answers for the first time, records are written, memory is there.
    fn settle(&mut self) {
        if self.scene.path == Path::Ejected {
            self.eject();
        }
        self.set();
        if self.scene.path == Path::Tick {
            self.every_host_answers();
        }
        let (rounds, steps) = match self.scene.path {
            Path::Tick | Path::Interval => (2, 1),
            _ => (2, self.scene.setting.clusters * self.scene.setting.hosts.max(REQUESTS)),
        };
        for _ in 0..rounds {
            for _ in 0..steps {
                self.prepare();
                self.step();
                self.turn += 1;
            }
            self.bed.tick(3);
        }
    }

    fn eject(&mut self) {
        for cluster in 0..self.scene.setting.clusters {
            // All hosts are seen first, so that it is known how many there are.
            for _ in 0..self.scene.setting.hosts {
                self.bed.send(cluster);
            }
            self.bed.fails(true);
            for number in 0..self.scene.setting.ejected {
                let host = host(cluster, number);
                self.bed.steer(cluster, Some(&host));
                for _ in 0..5 {
                    self.bed.post(cluster);
                }
                assert!(self.bed.has_ejected(&host), "{host} is out in {:?}", self.scene);
            }
            self.bed.fails(false);
            self.bed.steer(cluster, None);
        }
    }

    /// What stays so from now on.
    fn set(&mut self) {
        self.bed.fails(matches!(
            self.scene.path,
            Path::Failure | Path::FailureOfAll | Path::Retry
        ));
        if matches!(self.scene.path, Path::Failure | Path::Retry | Path::SuccessAfterFailure) {
            for cluster in 0..self.scene.setting.clusters {
                self.bed.steer(cluster, Some(&host(cluster, 0)));
            }
        }
    }

    /// What goes before each step and is not counted.
    fn prepare(&mut self) {
        match self.scene.path {
            Path::SuccessAfterFailure => {
                self.bed.fails(true);
                self.bed.post(self.cluster());
                self.bed.fails(false);
            }
            Path::Interval => self.every_host_answers(),
            _ => {}
        }
    }

    fn every_host_answers(&mut self) {
        for cluster in 0..self.scene.setting.clusters {
            for _ in 0..self.scene.setting.hosts {
                self.bed.send(cluster);
            }
        }
    }

    /// What is counted.
    fn step(&mut self) {
        match self.scene.path {
            Path::Tick => self.bed.tick(1),
            Path::Interval => self.bed.tick(10),
            _ => self.bed.send(self.cluster()),
        }
    }

    /// The cluster whose turn it is.
    fn cluster(&self) -> usize {
        self.turn % self.scene.setting.clusters
    }
}
