//! A cluster's retry budget: this worker's share of it, and the floor that all workers have together.
//!
//! The floor is kept in shared data, `sidestep/2/budget/NAME`, and asked for only when something has failed and the share
//! is used up.

use super::Worker;
use super::shared::MAX_TRIES;
use crate::host::{Cas, Host, HostError};
use crate::metrics::ErrorCause;
use crate::model::Timestamp;
use crate::retry::{Floor, Withdrawal};

fn key(cluster: &str) -> String {
    format!("sidestep/2/budget/{cluster}")
}

impl<H: Host> Worker<H> {
    /// Takes one retry of the cluster's budget. `None` if none is left.
    pub fn withdraw(&mut self, cluster: &str, now: Timestamp) -> Option<Withdrawal> {
        let view = self.view(cluster)?;
        let budget = view.policy.retry.budget;
        if let Some(withdrawal) = view.budget.withdraw(&budget, now) {
            return Some(withdrawal);
        }
        if !view.budget.may_ask_floor(&budget, now) {
            return None;
        }
        let key = key(cluster);
        for _ in 0..MAX_TRIES {
            let asked = self.host.shared_data(&key).and_then(|found| {
                let (floor, cas) = found.map_or((Floor::default(), Cas::ABSENT), |(bytes, cas)| {
                    (Floor::decode(&bytes), cas)
                });
                match floor.withdraw(&budget, now) {
                    Ok(less) => self.host.set_shared_data(&key, &less.encode(), cas).map(|()| Ok(())),
                    Err(until) => Ok(Err(until)),
                }
            });
            match asked {
                Ok(Ok(())) => return Some(Withdrawal::Floor),
                Ok(Err(until)) => {
                    self.view(cluster)?.budget.floor_is_empty(until);
                    return None;
                }
                Err(HostError::CasMismatch) => {}
                Err(error) => {
                    self.error(
                        ErrorCause::SharedDataWrite,
                        format_args!("no retry of the floor of cluster {cluster}: {error}"),
                    );
                    return None;
                }
            }
        }
        self.error(
            ErrorCause::SharedDataContention,
            format_args!("no retry of the floor of cluster {cluster}: other workers were faster {MAX_TRIES} times"),
        );
        None
    }

    /// Gives a retry back that was taken and not made.
    pub fn put_back(&mut self, cluster: &str, withdrawal: Withdrawal, now: Timestamp) {
        if let Some(view) = self.view(cluster) {
            let budget = view.policy.retry.budget;
            view.budget.put_back(withdrawal, &budget, now);
        }
    }
}
