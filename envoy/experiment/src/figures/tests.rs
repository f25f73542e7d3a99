//! A cell made by hand, and what it comes to.

use super::*;
use crate::plan::{Ailment, Spell};

const SECOND: Duration = Duration::from_secs(1);

/// Two hosts, the first of them bad from 2 to 5 of 12 seconds.
fn plan() -> Plan {
    Plan {
        hosts: 2,
        spells: vec![Spell {
            hosts: 1,
            from: SECOND * 2,
            until: SECOND * 5,
            ailment: Ailment::Answers503,
        }],
        end: SECOND * 12,
    }
}

/// Every 50 ms between these milliseconds.
fn every_50_ms(from: u64, until: u64) -> impl Iterator<Item = Duration> {
    (from / 50..until / 50).map(|n| Duration::from_millis(n * 50))
}

fn sent(at: Duration, post: bool, good: bool) -> Sent {
    Sent {
        at,
        post,
        late: Duration::from_millis(if post { 2 } else { 1 }),
        took: Duration::from_millis(if good { 20 } else { 30 }),
        good,
    }
}

/// 40 requests a second, half of them POSTs; GETs fail for half a second, POSTs for a whole one. The first host is
/// out from 3 s to 8 s.
fn observed() -> Observed {
    let gets = every_50_ms(0, 12_000).map(|at| sent(at, false, !(SECOND * 2..SECOND * 5 / 2).contains(&at)));
    let posts = every_50_ms(0, 12_000).map(|at| sent(at, true, !(SECOND * 2..SECOND * 3).contains(&at)));
    Observed {
        sent: gets.chain(posts).collect(),
        arrivals: vec![
            every_50_ms(0, 3000).chain(every_50_ms(8000, 12_000)).collect(),
            every_50_ms(0, 12_000).collect(),
        ],
        // One of the 200 since the fault never reached a host.
        posts_arrived: 239,
        ..Observed::default()
    }
}

fn figures(observed: &Observed) -> Figures {
    Figures::of(observed, &plan(), 40, 1.0, true)
}

#[test]
fn requests_are_counted_from_the_fault_on() {
    let figures = figures(&observed());
    assert_eq!((figures.requests, figures.posts), (400.0, 200.0));
    assert_eq!(figures.failed, 100.0 * 30.0 / 400.0);
    assert_eq!(figures.failed_get, 100.0 * 10.0 / 200.0);
    assert_eq!(figures.failed_post, 100.0 * 20.0 / 200.0);
    assert_eq!(figures.failed_late, 0.0);
    assert_eq!((figures.p50, figures.p99, figures.p99_late), (20.0, 30.0, 20.0));
    // 140 and 240 in all, less the 80 requests before.
    assert_eq!(figures.late, 2.0);
    assert_eq!(figures.attempts, (140.0 + 240.0 - 80.0) / 400.0);
    assert_eq!(figures.attempts_post, 199.0 / 200.0);
    assert_eq!(figures.met_fault, 100.0 * 20.0 / 400.0);
}

#[test]
fn out_and_back_are_seen_at_the_hosts() {
    let figures = figures(&observed());
    let Moment::After(out) = figures.out else {
        panic!("{:?}", figures.out)
    };
    assert!((0.8..1.0).contains(&out), "{out}");
    assert!(
        matches!(figures.back, Moment::After(back) if (2.5..3.1).contains(&back)),
        "{:?}",
        figures.back
    );
    assert_eq!(figures.false_ejections, 0.0);
}

#[test]
fn a_host_that_stays_is_never_out_and_back_at_once() {
    let mut observed = observed();
    observed.arrivals[0] = every_50_ms(0, 12_000).collect();
    let figures = figures(&observed);
    assert_eq!((figures.out, figures.back), (Moment::Never, Moment::After(0.0)));
}

#[test]
fn half_a_share_is_not_back() {
    let mut observed = observed();
    // Every 100 ms from 8 s on, and every 50 ms from 9 s on.
    observed.arrivals[0].retain(|at| *at < SECOND * 3 || *at >= SECOND * 9 || at.as_millis() % 100 == 0);
    let back = figures(&observed).back;
    assert!(
        matches!(back, Moment::After(back) if (3.2..4.0).contains(&back)),
        "{back:?}"
    );
}

#[test]
fn all_faulty_hosts_have_to_be_out_and_back() {
    let mut plan = plan();
    plan.spells[0].hosts = 2;
    let mut observed = observed();
    observed.arrivals[1].retain(|at| !(SECOND * 4..SECOND * 9).contains(at));
    let figures = Figures::of(&observed, &plan, 40, 1.0, true);
    assert!(
        matches!(figures.out, Moment::After(out) if (1.8..2.0).contains(&out)),
        "{:?}",
        figures.out
    );
    assert!(
        matches!(figures.back, Moment::After(back) if (3.5..4.1).contains(&back)),
        "{:?}",
        figures.back
    );
    observed.arrivals[1] = every_50_ms(0, 12_000).collect();
    assert_eq!(Figures::of(&observed, &plan, 40, 1.0, true).out, Moment::Never);
}

#[test]
fn a_host_that_stays_away_is_never_back() {
    let mut observed = observed();
    observed.arrivals[0].retain(|at| *at < SECOND * 3);
    assert_eq!(figures(&observed).back, Moment::Never);
}

#[test]
fn a_healthy_host_without_traffic_is_a_false_ejection() {
    let mut observed = observed();
    observed.arrivals[1].retain(|at| !(SECOND * 6..SECOND * 8).contains(at));
    assert_eq!(figures(&observed).false_ejections, 1.0);
}

#[test]
fn where_there_is_nothing_to_eject_it_is_no_question() {
    assert_eq!(
        Figures::of(&observed(), &plan(), 40, 1.0, false).out,
        Moment::NoQuestion
    );
}

#[test]
fn never_is_later_than_any_time_in_a_median() {
    let round = |out| Figures {
        out,
        ..figures(&observed())
    };
    let of = |rounds: &[Moment]| Figures::median(&rounds.iter().map(|out| round(*out)).collect::<Vec<_>>()).out;
    let (early, late) = (Moment::After(1.0), Moment::After(3.0));
    assert_eq!(of(&[Moment::Never, early, late]), late);
    assert_eq!(of(&[Moment::Never, early, Moment::Never]), Moment::Never);
    assert_eq!(of(&[Moment::NoQuestion; 3]), Moment::NoQuestion);
    assert_eq!(of(&[late]), late);
}
