//! Envoy is not asked for the cluster of every answer: when it is, and what is right although it is not.

use sidestep::config::Config;
use sidestep::health::ClusterTable;
use sidestep::host::{Attribute, StreamId};
use sidestep::model::HostAddr;
use sidestep::stream::{Flow, Stream};
use sidestep::worker::Worker;
use sidestep_core::fake_host::FakeHost;
use sidestep_core::test;
use std::time::Duration;

const A: &str = "10.0.0.1:80";
const B: &str = "10.0.0.2:80";
const GET: &[(&str, &str)] = &[];
const POST: &[(&str, &str)] = &[(":method", "POST")];
/// The flag of an answer that the host broke off: `UC`.
const BROKEN_OFF: u64 = 0x40;

/// With another engine, requests ask for their cluster now and then.
const PLAIN: &str = r#"{"retry": {"engine": "filter"}}"#;

struct Bed {
    host: FakeHost,
    worker: Worker<FakeHost>,
}

impl Bed {
    fn new(configuration: &str) -> Self {
        let host = FakeHost::default();
        host.pass(Duration::from_secs(1000));
        Self::on(host, configuration)
    }

    /// Another worker of the same process.
    fn beside(&self) -> Self {
        Self::on(self.host.clone(), PLAIN)
    }

    fn on(host: FakeHost, configuration: &str) -> Self {
        let config = Config::from_json(configuration.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
        let worker = Worker::start(host.clone(), config, 1);
        Self { host, worker }
    }

    /// A request to a cluster, up to the headers of the answer of one of its hosts.
    fn begin(&mut self, request: &[(&str, &str)], cluster: &str, answer: (&str, &str)) -> Stream {
        self.host.pass(Duration::from_millis(1));
        self.host.request(request);
        self.host.response(answer.0, answer.1, 0, &[]);
        self.host.attribute_is(Attribute::ClusterName, cluster.as_bytes());
        let mut stream = Stream::new(StreamId(1));
        assert_eq!(stream.on_request_headers(&mut self.worker, true), Flow::Continue);
        assert_eq!(stream.on_response_headers(&mut self.worker, false), Flow::Continue);
        stream
    }

    /// All of it. Returns how often Envoy was asked for its cluster.
    fn run(&mut self, request: &[(&str, &str)], cluster: &str, answer: (&str, &str)) -> u32 {
        let before = self.asked();
        let mut stream = self.begin(request, cluster, answer);
        assert_eq!(stream.on_response_body(&mut self.worker, 1, true), Flow::Continue);
        stream.on_log(&mut self.worker);
        stream.on_done(&mut self.worker);
        self.asked() - before
    }

    fn asked(&self) -> u32 {
        self.host.seen().clusters_asked
    }

    fn table(&self, cluster: &str) -> ClusterTable {
        let record = self.host.shared(&format!("sidestep/2/cluster/{cluster}"));
        ClusterTable::decode(&record.unwrap_or_default()).unwrap_or_default()
    }

    fn is_out(&self, cluster: &str, addr: &str) -> bool {
        let addr: HostAddr = addr.parse().expect("an address");
        self.table(cluster).get(addr).is_some_and(|host| !host.is_available())
    }
}

#[test]
fn a_success_asks_the_first_time_and_then_once_in_thirty_one() {
    let mut bed = Bed::new(PLAIN);
    for host in [A, B] {
        assert_eq!(bed.run(GET, "backend", (host, "200")), 1);
    }
    let hosts = [A, B].into_iter().cycle();
    let asked: u32 = hosts.take(310).map(|host| bed.run(GET, "backend", (host, "204"))).sum();
    assert_eq!(asked, 10);
}

#[test]
fn what_is_more_than_a_success_asks() {
    let mut bed = Bed::new(PLAIN);
    bed.run(GET, "backend", (A, "200"));
    assert_eq!(bed.run(GET, "backend", (A, "200")), 0);
    for status in ["404", "409", "425", "429", "500"] {
        assert_eq!(bed.run(POST, "backend", (A, status)), 1, "{status}");
    }
    let grpc = &[(":method", "POST"), ("content-type", "application/grpc")];
    assert_eq!(bed.run(grpc, "backend", (A, "200")), 1);
}

#[test]
fn where_policies_look_at_successes_they_all_ask() {
    for settings in [
        r#"{"retry": {"engine": "filter"}, "matchers": [{"status": 200, "outcome": "failure"}]}"#,
        r#"{"retry": {"engine": "filter"}, "clusters": {"other": {"matchers": [{"status": 200, "outcome": "failure"}]}}}"#,
        r#"{"retry": {"engine": "filter"}, "clusters": {"other": {"retry": {"retry_on": "retriable-status-codes", "retriable_status_codes": [204]}}}}"#,
    ] {
        let mut bed = Bed::new(settings);
        bed.run(POST, "backend", (A, "200"));
        assert_eq!(bed.run(POST, "backend", (A, "200")), 1, "{settings}");
    }
}

#[test]
fn a_failure_counts_for_its_cluster_though_the_host_was_found_in_another_one() {
    let mut bed = Bed::new(PLAIN);
    for _ in 0..10 {
        bed.run(GET, "backend", (A, "200"));
    }
    bed.run(GET, "other", (B, "200"));
    for _ in 0..5 {
        bed.run(POST, "other", (A, "503"));
    }
    assert!(bed.is_out("other", A));
    assert!(!bed.is_out("backend", A));
}

#[test]
fn a_success_ends_a_row_of_failures_only_in_its_own_cluster() {
    for (cluster, ends) in [("other", false), ("backend", true)] {
        let mut bed = Bed::new(PLAIN);
        for host in [A, B] {
            bed.run(GET, "backend", (host, "200"));
        }
        for _ in 0..4 {
            bed.run(POST, "backend", (A, "503"));
        }
        assert_eq!(bed.run(GET, cluster, (A, "200")), 1);
        bed.run(POST, "backend", (A, "503"));
        assert_eq!(bed.is_out("backend", A), !ends, "{cluster}");
    }
}

#[test]
fn a_success_ends_a_row_of_failures_that_another_worker_has_counted() {
    let mut bed = Bed::new(PLAIN);
    let mut other = bed.beside();
    for host in [A, B] {
        bed.run(GET, "backend", (host, "200"));
        other.run(GET, "other", (host, "200"));
    }
    for _ in 0..4 {
        other.run(POST, "other", (A, "503"));
    }
    bed.host.pass(Duration::from_secs(2));
    // The one says that it has met the cluster, and the other one hears it.
    other.worker.on_tick();
    bed.worker.on_tick();
    assert_eq!(bed.run(GET, "other", (A, "200")), 1);
    other.run(POST, "other", (A, "503"));
    assert!(!bed.is_out("other", A));
}

#[test]
fn that_clusters_share_hosts_is_not_forgotten_while_they_do() {
    let mut bed = Bed::new(PLAIN);
    for cluster in ["backend", "other"] {
        for host in [A, B] {
            bed.run(POST, cluster, (host, "503"));
        }
    }
    for _ in 0..3 {
        bed.host.pass(Duration::from_secs(601));
        bed.worker.on_tick();
        for cluster in ["backend", "other"] {
            assert_eq!(bed.run(GET, cluster, (A, "200")), 1);
        }
    }
}

#[test]
fn a_cluster_that_shares_its_hosts_is_found_and_then_always_asked_about() {
    let mut bed = Bed::new(PLAIN);
    bed.run(GET, "backend", (A, "200"));
    let asked: u32 = (0..31).map(|_| bed.run(GET, "other", (A, "200"))).sum();
    assert_eq!(asked, 1);
    assert_eq!(bed.table("other").hosts().len(), 1);
    for cluster in ["backend", "other"] {
        for _ in 0..3 {
            assert_eq!(bed.run(GET, cluster, (A, "200")), 1, "{cluster}");
        }
    }
}

#[test]
fn a_host_that_was_ejected_is_asked_about() {
    let mut bed = Bed::new(PLAIN);
    for host in [A, B] {
        bed.run(GET, "backend", (host, "200"));
    }
    for _ in 0..5 {
        bed.run(POST, "backend", (A, "503"));
    }
    assert!(bed.is_out("backend", A));
    // The request was pinned to B. It went to A, which Envoy may do.
    let asked = bed.run(POST, "backend", (A, "200"));
    assert!(asked >= 1, "{asked}");
}

#[test]
fn an_answer_that_breaks_off_asks_which_cluster_it_is_of() {
    let mut bed = Bed::new(PLAIN);
    bed.run(GET, "backend", (A, "200"));
    let before = bed.asked();
    let mut stream = bed.begin(GET, "other", (A, "200"));
    assert_eq!(bed.asked(), before);
    bed.host
        .attribute_is(Attribute::ResponseFlags, &BROKEN_OFF.to_le_bytes());
    stream.on_log(&mut bed.worker);
    stream.on_done(&mut bed.worker);
    assert_eq!(bed.asked(), before + 1);
    // Now it is known that the two share a host.
    assert_eq!(bed.run(GET, "backend", (A, "200")), 1);
}
