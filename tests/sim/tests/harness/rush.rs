//! Many requests at once.

use crate::playing;
use sidestep_sim::{Latency, Load, Request, Sim};
use std::time::Duration;

#[test]
fn five_hundred_hosts_serve_thousands_of_requests_a_second_to_sixteen_workers() {
    let hosts: Vec<String> = (0..500).map(|n| format!("10.1.{}.{}:80", n / 250, n % 250)).collect();
    let mut sim = Sim::of(crate::probe::entry, "nothing")
        .workers(16)
        .cluster("backend", &hosts);
    for (seed, host) in (0..).zip(&hosts) {
        let median = Duration::from_millis(if seed == 7 { 500 } else { 50 });
        sim.host(host).takes(Latency::around(median, 0.3, seed));
    }
    let mut load = Load::gets(4_000, 1);
    let served = sim.under(&mut load, Duration::from_secs(3));
    assert!((11_000..12_500).contains(&served.requests), "{}", served.requests);
    assert_eq!(served.by_status.keys().copied().collect::<Vec<_>>(), [200]);
    let (p50, p999) = (served.percentile(0.5).as_millis(), served.percentile(0.999).as_millis());
    assert!(
        (45..55).contains(&p50) && (300..800).contains(&p999),
        "{p50} and {p999} ms"
    );
    assert_eq!(served.first_tried.len(), 500);
}

#[test]
fn the_same_load_is_the_same_requests_and_what_is_open_is_counted_later() {
    let run = || {
        let mut sim = playing("nothing").workers(4);
        for host in ["a:1", "b:1"] {
            sim.host(host)
                .takes(Latency::around(Duration::from_millis(200), 1.0, 3));
            sim.host(host).answers_some(0.1, 503, 4);
        }
        let mut load = Load::of(200, 9, |number| Request::get(&format!("/{number}")));
        let first = sim.under(&mut load, Duration::from_secs(2));
        sim.settle();
        let rest = sim.under(&mut load, Duration::ZERO);
        let all = sim.attempts("a:1") + sim.attempts("b:1");
        assert_eq!(first.requests + rest.requests, all);
        assert!(rest.requests > 10 && first.errors > 10);
        (first.took, first.errors, rest.requests, sim.seen("a:1").len())
    };
    assert_eq!(run(), run());
}

#[test]
fn hosts_come_and_go_while_it_runs() {
    let mut sim = playing("nothing").workers(2);
    let mut load = Load::gets(500, 2);
    for round in 0..20 {
        let host = format!("10.0.0.{round}:80");
        sim.add_host("backend", &host);
        sim.under(&mut load, Duration::from_millis(100));
        assert!(sim.attempts(&host) > 5);
        sim.remove_host("backend", &host);
        let before = sim.attempts(&host);
        sim.under(&mut load, Duration::from_millis(50));
        assert_eq!(sim.attempts(&host), before);
    }
}
