//! What a retry costs the client: a GET whose first attempt fails, through Envoy with the filter, against what its two
//! attempts take when they are made directly. `./build.sh bench` runs it.
//!
//! The three take turns, so that whatever else the machine does falls on all of them alike.

#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, reason = "its purpose")]
#![expect(clippy::disallowed_methods, reason = "it measures time")]

use serde_json::json;
use sidestep_envoy::knowing;
use sidestep_support::{Client, Cluster, Connection, Envoy, EnvoyConfig, Reply, Upstream};
use std::time::{Duration, Instant};

/// Rounds, after some to warm up.
const ROUNDS: usize = 2_000;
const WARM_UP: usize = 200;

/// What the client may pay beyond the two attempts.
const BOUND: Duration = Duration::from_millis(2);

async fn timed(connection: &mut Connection, path: &str, status: u16) -> Duration {
    let start = Instant::now();
    let answer = connection.get(path).await.expect("an answer");
    let took = start.elapsed();
    assert_eq!(answer.status(), status, "{path}");
    took
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let (bad, good) = (Upstream::http1("bad").await, Upstream::http1("good").await);
    bad.set(Reply::status(503).body("out of order"));
    for engine in ["filter", "router"] {
        // The bad host stays in rotation, so that every other request meets it first.
        let servers = [&bad, &good];
        let hosts: Vec<_> = servers.iter().map(|host| host.address().to_string()).collect();
        let plugin = knowing(
            "backend",
            &[],
            json!({
                "clusters": {"backend": {"hosts": hosts}},
                "retry": {"engine": engine},
                "outlier_detection": {"enforcing_consecutive_5xx": 0, "enforcing_success_rate": 0},
            }),
        );
        let cluster = Cluster::new("backend").hosts(servers);
        let config = EnvoyConfig::new([cluster]).plugin(&plugin).workers(1);
        let envoy = Envoy::start(config).await.expect("Envoy starts");
        let mut through = envoy.client().connect().await.expect("a connection");
        let mut to_bad = Client::new(bad.address()).connect().await.expect("a connection");
        let mut to_good = Client::new(good.address()).connect().await.expect("a connection");
        let mut times = [Vec::new(), Vec::new(), Vec::new(), Vec::new()];
        for round in 0..WARM_UP + ROUNDS {
            let before = bad.count();
            let took = timed(&mut through, "/through", 200).await;
            let retried = bad.count() > before;
            let failed = timed(&mut to_bad, "/bad", 503).await;
            let answered = timed(&mut to_good, "/good", 200).await;
            if round >= WARM_UP {
                let [whole, once, of_bad, of_good] = &mut times;
                if retried { whole } else { once }.push(took);
                of_bad.push(failed);
                of_good.push(answered);
            }
        }
        let retries = times[0].len();
        let [whole, once, of_bad, of_good] = times.map(median);
        let beyond = whole.saturating_sub(of_bad + of_good);
        println!(
            "engine {engine}: {retries} retried GETs, medians: {whole:?} through Envoy (not retried: {once:?}); \
             directly {of_bad:?} for the failed attempt and {of_good:?} for the good one; \
             {beyond:?} beyond both, {BOUND:?} allowed{}",
            if engine == "router" {
                " for the filter; Envoy's back-off is in it"
            } else {
                ""
            }
        );
        if engine == "filter" && beyond > BOUND {
            println!("over the bound");
            std::process::exit(1);
        }
    }
}
