//! Who may take an attempt, and of whom one is picked.

use super::ClusterView;
use crate::health::{BELIEVED_FOR, Census, HostState};
use crate::model::{Entropy, HostAddr, Share, Timestamp};
use crate::pick::{Candidate, Pin};

/// While a host's share grows, candidates are found anew this often in its ramp.
const RAMP_STEPS: u32 = 64;

/// What follows from the table at a moment.
#[derive(Debug, Default)]
pub(super) struct Standings {
    /// The hosts that may take an attempt; sorted like the table.
    pub(super) candidates: Vec<Candidate>,
    /// The hosts in probation that no trial is out for, and since when they wait.
    trials: Vec<(HostAddr, Timestamp)>,
    census: Census,
    /// Whether some host gets less than its full share.
    restless: bool,
}

impl ClusterView {
    /// Whether some host gets less than its full share, so that requests need a pin.
    pub(in crate::worker) fn is_restless(&mut self, now: Timestamp) -> bool {
        self.refresh(now);
        self.standings.restless
    }

    /// Whether too few hosts are available for pins to make sense.
    pub(in crate::worker) fn is_in_panic(&mut self, now: Timestamp) -> bool {
        self.refresh(now);
        let Census { known, available, .. } = self.standings.census;
        available == 0 || available * 100 < known * usize::from(self.policy.picking.panic_threshold.get())
    }

    /// Whether no host is available at all.
    pub(in crate::worker) fn is_all_gone(&mut self, now: Timestamp) -> bool {
        self.refresh(now);
        self.standings.census.available == 0
    }

    /// A host in probation that no trial is out for, and since when it waits.
    pub(in crate::worker) fn trial_due(&mut self, now: Timestamp) -> Option<(HostAddr, Timestamp)> {
        self.refresh(now);
        self.standings.trials.first().copied()
    }

    /// A pin to available hosts that are not among `tried`.
    pub(in crate::worker) fn pick(&mut self, tried: &[HostAddr], now: Timestamp, entropy: &mut Entropy) -> Option<Pin> {
        self.refresh(now);
        if tried.is_empty() {
            return self.rotation.pick(&self.standings.candidates, entropy);
        }
        let untried: Vec<Candidate> = self
            .standings
            .candidates
            .iter()
            .filter(|candidate| !tried.contains(&candidate.addr))
            .copied()
            .collect();
        self.rotation.pick(&untried, entropy)
    }

    /// A pin to available hosts with one for each of so many attempts.
    pub(in crate::worker) fn pick_for(
        &mut self,
        attempts: usize,
        now: Timestamp,
        entropy: &mut Entropy,
    ) -> Option<Pin> {
        self.refresh(now);
        self.rotation.pick_for(&self.standings.candidates, attempts, entropy)
    }

    /// Finds anew who may take an attempt, if the table has changed or something in it is over.
    fn refresh(&mut self, now: Timestamp) {
        if now < self.standings_until {
            return;
        }
        let Standings {
            candidates,
            trials,
            census,
            restless,
        } = &mut self.standings;
        candidates.clear();
        trials.clear();
        *census = self.table.census();
        *restless = self.table.wants_pin(&self.policy, now);
        let mut until = Timestamp::from_nanos(u64::MAX);
        for (host, local) in self.table.hosts().iter().zip(&mut self.local) {
            let share = host.share(&self.policy, now);
            // Envoy itself leaves out a host that is unfit.
            *restless |= share < Share::FULL && !host.gone && !host.unfit;
            let absent = local.absent_until > now && local.absent_until <= now.after(BELIEVED_FOR);
            if share > Share::NONE && !absent {
                local.candidate = candidates.len();
                candidates.push(Candidate {
                    addr: host.addr,
                    in_flight: local.in_flight,
                    share,
                });
            }
            if let Some(probation) = host.probation(now)
                && probation.trial_until <= now
                && !absent
                && !host.gone
                && !host.unfit
            {
                trials.push((host.addr, probation.since));
            }
            let next = match host.state {
                HostState::Healthy => Timestamp::ZERO,
                HostState::Ejected(ejection) => ejection.until,
                HostState::Probation(probation) => probation.trial_until,
                HostState::Ramp { .. } => now.after(self.policy.picking.ramp_time / RAMP_STEPS),
            };
            for end in [next, local.absent_until, host.overloaded_until] {
                if end > now {
                    until = until.min(end);
                }
            }
        }
        self.standings_until = until;
    }
}
