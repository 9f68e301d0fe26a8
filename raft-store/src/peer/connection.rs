//! One dialled connection: many requests in flight, answers by id.
//!
//! A request is either not sent at all, or its fate is unknown until the answer comes: callers rely on the difference.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{mpsc, oneshot, watch};

use super::frame::{Frame, read_frame, write_frames};
use crate::codec::wire::Kind;

/// Bytes that may wait to be written to one connection.
const QUEUED_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CallError {
    /// Nothing of the request left this process.
    #[error("not sent: {0}")]
    NotSent(String),
    /// The request may have arrived.
    #[error("no answer: {0}")]
    Lost(String),
    /// The other side understood and did not do it.
    #[error("refused: {0}")]
    Refused(String),
}

type Answer = Result<Bytes, CallError>;

struct Shared {
    /// Requests without an answer; nothing once the connection is closed.
    pending: Mutex<Option<HashMap<u64, oneshot::Sender<Answer>>>>,
    next_id: AtomicU64,
    queued_bytes: AtomicUsize,
    /// Since when an answer is due without any having come; nothing while none is due.
    waiting_since: Mutex<Option<Instant>>,
    closed: watch::Sender<bool>,
}

/// The dialling side of a connection.
pub(crate) struct Connection {
    frames: mpsc::UnboundedSender<Frame>,
    shared: Arc<Shared>,
}

impl Connection {
    /// Starts the reader and the writer of a greeted stream. If answers are due and none comes for `silence_max`, the
    /// connection is closed: the member may be gone without a word, and the next request has to find out quickly.
    pub(crate) fn start(stream: impl AsyncRead + AsyncWrite + Send + 'static, silence_max: Duration) -> Self {
        let (read_half, write_half) = tokio::io::split(stream);
        let (frames, queue) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            pending: Mutex::new(Some(HashMap::new())),
            next_id: AtomicU64::new(1),
            queued_bytes: AtomicUsize::new(0),
            waiting_since: Mutex::default(),
            closed: watch::Sender::new(false),
        });
        tokio::spawn(run_until_closed(
            shared.clone(),
            read_answers(read_half, shared.clone()),
        ));
        tokio::spawn(run_until_closed(
            shared.clone(),
            write_requests(write_half, queue, shared.clone()),
        ));
        tokio::spawn(run_until_closed(
            shared.clone(),
            watch_silence(shared.clone(), silence_max),
        ));
        Self { frames, shared }
    }

    pub(crate) fn is_closed(&self) -> bool {
        *self.shared.closed.borrow()
    }

    pub(crate) fn close(&self, reason: &str) {
        self.shared.close(reason);
    }

    /// Queues a request, in the order of calls, and returns where its answer will come.
    pub(crate) fn start_call(&self, kind: Kind, payload: Bytes) -> Result<oneshot::Receiver<Answer>, CallError> {
        let length = payload.len();
        if self.shared.queued_bytes.fetch_add(length, SeqCst) > QUEUED_BYTES_MAX {
            self.shared.queued_bytes.fetch_sub(length, SeqCst);
            return Err(CallError::NotSent("too much is waiting to be sent".into()));
        }
        let id = self.shared.next_id.fetch_add(1, SeqCst);
        let (sender, receiver) = oneshot::channel();
        match self.shared.pending.lock().as_mut() {
            Some(pending) => {
                pending.insert(id, sender);
                self.shared.waiting_since.lock().get_or_insert_with(Instant::now);
            }
            None => return Err(CallError::NotSent("the connection is closed".into())),
        }
        if self.frames.send(Frame { kind, id, payload }).is_err() {
            self.shared.forget(id);
            return Err(CallError::NotSent("the connection is closed".into()));
        }
        Ok(receiver)
    }

    /// Waits for an answer.
    pub(crate) async fn finish_call(&self, answer: oneshot::Receiver<Answer>, timeout: Duration) -> Answer {
        match tokio::time::timeout(timeout, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(CallError::Lost("the connection was closed".into())),
            Err(_) => Err(CallError::Lost(format!("nothing for {timeout:?}"))),
        }
    }

    pub(crate) async fn call(&self, kind: Kind, payload: Bytes, timeout: Duration) -> Answer {
        let answer = self.start_call(kind, payload)?;
        self.finish_call(answer, timeout).await
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.shared.close("not used any more");
    }
}

impl Shared {
    fn close(&self, reason: &str) {
        let pending = self.pending.lock().take();
        self.closed.send_replace(true);
        for (_, sender) in pending.into_iter().flatten() {
            // Whoever stopped waiting does not need to know.
            let _unwanted = sender.send(Err(CallError::Lost(reason.to_owned())));
        }
    }

    /// An answer came: whoever waits for it, and a new start for the patience with the others.
    fn answered(&self, id: u64) -> Option<oneshot::Sender<Answer>> {
        let mut guard = self.pending.lock();
        let pending = guard.as_mut()?;
        let waiting = pending.remove(&id);
        *self.waiting_since.lock() = (!pending.is_empty()).then(Instant::now);
        waiting
    }

    fn forget(&self, id: u64) {
        if let Some(pending) = self.pending.lock().as_mut() {
            pending.remove(&id);
        }
    }
}

async fn run_until_closed(shared: Arc<Shared>, work: impl Future<Output = io::Result<()>>) {
    let mut closed = shared.closed.subscribe();
    let reason = tokio::select! {
        result = work => result.err().map_or("the member closed the connection".to_owned(), |error| error.to_string()),
        _ = closed.wait_for(|closed| *closed) => return,
    };
    shared.close(&reason);
}

async fn watch_silence(shared: Arc<Shared>, silence_max: Duration) -> io::Result<()> {
    loop {
        tokio::time::sleep(silence_max / 8).await;
        let since = *shared.waiting_since.lock();
        if since.is_some_and(|since| since.elapsed() >= silence_max) {
            return Err(io::Error::other(format!(
                "the member has not answered for {silence_max:?}"
            )));
        }
    }
}

async fn read_answers(mut stream: impl AsyncRead + Unpin, shared: Arc<Shared>) -> io::Result<()> {
    while let Some(frame) = read_frame(&mut stream).await? {
        let answer = if frame.kind == Kind::Answer {
            Ok(frame.payload)
        } else if frame.kind == Kind::Refusal {
            Err(CallError::Refused(String::from_utf8_lossy(&frame.payload).into_owned()))
        } else {
            return Err(io::Error::other("a request on a connection that we dialled"));
        };
        let waiting = shared.answered(frame.id);
        if let Some(waiting) = waiting {
            let _unwanted = waiting.send(answer);
        }
    }
    Ok(())
}

async fn write_requests(
    mut stream: impl AsyncWrite + Unpin,
    mut queue: mpsc::UnboundedReceiver<Frame>,
    shared: Arc<Shared>,
) -> io::Result<()> {
    write_frames(&mut stream, &mut queue, |payload_bytes| {
        shared.queued_bytes.fetch_sub(payload_bytes, SeqCst);
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    const SILENCE_MAX: Duration = Duration::from_millis(80);
    const LONG: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn silence_ends_every_request_and_the_connection() {
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        let connection = Connection::start(ours, SILENCE_MAX);
        let first = connection.start_call(Kind::Vote, Bytes::new()).unwrap();
        let answer = connection.call(Kind::Vote, Bytes::new(), LONG).await;
        assert!(matches!(answer, Err(CallError::Lost(_))), "{answer:?}");
        assert!(matches!(
            connection.finish_call(first, LONG).await,
            Err(CallError::Lost(_))
        ));
        assert!(connection.is_closed());
        let late = connection.call(Kind::Vote, Bytes::new(), LONG).await;
        assert!(matches!(late, Err(CallError::NotSent(_))), "{late:?}");
        drop(theirs);
    }

    #[tokio::test]
    async fn a_quiet_connection_without_requests_stays() {
        let (ours, mut theirs) = tokio::io::duplex(1 << 16);
        let connection = Connection::start(ours, SILENCE_MAX);
        tokio::time::sleep(SILENCE_MAX * 2).await;
        let call = connection.call(Kind::Vote, Bytes::from_static(b"ask"), LONG);
        let serve = async {
            let request = read_frame(&mut theirs).await.unwrap().unwrap();
            let (sender, mut queue) = mpsc::unbounded_channel();
            sender.send(Frame::answer(request.id, request.payload)).unwrap();
            drop(sender);
            write_frames(&mut theirs, &mut queue, |_| {}).await.unwrap();
        };
        let (answer, ()) = tokio::join!(call, serve);
        assert_eq!(answer, Ok(Bytes::from_static(b"ask")));
        assert!(!connection.is_closed());
    }

    #[tokio::test]
    async fn a_closed_other_end_loses_what_was_sent() {
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        let connection = Connection::start(ours, LONG);
        let call = connection.start_call(Kind::Vote, Bytes::new()).unwrap();
        drop(theirs);
        assert!(matches!(
            connection.finish_call(call, LONG).await,
            Err(CallError::Lost(_))
        ));
    }
}
