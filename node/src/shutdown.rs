//! The end of a node: told to everyone by [`Stop`], begun by a signal or by a fault of the store.

use std::io;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// Tells everyone who holds a [`Stop`]. Dropping it tells them too.
#[derive(Debug)]
pub struct Stopper(watch::Sender<bool>);

/// Waits for the word to stop. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Stop(watch::Receiver<bool>);

/// One who tells, and what those who wait for it hold.
#[must_use]
pub fn channel() -> (Stopper, Stop) {
    let (sender, receiver) = watch::channel(false);
    (Stopper(sender), Stop(receiver))
}

impl Stopper {
    /// Tells everyone, those who ask later too.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

impl Stop {
    /// Returns when it is time to stop; at once if it was time before.
    pub async fn wait(&mut self) {
        // An error means that the other end is gone: also the end.
        let _ = self.0.wait_for(|stop| *stop).await;
    }
}

/// The signals that ask a process to stop.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Catches SIGTERM and SIGINT from now on.
    ///
    /// # Errors
    /// The system refuses handlers.
    pub fn catch() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// The name of the next one.
    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn everyone_is_told_and_late_comers_too() {
        let (stopper, mut early) = channel();
        let mut late = early.clone();
        let waiting = tokio::spawn(async move { early.wait().await });
        stopper.stop();
        waiting.await.unwrap();
        late.wait().await;
    }

    #[tokio::test]
    async fn a_stopper_that_is_gone_stops_too() {
        let (stopper, mut stop) = channel();
        drop(stopper);
        stop.wait().await;
    }
}
