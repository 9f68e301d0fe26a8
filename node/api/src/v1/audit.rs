//! Audit rows: what happened, newest first.

use super::{CURSOR, PAGE};
use crate::operation::{Access, Answer, Operation};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The own events.
pub const OWN: Operation = Operation::get(
    "/v1/audit",
    "own_audit",
    "Audit",
    "What happened to the account, newest first.",
)
.access(Access::Session)
.query::<OwnQuery>()
.answers(&[Answer::json::<Page>(200, "A page.")]);

bodies! {
    /// Query of [`OWN`].
    strict OwnQuery {
        /// `next` of the page before.
        cursor: Option<String> = CURSOR,
        /// Rows of the page; 50 when it is left out.
        limit: Option<u64> = PAGE,
    }
}

/// A page of rows.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Page {
    /// The rows, newest first.
    pub rows: Vec<Row>,
    /// `cursor` of the next page; null on the last one.
    pub next: Option<String>,
}

/// A row.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Row {
    /// Its place in the log.
    pub index: u64,
    /// When, RFC 3339.
    pub at: String,
    /// What was asked for, e.g. `verify_factor`.
    pub verb: String,
    /// What came of it, e.g. `session_started` or `invalid_code`.
    pub outcome: String,
    /// The account that it is about.
    pub account: Option<String>,
    /// Who did it, when it was somebody else.
    pub actor: Option<String>,
    /// The session that asked, or that was started.
    pub session: Option<String>,
    /// The known device that it happened on.
    pub device: Option<String>,
    /// Address of the client.
    pub ip: String,
    /// What was proven: `pwd`, `otp`, `email`, `rc`.
    pub methods: Vec<String>,
    /// Why a second factor was demanded.
    pub reasons: Vec<String>,
    /// Why it would have been, were the rules in force.
    pub shadow_reasons: Vec<String>,
}
