//! What the filter costs: instructions, host calls, bytes over the border and allocations, each request, counted and not
//! timed, so that they are the same on any machine, and held against a record that is checked in.
//!
//! `./build.sh costs` counts, `./build.sh costs --accept` rewrites the record (`costs.txt`), and `./build.sh test costs` fails
//! where a figure has gone from what the record says.
//!
//! | file | what it is |
//! |---|---|
//! | `path` | what is counted: paths, settings, requests, configurations |
//! | `bed` | what is done to count it, on either bed |
//! | `module`, `host`, `world` | the module as it ships, in an interpreter that counts instructions; its host functions; what is behind them |
//! | `simulated` | the same code natively in the simulator, which counts allocations |
//! | `totals`, `cost` | sums of what is counted, and means |
//! | `record` | the record, and what has gone from it |
//! | `growth`, `plot` | what grows with what, as figures and as a picture |

mod bed;
mod cost;
mod growth;
mod host;
mod module;
mod path;
mod plot;
mod record;
mod simulated;
mod totals;
mod world;

pub use cost::{Cost, Figure};
pub use growth::{Axis, Curve, csv, curves};
pub use module::module_path;
pub use path::{Path, Scene, Setting, USUAL_HEADERS};
pub use plot::svg;
pub use record::{ALLOWED, HOSTS, Record, RecordError, Row};
pub use totals::What;
