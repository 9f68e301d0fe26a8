//! Gathers small writes until the flush, so that the head and the body of an answer leave in one TLS record and one packet.
//!
//! pingora writes a head and a body one after the other and flushes at the end of the answer, or after each piece of a
//! stream. It holds nothing between answers, so that a connection that rests costs no buffer.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite;

use crate::limits::GATHERED_BYTES_MAX;

/// What was written and not handed on yet.
#[derive(Debug, Default)]
pub(super) struct Gather {
    held: Vec<u8>,
    /// Bytes of `held` that were handed on already.
    done: usize,
}

impl Gather {
    /// Takes bytes; hands on what is held, and these, when it would become too much.
    pub(super) fn poll_write<W: AsyncWrite + Unpin>(
        &mut self,
        to: &mut W,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.held.len() + bytes.len() > GATHERED_BYTES_MAX {
            ready!(self.poll_hand_on(to, cx))?;
        }
        if bytes.len() > GATHERED_BYTES_MAX {
            return Pin::new(to).poll_write(cx, bytes);
        }
        self.held.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    /// Hands on everything, and flushes.
    pub(super) fn poll_flush<W: AsyncWrite + Unpin>(
        &mut self,
        to: &mut W,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_hand_on(to, cx))?;
        Pin::new(to).poll_flush(cx)
    }

    fn poll_hand_on<W: AsyncWrite + Unpin>(&mut self, to: &mut W, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(rest) = self.held.get(self.done..).filter(|rest| !rest.is_empty()) {
            match ready!(Pin::new(&mut *to).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.done += written,
            }
        }
        *self = Self::default();
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use proptest::prelude::*;

    use super::*;

    /// Takes a few bytes of each write, and every other time nothing for now.
    #[derive(Default)]
    struct Narrow {
        taken: Vec<u8>,
        writes: usize,
        most: usize,
        is_busy: bool,
    }

    impl AsyncWrite for Narrow {
        fn poll_write(self: Pin<&mut Self>, _cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            let this = self.get_mut();
            this.is_busy = !this.is_busy;
            if this.is_busy && this.most < usize::MAX {
                return Poll::Pending;
            }
            let count = bytes.len().min(this.most);
            this.taken.extend_from_slice(&bytes[..count]);
            this.writes += 1;
            Poll::Ready(Ok(count))
        }

        fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    fn context() -> Context<'static> {
        Context::from_waker(Waker::noop())
    }

    #[test]
    fn a_head_and_a_body_leave_together_and_nothing_stays() {
        let (mut gather, mut to) = (
            Gather::default(),
            Narrow {
                most: usize::MAX,
                ..Narrow::default()
            },
        );
        assert!(gather.poll_write(&mut to, &mut context(), b"head ").is_ready());
        assert!(gather.poll_write(&mut to, &mut context(), b"body").is_ready());
        assert_eq!(to.writes, 0);
        assert!(gather.poll_flush(&mut to, &mut context()).is_ready());
        assert_eq!((to.writes, to.taken.as_slice()), (1, b"head body".as_slice()));
        assert_eq!(gather.held.capacity(), 0, "a resting connection holds no buffer");
    }

    proptest! {
        #[test]
        fn every_byte_leaves_once_and_in_order(
            pieces in prop::collection::vec((1usize..3 * GATHERED_BYTES_MAX / 2, any::<bool>()), 1..12),
            most in 1usize..GATHERED_BYTES_MAX,
        ) {
            let (mut gather, mut to) = (Gather::default(), Narrow { most, ..Narrow::default() });
            let mut sent = Vec::new();
            for (index, (length, is_flushed)) in pieces.iter().enumerate() {
                let piece: Vec<u8> = (0..*length).map(|byte| u8::try_from((byte + index) % 251).unwrap_or(0)).collect();
                let mut rest = piece.as_slice();
                while !rest.is_empty() {
                    if let Poll::Ready(count) = gather.poll_write(&mut to, &mut context(), rest) {
                        rest = &rest[count.expect("written")..];
                    }
                }
                sent.extend(piece);
                prop_assert!(gather.held.len() <= GATHERED_BYTES_MAX);
                if *is_flushed {
                    while gather.poll_flush(&mut to, &mut context()).is_pending() {}
                    prop_assert_eq!(to.taken.len(), sent.len());
                }
            }
            while gather.poll_flush(&mut to, &mut context()).is_pending() {}
            prop_assert_eq!(to.taken, sent);
        }
    }
}
