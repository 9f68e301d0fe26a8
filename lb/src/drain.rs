//! The life of the process: requests in flight, the announcement that it is about to go, and the signals that ask for it.
//!
//! It closes nothing itself; `serve` acts on what is awaited here.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;

/// What is going on in the process.
#[derive(Default)]
pub struct Lifecycle {
    draining: AtomicBool,
    in_flight: AtomicU64,
    left: Notify,
}

impl Lifecycle {
    /// A process that serves.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Counts a request until the presence is dropped.
    pub fn enter(self: &Arc<Self>) -> Presence {
        self.in_flight.fetch_add(1, Ordering::AcqRel);
        Presence(Arc::clone(self))
    }

    /// Requests in flight.
    pub fn in_flight(&self) -> u64 {
        self.in_flight.load(Ordering::Acquire)
    }

    /// Readiness is denied from now on, and connections are closed after their next answer.
    pub fn start_draining(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// Whether the process is about to go.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// Waits until no request is in flight.
    pub async fn empty(&self) {
        loop {
            let left = self.left.notified();
            tokio::pin!(left);
            left.as_mut().enable();
            if self.in_flight() == 0 {
                return;
            }
            left.await;
        }
    }
}

/// A request in flight.
pub struct Presence(Arc<Lifecycle>);

impl Drop for Presence {
    fn drop(&mut self) {
        if self.0.in_flight.fetch_sub(1, Ordering::AcqRel) == 1 && self.0.is_draining() {
            self.0.left.notify_waiters();
        }
    }
}

/// What the operator asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Go, and drop nothing. Asked again: do not wait any longer for others to notice.
    Leave,
    /// Go now.
    LeaveAtOnce,
    /// Read the configuration again.
    Reload,
}

/// The signals of the process.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    /// Starts to listen; from now on none of the signals ends the process by itself.
    ///
    /// # Errors
    /// The system refuses.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// The next signal that asks to leave.
    pub async fn next_to_leave(&mut self) -> Ask {
        loop {
            match self.next().await {
                Ask::Reload => {}
                ask @ (Ask::Leave | Ask::LeaveAtOnce) => return ask,
            }
        }
    }

    /// Waits for the signal to leave at once.
    pub async fn next_at_once(&mut self) {
        while self.next().await != Ask::LeaveAtOnce {}
    }

    /// The next signal.
    pub async fn next(&mut self) -> Ask {
        tokio::select! {
            _ = self.terminate.recv() => Ask::Leave,
            _ = self.interrupt.recv() => Ask::LeaveAtOnce,
            _ = self.hangup.recv() => Ask::Reload,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn draining_waits_for_the_last_request() {
        let lifecycle = Lifecycle::new();
        let (first, second) = (lifecycle.enter(), lifecycle.enter());
        lifecycle.start_draining();
        let waiting = tokio::spawn({
            let lifecycle = Arc::clone(&lifecycle);
            async move { lifecycle.empty().await }
        });
        drop(first);
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(second);
        tokio::time::timeout(Duration::from_secs(5), waiting)
            .await
            .expect("in time")
            .expect("no panic");
    }
}
