//! What a restart brings back: one test for each sentence about it.

use sidestep::config::ClusterPolicy;
use sidestep::detect::{Detector, Evidence};
use sidestep::health::{
    Change, Charge, ClusterTable, Control, ControlAction, Ejection, EjectionRefusal, Event, ForeignCluster, HostHealth,
    HostState, HostStreak, Probation,
};
use sidestep::keep::State;
use sidestep::model::{Entropy, Percent, Timestamp};
use sidestep_core::kept::{at, back, ejected, healthy};
use sidestep_core::test;
use sidestep_core::workers::addr;
use std::time::Duration;

/// When the process is back: hosts ejected at 100 s have 20 s left.
const NOW: u64 = 110;

fn policy() -> ClusterPolicy {
    ClusterPolicy::default()
}

/// What is kept of a cluster with these hosts.
fn kept(hosts: Vec<HostHealth>) -> ClusterTable {
    kept_table(&ClusterTable::from_hosts(hosts))
}

fn kept_table(table: &ClusterTable) -> ClusterTable {
    State::of([("backend", table)])
        .cluster("backend")
        .cloned()
        .unwrap_or_default()
}

/// A live table that knows hosts 1 to `count`.
fn live(count: u16) -> ClusterTable {
    ClusterTable::from_hosts((1..=count).map(healthy).collect())
}

/// What is kept of hosts 1 to 10, some of which are like this.
fn ten(others: &[HostHealth]) -> ClusterTable {
    let like = |number: u16| others.iter().find(|host| host.addr == addr(number)).copied();
    kept(
        (1..=10)
            .map(|number| like(number).unwrap_or_else(|| healthy(number)))
            .collect(),
    )
}

fn restore(table: &mut ClusterTable, kept: &ClusterTable) -> Change {
    table.restore(kept, &policy(), at(NOW)).expect("the same cluster")
}

fn host(table: &ClusterTable, number: u16) -> HostHealth {
    *table.get(addr(number)).expect("known")
}

fn probation(since: u64) -> HostState {
    HostState::Probation(Probation {
        since: at(since),
        trial_until: Timestamp::ZERO,
    })
}

/// A state as it is restored: of an ejection nobody here has seen the beginning.
fn unseen(state: HostState) -> HostState {
    match state {
        HostState::Ejected(ejection) => HostState::Ejected(Ejection {
            at: Timestamp::ZERO,
            ..ejection
        }),
        state => state,
    }
}

#[test]
fn what_is_restored_is_no_evidence_of_this_process() {
    let mut table = live(10);
    let _ = restore(&mut table, &ten(&[ejected(1, 100)]));
    assert!(host(&table, 1).is_out());
    assert_eq!(table.ejected_here(at(NOW), Duration::ZERO), []);
    let seen = ClusterTable::from_hosts(vec![ejected(1, 100)]);
    assert_eq!(seen.ejected_here(at(NOW), Duration::ZERO).len(), 1);
}

#[test]
fn an_ejection_goes_on_for_the_time_that_it_had_left() {
    let slow = HostHealth {
        trial_limit: Duration::from_millis(70),
        ejections: 3,
        ..ejected(1, 100)
    };
    for mut table in [ClusterTable::default(), live(10)] {
        let change = restore(&mut table, &ten(&[slow]));
        let until = at(130);
        assert_eq!(change.events, [Event::Restored { host: addr(1), until }]);
        assert!(change.changed);
        let now = host(&table, 1);
        assert_eq!(now.state, unseen(slow.state));
        assert_eq!((now.ejections, now.trial_limit), (3, slow.trial_limit));
        assert_eq!((now.quiet_since, now.last_ejected_at), (until, at(100)));
        assert_eq!(table.hosts().len(), 10);
        // What this process sent it before it knew says nothing about it.
        assert!(now.is_straggler(at(100)) && !now.is_straggler(at(101)));
    }
}

#[test]
fn then_it_goes_through_probation() {
    let mut table = live(10);
    let _ = restore(&mut table, &ten(&[ejected(1, 100)]));
    assert_eq!(
        table.settle(&policy(), at(130)).events,
        [Event::Probation { host: addr(1) }]
    );
}

#[test]
fn an_ejection_that_is_over_is_a_probation_that_begins_now() {
    for over in [ejected(1, 80), ejected(1, 20), back(1, 20, probation(50))] {
        let mut table = live(10);
        let change = restore(&mut table, &ten(&[over]));
        assert_eq!(change.events, [Event::Probation { host: addr(1) }]);
        let now = host(&table, 1);
        assert_eq!(now.state, probation(NOW));
        assert_eq!((now.ejections, now.last_ejected_at), (1, over.last_ejected_at));
        // An attempt that was out already was none of its trials.
        assert_eq!(now.quiet_since, over.quiet_since);
    }
}

#[test]
fn a_ramp_goes_on_from_where_it_was_and_ends_when_it_would_have() {
    let ramp = |since: u64| back(1, 20, HostState::Ramp { since: at(since) });
    let over = NOW - policy().picking.ramp_time.as_secs();
    for (since, expected) in [
        (NOW - 1, HostState::Ramp { since: at(NOW - 1) }),
        (NOW + 9, HostState::Ramp { since: at(NOW) }),
        (over, HostState::Healthy),
    ] {
        let mut table = live(10);
        assert_eq!(restore(&mut table, &ten(&[ramp(since)])).events, []);
        assert_eq!((host(&table, 1).state, host(&table, 1).ejections), (expected, 1));
    }
}

#[test]
fn a_healthy_host_has_its_history_back_and_nothing_else() {
    let mut table = live(10);
    let once_out = HostHealth {
        ejections: 4,
        ..back(1, 20, HostState::Healthy)
    };
    assert_eq!(restore(&mut table, &ten(&[once_out])).events, []);
    let expected = HostHealth {
        ejections: 4,
        quiet_since: at(50),
        ..healthy(1)
    };
    assert_eq!(host(&table, 1), expected);
}

#[test]
fn a_host_that_asked_for_less_still_gets_less() {
    let mut table = live(10);
    let asked = |until| HostHealth {
        overloaded_until: at(until),
        ..healthy(1)
    };
    let _ = restore(&mut table, &ten(&[asked(140)]));
    assert_eq!(host(&table, 1), asked(140));
    // What it asked of this process counts, and nobody may ask for more than five minutes.
    let _ = restore(&mut table, &ten(&[asked(150)]));
    assert_eq!(host(&table, 1), asked(140));
    let mut table = live(10);
    let _ = restore(&mut table, &ten(&[asked(5000)]));
    assert_eq!(host(&table, 1), asked(NOW + 300));
    let mut table = live(10);
    assert!(!restore(&mut table, &ten(&[asked(NOW)])).changed);
}

#[test]
fn what_this_process_has_seen_for_itself_wins() {
    let mine = [
        ejected(1, 105),
        back(1, 60, probation(95)),
        back(1, 60, HostState::Ramp { since: at(109) }),
        back(1, 60, HostState::Healthy),
        HostHealth {
            gone: true,
            ..back(1, 60, HostState::Healthy)
        },
    ];
    for mine in mine {
        let hosts = (2..=10).map(healthy).chain([mine]);
        let mut table = ClusterTable::from_hosts(hosts.collect());
        let change = restore(&mut table, &ten(&[ejected(1, 100)]));
        assert_eq!(change, Change::default(), "{mine:?}");
        assert_eq!(host(&table, 1), mine);
    }
    let mut table = live(10);
    let hold = wish(ControlAction::Hold, 1, 200);
    let _ = table.control(hold, &policy(), at(NOW));
    assert_eq!(restore(&mut table, &ten(&[ejected(1, 100)])), Change::default());
}

#[test]
fn restoring_twice_is_restoring_once() {
    let kept = ten(&[
        ejected(1, 100),
        ejected(2, 80),
        back(3, 60, HostState::Ramp { since: at(109) }),
    ]);
    let mut table = live(10);
    let _ = restore(&mut table, &kept);
    let once = table.clone();
    assert_eq!(restore(&mut table, &kept), Change::default());
    assert_eq!(table, once);
}

#[test]
fn a_host_that_was_out_a_short_time_ago_goes_for_longer() {
    // Its ejection ended 5 s ago, or so long ago that it counts no more.
    for (ejected_at, ejections) in [(75, 2), (25, 1)] {
        let mut table = live(10);
        let _ = restore(&mut table, &ten(&[back(1, ejected_at, HostState::Healthy)]));
        let streak = HostStreak::none(&host(&table, 1));
        let charge = Charge {
            host: addr(1),
            detector: Detector::Consecutive5xx,
            evidence: Evidence::Probation,
            ejections: streak.ejections_at(at(NOW), policy().outlier_detection.interval),
            cleared: None,
        };
        let _ = table.accuse(&charge, &policy(), at(NOW), &mut Entropy::seeded(1));
        assert_eq!(host(&table, 1).ejections, ejections);
    }
}

#[test]
fn an_ejection_is_no_longer_than_the_policy_allows_now() {
    let mut policy = policy();
    policy.outlier_detection.max_ejection_time = Duration::from_secs(7);
    policy.outlier_detection.max_ejection_time_jitter = Duration::from_secs(2);
    policy.outlier_detection.base_ejection_time = Duration::from_secs(3);
    let mut table = live(10);
    let often = HostHealth {
        ejections: 40,
        ..ejected(1, 100)
    };
    let change = table
        .restore(&ten(&[often]), &policy, at(NOW))
        .expect("the same cluster");
    let until = at(NOW + 9);
    assert_eq!(change.events, [Event::Restored { host: addr(1), until }]);
    // 3 x 3 s is more than 7 s: a higher multiplier would only take longer to fall.
    assert_eq!((host(&table, 1).ejections, host(&table, 1).quiet_since), (3, until));
}

#[test]
fn a_clock_that_was_set_back_makes_no_ejection_longer_than_one_can_be() {
    let mut table = live(10);
    let _ = restore(&mut table, &ten(&[ejected(1, 5000)]));
    let detection = policy().outlier_detection;
    let until = at(NOW).after(detection.max_ejection_time + detection.max_ejection_time_jitter);
    let HostState::Ejected(ejection) = host(&table, 1).state else {
        panic!("not ejected");
    };
    assert_eq!((ejection.at, ejection.until), (Timestamp::ZERO, until));
    assert_eq!(host(&table, 1).last_ejected_at, at(NOW));
    assert!(table.is_settled(&policy(), at(NOW)));
}

#[test]
fn no_more_hosts_are_out_than_the_policy_allows_now_and_ejections_come_first() {
    // One in probation, three whose ejection is over, four that are ejected.
    let out: Vec<HostHealth> = [back(1, 40, probation(70))]
        .into_iter()
        .chain((2..=4).map(|number| ejected(number, 70)))
        .chain((5..=8).map(|number| ejected(number, 100)))
        .collect();
    let mut table = live(10);
    let change = restore(&mut table, &ten(&out));
    let is_out: Vec<u16> = (1..=10).filter(|number| host(&table, *number).is_out()).collect();
    // Half of ten.
    assert_eq!(is_out, [1, 5, 6, 7, 8]);
    let refused = |number: u16| {
        let (host, reason) = (addr(number), EjectionRefusal::MaxEjectionPercent);
        let refused = Event::Refused {
            host,
            detector: Detector::Consecutive5xx,
            reason,
        };
        [refused, Event::Ramping { host, proved: false }]
    };
    assert_eq!(change.events[5..], [refused(2), refused(3), refused(4)].concat());
    for number in 2..=4 {
        assert_eq!(host(&table, number).state, HostState::Ramp { since: at(NOW) });
        assert_eq!(host(&table, number).ejections, 1);
    }
    let mut none = policy();
    none.outlier_detection.max_ejection_percent = Percent::NONE;
    let mut table = live(10);
    let _ = table.restore(&ten(&out), &none, at(NOW));
    assert_eq!(table.census().out, 0);
}

#[test]
fn the_last_host_available_stays() {
    let mut table = ClusterTable::from_hosts(vec![healthy(1), ejected(2, 105)]);
    let change = restore(&mut table, &kept(vec![ejected(1, 100), ejected(2, 100)]));
    let [
        Event::Refused {
            host: refused,
            reason,
            detector,
        },
        _,
    ] = change.events[..]
    else {
        panic!("{change:?}");
    };
    let expected = (addr(1), EjectionRefusal::LastHost, Detector::Consecutive5xx);
    assert_eq!((refused, reason, detector), expected);
    assert_eq!(table.census().available, 1);
    // Unless a standby cluster takes its requests.
    let with_standby = ClusterPolicy {
        standby_cluster: Some("other".to_owned()),
        outlier_detection: sidestep::config::OutlierDetection {
            max_ejection_percent: Percent::ALL,
            ..policy().outlier_detection
        },
        ..policy()
    };
    let mut table = ClusterTable::default();
    let _ = table.restore(&kept(vec![ejected(1, 100)]), &with_standby, at(NOW));
    assert_eq!(table.census().available, 0);
}

#[test]
fn a_host_that_envoy_finds_unfit_is_out_beside_the_limits() {
    let hosts = [
        healthy(1),
        HostHealth {
            unfit: true,
            ..healthy(2)
        },
    ];
    let mut table = ClusterTable::from_hosts(hosts.to_vec());
    let _ = restore(&mut table, &kept(vec![healthy(1), ejected(2, 100)]));
    assert!(host(&table, 2).is_out() && host(&table, 2).unfit);
    assert_eq!(table.census().available, 1);
}

#[test]
fn hosts_are_added_up_to_max_hosts_and_have_time_to_show_themselves() {
    let mut few = policy();
    few.picking.max_hosts = 7;
    let mut table = live(6);
    let change = table.restore(&ten(&[]), &few, at(NOW)).expect("the same cluster");
    let full: Vec<Event> = (8..=10).map(|number| Event::Full { host: addr(number) }).collect();
    assert_eq!(change.events, full);
    assert_eq!((table.hosts().len(), host(&table, 7).seen), (7, at(NOW)));
    let _ = table.settle(&few, at(NOW).after(few.picking.forget_after));
    assert_eq!(table.hosts().len(), 0);
}

#[test]
fn another_clusters_hosts_are_refused_whole() {
    // So many hosts are known here, the first so many of which were kept.
    let kept = ten(&[ejected(1, 100)]);
    for (live, common, is_same) in [
        (1, 1, true),
        (2, 1, true),
        (3, 1, false),
        (9, 4, false),
        (9, 5, true),
        (20, 4, false),
        (20, 5, true),
    ] {
        let strangers = (100..).take(usize::from(live - common));
        let hosts = (1..=common)
            .chain(strangers)
            .map(|number| HostHealth::new(addr(number), at(NOW)));
        let mut table = ClusterTable::from_hosts(hosts.collect());
        let before = table.clone();
        let result = table.restore(&kept, &policy(), at(NOW));
        if is_same {
            assert!(result.is_ok(), "{common} of {live}");
        } else {
            let known = usize::from(common);
            assert_eq!(result, Err(ForeignCluster { kept: 10, known }));
            assert_eq!(table, before);
        }
    }
    let error = ForeignCluster { kept: 10, known: 4 };
    assert_eq!(error.to_string(), "another cluster's: of its 10 hosts 4 are known here");
}

fn wish(action: ControlAction, number: u16, until: u64) -> Control {
    Control {
        host: addr(number),
        action,
        until: at(until),
        reason: "by hand".to_owned(),
    }
}

/// Ten hosts of which a person holds and ejects some.
fn controlled(wishes: &[Control]) -> ClusterTable {
    let mut table = live(10);
    for wish in wishes {
        let _ = table.control(wish.clone(), &policy(), at(50));
    }
    kept_table(&table)
}

#[test]
fn a_persons_wish_holds_until_its_end_whatever_share_is_out() {
    let mut wishes: Vec<Control> = (1..=7).map(|number| wish(ControlAction::Eject, number, 9000)).collect();
    wishes.push(wish(ControlAction::Hold, 8, 300));
    wishes.push(wish(ControlAction::Hold, 9, NOW));
    let mut table = live(10);
    let _ = restore(&mut table, &controlled(&wishes));
    assert_eq!(table.controls(), &wishes[..8]);
    for number in 1..=7 {
        let HostState::Ejected(ejection) = host(&table, number).state else {
            panic!("{number} is in rotation");
        };
        assert_eq!((ejection.detector, ejection.until), (Detector::Control, at(9000)));
    }
}

#[test]
fn a_host_that_is_held_out_stays_out_for_as_long() {
    let mut before = ClusterTable::from_hosts((2..=10).map(healthy).chain([ejected(1, 100)]).collect());
    let _ = before.control(wish(ControlAction::Hold, 1, 9000), &policy(), at(105));
    let mut table = live(10);
    let _ = restore(&mut table, &kept_table(&before));
    assert_eq!(host(&table, 1).state, unseen(host(&before, 1).state));
    assert_eq!(host(&table, 1).quiet_since, host(&before, 1).quiet_since);
}

#[test]
fn a_newer_wish_wins_and_the_last_host_is_ejected_by_nobody() {
    for older in [ControlAction::Eject, ControlAction::Hold] {
        let newer = wish(ControlAction::Hold, 1, 400);
        let mut table = live(10);
        let _ = table.control(newer.clone(), &policy(), at(NOW));
        let _ = restore(&mut table, &controlled(&[wish(older, 1, 300)]));
        assert_eq!(table.controls(), [newer]);
        assert!(!host(&table, 1).is_out());
    }

    let hosts = (2..=10).map(|number| ejected(number, 105)).chain([healthy(1)]);
    let mut table = ClusterTable::from_hosts(hosts.collect());
    let change = restore(&mut table, &controlled(&[wish(ControlAction::Eject, 1, 300)]));
    assert!(matches!(
        change.events[0],
        Event::Refused {
            reason: EjectionRefusal::LastHost,
            ..
        }
    ));
    assert_eq!((table.controls().len(), table.census().available), (0, 1));
}
