//! How many guesses one client address may make at this node in a minute (TH-6). Checked before anything is hashed.
//!
//! Node-local and forgetful on purpose: it takes the edge off a flood. What must hold cluster-wide and for ever is the
//! budget per account, and that is in the log. IPv6 addresses count per /64, which is what one customer has.

use super::ServiceError;
use super::limits::FLOOD_ADDRESSES_MAX;
use auth_core::reply::Denial;
use auth_core::time::Timestamp;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// The window that the limit is told for.
const WINDOW: Duration = Duration::from_secs(60);

/// The limiter: the generic cell rate algorithm, one cell per address.
pub(super) struct FloodLimit {
    /// Time that one guess uses up.
    cost: Duration,
    seen: Mutex<Seen>,
}

/// When each address has paid for its guesses. Two generations: when the younger is full the older is forgotten, so that
/// memory is bounded and no call has to sweep.
#[derive(Default)]
struct Seen {
    young: HashMap<IpAddr, Instant>,
    old: HashMap<IpAddr, Instant>,
}

impl FloodLimit {
    pub(super) fn new(per_minute: u32) -> Self {
        Self {
            cost: WINDOW / per_minute.max(1),
            seen: Mutex::default(),
        }
    }

    /// Counts a guess of `address`, or tells how long it must wait. A whole minute's guesses may come at once.
    pub(super) fn admit(&self, address: IpAddr, now: Instant) -> Result<(), Duration> {
        let address = network(address);
        let mut seen = self.seen.lock();
        let paid_until = seen
            .young
            .get(&address)
            .or_else(|| seen.old.get(&address))
            .map_or(now, |paid| now.max(*paid));
        let after = paid_until + self.cost;
        if after > now + WINDOW {
            return Err(after - now - WINDOW);
        }
        if seen.young.len() >= FLOOD_ADDRESSES_MAX && !seen.young.contains_key(&address) {
            seen.old = std::mem::take(&mut seen.young);
        }
        seen.young.insert(address, after);
        Ok(())
    }
}

/// The refusal of a flood, in the form that every "too many" has.
pub(super) fn refused(wait: Duration, now: Timestamp) -> ServiceError {
    let seconds = wait.as_secs() + 1;
    ServiceError::Denied(Denial::TooManyAttempts {
        until: now.plus_seconds(seconds),
    })
}

/// The address as it is counted.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64))),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    fn v4(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    #[test]
    fn th_6_a_minutes_guesses_may_come_at_once_and_then_drip() {
        let limit = FloodLimit::new(30);
        let now = clock::monotonic();
        for guess in 0..30 {
            assert_eq!(limit.admit(v4(1), now), Ok(()), "guess {guess}");
        }
        assert_eq!(limit.admit(v4(1), now), Err(Duration::from_secs(2)));
        assert_eq!(limit.admit(v4(2), now), Ok(()), "another address");
        let later = now + Duration::from_secs(2);
        assert_eq!(limit.admit(v4(1), later), Ok(()));
        assert!(limit.admit(v4(1), later).is_err());
        let minute_later = later + WINDOW;
        assert!((0..30).all(|_| limit.admit(v4(1), minute_later).is_ok()));
    }

    #[test]
    fn th_6_a_customer_of_ipv6_is_one_address() {
        let limit = FloodLimit::new(1);
        let now = clock::monotonic();
        assert!(limit.admit("2001:db8:0:1::1".parse().unwrap(), now).is_ok());
        assert!(limit.admit("2001:db8:0:1:ffff::2".parse().unwrap(), now).is_err());
        assert!(limit.admit("2001:db8:0:2::1".parse().unwrap(), now).is_ok());
        assert!(limit.admit(v4(9), now).is_ok());
        assert!(
            limit.admit("::ffff:192.0.2.9".parse().unwrap(), now).is_err(),
            "the same in another notation"
        );
    }

    #[test]
    fn memory_is_bounded_and_the_busy_are_remembered() {
        let limit = FloodLimit::new(1);
        let now = clock::monotonic();
        assert!(limit.admit(v4(1), now).is_ok());
        for other in 0..FLOOD_ADDRESSES_MAX as u32 {
            assert!(
                limit
                    .admit(std::net::Ipv4Addr::from_bits(0x0a00_0000 + other).into(), now)
                    .is_ok()
            );
        }
        assert!(limit.admit(v4(1), now).is_err(), "in the older generation now");
        let seen = limit.seen.lock();
        assert!(seen.young.len() + seen.old.len() <= 2 * FLOOD_ADDRESSES_MAX);
    }
}
