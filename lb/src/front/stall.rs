//! Cuts off a client that takes nothing of what it is sent. pingora gives a time to the pieces of a body only, and none to heads,
//! flushes and the closing words, during which an answer holds its place.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Sleep, sleep};

use crate::limits::CLIENT_WRITE_MS_MAX;

/// Runs while a client has to be waited for; whatever gets on stops it.
#[derive(Debug, Default)]
pub(super) struct Stall(Option<Pin<Box<Sleep>>>);

impl Stall {
    /// The outcome of writing, flushing or closing; an error when the client has been waited for too long.
    pub(super) fn watch<T>(&mut self, outcome: Poll<io::Result<T>>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.0 = None;
            return outcome;
        }
        let given_up = self
            .0
            .get_or_insert_with(|| Box::pin(sleep(Duration::from_millis(CLIENT_WRITE_MS_MAX))));
        // Whoever tries again after that is told the same at once.
        given_up.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::task::Waker;

    use super::*;

    #[tokio::test]
    async fn who_takes_nothing_is_cut_off_and_stays_so() {
        let mut stall = Stall(Some(Box::pin(sleep(Duration::ZERO))));
        let told = poll_fn(|cx| stall.watch::<()>(Poll::Pending, cx)).await;
        assert_eq!(told.expect_err("cut off").kind(), io::ErrorKind::TimedOut);
        let mut cx = Context::from_waker(Waker::noop());
        assert!(stall.watch::<()>(Poll::Pending, &mut cx).is_ready());
    }

    #[tokio::test]
    async fn whatever_gets_on_stops_the_clock() {
        let mut cx = Context::from_waker(Waker::noop());
        let mut stall = Stall(Some(Box::pin(sleep(Duration::ZERO))));
        assert!(stall.watch(Poll::Ready(Ok(())), &mut cx).is_ready());
        assert!(stall.watch::<()>(Poll::Pending, &mut cx).is_pending());
    }
}
