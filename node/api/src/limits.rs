//! Bounds that both sides of the wire must agree on.

/// Largest request body that any surface accepts.
pub const BODY_BYTES_MAX: usize = 64 * 1024;
/// Length of a request id or an operation id in its textual form.
pub const REQUEST_ID_CHARS: usize = 32;
