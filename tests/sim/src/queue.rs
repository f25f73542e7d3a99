//! What is still to come, in order of time, with what has to be known of it at once however much there is.

use crate::world::{Callout, CalloutAnswer};
use std::collections::{BTreeMap, HashMap};

/// Something that happens at its time, and is one callback at most.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// The request's headers arrive.
    Open(u32),
    /// The next piece of the request arrives.
    RequestPiece(u32),
    /// The router makes another attempt.
    Retry(u32),
    /// The host's response arrives.
    Response(u32),
    /// The next piece of the response arrives.
    ResponsePiece(u32),
    /// The time that the request was given is over.
    TimedOut(u32),
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

/// Whose event it is.
enum Of {
    Stream(u32),
    /// A callout that a stream waits for.
    Callout(usize),
    /// A VM on its own account: its timer, or what it sent at a tick.
    Vm(usize),
}

impl Event {
    fn of(&self) -> Of {
        match self {
            Event::Open(id)
            | Event::RequestPiece(id)
            | Event::Retry(id)
            | Event::Response(id)
            | Event::ResponsePiece(id)
            | Event::TimedOut(id)
            | Event::End(id) => Of::Stream(*id),
            Event::Callout { vm, callout, .. } if callout.stream == 0 => Of::Vm(*vm),
            Event::Callout { vm, .. } => Of::Callout(*vm),
            Event::Tick(vm) => Of::Vm(*vm),
        }
    }

    /// The stream that it happens to; none for callouts and ticks.
    pub(crate) fn stream(&self) -> Option<u32> {
        match self.of() {
            Of::Stream(id) => Some(id),
            _ => None,
        }
    }

    fn vm(&self) -> Option<usize> {
        match self.of() {
            Of::Stream(_) => None,
            Of::Callout(vm) | Of::Vm(vm) => Some(vm),
        }
    }
}

/// When, and of two at the same time the one that was scheduled first.
pub(crate) type Key = (u64, u64);

/// The events to come.
#[derive(Default)]
pub(crate) struct Queue {
    events: BTreeMap<Key, Event>,
    sequence: u64,
    of_stream: HashMap<u32, Vec<Key>>,
    ticking: BTreeMap<usize, Key>,
    callouts: usize,
    root_callouts: usize,
}

impl Queue {
    pub(crate) fn push(&mut self, at: u64, event: Event) {
        self.sequence += 1;
        let key = (at, self.sequence);
        match (event.of(), &event) {
            (Of::Stream(id), _) => self.of_stream.entry(id).or_default().push(key),
            (Of::Callout(_), _) => self.callouts += 1,
            (Of::Vm(vm), Event::Tick(_)) => {
                self.ticking.insert(vm, key);
            }
            (Of::Vm(_), _) => self.root_callouts += 1,
        }
        self.events.insert(key, event);
    }

    pub(crate) fn remove(&mut self, key: Key) -> Option<Event> {
        let event = self.events.remove(&key)?;
        match (event.of(), &event) {
            (Of::Stream(id), _) => {
                if let Some(keys) = self.of_stream.get_mut(&id) {
                    keys.retain(|it| *it != key);
                    if keys.is_empty() {
                        self.of_stream.remove(&id);
                    }
                }
            }
            (Of::Callout(_), _) => self.callouts -= 1,
            (Of::Vm(vm), Event::Tick(_)) => {
                self.ticking.remove(&vm);
            }
            (Of::Vm(_), _) => self.root_callouts -= 1,
        }
        Some(event)
    }

    /// Those that are due at `until`, the earliest first.
    pub(crate) fn due(&self, until: u64) -> impl Iterator<Item = (Key, &Event)> {
        self.events
            .range(..=(until, u64::MAX))
            .map(|(key, event)| (*key, event))
    }

    /// The first event of this stream that `wanted` says yes to.
    pub(crate) fn first_of(&self, id: u32, wanted: impl Fn(&Event) -> bool) -> Option<Key> {
        let keys = self.of_stream.get(&id)?.iter().copied();
        keys.filter(|key| self.events.get(key).is_some_and(&wanted)).min()
    }

    pub(crate) fn forget_stream(&mut self, id: u32) {
        for key in self.of_stream.remove(&id).unwrap_or_default() {
            self.events.remove(&key);
        }
    }

    /// Drops the VM's timer and the answers of its callouts.
    pub(crate) fn forget_vm(&mut self, vm: usize) {
        let its = self.events.iter().filter(|(_, event)| event.vm() == Some(vm));
        let keys: Vec<Key> = its.map(|(key, _)| *key).collect();
        for key in keys {
            self.remove(key);
        }
    }

    /// Drops the VM's next tick.
    pub(crate) fn forget_tick(&mut self, vm: usize) {
        if let Some(key) = self.ticking.get(&vm).copied() {
            self.remove(key);
        }
    }

    /// Whether nothing happens to any stream any more, and no stream waits for a callout of its own.
    pub(crate) fn streams_rest(&self) -> bool {
        self.of_stream.is_empty() && self.callouts == 0
    }

    /// Whether something that a VM sent on its own account is under way.
    pub(crate) fn roots_wait(&self) -> bool {
        self.root_callouts > 0
    }
}
