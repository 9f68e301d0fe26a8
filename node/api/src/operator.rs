//! What operators say to a node about accounts and the audit, over the socket in the node's data folder.
//!
//! Must not be served anywhere else: whoever may open the socket makes administrators.

use crate::audit_export::Line;
use serde::{Deserialize, Serialize};

/// `POST`: make an account the first administrator.
pub const BOOTSTRAP_ADMIN: &str = "/admin/bootstrap";
/// `POST`: audit rows, the oldest first.
pub const AUDIT_EXPORT: &str = "/audit/export";
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
