//! What requests and ticks cost, in time, with 3, 100 and 1,000 hosts.
//!
//! `cargo bench -p sidestep --bench record`. The same in instructions, which do not depend on what else a machine does:
//! `instructions.rs`.

mod bed;

use bed::{Case, HOSTS, Scene};
use divan::Bencher;
use std::cell::RefCell;

fn main() {
    divan::main();
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
