//! Frames and consensus messages between members; see `own` for messages of this crate.
//!
//! Must not open connections or decide what to do with a message.

use bytes::Bytes;
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, StreamAppendError, StreamAppendResult, TransferLeaderError,
    TransferLeaderRequest, TransferLeaderResponse, VoteRequest, VoteResponse,
};

use super::log::ENTRY_HEAD_BYTES;
use super::{DecodeError, Decoded, Decoder, Encoder};
use crate::types::Types;

/// What a frame holds. Numbers are forever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// An append of an ordered stream; the session comes before the request.
    AppendStream = 1,
    /// A single append, in no order with others.
    Append = 2,
    Vote = 3,
    PreVote = 4,
    TransferLeader = 5,
    Propose = 6,
    ReadIndex = 7,
    Pristine = 8,
    SnapshotBegin = 9,
    SnapshotChunk = 10,
    SnapshotEnd = 11,
    /// Something to be done with the membership.
    Operate = 12,
    /// The digests that a member noted.
    Digests = 13,
    /// A member has other tables than the majority.
    Diverged = 14,
    /// What time it is.
    Clock = 15,
    /// A kind that this program does not know; never sent. Holds its number.
    Unknown = 0xFF,
    Answer = 0x80,
    /// The request was understood and not carried out; holds the reason.
    Refusal = 0x81,
}

impl Kind {
    pub(crate) fn from_u8(tag: u8) -> Decoded<Self> {
        const ALL: [Kind; 17] = [
            Kind::AppendStream,
            Kind::Append,
            Kind::Vote,
            Kind::PreVote,
            Kind::TransferLeader,
            Kind::Propose,
            Kind::ReadIndex,
            Kind::Pristine,
            Kind::SnapshotBegin,
            Kind::SnapshotChunk,
            Kind::SnapshotEnd,
            Kind::Operate,
            Kind::Digests,
            Kind::Diverged,
            Kind::Clock,
            Kind::Answer,
            Kind::Refusal,
        ];
        ALL.into_iter().find(|kind| *kind as u8 == tag).ok_or(DecodeError::Tag {
            what: "frame",
            tag: tag.into(),
        })
    }
}

/// A message that can be sent as the payload of a frame.
pub(crate) trait Message: Sized {
    fn encode(&self, to: &mut Encoder);
    fn decode(from: &mut Decoder) -> Decoded<Self>;

    fn to_bytes(&self) -> Bytes {
        let mut encoder = Encoder::versioned();
        self.encode(&mut encoder);
        encoder.finish()
    }

    fn from_bytes(bytes: Bytes) -> Decoded<Self> {
        let mut decoder = Decoder::versioned(bytes)?;
        let message = Self::decode(&mut decoder)?;
        decoder.end("message")?;
        Ok(message)
    }
}

impl Message for AppendEntriesRequest<Types> {
    fn encode(&self, to: &mut Encoder) {
        to.vote(&self.vote);
        to.log_id_option(self.prev_log_id.as_ref());
        to.log_id_option(self.leader_commit.as_ref());
        to.count(self.entries.len());
        for entry in &self.entries {
            to.entry(entry);
        }
    }

    fn decode(from: &mut Decoder) -> Decoded<Self> {
        let vote = from.vote()?;
        let prev_log_id = from.log_id_option()?;
        let leader_commit = from.log_id_option()?;
        let count = from.count(ENTRY_HEAD_BYTES, "entries")?;
        let entries = (0..count).map(|_| from.entry()).collect::<Decoded<Vec<_>>>()?;
        Ok(Self {
            vote,
            prev_log_id,
            entries,
            leader_commit,
        })
    }
}

/// An append of the ordered stream `session`.
pub(crate) struct StreamedAppend {
    pub(crate) session: u64,
    pub(crate) request: AppendEntriesRequest<Types>,
}

impl Message for StreamedAppend {
    fn encode(&self, to: &mut Encoder) {
        to.u64(self.session);
        self.request.encode(to);
    }

    fn decode(from: &mut Decoder) -> Decoded<Self> {
        Ok(Self {
            session: from.u64("session")?,
            request: AppendEntriesRequest::decode(from)?,
        })
    }
}

impl Message for StreamAppendResult<Types> {
    fn encode(&self, to: &mut Encoder) {
        match self {
            Ok(matching) => {
                to.u8(0);
                to.log_id_option(matching.as_ref());
            }
            Err(StreamAppendError::Conflict(at)) => {
                to.u8(1);
                to.log_id(at);
            }
            Err(StreamAppendError::HigherVote(vote)) => {
                to.u8(2);
                to.vote(vote);
            }
        }
    }

    fn decode(from: &mut Decoder) -> Decoded<Self> {
        match from.u8("append answer")? {
            0 => Ok(Ok(from.log_id_option()?)),
            1 => Ok(Err(StreamAppendError::Conflict(from.log_id()?))),
            2 => Ok(Err(StreamAppendError::HigherVote(from.vote()?))),
            tag => Err(DecodeError::Tag {
                what: "append answer",
                tag: tag.into(),
            }),
        }
    }
}

impl Message for AppendEntriesResponse<Types> {
    fn encode(&self, to: &mut Encoder) {
        match self {
            Self::Success => to.u8(0),
            Self::PartialSuccess(matching) => {
                to.u8(1);
                to.log_id_option(matching.as_ref());
            }
            Self::Conflict => to.u8(2),
            Self::HigherVote(vote) => {
                to.u8(3);
                to.vote(vote);
            }
        }
    }

    fn decode(from: &mut Decoder) -> Decoded<Self> {
        match from.u8("append answer")? {
            0 => Ok(Self::Success),
            1 => Ok(Self::PartialSuccess(from.log_id_option()?)),
            2 => Ok(Self::Conflict),
            3 => Ok(Self::HigherVote(from.vote()?)),
            tag => Err(DecodeError::Tag {
                what: "append answer",
                tag: tag.into(),
            }),
        }
    }
}

impl Message for VoteRequest<Types> {
    fn encode(&self, to: &mut Encoder) {
        to.vote(&self.vote);
        to.log_id_option(self.last_log_id.as_ref());
        to.bool(self.leadership_transfer);
    }

    fn decode(from: &mut Decoder) -> Decoded<Self> {
        let mut request = Self::new(from.vote()?, from.log_id_option()?);
        request.leadership_transfer = from.bool("leadership transfer")?;
        Ok(request)
    }
}

impl Message for VoteResponse<Types> {
    fn encode(&self, to: &mut Encoder) {
        to.vote(&self.vote);
        to.bool(self.vote_granted);
        to.log_id_option(self.last_log_id.as_ref());
    }

    fn decode(from: &mut Decoder) -> Decoded<Self> {
        let vote = from.vote()?;
        let granted = from.bool("granted")?;
        Ok(Self::new(vote, from.log_id_option()?, granted))
    }
}

impl Message for TransferLeaderRequest<Types> {
    fn encode(&self, to: &mut Encoder) {
        to.vote(self.from_leader());
        to.u64(*self.to_node_id());
        to.log_id_option(self.last_log_id());
    }

    fn decode(from: &mut Decoder) -> Decoded<Self> {
        Ok(Self::new(from.vote()?, from.u64("new leader")?, from.log_id_option()?))
    }
}

impl Message for TransferLeaderResponse<Types> {
    fn encode(&self, to: &mut Encoder) {
        match self {
            Ok(()) => to.u8(0),
            Err(TransferLeaderError::VoteChanged { expected, actual }) => {
                to.u8(1);
                to.vote(expected);
                to.vote(actual);
            }
            Err(TransferLeaderError::LogNotFlushed { expected, actual }) => {
                to.u8(2);
                to.log_id_option(expected.as_ref());
                to.log_id_option(actual.as_ref());
            }
        }
    }

    fn decode(from: &mut Decoder) -> Decoded<Self> {
        match from.u8("transfer answer")? {
            0 => Ok(Ok(())),
            1 => Ok(Err(TransferLeaderError::VoteChanged {
                expected: from.vote()?,
                actual: from.vote()?,
            })),
            2 => Ok(Err(TransferLeaderError::LogNotFlushed {
                expected: from.log_id_option()?,
                actual: from.log_id_option()?,
            })),
            tag => Err(DecodeError::Tag {
                what: "transfer answer",
                tag: tag.into(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::hex;
    use crate::types::{Entry, LeaderId, LogId, Payload, Vote};

    const LEADER: LeaderId = LeaderId { term: 2, node_id: 3 };
    const AT: LogId = LogId {
        leader_id: LEADER,
        index: 4,
    };
    const VOTE: Vote = Vote {
        leader: LEADER,
        committed: true,
    };

    #[test]
    fn golden_append() {
        let entry = Entry {
            log_id: AT,
            payload: Payload::Blank,
        };
        let request = AppendEntriesRequest {
            vote: VOTE,
            prev_log_id: None,
            entries: vec![entry],
            leader_commit: None,
        };
        let streamed = StreamedAppend { session: 1, request };
        let leader = "00000000000000020000000000000003";
        let entry = format!("{leader}00000000000000040000000000");
        let expected = format!("010000000000000001{leader}01000000000001{entry}");
        assert_eq!(hex(&streamed.to_bytes()), expected);
        let read = StreamedAppend::from_bytes(streamed.to_bytes()).unwrap();
        assert_eq!(
            (read.session, read.request.vote, read.request.entries.len()),
            (1, VOTE, 1)
        );
    }

    fn survives<M: Message + PartialEq + std::fmt::Debug>(message: M) {
        assert_eq!(M::from_bytes(message.to_bytes()), Ok(message));
    }

    #[test]
    fn every_answer_survives_a_round_trip() {
        survives::<StreamAppendResult<Types>>(Ok(Some(AT)));
        survives::<StreamAppendResult<Types>>(Err(StreamAppendError::Conflict(AT)));
        survives::<StreamAppendResult<Types>>(Err(StreamAppendError::HigherVote(VOTE)));
        survives(AppendEntriesResponse::<Types>::Success);
        survives(AppendEntriesResponse::<Types>::PartialSuccess(Some(AT)));
        survives(AppendEntriesResponse::<Types>::Conflict);
        survives(AppendEntriesResponse::<Types>::HigherVote(VOTE));
        survives(VoteResponse::<Types>::new(VOTE, Some(AT), true));
        survives(TransferLeaderRequest::<Types>::new(VOTE, 5, Some(AT)));
        survives::<TransferLeaderResponse<Types>>(Ok(()));
        let changed = TransferLeaderError::VoteChanged {
            expected: VOTE,
            actual: VOTE,
        };
        survives::<TransferLeaderResponse<Types>>(Err(changed));
        let unflushed = TransferLeaderError::LogNotFlushed {
            expected: Some(AT),
            actual: None,
        };
        survives::<TransferLeaderResponse<Types>>(Err(unflushed));
        let mut request = VoteRequest::<Types>::new(VOTE, Some(AT));
        request.leadership_transfer = true;
        survives(request);
    }
}
