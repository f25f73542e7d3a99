//! What is measured.

use super::host::{BenchHost, CLUSTER, Traffic};
use sidestep::config::Config;
use sidestep::detect::{Window, judge};
use sidestep::health::{Control, ControlAction};
use sidestep::host::{Host, StreamId};
use sidestep::model::{FailureOrigin, HostAddr, Outcome};
use sidestep::stream::Stream;
use sidestep::worker::{Attempt, Steering, Worker};
use std::fmt;
use std::hint::black_box;
use std::net::SocketAddr;
use std::time::Duration;

/// How many hosts the cluster has.
pub(crate) const HOSTS: [usize; 3] = [3, 100, 1_000];

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Case {
    /// An attempt went well, at a host without failures on record: nearly every attempt.
    Success,
    /// An attempt failed, at a host that failed before; the others did not.
    Failure,
    /// An attempt failed, where all hosts failed before.
    FailureOfMany,
    /// An attempt went well, at a host that had just failed.
    SuccessAfterFailure,
    /// A request has come while all hosts of all clusters have their full share.
    SteerAllHealthy,
    /// A request has come while one host of the cluster is ejected.
    SteerOneEjected,
    /// A GET from its headers to its end, while all hosts have their full share.
    Request,
    /// The same while one host is ejected.
    RequestOneEjected,
    /// A tick that finds nothing to do.
    Tick,
    /// The ticks in which an interval is handed over and judged, after each host answered once in it.
    TickInterval,
    /// The judgement alone: every detector, over hosts that all answered 200 times.
    Judge,
}

impl Case {
    /// Whether it is done once a second or once an interval, and looks at each host. The others are done for every
    /// request.
    pub(crate) const fn is_of_ticks(self) -> bool {
        matches!(self, Self::Tick | Self::TickInterval | Self::Judge)
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Success => "record a success",
            Self::Failure => "record a failure",
            Self::FailureOfMany => "record a failure where all hosts fail",
            Self::SuccessAfterFailure => "record the success after a failure",
            Self::SteerAllHealthy => "steer, all hosts healthy",
            Self::SteerOneEjected => "steer, one host ejected",
            Self::Request => "a whole request, all hosts healthy",
            Self::RequestOneEjected => "a whole request, one host ejected",
            Self::Tick => "a tick with nothing to do",
            Self::TickInterval => "the ticks that end an interval",
            Self::Judge => "judge an interval",
        })
    }
}

/// A worker and its cluster, ready for one [`Case`].
pub(crate) struct Scene {
    case: Case,
    host: BenchHost,
    worker: Worker<BenchHost>,
    hosts: Vec<HostAddr>,
    config: Config,
    windows: Vec<(HostAddr, Window)>,
    turn: usize,
}

const GATEWAY_FAILURE: Outcome = Outcome::Failure(FailureOrigin::External { gateway: true });

const SECOND: Duration = Duration::from_secs(1);

/// Detectors that never reach their bounds: what is measured is counting, again and again the same.
const SETTINGS: &str = r#""outlier_detection": {"consecutive_5xx": 4000000000, "consecutive_gateway_failure": 4000000000,
    "split_external_local_origin_errors": true}"#;

impl Scene {
    /// A scene in which everything has happened before that happens only once.
    pub(crate) fn set(case: Case, count: usize) -> Self {
        let hosts: Vec<HostAddr> = (0..count)
            .map(|number| {
                let [.., high, low] = number.to_be_bytes();
                // Two digits in each part: all addresses are of one length.
                HostAddr::from(SocketAddr::from((
                    [10, 11, 10 + high, 10 + low % 90],
                    8000 + number as u16,
                )))
            })
            .collect();
        let names: Vec<String> = hosts.iter().map(HostAddr::to_string).collect();
        let json = format!(
            r#"{{"retry": {{"engine": "filter"}}, "clusters": {{"{CLUSTER}": {{"hosts": {names:?}, {SETTINGS}}}}}}}"#
        );
        let config = Config::from_json(json.as_bytes()).expect("the configuration is right");
        let host = BenchHost::new();
        let mut scene = Self {
            case,
            worker: Worker::start(host.clone(), config.clone(), 1),
            host,
            hosts,
            config,
            windows: Vec::new(),
            turn: 0,
        };
        scene.settle();
        scene
    }

    /// Lets happen what happens only once: each host answers for the first time, the record is written.
    fn settle(&mut self) {
        for _ in 0..self.hosts.len() {
            self.next_turn();
            self.record(Outcome::Success);
        }
        self.ticks(2);
        match self.case {
            Case::Failure | Case::SuccessAfterFailure => self.record(GATEWAY_FAILURE),
            Case::FailureOfMany => {
                for _ in 0..self.hosts.len() {
                    self.next_turn();
                    self.record(GATEWAY_FAILURE);
                }
            }
            Case::SteerOneEjected | Case::RequestOneEjected => self.eject_one(),
            Case::Judge => {
                let window = self.full_window();
                self.windows = self.hosts.iter().map(|host| (*host, window.clone())).collect();
            }
            _ => {}
        }
        let times = if self.case.is_of_ticks() {
            2
        } else {
            2 * self.hosts.len()
        };
        for _ in 0..times {
            self.prepare();
            self.step();
        }
        self.check();
    }

    /// Whether a step is what its name says.
    fn check(&mut self) {
        let Traffic { calls, reads, writes } = self.observe();
        let right = match self.case {
            Case::Success
            | Case::SteerAllHealthy
            | Case::SteerOneEjected
            | Case::Request
            | Case::RequestOneEjected
            | Case::Judge => (reads, writes) == (0, 0),
            Case::Failure | Case::FailureOfMany | Case::SuccessAfterFailure | Case::TickInterval => writes == 1,
            Case::Tick => writes == 0,
        };
        assert!(
            right,
            "{self:?}: {calls} host calls, {reads} reads and {writes} writes of shared data"
        );
    }

    fn eject_one(&mut self) {
        let control = Control {
            host: self.hosts[0],
            action: ControlAction::Eject,
            until: self.host.time().after(100 * SECOND),
            reason: String::new(),
        };
        self.worker.control(CLUSTER, &control);
        self.ticks(2);
        let steering = (0..3).find_map(|_| steer(&mut self.worker));
        assert!(steering.is_some(), "requests are pinned while a host is ejected");
    }

    fn full_window(&self) -> Window {
        let mut window = Window::default();
        for number in 0..200_u64 {
            let outcome = if number % 50 == 0 {
                GATEWAY_FAILURE
            } else {
                Outcome::Success
            };
            window.count(outcome, true);
            window.times.add(Duration::from_millis(1 + number));
        }
        window
    }

    fn ticks(&mut self, ticks: u32) {
        for _ in 0..ticks {
            self.host.pass(SECOND);
            self.worker.on_tick();
        }
    }

    fn next_turn(&mut self) {
        self.turn = (self.turn + 1) % self.hosts.len();
    }

    fn record(&mut self, outcome: Outcome) {
        let attempt = Attempt {
            host: self.hosts[self.turn],
            began: self.host.time(),
            took: Some(Duration::from_millis(12)),
            outcome,
            seen: true,
            repeated: false,
        };
        self.worker.record(CLUSTER, black_box(&attempt));
    }

    /// What goes before each [`Self::step`] and is not measured.
    pub(crate) fn prepare(&mut self) {
        match self.case {
            Case::Success | Case::FailureOfMany => self.next_turn(),
            Case::SuccessAfterFailure => self.record(GATEWAY_FAILURE),
            Case::Request | Case::RequestOneEjected => {
                self.next_turn();
                // Where the request has a pin, the host that it names answers.
                self.host.answers_from(self.hosts[self.turn.max(1)]);
            }
            Case::TickInterval => {
                // To the last tick of an interval, which ends ten seconds after the last one did.
                let into = Duration::from_nanos(self.host.time().as_nanos() % 10_000_000_000);
                self.host.pass(9 * SECOND - into);
                self.worker.on_tick();
                for _ in 0..self.hosts.len() {
                    self.next_turn();
                    self.record(Outcome::Success);
                }
            }
            Case::Failure | Case::SteerAllHealthy | Case::SteerOneEjected | Case::Tick | Case::Judge => {}
        }
    }

    /// The host calls of a step.
    pub(crate) fn observe(&mut self) -> Traffic {
        self.prepare();
        let before = self.host.traffic();
        self.step();
        let after = self.host.traffic();
        Traffic {
            calls: after.calls - before.calls,
            reads: after.reads - before.reads,
            writes: after.writes - before.writes,
        }
    }

    /// What is measured.
    pub(crate) fn step(&mut self) {
        match self.case {
            Case::Success | Case::SuccessAfterFailure => self.record(Outcome::Success),
            Case::Failure | Case::FailureOfMany => self.record(GATEWAY_FAILURE),
            Case::SteerAllHealthy | Case::SteerOneEjected => {
                black_box(steer(&mut self.worker));
            }
            Case::Request | Case::RequestOneEjected => self.request(),
            Case::Tick => drop(self.worker.on_tick()),
            Case::TickInterval => self.ticks(3),
            Case::Judge => {
                let windows: Vec<_> = self.windows.iter().map(|(host, window)| (*host, window)).collect();
                black_box(judge(&windows, &self.config.cluster(CLUSTER).outlier_detection));
            }
        }
    }

    /// The callbacks of a GET whose answer has a body.
    fn request(&mut self) {
        let mut stream = Stream::new(StreamId(1));
        let worker = &mut self.worker;
        let _ = black_box(stream.on_request_headers(worker, true));
        let _ = black_box(stream.on_response_headers(worker, false));
        let _ = black_box(stream.on_response_body(worker, 1832, true));
        stream.on_done(worker);
        stream.on_log(worker);
    }
}

impl fmt::Debug for Scene {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} of {} hosts at {:?}",
            self.case,
            self.hosts.len(),
            self.host.time()
        )
    }
}

fn steer<H: Host>(worker: &mut Worker<H>) -> Option<Steering> {
    let now = worker.is_restless()?;
    let cluster = worker.cluster_name()?;
    worker.steer(cluster, now, || true)
}
