//! What a node asks the leader to do with the membership, and the answers, as messages between members.
//!
//! Must not decide anything.

use super::command::Proof;
use super::info::ClusterInfo;
use crate::codec::wire::Message;
use crate::codec::{DecodeError, Decoded, Decoder, Encoder};

/// A request to the leader. Asking again for what is done already changes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Describe,
    Join {
        name: String,
        address: String,
        incarnation: [u8; 16],
        proof: Proof,
    },
    AddToken {
        hash: [u8; 32],
        valid_ms: u64,
        replaces: Option<u64>,
    },
    Promote {
        id: u64,
        replaces: Option<u64>,
    },
    Remove {
        id: u64,
    },
    Transfer {
        to: Option<u64>,
    },
    Upgrade {
        to: u32,
    },
}

/// What the member that was asked says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Done {
        text: String,
    },
    Joined {
        id: u64,
    },
    Described(ClusterInfo),
    /// Begun and not finished: ask again.
    Pending {
        text: String,
    },
    Refused {
        text: String,
    },
    /// Nothing was done here.
    NotLeader,
}

impl Message for Operation {
    fn encode(&self, to: &mut Encoder) {
        match self {
            Self::Describe => to.u8(0),
            Self::Join {
                name,
                address,
                incarnation,
                proof,
            } => {
                to.u8(1);
                to.bytes(name.as_bytes());
                to.bytes(address.as_bytes());
                to.raw(incarnation);
                proof.encode(to);
            }
            Self::AddToken {
                hash,
                valid_ms,
                replaces,
            } => {
                to.u8(2);
                to.raw(hash);
                to.u64(*valid_ms);
                to.option(replaces.as_ref(), |to, id| to.u64(*id));
            }
            Self::Promote { id, replaces } => {
                to.u8(3);
                to.u64(*id);
                to.option(replaces.as_ref(), |to, id| to.u64(*id));
            }
            Self::Remove { id } => {
                to.u8(4);
                to.u64(*id);
            }
            Self::Transfer { to: id } => {
                to.u8(5);
                to.option(id.as_ref(), |to, id| to.u64(*id));
            }
            Self::Upgrade { to: version } => {
                to.u8(6);
                to.u32(*version);
            }
        }
    }

    fn decode(from: &mut Decoder) -> Decoded<Self> {
        match from.u8("operation")? {
            0 => Ok(Self::Describe),
            1 => Ok(Self::Join {
                name: from.text("name")?,
                address: from.text("address")?,
                incarnation: from.fixed("incarnation")?,
                proof: Proof::decode(from)?,
            }),
            2 => Ok(Self::AddToken {
                hash: from.fixed("hash of a token")?,
                valid_ms: from.u64("life of the token")?,
                replaces: from.option("replaced id", |from| from.u64("replaced id"))?,
            }),
            3 => Ok(Self::Promote {
                id: from.u64("id")?,
                replaces: from.option("replaced id", |from| from.u64("replaced id"))?,
            }),
            4 => Ok(Self::Remove { id: from.u64("id")? }),
            5 => Ok(Self::Transfer {
                to: from.option("new leader", |from| from.u64("new leader"))?,
            }),
            6 => Ok(Self::Upgrade {
                to: from.u32("cluster version")?,
            }),
            tag => Err(DecodeError::Tag {
                what: "operation",
                tag: tag.into(),
            }),
        }
    }
}

impl Message for Outcome {
    fn encode(&self, to: &mut Encoder) {
        match self {
            Self::Done { text } => {
                to.u8(0);
                to.bytes(text.as_bytes());
            }
            Self::Joined { id } => {
                to.u8(1);
                to.u64(*id);
            }
            Self::Described(info) => {
                to.u8(2);
                info.encode(to);
            }
            Self::Pending { text } => {
                to.u8(3);
                to.bytes(text.as_bytes());
            }
            Self::Refused { text } => {
                to.u8(4);
                to.bytes(text.as_bytes());
            }
            Self::NotLeader => to.u8(5),
        }
    }

    fn decode(from: &mut Decoder) -> Decoded<Self> {
        match from.u8("outcome")? {
            0 => Ok(Self::Done {
                text: from.text("text")?,
            }),
            1 => Ok(Self::Joined { id: from.u64("id")? }),
            2 => Ok(Self::Described(ClusterInfo::decode(from)?)),
            3 => Ok(Self::Pending {
                text: from.text("text")?,
            }),
            4 => Ok(Self::Refused {
                text: from.text("text")?,
            }),
            5 => Ok(Self::NotLeader),
            tag => Err(DecodeError::Tag {
                what: "outcome",
                tag: tag.into(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Versions;
    use crate::cluster::info::{MemberInfo, Part};
    use crate::identity::hex;

    #[test]
    fn every_operation_and_outcome_survives_a_round_trip() {
        let operations = [
            Operation::Describe,
            Operation::Join {
                name: "n".into(),
                address: "a:1".into(),
                incarnation: [1; 16],
                proof: Proof::Token([2; 32]),
            },
            Operation::AddToken {
                hash: [3; 32],
                valid_ms: 4,
                replaces: Some(5),
            },
            Operation::Promote {
                id: 6,
                replaces: Some(7),
            },
            Operation::Remove { id: 8 },
            Operation::Transfer { to: Some(9) },
            Operation::Upgrade { to: 10 },
        ];
        for operation in operations {
            assert_eq!(Operation::from_bytes(operation.to_bytes()), Ok(operation));
        }
        let member = MemberInfo {
            id: 1,
            name: "n".into(),
            address: "a:1".into(),
            incarnation: [1; 16],
            part: Part::Leaving,
            replaces: Some(2),
            matched: Some(3),
            versions: Some(Versions { min: 1, max: 2 }),
            clock_ahead_ms: Some(-4),
        };
        let info = ClusterInfo {
            cluster_id: [5; 16],
            cluster_version: 6,
            leader: 7,
            last_log: 8,
            changing: true,
            members: vec![member],
        };
        let outcomes = [
            Outcome::Done { text: "done".into() },
            Outcome::Joined { id: 1 },
            Outcome::Described(info),
            Outcome::Pending { text: "soon".into() },
            Outcome::Refused { text: "no".into() },
            Outcome::NotLeader,
        ];
        for outcome in outcomes {
            assert_eq!(Outcome::from_bytes(outcome.to_bytes()), Ok(outcome));
        }
        assert_eq!(hex(&Operation::Remove { id: 8 }.to_bytes()), "01040000000000000008");
        assert_eq!(hex(&Outcome::NotLeader.to_bytes()), "0105");
    }
}
