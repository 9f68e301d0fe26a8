//! A client's connection after its handshake, which cuts off clients that send the head of a request too slowly.
//!
//! Between two requests a connection may rest. From the first byte of a request on, its headers must be complete within
//! [`CLIENT_HEAD_MS_MAX`], however the bytes drip: pingora would count the pause before each of them only. A connection that
//! chose HTTP/2 must begin with its preface within the same time, which pingora would wait for without end; after it,
//! pingora closes a connection that has no request for [`CLIENT_IDLE_SECONDS_MAX`](crate::limits::CLIENT_IDLE_SECONDS_MAX), and unfinished headers are none.
//!
//! While the process leaves, an HTTP/1 connection ends with its next answer. One without a request ends when its client has been
//! silent for [`DRAIN_SILENCE_MS`], and is told so before: to close it at once would lose the request that is on its way.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use pingora::protocols::l4::stream::Stream as L4Stream;
use pingora::protocols::raw_connect::ProxyDigest;
use pingora::protocols::tls::{SslDigest, TlsStream};
use pingora::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, TimingDigest, UniqueID,
    UniqueIDType,
};
use pingora::proxy::Session;
use pingora::server::ShutdownWatch;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::gather::Gather;
use crate::clock;
use crate::limits::{CLIENT_HEAD_MS_MAX, DRAIN_SILENCE_MS};

/// Bytes that every HTTP/2 connection begins with (RFC 9113, 3.4).
const PREFACE_BYTES: usize = 24;

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
    watch: Watch,
    /// HTTP/1 only: HTTP/2 gathers its frames itself.
    gather: Option<Gather>,
    /// Since when nothing has come while no request is open.
    silent_since: Option<Instant>,
    /// Becomes true when the process takes no new connections any more.
    shutdown: ShutdownWatch,
}

/// What a client has only so much time for.
#[derive(Debug)]
enum Watch {
    /// HTTP/1: the head of each request, from its first byte on.
    Heads(Option<Head>),
    /// HTTP/2: the preface.
    Preface { missing: usize, given_up: Pin<Box<Sleep>> },
    /// HTTP/2 after it.
    Nothing,
}

/// A request whose first bytes have come.
#[derive(Debug)]
struct Head {
    /// Requests that had begun before.
    after: u64,
    given_up: Pin<Box<Sleep>>,
}

impl ClientStream {
    pub(super) fn new(inner: TlsStream<L4Stream>, shutdown: ShutdownWatch) -> Self {
        let (watch, gather) = if inner.selected_alpn_proto() == Some(ALPN::H2) {
            let preface = Watch::Preface {
                missing: PREFACE_BYTES,
                given_up: head_timer(),
            };
            (preface, None)
        } else {
            (Watch::Heads(None), Some(Gather::default()))
        };
        Self {
            digest: inner.get_ssl_digest(),
            watch,
            gather,
            inner,
            silent_since: None,
            shutdown,
        }
    }

    /// Whether the connection should end, because the process leaves and the client has nothing to ask.
    fn is_left(&mut self, is_pending: bool) -> bool {
        let is_open = match &self.watch {
            Watch::Heads(head) => head.is_some() || self.pace().is_none_or(|pace| pace.is_open.load(Ordering::Acquire)),
            // HTTP/2 has words for it, and pingora says them.
            Watch::Preface { .. } | Watch::Nothing => return false,
        };
        if is_open || !is_pending {
            self.silent_since = None;
            return false;
        }
        let now = clock::now();
        let silent_since = *self.silent_since.get_or_insert(now);
        let silence = now.saturating_duration_since(silent_since);
        silence >= Duration::from_millis(DRAIN_SILENCE_MS) && *self.shutdown.borrow()
    }

    fn pace(&self) -> Option<&Pace> {
        self.digest.as_ref()?.extension.get::<Pace>()
    }

    /// Looks at the clock after a read of so many bytes; true when the client takes too long.
    fn is_too_slow(&mut self, bytes: usize, cx: &mut Context<'_>) -> bool {
        match &mut self.watch {
            Watch::Nothing => false,
            Watch::Preface { missing, given_up } => {
                *missing = missing.saturating_sub(bytes);
                if *missing == 0 {
                    self.watch = Watch::Nothing;
                    return false;
                }
                given_up.as_mut().poll(cx).is_ready()
            }
            Watch::Heads(head) => {
                let pace = self.digest.as_ref().and_then(|digest| digest.extension.get::<Pace>());
                pace.is_some_and(|pace| is_head_too_slow(head, pace, bytes > 0, cx))
            }
        }
    }
}

fn is_head_too_slow(head: &mut Option<Head>, pace: &Pace, has_bytes: bool, cx: &mut Context<'_>) -> bool {
    let (is_open, begun) = (pace.is_open.load(Ordering::Acquire), pace.begun.load(Ordering::Acquire));
    if is_open {
        *head = None;
        return false;
    }
    if head.as_ref().is_some_and(|head| head.after != begun) {
        // That one came through.
        *head = None;
    }
    if has_bytes && head.is_none() {
        *head = Some(Head {
            after: begun,
            given_up: head_timer(),
        });
    }
    head.as_mut()
        .is_some_and(|head| head.given_up.as_mut().poll(cx).is_ready())
}

fn head_timer() -> Pin<Box<Sleep>> {
    Box::pin(sleep(Duration::from_millis(CLIENT_HEAD_MS_MAX)))
}

impl AsyncRead for ClientStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let read = Pin::new(&mut this.inner).poll_read(cx, buf);
        let bytes = buf.filled().len() - before;
        if matches!(read, Poll::Ready(Err(_))) {
            return read;
        }
        if this.is_too_slow(bytes, cx) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        if this.is_left(read.is_pending()) {
            // Nobody is there to hear that it failed.
            let _ = ready!(Pin::new(&mut this.inner).poll_shutdown(cx));
            return Poll::Ready(Ok(()));
        }
        read
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        match &mut this.gather {
            Some(gather) => gather.poll_write(&mut this.inner, cx, buf),
            None => Pin::new(&mut this.inner).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        match &mut this.gather {
            Some(gather) => gather.poll_flush(&mut this.inner, cx),
            None => Pin::new(&mut this.inner).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Some(gather) = &mut this.gather {
            ready!(gather.poll_flush(&mut this.inner, cx))?;
        }
        Pin::new(&mut this.inner).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.gather.is_none() {
            return Pin::new(&mut this.inner).poll_write_vectored(cx, bufs);
        }
        let first = bufs.iter().find(|buf| !buf.is_empty()).map_or(&[][..], |buf| buf);
        Pin::new(this).poll_write(cx, first)
    }

    fn is_write_vectored(&self) -> bool {
        self.gather.is_none() && self.inner.is_write_vectored()
    }
}

#[async_trait]
impl Shutdown for ClientStream {
    async fn shutdown(&mut self) {
        // What is held belongs to an answer that is over; a client that is gone cannot be told.
        let _ = AsyncWriteExt::flush(self).await;
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
