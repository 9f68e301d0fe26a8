//! What consensus sends to other members, over links.
//!
//! Must not retry: consensus does, and knows when a retry makes sense.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use openraft::base::{BoxFuture, BoxStream};
use openraft::errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Timeout, Unreachable};
use openraft::network::RPCOption;
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, StreamAppendResult, TransferLeaderRequest,
    TransferLeaderResponse, VoteRequest, VoteResponse,
};
use openraft::type_config::alias::SnapshotOf;
use openraft::{OptionalSend, RPCTypes, RaftNetworkFactory, RaftNetworkV2};

use super::connection::{CallError, Connection};
use super::link::{Class, Links};
use super::snapshot_send;
use crate::codec::wire::{Kind, Message, StreamedAppend};
use crate::limits::{APPEND_IN_FLIGHT_MAX, APPEND_ROUNDS};
use crate::metrics::Counters;
use crate::state::SnapshotData;
use crate::types::{PeerNode, Types, Vote};

type RpcError = RPCError<Types>;

/// Makes clients for members.
#[derive(Clone)]
pub(crate) struct Network {
    pub(crate) links: Arc<Links>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) me: u64,
    /// How long an append may take; consensus allows one heartbeat, which a busy disk can exceed.
    pub(crate) append_timeout: Duration,
}

/// Sends to one member.
pub(crate) struct Client {
    network: Network,
    target: u64,
    class: Class,
    session: u64,
}

impl RaftNetworkFactory<Types> for Network {
    type Network = Client;

    async fn new_client(&mut self, target: u64, _: &PeerNode) -> Client {
        self.client(target, Class::Log)
    }

    async fn new_heartbeat_client(&mut self, target: u64, _: &PeerNode) -> Client {
        self.client(target, Class::Control)
    }
}

impl Network {
    fn client(&self, target: u64, class: Class) -> Client {
        Client {
            network: self.clone(),
            target,
            class,
            session: 0,
        }
    }
}

impl Client {
    async fn call<A: Message>(
        &self,
        class: Class,
        kind: Kind,
        payload: Bytes,
        timeout: Duration,
        action: RPCTypes,
    ) -> Result<A, RpcError> {
        let answer = self
            .network
            .links
            .get(self.target, class)
            .call(kind, payload, timeout)
            .await;
        self.answer(answer, timeout, action)
    }

    fn answer<A: Message>(
        &self,
        answer: Result<Bytes, CallError>,
        timeout: Duration,
        action: RPCTypes,
    ) -> Result<A, RpcError> {
        match answer {
            Ok(bytes) => A::from_bytes(bytes).map_err(|error| RPCError::Network(NetworkError::new(&error))),
            Err(error) => Err(self.error(&error, timeout, action)),
        }
    }

    fn error(&self, error: &CallError, timeout: Duration, action: RPCTypes) -> RpcError {
        match error {
            CallError::NotSent(_) => RPCError::Unreachable(Unreachable::new(error)),
            CallError::Lost(_) => RPCError::Timeout(Timeout {
                action,
                id: self.network.me,
                target: self.target,
                timeout,
            }),
            CallError::Refused(_) => RPCError::Network(NetworkError::new(error)),
        }
    }
}

/// One append of an ordered stream, already queued on the connection.
async fn finish_append(
    connection: Arc<Connection>,
    started: Result<tokio::sync::oneshot::Receiver<Result<Bytes, CallError>>, CallError>,
    timeout: Duration,
) -> Result<StreamAppendResult<Types>, CallError> {
    let bytes = connection.finish_call(started?, timeout).await?;
    StreamAppendResult::<Types>::from_bytes(bytes).map_err(|error| CallError::Refused(error.to_string()))
}

impl RaftNetworkV2<Types> for Client {
    type SnapshotData = SnapshotData;

    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<Types>,
        _: RPCOption,
    ) -> Result<AppendEntriesResponse<Types>, RpcError> {
        let timeout = self.network.append_timeout;
        self.call(
            self.class,
            Kind::Append,
            request.to_bytes(),
            timeout,
            RPCTypes::AppendEntries,
        )
        .await
    }

    /// Sends appends without waiting for the answers of earlier ones, in order.
    fn stream_append<'s, S>(
        &'s mut self,
        mut input: S,
        option: RPCOption,
    ) -> BoxFuture<'s, Result<BoxStream<'s, Result<StreamAppendResult<Types>, RpcError>>, RpcError>>
    where
        S: Stream<Item = AppendEntriesRequest<Types>> + OptionalSend + Unpin + 'static,
    {
        if self.class != Class::Log {
            return openraft::network::stream_append_sequential(self, input, option);
        }
        Box::pin(async move {
            // Each of them waits for those before it; a member that gives no answer at all is found out by the connection.
            let timeout = self.network.append_timeout * APPEND_ROUNDS;
            // Consensus waits its back-off out inside this stream: a member that is away would be dialled, and its
            // absence logged, as fast as the processor can, if the stream were not asked before connecting.
            let Some(first) = input.next().await else {
                let nothing: BoxStream<'s, _> = Box::pin(stream::empty());
                return Ok(nothing);
            };
            let input = stream::iter([first]).chain(input);
            let link = self.network.links.get(self.target, self.class);
            let connection = tokio::time::timeout(timeout, link.connection()).await;
            let connection = connection.unwrap_or_else(|_| Err(CallError::NotSent("not connected in time".into())));
            let connection = connection.map_err(|error| self.error(&error, timeout, RPCTypes::AppendEntries))?;
            self.session += 1;
            let session = self.session;
            let client = &*self;
            let answers = input
                .map(move |request| {
                    let payload = StreamedAppend { session, request }.to_bytes();
                    let started = connection.start_call(Kind::AppendStream, payload);
                    finish_append(connection.clone(), started, timeout)
                })
                .buffered(APPEND_IN_FLIGHT_MAX)
                .map(move |answer| answer.map_err(|error| client.error(&error, timeout, RPCTypes::AppendEntries)));
            let answers: BoxStream<'s, _> = Box::pin(end_after_error(answers));
            Ok(answers)
        })
    }

    async fn vote(&mut self, request: VoteRequest<Types>, option: RPCOption) -> Result<VoteResponse<Types>, RpcError> {
        self.call(
            Class::Control,
            Kind::Vote,
            request.to_bytes(),
            option.soft_ttl(),
            RPCTypes::Vote,
        )
        .await
    }

    async fn pre_vote(
        &mut self,
        request: VoteRequest<Types>,
        option: RPCOption,
    ) -> Result<VoteResponse<Types>, RpcError> {
        self.call(
            Class::Control,
            Kind::PreVote,
            request.to_bytes(),
            option.soft_ttl(),
            RPCTypes::Vote,
        )
        .await
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: SnapshotOf<Types, SnapshotData>,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _: RPCOption,
    ) -> Result<SnapshotResponse<Types>, StreamingError<Types>> {
        let SnapshotData::View(view) = snapshot.snapshot else {
            return Err(StreamingError::Network(NetworkError::from_string(
                "only own tables can be sent",
            )));
        };
        let sending = snapshot_send::send(&self.network, self.target, vote, snapshot.meta, view);
        let sent = tokio::select! {
            sent = sending => sent,
            closed = cancel => return Err(StreamingError::Closed(closed)),
        };
        sent.map(SnapshotResponse::new).map_err(|error| {
            tracing::warn!(target_node = self.target, error = %error, "sending a snapshot failed");
            StreamingError::Unreachable(Unreachable::new(&error))
        })
    }

    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<Types>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<Types>, RpcError> {
        let payload = request.to_bytes();
        self.call(
            Class::Control,
            Kind::TransferLeader,
            payload,
            option.hard_ttl(),
            RPCTypes::TransferLeader,
        )
        .await
    }
}

/// Ends a stream of answers after the first one that is not a success.
fn end_after_error<'s>(
    answers: impl Stream<Item = Result<StreamAppendResult<Types>, RpcError>> + Send + 's,
) -> impl Stream<Item = Result<StreamAppendResult<Types>, RpcError>> + Send + 's {
    stream::unfold(Some(Box::pin(answers)), |answers| async move {
        let mut answers = answers?;
        let answer = answers.next().await?;
        let go_on = matches!(answer, Ok(Ok(_)));
        Some((answer, go_on.then_some(answers)))
    })
}
