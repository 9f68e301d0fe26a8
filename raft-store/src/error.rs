//! What can go wrong, in words for the person who has to act: what happened, to what, what to do.
//!
//! Must not expose a type of openraft or sled: callers depend on these enums only.

use std::net::SocketAddr;
use std::path::PathBuf;

/// A table could not be read or written.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum StorageError {
    /// The disk or the store under it failed; the node has to stop.
    #[error("the tables could not be read or written: {0}")]
    Io(String),
    /// A record does not match its checksum.
    #[error("a record of table {table} is damaged: {what}; the data folder has to be replaced from another member")]
    Damaged {
        /// The table of the record.
        table: u8,
        /// What did not match.
        what: String,
    },
    /// The key is longer than allowed.
    #[error("key of {given} bytes, allowed are {max}")]
    KeyTooLong {
        /// Length of the key.
        given: usize,
        /// [`crate::KEY_BYTES_MAX`].
        max: usize,
    },
    /// The value is longer than allowed.
    #[error("value of {given} bytes, allowed are {max}")]
    ValueTooLong {
        /// Length of the value.
        given: usize,
        /// [`crate::VALUE_BYTES_MAX`].
        max: usize,
    },
    /// Tables from 0xF0 on belong to the store.
    #[error("table {0:#04x} is reserved for the store itself")]
    ReservedTable(u8),
    /// The view was kept so long that its state is gone.
    #[error("this view was held for too long; take a new one")]
    ViewExpired,
    /// The store was shut down.
    #[error("the store is closed")]
    Closed,
}

/// Why an entry could not be applied. It stops the node: a member that skips an entry is no longer a replica.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum ApplyError {
    /// The tables failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The state machine cannot take this entry (unknown version, broken invariant).
    #[error("{0}")]
    Refused(String),
}

impl ApplyError {
    /// An entry that the state machine cannot take.
    pub fn refused(reason: impl Into<String>) -> Self {
        Self::Refused(reason.into())
    }
}

/// The filter of [`crate::install_real_fsync`] is not in force.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum FsyncFilterError {
    /// The kernel did not take the filter.
    #[error(
        "the kernel refused the system call filter that makes every flush a real fsync: {0}; run where seccomp filters are allowed"
    )]
    Install(String),
    /// The filter was installed, or not, but the call still answers.
    #[error(
        "sync_file_range still answers ({0}), so a flush would not be an fsync; call install_real_fsync() as the first line of main"
    )]
    NotInForce(String),
}

/// The store refused to open, before it served anything.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Two settings clash, or one is out of range.
    #[error("configuration: {0}")]
    Config(String),
    /// A flush would not reach the disk.
    #[error(transparent)]
    Fsync(#[from] FsyncFilterError),
    /// A file or folder could not be created, read or written.
    #[error("{what} {path}: {source}", path = path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On which path.
        path: PathBuf,
        /// What the system answered.
        source: std::io::Error,
    },
    /// Another process works on the folder.
    #[error("{path} is in use by another process; stop it first, or give this node a folder of its own", path = .0.display())]
    Locked(PathBuf),
    /// The log is that of an earlier version of this program.
    #[error(
        "{path} holds a log of an earlier version, kept by sled, which this program does not read: start that version again, or let \
         this node join anew with an empty data folder (a development cluster: infra/dev up --fresh)",
        path = .0.display()
    )]
    Outdated(PathBuf),
    /// The folder belongs to another cluster.
    #[error("{path} holds data of cluster {found}, this node is configured for cluster {configured}; correct the cluster id or the data folder",
            path = path.display())]
    WrongCluster {
        /// The data folder.
        path: PathBuf,
        /// Cluster id found on disk, in hex.
        found: String,
        /// Cluster id of the configuration, in hex.
        configured: String,
    },
    /// The folder belongs to another member.
    #[error("{path} holds data of node {found}, this node is configured as node {configured}; correct the node id or the data folder",
            path = path.display())]
    WrongNode {
        /// The data folder.
        path: PathBuf,
        /// Node id found on disk.
        found: u64,
        /// Node id of the configuration.
        configured: u64,
    },
    /// The folder is new, and nothing says how it could get an id.
    #[error(
        "{path} is new and this node has no node_id of a founding member: give it a join token (`tfauth cluster token`)",
        path = .0.display()
    )]
    NoIdentity(PathBuf),
    /// The cluster did not let this node in.
    #[error("the cluster refused to let this node in: {0}")]
    JoinRefused(String),
    /// Nobody could say whether this node is let in. Trying again goes on as the same node.
    #[error("no member of the cluster let this node in for {} s; the last one asked: {last}; check cluster.members and the network", .patience.as_secs())]
    JoinUnanswered {
        /// How long was tried.
        patience: std::time::Duration,
        /// What was seen last.
        last: String,
    },
    /// The tables are of a newer cluster.
    #[error("{path} is of a cluster of version {cluster}, this program speaks {min} to {max}; start the program that it was run with, or a newer one", path = path.display())]
    ClusterVersion {
        /// The data folder.
        path: PathBuf,
        /// The cluster's version.
        cluster: u32,
        /// The oldest version that this program speaks.
        min: u32,
        /// The newest version that this program speaks.
        max: u32,
    },
    /// The data on disk is damaged or older than what this node has promised to others.
    #[error("{path} must not be used: {why}; move the folder away and let this machine join as a new node", path = path.display())]
    Quarantine {
        /// The data folder.
        path: PathBuf,
        /// What was found.
        why: String,
    },
    /// The data folder of this node id was damaged and taken out of use: the id is not used again.
    #[error(
        "node id {node_id} must not be used again: its data folder was damaged and lies in {path}/{kept_in}; let this machine join as a new node",
        path = path.display()
    )]
    Burned {
        /// The data folder.
        path: PathBuf,
        /// The configured id.
        node_id: u64,
        /// Where the damaged content lies.
        kept_in: String,
    },
    /// The address for peers is taken or not ours.
    #[error("cannot listen for members on {address}: {source}; another process may use the port")]
    Listen {
        /// The address of the configuration.
        address: SocketAddr,
        /// What the system answered.
        source: std::io::Error,
    },
    /// Consensus did not start.
    #[error("consensus did not start: {0}")]
    Consensus(String),
}

impl OpenError {
    pub(crate) fn io(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { what, path, source }
    }

    /// A database that cannot be read: damage, unless the system said why.
    pub(crate) fn unreadable(path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        Self::unless_told("cannot read", path)(source)
    }

    /// A full disk, or one that fails, is no damage: the system says so. What anybody else says is.
    pub(crate) fn unless_told(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| {
            if source.raw_os_error().is_some() {
                Self::Io { what, path, source }
            } else {
                Self::quarantine(path, source.to_string())
            }
        }
    }

    pub(crate) fn quarantine(path: impl Into<PathBuf>, why: impl Into<String>) -> Self {
        Self::Quarantine {
            path: path.into(),
            why: why.into(),
        }
    }
}

/// Why nothing was put into any log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotExecuted {
    /// No leader was known until the deadline.
    #[error("no leader was found before the deadline")]
    NoLeader,
    /// Too many proposals wait already.
    #[error("too many proposals are waiting")]
    QueueFull,
    /// This node is stopping.
    #[error("this node is shutting down")]
    ShuttingDown,
    /// This machine's clock differs from those of a quorum, or could not be compared yet.
    #[error("this machine's clock is not known to agree with those of a quorum")]
    Clock,
    /// The command is over [`crate::COMMAND_BYTES_MAX`].
    #[error("the command is larger than {max} bytes", max = crate::COMMAND_BYTES_MAX)]
    TooLarge,
}

/// The outcome of a proposal that was not applied as far as this node can tell.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProposeError {
    /// Nothing was put in any log by this call: it is safe to say that nothing happened.
    #[error("not executed: {reason}")]
    NotExecuted {
        /// Why.
        reason: NotExecuted,
    },
    /// It may or may not be applied later.
    #[error("the outcome is unknown: {reason}")]
    Unknown {
        /// What was seen last.
        reason: String,
    },
}

/// A read could not be made current.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// No leader confirmed the read before the deadline.
    #[error("no read index before the deadline: {reason}")]
    Unavailable {
        /// What was seen last.
        reason: String,
    },
}

/// A fault after which this node must stop serving.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The disk, or the store under it. Never retried: what the kernel kept of the failed write is unknown.
    #[error("storage failed: {0}; the node has to be restarted, and its disk checked")]
    Storage(String),
    /// Something on disk is not what was written there.
    #[error("the data folder is damaged: {0}; this node stops, and its folder is not used again")]
    Damaged(String),
    /// This member came to other tables than the majority. Its folder is marked and not opened again.
    #[error(
        "the tables of this node differ from those of the majority at entry {index}: digest {ours}, the majority has {majority}; \
         nothing that it says can be trusted: keep the folder for analysis, and let this machine join as a new node"
    )]
    Diverged {
        /// The entry.
        index: u64,
        /// Digest of this member's tables.
        ours: String,
        /// Digest of the majority's tables.
        majority: String,
    },
    /// Another member saw this one with promises that its folder does not hold. The folder is marked and not opened again.
    #[error(
        "{folder} must not be used: another member refused this node: {why}",
        folder = folder.display()
    )]
    Restored {
        /// The data folder.
        folder: PathBuf,
        /// What the other member said.
        why: String,
    },
    /// Consensus or the state machine stopped.
    #[error("consensus stopped: {0}")]
    Consensus(String),
}
