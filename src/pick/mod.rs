//! Who may take the next attempt, and in which order.

use crate::model::{Entropy, HostAddr, Share};

/// How many hosts a pin names for a single attempt. The first is meant; Envoy goes on to the next only if a host has left
/// the cluster, and to its own load balancing when the list is used up.
const PIN_HOSTS: usize = 3;

/// A host that may take an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The host.
    pub addr: HostAddr,
    /// Attempts of this worker that were pinned to it and have no answer yet.
    pub in_flight: u32,
    /// Which share of its turns it takes.
    pub share: Share,
}

/// The ordered list of hosts that one request is sent to, as the override header's value: each attempt takes the next.
/// Names one host at least.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    hosts: Box<[HostAddr]>,
}

impl Pin {
    /// A pin to this host alone.
    pub fn to(host: HostAddr) -> Self {
        Self { hosts: [host].into() }
    }

    /// This pin with `host` before its hosts, which Envoy goes on to should `host` have left the cluster.
    #[must_use]
    pub fn led_by(self, host: HostAddr) -> Self {
        let length = self.hosts.len().max(PIN_HOSTS);
        let others = self.hosts().filter(|other| *other != host);
        Self {
            hosts: std::iter::once(host).chain(others).take(length).collect(),
        }
    }

    /// The hosts in order.
    pub fn hosts(&self) -> impl Iterator<Item = HostAddr> {
        self.hosts.iter().copied()
    }

    /// The host that is meant.
    pub fn first(&self) -> Option<HostAddr> {
        self.hosts().next()
    }

    /// The hosts of the attempts that failed before the last one, if that was the `attempts`-th and went to `last`: Envoy
    /// takes one host after the other. `None` if that can't be, or if hosts have left the cluster meanwhile, so that it
    /// is not known whom Envoy passed over.
    pub fn failed_before(&self, attempts: usize, last: HostAddr) -> Option<&[HostAddr]> {
        let before = attempts.checked_sub(1)?;
        (*self.hosts.get(before)? == last).then(|| self.hosts.get(..before))?
    }

    /// The value of the override header: `ip:port,ip:port`.
    pub fn header_value(&self) -> String {
        // Room for IPv4; a pin of IPv6 addresses grows it.
        let mut value = String::with_capacity(PIN_HOSTS * "255.255.255.255:65535,".len());
        for (index, host) in self.hosts().enumerate() {
            if index > 0 {
                value.push(',');
            }
            host.push_to(&mut value);
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
    /// one drawn at random (the power of two choices); behind it the hosts that follow. A host with less than a full
    /// share leaves some of its turns to hosts drawn at random. `None` without candidates.
    pub fn pick(&mut self, candidates: &[Candidate], entropy: &mut Entropy) -> Option<Pin> {
        let attempts = candidates.len().min(PIN_HOSTS);
        self.pick_for(candidates, attempts, entropy)
    }

    /// As [`Self::pick`], with a host for each of so many attempts; if there are fewer hosts they take turns.
    pub fn pick_for(&mut self, candidates: &[Candidate], attempts: usize, entropy: &mut Entropy) -> Option<Pin> {
        let count = candidates.len();
        let turn = self.next.checked_rem(count)?;
        self.next = turn.wrapping_add(1);
        let in_turn = candidates.get(turn)?;
        let chosen = if in_turn.takes(entropy) {
            match draw(candidates, entropy) {
                Some((other, drawn)) if drawn.in_flight < in_turn.in_flight && drawn.takes(entropy) => other,
                _ => turn,
            }
        } else {
            // Should all that are drawn leave their turns too, the one in turn takes it after all.
            pass_on(candidates, entropy).unwrap_or(turn)
        };
        let in_turn = candidates.iter().cycle().skip(chosen).take(attempts.max(1));
        Some(Pin {
            hosts: in_turn.map(|candidate| candidate.addr).collect(),
        })
    }
}

/// A host that takes a turn which another one leaves.
fn pass_on(candidates: &[Candidate], entropy: &mut Entropy) -> Option<usize> {
    const PASSES: u32 = 8;
    for _ in 0..PASSES {
        let (other, drawn) = draw(candidates, entropy)?;
        if drawn.takes(entropy) {
            return Some(other);
        }
    }
    None
}

impl Candidate {
    /// Whether the host takes its turn.
    fn takes(&self, entropy: &mut Entropy) -> bool {
        self.share == Share::FULL || self.share.takes(entropy.draw())
    }
}

fn draw<'a>(candidates: &'a [Candidate], entropy: &mut Entropy) -> Option<(usize, &'a Candidate)> {
    let other = usize::try_from(entropy.below(candidates.len() as u64)).ok()?;
    candidates.get(other).map(|drawn| (other, drawn))
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
                share: Share::FULL,
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

    #[test]
    fn a_host_with_a_tenth_of_a_share_takes_a_tenth_of_its_turns_and_the_rest_is_spread_evenly() {
        let mut hosts = candidates(&[0; 5]);
        hosts[2].share = Share::from_permille(100);
        let (mut rotation, mut entropy) = (Rotation::default(), Entropy::seeded(3));
        let mut taken = HashMap::new();
        for _ in 0..50_000 {
            if let Some(first) = rotation.pick(&hosts, &mut entropy).and_then(|pin| pin.first()) {
                *taken.entry(first).or_insert(0_u32) += 1;
            }
        }
        // 0.1 of its own 10,000 turns, and of the 9,000 that it leaves the few that come back to it.
        assert!((1_000..1_400).contains(&taken[&hosts[2].addr]), "{taken:?}");
        for other in [0, 1, 3, 4] {
            assert!((11_900..12_600).contains(&taken[&hosts[other].addr]), "{taken:?}");
        }
    }

    #[test]
    fn each_attempt_has_a_host_of_its_own_while_there_are_enough() {
        for (hosts, attempts) in [(1, 1), (2, 2), (2, 4), (3, 2), (5, 11)] {
            let candidates = candidates(&vec![0; hosts]);
            let pin = Rotation::default().pick_for(&candidates, attempts, &mut Entropy::seeded(1));
            let named: Vec<_> = pin.iter().flat_map(Pin::hosts).collect();
            assert_eq!(named.len(), attempts);
            for window in named.windows(hosts.min(attempts)) {
                let different: std::collections::HashSet<_> = window.iter().collect();
                assert_eq!(different.len(), window.len(), "{named:?}");
            }
        }
    }

    #[test]
    fn who_failed_before_the_last_attempt_stands_before_it_in_the_pin() {
        let hosts = candidates(&[0; 3]);
        let [a, b, c] = [0, 1, 2].map(|at| hosts[at].addr);
        let pin = Pin {
            hosts: [a, b, c].into(),
        };
        assert_eq!(pin.failed_before(1, a), Some(&[][..]));
        assert_eq!(pin.failed_before(2, b), Some(&[a][..]));
        assert_eq!(pin.failed_before(3, c), Some(&[a, b][..]));
        // Somebody was passed over, or the list was used up, or there was no attempt at all.
        assert_eq!(pin.failed_before(1, b), None);
        assert_eq!(pin.failed_before(2, c), None);
        assert_eq!(pin.failed_before(4, a), None);
        assert_eq!(pin.failed_before(0, a), None);
    }

    #[test]
    fn a_pin_led_by_a_host_names_it_first_and_once() {
        let hosts = candidates(&[0, 0, 0]);
        let pin = Rotation::default()
            .pick(&hosts, &mut Entropy::seeded(1))
            .map(|pin| pin.led_by(hosts[1].addr));
        assert_eq!(
            pin.map(|pin| pin.header_value()),
            Some("10.0.0.1:2,10.0.0.1:1,10.0.0.1:3".to_owned())
        );
    }
}
