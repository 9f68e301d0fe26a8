//! A replicated log and tables for a small cluster: openraft, a log of its own, sled; real fsync before any acknowledgement,
//! its own bytes on disk and between members, and mutual TLS.
//!
//! Commands and replies are opaque bytes; what they mean is the business of the [`StateMachine`] that the user brings.
//! No type of openraft or sled is public, so that either can be exchanged. Must not know what is stored.

// For the cluster of tests, which is written as any user of the crate would.
#[cfg(test)]
extern crate self as raft_store;

mod agreement;
mod bootstrap;
mod clock;
mod cluster;
mod codec;
mod config;
#[cfg(any(test, feature = "sim"))]
mod crash;
mod disk;
mod doubt;
#[cfg(test)]
mod ended_tests;
mod entropy;
mod error;
mod fault;
mod fsync;
mod guard;
mod identity;
mod limits;
mod lives;
mod log_store;
mod machine;
pub mod measure;
mod metrics;
mod note;
mod open;
mod peer;
mod propose;
mod purging;
pub mod quarantine;
mod read;
mod record;
mod scrub;
mod shutdown;
#[cfg(feature = "cluster-sim")]
#[doc(hidden)]
pub mod simulation;
mod state;
mod status;
#[cfg(test)]
mod storage_tests;
mod store;
#[cfg(test)]
#[path = "../tests/store/support.rs"]
#[expect(dead_code, reason = "the tests in this crate need a part of it")]
mod support;
mod tip;
mod types;
pub mod verify;
mod watchers;

#[cfg(feature = "sim")]
#[doc(hidden)]
pub mod crash_points {
    //! The command line of the same name; not part of a build that people run.

    pub use crate::crash::command::main;
}

pub use clock::WallClock;
pub use cluster::{ClusterInfo, JoinToken, MemberInfo, OperationError, Part};
pub use config::{Config, Join, Limits, Member, PeerTls, Timing, Versions};
pub use error::{ApplyError, Fault, FsyncFilterError, NotExecuted, OpenError, ProposeError, ReadError, StorageError};
pub use fsync::{dangerously_allow_flush_without_fsync, dangerously_leave_log_unsynced, install_real_fsync};
pub use limits::{CLOCK_OFFSET_MAX, COMMAND_BYTES_MAX, FOUNDER_ID_MAX, KEY_BYTES_MAX, VALUE_BYTES_MAX};
pub use machine::{Read, StateMachine, TableId, Transaction};
pub use metrics::{DURATION_BUCKETS_US, GROUP_BUCKETS, HistogramSnapshot, MetricsSnapshot};
pub use state::View;
pub use status::{Role, Status};
pub use store::{Applied, Store};

/// The cluster's version in tables: the same at the same entry on every member, so that what an entry means may depend
/// on it.
///
/// # Errors
/// The tables cannot be read.
pub fn cluster_version(tables: &dyn Read) -> Result<u32, StorageError> {
    cluster::rows::cluster_version(tables)
}

/// Consensus over this crate's types.
pub(crate) type Raft = openraft::Raft<types::Types, state::Applier>;
