//! What the node tells about itself: JSON log lines, spans and numbers. Never a secret, never a body.

mod families;
pub mod hash_collector;
#[cfg(test)]
mod live_tests;
pub mod logs;
pub mod metrics;
pub mod store_collector;
pub mod trace;
