//! Every call of the wire contract.

use crate::operation::{Answer, Operation};
use crate::{dialect_002, dialect_003, dialect_004, paths, v1};

/// The public keys.
pub const JWKS: Operation = Operation::get(
    paths::JWKS,
    "jwks",
    "Service",
    "The public keys that verify access tokens. May be kept for five minutes.",
)
.answers(&[Answer::media(200, "A JWK set.", &["application/json"])]);

/// This document.
pub const OPENAPI: Operation = Operation::get(paths::OPENAPI, "openapi", "Service", "This document, OpenAPI 3.1.")
    .answers(&[Answer::media(200, "The document.", &["application/json"])]);

/// The same for people.
pub const DOCS: Operation = Operation::get(paths::DOCS, "docs", "Service", "This document as a page.")
    .answers(&[Answer::media(200, "A page.", &["text/html; charset=utf-8"])]);

/// All of them, in the order of the document.
pub const ALL: &[Operation] = &[
    v1::accounts::REGISTER,
    v1::accounts::OWN,
    v1::accounts::DELETE,
    v1::accounts::CHANGE_PASSWORD,
    v1::accounts::CHANGE_EMAIL,
    v1::accounts::CONFIRM_EMAIL,
    v1::accounts::RESET,
    v1::accounts::CONFIRM_RESET,
    v1::login::LOGIN,
    v1::login::SEND_CODE,
    v1::login::VERIFY,
    v1::sessions::REFRESH,
    v1::sessions::LOGOUT,
    v1::sessions::LIST,
    v1::sessions::END,
    v1::sessions::END_OTHERS,
    v1::sessions::STEP_UP,
    v1::factors::LIST,
    v1::factors::ADD_TOTP,
    v1::factors::CONFIRM,
    v1::factors::REMOVE,
    v1::factors::EMAIL,
    v1::factors::RECOVERY,
    v1::devices::LIST,
    v1::devices::FORGET,
    v1::audit::OWN,
    v1::admin::ACCOUNTS,
    v1::admin::ACCOUNT,
    v1::admin::CHANGE_ACCOUNT,
    v1::admin::AUDIT,
    v1::policy::READ,
    v1::policy::CHANGE,
    v1::policy::DRY_RUN,
    dialect_002::LOGIN,
    dialect_002::VALIDATE,
    dialect_002::UPDATE_PROFILE,
    dialect_002::LOGOUT,
    dialect_003::CREATE_USER,
    dialect_003::PUBLIC_USER,
    dialect_003::ENROL,
    dialect_003::LOG_IN,
    dialect_003::OWN_USER,
    dialect_003::REFRESH_TOKENS,
    dialect_004::LOGIN,
    dialect_004::VERIFY,
    dialect_004::REFRESH,
    dialect_004::LOGOUT,
    JWKS,
    OPENAPI,
    DOCS,
];

/// The call of a method and a path as the table has it.
#[must_use]
pub fn find(method: &str, path: &str) -> Option<&'static Operation> {
    ALL.iter()
        .find(|operation| operation.method.as_str() == method && operation.path == path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_unique_and_none_hides_another() {
        for (at, one) in ALL.iter().enumerate() {
            for other in &ALL[..at] {
                assert_ne!((one.method, one.path), (other.method, other.path));
                assert_ne!(one.id, other.id);
            }
            assert!(!one.path.ends_with('/') && one.path.starts_with('/'), "{}", one.path);
            assert!(!one.answers.is_empty(), "{}", one.id);
        }
    }
}
