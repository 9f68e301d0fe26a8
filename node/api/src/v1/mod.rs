//! The native API. Unknown fields are refused; errors are problems (RFC 9457).

pub mod accounts;
pub mod admin;
pub mod audit;
pub mod devices;
pub mod factors;
pub mod login;
pub mod policy;
pub mod sessions;

use crate::body::Kind;
use crate::limits::{
    CODE_CHARS_MAX, EMAIL_CHARS_MAX, LABEL_CHARS_MAX, PAGE_ROWS_MAX, PASSWORD_CHARS_MAX, TOKEN_CHARS_MAX,
    USERNAME_CHARS_MAX,
};

/// A user name.
pub const USERNAME: Kind = Kind::Text {
    min: 1,
    max: USERNAME_CHARS_MAX,
};
/// A mail address.
pub const EMAIL: Kind = Kind::Text {
    min: 3,
    max: EMAIL_CHARS_MAX,
};
/// A name or an address.
pub const IDENTIFIER: Kind = Kind::Text {
    min: 1,
    max: EMAIL_CHARS_MAX,
};
/// A password, new or claimed. How short a new one may be is the policy's matter.
pub const PASSWORD: Kind = Kind::Text {
    min: 1,
    max: PASSWORD_CHARS_MAX,
};
/// A code of a second factor.
pub const CODE: Kind = Kind::Text {
    min: 1,
    max: CODE_CHARS_MAX,
};
/// A token.
pub const TOKEN: Kind = Kind::Text {
    min: 1,
    max: TOKEN_CHARS_MAX,
};
/// A name that an owner gives.
pub const LABEL: Kind = Kind::Text {
    min: 1,
    max: LABEL_CHARS_MAX,
};
/// Rows of a page.
pub const PAGE: Kind = Kind::Count {
    min: 1,
    max: PAGE_ROWS_MAX,
};
/// Where a page begins.
pub const CURSOR: Kind = Kind::Text { min: 1, max: 128 };
/// Second factors that a code may come from.
pub const METHOD: Kind = Kind::OneOf(&["totp", "email", "recovery_code"]);
