//! What is done to count a path's costs, on any bed: the module in the interpreter, or the same code in the simulator.

use crate::path::{Path, Scene, Setting, host};
use crate::totals::Totals;

/// Requests that a figure is the mean of: as many as the router's watch, which comes once in so many, takes to come round.
const REQUESTS: usize = 64;
/// The same for what happens at ticks.
const TICKS: usize = 4;

/// One worker, its clusters, and what it has cost so far. No time passes but at ticks.
pub(crate) trait Bed {
    /// A bed on which nothing has happened yet.
    fn made(scene: &Scene) -> Self;
    /// So many hosts of each cluster, the first ones, answer requests with 503 from now on. Callouts are always answered with 200.
    fn fail(&mut self, hosts: usize);
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
    /// How many hosts the worker says it has ejected.
    fn ejected(&self) -> usize;
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
        let steps = match self.scene.path {
            Path::Tick | Path::Interval => 1,
            _ => (self.scene.setting.clusters * self.scene.setting.hosts).max(REQUESTS),
        };
        for _ in 0..2 {
            for _ in 0..steps {
                self.prepare();
                self.step();
                self.turn += 1;
            }
            self.bed.tick(3);
        }
    }

    /// As many hosts of each cluster as the setting says fail until they are out.
    fn eject(&mut self) {
        let Setting {
            hosts,
            clusters,
            ejected,
            ..
        } = self.scene.setting;
        self.every_host_answers();
        self.bed.fail(ejected);
        // Five failures of each, whether requests are pinned or go to all hosts in turn, and some to spare.
        for turn in 0..clusters * hosts * 10 {
            if self.bed.ejected() == clusters * ejected {
                break;
            }
            self.bed.post(turn % clusters);
        }
        assert_eq!(self.bed.ejected(), clusters * ejected, "{:?}", self.scene);
    }

    /// What stays so from now on.
    fn set(&mut self) {
        let fails = matches!(self.scene.path, Path::Failure | Path::FailureOfAll | Path::Retry);
        self.bed.fail(if fails { self.scene.setting.hosts } else { 0 });
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
                self.bed.fail(self.scene.setting.hosts);
                self.bed.post(self.cluster());
                self.bed.fail(0);
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
