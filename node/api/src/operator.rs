//! What operators say to a node about accounts, the audit, keys and mail, over the socket in the node's data folder.
//!
//! Must not be served anywhere else: whoever may open the socket makes administrators.

use crate::audit_export::Line;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// `POST`: make an account the first administrator.
pub const BOOTSTRAP_ADMIN: &str = "/admin/bootstrap";
/// `POST`: audit rows, the oldest first.
pub const AUDIT_EXPORT: &str = "/audit/export";
/// `GET`: the key ring of this node, the signing keys, and how far sealing anew went.
pub const KEYS: &str = "/keys";
/// `POST` without a body: make the next signing key.
pub const ROTATE_SIGNING_KEY: &str = "/keys/rotate";
/// `GET`: mail that nobody takes.
pub const MAIL: &str = "/mail";
/// `POST`: take one out of quarantine.
pub const RELEASE_MAIL: &str = "/mail/release";
/// Mails that one answer to [`MAIL`] shows at most.
pub const MAILS_SHOWN_MAX: usize = 256;
/// Most rows of one answer; each has less than a kilobyte.
pub const EXPORT_ROWS_MAX: usize = 200;

/// Body of [`BOOTSTRAP_ADMIN`].
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BootstrapAdmin {
    /// User name of the account.
    pub username: String,
}

/// Body of [`AUDIT_EXPORT`].
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExportAudit {
    /// Place in the log of the first row that is wanted.
    pub from_index: u64,
}

/// Answer of [`AUDIT_EXPORT`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ExportedAudit {
    /// Rows in the order of the log.
    pub lines: Vec<Line>,
    /// Where to go on; none when these were the last.
    pub next: Option<u64>,
}

/// Answer to [`KEYS`]. No key, no secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeysView {
    /// Id of the ring key that seals at the node that was asked.
    pub ring_active: u32,
    /// Ids of all keys in that node's ring.
    pub ring_ids: Vec<u32>,
    /// How many values are sealed with which ring key.
    pub sealed_values_by_key: BTreeMap<u32, u64>,
    /// The last time that values were sealed anew; none when that never happened.
    pub resealed: Option<ResealedView>,
    /// Signing keys, the oldest first.
    pub signing_keys: Vec<SigningKeyView>,
}

/// How far sealing anew went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResealedView {
    /// Ring key that values are sealed with.
    pub key: u32,
    /// Values that were sealed anew.
    pub count: u64,
    /// Every value was looked at.
    pub finished: bool,
    /// RFC 3339.
    pub started_at: String,
    /// RFC 3339.
    pub updated_at: String,
}

/// One signing key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SigningKeyView {
    /// RFC 7638 thumbprint.
    pub kid: String,
    /// `next`, `active`, `verifying` or `retired`.
    pub state: String,
    /// When it begins to sign, RFC 3339.
    pub activates_at: String,
    /// When no token of it is good any more, RFC 3339; none while it is the newest.
    pub retires_at: Option<String>,
}

/// Answer to [`MAIL`]. No address, no code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailView {
    /// Mails that wait to be handed over, or for their next try; counted up to [`MAILS_SHOWN_MAX`].
    pub waiting: usize,
    /// Mails that will not be tried again by themselves, the oldest first.
    pub quarantined: Vec<QuarantinedView>,
}

/// One mail in quarantine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuarantinedView {
    /// Its number.
    pub key: u64,
    /// What it is: `login_code`, `notice`, …
    pub kind: String,
    /// RFC 3339.
    pub created_at: String,
    /// Tries that failed.
    pub attempts: u32,
    /// Why the last one did.
    pub reason: Option<String>,
}

/// Body of [`RELEASE_MAIL`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReleaseMail {
    /// Its number.
    pub key: u64,
    /// To be tried again from the beginning; or else forgotten.
    pub retry: bool,
}
