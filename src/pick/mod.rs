//! Who may take the next attempt, and in which order.

use crate::model::{Entropy, HostAddr};
use std::fmt::Write;

/// How many hosts a pin names. The first is meant; Envoy goes on to the next only if a host has left the cluster,
/// and to its own load balancing when the list is used up.
const PIN_HOSTS: usize = 3;

/// A host that may take an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The host.
    pub addr: HostAddr,
    /// Attempts of this worker that were pinned to it and have no answer yet.
    pub in_flight: u32,
}

/// The ordered list of hosts that one request is sent to, as the override header's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pin {
    hosts: [Option<HostAddr>; PIN_HOSTS],
}

impl Pin {
    /// The hosts in order.
    pub fn hosts(&self) -> impl Iterator<Item = HostAddr> {
        self.hosts.iter().flatten().copied()
    }

    /// The host that is meant.
    pub fn first(&self) -> Option<HostAddr> {
        self.hosts().next()
    }

    /// The value of the override header: `ip:port,ip:port`.
    pub fn header_value(&self) -> String {
        let mut value = String::new();
        for (index, host) in self.hosts().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            // Writing to a string does not fail.
            let _ = write!(value, "{comma}{host}");
        }
        value
    }
}

/// A cluster's turn: which host is next in the rotation.
#[derive(Clone, Debug, Default)]
pub struct Rotation {
    next: usize,
}

impl Rotation {
    /// A rotation that starts anywhere, so that workers do not march in step.
    pub const fn starting_at(next: usize) -> Self {
        Self { next }
    }

    /// The pin for the next attempt: the next host of the rotation or, if that has more attempts in flight, another
    /// one drawn at random (the power of two choices); behind it the hosts that follow. `None` without candidates.
    pub fn pick(&mut self, candidates: &[Candidate], entropy: &mut Entropy) -> Option<Pin> {
        let count = candidates.len();
        let turn = self.next.checked_rem(count)?;
        self.next = turn.wrapping_add(1);
        let in_turn = candidates.get(turn)?;
        let other = usize::try_from(entropy.below(count as u64)).ok()?;
        let chosen = match candidates.get(other) {
            Some(drawn) if drawn.in_flight < in_turn.in_flight => other,
            _ => turn,
        };
        let mut hosts = [None; PIN_HOSTS];
        for (slot, candidate) in hosts.iter_mut().zip(candidates.iter().cycle().skip(chosen).take(count)) {
            *slot = Some(candidate.addr);
        }
        Some(Pin { hosts })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    fn candidates(in_flight: &[u32]) -> Vec<Candidate> {
        in_flight
            .iter()
            .zip(1_u16..)
            .map(|(in_flight, port)| Candidate {
                addr: HostAddr::from(std::net::SocketAddr::from(([10, 0, 0, 1], port))),
                in_flight: *in_flight,
            })
            .collect()
    }

    #[test]
    fn equally_loaded_hosts_take_exact_turns() {
        let hosts = candidates(&[0, 0, 0]);
        let (mut rotation, mut entropy) = (Rotation::starting_at(usize::MAX), Entropy::seeded(1));
        let mut taken = HashMap::new();
        for _ in 0..300 {
            if let Some(first) = rotation.pick(&hosts, &mut entropy).and_then(|pin| pin.first()) {
                *taken.entry(first).or_insert(0) += 1;
            }
        }
        assert_eq!(taken.into_values().collect::<Vec<_>>(), [100, 100, 100]);
    }

    #[test]
    fn a_busy_host_is_passed_over_and_not_forgotten() {
        let hosts = candidates(&[9, 0]);
        let (mut rotation, mut entropy) = (Rotation::default(), Entropy::seeded(1));
        let busy = (0..1000)
            .filter(|_| rotation.pick(&hosts, &mut entropy).and_then(|pin| pin.first()) == Some(hosts[0].addr))
            .count();
        // Its turn comes 500 times; half of these the draw is the host itself.
        assert!((200..300).contains(&busy), "{busy}");
    }

    #[test]
    fn a_pin_goes_on_around_the_ring_and_names_no_host_twice() {
        let hosts = candidates(&[0, 0]);
        let pin = Rotation::starting_at(1).pick(&hosts, &mut Entropy::seeded(1));
        assert_eq!(
            pin.map(|pin| pin.header_value()),
            Some("10.0.0.1:2,10.0.0.1:1".to_owned())
        );
        assert_eq!(Rotation::default().pick(&[], &mut Entropy::seeded(1)), None);
    }
}
