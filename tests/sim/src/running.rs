//! Virtual time: how it goes on, and who does what in which order.

use crate::chance::Chance;
use crate::engine::Engine;
use crate::queue::Event;
use crate::request::Answer;
use crate::stream::Waits;
use crate::vm::FromVm;
use std::time::Duration;

/// A request that nothing happens to for so long will never be answered.
const HANGS_AFTER: u64 = 600_000_000_000;

/// While workers take turns at every host call, what comes so soon after may start in between: a callback takes time.
const CALLBACK_TAKES: u64 = 50_000;

/// At most so many of the events that are due may be the next: enough for every worker to have one among them.
const CHOICES: usize = 64;

impl Engine {
    fn vm_of(&self, event: &Event) -> Option<usize> {
        match event {
            Event::Open(id) => {
                let worker = self.streams.get(id)?.request.worker;
                self.workers[worker].vm
            }
            Event::Callout { vm, .. } | Event::Tick(vm) => Some(*vm),
            _ => self.streams.get(&event.stream()?)?.vm,
        }
    }

    fn is_busy(&self, event: &Event) -> bool {
        let vm = self.vm_of(event).and_then(|vm| self.vms.get(vm));
        vm.is_some_and(|vm| vm.as_ref().is_some_and(|vm| vm.busy))
    }

    /// Takes the first event whose VM is free and whose time is not after `until`.
    fn take_event(&mut self, until: u64) -> Option<Event> {
        let (key, _) = self.events.due(until).find(|(_, event)| !self.is_busy(event))?;
        let event = self.events.remove(key)?;
        let mut world = self.world();
        world.now = world.now.max(key.0);
        drop(world);
        Some(event)
    }

    pub(crate) fn advance(&mut self, time: Duration) {
        self.start().expect("the module takes its configuration");
        let until = self.world().now + time.as_nanos() as u64;
        while let Some(event) = self.take_event(until) {
            self.perform(event);
        }
        self.world().now = until;
    }

    /// Whether only what the VMs do on their own account is left: ticks, and what they sent at ticks. A response that the
    /// module holds back is not: it may wait for a tick.
    fn settled(&self) -> bool {
        let held = |stream: &crate::stream::Stream| stream.waits == Waits::ResponseHeld;
        self.events.streams_rest()
            && !self.streams.values().any(held)
            && (self.streams.is_empty() || !self.events.roots_wait())
    }

    pub(crate) fn settle(&mut self) {
        self.start().expect("the module takes its configuration");
        while !self.settled() {
            let event = self.take_event(u64::MAX).expect("an event whose VM is free");
            self.perform(event);
        }
    }

    /// Runs the request's own callbacks, at once, until the host has it all.
    pub(crate) fn run_request(&mut self, id: u32) {
        let mine = |event: &Event| matches!(event, Event::Open(_) | Event::RequestPiece(_));
        while let Some(key) = self.events.first_of(id, mine) {
            let event = self.events.remove(key).expect("the event just found");
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

    /// Runs until the stream waits for one of these, or is over. Whether it does.
    pub(crate) fn until_waits(&mut self, id: u32, for_one_of: &[Waits]) -> bool {
        let waits = |engine: &Engine| {
            let stream = engine.streams.get(&id);
            stream.is_some_and(|stream| for_one_of.contains(&stream.waits))
        };
        self.run_until(id, |engine| waits(engine) || engine.answers.contains_key(&id));
        waits(self)
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

    pub(crate) fn settle_interleaved(&mut self, seed: u64) {
        self.interleave(&mut Chance::new(seed), None);
    }

    pub(crate) fn advance_interleaved(&mut self, time: Duration, seed: u64) {
        self.start().expect("the module takes its configuration");
        let until = self.world().now + time.as_nanos() as u64;
        self.interleave(&mut Chance::new(seed), Some(until));
        let mut world = self.world();
        world.now = world.now.max(until);
    }

    /// Lets every VM stop before every host call, and decides by chance who goes on: up to that time, or until all has
    /// settled.
    fn interleave(&mut self, chance: &mut Chance, until: Option<u64>) {
        self.start().expect("the module takes its configuration");
        let mut running: Vec<(usize, Event)> = Vec::new();
        self.stop_everywhere(true);
        loop {
            let now = self.world().now;
            let end = until.unwrap_or(u64::MAX);
            let over = running.is_empty() && until.is_none() && self.settled();
            // Time goes on when nobody is busy, and a little while somebody is.
            let next = self.events.due(end).next().map_or(now, |(key, _)| key.0);
            let horizon = match running.is_empty() {
                true => next.max(now),
                false => now + CALLBACK_TAKES,
            };
            let due: Vec<_> = self
                .events
                .due(horizon.min(end))
                .filter(|(_, event)| !self.is_busy(event))
                .map(|(key, _)| key)
                .take(CHOICES)
                .collect();
            let choices = running.len() + due.len();
            if over || choices == 0 {
                break;
            }
            let choice = chance.below(choices);
            if choice < running.len() {
                let (vm, event) = running.swap_remove(choice);
                // It may have died while it waited.
                let Some(it) = self.vms[vm].as_mut() else { continue };
                let said = it.resume();
                self.said_in_race(vm, event, said, &mut running);
            } else {
                let key = due[choice - running.len()];
                let event = self.events.remove(key).expect("a due event");
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
            FromVm::Killed => self.vm_died(vm),
            FromVm::At(_) => running.push((vm, event)),
        }
    }

    fn stop_everywhere(&mut self, stop: bool) {
        for vm in &mut self.world().vms {
            vm.stop_at = if stop { u64::MAX } else { 0 };
        }
    }
}
