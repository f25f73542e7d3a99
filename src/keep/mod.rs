//! What is kept of the health of hosts, so that a restart does not forget it.
//!
//! | part | what it is |
//! |---|---|
//! | [`State`] | what is worth keeping of all clusters' tables, and the [`Changes`] from one state to the next |
//! | [`Snapshot`] | changes as bytes: all there is, or what is new since an earlier snapshot |
//! | [`restore_newest`] | from the snapshots that a store holds to the newest [`Kept`] state that they prove |
//!
//! | `backups` | which snapshots of one origin are there, which one is written next, which are to go |
//! | [`fleet`] | what sidecars report of hosts, as keys, and where a quorum of them agrees |
//! | `member` | a sidecar as a member of its fleet: its lease, and what it says under it |
//! | [`Keeper`] | what the elected worker asks etcd for and tells it, step by step |
//! | `ask`, [`etcd`], `link` | the calls, etcd's messages, and whether it can be asked now |
//!
//! From there [`ClusterTable::restore`](crate::health::ClusterTable::restore) brings a cluster's kept part into its live
//! table. Everything here is a function of its arguments: calls are made by `worker::keeping`.
//!
//! Snapshots of one process form chains. A full one is a chain's beginning; a differential one holds all that is new
//! since the full one, so that a damaged increment costs no more than what came between the two; an increment holds what
//! is new since the snapshot right before it:
//!
//! ```text
//! full 1 <- increment 2 <- increment 3
//!    ^----- differential 4 <- increment 5 <- increment 6
//! ```

mod ask;
mod backups;
mod chain;
mod checksum;
pub mod etcd;
pub mod fleet;
mod keeper;
mod link;
mod member;
mod snapshot;
mod state;

pub use ask::{Ask, Purpose};
pub use chain::{Checks, Kept, Refusal, Restored, restore_newest};
pub use fleet::Place;
pub use keeper::{Identity, Keeper, Learned, Present};
pub use snapshot::{Kind, Snapshot, SnapshotError, VERSION};
pub use state::{Changes, Misfit, State};
