//! A replicated log and tables for a small cluster: openraft over sled, with real fsync before any acknowledgement,
//! its own bytes on disk and between members, and mutual TLS.
//!
//! Commands and replies are opaque bytes; what they mean is the business of the [`StateMachine`] that the user brings.
//! No type of openraft or sled is public, so that either can be exchanged. Must not know what is stored.

mod config;
mod entropy;
mod error;
mod fsync;
mod limits;
mod machine;
mod metrics;
mod status;
mod store;
mod types;

pub use config::{Config, Limits, Member, PeerTls, Timing};
pub use error::{ApplyError, Fault, FsyncFilterError, NotExecuted, OpenError, ProposeError, ReadError, StorageError};
pub use fsync::install_real_fsync;
pub use limits::{COMMAND_BYTES_MAX, KEY_BYTES_MAX, VALUE_BYTES_MAX};
pub use machine::{Read, StateMachine, TableId, Transaction};
pub use metrics::{DURATION_BUCKETS_US, GROUP_BUCKETS, HistogramSnapshot, MetricsSnapshot};
pub use status::{Role, Status};
pub use store::{Applied, Store, View};
