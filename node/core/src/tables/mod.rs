//! The port to storage: ordered tables of bytes. The node gives it replicated tables; tests give it [`memory`].

pub mod memory;
pub mod schema;

use crate::error::TableFault;

/// The tables of the state machine. Numbers are on disk: never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Table {
    /// Singletons: clock, counters.
    Meta = 1,
    /// Replies by request id.
    Replies = 2,
    /// What to remove, by due time.
    Expiry = 3,
    /// Accounts by id.
    Accounts = 4,
    /// Account id by user name.
    Usernames = 5,
    /// Account id by mail address.
    Emails = 6,
    /// Factors by account id and factor id.
    Factors = 7,
    /// Login challenges by id.
    Challenges = 8,
    /// Sessions by id.
    Sessions = 9,
    /// Failures of names without an account, by keyed hash.
    UnknownNames = 10,
    /// The same names by the time of their last failure, so that the oldest can be forgotten.
    UnknownNamesByAge = 11,
    /// Signing keys by kid.
    SigningKeys = 12,
    /// Mail to send, by key.
    Outbox = 13,
    /// Audit rows by log index.
    Audit = 14,
}

impl Table {
    /// Every table, for digests and dumps.
    pub const ALL: [Self; 14] = [
        Self::Meta,
        Self::Replies,
        Self::Expiry,
        Self::Accounts,
        Self::Usernames,
        Self::Emails,
        Self::Factors,
        Self::Challenges,
        Self::Sessions,
        Self::UnknownNames,
        Self::UnknownNamesByAge,
        Self::SigningKeys,
        Self::Outbox,
        Self::Audit,
    ];

    /// Number on disk.
    #[must_use]
    pub fn number(self) -> u8 {
        self as u8
    }
}

/// A key and its value.
pub type Row = (Vec<u8>, Vec<u8>);

/// Read access.
pub trait TablesRead {
    /// The value of a key.
    ///
    /// # Errors
    /// When storage fails.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, TableFault>;

    /// Rows with `start <= key < end` in ascending order, at most `limit` of them.
    ///
    /// # Errors
    /// When storage fails.
    fn range(&self, table: Table, start: &[u8], end: &[u8], limit: usize) -> Result<Vec<Row>, TableFault>;
}

/// Read and write access of one entry: all its writes happen, or none.
pub trait Tables: TablesRead {
    /// Sets a key.
    ///
    /// # Errors
    /// When storage fails.
    fn put(&mut self, table: Table, key: &[u8], value: Vec<u8>) -> Result<(), TableFault>;

    /// Removes a key, if it is there.
    ///
    /// # Errors
    /// When storage fails.
    fn remove(&mut self, table: Table, key: &[u8]) -> Result<(), TableFault>;
}
