//! Password hashing on threads of its own, behind a bounded queue.
//!
//! A login is 95 % Argon2. Dedicated threads of low priority, each with one block buffer that it uses again and again,
//! keep that from the runtime that answers heartbeats; a queue with a deadline keeps a flood from turning every answer
//! late. Nothing here knows accounts, and no password leaves this module except as a PHC string.

mod metrics;
mod params;
mod phc;
mod pool;
mod queue;

pub use metrics::{BUCKETS_US, HashMetrics, Histogram};
pub use params::{HashParams, HashParamsError};
pub use pool::{HashPool, HashSettings};

use thiserror::Error;

/// Why there is no hash.
#[derive(Debug, Error)]
pub enum HashError {
    /// The queue is full, or too long for the deadline.
    #[error("the hash queue is too long, retry in {retry_after_s} s")]
    Overloaded {
        /// When it may be shorter, in seconds.
        retry_after_s: u64,
    },
    /// The pool is shutting down.
    #[error("the hash pool has stopped")]
    Stopped,
    /// A stored hash is not one that this version makes or bounds.
    #[error("{0}")]
    BadRecord(String),
}
