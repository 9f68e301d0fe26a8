//! Bounds that both sides of the wire must agree on.

/// Largest request body that any surface accepts.
pub const BODY_BYTES_MAX: usize = 64 * 1024;
/// Length of a request id or an operation id in its textual form.
pub const REQUEST_ID_CHARS: usize = 32;
/// Longest `Idempotency-Key`, in visible ASCII characters.
pub const IDEMPOTENCY_KEY_CHARS_MAX: usize = 64;
/// Longest user name, in characters.
pub const USERNAME_CHARS_MAX: usize = 150;
/// Longest mail address, in characters (RFC 5321).
pub const EMAIL_CHARS_MAX: usize = 254;
/// Longest password, in characters.
pub const PASSWORD_CHARS_MAX: usize = 256;
/// Longest code of any second factor as a person may type it, in characters; a recovery code has 29.
pub const CODE_CHARS_MAX: usize = 64;
/// Longest token or id that a client hands back, in characters.
pub const TOKEN_CHARS_MAX: usize = 4096;
/// Longest name that an owner gives to something, in characters.
pub const LABEL_CHARS_MAX: usize = 64;
/// Most rows of one page of a listing.
pub const PAGE_ROWS_MAX: u64 = 100;
/// Longest search text, in characters.
pub const SEARCH_CHARS_MAX: usize = 254;
/// Longest reason that an administrator gives, in characters.
pub const REASON_CHARS_MAX: usize = 200;
