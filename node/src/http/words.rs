//! Words of the wire contract for the core's enums, both ways.

use auth_core::account::{AccountStatus, Role};

/// Whether an account may log in. One that waits for its owner's proof of the address is told as waiting.
#[must_use]
pub fn status(status: AccountStatus) -> &'static str {
    match status {
        AccountStatus::Active => "active",
        AccountStatus::Disabled => "disabled",
        AccountStatus::PendingApproval | AccountStatus::Unconfirmed => "pending",
    }
}

/// A role.
#[must_use]
pub fn role(role: Role) -> &'static str {
    match role {
        Role::User => "user",
        Role::Admin => "admin",
    }
}

/// Reads a role.
#[must_use]
pub fn parse_role(word: &str) -> Option<Role> {
    [Role::User, Role::Admin].into_iter().find(|known| role(*known) == word)
}

/// Reads a status that can be searched for.
#[must_use]
pub fn parse_status(word: &str) -> Option<AccountStatus> {
    let known = [
        AccountStatus::Active,
        AccountStatus::Disabled,
        AccountStatus::PendingApproval,
    ];
    known.into_iter().find(|known| status(*known) == word)
}
