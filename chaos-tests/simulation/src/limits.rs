//! Bounds, with their units.

/// States that the checker remembers for one key before it gives up without a verdict.
pub const CHECK_STATES_MAX: usize = 2_000_000;

/// Calls of a failing prefix that a message shows.
pub const SHOWN_CALLS_MAX: usize = 12;
