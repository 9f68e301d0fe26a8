//! For administrators: accounts and audit.

use super::audit::Page;
use super::{CURSOR, PAGE};
use crate::body::Kind;
use crate::limits::SEARCH_CHARS_MAX;
use crate::operation::{Access, Answer, Operation};
use crate::problem::Code;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

const GROUP: &str = "Administration";

/// Searches accounts.
pub const ACCOUNTS: Operation = Operation::get("/v1/admin/accounts", "search_accounts", GROUP, "Search accounts.")
    .access(Access::Admin)
    .query::<AccountsQuery>()
    .answers(&[Answer::json::<AccountPage>(200, "A page.")]);

/// Reads an account.
pub const ACCOUNT: Operation = Operation::get("/v1/admin/accounts/{id}", "read_account", GROUP, "One account.")
    .access(Access::Admin)
    .answers(&[Answer::json::<ManagedAccount>(200, "The account.")]);

/// Changes an account.
pub const CHANGE_ACCOUNT: Operation = Operation::patch(
    "/v1/admin/accounts/{id}",
    "change_account",
    GROUP,
    "Approve, disable, enable or unlock an account, change its role, end its sessions, or remove its factors.",
)
.access(Access::AdminStepUp)
.body::<ChangeAccount>()
.answers(&[Answer::json::<ManagedAccount>(200, "The account as it is now.")])
.refuses(&[Code::Conflict]);

/// Reads the audit.
pub const AUDIT: Operation = Operation::get(
    "/v1/admin/audit",
    "search_audit",
    GROUP,
    "Audit rows of every account, newest first.",
)
.access(Access::Admin)
.query::<AuditQuery>()
.answers(&[Answer::json::<Page>(200, "A page.")]);

/// What an account may be.
pub const STATUS: Kind = Kind::OneOf(&["active", "pending", "disabled"]);
/// What an administrator may make of it.
pub const NEW_STATUS: Kind = Kind::OneOf(&["active", "disabled"]);
/// Roles.
pub const ROLE: Kind = Kind::OneOf(&["user", "admin"]);

const SEARCH: Kind = Kind::Text {
    min: 1,
    max: SEARCH_CHARS_MAX,
};
const ID: Kind = Kind::Text { min: 32, max: 36 };
const WORD: Kind = Kind::Text { min: 1, max: 64 };
const TIME: Kind = Kind::Text { min: 10, max: 40 };

bodies! {
    /// Query of [`ACCOUNTS`].
    strict AccountsQuery {
        /// Beginning of a user name or mail address.
        search: Option<String> = SEARCH,
        /// Only accounts with this status.
        status: Option<String> = STATUS,
        /// Only accounts with this role.
        role: Option<String> = ROLE,
        /// `next` of the page before.
        cursor: Option<String> = CURSOR,
        /// Rows of the page; 50 when it is left out.
        limit: Option<u64> = PAGE,
    }
    /// Body of [`CHANGE_ACCOUNT`]: what is left out stays.
    strict ChangeAccount {
        /// `active` approves and enables.
        status: Option<String> = NEW_STATUS,
        /// Role.
        role: Option<String> = ROLE,
        /// Forget failed logins.
        unlock: Option<bool> = Kind::Flag,
        /// End all sessions.
        end_sessions: Option<bool> = Kind::Flag,
        /// Remove all second factors and recovery codes; the owner must enrol again.
        reset_factors: Option<bool> = Kind::Flag,
    }
    /// Query of [`AUDIT`].
    strict AuditQuery {
        /// Only rows of this account.
        account: Option<String> = ID,
        /// Only this verb.
        verb: Option<String> = WORD,
        /// Only this outcome.
        outcome: Option<String> = WORD,
        /// Only this client address.
        ip: Option<String> = Kind::Text { min: 2, max: 45 },
        /// Only rows of this time or later, RFC 3339.
        from: Option<String> = TIME,
        /// Only rows before this time, RFC 3339.
        to: Option<String> = TIME,
        /// `next` of the page before.
        cursor: Option<String> = CURSOR,
        /// Rows of the page; 50 when it is left out.
        limit: Option<u64> = PAGE,
    }
}

/// A page of accounts.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccountPage {
    /// The accounts.
    pub accounts: Vec<ManagedAccount>,
    /// `cursor` of the next page; null on the last one.
    pub next: Option<String>,
}

/// An account as an administrator sees it.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ManagedAccount {
    /// Its id.
    pub id: String,
    /// The account as a whole number.
    pub user_id: u64,
    /// Name as written.
    pub username: String,
    /// Address as written.
    pub email: String,
    /// Whether the address is confirmed.
    pub email_confirmed: bool,
    /// `active`, `pending` or `disabled`.
    pub status: String,
    /// `user` or `admin`.
    pub role: String,
    /// RFC 3339.
    pub created_at: String,
    /// RFC 3339; null until something changed.
    pub updated_at: Option<String>,
    /// Consecutive failed logins.
    pub failures: u32,
    /// Second factors that count.
    pub factors: u64,
}
