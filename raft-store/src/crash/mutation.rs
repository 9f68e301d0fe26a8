//! Known mistakes, made on purpose: the checks must see each of them.
//!
//! Most are told to the disk, which then does what the stores would if they had the mistake: a store that answers before
//! it flushes cannot be told from one whose flush does nothing.

use crate::disk::sim::Lie;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mutation {
    /// The log answers before it is flushed.
    AcknowledgeBeforeFlush,
    /// A checkpoint is not flushed.
    CheckpointWithoutFlush,
    /// The mark is on disk before the rows and before what repeats them.
    MarkBeforeRows,
    /// Renamed and new files without syncing their folder.
    RenameWithoutFolderSync,
    /// A vote is answered before the guard file has it.
    VoteBeforeGuard,
    /// Entries are purged that only memory has applied.
    PurgeBeforeCheckpoint,
    /// What a killed process left in the system's memory is taken for durable.
    OpenWithoutSync,
}

impl Mutation {
    #[cfg(feature = "sim")]
    pub(crate) const ALL: [(Self, &str); 7] = [
        (Self::AcknowledgeBeforeFlush, "acknowledge-before-flush"),
        (Self::CheckpointWithoutFlush, "checkpoint-without-flush"),
        (Self::MarkBeforeRows, "mark-before-rows"),
        (Self::RenameWithoutFolderSync, "rename-without-folder-sync"),
        (Self::VoteBeforeGuard, "vote-before-guard"),
        (Self::PurgeBeforeCheckpoint, "purge-before-checkpoint"),
        (Self::OpenWithoutSync, "open-without-sync"),
    ];

    pub(crate) fn lie(self) -> Option<Lie> {
        match self {
            Self::AcknowledgeBeforeFlush => Some(Lie::LogFlush),
            Self::CheckpointWithoutFlush => Some(Lie::TablesFlush),
            Self::RenameWithoutFolderSync => Some(Lie::FolderSync),
            Self::VoteBeforeGuard => Some(Lie::GuardWrite),
            Self::OpenWithoutSync => Some(Lie::OpenSync),
            Self::MarkBeforeRows | Self::PurgeBeforeCheckpoint => None,
        }
    }
}
