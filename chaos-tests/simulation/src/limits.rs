//! Bounds, with their units.

/// States that the checker remembers for one key before it gives up without a verdict.
pub const CHECK_STATES_MAX: usize = 2_000_000;

/// Calls of a failing prefix that a message shows.
pub const SHOWN_CALLS_MAX: usize = 12;

/// Replicas compare their rows after every so many entries.
pub const DIGEST_ENTRIES: usize = 32;

/// Steps of one run of the rules, before it heals.
pub const RULES_STEPS: u64 = 900;

/// Rounds within which everybody must be answered once everything is healed.
pub const HEALED_ROUNDS_MAX: u64 = 12;

/// Tries of one request before its client gives up and does not know.
pub const TRIES_MAX: u32 = 4;

/// How long after its first proposal a request is proposed again with a new time, at most.
pub const RETRIED_FOR_SECONDS: u64 = 60;

/// Failures that a report shows.
pub const FAILURES_SHOWN_MAX: usize = 10;

/// Seeds from which on every fault and every outcome must have happened.
pub const COVERED_SEEDS_MIN: u64 = 50;

/// One seed in so many may be left without a verdict of the checker.
pub const UNDECIDED_ONE_IN: u64 = 200;

/// Seeds that run between two lines of a file of figures.
pub const KEPT_SEEDS: u64 = 250;

/// Clients of a run of the store.
pub const STORE_CLIENTS: u64 = 4;

/// Faults of a run of the store, and ends of faults.
pub const STORE_FAULTS: u64 = 24;

/// How long a healed cluster may take until it serves, in simulated milliseconds.
pub const HEALED_MS_MAX: u64 = 5_000;

/// How long it may take until somebody leads, in simulated milliseconds.
pub const LEADER_MS_MAX: u64 = 3_000;

/// How long a healed quorum must go on serving while the others stay broken, in simulated milliseconds.
pub const STEADY_MS: u64 = 4_000;

/// The longest time without an answer meanwhile.
pub const UNSERVED_MS_MAX: u64 = 3_000;

/// Every so many seeds one runs twice, to be compared bit for bit.
pub const TWICE_EVERY: u64 = 50;
