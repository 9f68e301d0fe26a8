//! Audit rows: one for every applied entry, in the same transaction as what it reports, and a chain of hashes over them
//! (LG-2). Whoever has the rows can check the chain without the cluster: see [`AuditRow::link_after`].

use crate::account::Role;
use crate::factor::Methods;
use crate::ids::{AccountId, DeviceId, RequestId, SessionId};
use crate::policy::risk::{Facts, Reasons};
use crate::tables::schema::is_default;
use crate::time::Timestamp;
use minicbor::{Decode, Encode};
use sha2::{Digest as _, Sha256};

/// What the chain's first row follows.
pub const CHAIN_START: Link = Link([0; 32]);

/// What is hashed before the fields: the version of the chain's format.
const CHAIN_FORMAT: &[u8] = b"tfauth audit row 1";

/// A row of the audit table, keyed by log index.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct AuditRow {
    /// When, in log time.
    #[n(0)]
    pub at: Timestamp,
    /// The request that caused it.
    #[n(1)]
    pub request_id: RequestId,
    /// The command's verb, e.g. `log_in`.
    #[n(2)]
    pub verb: String,
    /// What came out, e.g. `session_started` or `invalid_credentials`.
    #[n(3)]
    pub outcome: String,
    /// The account that it is about, where there is one.
    #[n(4)]
    pub account: Option<AccountId>,
    /// Address of the client.
    #[n(5)]
    pub client_address: String,
    /// The administrator who did it, where it was not the account itself.
    #[n(6)]
    pub actor: Option<AccountId>,
    /// The session that asked, or that was started.
    #[n(7)]
    pub session: Option<SessionId>,
    /// The remembered device that it happened on.
    #[n(8)]
    pub device: Option<DeviceId>,
    /// What was proven.
    #[cbor(n(9), skip_if = "is_default")]
    pub methods: Methods,
    /// Why a second factor was demanded.
    #[cbor(n(10), skip_if = "is_default")]
    pub reasons: Reasons,
    /// Why it would have been, were the rules in force.
    #[cbor(n(11), skip_if = "is_default")]
    pub shadow_reasons: Reasons,
    /// What the risk rules looked at.
    #[n(12)]
    pub facts: Option<Facts>,
    /// Its place in the chain.
    #[n(13)]
    pub chain: Option<Chain>,
}

/// A row's place in the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Chain {
    /// Number of the row, from 1, without gaps.
    #[n(0)]
    pub number: u64,
    /// Link of the row before it.
    #[n(1)]
    pub previous: Link,
    /// Its own link.
    #[n(2)]
    pub link: Link,
}

/// A hash of a row and of all rows before it.
#[derive(Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct Link(#[cbor(with = "minicbor::bytes")] pub [u8; 32]);

impl Link {
    /// 64 lower-case hexadecimal characters.
    #[must_use]
    pub fn hex(&self) -> String {
        crate::ids::hex(&self.0)
    }
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.hex())
    }
}

/// The first row at which a chain does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BrokenChain {
    /// Its log index.
    pub index: u64,
    /// What is wrong there.
    pub fault: ChainFault,
}

/// What breaks a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChainFault {
    /// The row has no place in the chain.
    NoPlace,
    /// The row is not what its link was made from.
    Changed,
    /// The row does not follow the one before it: rows are missing, swapped or added.
    NotFollowing,
}

impl AuditRow {
    /// The link of this row at `index` as row `number` after `previous`: SHA-256 over the format's name, `previous`, both
    /// numbers (u64, big-endian), and each field as text with its length (u32, big-endian) before it. The fields are
    /// those of [`Self::chained_fields`]; absent ones are empty.
    #[must_use]
    pub fn link_after(&self, previous: Link, number: u64, index: u64) -> Link {
        let mut hash = Sha256::new()
            .chain_update(CHAIN_FORMAT)
            .chain_update(previous.0)
            .chain_update(number.to_be_bytes())
            .chain_update(index.to_be_bytes());
        for field in self.chained_fields() {
            let length = u32::try_from(field.len()).unwrap_or(u32::MAX);
            hash = hash.chain_update(length.to_be_bytes()).chain_update(field);
        }
        Link(hash.finalize().into())
    }

    /// What the chain covers, in this order: time in microseconds, request id, verb, outcome, account, client address,
    /// actor, session, device, methods, reasons, shadow reasons (numbers in decimal), facts.
    #[must_use]
    pub fn chained_fields(&self) -> [String; 13] {
        let account = |id: Option<AccountId>| id.map(|id| id.hex()).unwrap_or_default();
        [
            self.at.0.to_string(),
            self.request_id.hex(),
            self.verb.clone(),
            self.outcome.clone(),
            account(self.account),
            self.client_address.clone(),
            account(self.actor),
            self.session.map(|id| id.hex()).unwrap_or_default(),
            self.device.map(|id| id.hex()).unwrap_or_default(),
            self.methods.0.to_string(),
            self.reasons.0.to_string(),
            self.shadow_reasons.0.to_string(),
            self.facts.as_ref().map(facts_text).unwrap_or_default(),
        ]
    }
}

/// Checks rows in ascending order of their log index, without gaps. The first one's predecessor is taken as it says.
///
/// # Errors
/// The first row that does not hold.
pub fn verify<'a>(rows: impl IntoIterator<Item = (u64, &'a AuditRow)>) -> Result<Option<Chain>, BrokenChain> {
    let mut last: Option<Chain> = None;
    for (index, row) in rows {
        let broken = |fault| Err(BrokenChain { index, fault });
        let Some(chain) = row.chain else {
            return broken(ChainFault::NoPlace);
        };
        if row.link_after(chain.previous, chain.number, index) != chain.link {
            return broken(ChainFault::Changed);
        }
        let follows =
            last.is_none_or(|last| chain.previous == last.link && Some(chain.number) == last.number.checked_add(1));
        if !follows {
            return broken(ChainFault::NotFollowing);
        }
        last = Some(chain);
    }
    Ok(last)
}

/// Facts as `role,known network,known device,rested seconds,share,has method`; `-` for what is not known.
#[must_use]
pub fn facts_text(facts: &Facts) -> String {
    let text = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    let role = match facts.role {
        Role::User => "user",
        Role::Admin => "admin",
    };
    [
        role.to_owned(),
        text(facts.known_network.map(|known| known.to_string())),
        text(facts.known_device.map(|known| known.to_string())),
        text(facts.rested_seconds.map(|seconds| seconds.to_string())),
        text(facts.share.map(|share| share.to_string())),
        facts.has_method.to_string(),
    ]
    .join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(count: u64) -> Vec<(u64, AuditRow)> {
        let mut previous = CHAIN_START;
        let mut rows = Vec::new();
        for number in 1..=count {
            let mut row = AuditRow {
                at: Timestamp(number),
                request_id: RequestId([7; 16]),
                verb: "log_in".into(),
                outcome: "session_started".into(),
                account: None,
                client_address: "192.0.2.1".into(),
                actor: None,
                session: None,
                device: None,
                methods: Methods::NONE,
                reasons: Reasons::NONE,
                shadow_reasons: Reasons::NONE,
                facts: None,
                chain: None,
            };
            let index = number * 3;
            let link = row.link_after(previous, number, index);
            row.chain = Some(Chain { number, previous, link });
            previous = link;
            rows.push((index, row));
        }
        rows
    }

    fn check(rows: &[(u64, AuditRow)]) -> Result<Option<Chain>, BrokenChain> {
        verify(rows.iter().map(|(index, row)| (*index, row)))
    }

    #[test]
    fn lg_2_a_whole_chain_holds_from_any_row_on() {
        let rows = rows(5);
        assert_eq!(check(&rows), Ok(rows[4].1.chain));
        assert_eq!(check(&rows[2..]), Ok(rows[4].1.chain));
        assert_eq!(check(&[]), Ok(None));
    }

    #[test]
    fn lg_2_every_changed_field_breaks_the_chain() {
        let changes: [fn(&mut AuditRow); 13] = [
            |r| r.at.0 += 1,
            |r| r.request_id.0[0] ^= 1,
            |r| r.verb.push('x'),
            |r| r.outcome.clear(),
            |r| r.account = Some(AccountId([0; 16])),
            |r| r.client_address = "192.0.2.2".into(),
            |r| r.actor = Some(AccountId([0; 16])),
            |r| r.session = Some(SessionId([0; 16])),
            |r| r.device = Some(DeviceId([0; 16])),
            |r| r.methods = Methods::TOTP,
            |r| r.reasons = Reasons::ADMIN,
            |r| r.shadow_reasons = Reasons::ADMIN,
            |r| {
                r.facts = Some(Facts {
                    role: Role::User,
                    known_network: None,
                    known_device: None,
                    rested_seconds: None,
                    share: None,
                    has_method: false,
                });
            },
        ];
        for (number, change) in changes.into_iter().enumerate() {
            let mut rows = rows(3);
            change(&mut rows[1].1);
            let broken = check(&rows).expect_err("a changed row passed");
            assert_eq!((broken.index, broken.fault), (6, ChainFault::Changed), "field {number}");
        }
    }

    #[test]
    fn lg_2_missing_swapped_and_added_rows_break_the_chain() {
        let mut missing = rows(4);
        missing.remove(1);
        assert_eq!(check(&missing).unwrap_err().fault, ChainFault::NotFollowing);
        let mut swapped = rows(4);
        swapped.swap(1, 2);
        assert_eq!(check(&swapped).unwrap_err().fault, ChainFault::NotFollowing);
        let mut moved = rows(2);
        moved[1].0 += 1;
        assert_eq!(check(&moved).unwrap_err().fault, ChainFault::Changed);
        let mut bare = rows(2);
        bare[1].1.chain = None;
        assert_eq!(check(&bare).unwrap_err().fault, ChainFault::NoPlace);
    }
}
