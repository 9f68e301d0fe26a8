//! Counts connections, of everybody and of each address, and says when there are enough. It closes nothing.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::flood::key_of;

/// The connections that are open.
#[derive(Default)]
pub struct Crowd {
    total: AtomicUsize,
    by_address: Mutex<HashMap<u64, u32>>,
    left: Notify,
}

/// One open connection; counted until it is dropped.
pub(super) struct Place {
    crowd: Arc<Crowd>,
    key: Option<u64>,
}

impl Crowd {
    /// Nobody.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// A place for one more, unless there are `limit` already.
    pub(super) fn enter(crowd: &Arc<Self>, limit: usize) -> Option<Place> {
        let before = crowd.total.fetch_add(1, Ordering::Relaxed);
        let place = Place {
            crowd: Arc::clone(crowd),
            key: None,
        };
        (before < limit).then_some(place)
    }

    /// Open connections.
    pub fn total(&self) -> usize {
        self.total.load(Ordering::Acquire)
    }

    /// Waits until no connection is open.
    pub(super) async fn empty(&self) {
        loop {
            let left = self.left.notified();
            tokio::pin!(left);
            left.as_mut().enable();
            if self.total() == 0 {
                return;
            }
            left.await;
        }
    }
}

impl Place {
    /// Counts the connection for its address too, unless that one has `limit` already. Called at most once.
    pub(super) fn claim(&mut self, address: IpAddr, limit: u32) -> bool {
        let key = key_of(address);
        let mut by_address = self.crowd.by_address.lock();
        let count = by_address.entry(key).or_default();
        if *count >= limit {
            return false;
        }
        *count += 1;
        drop(by_address);
        self.key = Some(key);
        true
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.crowd.total.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.crowd.left.notify_waiters();
        }
        let Some(key) = self.key else { return };
        let mut by_address = self.crowd.by_address.lock();
        if let Some(count) = by_address.get_mut(&key) {
            *count -= 1;
            if *count == 0 {
                by_address.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_comes_in_over_the_total_and_whoever_leaves_makes_room() {
        let crowd = Crowd::new();
        let (first, _second) = (Crowd::enter(&crowd, 2), Crowd::enter(&crowd, 2));
        assert!(Crowd::enter(&crowd, 2).is_none());
        assert_eq!(crowd.total(), 2);
        drop(first);
        assert!(Crowd::enter(&crowd, 2).is_some());
    }

    #[tokio::test]
    async fn whoever_waits_for_the_last_one_is_told() {
        let crowd = Crowd::new();
        let place = Crowd::enter(&crowd, 1).expect("room");
        let waiting = tokio::spawn({
            let crowd = Arc::clone(&crowd);
            async move { crowd.empty().await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(place);
        waiting.await.expect("no panic");
    }

    #[test]
    fn an_address_has_its_own_limit_and_leaves_nothing_behind() {
        let crowd = Crowd::new();
        let claim = |address: &str| {
            let mut place = Crowd::enter(&crowd, 100).expect("room");
            place.claim(address.parse().expect("an address"), 2).then_some(place)
        };
        let (first, second) = (claim("192.0.2.1"), claim("::ffff:192.0.2.1"));
        assert!(first.is_some() && second.is_some());
        assert!(claim("192.0.2.1").is_none());
        assert!(claim("192.0.2.2").is_some());
        let _neighbours = (claim("2001:db8::1"), claim("2001:db8::2"));
        assert!(
            claim("2001:db8::3").is_none(),
            "an IPv6 network of 64 bits counts as one address"
        );
        drop(first);
        assert!(claim("192.0.2.1").is_some());
        drop((second, _neighbours));
        assert_eq!((crowd.total(), crowd.by_address.lock().len()), (0, 0));
    }
}
