//! Events over virtual time, and the VMs that take the callbacks.

use crate::abi::Call;
use crate::cpu::OnOneCpu;
use crate::heap::Heap;
use crate::queue::{Event, Queue};
use crate::request::Answer;
use crate::route::Route;
use crate::sim::Sim;
use crate::stream::Stream;
use crate::upstream::{Cluster, Host};
use crate::vm::{FromVm, Job, Vm};
use crate::world::{ROOT, World};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What to do between two host calls of a VM.
pub(crate) struct Hook {
    vm: usize,
    call: Call,
    action: Box<dyn FnOnce(&mut Sim)>,
}

impl Hook {
    pub(crate) fn new(action: impl FnOnce(&mut Sim) + 'static) -> Hook {
        Hook {
            vm: 0,
            call: Call::Log,
            action: Box::new(action),
        }
    }
}

/// A worker: its VM, or the time until which it has none.
#[derive(Default)]
pub(crate) struct Worker {
    pub(crate) vm: Option<usize>,
    pub(crate) dead_until: u64,
}

/// The machinery under [`Sim`].
#[derive(Default)]
pub(crate) struct Engine {
    world: Arc<Mutex<World>>,
    pub(crate) configuration: String,
    /// What loads the module into a thread.
    pub(crate) entry: Option<fn()>,
    pub(crate) workers: Vec<Worker>,
    /// By the VM's number in the world; none where it is gone.
    pub(crate) vms: Vec<Option<Vm>>,
    pub(crate) clusters: Vec<(String, Cluster)>,
    pub(crate) hosts: BTreeMap<String, Host>,
    pub(crate) override_header: String,
    /// What named routes do.
    pub(crate) routes: BTreeMap<String, Route>,
    /// Bounds on the router's retries, by cluster.
    pub(crate) max_retries: BTreeMap<String, usize>,
    pub(crate) streams: BTreeMap<u32, Stream>,
    pub(crate) answers: BTreeMap<u32, Answer>,
    pub(crate) events: Queue,
    last_context: u32,
    hooks: Vec<Hook>,
    pub(crate) started: bool,
    pub(crate) survives_traps: bool,
    pub(crate) traps: u64,
    /// All VMs' timers go off together.
    pub(crate) tick_together: bool,
    /// The cluster that is Envoy's own admin interface.
    pub(crate) admin: Option<String>,
    /// Given up with the last one of a simulation's threads.
    _cpu: Option<OnOneCpu>,
}

/// A date in 2025: a clock at 0 would hide mistakes.
const EPOCH: u64 = 1_750_000_000_000_000_000;

impl Engine {
    pub(crate) fn new(entry: fn(), configuration: String) -> Engine {
        let engine = Engine {
            configuration,
            entry: Some(entry),
            override_header: "x-sidestep-host".to_owned(),
            workers: vec![Worker::default()],
            last_context: ROOT,
            _cpu: OnOneCpu::take(),
            ..Engine::default()
        };
        engine.world().now = EPOCH;
        engine
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn shared_world(&self) -> Arc<Mutex<World>> {
        self.world.clone()
    }

    pub(crate) fn set_workers(&mut self, count: usize) {
        assert!(!self.started, "the workers are running already");
        self.workers = (0..count).map(|_| Worker::default()).collect();
    }

    pub(crate) fn add_cluster(&mut self, name: &str, hosts: Vec<String>) {
        for host in &hosts {
            self.hosts.entry(host.clone()).or_default();
        }
        self.world().clusters.insert(name.to_owned());
        self.clusters.push((name.to_owned(), Cluster::new(hosts)));
    }

    pub(crate) fn cluster_mut(&mut self, name: &str) -> Option<&mut Cluster> {
        let mut clusters = self.clusters.iter_mut();
        clusters.find(|(its, _)| its == name).map(|(_, cluster)| cluster)
    }

    pub(crate) fn next_context(&mut self) -> u32 {
        self.last_context += 1;
        self.last_context
    }

    pub(crate) fn heap(&self, worker: usize) -> Heap {
        let vm = self.workers[worker].vm.expect("the worker has a VM");
        self.world().vms[vm].heap
    }

    pub(crate) fn hook(&mut self, worker: usize, call: Call, mut hook: Hook) {
        self.start().expect("the module takes its configuration");
        let vm = self.workers[worker].vm.expect("the worker has a VM");
        hook.vm = vm;
        hook.call = call;
        self.hooks.push(hook);
        self.world().vms[vm].stop_at |= call.bit();
    }

    // Events.

    pub(crate) fn schedule(&mut self, delay: Duration, event: Event) {
        let at = self.world().now + delay.as_nanos() as u64;
        self.events.push(at, event);
    }

    /// Does one event, callback and all.
    pub(crate) fn perform(&mut self, event: Event) {
        let Some((vm, job)) = self.prepare(&event) else {
            return;
        };
        if let Some(returned) = self.call(vm, job) {
            self.conclude(&event, vm, returned);
        }
    }

    /// Runs a callback to its end, with what the test wants done in between. `None`: the VM died of it.
    pub(crate) fn call(&mut self, vm: usize, job: Job) -> Option<u32> {
        let mut said = self.vms[vm].as_mut().expect("a living VM").run(job);
        loop {
            match said {
                FromVm::Returned(returned) => return Some(returned),
                FromVm::Trapped(message) => {
                    self.trapped(vm, &message);
                    return None;
                }
                FromVm::Killed => {
                    self.vm_died(vm);
                    return None;
                }
                FromVm::At(call) => {
                    self.run_hooks(vm, call);
                    // What was done meanwhile may have been the end of this VM.
                    said = self.vms[vm].as_mut()?.resume();
                }
            }
        }
    }

    fn run_hooks(&mut self, vm: usize, call: Call) {
        while let Some(place) = self.hooks.iter().position(|hook| hook.vm == vm && hook.call == call) {
            let hook = self.hooks.remove(place);
            if !self.hooks.iter().any(|hook| hook.vm == vm && hook.call == call) {
                self.world().vms[vm].stop_at &= !call.bit();
            }
            let engine = std::mem::take(self);
            let mut sim = Sim { engine };
            (hook.action)(&mut sim);
            *self = sim.engine;
        }
    }
}
