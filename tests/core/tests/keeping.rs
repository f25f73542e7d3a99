//! What the elected worker tells etcd, and what it makes of the answers: one process.
#![cfg(not(target_arch = "wasm32"))]

use prost::Message;
use sidestep::config::Config;
use sidestep::host::{Attribute, GrpcToken};
use sidestep::keep::etcd::{KeyValue, Op, RangeResponse, TxnRequest, TxnResponse, WatchRequest};
use sidestep::keep::{Kind, Snapshot};
use sidestep::model::{HostAddr, Outcome, Timestamp};
use sidestep::worker::{Attempt, Worker};
use sidestep_core::fake_host::{FakeHost, Grpc};
use sidestep_core::workers::{CLUSTER, E503, addr};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const CONFIG: &str = r#"{"backup": {}, "clusters": {"backend": {"hosts": ["10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80", "10.0.0.4:80", "10.0.0.5:80"]}}}"#;

/// One process with two workers, of which the first is elected.
struct Process {
    host: FakeHost,
    workers: [Worker<FakeHost>; 2],
    /// What was written: the snapshots, with their keys.
    written: Vec<(Vec<u8>, Snapshot)>,
    /// What is in etcd.
    store: BTreeMap<Vec<u8>, Vec<u8>>,
    /// The answer to writes.
    succeeds: bool,
    watch: Option<GrpcToken>,
    progress_asked: usize,
}

impl Process {
    fn start() -> Self {
        let host = FakeHost::default();
        host.set_time(Timestamp::from_nanos(1_700_000_000_000_000_000));
        host.attribute_is(Attribute::NodeId, b"node");
        let worker = || {
            let config = Config::from_json(CONFIG.as_bytes()).expect("a configuration");
            Worker::start(host.clone(), config, 1)
        };
        let mut process = Self {
            workers: [worker(), worker()],
            host,
            written: Vec::new(),
            store: BTreeMap::new(),
            succeeds: true,
            watch: None,
            progress_asked: 0,
        };
        process.run(Duration::from_secs(2));
        process
    }

    /// Lets time pass: ticks, and answers to what is asked. The watch is silent.
    fn run(&mut self, time: Duration) {
        let steps = time.as_millis() / 250;
        for _ in 0..steps {
            self.host.pass(Duration::from_millis(250));
            for at in 0..2 {
                self.workers[at].on_tick();
                self.answer();
            }
        }
    }

    fn answer(&mut self) {
        loop {
            let asked = self.host.take_grpc();
            if asked.is_empty() {
                return;
            }
            for asked in asked {
                match asked {
                    Grpc::Call { token, method, message } => self.call(token, &method, &message),
                    Grpc::Open(token) => self.watch = Some(token),
                    Grpc::Send(_, message) => {
                        let asked = WatchRequest::decode(&*message).expect("a message");
                        self.progress_asked += usize::from(asked.progress.is_some());
                        if asked.create.is_some() {
                            self.tell(&[]);
                        }
                    }
                    Grpc::Reset(token) => {
                        assert_eq!(self.watch.take(), Some(token));
                    }
                }
            }
        }
    }

    fn call(&mut self, token: GrpcToken, method: &str, message: &[u8]) {
        let answer = match method {
            "Range" => {
                let kvs = self.store.iter().map(|(key, value)| KeyValue {
                    key: key.clone(),
                    value: value.clone(),
                    lease: 0,
                });
                RangeResponse {
                    header: None,
                    kvs: kvs.collect(),
                }
                .encode_to_vec()
            }
            "Txn" => {
                let asked = TxnRequest::decode(message).expect("a write");
                for operation in &asked.success {
                    if let Some(Op::Put(put)) = &operation.op {
                        let only_new = asked.compare.iter().any(|compare| compare.key == put.key);
                        assert!(only_new, "nothing is overwritten");
                        self.written
                            .push((put.key.clone(), Snapshot::decode(&put.value).expect("a snapshot")));
                        if self.succeeds {
                            self.store.insert(put.key.clone(), put.value.clone());
                        }
                    }
                }
                let succeeded = self.succeeds;
                TxnResponse { succeeded }.encode_to_vec()
            }
            other => panic!("{other}"),
        };
        self.host.grpc_message_is(&answer);
        self.workers[0].on_grpc(token, Ok(answer.len()));
    }

    /// The watch tells something.
    fn tell(&mut self, message: &[u8]) {
        if let Some(watch) = self.watch {
            self.host.grpc_message_is(message);
            self.workers[0].on_grpc(watch, Ok(message.len()));
        }
    }

    fn eject(&mut self, worker: usize, host: HostAddr) {
        for _ in 0..5 {
            self.host.pass(Duration::from_millis(1));
            let attempt = Attempt {
                host,
                began: self.host.time(),
                took: None,
                outcome: E503,
                seen: true,
                repeated: false,
            };
            let _ = self.workers[worker].is_restless();
            self.workers[worker].record(CLUSTER, &attempt);
        }
    }

    fn kinds(&self) -> Vec<Kind> {
        self.written.iter().map(|(_, snapshot)| snapshot.kind).collect()
    }
}

#[test]
fn what_another_worker_ejects_is_backed_up_whatever_comes_before_the_tick() {
    let mut process = Process::start();
    let before = process.written.len();
    process.eject(1, addr(2));
    // An answer comes to the elected worker before its tick.
    process.tell(&[]);
    process.answer();
    process.run(Duration::from_secs(3));
    let (_, last) = process.written.last().expect("a snapshot");
    assert!(process.written.len() > before);
    let mut state = sidestep::keep::State::default();
    for (_, snapshot) in &process.written {
        state.apply(&snapshot.changes).expect("a chain");
    }
    let table = state.cluster(CLUSTER).expect("the cluster");
    assert!(
        table.get(addr(2)).is_some_and(sidestep::health::HostHealth::is_out),
        "{last:?}"
    );
}

#[test]
fn a_write_that_somebody_else_was_before_is_followed_by_a_full_snapshot_of_another_number() {
    let mut process = Process::start();
    process.eject(0, addr(1));
    process.run(Duration::from_secs(3));
    process.succeeds = false;
    process.eject(1, addr(2));
    process.run(Duration::from_secs(2));
    process.succeeds = true;
    process.run(Duration::from_secs(5));
    let keys: BTreeSet<_> = process.written.iter().map(|(key, _)| key).collect();
    assert_eq!(keys.len(), process.written.len(), "no key twice");
    assert_eq!(process.kinds().last(), Some(&Kind::Full), "{:?}", process.kinds());
    // And nothing more, as nothing changes.
    let count = process.written.len();
    process.run(Duration::from_secs(10));
    assert_eq!(process.written.len(), count);
}

#[test]
fn a_watch_that_is_deaf_is_opened_anew() {
    let mut process = Process::start();
    let first = process.watch.expect("a watch");
    process.run(Duration::from_secs(5));
    assert_eq!((process.progress_asked, process.watch), (1, Some(first)), "it is asked");
    process.run(Duration::from_secs(4));
    assert!(process.watch.is_some_and(|watch| watch != first), "and given up");
    // One that answers stays.
    let second = process.watch;
    for _ in 0..10 {
        process.run(Duration::from_secs(3));
        process.tell(&[]);
    }
    assert_eq!(process.watch, second);
}

#[test]
fn a_call_whose_answer_never_comes_is_made_again() {
    let mut process = Process::start();
    let lost = |process: &mut Process| {
        process.host.pass(Duration::from_millis(250));
        process.workers[0].on_tick();
        process.host.take_grpc().len()
    };
    process.eject(0, addr(1));
    assert!(
        (0..8).map(|_| lost(&mut process)).sum::<usize>() >= 1,
        "the write is lost"
    );
    let before = process.written.len();
    process.run(Duration::from_secs(6));
    assert!(process.written.len() > before);
}

#[test]
fn a_success_is_written_to_nobody() {
    let mut process = Process::start();
    let before = process.written.len();
    for step in 0..40 {
        let attempt = Attempt {
            host: addr(1 + step % 5),
            began: process.host.time(),
            took: None,
            outcome: Outcome::Success,
            seen: true,
            repeated: false,
        };
        process.workers[0].record(CLUSTER, &attempt);
        process.run(Duration::from_millis(500));
    }
    assert!(process.written.len() <= before + 1, "but that there are hosts");
}
