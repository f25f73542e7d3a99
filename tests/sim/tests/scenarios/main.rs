//! What sidestep does, in a simulated Envoy: one sentence of the design, one test.

mod bounds;
mod common;
mod control;
mod crowd;
mod delivery;
mod discovery;
mod ejection;
mod faults;
mod grpc;
mod hosts;
mod limits;
mod outcomes;
mod overload;
mod picking;
mod probes;
mod rates;
mod recovery;
mod retries;
mod slow;
mod storm;
mod unseen;
mod workers;
