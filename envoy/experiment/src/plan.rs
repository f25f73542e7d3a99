//! What happens to which host, and when.

use std::time::Duration;

/// What ails a host, or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ailment {
    /// Nothing: it answers 200 in its usual time.
    None,
    /// It answers 503 to every request.
    Answers503,
    /// It answers 503 now and then, as every host does: to two of a hundred requests.
    Stumbles,
    /// It answers 503 to so many of a hundred requests.
    Fails {
        /// Per cent.
        percent: u64,
    },
    /// It answers well, but takes so many times as long.
    Slow {
        /// Ten: ten times as long.
        factor: u32,
    },
    /// It accepts requests and never answers.
    Silent,
    /// It is well again, but cold: see [`Warming`](crate::warming::Warming).
    Cold,
}

impl Ailment {
    /// Whether the host is worse than it should be. Cold is no fault: the host serves what it can bear. And who stumbles
    /// is no worse than the others.
    pub(crate) fn is_fault(self) -> bool {
        !matches!(self, Self::None | Self::Stumbles | Self::Cold)
    }
}

/// Some hosts have something for some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spell {
    /// The first so many hosts of the cluster.
    pub(crate) hosts: usize,
    /// Since the traffic's beginning.
    pub(crate) from: Duration,
    /// Since the traffic's beginning; not included.
    pub(crate) until: Duration,
    /// What they have.
    pub(crate) ailment: Ailment,
}

/// The course of one cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// How many hosts the cluster has.
    pub(crate) hosts: usize,
    /// In the order of time, none over another.
    pub(crate) spells: Vec<Spell>,
    /// How long the traffic goes on.
    pub(crate) end: Duration,
}

impl Plan {
    /// What ails a host at a time.
    pub(crate) fn ailment(&self, host: usize, at: Duration) -> Ailment {
        self.spells
            .iter()
            .find(|spell| host < spell.hosts && (spell.from..spell.until).contains(&at))
            .map_or(Ailment::None, |spell| spell.ailment)
    }

    fn faults(&self) -> impl DoubleEndedIterator<Item = &Spell> {
        self.spells.iter().filter(|spell| spell.ailment.is_fault())
    }

    /// How many hosts are faulty at some time: the first of the cluster.
    pub(crate) fn faulty(&self) -> usize {
        self.faults().map(|spell| spell.hosts).max().unwrap_or_default()
    }

    /// When the first fault begins. Without any: when the cluster has come to rest, a tenth into it.
    pub(crate) fn begin(&self) -> Duration {
        self.faults().next().map_or(self.end / 10, |spell| spell.from)
    }

    /// When the last fault is over, if one is before the end.
    pub(crate) fn recovery(&self) -> Option<Duration> {
        let over = self.faults().next_back()?.until;
        (over < self.end).then_some(over)
    }

    /// The times at which some host is faulty, up to the end: how many of the first, from, until.
    pub(crate) fn fault_times(&self) -> impl Iterator<Item = (usize, Duration, Duration)> {
        self.faults()
            .map(|spell| (spell.hosts, spell.from, spell.until.min(self.end)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn spell(from: u32, until: u32, ailment: Ailment) -> Spell {
        Spell {
            hosts: 2,
            from: SECOND * from,
            until: SECOND * until,
            ailment,
        }
    }

    fn plan() -> Plan {
        Plan {
            hosts: 4,
            spells: vec![
                spell(2, 4, Ailment::Answers503),
                spell(6, 8, Ailment::Silent),
                spell(8, 20, Ailment::Cold),
            ],
            end: SECOND * 20,
        }
    }

    #[test]
    fn a_spell_has_its_beginning_and_not_its_end_and_only_its_hosts() {
        let plan = plan();
        assert_eq!(plan.ailment(0, SECOND * 2), Ailment::Answers503);
        assert_eq!(plan.ailment(1, SECOND * 2), Ailment::Answers503);
        assert_eq!(plan.ailment(2, SECOND * 2), Ailment::None);
        assert_eq!(plan.ailment(0, SECOND * 4), Ailment::None);
        assert_eq!(plan.ailment(0, SECOND * 8), Ailment::Cold);
    }

    #[test]
    fn being_cold_is_recovery() {
        let plan = plan();
        assert_eq!(plan.faulty(), 2);
        assert_eq!(plan.begin(), SECOND * 2);
        assert_eq!(plan.recovery(), Some(SECOND * 8));
        assert_eq!(
            plan.fault_times().collect::<Vec<_>>(),
            [(2, SECOND * 2, SECOND * 4), (2, SECOND * 6, SECOND * 8)]
        );
    }

    #[test]
    fn a_fault_up_to_the_end_has_no_recovery() {
        let mut plan = plan();
        plan.end = SECOND * 7;
        assert_eq!(plan.recovery(), None);
        assert_eq!(plan.fault_times().last(), Some((2, SECOND * 6, SECOND * 7)));
    }
}
