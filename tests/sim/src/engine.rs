//! Events over virtual time, and the VMs that take the callbacks.

use crate::abi::Call;
use crate::chance::Chance;
use crate::heap::Heap;
use crate::request::Answer;
use crate::sim::Sim;
use crate::stream::{Stream, Waits};
use crate::upstream::{Cluster, Host};
use crate::vm::{FromVm, Job, Vm};
use crate::world::{Callout, CalloutAnswer, ROOT, World};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Something that happens at its time, and is one callback at most.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// The request's headers arrive.
    Open(u32),
    /// The next piece of the request arrives.
    RequestPiece(u32),
    /// The host's response arrives.
    Response(u32),
    /// The next piece of the response arrives.
    ResponsePiece(u32),
    /// The stream is over.
    End(u32),
    /// A callout comes back.
    Callout {
        vm: usize,
        callout: Callout,
        answer: CalloutAnswer,
    },
    /// A VM's timer.
    Tick(usize),
}

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
    pub(crate) streams: BTreeMap<u32, Stream>,
    pub(crate) answers: BTreeMap<u32, Answer>,
    pub(crate) events: BTreeMap<(u64, u64), Event>,
    sequence: u64,
    last_context: u32,
    hooks: Vec<Hook>,
    pub(crate) started: bool,
    pub(crate) survives_traps: bool,
    pub(crate) traps: u64,
}

/// A date in 2025: a clock at 0 would hide mistakes.
const EPOCH: u64 = 1_750_000_000_000_000_000;

/// A request that nothing happens to for so long will never be answered.
const HANGS_AFTER: u64 = 600_000_000_000;

impl Engine {
    pub(crate) fn new(entry: fn(), configuration: String) -> Engine {
        let engine = Engine {
            configuration,
            entry: Some(entry),
            override_header: "x-sidestep-host".to_owned(),
            workers: vec![Worker::default()],
            last_context: ROOT,
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
        self.sequence += 1;
        self.events.insert((at, self.sequence), event);
    }

    fn vm_of(&self, event: &Event) -> Option<usize> {
        match event {
            Event::Open(id) => {
                let worker = self.streams.get(id)?.request.worker;
                self.workers[worker].vm
            }
            Event::RequestPiece(id) | Event::Response(id) | Event::ResponsePiece(id) | Event::End(id) => {
                self.streams.get(id)?.vm
            }
            Event::Callout { vm, .. } | Event::Tick(vm) => Some(*vm),
        }
    }

    fn is_busy(&self, event: &Event) -> bool {
        let vm = self.vm_of(event).and_then(|vm| self.vms.get(vm));
        vm.is_some_and(|vm| vm.as_ref().is_some_and(|vm| vm.busy))
    }

    /// Takes the first event whose VM is free and whose time is not after `until`.
    fn take_event(&mut self, until: u64) -> Option<Event> {
        let due = self.events.range(..=(until, u64::MAX));
        let (key, _) = due.into_iter().find(|(_, event)| !self.is_busy(event))?;
        let key = *key;
        let event = self.events.remove(&key)?;
        let mut world = self.world();
        world.now = world.now.max(key.0);
        drop(world);
        Some(event)
    }

    /// Does one event, callback and all.
    fn perform(&mut self, event: Event) {
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
                FromVm::At(call) => {
                    self.run_hooks(vm, call);
                    said = self.vms[vm].as_mut().expect("the VM of a waiting callback").resume();
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

    // Running.

    pub(crate) fn advance(&mut self, time: Duration) {
        self.start().expect("the module takes its configuration");
        let until = self.world().now + time.as_nanos() as u64;
        while let Some(event) = self.take_event(until) {
            self.perform(event);
        }
        self.world().now = until;
    }

    fn only_ticks_left(&self) -> bool {
        self.events.values().all(|event| matches!(event, Event::Tick(_)))
    }

    pub(crate) fn settle(&mut self) {
        self.start().expect("the module takes its configuration");
        while !self.only_ticks_left() {
            let event = self.take_event(u64::MAX).expect("an event whose VM is free");
            self.perform(event);
        }
    }

    /// Runs the request's own callbacks, at once, until the host has it all.
    pub(crate) fn run_request(&mut self, id: u32) {
        loop {
            let mine = |event: &Event| matches!(event, Event::Open(it) | Event::RequestPiece(it) if *it == id);
            let Some(key) = self.events.iter().find(|(_, event)| mine(event)).map(|(key, _)| *key) else {
                return;
            };
            let event = self.events.remove(&key).expect("the event just found");
            assert!(
                !self.is_busy(&event),
                "the request's worker is in the middle of a callback"
            );
            self.perform(event);
        }
    }

    pub(crate) fn finish(&mut self, id: u32) -> Answer {
        self.run_until(id, |engine| engine.answers.contains_key(&id));
        self.answers.remove(&id).expect("the answer of a request that is over")
    }

    pub(crate) fn until_held(&mut self, id: u32) -> bool {
        let held = |engine: &Engine| {
            let stream = engine.streams.get(&id);
            stream.is_some_and(|stream| stream.waits == Waits::ResponseHeld)
        };
        self.run_until(id, |engine| held(engine) || engine.answers.contains_key(&id));
        held(self)
    }

    fn run_until(&mut self, id: u32, over: impl Fn(&Engine) -> bool) {
        let give_up = self.world().now + HANGS_AFTER;
        while !over(self) {
            let event = self.take_event(give_up);
            let Some(event) = event else {
                let stream = self
                    .streams
                    .get(&id)
                    .map(|stream| (stream.waits, &stream.request.headers));
                panic!("the request hangs, or its worker is in the middle of a callback: {stream:?}");
            };
            self.perform(event);
        }
    }

    /// Lets every VM stop before every host call, and decides by the seed who goes on.
    pub(crate) fn settle_interleaved(&mut self, seed: u64) {
        self.start().expect("the module takes its configuration");
        let mut chance = Chance::new(seed);
        let mut running: Vec<(usize, Event)> = Vec::new();
        self.stop_everywhere(true);
        while !(running.is_empty() && self.only_ticks_left()) {
            let now = self.world().now;
            let due: Vec<_> = self
                .events
                .iter()
                .filter(|((at, _), event)| (running.is_empty() || *at <= now) && !self.is_busy(event))
                .filter(|(_, event)| !matches!(event, Event::Tick(_)) || !running.is_empty() || !self.only_ticks_left())
                .map(|(key, _)| *key)
                .collect();
            // Of the events that have not come yet only the earliest may.
            let due: Vec<_> = due.iter().filter(|key| key.0 <= now.max(due[0].0)).copied().collect();
            let choice = chance.below(running.len() + due.len());
            if choice < running.len() {
                let (vm, event) = running.swap_remove(choice);
                let said = self.vms[vm].as_mut().expect("a running VM").resume();
                self.said_in_race(vm, event, said, &mut running);
            } else {
                let key = due[choice - running.len()];
                let event = self.events.remove(&key).expect("a due event");
                self.world().now = now.max(key.0);
                if let Some((vm, job)) = self.prepare(&event) {
                    self.world().vms[vm].stop_at = u64::MAX;
                    let said = self.vms[vm].as_mut().expect("a living VM").run(job);
                    self.said_in_race(vm, event, said, &mut running);
                }
            }
        }
        self.stop_everywhere(false);
    }

    fn said_in_race(&mut self, vm: usize, event: Event, said: FromVm, running: &mut Vec<(usize, Event)>) {
        match said {
            FromVm::Returned(returned) => self.conclude(&event, vm, returned),
            FromVm::Trapped(message) => self.trapped(vm, &message),
            FromVm::At(_) => running.push((vm, event)),
        }
    }

    fn stop_everywhere(&mut self, stop: bool) {
        for vm in &mut self.world().vms {
            vm.stop_at = if stop { u64::MAX } else { 0 };
        }
    }
}
