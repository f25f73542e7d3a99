//! What a cell comes to, in figures. All of them are from the first fault on, and measured from outside of the proxy: at the
//! users and at the hosts. So they mean the same for every configuration.

use crate::cell::Observed;
use crate::plan::Plan;
use crate::quantile::{median, quantile};
use crate::shares::{Stretch, count};
use crate::traffic::Sent;
use std::time::Duration;

/// A host is out from the first moment on after which it got less than this share of its fair share in [`OUT_WINDOW`].
const OUT_SHARE: f64 = 0.1;
/// The plan's seconds.
const OUT_WINDOW: f64 = 1.0;
/// A host is back from the first moment on after which it got this share of its fair share in [`BACK_WINDOW`].
const BACK_SHARE: f64 = 0.8;
/// The plan's seconds.
const BACK_WINDOW: f64 = 2.0;

/// When something came to pass.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Moment {
    /// It is no question in this scenario.
    NoQuestion,
    /// So many seconds after its cause.
    After(f64),
    /// Not before the end of the cell.
    Never,
}

impl Moment {
    /// In seconds, never being infinitely late.
    pub(crate) fn seconds(self) -> Option<f64> {
        match self {
            Self::NoQuestion => None,
            Self::After(seconds) => Some(seconds),
            Self::Never => Some(f64::INFINITY),
        }
    }

    fn of_seconds(seconds: Option<f64>) -> Self {
        match seconds {
            None => Self::NoQuestion,
            Some(seconds) if seconds.is_finite() => Self::After(seconds),
            Some(_) => Self::Never,
        }
    }
}

/// The figures of a cell, or the medians of several.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Figures {
    /// 99th percentile of how late requests left, in milliseconds: not a figure of the proxy, but of the measurement.
    pub(crate) late: f64,
    /// Requests of the users.
    pub(crate) requests: f64,
    /// POSTs among them.
    pub(crate) posts: f64,
    /// Requests that were not answered by a 200, in per cent.
    pub(crate) failed: f64,
    /// The same of those that are not POSTs.
    pub(crate) failed_get: f64,
    /// The same of POSTs.
    pub(crate) failed_post: f64,
    /// The same of all in the last third.
    pub(crate) failed_late: f64,
    /// Median of the time to the end of the answer, in milliseconds.
    pub(crate) p50: f64,
    /// 99th percentile, in milliseconds.
    pub(crate) p99: f64,
    /// Median in the last third, in milliseconds.
    pub(crate) p50_late: f64,
    /// 99th percentile in the last third, in milliseconds.
    pub(crate) p99_late: f64,
    /// Requests that reached a host, per request of a user.
    pub(crate) attempts: f64,
    /// POSTs that reached a host, per POST of a user: over 1, and somebody repeats what nobody may.
    pub(crate) attempts_post: f64,
    /// Requests that reached a faulty host while it was faulty, in per cent of the users' requests: those that suffered,
    /// or would have without a retry.
    pub(crate) met_fault: f64,
    /// From the first fault until all faulty hosts were out.
    pub(crate) out: Moment,
    /// From the last recovery until all hosts that had been faulty had a full share again.
    pub(crate) back: Moment,
    /// Hosts that were never faulty, and got nearly nothing for a while.
    pub(crate) false_ejections: f64,
}

impl Figures {
    /// Reckons them for a cell whose plan has times multiplied by `scale`. `rate` is the users' requests a second;
    /// `ejection` says whether it is a question when the faulty hosts are out.
    pub(crate) fn of(observed: &Observed, plan: &Plan, rate: u32, scale: f64, ejection: bool) -> Self {
        let begin = plan.begin();
        let late = begin + (plan.end - begin) * 2 / 3;
        let since = |from: Duration| observed.sent.iter().filter(move |sent| sent.at >= from);
        let all: Vec<Sent> = since(begin).copied().collect();
        let last: Vec<Sent> = since(late).copied().collect();
        let of_method = |post: bool| all.iter().copied().filter(|sent| sent.post == post).collect::<Vec<_>>();
        // Where nothing is wrong a request is one attempt. To count those of before by their arrivals would count some
        // that were on their way.
        let before = observed.sent.len() - all.len();
        let attempts = number(observed.arrivals.iter().map(Vec::len).sum()) - number(before);
        let posts = number(of_method(true).len());
        let posts_before = number(observed.sent.iter().filter(|sent| sent.post).count()) - posts;
        let post_attempts = number(usize::try_from(observed.posts_arrived).unwrap_or(usize::MAX)) - posts_before;
        let hosts = Hosts {
            plan,
            arrivals: &observed.arrivals,
            fair: crate::hosts::fair_rate(rate, plan.hosts) * scale,
            scale,
        };
        Self {
            late: milliseconds(&all, 0.99, |sent| sent.late),
            requests: number(all.len()),
            posts,
            failed: failed(&all),
            failed_get: failed(&of_method(false)),
            failed_post: failed(&of_method(true)),
            failed_late: failed(&last),
            p50: milliseconds(&all, 0.5, |sent| sent.took),
            p99: milliseconds(&all, 0.99, |sent| sent.took),
            p50_late: milliseconds(&last, 0.5, |sent| sent.took),
            p99_late: milliseconds(&last, 0.99, |sent| sent.took),
            attempts: attempts / number(all.len()).max(1.0),
            attempts_post: post_attempts / posts.max(1.0),
            met_fault: 100.0 * number(hosts.met_fault()) / number(all.len()).max(1.0),
            out: if ejection { hosts.out() } else { Moment::NoQuestion },
            back: hosts.back(),
            false_ejections: number(hosts.false_ejections()),
        }
    }

    /// Figure by figure the median.
    pub(crate) fn median(rounds: &[Self]) -> Self {
        let of = |figure: fn(&Self) -> f64| median(&rounds.iter().map(figure).collect::<Vec<_>>());
        let moment = |figure: fn(&Self) -> Moment| {
            let seconds: Option<Vec<f64>> = rounds.iter().map(|round| figure(round).seconds()).collect();
            Moment::of_seconds(seconds.map(|seconds| median(&seconds)))
        };
        Self {
            late: of(|figures| figures.late),
            requests: of(|figures| figures.requests),
            posts: of(|figures| figures.posts),
            failed: of(|figures| figures.failed),
            failed_get: of(|figures| figures.failed_get),
            failed_post: of(|figures| figures.failed_post),
            failed_late: of(|figures| figures.failed_late),
            p50: of(|figures| figures.p50),
            p99: of(|figures| figures.p99),
            p50_late: of(|figures| figures.p50_late),
            p99_late: of(|figures| figures.p99_late),
            attempts: of(|figures| figures.attempts),
            attempts_post: of(|figures| figures.attempts_post),
            met_fault: of(|figures| figures.met_fault),
            out: moment(|figures| figures.out),
            back: moment(|figures| figures.back),
            false_ejections: of(|figures| figures.false_ejections),
        }
    }
}

/// The hosts' side of a cell.
struct Hosts<'a> {
    plan: &'a Plan,
    arrivals: &'a [Vec<Duration>],
    /// Requests that a host's fair share is in one of the plan's seconds.
    fair: f64,
    scale: f64,
}

impl Hosts<'_> {
    fn stretch(&self, from: Duration, window: f64) -> Stretch {
        Stretch {
            from,
            until: self.plan.end,
            window: Duration::from_secs_f64(window * self.scale),
        }
    }

    fn faulty(&self) -> &[Vec<Duration>] {
        &self.arrivals[..self.plan.faulty().min(self.arrivals.len())]
    }

    fn is_out(&self, arrivals: &[Duration], from: Duration) -> Option<Duration> {
        let few = self.fair * OUT_WINDOW * OUT_SHARE;
        self.stretch(from, OUT_WINDOW).first_below(arrivals, few)
    }

    fn met_fault(&self) -> usize {
        let of_spell = |(hosts, from, until): (usize, Duration, Duration)| -> usize {
            let faulty = self.arrivals.iter().take(hosts);
            faulty.map(|arrivals| count(arrivals, from, until)).sum()
        };
        self.plan.fault_times().map(of_spell).sum()
    }

    fn out(&self) -> Moment {
        let from = self.plan.begin();
        latest(from, self.faulty().iter().map(|arrivals| self.is_out(arrivals, from)))
    }

    fn back(&self) -> Moment {
        let Some(from) = self.plan.recovery() else {
            return Moment::NoQuestion;
        };
        let enough = self.fair * BACK_WINDOW * BACK_SHARE;
        let stretch = self.stretch(from, BACK_WINDOW);
        let back = |arrivals: &Vec<Duration>| stretch.first_reaching(arrivals, enough);
        latest(from, self.faulty().iter().map(back))
    }

    fn false_ejections(&self) -> usize {
        self.arrivals[self.faulty().len()..]
            .iter()
            .filter(|arrivals| self.is_out(arrivals, Duration::ZERO).is_some())
            .count()
    }
}

/// The last of several moments, as seconds since `from`.
fn latest(from: Duration, moments: impl Iterator<Item = Option<Duration>>) -> Moment {
    match moments.collect::<Option<Vec<_>>>() {
        None => Moment::Never,
        Some(moments) => moments
            .into_iter()
            .max()
            .map_or(Moment::NoQuestion, |last| Moment::After((last - from).as_secs_f64())),
    }
}

/// Requests that were not answered by a 200, in per cent.
pub(crate) fn failed(sent: &[Sent]) -> f64 {
    let failed = sent.iter().filter(|sent| !sent.good).count();
    100.0 * number(failed) / number(sent.len()).max(1.0)
}

/// A quantile of some time of the requests, in milliseconds; of none 0.
pub(crate) fn milliseconds(sent: &[Sent], share: f64, time: fn(&Sent) -> Duration) -> f64 {
    let times: Vec<_> = sent.iter().map(time).collect();
    quantile(&times, share, Duration::cmp).map_or(0.0, |time| time.as_secs_f64() * 1000.0)
}

/// A count as a number to reckon with.
#[expect(clippy::cast_precision_loss, reason = "thousands of requests")]
pub(crate) fn number(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests;
