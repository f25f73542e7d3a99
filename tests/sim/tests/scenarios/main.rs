//! What sidestep does, in a simulated Envoy: one sentence of the design, one test.

mod bounds;
mod common;
mod crowd;
mod delivery;
mod ejection;
mod faults;
mod hosts;
mod limits;
mod outcomes;
mod picking;
mod probes;
mod rates;
mod recovery;
mod retries;
mod workers;
