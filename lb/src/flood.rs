//! Flood limits per client address: how many requests an address may send before it has to wait.
//!
//! Approximate and per process, on purpose: limits that protect an account live in the replicated state. Pure except for
//! its atomics; the time is an argument. No locks, and no memory that grows with the number of addresses.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::limits::FLOOD_SLOTS;

/// A generic cell rate: `burst` requests at once, then one per interval.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    interval_us: u64,
    tolerance_us: u64,
}

impl Rate {
    /// `count` requests per `period_us`, all of which may come at once.
    pub fn new(count: u64, period_us: u64) -> Self {
        let interval_us = period_us.div_ceil(count.max(1)).max(1);
        Self {
            interval_us,
            tolerance_us: interval_us.saturating_mul(count.max(1) - 1),
        }
    }

    /// Given the time `due_us` at which the address's account would be level, the same after one more request, or the
    /// microseconds to wait for it.
    fn admit(self, due_us: u64, now_us: u64) -> Result<u64, u64> {
        let due_us = due_us.max(now_us);
        let ahead_us = due_us - now_us;
        if ahead_us > self.tolerance_us {
            Err(ahead_us - self.tolerance_us)
        } else {
            Ok(due_us + self.interval_us)
        }
    }
}

/// The accounts of all addresses, hashed into two rows: an address is refused only when both of its slots say so.
pub struct Flood {
    rate: Rate,
    hashers: [RandomState; 2],
    rows: [Box<[AtomicU64]>; 2],
}

impl Flood {
    /// An empty table for one limit.
    pub fn new(rate: Rate) -> Self {
        let row = || (0..FLOOD_SLOTS).map(|_| AtomicU64::new(0)).collect();
        Self {
            rate,
            hashers: [RandomState::new(), RandomState::new()],
            rows: [row(), row()],
        }
    }

    /// Counts one request of `address`.
    ///
    /// # Errors
    /// The seconds to wait, at least one, when the address sent too many.
    pub fn admit(&self, address: IpAddr, now_us: u64) -> Result<(), u64> {
        let key = key_of(address);
        let mut wait_us = u64::MAX;
        let mut admitted = false;
        for (hasher, row) in self.hashers.iter().zip(&self.rows) {
            match self.admit_in(&row[slot_of(hasher.hash_one(key))], now_us) {
                Ok(()) => admitted = true,
                Err(wait) => wait_us = wait_us.min(wait),
            }
        }
        if admitted {
            Ok(())
        } else {
            Err(wait_us.div_ceil(1_000_000).max(1))
        }
    }

    fn admit_in(&self, slot: &AtomicU64, now_us: u64) -> Result<(), u64> {
        let mut due_us = slot.load(Ordering::Relaxed);
        loop {
            let next_us = self.rate.admit(due_us, now_us)?;
            match slot.compare_exchange_weak(due_us, next_us, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Ok(()),
                Err(current) => due_us = current,
            }
        }
    }
}

fn slot_of(hash: u64) -> usize {
    usize::try_from(hash).unwrap_or(usize::MAX) & (FLOOD_SLOTS - 1)
}

/// An IPv4 address counts by itself, an IPv6 address by its /64: that is what one customer gets.
pub(crate) fn key_of(address: IpAddr) -> u64 {
    match address.to_canonical() {
        IpAddr::V4(address) => u64::from(address.to_bits()),
        IpAddr::V6(address) => {
            u64::try_from(address.to_bits() >> 64)
                .unwrap_or(u64::MAX)
                .rotate_left(1)
                | 1 << 63
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND_US: u64 = 1_000_000;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("a literal address")
    }

    #[test]
    fn an_address_may_send_its_burst_and_then_one_per_interval() {
        let flood = Flood::new(Rate::new(10, SECOND_US));
        let client = address("192.0.2.1");
        assert!((0..10).all(|_| flood.admit(client, 0).is_ok()));
        assert_eq!(flood.admit(client, 0), Err(1));
        assert!(flood.admit(client, SECOND_US / 10).is_ok());
        assert!(flood.admit(client, SECOND_US / 10).is_err());
    }

    #[test]
    fn another_address_is_not_affected() {
        let flood = Flood::new(Rate::new(1, 60 * SECOND_US));
        assert!(flood.admit(address("192.0.2.1"), 0).is_ok());
        assert_eq!(flood.admit(address("192.0.2.1"), 0), Err(60));
        assert!(flood.admit(address("192.0.2.2"), 0).is_ok());
    }

    #[test]
    fn an_ipv6_network_of_64_bits_counts_as_one_address() {
        let flood = Flood::new(Rate::new(1, SECOND_US));
        assert!(flood.admit(address("2001:db8:0:1::1"), 0).is_ok());
        assert!(flood.admit(address("2001:db8:0:1:ffff::2"), 0).is_err());
        assert!(flood.admit(address("2001:db8:0:2::1"), 0).is_ok());
    }

    #[test]
    fn an_ipv4_address_written_as_ipv6_is_the_same_client() {
        let flood = Flood::new(Rate::new(1, SECOND_US));
        assert!(flood.admit(address("192.0.2.1"), 0).is_ok());
        assert!(flood.admit(address("::ffff:192.0.2.1"), 0).is_err());
    }

    proptest! {
        #[test]
        fn no_window_admits_more_than_twice_the_rate(count in 1u64..50, mut times in prop::collection::vec(0u64..SECOND_US, 1..400)) {
            times.sort_unstable();
            let flood = Flood::new(Rate::new(count, SECOND_US));
            let admitted = times.iter().filter(|now_us| flood.admit(address("192.0.2.1"), **now_us).is_ok()).count();
            prop_assert!(u64::try_from(admitted).expect("small") <= 2 * count);
        }
    }
}
