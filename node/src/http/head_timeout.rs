//! Tells an idle connection, which may stay so for long, from one that sends its header slowly, which may not.
//!
//! hyper has one timer for both. This stream runs the second one: from the first byte after silence until the request is
//! handed to its handler.

use crate::clock;
use parking_lot::Mutex;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing was sent since the last answer.
    Idle,
    /// A header has begun.
    Head,
    /// A handler works; its body has other limits.
    Busy,
}

/// What the handler tells the stream.
#[derive(Clone)]
pub(super) struct Phase(Arc<Mutex<State>>);

impl Phase {
    /// A request was handed over.
    pub(super) fn busy(&self) {
        *self.0.lock() = State::Busy;
    }

    /// Its answer is ready.
    pub(super) fn idle(&self) {
        *self.0.lock() = State::Idle;
    }
}

/// A stream whose headers must arrive in time.
pub(super) struct HeadTimeout<S> {
    stream: S,
    phase: Phase,
    allowed: Duration,
    timer: Pin<Box<Sleep>>,
}

impl<S> HeadTimeout<S> {
    pub(super) fn new(stream: S, allowed: Duration) -> (Self, Phase) {
        let phase = Phase(Arc::new(Mutex::new(State::Idle)));
        let timer = Box::pin(sleep_until(Instant::from_std(clock::monotonic() + allowed)));
        (
            Self {
                stream,
                phase: phase.clone(),
                allowed,
                timer,
            },
            phase,
        )
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for HeadTimeout<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let filled = buffer.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(cx, buffer);
        let mut state = this.phase.0.lock();
        if *state == State::Idle && buffer.filled().len() > filled {
            *state = State::Head;
            this.timer
                .as_mut()
                .reset(Instant::from_std(clock::monotonic() + this.allowed));
        }
        if *state == State::Head && this.timer.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "the request's header took too long",
            )));
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for HeadTimeout<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    #[tokio::test]
    async fn a_slow_header_ends_the_connection_and_silence_does_not() {
        let allowed = Duration::from_millis(50);
        let (mut client, server) = tokio::io::duplex(64);
        let (mut stream, phase) = HeadTimeout::new(server, allowed);
        let mut byte = [0; 1];

        let silent = tokio::time::timeout(allowed * 4, stream.read(&mut byte)).await;
        assert!(silent.is_err(), "an idle connection is not this timer's matter");

        client.write_all(b"G").await.unwrap();
        assert_eq!(stream.read(&mut byte).await.unwrap(), 1);
        phase.busy();
        let working = tokio::time::timeout(allowed * 4, stream.read(&mut byte)).await;
        assert!(working.is_err(), "a handler that works is not this timer's matter");

        phase.idle();
        client.write_all(b"G").await.unwrap();
        assert_eq!(stream.read(&mut byte).await.unwrap(), 1);
        let error = stream.read(&mut byte).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
