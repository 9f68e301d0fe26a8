//! A client's connection after its handshake, which cuts off clients that send the head of a request too slowly or without end,
//! and those that take nothing of what they are sent. Whose head over HTTP/1 is too long is told so.
//!
//! Between two requests a connection may rest. From the first byte of a request on, its headers must be complete within
//! [`CLIENT_HEAD_MS_MAX`], however the bytes drip: pingora would count the pause before each of them only. On a connection that
//! chose HTTP/2 the same time is there for the preface, for each frame but those of a body, and for each header block with all
//! its frames; pingora would wait for the preface without end, and for a header block as long as requests beside it go on.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
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
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::blocks::Blocks;
use super::gather::Gather;
use super::refusal::Refusal;
use super::stall::Stall;
use crate::limits::{CLIENT_HEAD_MS_MAX, FIRST_BYTES_MAX, HEAD_BYTES_MAX};

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
    /// The first bytes of a request that pingora has not read yet.
    begun: Vec<u8>,
    /// HTTP/1 only: HTTP/2 gathers its frames itself.
    gather: Option<Gather>,
    stall: Stall,
    /// There once a head is too long: nothing more is handed on then.
    refusal: Option<Box<Refusal>>,
}

/// What a client overdid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Excess {
    /// It takes too long.
    Time,
    /// The head of its request over HTTP/1 is too long.
    Length,
}

/// What a client has only so much time for.
#[derive(Debug)]
enum Watch {
    /// HTTP/1: the head of each request, from its first byte on.
    Heads(Option<Head>),
    /// HTTP/2: the preface, frames and header blocks.
    Blocks { blocks: Blocks, open: Option<Open> },
}

/// Something of HTTP/2 that was begun.
#[derive(Debug)]
struct Open {
    /// What was finished before.
    after: u64,
    given_up: Pin<Box<Sleep>>,
}

/// A request whose first bytes have come.
#[derive(Debug)]
struct Head {
    /// Requests that had begun before.
    after: u64,
    /// Its bytes so far; pingora keeps them all, and parses them anew with each read.
    bytes: usize,
    /// Runs from the moment when the rest has to be waited for; most heads come in one piece.
    given_up: Option<Pin<Box<Sleep>>>,
}

impl ClientStream {
    pub(super) fn new(inner: TlsStream<L4Stream>) -> Self {
        let (watch, gather) = if inner.selected_alpn_proto() == Some(ALPN::H2) {
            let watch = Watch::Blocks {
                blocks: Blocks::new(),
                open: None,
            };
            (watch, None)
        } else {
            (Watch::Heads(None), Some(Gather::default()))
        };
        Self {
            digest: inner.get_ssl_digest(),
            watch,
            begun: Vec::new(),
            gather,
            stall: Stall::default(),
            refusal: None,
            inner,
        }
    }

    /// Whether the client chose HTTP/2.
    pub(super) fn is_http_2(&self) -> bool {
        matches!(self.watch, Watch::Blocks { .. })
    }

    /// Waits for the first bytes of a request; false when the client left instead.
    pub(super) fn poll_begun(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        if !self.begun.is_empty() {
            return Poll::Ready(true);
        }
        let mut bytes = [MaybeUninit::uninit(); FIRST_BYTES_MAX];
        let mut buf = ReadBuf::uninit(&mut bytes);
        let is_read = ready!(Pin::new(&mut self.inner).poll_read(cx, &mut buf)).is_ok();
        self.begun.extend_from_slice(buf.filled());
        Poll::Ready(is_read && !self.begun.is_empty())
    }

    fn poll_more(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.begun.is_empty() {
            return Pin::new(&mut self.inner).poll_read(cx, buf);
        }
        let count = self.begun.len().min(buf.remaining());
        buf.put_slice(&self.begun[..count]);
        self.begun.drain(..count);
        if self.begun.is_empty() {
            self.begun = Vec::new();
        }
        Poll::Ready(Ok(()))
    }

    /// Looks at the clock after a read of these bytes, or none.
    fn excess(&mut self, bytes: &[u8], cx: &mut Context<'_>) -> Option<Excess> {
        match &mut self.watch {
            Watch::Blocks { blocks, open } => {
                blocks.read(bytes);
                is_block_too_slow(blocks, open, cx).then_some(Excess::Time)
            }
            Watch::Heads(head) => {
                let pace = self.digest.as_ref().and_then(|digest| digest.extension.get::<Pace>());
                pace.and_then(|pace| excess_of_head(head, pace, bytes.len(), cx))
            }
        }
    }

    /// Tells the client that its head is too long; then the connection is over.
    fn poll_refuse(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let refusal = self.refusal.get_or_insert_with(|| Box::new(Refusal::new()));
        let gather = self.gather.get_or_insert_default();
        refusal
            .poll(gather, &mut self.inner, cx)
            .map(|()| io::ErrorKind::InvalidData.into())
    }
}

fn is_block_too_slow(blocks: &Blocks, open: &mut Option<Open>, cx: &mut Context<'_>) -> bool {
    if !blocks.is_open() {
        *open = None;
        return false;
    }
    let after = blocks.finished();
    let open = match open {
        Some(same) if same.after == after => same,
        other => other.insert(Open {
            after,
            given_up: head_timer(),
        }),
    };
    open.given_up.as_mut().poll(cx).is_ready()
}

fn excess_of_head(head: &mut Option<Head>, pace: &Pace, bytes: usize, cx: &mut Context<'_>) -> Option<Excess> {
    let (is_open, begun) = (pace.is_open.load(Ordering::Acquire), pace.begun.load(Ordering::Acquire));
    if is_open {
        *head = None;
        return None;
    }
    if head.as_ref().is_some_and(|head| head.after != begun) {
        // That one came through.
        *head = None;
    }
    if bytes > 0 {
        let head = head.get_or_insert(Head {
            after: begun,
            bytes: 0,
            given_up: None,
        });
        head.bytes = head.bytes.saturating_add(bytes);
        return (head.bytes > HEAD_BYTES_MAX).then_some(Excess::Length);
    }
    let given_up = head.as_mut()?.given_up.get_or_insert_with(head_timer);
    given_up.as_mut().poll(cx).is_ready().then_some(Excess::Time)
}

fn head_timer() -> Pin<Box<Sleep>> {
    Box::pin(sleep(Duration::from_millis(CLIENT_HEAD_MS_MAX)))
}

impl AsyncRead for ClientStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.refusal.is_some() {
            return this.poll_refuse(cx).map(Err);
        }
        let before = buf.filled().len();
        let read = this.poll_more(cx, buf);
        if matches!(read, Poll::Ready(Err(_))) {
            return read;
        }
        match this.excess(&buf.filled()[before..], cx) {
            None => read,
            Some(Excess::Time) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Some(Excess::Length) => {
                buf.set_filled(before);
                this.poll_refuse(cx).map(Err)
            }
        }
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = match &mut this.gather {
            Some(gather) => gather.poll_write(&mut this.inner, cx, buf),
            None => Pin::new(&mut this.inner).poll_write(cx, buf),
        };
        this.stall.watch(written, cx)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = match &mut this.gather {
            Some(gather) => gather.poll_flush(&mut this.inner, cx),
            None => Pin::new(&mut this.inner).poll_flush(cx),
        };
        this.stall.watch(flushed, cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Some(gather) = &mut this.gather {
            let flushed = gather.poll_flush(&mut this.inner, cx);
            ready!(this.stall.watch(flushed, cx))?;
        }
        let closed = Pin::new(&mut this.inner).poll_shutdown(cx);
        this.stall.watch(closed, cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.gather.is_none() {
            let written = Pin::new(&mut this.inner).poll_write_vectored(cx, bufs);
            return this.stall.watch(written, cx);
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
        let _ = AsyncWriteExt::shutdown(self).await;
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
        // Nobody asks, and it would be written down anew with every request.
        Vec::new()
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
