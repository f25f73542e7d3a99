//! The other proxies: what they do about a host that answers 503.

use super::Proxy;
use crate::configuration::Configuration;
use crate::hosts::{HEALTH_PATH, Hosts};
use crate::plan::{Ailment, Plan, Spell};
use sidestep_support::{Request, wait_for};
use std::time::{Duration, Instant};

const HOUR: Duration = Duration::from_secs(3600);
/// Enough for a host of two to get some of them, and few enough to be sent in a second or two.
const REQUESTS: usize = 20;

/// Two hosts, of which the first is to have this.
async fn two_hosts(ailment: Ailment) -> Hosts {
    let plan = Plan {
        hosts: 2,
        spells: vec![Spell {
            hosts: 1,
            from: Duration::ZERO,
            until: HOUR,
            ailment,
        }],
        end: HOUR,
    };
    Hosts::start(&plan, crate::traffic::RATE, 1.0).await
}

/// The proxy, if it is on this machine, with hosts that follow the plan from now on. At a desk it may be missing, in CI
/// not.
async fn proxy(configuration: Configuration, hosts: &Hosts) -> Option<Proxy> {
    if let Some(what) = configuration.lacks() {
        assert!(std::env::var_os("CI").is_none(), "{what}");
        eprintln!("skipped: {what}");
        return None;
    }
    // Every time is long: neither does a host come back, nor is one checked often.
    let proxy = Proxy::start(configuration, hosts, 10.0).await.expect("a proxy");
    if configuration == Configuration::Haproxy {
        // A host that fails its first check is down at once, which is not what is to be seen here.
        let first = &hosts.servers()[0];
        wait_for("the first check", || async {
            (first.count_at(HEALTH_PATH) > 0 && first.in_flight() == 0).then_some(())
        })
        .await
        .expect("a check");
    }
    hosts.follow_the_plan(Instant::now());
    Some(proxy)
}

/// Sends requests one after the other. How many were not answered by a 200.
async fn failed(proxy: &Proxy, request: impl Fn() -> Request) -> usize {
    let mut failed = 0;
    for _ in 0..REQUESTS {
        let answer = proxy.client().send(request()).await.expect("an answer");
        failed += usize::from(answer.status() != 200);
    }
    failed
}

/// Requests of users that came to each host.
fn arrived(hosts: &Hosts) -> [usize; 2] {
    let arrivals = hosts.arrivals();
    [arrivals[0].len(), arrivals[1].len()]
}

async fn every_get_that_fails_is_repeated_once_at_the_other_host(configuration: Configuration) {
    let hosts = two_hosts(Ailment::Answers503).await;
    let Some(proxy) = proxy(configuration, &hosts).await else {
        return;
    };
    assert_eq!(failed(&proxy, || Request::get("/items")).await, 0);
    let [bad, good] = arrived(&hosts);
    assert!(bad > 0, "nothing came to the bad host");
    assert_eq!(good, REQUESTS, "{bad} came to the bad host");
}

async fn no_post_is_repeated(configuration: Configuration) {
    let hosts = two_hosts(Ailment::Answers503).await;
    let Some(proxy) = proxy(configuration, &hosts).await else {
        return;
    };
    let failed = failed(&proxy, || Request::new("POST", "/orders").body("one of each")).await;
    let [bad, good] = arrived(&hosts);
    assert!(bad > 0, "nothing came to the bad host");
    assert_eq!((failed, bad + good), (bad, REQUESTS));
    assert_eq!(hosts.posts(), REQUESTS as u64);
}

async fn an_attempt_that_takes_too_long_is_repeated(configuration: Configuration) {
    let hosts = two_hosts(Ailment::Silent).await;
    let Some(proxy) = proxy(configuration, &hosts).await else {
        return;
    };
    for _ in 0..REQUESTS {
        if arrived(&hosts)[0] > 0 {
            break;
        }
        let start = Instant::now();
        let answer = proxy.client().get("/items").await.expect("an answer");
        assert_eq!(answer.status(), 200);
        let patience = crate::aims::PER_TRY_TIMEOUT;
        let took = start.elapsed();
        assert!(
            arrived(&hosts)[0] == 0 || (patience..patience * 4).contains(&took),
            "{took:?}"
        );
    }
    let [silent, good] = arrived(&hosts);
    assert_eq!(silent, 1, "{good} at the other");
}

/// A failing host of two is out after some requests.
async fn a_host_that_fails_is_out(configuration: Configuration) {
    let hosts = two_hosts(Ailment::Answers503).await;
    let Some(proxy) = proxy(configuration, &hosts).await else {
        return;
    };
    // POSTs for HAProxy, which does not see the failures that it repeats; GETs for nginx, which sees only those, and
    // needs ten.
    for _ in 0..2 * REQUESTS {
        let _ = proxy.client().get("/items").await.expect("an answer");
        let post = Request::new("POST", "/orders").body("one of each");
        let _ = proxy.client().send(post).await.expect("an answer");
    }
    let [before, _] = arrived(&hosts);
    assert_eq!(failed(&proxy, || Request::get("/items")).await, 0);
    assert_eq!(arrived(&hosts)[0], before);
    let logged = proxy.logged();
    assert!(!logged.is_empty(), "{}", proxy.log());
    assert!(!proxy.counted().await.expect("figures").is_empty());
    let client = proxy.client();
    drop(proxy);
    assert!(client.get("/items").await.is_err(), "it is still there");
}

macro_rules! for_both {
    ($($test:ident),*) => {
        mod haproxy {
            $(#[tokio::test]
            async fn $test() {
                super::$test(super::Configuration::Haproxy).await;
            })*
        }
        mod nginx {
            $(#[tokio::test]
            async fn $test() {
                super::$test(super::Configuration::Nginx).await;
            })*
        }
    };
}

for_both!(
    every_get_that_fails_is_repeated_once_at_the_other_host,
    no_post_is_repeated,
    an_attempt_that_takes_too_long_is_repeated,
    a_host_that_fails_is_out
);
