//! How many hosts may be out at once.

use super::table::Census;
use crate::config::OutlierDetection;

/// Why a host that a detector accuses stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EjectionRefusal {
    /// The cluster's share of ejected hosts is used up.
    MaxEjectionPercent,
    /// It is the last host that is available.
    LastHost,
    /// The detector only reports (`enforcing_*` below 100 %).
    NotEnforced,
    /// It does badly, but not significantly worse than its peers: the fault lies elsewhere.
    LikeItsPeers,
    /// A person holds it.
    Held,
    /// A person named a host that is not known.
    UnknownHost,
    /// A person named one host more than are kept.
    TooManyControls,
}

impl EjectionRefusal {
    /// All reasons.
    pub const ALL: [Self; 7] = [
        Self::MaxEjectionPercent,
        Self::LastHost,
        Self::NotEnforced,
        Self::LikeItsPeers,
        Self::Held,
        Self::UnknownHost,
        Self::TooManyControls,
    ];

    /// The name in metrics and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::MaxEjectionPercent => "max_ejection_percent",
            Self::LastHost => "last_host",
            Self::NotEnforced => "not_enforced",
            Self::LikeItsPeers => "like_its_peers",
            Self::Held => "held",
            Self::UnknownHost => "unknown_host",
            Self::TooManyControls => "too_many_controls",
        }
    }
}

/// Whether one more of a cluster's hosts may go.
///
/// The share is rounded down, as in Envoy. With `always_eject_one_host`, which is the default here (Envoy's 10 % alone
/// ejects nobody below ten hosts), one of two hosts or more may always go, unless the share is 0 %. The last one
/// available never goes, unless there is a standby cluster that takes its requests.
///
/// # Errors
/// The reason to refuse.
pub(super) const fn may_eject(
    census: Census,
    policy: &OutlierDetection,
    has_standby: bool,
) -> Result<(), EjectionRefusal> {
    if census.available <= 1 && !has_standby {
        return Err(EjectionRefusal::LastHost);
    }
    if census.out >= allowed(census, policy) {
        return Err(EjectionRefusal::MaxEjectionPercent);
    }
    Ok(())
}

/// How many of a cluster's hosts may be out at once, should enough others be available.
pub(super) const fn allowed(census: Census, policy: &OutlierDetection) -> usize {
    let share = policy.max_ejection_percent;
    match (share.get(), share.of(census.known)) {
        (0, _) => 0,
        (_, 0) if policy.always_eject_one_host => 1,
        (_, allowed) => allowed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Percent;

    /// How many of `hosts` hosts can go one after the other.
    fn can_go(hosts: usize, policy: &OutlierDetection, has_standby: bool) -> usize {
        let census = |out| Census {
            known: hosts,
            out,
            available: hosts - out,
        };
        (0..hosts)
            .take_while(|out| may_eject(census(*out), policy, has_standby).is_ok())
            .count()
    }

    #[test]
    fn the_share_is_exact_at_every_size_and_one_host_stays_unless_there_is_a_standby() {
        for hosts in 0..=100_usize {
            for share in 0..=100_usize {
                for at_least in [0, 1] {
                    let policy = OutlierDetection {
                        max_ejection_percent: Percent::new(share as u64).unwrap_or(Percent::NONE),
                        always_eject_one_host: at_least == 1,
                        ..OutlierDetection::default()
                    };
                    let by_share = if share == 0 {
                        0
                    } else {
                        (hosts * share / 100).max(at_least)
                    };
                    assert_eq!(
                        can_go(hosts, &policy, false),
                        by_share.min(hosts.saturating_sub(1)),
                        "{share} % of {hosts}, {at_least}"
                    );
                    assert_eq!(
                        can_go(hosts, &policy, true),
                        by_share.min(hosts),
                        "{share} % of {hosts}, {at_least}, with a standby"
                    );
                }
            }
        }
    }
}
