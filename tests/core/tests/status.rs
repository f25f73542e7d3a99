//! The status interface beside the workers whose hosts it shows and changes.

use serde_json::{Value, json};
use sidestep::config::{Config, Role};
use sidestep::health::{ClusterTable, HostHealth};
use sidestep::host::{Host, StreamId};
use sidestep::keep::{Kind, Snapshot, State};
use sidestep::metrics::Metric;
use sidestep::model::{Entropy, Timestamp};
use sidestep::status::{Desk, Visit};
use sidestep::worker::Worker;
use sidestep_core::fake_host::FakeHost;
use sidestep_core::test;
use sidestep_core::workers::{CLUSTER, SECOND, Stage, Workers, addr};
use std::time::Duration;

const LIST: &str = "sidestep/2/clusters";
const RECORD: &str = "sidestep/2/cluster/backend";

/// A desk, and what it answers.
struct Interface {
    host: FakeHost,
    desk: Desk<FakeHost>,
    streams: u32,
}

impl Interface {
    fn at(host: &FakeHost, policy: &str) -> Self {
        let Ok(Role::Status(policy)) = Role::from_json(policy.as_bytes()) else {
            panic!("no status interface: {policy}");
        };
        let worker = Worker::start(host.clone(), Config::default(), 7);
        Self {
            host: host.clone(),
            desk: Desk::new(worker, policy),
            streams: 0,
        }
    }

    fn beside(workers: &Workers) -> Self {
        Self::at(&workers.host, r#"{"status": {"max_body_bytes": 100000}}"#)
    }

    /// A request begins; its body is still to come.
    fn visit(&mut self, method: &str, path: &str) -> Visit {
        self.streams += 1;
        self.host.request(&[
            (":method", method),
            (":path", path),
            ("content-type", content_type(path)),
        ]);
        Visit::new(StreamId(self.streams))
    }

    fn send(&mut self, method: &str, path: &str, body: &[u8]) -> (u16, Value) {
        let mut visit = self.visit(method, path);
        self.desk.on_request_headers(&mut visit, body.is_empty());
        if !body.is_empty() {
            self.host.request_body(body);
            self.desk.on_request_body(&mut visit, body.len(), true);
        }
        self.desk.on_done(&visit);
        self.answer()
    }

    fn answer(&self) -> (u16, Value) {
        let seen = self.host.seen();
        let json = serde_json::from_slice(&seen.local_reply.1).unwrap_or_default();
        (seen.local_replies.last().copied().unwrap_or_default(), json)
    }

    fn answers(&self) -> usize {
        self.host.seen().local_replies.len()
    }

    fn order(&mut self, action: &str, host: u16, cluster: &str) -> (u16, Value) {
        let body = json!({"cluster": cluster, "host": addr(host).to_string(), "action": action, "reason": "why not"});
        self.send("POST", "/hosts", body.to_string().as_bytes())
    }

    fn state(&mut self, host: usize) -> Value {
        let (status, listed) = self.send("GET", "/hosts", b"");
        assert_eq!(status, 200);
        listed["clusters"][CLUSTER]["hosts"][host - 1]["state"].clone()
    }
}

fn content_type(path: &str) -> &'static str {
    if path.starts_with("/hosts") {
        "application/json"
    } else {
        "application/octet-stream"
    }
}

fn leave(workers: &mut Workers, more: &str) {
    let hosts: Vec<String> = (1..=workers.hosts).map(|number| addr(number).to_string()).collect();
    let json = format!(r#"{{"clusters": {{"{CLUSTER}": {{"hosts": {hosts:?}{more}}}}}}}"#);
    workers.workers[0].leave_configuration(json.as_bytes());
}

fn snapshot(clusters: &[(&str, &ClusterTable)], at: Timestamp) -> Vec<u8> {
    let snapshot = Snapshot {
        kind: Kind::Full,
        taken_at: at,
        epoch: 1,
        sequence: 1,
        base: 1,
        origin: "elsewhere".to_owned(),
        changes: State::default().diff(&State::of(clusters.iter().copied())),
    };
    snapshot.encode()
}

#[test]
fn an_order_and_an_ejection_at_the_same_moment_both_hold() {
    let mut workers = Workers::touchy(2, 6, "");
    workers.live(SECOND);
    let mut interface = Interface::beside(&workers);
    leave(&mut workers, "");
    let (mut other, table) = (Interface::beside(&workers), workers.host.clone());
    table.interrupt_next_write(move || {
        assert_eq!(other.order("eject", 2, CLUSTER).0, 200);
    });
    let (status, said) = interface.order("eject", 1, CLUSTER);
    // What was interrupted was answered last.
    assert_eq!((status, &said["host"]["address"]), (200, &json!(addr(1).to_string())));
    workers.live(SECOND);
    assert_eq!((workers.stage(1), workers.stage(2)), (Stage::Ejected, Stage::Ejected));
    assert_eq!(workers.table().controls().len(), 2);
}

#[test]
fn the_policies_are_those_of_the_filter_and_change_with_its_configuration() {
    let mut workers = Workers::touchy(1, 4, "");
    let mut interface = Interface::beside(&workers);
    for (ramp_time, state) in [("0s", "healthy"), ("10s", "ramp"), ("0s", "healthy")] {
        leave(&mut workers, &format!(r#", "picking": {{"ramp_time": "{ramp_time}"}}"#));
        assert_eq!(interface.order("eject", 1, CLUSTER).0, 200);
        let (status, said) = interface.order("release", 1, CLUSTER);
        assert_eq!((status, &said["host"]["state"]), (200, &json!(state)), "{said}");
    }
}

#[test]
fn the_configuration_is_left_once_and_again_when_it_changes() {
    let mut workers = Workers::touchy(3, 2, "");
    leave(&mut workers, "");
    let written = workers.host.seen().writes;
    leave(&mut workers, "");
    assert_eq!(workers.host.seen().writes, written);
    leave(&mut workers, r#", "picking": {}"#);
    assert_eq!(workers.host.seen().writes, written + 1);
}

#[test]
fn with_a_configuration_that_does_not_read_the_defaults_hold() {
    let workers = Workers::touchy(1, 2, "");
    let mut interface = Interface::beside(&workers);
    let key = "sidestep/2/configuration";
    workers
        .host
        .set_shared_data(key, b"{\"later\": 1}", sidestep::host::Cas::ABSENT)
        .expect("written");
    assert_eq!(interface.send("GET", "/hosts", b""), (200, json!({"clusters": {}})));
    interface.desk.on_tick();
    assert_eq!(workers.host.metric_value(Metric::ErrorsRecord), 1);
    // It is said once.
    interface.send("GET", "/hosts", b"");
    interface.desk.on_tick();
    assert_eq!(workers.host.metric_value(Metric::ErrorsRecord), 1);
}

#[test]
fn what_envoy_does_not_give_is_an_answer_too() {
    let mut workers = Workers::touchy(1, 3, "");
    leave(&mut workers, "");
    let mut interface = Interface::beside(&workers);
    assert_eq!(interface.order("eject", 1, CLUSTER).0, 200);
    for key in [LIST, RECORD, "sidestep/2/configuration", "sidestep/2/restless"] {
        workers.host.fail_next_read(key);
        assert_eq!(interface.send("GET", "/hosts", b"").0, 200, "{key}");
        workers.host.fail_next_read(key);
        assert_eq!(interface.order("release", 1, CLUSTER).0, 200, "{key}");
        assert_eq!(interface.order("eject", 1, CLUSTER).0, 200, "{key}");
    }
}

#[test]
fn no_more_hosts_than_are_kept_are_under_control() {
    let mut workers = Workers::touchy(1, 70, "");
    leave(&mut workers, "");
    let mut interface = Interface::beside(&workers);
    for host in 1..=64 {
        assert_eq!(interface.order("hold", host, CLUSTER).0, 200);
    }
    let (status, said) = interface.order("hold", 65, CLUSTER);
    assert_eq!(status, 409);
    let why = said["error"].as_str().unwrap_or_default();
    assert!(why.starts_with("refused: too_many_controls: "), "{why}");
    assert_eq!(interface.order("eject", 64, CLUSTER).0, 200, "in the place of its hold");
    assert_eq!(interface.order("release", 1, CLUSTER).0, 200);
    assert_eq!(interface.order("hold", 65, CLUSTER).0, 200);
}

#[test]
fn a_refused_order_and_a_dry_run_write_nothing() {
    let mut workers = Workers::touchy(1, 3, "");
    leave(&mut workers, "");
    let mut interface = Interface::beside(&workers);
    let mut out = HostHealth::new(addr(1), Timestamp::ZERO);
    let eternal = workers.now().after(Duration::from_secs(60));
    out.state = sidestep::health::HostState::Ejected(sidestep::health::Ejection {
        at: workers.now(),
        until: eternal,
        detector: sidestep::detect::Detector::Slow,
    });
    (out.ejections, out.last_ejected_at) = (1, workers.now());
    let table = ClusterTable::from_hosts(vec![out]);
    let bytes = snapshot(&[(CLUSTER, &table)], workers.now());
    let written = workers.host.seen().writes;
    assert_eq!(interface.order("eject", 9, CLUSTER).0, 404);
    assert_eq!(interface.order("eject", 1, "other").0, 404);
    let (status, said) = interface.send("PUT", "/snapshot?dry_run=true", &bytes);
    assert_eq!((status, &said["origin"]), (200, &json!("elsewhere")));
    assert_eq!(said["clusters"][CLUSTER]["hosts"][0]["outcome"], "restored", "{said}");
    interface.send("GET", "/snapshot", b"");
    assert_eq!(interface.state(1), "healthy");
    assert_eq!(workers.host.seen().writes, written);
    assert_eq!(interface.send("PUT", "/snapshot", &bytes).0, 200);
    assert_eq!(interface.state(1), "ejected");
    assert!(workers.host.seen().writes > written);
    workers.live(SECOND);
    assert_eq!(workers.stage(1), Stage::Ejected);
}

#[test]
fn a_snapshot_cannot_name_what_no_cluster_is_called() {
    let workers = Workers::touchy(1, 3, "");
    let mut interface = Interface::beside(&workers);
    let table = ClusterTable::from_hosts(vec![HostHealth::new(addr(1), Timestamp::ZERO)]);
    let bytes = snapshot(&[("", &table), ("a\nb", &table), ("good", &table)], workers.now());
    let (status, said) = interface.send("PUT", "/snapshot", &bytes);
    assert_eq!(status, 200);
    for name in ["", "a\nb"] {
        assert_eq!(said["clusters"][name]["refused"], "no cluster has this name", "{said}");
    }
    assert_eq!(said["clusters"]["good"]["refused"], Value::Null);
    assert_eq!(workers.host.shared(LIST).as_deref(), Some(&b"good"[..]));
}

#[test]
fn bodies_are_bounded_in_size_in_number_and_in_time() {
    let workers = Workers::touchy(1, 3, "");
    let mut interface = Interface::beside(&workers);
    let mut visits: Vec<Visit> = (0..8).map(|_| interface.visit("PUT", "/snapshot")).collect();
    for visit in &mut visits {
        interface.desk.on_request_headers(visit, false);
    }
    assert_eq!(interface.answers(), 0);
    let mut ninth = interface.visit("PUT", "/snapshot");
    interface.desk.on_request_headers(&mut ninth, false);
    assert_eq!(interface.answer().0, 503);

    // A byte more than there may be, and what comes after it.
    interface.host.request_body(&[0; 100_000]);
    interface.desk.on_request_body(&mut visits[0], 100_000, false);
    assert_eq!(interface.answers(), 1);
    interface.host.request_body(&[0]);
    interface.desk.on_request_body(&mut visits[0], 1, false);
    assert_eq!((interface.answer().0, interface.answers()), (413, 2));
    interface.desk.on_request_body(&mut visits[0], 1, true);
    interface.desk.on_request_end(&mut visits[0]);
    assert_eq!(interface.answers(), 2);
    interface.desk.on_request_headers(&mut ninth, false);
    assert_eq!(interface.answers(), 2, "there is room again");

    // One that goes on has time again.
    interface.host.pass(9 * SECOND);
    interface.desk.on_request_body(&mut visits[1], 1, false);
    interface.host.pass(SECOND);
    interface.desk.on_tick();
    assert_eq!((interface.answer().0, interface.answers()), (408, 2 + 7));
    interface.desk.on_request_end(&mut visits[2]);
    assert_eq!(interface.answers(), 9);
    // It ends with its trailers.
    interface.desk.on_request_end(&mut visits[1]);
    assert_eq!((interface.answer().0, interface.answers()), (400, 10));
    interface.desk.on_tick();
    assert_eq!(workers.host.metric_value(Metric::StatusRefused), 10);
}

#[test]
fn whatever_the_body_is_there_is_an_answer_and_nothing_changes() {
    let mut workers = Workers::touchy(1, 3, "");
    leave(&mut workers, "");
    let mut interface = Interface::beside(&workers);
    let table = ClusterTable::from_hosts((1..=3).map(|n| HostHealth::new(addr(n), workers.now())).collect());
    let good = snapshot(&[(CLUSTER, &table)], workers.now());
    let order = format!(
        r#"{{"cluster":"{CLUSTER}","host":"{}","action":"eject","reason":"x"}}"#,
        addr(1)
    );
    let written = workers.host.seen().writes;
    let mut entropy = Entropy::seeded(1);
    for _ in 0..500 {
        let mut body = good.clone();
        let at = usize::try_from(entropy.below(body.len() as u64)).unwrap_or_default();
        body[at] ^= 1 << entropy.below(8);
        assert_eq!(interface.send("PUT", "/snapshot", &body).0, 400);
        assert_eq!(interface.send("PUT", "/snapshot", &good[..at]).0, 400);
        let cut = usize::try_from(entropy.below(order.len() as u64)).unwrap_or_default();
        assert_eq!(interface.send("POST", "/hosts", &order.as_bytes()[..cut]).0, 400);
        let noise: Vec<u8> = (0..entropy.below(200)).map(|_| entropy.draw() as u8).collect();
        assert_eq!(interface.send("POST", "/hosts", &noise).0, 400);
    }
    assert_eq!(workers.host.seen().writes, written);
}
