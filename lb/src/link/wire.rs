//! One connection to a node in the hands of one request. It goes back to those that are kept when pingora finds that it may.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use pingora::protocols::l4::virt::{VirtualSockOpt, VirtualSocket};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::kept::{Connection, Kept};

/// A connection in use; none once it went back.
#[derive(Debug)]
pub(super) struct Wire {
    connection: Option<Connection>,
    kept: Arc<Kept>,
}

impl Wire {
    pub(super) fn new(connection: Connection, kept: Arc<Kept>) -> Self {
        Self {
            connection: Some(connection),
            kept,
        }
    }
}

/// Whether this read is pingora's question if a connection can be used again. It asks only when the answer was complete, both sides
/// want to go on and nothing was read beyond the answer: one byte, and nobody waits for it. A read of an answer has a task that
/// waits, however little room is left.
fn is_question(cx: &Context<'_>, buf: &ReadBuf<'_>) -> bool {
    buf.filled().is_empty() && buf.remaining() == 1 && cx.waker().data().is_null()
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let Some(connection) = &mut this.connection else {
            return Poll::Ready(Ok(()));
        };
        let is_question = is_question(cx, buf);
        let read = Pin::new(&mut connection.stream).poll_read(cx, buf);
        if !is_question || read.is_ready() {
            return read;
        }
        if let Some(connection) = this.connection.take() {
            this.kept.give_back(connection);
        }
        // To pingora it is closed, so it does not keep it as well.
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().connection {
            Some(connection) => Pin::new(&mut connection.stream).poll_write(cx, buf),
            None => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().connection {
            Some(connection) => Pin::new(&mut connection.stream).poll_flush(cx),
            None => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().connection {
            Some(connection) => Pin::new(&mut connection.stream).poll_shutdown(cx),
            None => Poll::Ready(Ok(())),
        }
    }
}

impl VirtualSocket for Wire {
    fn set_socket_option(&self, _option: VirtualSockOpt) -> io::Result<()> {
        // All were set when it was made.
        Ok(())
    }
}
