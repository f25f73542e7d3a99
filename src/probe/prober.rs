//! Which host of a cluster is asked when, and what its answers add up to.

use crate::config::Probe;
use crate::model::{Entropy, HostAddr, Map, Timestamp};
use std::collections::BinaryHeap;
use std::time::Duration;

/// The most time that passes from one round to the next, whatever the clock says. A tick comes at least once a second,
/// so a longer step is the clock's jump, or a worker that was held up and shall not find all its hosts due at once.
const LONGEST_STEP: Duration = Duration::from_secs(2);

/// A probe that is out for this much longer than its time-out will not be answered any more. No less than
/// [`LONGEST_STEP`], so that a clock that jumps ahead makes no probe look lost.
const LOST_AFTER: Duration = LONGEST_STEP;

/// A host that could be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// The host.
    pub host: HostAddr,
    /// Whether it is out: ejected, or in probation.
    pub out: bool,
}

/// What a host's answers add up to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// `healthy_threshold` probes in a row passed: once more, if it was so before.
    Healthy,
    /// `unhealthy_threshold` probes in a row failed: once more, if it was so before.
    Unhealthy {
        /// How many failed in a row.
        failures: u32,
    },
}

/// How a host's last probes ended. At most one of the two is not 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Streak {
    /// Passes in a row.
    pub passes: u32,
    /// Failures in a row. An ejected host with any is held back.
    pub failures: u32,
}

/// What comes of one round.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Round {
    /// The hosts to ask now. Each is owed a call of [`Prober::answered`] or [`Prober::unsent`].
    pub send: Vec<HostAddr>,
    /// The hosts whose probe was lost, which counts as failed, and what that adds up to.
    pub lost: Vec<(HostAddr, Option<Finding>)>,
}

/// The probes of one cluster. It knows no more hosts than there were targets in the last round.
///
/// It lives as long as its worker is the elected one: whoever is elected again starts with a new one.
///
/// Time is what passes from round to round, as the clock has it, but never less than nothing and never more than two
/// seconds. So a clock that is set back or jumps ahead neither silences the probes nor sends them all at once.
#[derive(Clone, Debug, Default)]
pub struct Prober {
    hosts: Map<HostAddr, Watched>,
    last_round: Timestamp,
    /// Time passed in all rounds so far.
    elapsed: Duration,
    rounds: u64,
    probes: u64,
}

/// What is known of one host. Moments are values of [`Prober::elapsed`].
#[derive(Clone, Debug)]
struct Watched {
    out: bool,
    /// When the host may be asked next. While it waits for room this stays, so who waits longest is next.
    due: Duration,
    /// The number of its last probe among all that were sent; 0 if it never was asked. Of those that are due alike, the
    /// one that was asked earlier is next.
    last_probe: u64,
    in_flight: Option<InFlight>,
    streak: Streak,
    /// The last round that it was a target in.
    round: u64,
}

/// A probe that has no answer yet.
#[derive(Clone, Copy, Debug)]
struct InFlight {
    since: Duration,
    /// Whether its answer counts: not if the host went out or came back meanwhile.
    counts: bool,
}

impl Prober {
    /// One round: which of `targets` are asked now, at most `room` of them.
    ///
    /// A host is asked if it is out, or if `policy.all` is set; once per `interval`, and while a probe is out no second
    /// one. One that has just gone out is asked at once; one in rotation for the first time at any moment of its first
    /// interval, so that the probes of many hosts do not come in one burst. Without room for all, those go first that
    /// have waited longest. Hosts that are no targets are forgotten, with what they still have to answer; so are, without
    /// `policy.all`, those that are back, once they may be asked again.
    ///
    /// Cost: one look-up for each target.
    pub fn round(
        &mut self,
        targets: &[Target],
        policy: &Probe,
        now: Timestamp,
        entropy: &mut Entropy,
        room: usize,
    ) -> Round {
        self.elapsed = self
            .elapsed
            .saturating_add(now.since(self.last_round).min(LONGEST_STEP));
        self.last_round = now;
        self.rounds += 1;
        let (elapsed, rounds) = (self.elapsed, self.rounds);
        let mut lost = Vec::new();
        // The longest waiting, the latest of them on top.
        let mut due = BinaryHeap::new();
        for target in targets {
            let probed = target.out || policy.all;
            let watched = if probed {
                self.hosts
                    .entry(target.host)
                    .or_insert_with(|| Watched::new(target.out, elapsed, stagger(policy, entropy)))
            } else if let Some(watched) = self.hosts.get_mut(&target.host) {
                watched
            } else {
                continue;
            };
            if watched.round == rounds {
                continue;
            }
            watched.moved(target.out, elapsed);
            if watched.is_lost(policy, elapsed) {
                lost.push((target.host, watched.end(false, policy)));
            }
            let is_due = watched.in_flight.is_none() && watched.due <= elapsed;
            if probed || !is_due {
                watched.round = rounds;
            }
            if probed && is_due {
                due.push((watched.due, watched.last_probe, target.host));
                if due.len() > room {
                    due.pop();
                }
            }
        }
        self.hosts.retain(|_, watched| watched.round == rounds);
        let mut send = Vec::with_capacity(due.len());
        for (.., host) in due.into_sorted_vec() {
            if let Some(watched) = self.hosts.get_mut(&host) {
                self.probes += 1;
                watched.sent(policy, elapsed, self.probes);
                send.push(host);
            }
        }
        Round { send, lost }
    }

    /// A host's probe has come to its end. `None` if the host is no target any more, if it went out or came back while
    /// the probe was out, or if this one is not the last it takes.
    pub fn answered(&mut self, host: HostAddr, passed: bool, policy: &Probe) -> Option<Finding> {
        self.hosts.get_mut(&host)?.end(passed, policy)
    }

    /// A host's probe could not be sent. That says nothing of the host; it is asked again after `interval`.
    pub fn unsent(&mut self, host: HostAddr) {
        if let Some(watched) = self.hosts.get_mut(&host) {
            watched.in_flight = None;
        }
    }

    /// How the host's last probes ended, since it last came back; passes also only since it last went out.
    pub fn streak(&self, host: HostAddr) -> Streak {
        self.hosts
            .get(&host)
            .map_or_else(Streak::default, |watched| watched.streak)
    }
}

/// How long a host in rotation waits for its first probe.
fn stagger(policy: &Probe, entropy: &mut Entropy) -> Duration {
    let interval = u64::try_from(policy.interval.as_nanos()).unwrap_or(u64::MAX);
    Duration::from_nanos(entropy.below(interval))
}

impl Watched {
    fn new(out: bool, elapsed: Duration, stagger: Duration) -> Self {
        Self {
            out,
            due: if out { elapsed } else { elapsed.saturating_add(stagger) },
            last_probe: 0,
            in_flight: None,
            streak: Streak::default(),
            round: 0,
        }
    }

    /// Takes note of whether the host is out.
    fn moved(&mut self, out: bool, elapsed: Duration) {
        if out == self.out {
            return;
        }
        self.out = out;
        // What it passed before it was ejected did not keep it from failing. What it failed still holds it back, until
        // it is back.
        self.streak.passes = 0;
        if !out {
            self.streak.failures = 0;
        } else if self.last_probe == 0 {
            self.due = self.due.min(elapsed);
        }
        if let Some(in_flight) = &mut self.in_flight {
            in_flight.counts = false;
        }
    }

    fn sent(&mut self, policy: &Probe, elapsed: Duration, probe: u64) {
        self.due = elapsed.saturating_add(policy.interval);
        self.last_probe = probe;
        self.in_flight = Some(InFlight {
            since: elapsed,
            counts: true,
        });
    }

    fn is_lost(&self, policy: &Probe, elapsed: Duration) -> bool {
        self.in_flight.is_some_and(|in_flight| {
            elapsed.saturating_sub(in_flight.since) > policy.timeout.saturating_add(LOST_AFTER)
        })
    }

    fn end(&mut self, passed: bool, policy: &Probe) -> Option<Finding> {
        if !self.in_flight.take()?.counts {
            return None;
        }
        let Streak { passes, failures } = self.streak;
        if passed {
            let passes = passes.saturating_add(1);
            self.streak = Streak { passes, failures: 0 };
            return passes
                .is_multiple_of(policy.healthy_threshold.max(1))
                .then_some(Finding::Healthy);
        }
        let failures = failures.saturating_add(1);
        self.streak = Streak { passes: 0, failures };
        failures
            .is_multiple_of(policy.unhealthy_threshold.max(1))
            .then_some(Finding::Unhealthy { failures })
    }
}
