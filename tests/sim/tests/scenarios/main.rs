//! What sidestep does, in a simulated Envoy: one sentence of the design, one test.

mod bounds;
mod common;
mod delivery;
mod ejection;
mod faults;
mod hosts;
mod limits;
mod outcomes;
mod picking;
mod retries;
mod workers;
