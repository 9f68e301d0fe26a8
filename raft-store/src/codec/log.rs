//! Log ids, votes, entries and memberships as bytes, on disk and between members alike.
//!
//! Must not know where the bytes go.

use std::collections::{BTreeMap, BTreeSet};

use super::{DecodeError, Decoded, Decoder, Encoder};
use crate::types::{
    Command, Entry, LeaderId, LogId, Membership, Payload, PeerNode, SnapshotMeta, StoredMembership, Vote,
};

/// Bytes of an entry besides its payload.
pub(crate) const ENTRY_HEAD_BYTES: usize = 29;

const PAYLOAD_BLANK: u8 = 0;
const PAYLOAD_COMMAND: u8 = 1;
const PAYLOAD_MEMBERSHIP: u8 = 2;
const PAYLOAD_SYSTEM: u8 = 3;

impl Encoder {
    fn leader_id(&mut self, id: LeaderId) {
        self.u64(id.term);
        self.u64(id.node_id);
    }

    pub(crate) fn log_id(&mut self, id: &LogId) {
        self.leader_id(id.leader_id);
        self.u64(id.index);
    }

    pub(crate) fn log_id_option(&mut self, id: Option<&LogId>) {
        self.option(id, Self::log_id);
    }

    pub(crate) fn vote(&mut self, vote: &Vote) {
        self.leader_id(vote.leader);
        self.bool(vote.committed);
    }

    pub(crate) fn entry(&mut self, entry: &Entry) {
        self.log_id(&entry.log_id);
        match &entry.payload {
            Payload::Blank => {
                self.u8(PAYLOAD_BLANK);
                self.bytes(&[]);
            }
            Payload::Command(command) => {
                self.u8(PAYLOAD_COMMAND);
                self.bytes(&command.0);
            }
            Payload::System(command) => {
                self.u8(PAYLOAD_SYSTEM);
                self.bytes(command);
            }
            Payload::Membership(membership) => {
                let mut inner = Self::default();
                inner.membership(membership);
                self.u8(PAYLOAD_MEMBERSHIP);
                self.bytes(&inner.finish());
            }
        }
    }

    pub(crate) fn membership(&mut self, membership: &Membership) {
        let configs = membership.get_joint_config();
        self.count(configs.len());
        for config in configs {
            self.count(config.len());
            for id in config {
                self.u64(*id);
            }
        }
        self.count(membership.nodes().count());
        for (id, node) in membership.nodes() {
            self.u64(*id);
            self.bytes(node.name.as_bytes());
            self.bytes(node.address.as_bytes());
            self.raw(&node.incarnation);
        }
    }

    pub(crate) fn stored_membership(&mut self, stored: &StoredMembership) {
        self.log_id_option(stored.log_id().as_ref());
        self.membership(stored.membership());
    }

    pub(crate) fn snapshot_meta(&mut self, meta: &SnapshotMeta) {
        self.log_id_option(meta.last_log_id.as_ref());
        self.stored_membership(&meta.last_membership);
    }
}

impl Decoder {
    fn leader_id(&mut self) -> Decoded<LeaderId> {
        Ok(LeaderId {
            term: self.u64("term")?,
            node_id: self.u64("leader")?,
        })
    }

    pub(crate) fn log_id(&mut self) -> Decoded<LogId> {
        Ok(LogId {
            leader_id: self.leader_id()?,
            index: self.u64("index")?,
        })
    }

    pub(crate) fn log_id_option(&mut self) -> Decoded<Option<LogId>> {
        self.option("log id", Self::log_id)
    }

    pub(crate) fn vote(&mut self) -> Decoded<Vote> {
        Ok(Vote {
            leader: self.leader_id()?,
            committed: self.bool("committed vote")?,
        })
    }

    pub(crate) fn entry(&mut self) -> Decoded<Entry> {
        let log_id = self.log_id()?;
        let tag = self.u8("payload type")?;
        let body = self.bytes("payload")?;
        let payload = match tag {
            PAYLOAD_BLANK => Payload::Blank,
            PAYLOAD_COMMAND => Payload::Command(Command(body)),
            PAYLOAD_SYSTEM => Payload::System(body),
            PAYLOAD_MEMBERSHIP => {
                let mut inner = Self::new(body);
                let membership = inner.membership()?;
                inner.end("membership entry")?;
                Payload::Membership(membership)
            }
            other => {
                return Err(DecodeError::Tag {
                    what: "payload",
                    tag: other.into(),
                });
            }
        };
        Ok(Entry { log_id, payload })
    }

    pub(crate) fn membership(&mut self) -> Decoded<Membership> {
        let mut configs = Vec::new();
        for _ in 0..self.count(4, "member configurations")? {
            let mut config = BTreeSet::new();
            for _ in 0..self.count(8, "voters")? {
                config.insert(self.u64("voter")?);
            }
            configs.push(config);
        }
        let mut nodes = BTreeMap::new();
        for _ in 0..self.count(32, "members")? {
            let id = self.u64("member id")?;
            let name = self.text("member name")?;
            let address = self.text("member address")?;
            let incarnation = self.fixed("incarnation")?;
            nodes.insert(
                id,
                PeerNode {
                    name,
                    address,
                    incarnation,
                },
            );
        }
        if configs.is_empty() && nodes.is_empty() {
            return Ok(Membership::default());
        }
        Membership::new(configs, nodes).map_err(|_| DecodeError::Invalid("membership"))
    }

    pub(crate) fn stored_membership(&mut self) -> Decoded<StoredMembership> {
        let log_id = self.log_id_option()?;
        Ok(StoredMembership::new(log_id, self.membership()?))
    }

    pub(crate) fn snapshot_meta(&mut self) -> Decoded<SnapshotMeta> {
        Ok(SnapshotMeta {
            last_log_id: self.log_id_option()?,
            last_membership: self.stored_membership()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;

    fn log_id(term: u64, node_id: u64, index: u64) -> LogId {
        LogId {
            leader_id: LeaderId { term, node_id },
            index,
        }
    }

    fn members() -> Membership {
        let node = PeerNode {
            name: "n".into(),
            address: "a:1".into(),
            incarnation: [7; 16],
        };
        Membership::new(vec![BTreeSet::from([1])], BTreeMap::from([(1, node)])).unwrap()
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn golden_entries() {
        let mut encoder = Encoder::versioned();
        encoder.entry(&Entry {
            log_id: log_id(1, 2, 3),
            payload: Payload::Blank,
        });
        encoder.entry(&Entry {
            log_id: log_id(1, 2, 4),
            payload: Payload::Command(Command(Bytes::from_static(b"hi"))),
        });
        encoder.entry(&Entry {
            log_id: log_id(1, 2, 5),
            payload: Payload::Membership(members()),
        });
        encoder.entry(&Entry {
            log_id: log_id(1, 2, 6),
            payload: Payload::System(Bytes::from_static(b"to")),
        });
        let head = "0000000000000001000000000000000200000000000000";
        let node = "0000000000000001000000016e00000003613a3107070707070707070707070707070707";
        let membership = format!("00000001000000010000000000000001{:08x}{node}", 1);
        let expected = format!(
            "01{head}030000000000{head}0401000000026869{head}0502{:08x}{membership}{head}060300000002746f",
            membership.len() / 2
        );
        assert_eq!(hex(&encoder.finish()), expected);
    }

    #[test]
    fn golden_vote_and_meta() {
        let mut encoder = Encoder::default();
        encoder.vote(&Vote {
            leader: LeaderId { term: 9, node_id: 3 },
            committed: true,
        });
        encoder.snapshot_meta(&SnapshotMeta::default());
        assert_eq!(
            hex(&encoder.finish()),
            "0000000000000009".to_owned() + "0000000000000003" + "01" + "00" + "00" + "00000000" + "00000000"
        );
    }

    #[test]
    fn a_false_count_reserves_nothing() {
        let mut decoder = Decoder::new(Bytes::from_static(&[0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1]));
        assert_eq!(decoder.membership(), Err(DecodeError::Short("member configurations")));
    }

    #[test]
    fn a_later_version_is_refused() {
        assert_eq!(
            Decoder::versioned(Bytes::from_static(&[2])).err(),
            Some(DecodeError::Version(2))
        );
    }

    pub(crate) fn any_entry() -> impl Strategy<Value = Entry> {
        let payload = prop_oneof![
            Just(Payload::Blank),
            proptest::collection::vec(any::<u8>(), 0..300).prop_map(|body| Payload::Command(Command(body.into()))),
            Just(Payload::Membership(members())),
            proptest::collection::vec(any::<u8>(), 0..90).prop_map(|body| Payload::System(body.into())),
        ];
        (any::<(u64, u64, u64)>(), payload).prop_map(|((term, node, index), payload)| Entry {
            log_id: log_id(term, node, index),
            payload,
        })
    }

    proptest! {
        #[test]
        fn entries_survive_a_round_trip(entries in proptest::collection::vec(any_entry(), 0..20)) {
            let mut encoder = Encoder::versioned();
            for entry in &entries {
                encoder.entry(entry);
            }
            let mut decoder = Decoder::versioned(encoder.finish()).unwrap();
            for entry in &entries {
                prop_assert_eq!(&decoder.entry().unwrap(), entry);
            }
            prop_assert!(decoder.is_empty());
        }

        #[test]
        fn cut_or_random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut decoder = Decoder::new(Bytes::from(bytes.clone()));
            while decoder.entry().is_ok() && !decoder.is_empty() {}
            let _membership = Decoder::new(Bytes::from(bytes.clone())).stored_membership();
            let _meta = Decoder::new(Bytes::from(bytes)).snapshot_meta();
        }
    }
}
