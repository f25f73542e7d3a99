//! Hedging: a second attempt while the first one is still out.
//!
//! A host that is slow, or silent, has not failed yet. After a while without response headers the request also goes to
//! another host, and the first good answer wins. The other attempt is given up if it is the first one; a callout can't be
//! given up, its answer then finds nobody.

use super::attempt::{Sent, Try};
use super::deliver::Good;
use super::tale::Final;
use super::{FirstAnswer, Out, Phase, Retrying, Stream};
use crate::host::{Attribute, CalloutToken, Host};
use crate::metrics::Metric;
use crate::model::{HostAddr, Timestamp};
use crate::retry::{RetryRefusal, Standing, deadline};
use crate::worker::Worker;
use std::rc::Rc;

/// A second attempt.
#[derive(Debug)]
pub(super) struct Hedging {
    cluster: Rc<str>,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// It is sent then, if the first one has no answer.
    Waits(Timestamp),
    /// It is out.
    Sent(Sent),
}

impl Hedging {
    pub(super) const fn sent(&self) -> Option<&Sent> {
        match &self.stage {
            Stage::Waits(_) => None,
            Stage::Sent(sent) => Some(sent),
        }
    }
}

impl Stream {
    /// The request is on its way: a second attempt follows after a while, if the cluster's policy wants that.
    pub(super) fn plan_hedge<H: Host>(&mut self, worker: &mut Worker<H>, cluster: Rc<str>, now: Timestamp) {
        if let Some(delay) = worker.hedge_delay(&cluster) {
            let at = now.after(delay);
            if worker.wake(self.id, at, now) {
                let stage = Stage::Waits(at);
                self.hedge = Some(Box::new(Hedging { cluster, stage }));
            }
        }
    }

    pub(super) fn is_hedge(&self, token: CalloutToken) -> bool {
        let sent = self.hedge.as_ref().and_then(|hedge| hedge.sent());
        sent.is_some_and(|sent| sent.token == token)
    }

    /// The first attempt has had its time alone.
    pub(super) fn hedge_if_due<H: Host>(&mut self, worker: &mut Worker<H>, moment: Timestamp, now: Timestamp) {
        let Some(mut hedge) = self.hedge.take() else {
            return;
        };
        match hedge.stage {
            Stage::Waits(at) if at == moment => match self.hedge(worker, &hedge.cluster, now) {
                Ok(sent) => {
                    hedge.stage = Stage::Sent(sent);
                    self.hedge = Some(hedge);
                }
                // Counted, but no part of what the client is told: its first attempt has not failed.
                Err(reason) => worker.count(Metric::from(reason)),
            },
            _ => self.hedge = Some(hedge),
        }
    }

    fn hedge<H: Host>(&mut self, worker: &mut Worker<H>, cluster: &str, now: Timestamp) -> Result<Sent, RetryRefusal> {
        self.keep.whole()?;
        let policy = worker.policy(cluster);
        self.check_route(worker, &policy, now)?;
        let deadline = deadline(self.began(worker), &policy.retry, self.asks_for_timeout);
        // Not more, should the clock have been set back.
        let left = deadline.since(now).min(policy.retry.timeout);
        if left.as_millis() == 0 {
            return Err(RetryRefusal::Deadline);
        }
        // Envoy has chosen by now, whoever had the choice.
        let first = worker.attribute(Attribute::UpstreamAddress);
        let first = first.and_then(|address| HostAddr::from_bytes(&address).ok());
        let first = first.ok_or(RetryRefusal::NoOtherHost)?;
        let target = worker.retry_target(cluster, &[first], false, now)?;
        if target.again {
            return Err(RetryRefusal::NoOtherHost);
        }
        let withdrawn = worker.withdraw(cluster, now).ok_or(RetryRefusal::Budget)?;
        let this = Try {
            number: 2,
            timeout: policy.retry.per_try_timeout.unwrap_or(left).min(left),
            now,
        };
        match self.send(worker, &target, this) {
            Ok(sent) => {
                self.hedged = sent.host;
                worker.count(Metric::Hedges);
                Ok(sent)
            }
            Err(reason) => {
                worker.put_back(cluster, withdrawn, now);
                Err(reason)
            }
        }
    }

    /// The second attempt's answer has come.
    pub(super) fn hedge_answered<H: Host>(&mut self, worker: &mut Worker<H>, num_headers: usize, body_size: usize) {
        let Some(hedge) = self.hedge.take() else {
            return;
        };
        let Stage::Sent(sent) = hedge.stage else {
            return;
        };
        let reading = self.read_answer(worker, &sent, num_headers, body_size);
        let reading = self.without_conflict(reading);
        if !matches!(self.phase, Phase::Waiting) || reading.standing != Standing::Good {
            // The first attempt has answered, or will.
            return;
        }
        let from = Final {
            received_status: Some(reading.failed.status),
            flags: reading.failed.flags,
            host: sent.host,
        };
        if let Some(answer) = reading.answered {
            let steering = self.release_steering(worker);
            super::arrived::give_back(worker, steering.as_ref());
            let cluster = &hedge.cluster;
            if self.deliver_early(worker, Good { answer, cluster, from }, "sidestep_hedge") {
                worker.count(Metric::HedgesWon);
            }
        }
    }

    /// The first attempt has failed while the second one is out: it becomes a retry. Gives the first answer back if none
    /// is.
    pub(super) fn hedge_becomes_retry(
        &mut self,
        cluster: &Rc<str>,
        host: HostAddr,
        first: FirstAnswer,
        deadline: Timestamp,
    ) -> bool {
        let Some(hedge) = self.hedge.take() else {
            return false;
        };
        let Stage::Sent(sent) = hedge.stage else {
            return false;
        };
        let tried = [Some(host), sent.host].into_iter().flatten().collect();
        self.phase = Phase::Retrying(Box::new(Retrying {
            cluster: Rc::clone(cluster),
            out: Out::Sent(sent),
            tried,
            attempts: 2,
            deadline,
            standby_tried: false,
            first,
            best: None,
        }));
        true
    }

    /// The first attempt has answered well, or the request is over: nobody waits for the second one.
    pub(super) fn forget_hedge<H: Host>(&mut self, worker: &mut Worker<H>) {
        if let Some(hedge) = self.hedge.take()
            && let Some(sent) = hedge.sent()
        {
            sent.forget(worker);
        }
    }
}
