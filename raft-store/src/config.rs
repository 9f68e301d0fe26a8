//! What the node tells the store: who it is, who the others are, how to reach them, how long to wait.
//!
//! Must not read files or the environment: the node parses, this module only checks how values relate.

use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::OpenError;
use crate::clock::WallClock;
use crate::cluster::JoinToken;
use crate::limits::{
    CHECKPOINT_WAIT_BYTES_MAX, CHECKPOINT_WAIT_DEFAULT, FOUNDER_ID_MAX, LOG_MEMORY_BYTES_DEFAULT,
    LOG_SEGMENT_BYTES_DEFAULT, LOG_SEGMENT_BYTES_MAX, LOG_SEGMENT_BYTES_MIN, MEMBERS_MAX, NAME_BYTES_MAX,
    SCRUB_PAUSE_DEFAULT,
};

/// Everything that [`crate::Store::open`] needs to know.
#[derive(Clone, Debug)]
pub struct Config {
    /// This member's id, if it is one of those that form the cluster: never zero, never used by another member, never
    /// used again. Every other member gets its id from the cluster, and its folder remembers it.
    pub node_id: Option<u64>,
    /// This member's name, the first label of its certificate's name.
    pub name: String,
    /// Identity of the cluster; the same on every member.
    pub cluster_id: [u8; 16],
    /// Whether this member forms the cluster once all members answer that they are new. True on exactly one.
    pub initialize: bool,
    /// The members that form the cluster, this one included if it is one; for a node that joins, whom it asks.
    pub members: Vec<Member>,
    /// Folder of this member alone.
    pub data_dir: PathBuf,
    /// Where other members connect to.
    pub listen: SocketAddr,
    /// Where other members find this one, if the cluster has to be told.
    pub advertise: SocketAddr,
    /// How to be let into the cluster, for a folder that was never in one.
    pub join: Option<Join>,
    /// Cluster versions that the user of the store speaks.
    pub versions: Versions,
    /// The wall clock.
    pub wall_clock: WallClock,
    /// Both sides of the mutual TLS between members.
    pub tls: PeerTls,
    /// Heartbeats and elections.
    pub timing: Timing,
    /// Sizes that may be tuned; the defaults are for production.
    pub limits: Limits,
}

/// Why the cluster should let this node in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Join {
    /// An operator made a token for it.
    Token(JoinToken),
    /// It had to give up the folder of node `old`, and still holds its certificate. The cluster bounds how often.
    Replace {
        /// The id that it had.
        old: u64,
    },
}

/// A range of cluster versions. A version says how members behave towards each other and what entries mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versions {
    /// The oldest one.
    pub min: u32,
    /// The newest one.
    pub max: u32,
}

/// One member as configured: used to find it, never as the truth about membership.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its id.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// Where it listens for members.
    pub peer_address: SocketAddr,
}

/// TLS between members. `server` must demand a client certificate of the cluster's CA.
#[derive(Clone)]
pub struct PeerTls {
    /// For accepted connections.
    pub server: Arc<rustls::ServerConfig>,
    /// For dialled connections.
    pub client: Arc<rustls::ClientConfig>,
    /// A member's certificate names `<name>.<server_name_suffix>`.
    pub server_name_suffix: String,
}

impl fmt::Debug for PeerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerTls")
            .field("server_name_suffix", &self.server_name_suffix)
            .finish_non_exhaustive()
    }
}

/// When a leader is believed dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Interval of heartbeats.
    pub heartbeat: Duration,
    /// Shortest election timeout.
    pub election_min: Duration,
    /// Longest election timeout; also the leader's lease.
    pub election_max: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_millis(100),
            election_min: Duration::from_millis(400),
            election_max: Duration::from_millis(600),
        }
    }
}

/// Sizes of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Entries after which the tables are written to disk.
    pub checkpoint_entries: u64,
    /// Bytes of commands after which the tables are written to disk.
    pub checkpoint_bytes: u64,
    /// Time after which the tables are written to disk, if anything changed.
    pub checkpoint_interval: Duration,
    /// Entries kept in the log behind a checkpoint, for members that lag.
    pub log_kept_entries: u64,
    /// Memory for entries that are not purged. At half of it the tables are written to disk and entries purged, down to a
    /// quarter; a leader that reaches it takes no commands until some are purged.
    pub log_memory_bytes: u64,
    /// How long writing the tables to disk waits for readers of what is there. A snapshot on its way to another member is
    /// waited for longer, while it gets on.
    pub checkpoint_wait: Duration,
    /// Bytes of commands that may come while such a snapshot is waited for, before it is ended and begun anew. Commands that
    /// come faster than it gets on are refused as overloaded before that, if it can arrive at all.
    pub checkpoint_wait_bytes: u64,
    /// Length of a file of the log; each is written in full before it is used.
    pub log_segment_bytes: u64,
    /// Cache of the tables on disk.
    pub state_cache_bytes: u64,
    /// Every so many entries members note a digest of their tables for the leader to compare. The same on all members.
    pub digest_entries: u64,
    /// Proposals of this node in progress at the same time.
    pub proposals_max: usize,
    /// Pause after each small step of reading again what lies on disk.
    pub scrub_pause: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            checkpoint_entries: 50_000,
            checkpoint_bytes: 32 * 1024 * 1024,
            checkpoint_interval: Duration::from_secs(60),
            log_kept_entries: 20_000,
            log_memory_bytes: LOG_MEMORY_BYTES_DEFAULT,
            checkpoint_wait: CHECKPOINT_WAIT_DEFAULT,
            checkpoint_wait_bytes: CHECKPOINT_WAIT_BYTES_MAX,
            log_segment_bytes: LOG_SEGMENT_BYTES_DEFAULT,
            state_cache_bytes: 64 * 1024 * 1024,
            digest_entries: 1024,
            proposals_max: 8192,
            scrub_pause: SCRUB_PAUSE_DEFAULT,
        }
    }
}

impl Config {
    /// Checks how the values relate.
    pub(crate) fn check(&self) -> Result<(), OpenError> {
        self.check_members()?;
        self.check_timing()?;
        if self.versions.min == 0 || self.versions.max < self.versions.min {
            return Err(OpenError::Config("versions: at least 1, and max not below min".into()));
        }
        let limits = &self.limits;
        if limits.checkpoint_entries == 0
            || limits.digest_entries == 0
            || limits.proposals_max == 0
            || limits.checkpoint_bytes == 0
            || limits.log_memory_bytes == 0
        {
            return Err(OpenError::Config(
                "limits.checkpoint_entries, limits.checkpoint_bytes, limits.log_memory_bytes, limits.digest_entries and limits.proposals_max must be at least 1".into(),
            ));
        }
        if !(LOG_SEGMENT_BYTES_MIN..=LOG_SEGMENT_BYTES_MAX).contains(&limits.log_segment_bytes) {
            return Err(OpenError::Config(format!(
                "limits.log_segment_bytes is {}, it must be {LOG_SEGMENT_BYTES_MIN} to {LOG_SEGMENT_BYTES_MAX}",
                limits.log_segment_bytes
            )));
        }
        Ok(())
    }

    fn check_members(&self) -> Result<(), OpenError> {
        let fail = |text: String| Err(OpenError::Config(text));
        if self.members.is_empty() || self.members.len() > MEMBERS_MAX {
            return fail(format!(
                "members: {} given, allowed are 1 to {MEMBERS_MAX}",
                self.members.len()
            ));
        }
        let ids: BTreeSet<u64> = self.members.iter().map(|m| m.id).collect();
        let names: BTreeSet<&str> = self.members.iter().map(|m| m.name.as_str()).collect();
        if ids.len() != self.members.len() || names.len() != self.members.len() {
            return fail("members: two members share an id or a name".into());
        }
        if ids.contains(&0) || ids.iter().any(|id| *id > FOUNDER_ID_MAX) {
            return fail(format!(
                "members: ids of founding members are 1 to {FOUNDER_ID_MAX}; a member that joined is not named, it is asked for by those that are"
            ));
        }
        for member in &self.members {
            let name = member.name.as_bytes();
            let allowed = name
                .iter()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-');
            if name.is_empty() || name.len() > NAME_BYTES_MAX || !allowed {
                return fail(format!(
                    "members: name {:?} is not 1 to {NAME_BYTES_MAX} of a-z, 0-9 and '-'",
                    member.name
                ));
            }
        }
        let Some(node_id) = self.node_id else {
            return Ok(());
        };
        match self.members.iter().find(|m| m.id == node_id) {
            None => fail(format!("node_id {node_id} is not among members")),
            Some(me) if me.name != self.name => fail(format!(
                "name is {:?}, but members calls node {node_id} {:?}",
                self.name, me.name
            )),
            Some(_) => Ok(()),
        }
    }

    fn check_timing(&self) -> Result<(), OpenError> {
        let Timing {
            heartbeat,
            election_min,
            election_max,
        } = self.timing;
        if heartbeat < Duration::from_millis(10) {
            return Err(OpenError::Config(format!(
                "timing.heartbeat is {heartbeat:?}, at least 10 ms are needed"
            )));
        }
        if election_min < heartbeat * 3 {
            return Err(OpenError::Config(format!(
                "timing.election_min is {election_min:?}, it must be at least three times timing.heartbeat ({heartbeat:?})"
            )));
        }
        if election_max <= election_min {
            return Err(OpenError::Config(format!(
                "timing.election_max is {election_max:?}, it must be above timing.election_min ({election_min:?})"
            )));
        }
        Ok(())
    }
}
