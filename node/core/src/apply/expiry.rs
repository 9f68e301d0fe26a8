//! What is to be removed, by due time. A bounded number of rows goes with every entry, so that none is slow.
//!
//! Being due decides nothing by itself: rules compare times, and removal may lag behind. A row that was renewed since
//! its removal was scheduled stays, because each kind looks at the row's own end.

use super::decision::Moment;
use super::{challenges, delete_account, idempotency, release_mail, sessions, unknown_names};
use crate::error::Fault;
use crate::ids::{AccountId, ChallengeId, NameMac, SessionId};
use crate::limits::EXPIRED_ROWS_PER_ENTRY_MAX;
use crate::query;
use crate::tables::schema::{get, put};
use crate::tables::{Table, Tables};
use crate::time::Timestamp;
use crate::token::MailToken;

/// Keys of marks that the owner of an address was told of a registration: this, then the account's id.
const ADDRESS_NOTICE_PREFIX: &[u8] = b"address_notice/";

/// Keys are longer than the longest one of the table, and greater than all of them.
const KEYS_END: [u8; 26] = [0xff; 26];

/// What a due row removes. Numbers are on disk: never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    /// A remembered reply.
    Reply = 1,
    /// A login challenge.
    Challenge = 2,
    /// A session.
    Session = 3,
    /// Failures of a name without an account.
    UnknownName = 4,
    /// The mark that an address was told of a registration.
    AddressNotice = 5,
    /// The mark that a mail was handed over.
    SentMail = 40,
    /// A mail in quarantine.
    Quarantined = 41,
    /// A mailed token.
    MailToken = 6,
    /// An answer kept for a client's key.
    KeptAnswer = 7,
    /// An account that is held until its address is proven.
    HeldAccount = 8,
}

impl Kind {
    fn from_number(number: u8) -> Option<Self> {
        [
            Self::Reply,
            Self::Challenge,
            Self::Session,
            Self::UnknownName,
            Self::AddressNotice,
            Self::SentMail,
            Self::Quarantined,
            Self::MailToken,
            Self::KeptAnswer,
            Self::HeldAccount,
        ]
        .into_iter()
        .find(|kind| *kind as u8 == number)
    }
}

/// Has something removed when the log's clock reaches `due`.
pub(super) fn schedule(due: Timestamp, kind: Kind, id: &[u8], tables: &mut impl Tables) -> Result<(), Fault> {
    put(tables, Table::Expiry, &key(due, kind, id), &())
}

/// Takes [`schedule`] back.
pub(super) fn cancel(due: Timestamp, kind: Kind, id: &[u8], tables: &mut impl Tables) -> Result<(), Fault> {
    Ok(tables.remove(Table::Expiry, &key(due, kind, id))?)
}

/// Removes what is due, the longest due first, up to the bound.
pub(super) fn remove_due(moment: Moment<'_>, tables: &mut impl Tables) -> Result<(), Fault> {
    let end = moment
        .now
        .0
        .checked_add(1)
        .map_or(KEYS_END.to_vec(), |after| after.to_be_bytes().to_vec());
    for (key, _) in tables.range(Table::Expiry, &[], &end, EXPIRED_ROWS_PER_ENTRY_MAX)? {
        let (kind, id) = parse(&key)?;
        remove_one(moment, kind, id, tables)?;
        tables.remove(Table::Expiry, &key)?;
    }
    Ok(())
}

/// A mail's key as an id.
pub(super) fn mail_id(key: u64) -> [u8; 16] {
    u128::from(key).to_be_bytes()
}

/// [`mail_id`], the other way round.
fn mail_key(id: [u8; 16]) -> [u8; 8] {
    let [.., a, b, c, d, e, f, g, h] = id;
    [a, b, c, d, e, f, g, h]
}

/// Key in the meta table of the mark that this account's owner was told of a registration with the same address.
pub(super) fn address_notice_key(owner: AccountId) -> Vec<u8> {
    [ADDRESS_NOTICE_PREFIX, &owner.0].concat()
}

fn remove_one(moment: Moment<'_>, kind: Kind, id: &[u8], tables: &mut impl Tables) -> Result<(), Fault> {
    let now = moment.now;
    match kind {
        // Never renewed: while it is there, no entry with its id is applied.
        Kind::Reply => tables.remove(Table::Replies, id)?,
        Kind::Challenge => challenges::remove_if_due(moment, ChallengeId(short(id)?), tables)?,
        Kind::Session => {
            if let Some(session) = query::session(tables, SessionId(short(id)?))?.filter(|row| row.expires_at <= now) {
                tables.remove(Table::Sessions, id)?;
                tables.remove(Table::SessionsByAccount, &sessions::index_key(&session))?;
            }
        }
        Kind::UnknownName => unknown_names::forget_if_due(now, NameMac(short(id)?), tables)?,
        Kind::AddressNotice => {
            let key = address_notice_key(AccountId(short(id)?));
            if get::<Timestamp>(tables, Table::Meta, &key)?.is_some_and(|until| until <= now) {
                tables.remove(Table::Meta, &key)?;
            }
        }
        Kind::SentMail => tables.remove(Table::SentMail, &mail_key(short(id)?))?,
        Kind::Quarantined => release_mail::forget_if_due(now, mail_key(short(id)?), tables)?,
        Kind::MailToken => {
            if get::<MailToken>(tables, Table::MailTokens, id)?.is_some_and(|token| token.expires_at <= now) {
                tables.remove(Table::MailTokens, id)?;
            }
        }
        Kind::KeptAnswer => idempotency::forget_if_due(now, id, tables)?,
        Kind::HeldAccount => {
            let held = query::account(tables, AccountId(short(id)?))?;
            if let Some(account) = held.filter(|account| account.void_at().is_some_and(|end| end <= now)) {
                delete_account::remove(moment, &account, tables)?;
            }
        }
    }
    Ok(())
}

fn short(id: &[u8]) -> Result<[u8; 16], Fault> {
    <[u8; 16]>::try_from(id).map_err(|_| unknown_key())
}

fn unknown_key() -> Fault {
    Fault::Row {
        table: "expiry",
        reason: "a key of an unknown kind".into(),
    }
}

fn key(due: Timestamp, kind: Kind, id: &[u8]) -> Vec<u8> {
    [due.0.to_be_bytes().as_slice(), &[kind as u8], id].concat()
}

fn parse(key: &[u8]) -> Result<(Kind, &[u8]), Fault> {
    let (_due, rest) = key.split_first_chunk::<8>().ok_or_else(unknown_key)?;
    let (kind, id) = rest.split_first().ok_or_else(unknown_key)?;
    let lengths: &[usize] = &[8, 16, 32];
    let kind = Kind::from_number(*kind).filter(|_| lengths.contains(&id.len()));
    Ok((kind.ok_or_else(unknown_key)?, id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::challenge::Challenge;
    use crate::entry::Client;
    use crate::factor::Methods;
    use crate::policy::risk::Reasons;
    use crate::tables::TablesRead;
    use crate::tables::memory::MemoryTables;
    use std::cell::Cell;

    const NOW: Timestamp = Timestamp(1_000);

    fn run(now: Timestamp, tables: &mut MemoryTables) -> Result<(), Fault> {
        let (client, mails) = (Client::default(), Cell::new(0));
        let moment = Moment {
            index: 1,
            now,
            client: &client,
            mails: &mails,
        };
        remove_due(moment, tables)
    }

    fn put_challenge(tables: &mut MemoryTables, number: u8, expires_at: Timestamp) -> ChallengeId {
        let id = ChallengeId([number; 16]);
        let row = Challenge {
            id,
            account: AccountId([9; 16]),
            created_at: Timestamp(0),
            expires_at,
            answers_left: 5,
            methods: Methods::NONE,
            reasons: Reasons::NONE,
            mailed: None,
            mails: 0,
            device: None,
            step_up: None,
            enrols: false,
        };
        put(tables, Table::Challenges, &id.0, &row).unwrap();
        id
    }

    #[test]
    fn a_renewed_row_outlives_its_first_due_time() {
        let mut tables = MemoryTables::default();
        let id = put_challenge(&mut tables, 1, Timestamp(1_001));
        schedule(NOW, Kind::Challenge, &id.0, &mut tables).unwrap();
        run(NOW, &mut tables).unwrap();
        assert!(query::challenge(&tables, id).unwrap().is_some());
        assert_eq!(tables.range(Table::Expiry, &[], &KEYS_END, 9).unwrap(), []);
    }

    #[test]
    fn what_is_due_goes_and_what_is_not_stays() {
        let mut tables = MemoryTables::default();
        let due = put_challenge(&mut tables, 1, NOW);
        let later = put_challenge(&mut tables, 2, Timestamp(1_001));
        schedule(NOW, Kind::Challenge, &due.0, &mut tables).unwrap();
        schedule(Timestamp(1_001), Kind::Challenge, &later.0, &mut tables).unwrap();
        run(NOW, &mut tables).unwrap();
        assert_eq!(query::challenge(&tables, due).unwrap(), None);
        assert!(query::challenge(&tables, later).unwrap().is_some());
        run(Timestamp(u64::MAX), &mut tables).unwrap();
        assert_eq!(query::challenge(&tables, later).unwrap(), None);
    }

    #[test]
    fn one_entry_removes_a_bounded_number_of_rows() {
        let mut tables = MemoryTables::default();
        for number in 0..=u8::try_from(EXPIRED_ROWS_PER_ENTRY_MAX).unwrap() {
            schedule(NOW, Kind::Reply, &[number; 16], &mut tables).unwrap();
        }
        run(NOW, &mut tables).unwrap();
        assert_eq!(tables.rows().count(), 1);
    }

    #[test]
    fn a_key_of_an_unknown_kind_is_a_fault() {
        let mut tables = MemoryTables::default();
        for key in [vec![0; 25], vec![0; 8], vec![], vec![1; 26]] {
            assert!(parse(&key).is_err(), "{key:?}");
        }
        tables.put(Table::Expiry, &[0; 25], Vec::new()).unwrap();
        assert!(run(NOW, &mut tables).is_err());
    }
}
