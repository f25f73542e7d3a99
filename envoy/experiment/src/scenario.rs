//! What is done to the hosts: one scenario, one plan.

use crate::plan::{Ailment, Plan, Spell};
use std::time::Duration;

/// When the first fault begins, in the plan's seconds: by then Envoy, its connections and the detectors' first interval
/// have settled.
const BEGIN: f64 = 2.0;
/// Longer than any plan.
const FOR_EVER: f64 = 1000.0;

/// What is done to the hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scenario {
    /// Nothing.
    AllWell,
    /// Each of ten answers 503 to two of a hundred requests.
    AllAlike,
    /// One of ten answers 503.
    OneBad,
    /// One of ten answers 503 to every fifth request.
    OneBad20,
    /// One of ten takes ten times as long.
    OneSlow,
    /// Three of ten answer 503.
    ThreeBad,
    /// All ten answer 503, and are well again.
    AllBad,
    /// One of ten answers 503 for four seconds, is well for four, answers 503 for four, and is well for good.
    Flapping,
    /// One of ten accepts requests and never answers.
    BlackHole,
    /// One of two answers 503.
    TwoHosts,
    /// The only host answers 503, and is well again.
    OneHost,
    /// One of ten answers 503, and comes back cold.
    Recovering,
}

impl Scenario {
    /// All of them.
    pub(crate) const ALL: [Self; 12] = [
        Self::AllWell,
        Self::AllAlike,
        Self::OneBad,
        Self::OneBad20,
        Self::OneSlow,
        Self::ThreeBad,
        Self::AllBad,
        Self::Flapping,
        Self::BlackHole,
        Self::TwoHosts,
        Self::OneHost,
        Self::Recovering,
    ];

    /// What it is called on the command line and in the files.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::AllWell => "all_well",
            Self::AllAlike => "all_alike",
            Self::OneBad => "one_bad",
            Self::OneBad20 => "one_bad_20",
            Self::OneSlow => "one_slow",
            Self::ThreeBad => "three_bad",
            Self::AllBad => "all_bad",
            Self::Flapping => "flapping",
            Self::BlackHole => "black_hole",
            Self::TwoHosts => "two_hosts",
            Self::OneHost => "one_host",
            Self::Recovering => "recovering",
        }
    }

    /// The scenario of this name.
    pub(crate) fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scenario| scenario.name() == name)
    }

    /// What happens, in a few words.
    pub(crate) fn says(self) -> &'static str {
        match self {
            Self::AllWell => "ten hosts, all well",
            Self::AllAlike => "each of 10 fails 2 %, by chance",
            Self::OneBad => "1 of 10 answers 503",
            Self::OneBad20 => "1 of 10 fails 20 %",
            Self::OneSlow => "1 of 10 is 10 times slower",
            Self::ThreeBad => "3 of 10 answer 503",
            Self::AllBad => "all 10 answer 503 for 7 s",
            Self::Flapping => "1 of 10: twice 4 s of 503, 4 s between",
            Self::BlackHole => "1 of 10 never answers",
            Self::TwoHosts => "1 of 2 answers 503",
            Self::OneHost => "the only host answers 503 for 4 s",
            Self::Recovering => "1 of 10: 6 s of 503, then cold",
        }
    }

    /// The plan, all of its times multiplied by `scale`.
    pub(crate) fn plan(self, scale: f64) -> Plan {
        let at = |seconds: f64| Duration::from_secs_f64(seconds * scale);
        let spell = |hosts, from, until, ailment| Spell {
            hosts,
            from: at(from),
            until: at(until),
            ailment,
        };
        let for_good = |hosts, ailment| vec![spell(hosts, BEGIN, FOR_EVER, ailment)];
        let (hosts, end, spells) = match self {
            Self::AllWell => (10, 8.0, Vec::new()),
            Self::AllAlike => (10, 16.0, vec![spell(10, 0.0, FOR_EVER, Ailment::Stumbles)]),
            Self::OneBad => (10, 14.0, for_good(1, Ailment::Answers503)),
            Self::OneBad20 => (10, 16.0, for_good(1, Ailment::Fails { percent: 20 })),
            Self::OneSlow => (10, 16.0, for_good(1, Ailment::Slow { factor: 10 })),
            Self::ThreeBad => (10, 14.0, for_good(3, Ailment::Answers503)),
            Self::AllBad => (10, 16.0, vec![spell(10, BEGIN, 9.0, Ailment::Answers503)]),
            Self::Flapping => (
                10,
                28.0,
                vec![
                    spell(1, BEGIN, 6.0, Ailment::Answers503),
                    spell(1, 10.0, 14.0, Ailment::Answers503),
                ],
            ),
            Self::BlackHole => (10, 14.0, for_good(1, Ailment::Silent)),
            Self::TwoHosts => (2, 14.0, for_good(1, Ailment::Answers503)),
            Self::OneHost => (1, 14.0, vec![spell(1, BEGIN, 6.0, Ailment::Answers503)]),
            Self::Recovering => (
                10,
                22.0,
                vec![
                    spell(1, BEGIN, 8.0, Ailment::Answers503),
                    spell(1, 8.0, FOR_EVER, Ailment::Cold),
                ],
            ),
        };
        Plan {
            hosts,
            spells,
            end: at(end),
        }
    }

    /// Whether there is another host to take the traffic of those that are faulty: else there is nothing to eject.
    pub(crate) fn has_healthy_hosts(self) -> bool {
        let plan = self.plan(1.0);
        plan.faulty() < plan.hosts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_found_again() {
        for scenario in Scenario::ALL {
            assert_eq!(Scenario::of(scenario.name()), Some(scenario));
        }
        assert_eq!(Scenario::of("one"), None);
    }

    #[test]
    fn a_scaled_plan_is_the_same_plan_in_other_times() {
        for scenario in Scenario::ALL {
            let (whole, half) = (scenario.plan(1.0), scenario.plan(0.5));
            assert_eq!(whole.hosts, half.hosts);
            assert_eq!(whole.end / 2, half.end);
            assert_eq!(whole.begin() / 2, half.begin());
            assert_eq!(whole.recovery().map(|at| at / 2), half.recovery());
        }
    }

    #[test]
    fn every_plan_begins_well_and_its_spells_do_not_overlap() {
        for scenario in Scenario::ALL {
            let plan = scenario.plan(1.0);
            assert!(!plan.ailment(0, Duration::ZERO).is_fault(), "{}", scenario.name());
            for pair in plan.spells.windows(2) {
                assert!(pair[0].until <= pair[1].from, "{}", scenario.name());
            }
            assert!(plan.begin() < plan.end);
        }
    }

    #[test]
    fn where_all_hosts_are_faulty_there_is_nothing_to_eject() {
        assert!(!Scenario::AllBad.has_healthy_hosts());
        assert!(!Scenario::OneHost.has_healthy_hosts());
        assert!(Scenario::TwoHosts.has_healthy_hosts());
    }
}
