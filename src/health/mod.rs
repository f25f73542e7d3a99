//! The health of hosts: one host's life, a cluster's table of hosts, and the limits that keep enough of them.
//!
//! A host is [healthy, ejected, in probation or ramping up](HostState). [`ClusterTable`] is what is known of a cluster's
//! hosts; each way to change it is a step from one table to the next: accusations (`eject`), trials, probes and overload
//! (`recovery`), a person's wish (`control`), Envoy's own list (`listing`), what was kept from before a restart
//! (`restore`), and the passing of time ([`ClusterTable::settle`]). What changes with every failure is kept beside it, in [`StreakShard`]s.
//!
//! Everything here is a function of the table, the event and `now`. Where the table is kept (shared data, so that
//! all workers see one) is the business of [`worker`](crate::worker).

mod control;
mod eject;
mod fleet;
mod host;
mod limits;
mod listing;
mod pins;
mod record;
mod recovery;
mod restore;
mod streak;
mod table;

pub(crate) use control::shortened;
pub use control::{Control, ControlAction, MAX_REASON};
pub use eject::Charge;
pub use host::{Ejection, HostHealth, HostState, MAX_OVERLOAD, Probation, Standing};
pub use limits::EjectionRefusal;
pub use pins::{BELIEVED_FOR, PinSupport};
pub use record::{FORMAT, RecordError};
pub(crate) use record::{
    Input, decode_control, decode_host, encode_control, encode_host, has_history, put_addr, put_time, take_addr,
};
pub use recovery::Trial;
pub use restore::ForeignCluster;
pub use streak::{HostStreak, SHARDS, StreakShard};
pub use table::{Census, Change, ClusterTable, Event};
