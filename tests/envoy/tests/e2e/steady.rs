//! Where all is well, nothing happens.

use serde_json::json;
use sidestep_envoy::{Crowd, next_answers};
use sidestep_support::{Behaviour, Reply};
use std::time::Duration;

/// One minute. It needs little of the machine, so it runs beside the others.
#[tokio::test]
async fn of_twenty_equal_hosts_with_one_per_cent_of_errors_nobody_is_ejected() {
    // Thirty intervals, every detector switched on, and volumes that each host reaches.
    let plugin = json!({"outlier_detection": {
        "interval": "2s",
        "success_rate_request_volume": 15,
        "failure_percentage_request_volume": 15,
        "enforcing_failure_percentage": 100,
        "failure_percentage_threshold": 10,
        "enforcing_consecutive_gateway_failure": 100,
    }});
    let crowd = Crowd::start(20, plugin).await;
    for (server, seed) in crowd.servers.iter().zip(0..) {
        server.set(Behaviour::sometimes(1.0, seed, Reply::status(500), Reply::status(200)));
        server.set_latency(Duration::from_millis(2), Duration::from_millis(10));
    }
    let traffic = crowd.traffic(250.0);
    for _ in 0..60 {
        next_answers(&traffic, 250).await;
    }
    assert_eq!(crowd.ejections(), []);
    let counts = crowd.counts().await;
    assert_eq!(counts.get("sidestep.pins.set"), None, "{counts:#?}");
    // The formulas did accuse somebody: what kept the hosts in is that none did worse than its peers.
    let refused = counts.get("sidestep.ejections_refused.like_its_peers");
    assert!(refused.is_some(), "{counts:#?}");
    let (least, most) = (
        crowd.servers.iter().map(|server| server.count()).min(),
        crowd.servers.iter().map(|server| server.count()).max(),
    );
    assert!(least > most.map(|most| most / 2), "{least:?} {most:?}");
}
