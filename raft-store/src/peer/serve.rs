//! Answers requests of other members.
//!
//! Must not trust a member further than consensus does: bytes that do not decode end the connection.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse, TransferLeaderRequest, VoteRequest};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Semaphore, mpsc};

use super::append_session::AppendSession;
use super::frame::{Frame, read_frame, write_frames};
use super::greeting::PROTOCOL_MAX;
use super::handshake::Caller;
use super::snapshot_receive::Receiver;
use crate::agreement::divergence;
use crate::cluster::lead::Lead;
use crate::cluster::operation::{Operation, Outcome};
use crate::cluster::operator::Operator;
use crate::codec::own::{Digests, Diverged, Pristine, Propose, Proposed, Pulse};
use crate::codec::wire::{Kind, Message, StreamedAppend};
use crate::fault::FaultCell;
use crate::limits::{COMMAND_BYTES_MAX, PEER_REQUESTS_IN_FLIGHT_MAX, PEER_SILENCE_MAX, REPLY_BYTES_MAX};
use crate::propose::LocalOutcome;
use crate::status::Contact;
use crate::types::{Command, Proposal, Types};

/// Everything that requests of members need.
#[derive(Clone)]
pub(crate) struct Service {
    pub(crate) lead: Lead,
    pub(crate) operator: Arc<Operator>,
    pub(crate) contact: Arc<Contact>,
    pub(crate) fault: FaultCell,
    pub(crate) data_dir: Arc<Path>,
}

type Served = Result<Bytes, String>;

/// Serves a greeted connection until it ends.
pub(crate) async fn serve(
    service: Service,
    caller: Caller,
    stream: impl AsyncRead + AsyncWrite + Send + 'static,
) -> std::io::Result<()> {
    let (mut read_half, mut write_half) = tokio::io::split(stream);
    let (answers, mut queue) = mpsc::unbounded_channel();
    let mut writer = tokio::spawn(async move { write_frames(&mut write_half, &mut queue, |_| {}).await });
    let result = tokio::select! {
        result = read_requests(&service, &caller, &mut read_half, &answers) => result,
        written = &mut writer => written.unwrap_or(Ok(())),
    };
    drop(answers);
    writer.abort();
    result
}

async fn read_requests(
    service: &Service,
    caller: &Caller,
    from: &mut (impl AsyncRead + Unpin),
    answers: &mpsc::UnboundedSender<Frame>,
) -> std::io::Result<()> {
    let mut appends = AppendSession::default();
    let mut snapshot = Receiver::new(service.lead.raft.clone(), service.lead.state.clone());
    let room = Arc::new(Semaphore::new(PEER_REQUESTS_IN_FLIGHT_MAX));
    while let Some(Frame { kind, id, payload }) = read_in_time(from).await? {
        if let Caller::Member(from) = caller
            && service.lead.directory.is_removed(*from)
        {
            // It was greeted as a member; the next greeting tells it.
            return Err(std::io::Error::other(format!("node {from} was removed")));
        }
        if let Caller::Guest { name, incarnation } = caller {
            if kind != Kind::Operate {
                return Err(std::io::Error::other("a guest may ask to be let in, nothing else"));
            }
            send(answers, id, service.let_in(name, *incarnation, payload).await);
            continue;
        }
        match kind {
            Kind::AppendStream => {
                let StreamedAppend { session, request } =
                    StreamedAppend::from_bytes(payload).map_err(std::io::Error::other)?;
                appends.push(service, answers, session, id, request).await;
            }
            Kind::SnapshotBegin | Kind::SnapshotChunk | Kind::SnapshotEnd => {
                let answer = snapshot.take(kind, payload).await.map_err(|error| error.to_string());
                send(answers, id, answer);
            }
            Kind::Append
            | Kind::Vote
            | Kind::PreVote
            | Kind::TransferLeader
            | Kind::Propose
            | Kind::ReadIndex
            | Kind::Pristine
            | Kind::Operate
            | Kind::Digests
            | Kind::Diverged
            | Kind::Clock => {
                let permit = room.clone().acquire_owned().await.map_err(std::io::Error::other)?;
                let (service, answers) = (service.clone(), answers.clone());
                tokio::spawn(async move {
                    send(&answers, id, service.handle(kind, payload).await);
                    drop(permit);
                });
            }
            Kind::Unknown => {
                let number = payload.first().copied().unwrap_or(0);
                let known = format!(
                    "a request of kind {number} is not known to this program, which speaks protocol {PROTOCOL_MAX}"
                );
                send(answers, id, Err(known));
            }
            Kind::Answer | Kind::Refusal => return Err(std::io::Error::other("an answer to nothing")),
        }
    }
    Ok(())
}

/// A connection without a word for very long has lost its other end without notice.
async fn read_in_time(from: &mut (impl AsyncRead + Unpin)) -> std::io::Result<Option<Frame>> {
    let read = tokio::time::timeout(PEER_SILENCE_MAX, read_frame(from)).await;
    read.unwrap_or_else(|_| {
        Err(std::io::Error::new(
            std::io::ErrorKind::TimedOut,
            "nothing was asked for very long",
        ))
    })
}

fn send(answers: &mpsc::UnboundedSender<Frame>, id: u64, answer: Served) {
    let frame = match answer {
        Ok(payload) => Frame::answer(id, payload),
        Err(reason) => Frame::refusal(id, &reason),
    };
    // The other side may have gone; it will ask again.
    let _closed = answers.send(frame);
}

impl Service {
    async fn handle(&self, kind: Kind, payload: Bytes) -> Served {
        match kind {
            Kind::Append => {
                let request = decode::<AppendEntriesRequest<Types>>(payload)?;
                let answer = self.lead.raft.append_entries(request).await.map_err(text)?;
                if !matches!(answer, AppendEntriesResponse::HigherVote(_)) {
                    self.contact.hear();
                }
                Ok(answer.to_bytes())
            }
            Kind::Vote => {
                let request = decode::<VoteRequest<Types>>(payload)?;
                self.lead
                    .raft
                    .vote(request)
                    .await
                    .map(|answer| answer.to_bytes())
                    .map_err(text)
            }
            Kind::PreVote => {
                let request = decode::<VoteRequest<Types>>(payload)?;
                self.lead
                    .raft
                    .pre_vote(request)
                    .await
                    .map(|answer| answer.to_bytes())
                    .map_err(text)
            }
            Kind::TransferLeader => {
                let request = decode::<TransferLeaderRequest<Types>>(payload)?;
                self.lead
                    .raft
                    .handle_transfer_leader(request)
                    .await
                    .map(|answer| answer.to_bytes())
                    .map_err(text)
            }
            Kind::Propose => Ok(self.propose(decode(payload)?).await.to_bytes()),
            Kind::ReadIndex => self.read_index().await,
            Kind::Pristine => {
                let initialized = self.lead.raft.is_initialized().await.map_err(text)?;
                Ok(Pristine {
                    pristine: !initialized,
                    incarnation: self.lead.directory.me.incarnation,
                    configured: self.lead.directory.configured_digest(),
                }
                .to_bytes())
            }
            Kind::Operate => Ok(self.lead.perform(decode(payload)?).await.to_bytes()),
            Kind::Digests => Ok(Digests(self.lead.state.digests()).to_bytes()),
            Kind::Diverged => self.diverged(decode(payload)?).await,
            Kind::Clock => Ok(Pulse {
                clock_ms: self.lead.judgement.now_ms(),
                life: self.lead.directory.lives.now(),
            }
            .to_bytes()),
            Kind::AppendStream
            | Kind::SnapshotBegin
            | Kind::SnapshotChunk
            | Kind::SnapshotEnd
            | Kind::Unknown
            | Kind::Answer
            | Kind::Refusal => Err(format!("{kind:?} is handled elsewhere")),
        }
    }

    /// One hop only: a member that does not lead says so.
    async fn propose(&self, request: Propose) -> Proposed {
        if request.command.len() > COMMAND_BYTES_MAX {
            return Proposed::Unknown {
                reason: "the command is too large".into(),
            };
        }
        if self.lead.judgement.sender_is_ahead(request.sent_ms) {
            return Proposed::Clock;
        }
        let patience = Duration::from_millis(request.patience_ms.into());
        match tokio::time::timeout(patience, self.submit(request.command)).await {
            Ok(LocalOutcome::Applied { index, reply }) if reply.len() > REPLY_BYTES_MAX => Proposed::Unknown {
                reason: format!("entry {index} is applied, its reply is too large to be sent"),
            },
            Ok(LocalOutcome::Applied { index, reply }) => Proposed::Applied { index, reply },
            Ok(LocalOutcome::NotLeader) => Proposed::NotLeader,
            Ok(LocalOutcome::Busy) => Proposed::Busy,
            Ok(LocalOutcome::Unknown { reason }) => Proposed::Unknown { reason },
            Err(_) => Proposed::Unknown {
                reason: "the leader did not commit it in time".into(),
            },
        }
    }

    async fn submit(&self, command: Bytes) -> LocalOutcome {
        self.lead.local.submit(Proposal::User(Command(command))).await
    }

    /// The leader says that this member has other tables than the majority. It stops if the leader knows its tables, and
    /// its folder is not opened again.
    async fn diverged(&self, diverged: Diverged) -> Served {
        if self.lead.state.digests().get(&diverged.index) != Some(&diverged.yours) {
            return Err("these are not the tables of this member".into());
        }
        divergence::stop(&self.fault, self.data_dir.clone(), &diverged)
            .await
            .map_err(text)?;
        Ok(().to_bytes())
    }

    /// Carries a guest's wish to the leader, under the name that its certificate has.
    async fn let_in(&self, name: &str, incarnation: [u8; 16], payload: Bytes) -> Served {
        let Operation::Join { address, proof, .. } = decode(payload)? else {
            return Err("a guest may ask to be let in, nothing else".into());
        };
        let operation = Operation::Join {
            name: name.to_owned(),
            address,
            incarnation,
            proof,
        };
        let outcome = self.operator.ask_once(&operation).await;
        Ok(outcome.unwrap_or_else(|text| Outcome::Pending { text }).to_bytes())
    }

    async fn read_index(&self) -> Served {
        Ok(crate::read::confirm(&self.lead.raft).await?.to_bytes())
    }
}

fn decode<M: Message>(payload: Bytes) -> Result<M, String> {
    M::from_bytes(payload).map_err(text)
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
