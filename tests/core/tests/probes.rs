//! Who probes, which host is asked when, and what the answers add up to.

use sidestep::config::Probe;
use sidestep::model::{Entropy, HostAddr, Timestamp};
use sidestep::probe::{Finding, Lease, LeaseStep, ProbeAnswer, Prober, Round, Streak, Target, passes, request};
use sidestep_core::test;
use std::net::SocketAddr;
use std::time::Duration;

const TERM: Duration = Duration::from_secs(8);

fn at(millis: u64) -> Timestamp {
    // Not from 0: a clock never shows that.
    Timestamp::from_nanos((1_000_000_000 + millis) * 1_000_000)
}

fn host(number: u16) -> HostAddr {
    HostAddr::from(SocketAddr::from(([10, 0, 0, 1], number + 1)))
}

fn hosts(count: u16, out: bool) -> Vec<Target> {
    (0..count)
        .map(|number| Target {
            host: host(number),
            out,
        })
        .collect()
}

/// Every 5 s, with a time-out of 1 s; 2 passes are healthy, 3 failures unhealthy.
fn policy(all: bool) -> Probe {
    Probe {
        all,
        ..Probe::default()
    }
}

fn every_second(all: bool) -> Probe {
    Probe {
        interval: Duration::from_secs(1),
        ..policy(all)
    }
}

/// A prober with the rest that a round takes.
struct Probing {
    prober: Prober,
    policy: Probe,
    entropy: Entropy,
    room: usize,
}

impl Probing {
    fn new(policy: Probe) -> Self {
        Self {
            prober: Prober::default(),
            policy,
            entropy: Entropy::seeded(7),
            room: usize::MAX,
        }
    }

    fn round(&mut self, targets: &[Target], millis: u64) -> Round {
        self.prober
            .round(targets, &self.policy, at(millis), &mut self.entropy, self.room)
    }

    fn sent(&mut self, targets: &[Target], millis: u64) -> Vec<HostAddr> {
        self.round(targets, millis).send
    }

    fn answered(&mut self, number: u16, passed: bool) -> Option<Finding> {
        self.prober.answered(host(number), passed, &self.policy)
    }

    /// Rounds every second up to `until`, each probe answered at once: the seconds in which each host was asked.
    fn seconds(&mut self, targets: &[Target], passed: bool, until: u64) -> Vec<(u64, HostAddr)> {
        let mut asked = Vec::new();
        for second in 0..=until {
            for host in self.sent(targets, second * 1000) {
                self.prober.answered(host, passed, &self.policy);
                asked.push((second, host));
            }
        }
        asked
    }
}

#[test]
fn a_lease_that_is_over_or_absent_is_claimed_for_a_term() {
    let over = Lease {
        holder: 1,
        until: at(1000),
    };
    for (current, now) in [(None, at(0)), (Some(over), at(1000)), (Some(over), at(9000))] {
        let claim = LeaseStep::Claim(Lease {
            holder: 2,
            until: now.after(TERM),
        });
        assert_eq!(Lease::step(current, 2, now, TERM), claim);
    }
}

#[test]
fn the_holder_renews_when_less_than_half_of_the_term_is_left_and_others_wait() {
    let lease = Some(Lease {
        holder: 1,
        until: at(8000),
    });
    for (now, mine) in [(0, true), (4000, true), (4001, false), (7999, false)] {
        assert_eq!(Lease::step(lease, 2, at(now), TERM), LeaseStep::NotMine, "{now}");
        let renewed = LeaseStep::Claim(Lease {
            holder: 1,
            until: at(now).after(TERM),
        });
        let expected = if mine { LeaseStep::Mine } else { renewed };
        assert_eq!(Lease::step(lease, 1, at(now), TERM), expected, "{now}");
    }
}

#[test]
fn a_lease_of_a_clock_that_was_set_back_is_claimed_by_anyone() {
    // A second more than a term: no renewal of just now.
    let until = at(9001);
    for me in [1, 2] {
        assert!(matches!(
            Lease::step(Some(Lease { holder: 1, until }), me, at(0), TERM),
            LeaseStep::Claim(Lease { holder, .. }) if holder == me
        ));
    }
}

#[test]
fn a_lease_that_was_renewed_since_the_clock_was_read_is_not_claimed() {
    let until = at(8001);
    assert_eq!(
        Lease::step(Some(Lease { holder: 1, until }), 2, at(0), TERM),
        LeaseStep::NotMine
    );
}

#[test]
fn a_lease_survives_its_bytes_and_other_bytes_are_none() {
    let lease = Lease {
        holder: u64::MAX - 1,
        until: at(5),
    };
    let bytes = lease.encode();
    assert_eq!(Lease::decode(&bytes), Some(lease));
    assert_eq!(bytes[..8], (u64::MAX - 1).to_le_bytes());
    for odd in [&bytes[..15], &[], &[0; 17]] {
        assert_eq!(Lease::decode(odd), None);
    }
}

#[test]
fn a_host_that_is_out_is_asked_at_once_and_then_once_per_interval() {
    let asked = Probing::new(policy(false)).seconds(&hosts(1, true), true, 12);
    assert_eq!(asked, [(0, host(0)), (5, host(0)), (10, host(0))]);
}

#[test]
fn hosts_in_rotation_are_asked_only_if_all_are() {
    assert_eq!(
        Probing::new(policy(false)).seconds(&hosts(3, false), true, 20),
        [],
        "only hosts that are out"
    );
    assert_eq!(
        Probing::new(policy(true)).seconds(&hosts(3, false), true, 20).len(),
        3 * 4
    );
}

#[test]
fn the_first_probes_of_hosts_in_rotation_are_spread_over_an_interval() {
    let targets = hosts(1000, false);
    let mut probing = Probing::new(policy(true));
    let asked = probing.seconds(&targets, true, 15);
    for seconds in [1..=5, 6..=10, 11..=15] {
        for second in seconds {
            let burst = asked.iter().filter(|(at, _)| *at == second).count();
            assert!((150..250).contains(&burst), "{burst} in second {second}");
        }
    }
    assert_eq!(asked.len(), 3000, "each once per interval");
}

#[test]
fn a_host_that_goes_out_before_its_first_probe_is_asked_at_once() {
    let mut probing = Probing::new(policy(true));
    assert_eq!(probing.sent(&hosts(20, false), 0), []);
    let sent = probing.sent(&hosts(20, true), 1);
    assert_eq!(sent.len(), 20);
}

#[test]
fn a_host_that_goes_out_is_not_asked_twice_in_one_interval() {
    let mut probing = Probing::new(policy(true));
    let [in_rotation, out] = [false, true].map(|out| hosts(1, out));
    assert_eq!(probing.sent(&out, 0), [host(0)]);
    probing.answered(0, true);
    for (millis, targets) in [(1000, &in_rotation), (2000, &out), (3000, &in_rotation), (4999, &out)] {
        assert_eq!(probing.sent(targets, millis), [], "{millis}");
    }
    assert_eq!(probing.sent(&out, 5000), [host(0)]);
}

#[test]
fn without_room_for_all_those_that_waited_longest_go_first() {
    let mut probing = Probing::new(policy(false));
    probing.room = 3;
    let targets = hosts(20, true);
    let mut asked = vec![0_u32; 20];
    for second in 0..200 {
        let sent = probing.sent(&targets, second * 1000);
        assert_eq!(sent.len(), 3);
        for host in sent {
            probing.prober.answered(host, true, &probing.policy);
            asked[usize::from(host.socket_addr().port()) - 1] += 1;
        }
        let (least, most) = (asked.iter().min(), asked.iter().max());
        assert!(most <= least.map(|least| least + 1).as_ref(), "{second}: {asked:?}");
    }
}

#[test]
fn without_any_room_nothing_is_asked() {
    let mut probing = Probing::new(policy(false));
    probing.room = 0;
    assert_eq!(probing.sent(&hosts(2, true), 0), []);
    probing.room = 1;
    assert_eq!(probing.sent(&hosts(2, true), 1000).len(), 1);
}

#[test]
fn a_host_listed_twice_is_asked_once() {
    let twice = [hosts(1, true), hosts(1, true), hosts(1, false)].concat();
    let asked = Probing::new(policy(true)).seconds(&twice, true, 6);
    assert_eq!(asked, [(0, host(0)), (5, host(0))]);
}

#[test]
fn enough_passes_in_a_row_are_healthy_each_time() {
    let mut probing = Probing::new(every_second(false));
    let mut findings = Vec::new();
    for (second, passed) in (0..).zip([true, true, true, false, true, true, true, true]) {
        probing.sent(&hosts(1, true), second * 1000);
        findings.push(probing.answered(0, passed).is_some());
    }
    assert_eq!(findings, [false, true, false, false, false, true, false, true]);
}

#[test]
fn enough_failures_in_a_row_are_unhealthy_each_time_with_their_count() {
    let mut probing = Probing::new(every_second(true));
    let mut findings = Vec::new();
    for second in 0..8 {
        if second == 7 {
            assert_eq!(probing.prober.streak(host(0)), Streak { passes: 0, failures: 6 });
        }
        probing.sent(&hosts(1, true), second * 1000);
        findings.push(probing.answered(0, second == 0 || second == 7));
    }
    let unhealthy = |failures| Some(Finding::Unhealthy { failures });
    let expected = [None, None, None, unhealthy(3), None, None, unhealthy(6), None];
    assert_eq!(findings, expected);
    assert_eq!(probing.prober.streak(host(0)), Streak { passes: 1, failures: 0 });
}

#[test]
fn passes_of_before_a_host_went_out_do_not_bring_it_back() {
    let mut probing = Probing::new(every_second(true));
    probing.seconds(&hosts(1, false), true, 3);
    assert_eq!(
        probing.prober.streak(host(0)).passes % 2,
        1,
        "one more would be healthy"
    );
    // Out in the middle of a probe, whose answer does not count either.
    assert_eq!(probing.sent(&hosts(1, false), 4000), [host(0)]);
    assert_eq!(probing.sent(&hosts(1, true), 4100), []);
    assert_eq!(probing.answered(0, true), None);
    assert_eq!(probing.prober.streak(host(0)), Streak::default());
    for (millis, finding) in [(5000, None), (6000, Some(Finding::Healthy))] {
        assert_eq!(probing.sent(&hosts(1, true), millis), [host(0)]);
        assert_eq!(probing.answered(0, true), finding);
    }
}

#[test]
fn failures_hold_until_the_host_is_back() {
    let mut probing = Probing::new(policy(true));
    probing.sent(&hosts(1, true), 0);
    probing.answered(0, false);
    probing.sent(&hosts(1, false), 1000);
    assert_eq!(probing.prober.streak(host(0)).failures, 0, "back");
    let mut probing = Probing::new(policy(true));
    probing.seconds(&hosts(1, false), false, 5);
    probing.sent(&hosts(1, true), 6000);
    assert_eq!(probing.prober.streak(host(0)).failures, 1, "just out");
}

#[test]
fn a_lost_probe_counts_as_failed_and_blocks_its_host_no_longer() {
    let mut probing = Probing::new(Probe {
        interval: Duration::from_millis(500),
        unhealthy_threshold: 1,
        ..policy(false)
    });
    assert_eq!(probing.sent(&hosts(1, true), 0), [host(0)]);
    for millis in [1000, 2000, 3000] {
        assert_eq!(probing.round(&hosts(1, true), millis), Round::default(), "{millis}");
    }
    let round = probing.round(&hosts(1, true), 3001);
    let unhealthy = Some(Finding::Unhealthy { failures: 1 });
    assert_eq!(round.lost, [(host(0), unhealthy)]);
    assert_eq!(round.send, [host(0)], "asked again");
}

#[test]
fn a_probe_that_could_not_be_sent_says_nothing_and_is_tried_again() {
    let mut probing = Probing::new(policy(false));
    probing.sent(&hosts(1, true), 0);
    probing.prober.unsent(host(0));
    assert_eq!(probing.answered(0, true), None, "nothing is out");
    assert_eq!(probing.prober.streak(host(0)), Streak::default());
    for millis in [2000, 4000] {
        assert_eq!(probing.sent(&hosts(1, true), millis), []);
    }
    assert_eq!(probing.sent(&hosts(1, true), 5000), [host(0)]);
}

#[test]
fn hosts_that_are_no_targets_are_forgotten() {
    let mut probing = Probing::new(policy(false));
    probing.sent(&hosts(2, true), 0);
    probing.answered(0, false);
    probing.sent(&hosts(1, true), 1000);
    assert_eq!(probing.answered(1, true), None);
    probing.sent(&[], 2000);
    assert_eq!(probing.prober.streak(host(0)), Streak::default());
    assert_eq!(probing.sent(&hosts(2, true), 3000).len(), 2, "as if never seen");
}

#[test]
fn a_host_that_was_out_long_ago_does_not_push_in() {
    let mut probing = Probing::new(policy(false));
    let targets = |first, second| {
        [(0, first), (1, second)].map(|(number, out)| Target {
            host: host(number),
            out,
        })
    };
    assert_eq!(probing.sent(&targets(true, false), 0), [host(0)]);
    probing.answered(0, true);
    for second in 1..10 {
        assert_eq!(probing.sent(&targets(false, false), second * 1000), []);
    }
    probing.room = 0;
    probing.sent(&targets(false, true), 10_000);
    probing.sent(&targets(true, true), 11_000);
    probing.room = 1;
    assert_eq!(
        probing.sent(&targets(true, true), 12_000),
        [host(1)],
        "it waits for longer"
    );
}

#[test]
fn a_clock_set_back_delays_no_probe() {
    let mut probing = Probing::new(policy(false));
    let start = 1_000_000;
    assert_eq!(probing.sent(&hosts(1, true), start), [host(0)]);
    probing.answered(0, true);
    let asked: Vec<u64> = (1..=6)
        .filter(|second| !probing.sent(&hosts(1, true), second * 1000).is_empty())
        .collect();
    // The step back itself took no time.
    assert_eq!(asked, [6]);
}

#[test]
fn a_clock_that_jumps_ahead_neither_loses_probes_nor_sends_all_at_once() {
    let mut probing = Probing::new(policy(true));
    probing.seconds(&hosts(1000, false), true, 10);
    let before = probing.sent(&hosts(1000, false), 11_000).len();
    let round = probing.round(&hosts(1000, false), 11_000 + 3_600_000);
    assert_eq!(round.lost, []);
    assert!(before + round.send.len() < 750, "{}", round.send.len());
}

#[test]
fn a_probe_passes_if_the_host_answers_as_expected() {
    let by_host = |status| Some(ProbeAnswer { status, by_host: true });
    let any = Probe {
        expected_statuses: Vec::new(),
        ..policy(false)
    };
    let some = Probe {
        expected_statuses: vec![200..=299, 401..=401],
        ..policy(false)
    };
    for (status, in_some) in [
        (199, false),
        (200, true),
        (299, true),
        (300, false),
        (401, true),
        (503, false),
    ] {
        assert_eq!(passes(&some, by_host(status)), in_some, "{status}");
        assert!(passes(&any, by_host(status)), "{status}");
        let answer = Some(ProbeAnswer { status, by_host: false });
        assert!(!passes(&any, answer) && !passes(&some, answer), "{status} by Envoy");
    }
    assert!(!passes(&any, None));
}

#[test]
fn a_probe_asks_for_what_is_configured() {
    let policy = Probe {
        path: "/health?deep".to_owned(),
        method: "HEAD".to_owned(),
        host: Some("api.example".to_owned()),
        ..policy(false)
    };
    let headers = [
        (":method", "HEAD"),
        (":scheme", "http"),
        (":authority", "api.example"),
        (":path", "/health?deep"),
        ("user-agent", "sidestep-probe"),
    ];
    assert_eq!(request(&policy, "backend"), headers);
    assert!(request(&Probe::default(), "backend").contains(&(":authority", "backend")));
}
