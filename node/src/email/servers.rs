//! Which mail server is asked next: the first in order of preference that is well. One that failed rests, for longer
//! each time; when all rest, mail waits without being counted as failed.

use super::smtp::Server;
use super::transport::SendError;
use crate::clock;
use crate::limits::{SERVER_REST_MAX, SERVER_REST_MIN};
use lettre::Message;
use parking_lot::Mutex;
use std::time::{Duration, Instant};

/// Mail servers in order of preference, and how each fared lately.
pub(super) struct Servers {
    servers: Vec<(Server, Mutex<Health>)>,
}

/// How a server fared lately.
#[derive(Clone, Copy, Debug, Default)]
struct Health {
    failures: u32,
    rests_until: Option<Instant>,
}

impl Health {
    fn may_work(&self, now: Instant) -> bool {
        self.rests_until.is_none_or(|end| end <= now)
    }

    /// Rests for longer with each failure in a row.
    fn failed(&mut self, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        self.rests_until = Some(now + rest(self.failures));
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

    /// Hands one mail to the first server that takes it.
    pub(super) async fn send(&self, message: &Message) -> Result<(), SendError> {
        let mut said = SendError::Server("every mail server rests after a failure".into());
        for (server, health) in &self.servers {
            if !health.lock().may_work(clock::monotonic()) {
                continue;
            }
            let sent = server.send(message).await;
            match sent {
                Err(SendError::Server(reason)) => {
                    health.lock().failed(clock::monotonic());
                    tracing::warn!(server = server.name(), reason, "a mail server failed");
                    said = SendError::Server(reason);
                }
                Ok(()) | Err(SendError::Later(_) | SendError::Never(_)) => {
                    health.lock().worked();
                    return sent;
                }
            }
        }
        Err(said)
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
        assert!(!health.may_work(now) && health.may_work(now + SERVER_REST_MIN));
        health.failed(now);
        assert!(!health.may_work(now + SERVER_REST_MIN));
        health.worked();
        assert!(health.may_work(now));
    }
}
