//! How many hosts may be out at once.

use crate::model::Percent;

/// Why a host that a detector accuses stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EjectionRefusal {
    /// The cluster's share of ejected hosts is used up.
    MaxEjectionPercent,
    /// It is the last host that is available.
    LastHost,
    /// The detector only reports (`enforcing_*` below 100 %).
    NotEnforced,
}

impl EjectionRefusal {
    /// All reasons.
    pub const ALL: [Self; 3] = [Self::MaxEjectionPercent, Self::LastHost, Self::NotEnforced];

    /// The name in metrics and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::MaxEjectionPercent => "max_ejection_percent",
            Self::LastHost => "last_host",
            Self::NotEnforced => "not_enforced",
        }
    }
}

/// Whether one more of `hosts` hosts may go, when `ejected` of them are out already.
///
/// The share is rounded down, as in Envoy, but where there are two hosts or more one may always go (Envoy's
/// default of 10 % ejects nobody below ten hosts) unless the share is 0 %. The last one available never goes.
///
/// # Errors
/// The reason to refuse.
pub(super) const fn may_eject(hosts: usize, ejected: usize, share: Percent) -> Result<(), EjectionRefusal> {
    if hosts.saturating_sub(ejected) <= 1 {
        return Err(EjectionRefusal::LastHost);
    }
    let allowed = match (share.get(), share.of(hosts)) {
        (0, _) => 0,
        (_, 0) => 1,
        (_, allowed) => allowed,
    };
    if ejected >= allowed {
        return Err(EjectionRefusal::MaxEjectionPercent);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of `hosts` hosts can go one after the other.
    fn can_go(hosts: usize, share: Percent) -> usize {
        (0..hosts)
            .take_while(|ejected| may_eject(hosts, *ejected, share).is_ok())
            .count()
    }

    #[test]
    fn the_share_is_exact_at_every_size_and_one_host_always_stays() {
        for hosts in 0..=100_usize {
            for share in 0..=100_usize {
                let Some(percent) = Percent::new(share as u64) else {
                    continue;
                };
                let by_share = if share == 0 { 0 } else { (hosts * share / 100).max(1) };
                assert_eq!(
                    can_go(hosts, percent),
                    by_share.min(hosts.saturating_sub(1)),
                    "{share} % of {hosts}"
                );
            }
        }
    }
}
