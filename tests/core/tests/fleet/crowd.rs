//! Sidecars over one etcd, on one clock, under traffic: deterministic.

use crate::etcd::Etcd;
use sidestep::config::Config;
use sidestep::detect::Detector;
use sidestep::health::{ClusterTable, HostState};
use sidestep::host::{Attribute, GrpcToken};
use sidestep::model::{Entropy, HostAddr, Outcome, Timestamp};
use sidestep::worker::{Attempt, Worker};
use sidestep_core::fake_host::{FakeHost, Grpc};
use sidestep_core::workers::{CLUSTER, E503, addr};
use std::collections::BTreeMap;
use std::time::Duration;

/// A step of time: a request of each sidecar, and what follows from it.
pub(crate) const STEP: Duration = Duration::from_millis(50);

/// One sidecar.
#[derive(Debug)]
pub(crate) struct Sidecar {
    host: FakeHost,
    worker: Worker<FakeHost>,
    /// It can't reach etcd.
    pub(crate) is_cut: bool,
    is_dead: bool,
    streams: Vec<GrpcToken>,
    /// Answers that will not come, with the time when they are given up.
    lost: Vec<(Timestamp, GrpcToken)>,
    next_tick: Timestamp,
    /// How many requests each host has had of it.
    pub(crate) sent: BTreeMap<HostAddr, u64>,
}

/// The fleet.
pub(crate) struct Crowd {
    pub(crate) etcd: Etcd,
    pub(crate) sidecars: Vec<Sidecar>,
    pub(crate) now: Timestamp,
    pub(crate) entropy: Entropy,
    hosts: u16,
    config: String,
    began: Timestamp,
    restarts: u64,
}

impl Crowd {
    /// So many sidecars, whose cluster has so many hosts; `config` is the rest of the configuration in JSON.
    pub(crate) fn new(sidecars: usize, hosts: u16, config: &str) -> Self {
        let listed: Vec<String> = (1..=hosts).map(|host| format!("\"{}\"", addr(host))).collect();
        let config = format!(
            "{{\"clusters\": {{\"{CLUSTER}\": {{\"hosts\": [{}]}}}}, {config}}}",
            listed.join(", ")
        );
        let began = Timestamp::from_nanos(1_700_000_000_000_000_000);
        let mut crowd = Self {
            etcd: Etcd::default(),
            sidecars: Vec::new(),
            now: began,
            entropy: Entropy::seeded(1),
            hosts,
            config,
            began,
            restarts: 0,
        };
        for number in 0..sidecars {
            let sidecar = crowd.start(number);
            crowd.sidecars.push(sidecar);
        }
        crowd
    }

    fn start(&self, number: usize) -> Sidecar {
        let host = FakeHost::default();
        host.set_time(self.now);
        host.attribute_is(Attribute::NodeId, format!("node-{number}").as_bytes());
        let config = Config::from_json(self.config.as_bytes()).expect("a good configuration");
        Sidecar {
            worker: Worker::start(host.clone(), config, 1),
            host,
            is_cut: false,
            is_dead: false,
            streams: Vec::new(),
            lost: Vec::new(),
            next_tick: self.now,
            sent: BTreeMap::new(),
        }
    }

    /// The sidecar's process is killed.
    pub(crate) fn kill(&mut self, number: usize) {
        let sidecar = &mut self.sidecars[number];
        sidecar.is_dead = true;
        for stream in std::mem::take(&mut sidecar.streams) {
            self.etcd.reset(number, stream);
        }
    }

    /// And another one is started in its place.
    pub(crate) fn restart(&mut self, number: usize) {
        self.kill(number);
        self.restarts += 1;
        self.sidecars[number] = self.start(number);
    }

    /// Cuts a sidecar off from etcd, or ends that.
    pub(crate) fn cut(&mut self, number: usize, is_cut: bool) {
        let sidecar = &mut self.sidecars[number];
        if sidecar.is_dead {
            return;
        }
        if sidecar.is_cut && !is_cut {
            // The connections of before are no more.
            for stream in std::mem::take(&mut sidecar.streams) {
                self.etcd.reset(number, stream);
                sidecar.worker.on_grpc(stream, Err(14));
            }
        }
        sidecar.is_cut = is_cut;
    }

    /// Lets time pass. `fails`: whether a host fails for a sidecar.
    pub(crate) fn run(&mut self, time: Duration, fails: impl Fn(usize, u16) -> bool) {
        let end = self.now.after(time);
        while self.now < end {
            self.now = self.now.after(STEP);
            self.etcd.pass(self.now);
            for number in 0..self.sidecars.len() {
                if !self.sidecars[number].is_dead {
                    self.request(number, &fails);
                    self.tick(number);
                }
            }
            self.exchange();
            self.check();
        }
    }

    fn request(&mut self, number: usize, fails: &impl Fn(usize, u16) -> bool) {
        let table = self.table(number);
        let is_available = |host: &u16| table.get(addr(*host)).is_none_or(|host| !host.is_out());
        let available: Vec<u16> = (1..=self.hosts).filter(is_available).collect();
        // All gone: Envoy asks them all.
        let all: Vec<u16> = (1..=self.hosts).collect();
        let from = if available.is_empty() { &all } else { &available };
        let chosen = from[usize::try_from(self.entropy.below(from.len() as u64)).expect("an index")];
        let sidecar = &mut self.sidecars[number];
        sidecar.host.set_time(self.now);
        *sidecar.sent.entry(addr(chosen)).or_default() += 1;
        // No request can be a trial: hosts come back after a while without one.
        if let Some(now) = sidecar.worker.is_restless() {
            let _ = sidecar.worker.steer(CLUSTER.into(), now, || false);
        }
        let attempt = Attempt {
            host: addr(chosen),
            began: self.now,
            took: None,
            outcome: if fails(number, chosen) { E503 } else { Outcome::Success },
            seen: true,
            repeated: false,
        };
        sidecar.worker.record(CLUSTER, &attempt);
    }

    fn tick(&mut self, number: usize) {
        let sidecar = &mut self.sidecars[number];
        if sidecar.next_tick <= self.now {
            sidecar.worker.on_tick();
            sidecar.next_tick = self.now.after(Duration::from_millis(250));
        }
    }

    /// Calls reach etcd and answers the sidecars, until nobody has anything to say.
    fn exchange(&mut self) {
        for _ in 0..100 {
            let mut is_quiet = true;
            for number in 0..self.sidecars.len() {
                is_quiet &= !self.exchange_with(number);
            }
            let sidecars = &self.sidecars;
            let is_reached = |number: usize| !sidecars[number].is_cut && !sidecars[number].is_dead;
            for (number, token, message) in self.etcd.tell(is_reached) {
                is_quiet = false;
                let sidecar = &mut self.sidecars[number];
                sidecar.host.grpc_message_is(&message);
                sidecar.worker.on_grpc(token, Ok(message.len()));
            }
            if is_quiet {
                return;
            }
        }
        panic!("etcd and sidecars talk for ever");
    }

    fn exchange_with(&mut self, number: usize) -> bool {
        let now = self.now;
        let sidecar = &mut self.sidecars[number];
        if sidecar.is_dead {
            return false;
        }
        let mut did = false;
        let (over, lost): (Vec<_>, Vec<_>) = sidecar.lost.iter().partition(|(at, _)| *at <= now);
        sidecar.lost = lost;
        for (_, token) in over {
            sidecar.worker.on_grpc(token, Err(4));
        }
        for asked in sidecar.host.take_grpc() {
            did = true;
            match asked {
                Grpc::Call { token, .. } if sidecar.is_cut => {
                    sidecar.lost.push((now.after(Duration::from_secs(1)), token));
                }
                Grpc::Call { token, method, message } => {
                    let answer = self.etcd.call(number, &method, &message, now);
                    let answer = answer.map(|message| {
                        sidecar.host.grpc_message_is(&message);
                        message.len()
                    });
                    sidecar.worker.on_grpc(token, answer);
                }
                Grpc::Open(token) => sidecar.streams.push(token),
                Grpc::Send(token, message) => {
                    if !sidecar.is_cut {
                        self.etcd.send(number, token, &message);
                    }
                }
                Grpc::Reset(token) => {
                    sidecar.streams.retain(|stream| *stream != token);
                    self.etcd.reset(number, token);
                }
            }
        }
        did
    }

    /// What a sidecar knows of its hosts.
    pub(crate) fn table(&self, number: usize) -> ClusterTable {
        let record = self.sidecars[number]
            .host
            .shared(&format!("sidestep/2/cluster/{CLUSTER}"));
        record.map_or_else(ClusterTable::default, |record| {
            ClusterTable::decode(&record).expect("a record")
        })
    }

    /// Whether a host is out for a sidecar.
    pub(crate) fn is_out(&self, number: usize, host: u16) -> bool {
        self.table(number).get(addr(host)).is_some_and(|host| host.is_out())
    }

    /// For how many sidecars a host is out.
    pub(crate) fn out_for(&self, host: u16) -> usize {
        (0..self.sidecars.len())
            .filter(|number| !self.sidecars[*number].is_dead && self.is_out(*number, host))
            .count()
    }

    /// How many sidecars report a host.
    pub(crate) fn reports(&self, host: u16) -> usize {
        self.etcd.values(&format!("/ejected/{CLUSTER}/{}/", addr(host))).len()
    }

    /// Hosts that are out for a sidecar because the fleet agreed.
    pub(crate) fn by_fleet(&self, number: usize) -> Vec<HostAddr> {
        let table = self.table(number);
        let hosts = table.hosts().iter();
        hosts
            .filter(|host| matches!(host.state, HostState::Ejected(ejection) if ejection.detector == Detector::Fleet && ejection.until > self.now))
            .map(|host| host.addr)
            .collect()
    }

    /// What holds at any time: never more hosts out than may be, and never more writes than one a second.
    fn check(&self) {
        for number in 0..self.sidecars.len() {
            let census = self.table(number).census();
            assert!(
                census.out <= (usize::from(self.hosts) / 2).max(1),
                "{census:?} for {number}"
            );
            let seconds = self.now.since(self.began).as_secs() + 1;
            let writes = self.etcd.writes.get(&number).copied().unwrap_or_default();
            // A new process does not know when the one before it wrote.
            let seconds = seconds + self.restarts;
            assert!(writes <= seconds, "{writes} writes of {number} in {seconds} s");
        }
    }
}
