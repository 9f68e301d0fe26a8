//! Audit rows: one for every applied entry, in the same transaction as what it reports.

use crate::ids::{AccountId, RequestId};
use crate::time::Timestamp;
use minicbor::{Decode, Encode};

/// A row of the audit table, keyed by log index.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct AuditRow {
    /// When, in log time.
    #[n(0)]
    pub at: Timestamp,
    /// The request that caused it.
    #[n(1)]
    pub request_id: RequestId,
    /// The command's verb, e.g. `log_in`.
    #[n(2)]
    pub verb: String,
    /// What came out, e.g. `session_started` or `invalid_credentials`.
    #[n(3)]
    pub outcome: String,
    /// The account that it is about, where there is one.
    #[n(4)]
    pub account: Option<AccountId>,
    /// Address of the client.
    #[n(5)]
    pub client_address: String,
}
