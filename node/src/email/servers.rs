//! Which mail server is asked next: the first in order of preference that is well. One that failed rests, for longer
//! each time; when all rest, mail waits without being counted as failed. One at which several messages in a row broke off
//! is doubted: it is asked last for a while, and what breaks off there is not the messages' fault.

use super::smtp::Server;
use super::transport::SendError;
use crate::clock;
use crate::limits::{SERVER_BREAKS_MAX, SERVER_REST_MAX, SERVER_REST_MIN};
use lettre::Message;
use parking_lot::Mutex;
use std::time::{Duration, Instant};

/// Mail servers in order of preference, and how each fared lately.
pub(super) struct Servers {
    servers: Vec<(Server, Mutex<Health>)>,
}

/// How a server fared lately.
#[derive(Clone, Debug, Default)]
struct Health {
    failures: u32,
    rests_until: Option<Instant>,
    asked_last_until: Option<Instant>,
    /// Different messages that broke off since one last did not.
    broke_off: Vec<u64>,
}

impl Health {
    fn may_work(&self, now: Instant) -> bool {
        self.rests_until.is_none_or(|end| end <= now)
    }

    fn is_asked_last(&self, now: Instant) -> bool {
        self.asked_last_until.is_some_and(|end| now < end)
    }

    /// Rests for longer with each failure in a row. Those of conversations that were held at the same time are one.
    fn failed(&mut self, now: Instant) {
        if !self.may_work(now) {
            return;
        }
        self.failures = self.failures.saturating_add(1);
        self.rests_until = Some(now + rest(self.failures));
    }

    /// Whether that is the server's fault: it was so with several messages, and with nothing but them. It does not rest
    /// for that: messages that nobody takes must not hold up the others.
    fn broke_off(&mut self, key: u64, now: Instant) -> bool {
        if !self.broke_off.contains(&key) && self.broke_off.len() < SERVER_BREAKS_MAX {
            self.broke_off.push(key);
        }
        let is_at_fault = self.broke_off.len() >= SERVER_BREAKS_MAX;
        if is_at_fault && !self.is_asked_last(now) {
            self.failures = self.failures.saturating_add(1);
            self.asked_last_until = Some(now + rest(self.failures));
        }
        is_at_fault
    }

    fn worked(&mut self) {
        *self = Self::default();
    }
}

/// The rest after so many failures in a row.
pub(crate) fn rest(failures: u32) -> Duration {
    let factor = 1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX);
    SERVER_REST_MIN.saturating_mul(factor).min(SERVER_REST_MAX)
}

impl Servers {
    pub(super) fn new(servers: Vec<Server>) -> Self {
        Self {
            servers: servers.into_iter().map(|server| (server, Mutex::default())).collect(),
        }
    }

    /// Whether none may be asked at this moment.
    pub(super) fn all_rest(&self, now: Instant) -> bool {
        self.servers.iter().all(|(_, health)| !health.lock().may_work(now))
    }

    /// Hands one mail to the first server that takes it. `key` names it.
    pub(super) async fn send(&self, key: u64, message: &Message) -> Result<(), SendError> {
        let mut said = SendError::Server("every mail server rests after a failure".into());
        for (server, health) in self.order(clock::monotonic()) {
            let sent = server.send(message).await;
            let now = clock::monotonic();
            match sent {
                Err(SendError::Server(reason)) => {
                    health.lock().failed(now);
                    tracing::warn!(server = server.name(), reason, "a mail server failed");
                    said = SendError::Server(reason);
                }
                Err(SendError::BrokeOff(reason)) => {
                    let is_at_fault = health.lock().broke_off(key, now);
                    tracing::warn!(server = server.name(), reason, is_at_fault, "a mail server broke off");
                    said = if is_at_fault {
                        SendError::Server(reason)
                    } else {
                        SendError::BrokeOff(reason)
                    };
                }
                Ok(()) | Err(SendError::Later(_) | SendError::Never(_)) => {
                    health.lock().worked();
                    return sent;
                }
            }
        }
        Err(said)
    }

    /// Those that may be asked, the doubted ones last.
    fn order(&self, now: Instant) -> Vec<&(Server, Mutex<Health>)> {
        let may_work = |(_, health): &&(Server, Mutex<Health>)| health.lock().may_work(now);
        let mut order: Vec<_> = self.servers.iter().filter(may_work).collect();
        order.sort_by_key(|(_, health)| health.lock().is_asked_last(now));
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_rests_for_longer_with_each_failure_and_is_well_after_one_success() {
        assert_eq!(rest(1), SERVER_REST_MIN);
        assert_eq!(rest(2), SERVER_REST_MIN * 2);
        assert_eq!(rest(u32::MAX), SERVER_REST_MAX);
        let now = clock::monotonic();
        let mut health = Health::default();
        assert!(health.may_work(now));
        health.failed(now);
        health.failed(now);
        assert!(!health.may_work(now) && health.may_work(now + SERVER_REST_MIN));
        health.failed(now + SERVER_REST_MIN);
        assert!(!health.may_work(now + SERVER_REST_MIN * 2));
        health.worked();
        assert!(health.may_work(now));
    }

    #[test]
    fn one_message_never_makes_a_server_doubted_and_several_different_ones_do_until_one_is_taken() {
        let now = clock::monotonic();
        let mut health = Health::default();
        for _ in 0..10 {
            assert!(!health.broke_off(1, now) && !health.broke_off(2, now));
        }
        assert!(health.may_work(now) && !health.is_asked_last(now));
        assert!(health.broke_off(3, now) && health.is_asked_last(now));
        assert!(health.may_work(now), "it is asked when there is no other");
        assert!(!health.is_asked_last(now + SERVER_REST_MIN));
        assert!(
            health.broke_off(1, now),
            "of nobody that breaks off there it is the fault"
        );
        health.worked();
        assert!(!health.broke_off(1, now) && !health.is_asked_last(now));
    }
}
