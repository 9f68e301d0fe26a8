//! Faults: what stops a node. Expected refusals are [`crate::reply::Denial`] values instead.

use thiserror::Error;

/// A table could not be read or written.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
#[error("table fault: {0}")]
pub struct TableFault(pub String);

/// The state machine cannot go on: the entry or a row is not what this version understands.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The entry's bytes do not decode.
    #[error("entry cannot be decoded: {0}; this node is older than the one that wrote it, or the log is damaged")]
    Entry(String),
    /// A row's bytes do not decode.
    #[error(
        "row of table {table} cannot be decoded: {reason}; this node is older than the data, or the data is damaged"
    )]
    Row {
        /// Name of the table.
        table: &'static str,
        /// What the decoder said.
        reason: String,
    },
    /// Storage failed.
    #[error(transparent)]
    Table(#[from] TableFault),
    /// Two rows contradict each other.
    #[error("invariant broken: {0}")]
    Invariant(&'static str),
}
