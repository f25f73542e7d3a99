//! The health of hosts: one host's life, a cluster's table of hosts, and the limits that keep enough of them.
//!
//! Everything here is a function of the table, the event and `now`. Where the table is kept (shared data, so that
//! all workers see one) is the business of [`worker`](crate::worker).

mod host;
mod limits;
mod record;
mod table;

pub use host::{Ejection, HostHealth, HostState};
pub use limits::EjectionRefusal;
pub use record::{FORMAT, RecordError};
pub use table::{Attempt, Change, ClusterTable, Event};
