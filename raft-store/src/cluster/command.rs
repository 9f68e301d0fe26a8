//! Commands of the store to itself, in the log like those of its user.
//!
//! Formats are forever: variants are appended, never renumbered. Must not decide anything: see `apply`.

use crate::codec::wire::Message;
use crate::codec::{DecodeError, Decoded, Decoder, Encoder};

/// Why a node may come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proof {
    /// Knows the token with this hash.
    Token([u8; 32]),
    /// Holds the certificate of a member whose folder it had to give up.
    Certificate { replaces: u64 },
}

/// What the store tells itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum System {
    AddToken {
        hash: [u8; 32],
        now_ms: u64,
        expires_ms: u64,
        replaces: Option<u64>,
    },
    /// The index of this entry gives the id of the node, if it is let in.
    Join {
        now_ms: u64,
        name: String,
        address: String,
        incarnation: [u8; 16],
        proof: Proof,
    },
    /// A learner shall vote, maybe in the place of another.
    Promote {
        id: u64,
        replaces: Option<u64>,
    },
    /// An id that never became a member is given up.
    Retire {
        id: u64,
    },
    RaiseVersion {
        to: u32,
    },
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SystemReply {
    Done,
    Joined { id: u64 },
    Refused { reason: String },
}

impl Message for System {
    fn encode(&self, to: &mut Encoder) {
        match self {
            Self::AddToken {
                hash,
                now_ms,
                expires_ms,
                replaces,
            } => {
                to.u8(0);
                to.raw(hash);
                to.u64(*now_ms);
                to.u64(*expires_ms);
                to.option(replaces.as_ref(), |to, id| to.u64(*id));
            }
            Self::Join {
                now_ms,
                name,
                address,
                incarnation,
                proof,
            } => {
                to.u8(1);
                to.u64(*now_ms);
                to.bytes(name.as_bytes());
                to.bytes(address.as_bytes());
                to.raw(incarnation);
                proof.encode(to);
            }
            Self::Promote { id, replaces } => {
                to.u8(2);
                to.u64(*id);
                to.option(replaces.as_ref(), |to, id| to.u64(*id));
            }
            Self::Retire { id } => {
                to.u8(3);
                to.u64(*id);
            }
            Self::RaiseVersion { to: version } => {
                to.u8(4);
                to.u32(*version);
            }
        }
    }

    fn decode(from: &mut Decoder) -> Decoded<Self> {
        match from.u8("command to the store")? {
            0 => Ok(Self::AddToken {
                hash: from.fixed("hash of a token")?,
                now_ms: from.u64("time")?,
                expires_ms: from.u64("end of the token")?,
                replaces: from.option("replaced id", |from| from.u64("replaced id"))?,
            }),
            1 => Ok(Self::Join {
                now_ms: from.u64("time")?,
                name: from.text("name")?,
                address: from.text("address")?,
                incarnation: from.fixed("incarnation")?,
                proof: Proof::decode(from)?,
            }),
            2 => Ok(Self::Promote {
                id: from.u64("id")?,
                replaces: from.option("replaced id", |from| from.u64("replaced id"))?,
            }),
            3 => Ok(Self::Retire { id: from.u64("id")? }),
            4 => Ok(Self::RaiseVersion {
                to: from.u32("cluster version")?,
            }),
            tag => Err(DecodeError::Tag {
                what: "command to the store",
                tag: tag.into(),
            }),
        }
    }
}

impl Message for Proof {
    fn encode(&self, to: &mut Encoder) {
        match self {
            Self::Token(hash) => {
                to.u8(0);
                to.raw(hash);
            }
            Self::Certificate { replaces } => {
                to.u8(1);
                to.u64(*replaces);
            }
        }
    }

    fn decode(from: &mut Decoder) -> Decoded<Self> {
        match from.u8("proof")? {
            0 => Ok(Self::Token(from.fixed("hash of a token")?)),
            1 => Ok(Self::Certificate {
                replaces: from.u64("replaced id")?,
            }),
            tag => Err(DecodeError::Tag {
                what: "proof",
                tag: tag.into(),
            }),
        }
    }
}

impl Message for SystemReply {
    fn encode(&self, to: &mut Encoder) {
        match self {
            Self::Done => to.u8(0),
            Self::Joined { id } => {
                to.u8(1);
                to.u64(*id);
            }
            Self::Refused { reason } => {
                to.u8(2);
                to.bytes(reason.as_bytes());
            }
        }
    }

    fn decode(from: &mut Decoder) -> Decoded<Self> {
        match from.u8("answer of the store")? {
            0 => Ok(Self::Done),
            1 => Ok(Self::Joined { id: from.u64("id")? }),
            2 => Ok(Self::Refused {
                reason: from.text("reason")?,
            }),
            tag => Err(DecodeError::Tag {
                what: "answer of the store",
                tag: tag.into(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::hex;

    #[test]
    fn golden_commands_to_the_store() {
        let golden = |command: System, expected: String| {
            assert_eq!(hex(&command.to_bytes()), expected);
            assert_eq!(System::from_bytes(command.to_bytes()), Ok(command));
        };
        let token = System::AddToken {
            hash: [7; 32],
            now_ms: 1,
            expires_ms: 2,
            replaces: Some(3),
        };
        golden(
            token,
            format!("0100{}{:016x}{:016x}01{:016x}", "07".repeat(32), 1, 2, 3),
        );
        let join = System::Join {
            now_ms: 1,
            name: "n".into(),
            address: "a:1".into(),
            incarnation: [4; 16],
            proof: Proof::Certificate { replaces: 3 },
        };
        golden(
            join,
            format!("0101{:016x}000000016e00000003613a31{}01{:016x}", 1, "04".repeat(16), 3),
        );
        golden(System::Promote { id: 9, replaces: None }, format!("0102{:016x}00", 9));
        golden(System::Retire { id: 9 }, format!("0103{:016x}", 9));
        golden(System::RaiseVersion { to: 2 }, "010400000002".into());
        assert!(System::from_bytes(vec![1, 200].into()).is_err());
    }

    #[test]
    fn answers_survive_a_round_trip() {
        let answers = [
            SystemReply::Done,
            SystemReply::Joined { id: 77 },
            SystemReply::Refused { reason: "no".into() },
        ];
        for answer in answers {
            assert_eq!(SystemReply::from_bytes(answer.to_bytes()), Ok(answer));
        }
    }
}
