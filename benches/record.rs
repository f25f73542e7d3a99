//! What requests, ticks and snapshots cost, in time, with 3, 100 and 1,000 hosts.
//!
//! `cargo bench -p sidestep --bench record`. What does not depend on what else a machine does is in `tests/costs`:
//! instructions, host calls, allocations.

mod bed;

use bed::{Case, HOSTS, Scene};
use divan::Bencher;
use sidestep::detect::Detector;
use sidestep::health::{ClusterTable, Ejection, HostHealth, HostState};
use sidestep::keep::{Kind, Snapshot, State};
use sidestep::model::{HostAddr, Timestamp};
use std::cell::RefCell;
use std::time::Duration;

fn main() {
    for hosts in HOSTS {
        let [quiet, busy] = [quiet, busy].map(|kind| snapshot(kind(hosts)).encode().len());
        println!("a full snapshot of {hosts} hosts: {quiet} bytes, and {busy} if all of them are ejected");
    }
    divan::main();
}

/// Hosts that nothing happened to.
fn quiet(hosts: usize) -> Vec<HostHealth> {
    let addr = |number: usize| {
        let [.., high, low] = number.to_be_bytes();
        HostAddr::from(std::net::SocketAddr::from(([10, 0, high, low], 8080)))
    };
    (0..hosts)
        .map(|number| HostHealth::new(addr(number), Timestamp::ZERO))
        .collect()
}

/// Hosts that are all ejected: the most that a host takes.
fn busy(hosts: usize) -> Vec<HostHealth> {
    let [at, until] = [100, 130].map(|seconds| Timestamp::ZERO.after(Duration::from_secs(seconds)));
    let mut all = quiet(hosts);
    for host in &mut all {
        host.state = HostState::Ejected(Ejection {
            at,
            until,
            detector: Detector::Consecutive5xx,
        });
        (
            host.ejections,
            host.quiet_since,
            host.last_ejected_at,
            host.overloaded_until,
        ) = (1, until, at, until);
    }
    all
}

fn snapshot(hosts: Vec<HostHealth>) -> Snapshot {
    let table = ClusterTable::from_hosts(hosts);
    let state = State::of([("inbound|8080||backend.shop.svc.cluster.local", &table)]);
    Snapshot {
        kind: Kind::Full,
        taken_at: Timestamp::ZERO.after(Duration::from_secs(110)),
        epoch: 0,
        sequence: 1,
        base: 1,
        origin: "edge-7".to_owned(),
        changes: State::default().diff(&state),
    }
}

#[divan::bench(args = HOSTS)]
fn snapshot_encode(bencher: Bencher<'_, '_>, hosts: usize) {
    let snapshot = snapshot(busy(hosts));
    bencher.bench_local(|| snapshot.encode());
}

#[divan::bench(args = HOSTS)]
fn snapshot_decode(bencher: Bencher<'_, '_>, hosts: usize) {
    let bytes = snapshot(busy(hosts)).encode();
    bencher.bench_local(|| Snapshot::decode(&bytes));
}

/// All that is done for one that is not written: the state of now, and that nothing is new in it.
#[divan::bench(args = HOSTS)]
fn snapshot_nothing_new(bencher: Bencher<'_, '_>, hosts: usize) {
    let table = ClusterTable::from_hosts(busy(hosts));
    let before = State::of([("backend", &table)]);
    bencher.bench_local(|| before.diff(&State::of([("backend", &table)])).is_empty());
}

fn measure(bencher: Bencher<'_, '_>, case: Case, hosts: usize) {
    let scene = RefCell::new(Scene::set(case, hosts));
    bencher
        .with_inputs(|| scene.borrow_mut().prepare())
        .bench_local_values(|()| scene.borrow_mut().step());
}

/// One function for each case, which is its name. One step is one sample: what goes before it comes right before it.
macro_rules! benchmarks {
    ($($name:ident: $case:ident, $samples:literal;)*) => {$(
        #[divan::bench(args = HOSTS, sample_size = 1, sample_count = $samples)]
        fn $name(bencher: Bencher<'_, '_>, hosts: usize) {
            measure(bencher, Case::$case, hosts);
        }
    )*};
}

benchmarks! {
    record_success: Success, 5_000;
    record_failure: Failure, 5_000;
    record_failure_of_many: FailureOfMany, 5_000;
    record_success_after_failure: SuccessAfterFailure, 5_000;
    steer_all_healthy: SteerAllHealthy, 5_000;
    steer_one_ejected: SteerOneEjected, 5_000;
    request: Request, 5_000;
    request_one_ejected: RequestOneEjected, 5_000;
    tick: Tick, 500;
    tick_interval: TickInterval, 100;
    judge: Judge, 100;
}
