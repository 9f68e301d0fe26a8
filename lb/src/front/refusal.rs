//! Tells a client over HTTP/1 that the head of its request is too long: pingora would close the connection without a word.
//!
//! It reads on for a moment and throws away what comes: a client that is still sending would otherwise see a reset, not the
//! answer. It judges nothing.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::gather::Gather;
use crate::limits::{FIRST_BYTES_MAX, REFUSED_BODY_DRAIN_BYTES_MAX, REFUSED_BODY_DRAIN_MS_MAX};

const TOO_LONG: &[u8] =
    b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// How far the telling has come.
#[derive(Debug)]
pub(super) struct Refusal {
    is_written: bool,
    is_told: bool,
    /// Bytes that were thrown away.
    thrown: usize,
    given_up: Pin<Box<Sleep>>,
}

impl Refusal {
    /// Nothing is told yet.
    pub(super) fn new() -> Self {
        Self {
            is_written: false,
            is_told: false,
            thrown: 0,
            given_up: Box::pin(sleep(Duration::from_millis(REFUSED_BODY_DRAIN_MS_MAX))),
        }
    }

    /// Goes on; ready when the connection can be left.
    pub(super) fn poll<S>(&mut self, gather: &mut Gather, stream: &mut S, cx: &mut Context<'_>) -> Poll<()>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        if self.given_up.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        if !self.is_told {
            if ready!(self.poll_tell(gather, stream, cx)).is_err() {
                return Poll::Ready(());
            }
            self.is_told = true;
        }
        self.poll_throw_away(stream, cx)
    }

    /// The answer, behind whatever is held of the one before it, and the end of what we say.
    fn poll_tell<S>(&mut self, gather: &mut Gather, stream: &mut S, cx: &mut Context<'_>) -> Poll<io::Result<()>>
    where
        S: AsyncWrite + Unpin,
    {
        if !self.is_written {
            // It is short, so it is taken as a whole.
            ready!(gather.poll_write(stream, cx, TOO_LONG))?;
            self.is_written = true;
        }
        ready!(gather.poll_flush(stream, cx))?;
        Pin::new(stream).poll_shutdown(cx)
    }

    fn poll_throw_away<S>(&mut self, stream: &mut S, cx: &mut Context<'_>) -> Poll<()>
    where
        S: AsyncRead + Unpin,
    {
        let mut bytes = [MaybeUninit::uninit(); FIRST_BYTES_MAX];
        while self.thrown < REFUSED_BODY_DRAIN_BYTES_MAX {
            let mut buf = ReadBuf::uninit(&mut bytes);
            let is_read = ready!(Pin::new(&mut *stream).poll_read(cx, &mut buf)).is_ok();
            if !is_read || buf.filled().is_empty() {
                break;
            }
            self.thrown += buf.filled().len();
        }
        Poll::Ready(())
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tokio::task::JoinHandle;

    use super::*;

    fn refused() -> (DuplexStream, JoinHandle<()>) {
        let (client, mut server) = duplex(1_024);
        let telling = tokio::spawn(async move {
            let (mut refusal, mut gather) = (Refusal::new(), Gather::default());
            poll_fn(|cx| refusal.poll(&mut gather, &mut server, cx)).await;
        });
        (client, telling)
    }

    #[tokio::test]
    async fn a_client_that_is_still_sending_is_told_once() {
        let (mut client, telling) = refused();
        client.write_all(&[b'x'; 10_000]).await.expect("it is read");
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.expect("an end");
        assert_eq!(answer, TOO_LONG);
        drop(client);
        telling.await.expect("no panic");
    }

    #[tokio::test]
    async fn a_client_that_never_stops_sending_is_left() {
        let (mut client, telling) = refused();
        let mut sent = 0;
        while client.write_all(&[b'x'; 4_096]).await.is_ok() {
            sent += 4_096;
        }
        assert!(sent <= REFUSED_BODY_DRAIN_BYTES_MAX + 8_192, "{sent} bytes were read");
        telling.await.expect("no panic");
    }
}
