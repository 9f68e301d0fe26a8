//! The part of the load balancer that follows the configuration while it runs: one value, replaced as a whole.
//!
//! A request takes it once, when it comes, and goes by it to its end.

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::config::Config;
use crate::flood::{Flood, Rate};

/// What requests go by.
pub struct Live {
    /// The configuration.
    pub config: Arc<Config>,
    /// Counts requests per address.
    pub requests: Arc<Flood>,
    /// Counts requests per address that cost a hash.
    pub logins: Arc<Flood>,
}

/// The current value, shared by everything that needs it.
pub type SharedLive = Arc<ArcSwap<Live>>;

impl Live {
    /// From a first configuration.
    pub fn new(config: Arc<Config>) -> Self {
        Self {
            requests: Arc::new(requests(&config)),
            logins: Arc::new(logins(&config)),
            config,
        }
    }

    /// From a next one. What was counted stays counted, unless its limit changed.
    #[must_use]
    pub fn successor(&self, config: Arc<Config>) -> Self {
        let (before, after) = (self.config.limits, config.limits);
        Self {
            requests: if before.requests_per_second == after.requests_per_second {
                Arc::clone(&self.requests)
            } else {
                Arc::new(requests(&config))
            },
            logins: if before.logins_per_minute == after.logins_per_minute {
                Arc::clone(&self.logins)
            } else {
                Arc::new(logins(&config))
            },
            config,
        }
    }

    /// The same, to be shared.
    pub fn shared(self) -> SharedLive {
        Arc::new(ArcSwap::from_pointee(self))
    }
}

fn requests(config: &Config) -> Flood {
    Flood::new(Rate::new(config.limits.requests_per_second, 1_000_000))
}

fn logins(config: &Config) -> Flood {
    Flood::new(Rate::new(config.limits.logins_per_minute, 60_000_000))
}
