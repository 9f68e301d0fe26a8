//! A client's connection after its handshake, which cuts off clients that send the head of a request too slowly.
//!
//! Between two requests a connection may rest. From the first byte of a request on, its headers must be complete within
//! [`CLIENT_HEAD_MS_MAX`], however the bytes drip: pingora would count the pause before each of them only. HTTP/2 has
//! bounds of its own.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use pingora::protocols::l4::stream::Stream as L4Stream;
use pingora::protocols::raw_connect::ProxyDigest;
use pingora::protocols::tls::{SslDigest, TlsStream};
use pingora::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, TimingDigest, UniqueID,
    UniqueIDType,
};
use pingora::proxy::Session;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use crate::limits::CLIENT_HEAD_MS_MAX;

/// Whether a request is open on a connection, and how many there were.
#[derive(Debug, Default)]
pub struct Pace {
    is_open: AtomicBool,
    begun: AtomicU64,
}

impl Pace {
    /// The one of the connection that a request came on.
    pub fn of(session: &Session) -> Option<&Self> {
        session.digest()?.ssl_digest.as_ref()?.extension.get::<Self>()
    }

    /// The headers of a request are complete.
    pub fn request_begins(&self) {
        self.begun.fetch_add(1, Ordering::AcqRel);
        self.is_open.store(true, Ordering::Release);
    }

    /// It was answered.
    pub fn request_ends(&self) {
        self.is_open.store(false, Ordering::Release);
    }
}

/// A client's connection.
#[derive(Debug)]
pub(super) struct ClientStream {
    inner: TlsStream<L4Stream>,
    digest: Option<Arc<SslDigest>>,
    is_watched: bool,
    head: Option<Head>,
}

/// A request whose first bytes have come.
#[derive(Debug)]
struct Head {
    /// Requests that had begun before.
    after: u64,
    given_up: Pin<Box<Sleep>>,
}

impl ClientStream {
    pub(super) fn new(inner: TlsStream<L4Stream>) -> Self {
        Self {
            digest: inner.get_ssl_digest(),
            is_watched: inner.selected_alpn_proto() != Some(ALPN::H2),
            inner,
            head: None,
        }
    }

    /// Looks at the clock after a read; true when the head of a request takes too long.
    fn is_too_slow(&mut self, has_bytes: bool, cx: &mut Context<'_>) -> bool {
        let Some(pace) = self.digest.as_ref().and_then(|digest| digest.extension.get::<Pace>()) else {
            return false;
        };
        let (is_open, begun) = (pace.is_open.load(Ordering::Acquire), pace.begun.load(Ordering::Acquire));
        if !self.is_watched || is_open {
            self.head = None;
            return false;
        }
        if self.head.as_ref().is_some_and(|head| head.after != begun) {
            // That one came through.
            self.head = None;
        }
        if has_bytes && self.head.is_none() {
            self.head = Some(Head {
                after: begun,
                given_up: Box::pin(sleep(Duration::from_millis(CLIENT_HEAD_MS_MAX))),
            });
        }
        self.head
            .as_mut()
            .is_some_and(|head| head.given_up.as_mut().poll(cx).is_ready())
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let read = Pin::new(&mut this.inner).poll_read(cx, buf);
        let has_bytes = buf.filled().len() > before;
        if matches!(read, Poll::Ready(Err(_))) || !this.is_too_slow(has_bytes, cx) {
            return read;
        }
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

#[async_trait]
impl Shutdown for ClientStream {
    async fn shutdown(&mut self) {
        Shutdown::shutdown(&mut self.inner).await;
    }
}

impl UniqueID for ClientStream {
    fn id(&self) -> UniqueIDType {
        self.inner.id()
    }
}

impl Ssl for ClientStream {
    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        self.digest.clone()
    }

    fn selected_alpn_proto(&self) -> Option<ALPN> {
        self.inner.selected_alpn_proto()
    }
}

impl GetTimingDigest for ClientStream {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        self.inner.get_timing_digest()
    }
}

impl GetProxyDigest for ClientStream {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        None
    }
}

impl GetSocketDigest for ClientStream {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        self.inner.get_socket_digest()
    }
}

impl Peek for ClientStream {}
