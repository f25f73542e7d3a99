//! The life of the workers' VMs, their timers, and the calls they send out.

use crate::engine::Engine;
use crate::queue::Event;
use crate::reply::{Failure, Reply};
use crate::vm::{Job, Vm};
use crate::world::{Callout, CalloutAnswer, Deferred, VmState};
use std::time::Duration;

/// How long Envoy waits before it loads a module again whose VM died.
const RELOAD_BACK_OFF: Duration = Duration::from_secs(1);

impl Engine {
    /// Loads the module into each worker that has none, the first time.
    pub(crate) fn start(&mut self) -> Result<(), Vec<String>> {
        if self.started {
            return Ok(());
        }
        self.started = true;
        self.load_everywhere()
    }

    fn load_everywhere(&mut self) -> Result<(), Vec<String>> {
        for worker in 0..self.workers.len() {
            // Workers start one after the other, never in the same nanosecond.
            self.world().now += 1_371;
            match self.load_vm(worker) {
                Some(vm) => self.workers[worker].vm = Some(vm),
                None => {
                    let logs = self.world().logs.clone();
                    return Err(logs.into_iter().map(|line| line.text).collect());
                }
            }
        }
        Ok(())
    }

    /// A new VM, configured; `None` where it refuses its configuration.
    fn load_vm(&mut self, worker: usize) -> Option<usize> {
        let vm = {
            let mut world = self.world();
            world.vms.push(VmState {
                configuration: self.configuration.clone().into_bytes(),
                ..VmState::default()
            });
            world.vms.len() - 1
        };
        self.vms.push(Some(Vm::spawn(self.shared_world(), vm)));
        let configuration_size = self.configuration.len();
        let entry = self.entry.expect("a module to load");
        let taken = self.call(
            vm,
            Job::Boot {
                entry,
                configuration_size,
            },
        );
        let deferred = std::mem::take(&mut self.world().vms[vm].deferred);
        for action in deferred {
            if let Deferred::Callout(callout) = action {
                self.send_callout(vm, callout);
            }
        }
        if taken == Some(1) {
            self.world().vms[vm].timer_set = None;
            let period = self.world().vms[vm].tick_period_ms;
            if let Some(period) = period {
                self.schedule(self.phase(worker, period), Event::Tick(vm));
            }
            Some(vm)
        } else {
            self.vms[vm] = None;
            None
        }
    }

    /// The worker's VM; where it died long enough ago, a new one.
    pub(crate) fn vm_for_new_stream(&mut self, worker: usize) -> Option<usize> {
        let now = self.world().now;
        let state = &self.workers[worker];
        if state.vm.is_none() && now >= state.dead_until {
            let vm = self.load_vm(worker);
            self.workers[worker].vm = vm;
        }
        self.workers[worker].vm
    }

    /// After each callback: a period that was set in it starts the timer anew, from the moment of the call, and 0 stops
    /// it; a tick is followed by the next one.
    pub(crate) fn set_timer(&mut self, vm: usize, ticked: bool) {
        let (now, period, set) = {
            let mut world = self.world();
            let now = world.now;
            let state = &mut world.vms[vm];
            (now, state.tick_period_ms, state.timer_set.take())
        };
        if set.is_none() && !ticked {
            return;
        }
        self.events.forget_tick(vm);
        if let Some(period) = period.filter(|_| self.vms[vm].is_some()) {
            let period = u64::from(period) * 1_000_000;
            self.events.push(set.unwrap_or(now) + period, Event::Tick(vm));
        }
    }

    /// When a worker's timer goes off for the first time: the first worker's after a period, each other's somewhere
    /// within it, no two alike.
    fn phase(&self, worker: usize, period_ms: u32) -> Duration {
        let period = Duration::from_millis(period_ms.into());
        if worker == 0 || self.tick_together {
            return period;
        }
        // Multiples of the golden ratio: spread evenly, however many there are.
        let part = (worker as f64 * 0.618_034).fract();
        period.mul_f64(part).max(Duration::from_nanos(1))
    }

    pub(crate) fn trapped(&mut self, vm: usize, message: &str) {
        self.traps += 1;
        assert!(
            self.survives_traps,
            "the module panicked, which in Envoy ends its VM: {message}"
        );
        self.vm_died(vm);
    }

    pub(crate) fn kill_vm_after(&mut self, worker: usize, calls: u64) {
        self.start().expect("the module takes its configuration");
        if let Some(vm) = self.workers[worker].vm {
            self.world().vms[vm].calls_to_live = Some(calls);
        }
    }

    pub(crate) fn kill_vm(&mut self, worker: usize) {
        self.start().expect("the module takes its configuration");
        if let Some(vm) = self.workers[worker].vm {
            self.vm_died(vm);
        }
    }

    /// The VM is gone: its requests are answered by Envoy, its callouts' answers reach nobody.
    pub(crate) fn vm_died(&mut self, vm: usize) {
        self.vms[vm] = None;
        let now = self.world().now;
        for worker in &mut self.workers {
            if worker.vm == Some(vm) {
                worker.vm = None;
                worker.dead_until = now + RELOAD_BACK_OFF.as_nanos() as u64;
            }
        }
        self.events.forget_vm(vm);
        let streams = self.streams.iter().filter(|(_, stream)| stream.vm == Some(vm));
        let streams: Vec<u32> = streams.map(|(id, _)| *id).collect();
        for id in streams {
            if let Some(stream) = self.streams.get_mut(&id) {
                if stream.answer.status == 0 {
                    stream.answer.status = 503;
                    stream.answer.local = true;
                } else {
                    stream.answer.cut = true;
                }
            }
            self.forget_stream(id);
        }
    }

    /// New VMs for new requests; the old ones end when their streams have.
    pub(crate) fn reconfigure(&mut self, configuration: String) -> Result<(), Vec<String>> {
        let old: Vec<usize> = self.workers.iter().filter_map(|worker| worker.vm).collect();
        let before = std::mem::replace(&mut self.configuration, configuration);
        let vms: Vec<_> = self.workers.iter().map(|worker| worker.vm).collect();
        self.started = true;
        if let Err(logs) = self.load_everywhere() {
            // A bad configuration changes nothing.
            for (worker, vm) in self.workers.iter_mut().zip(vms) {
                worker.vm = vm;
            }
            self.configuration = before;
            return Err(logs);
        }
        for vm in old {
            self.end_vm_if_over(vm);
        }
        Ok(())
    }

    /// Ends a VM that no worker gives new requests to and that has none left.
    pub(crate) fn end_vm_if_over(&mut self, vm: usize) {
        let in_use = self.workers.iter().any(|worker| worker.vm == Some(vm))
            || self.streams.values().any(|stream| stream.vm == Some(vm));
        if in_use || self.vms[vm].is_none() {
            return;
        }
        self.events.forget_vm(vm);
        if self.call(vm, Job::EndRoot).is_some() {
            self.vms[vm] = None;
        }
    }

    /// A callout leaves: like a request of its own, through the cluster's load balancing, to a host.
    pub(crate) fn send_callout(&mut self, vm: usize, callout: Callout) {
        let pin = callout.headers.get(&self.override_header).map(str::to_owned);
        let host = self
            .cluster_mut(&callout.cluster)
            .and_then(|cluster| cluster.pick(pin.as_deref()));
        let mut headers = callout.headers.clone();
        headers.add("x-envoy-internal", "true");
        let head = headers.get(":method") == Some("HEAD");
        if let (Some(stream), Some(host)) = (self.streams.get_mut(&callout.stream), &host) {
            stream.answer.tried.push(host.clone());
        }
        let reply = match &host {
            Some(host) => self.attempt(host, headers, callout.body.clone(), callout.trailers.clone(), true),
            None => Reply::failure(Failure::NoHost),
        };
        let timeout = Duration::from_millis(callout.timeout_ms.into());
        let lasts = reply.after + reply.chunk_gap * reply.body.as_ref().map_or(0, Vec::len) as u32;
        let times_out = !timeout.is_zero() && lasts > timeout;
        let reply = if times_out {
            Reply::failure(Failure::TimedOut)
        } else {
            reply
        };
        let resolved = reply.resolve(host.as_deref().unwrap_or("nowhere"), head, false);
        let answer = CalloutAnswer {
            headers: (!resolved.cut).then_some(resolved.headers),
            body: if resolved.cut {
                Vec::new()
            } else {
                resolved.pieces.concat()
            },
            trailers: resolved.trailers.filter(|_| !resolved.cut),
        };
        let delay = if times_out { timeout } else { lasts };
        self.schedule(delay, Event::Callout { vm, callout, answer });
    }
}
