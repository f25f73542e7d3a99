//! A cell over time, for the plot.

use crate::cell::Observed;
use crate::figures::{failed, milliseconds, number};
use crate::hosts::fair_rate;
use crate::plan::Plan;
use crate::shares::count;
use crate::traffic::Sent;
use std::time::Duration;

/// The plan's seconds from one point to the next.
const STEP: f64 = 0.5;

/// One value for each step, from the beginning on.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Series {
    /// What the faulty hosts got, of their fair share, in per cent. Where none is faulty: the hosts with least.
    pub(crate) share: Vec<f64>,
    /// Requests that failed, in per cent, by when they were due.
    pub(crate) failed: Vec<f64>,
    /// 99th percentile of the time to the end of the answer, in milliseconds.
    pub(crate) p99: Vec<f64>,
}

impl Series {
    /// Of one cell in all of its rounds.
    pub(crate) fn of(rounds: &[Observed], plan: &Plan, rate: u32, scale: f64) -> Self {
        let step = Duration::from_secs_f64(STEP * scale);
        let fair = fair_rate(rate, plan.hosts) * step.as_secs_f64() * number(rounds.len());
        let mut series = Self {
            share: Vec::new(),
            failed: Vec::new(),
            p99: Vec::new(),
        };
        let faulty = plan.faulty();
        for (from, until) in steps(plan.end, step) {
            let came = |host: usize| -> usize {
                let of_round = |round: &Observed| round.arrivals.get(host).map_or(0, |at| count(at, from, until));
                rounds.iter().map(of_round).sum()
            };
            series.share.push(if faulty == 0 {
                100.0 * number((0..plan.hosts).map(came).min().unwrap_or_default()) / fair
            } else {
                100.0 * number((0..faulty).map(came).sum()) / (fair * number(faulty))
            });
            let due: Vec<Sent> = rounds
                .iter()
                .flat_map(|round| &round.sent)
                .filter(|sent| (from..until).contains(&sent.at))
                .copied()
                .collect();
            series.failed.push(failed(&due));
            series.p99.push(milliseconds(&due, 0.99, |sent| sent.took));
        }
        series
    }
}

/// Whole steps up to the end.
fn steps(end: Duration, step: Duration) -> impl Iterator<Item = (Duration, Duration)> {
    (0_u32..)
        .map(move |n| (step * n, step * (n + 1)))
        .take_while(move |(_, until)| *until <= end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;

    #[test]
    fn shares_are_of_the_fair_share_whatever_the_number_of_rounds() {
        let plan = Scenario::OneBad.plan(1.0);
        let ms = Duration::from_millis;
        let round = Observed {
            // Five a second for four seconds.
            arrivals: vec![(0..20).map(|n| ms(n * 200)).collect()],
            sent: vec![Sent {
                at: ms(600),
                post: false,
                late: Duration::ZERO,
                took: ms(33),
                good: false,
            }],
            ..Observed::default()
        };
        let series = Series::of(&[round.clone(), round], &plan, 100, 1.0);
        assert_eq!(series.share.len(), 28);
        assert_eq!((series.share[0], series.share[1], series.share[9]), (60.0, 40.0, 0.0));
        assert_eq!((series.failed[0], series.failed[1]), (0.0, 100.0));
        assert_eq!((series.p99[0], series.p99[1]), (0.0, 33.0));
    }
}
