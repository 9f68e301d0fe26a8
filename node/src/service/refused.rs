//! Refusals that no entry records, as lines of the log (LG-1): who was refused what, where, and from where. Nothing secret, and
//! nothing that a caller has typed. What was looked at and refused is in the audit instead.

use super::ServiceError;
use crate::http::context::RequestContext;
use auth_core::ids::AccountId;
use auth_core::reply::Denial;
use auth_core::time::Timestamp;

/// A guess that would be one too many, and is not looked at. `account` is none where there is no account of that name.
pub(super) fn over_budget(
    ctx: &RequestContext,
    verb: &'static str,
    account: Option<AccountId>,
    until: Timestamp,
) -> ServiceError {
    let denial = Denial::TooManyAttempts { until };
    let account = account.map_or_else(|| "none".to_owned(), |account| account.hex());
    tracing::info!(
        target: "refused",
        event = "over_budget",
        %account,
        address = %ctx.client_address,
        verb,
        code = denial.code(),
        "a guess was refused without being looked at"
    );
    ServiceError::Denied(denial)
}
