//! A deterministic Envoy for the module: the host functions of proxy-wasm, natively, over virtual time.
//!
//! A scenario builds a [`Sim`], says what the hosts do, sends requests and looks at what came of it:
//!
//! ```no_run
//! # use sidestep_sim::{Request, Sim};
//! let mut sim = Sim::new("{}").workers(2).cluster("backend", ["10.0.0.1:80", "10.0.0.2:80"]);
//! sim.host("10.0.0.1:80").refuses();
//! let answer = sim.send(Request::get("/x").on(1));
//! assert_eq!(answer.status, 200);
//! ```
//!
//! | file | what it is |
//! |---|---|
//! | `sim` | the scenario's view: everything there is to say |
//! | `load` | many requests at a rate, and what came of them |
//! | `engine`, `queue`, `running` | events over virtual time; hooks between host calls; workers that take turns |
//! | `stream` | a request's way through the filter, as Envoy takes it |
//! | `vms` | VMs loaded, killed, reloaded; ticks; callouts |
//! | `vm`, `handover` | a VM: a thread that runs the module's callbacks, one at a time |
//! | `host`, `world` | the host functions, and the state behind them |
//! | `shared_data`, `metrics`, `headers` | parts of that state, each with Envoy's rules |
//! | `upstream`, `reply`, `latency` | clusters, hosts, what they answer and how long they take |
//! | `admin` | Envoy's own interface, as a host |
//! | `request` | what the client sends and gets |
//! | `route`, `router` | what a route does with a request, and retries by Envoy's router |
//! | `faults`, `tally`, `heap`, `chance` | failing host calls, counted host calls, counted memory, seeds |
//! | `cpu` | one processor for all threads of a simulation |
//!
//! Nothing here reads the machine's clock, sleeps, or opens a socket. A panic of the module fails the test with its
//! message (or, if the scenario says so, is what it is in Envoy: the end of that VM).

// The module must be linked: its symbols are what this crate calls.
use sidestep as _;

mod abi;
mod admin;
mod chance;
mod cpu;
mod engine;
mod faults;
mod grpc;
mod handover;
mod headers;
mod heap;
mod host;
mod latency;
mod load;
mod metrics;
mod queue;
mod reply;
mod request;
mod route;
mod router;
mod running;
mod shared_data;
mod sim;
mod stream;
mod tally;
mod upstream;
mod vm;
mod vms;
mod world;

pub use abi::{Call, Status};
pub use chance::Chance;
pub use faults::Faults;
pub use headers::Headers;
pub use heap::Heap;
pub use latency::Latency;
pub use load::{Load, Served};
pub use reply::{Failure, Reply};
pub use request::{Answer, Request};
pub use route::Route;
pub use sim::{Sim, StreamId};
pub use tally::Tally;
pub use upstream::{Fitness, HostHandle, Seen};
pub use world::LogLine;
