//! Appends of one ordered stream, given to consensus in order and answered in order, many at once.
//!
//! A stream ends with the first answer that is not a success; what came after it is refused, and the leader starts a
//! new one.

use futures_util::{StreamExt, stream};
use openraft::raft::{AppendEntriesRequest, StreamAppendError};
use tokio::sync::mpsc;

use super::frame::Frame;
use super::serve::Service;
use crate::codec::wire::Message;
use crate::types::Types;

/// Appends that consensus has not taken yet.
const QUEUE_MAX: usize = 64;

/// The running stream of one connection.
#[derive(Default)]
pub(crate) struct AppendSession {
    running: Option<Running>,
}

struct Running {
    session: u64,
    requests: mpsc::Sender<AppendEntriesRequest<Types>>,
    ids: mpsc::UnboundedSender<u64>,
}

impl AppendSession {
    /// Takes the next append of the stream `session`; a new number starts a new stream.
    pub(crate) async fn push(
        &mut self,
        service: &Service,
        answers: &mpsc::UnboundedSender<Frame>,
        session: u64,
        id: u64,
        request: AppendEntriesRequest<Types>,
    ) {
        if self.running.as_ref().is_none_or(|running| running.session != session) {
            self.running = Some(start(service.clone(), answers.clone(), session));
        }
        let Some(running) = &self.running else {
            return;
        };
        if running.ids.send(id).is_err() || running.requests.send(request).await.is_err() {
            // Refused here, or by the end of the stream, which knows the id as well: the second is ignored.
            let _closed = answers.send(Frame::refusal(id, "the stream of appends has ended"));
        }
    }
}

fn start(service: Service, answers: mpsc::UnboundedSender<Frame>, session: u64) -> Running {
    let (requests, queue) = mpsc::channel(QUEUE_MAX);
    let (ids, mut pending) = mpsc::unbounded_channel::<u64>();
    let input = stream::unfold(queue, |mut queue| async move {
        queue.recv().await.map(|request| (request, queue))
    });
    tokio::spawn(async move {
        let mut results = std::pin::pin!(service.lead.raft.stream_append(input));
        while let Some(result) = results.next().await {
            let Some(id) = pending.recv().await else {
                return;
            };
            let Ok(result) = result else {
                let _closed = answers.send(Frame::refusal(id, "consensus has stopped"));
                break;
            };
            let go_on = result.is_ok();
            if !matches!(result, Err(StreamAppendError::HigherVote(_))) {
                service.contact.hear();
            }
            let _closed = answers.send(Frame::answer(id, result.to_bytes()));
            if !go_on {
                break;
            }
        }
        pending.close();
        while let Some(id) = pending.recv().await {
            let _closed = answers.send(Frame::refusal(id, "the stream of appends has ended"));
        }
    });
    Running { session, requests, ids }
}
