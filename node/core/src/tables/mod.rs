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
    /// Remembered devices by account id and device id.
    Devices = 15,
    /// Networks that an account logged in from, by account id and network.
    KnownNetworks = 16,
    /// Session ids by account id and session id.
    SessionsByAccount = 17,
    /// Recovery codes by account id.
    RecoveryCodes = 18,
    /// Tokens that were mailed, by hash.
    MailTokens = 19,
    /// Answers by scope and key of the client.
    Idempotency = 20,
    /// Log indexes of audit rows by account id, the newest first.
    AuditByAccount = 21,
    /// Account ids by number.
    AccountsByNumber = 22,
    /// Mail that is not tried any more, by key.
    Quarantine = 23,
    /// When mail was handed over, by key.
    SentMail = 24,
    /// Keys of kept answers by scope and end, so that the oldest of a scope can be forgotten.
    IdempotencyByAge = 25,
    /// Keys of outbox mail by its channel and the time of its next try.
    OutboxByDue = 26,
}

impl Table {
    /// Every table, for digests and dumps.
    pub const ALL: [Self; 26] = [
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
        Self::Devices,
        Self::KnownNetworks,
        Self::SessionsByAccount,
        Self::RecoveryCodes,
        Self::MailTokens,
        Self::Idempotency,
        Self::AuditByAccount,
        Self::AccountsByNumber,
        Self::Quarantine,
        Self::SentMail,
        Self::IdempotencyByAge,
        Self::OutboxByDue,
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
