//! Challenges: opened after the right password, answered a bounded number of times, and told to the owner when they were
//! begun and never finished (US-1).

use super::decision::Moment;
use super::expiry::{self, Kind};
use super::outbox;
use crate::account::Account;
use crate::challenge::{Challenge, MailedCode};
use crate::command::NewCode;
use crate::error::Fault;
use crate::ids::ChallengeId;
use crate::limits::MAILED_CODE_SECONDS;
use crate::outbox::{MailTemplate, Notice};
use crate::query;
use crate::tables::schema::put;
use crate::tables::{Table, Tables, TablesRead};
use crate::time::Timestamp;

/// Stores a challenge and has it removed when it is void.
pub(super) fn open(challenge: &Challenge, tables: &mut impl Tables) -> Result<(), Fault> {
    store(challenge, tables)?;
    expiry::schedule(challenge.expires_at, Kind::Challenge, &challenge.id.0, tables)
}

/// Stores a challenge.
pub(super) fn store(challenge: &Challenge, tables: &mut impl Tables) -> Result<(), Fault> {
    put(tables, Table::Challenges, &challenge.id.0, challenge)
}

/// A challenge that may be answered, and its account. One that was begun with an older password may not.
pub(super) fn live(
    now: Timestamp,
    id: ChallengeId,
    tables: &impl TablesRead,
) -> Result<Option<(Challenge, Account)>, Fault> {
    let Some(challenge) = query::challenge(tables, id)?.filter(|row| now < row.expires_at) else {
        return Ok(None);
    };
    let account = query::account(tables, challenge.account)?
        .filter(|account| !account.is_older_than_password(challenge.created_at));
    Ok(account.map(|account| (challenge, account)))
}

/// Takes one of its answers; the last one removes it, and its owner is told of it.
pub(super) fn take_answer(
    moment: Moment<'_>,
    challenge: Challenge,
    account: &mut Account,
    tables: &mut impl Tables,
) -> Result<(), Fault> {
    let answers_left = challenge.answers_left.saturating_sub(1);
    if answers_left > 0 {
        return store(
            &Challenge {
                answers_left,
                ..challenge
            },
            tables,
        );
    }
    tables.remove(Table::Challenges, &challenge.id.0)?;
    tell(moment, &challenge, account, tables)
}

/// Removes a challenge that was not answered in time, and tells its owner.
pub(super) fn remove_if_due(moment: Moment<'_>, id: ChallengeId, tables: &mut impl Tables) -> Result<(), Fault> {
    let Some(challenge) = query::challenge(tables, id)?.filter(|row| row.expires_at <= moment.now) else {
        return Ok(());
    };
    tables.remove(Table::Challenges, &id.0)?;
    let Some(mut account) = query::account(tables, challenge.account)? else {
        return Ok(());
    };
    tell(moment, &challenge, &mut account, tables)?;
    put(tables, Table::Accounts, &account.id.0, &account)
}

/// Somebody knew the password and did not get further. Whoever must bind a factor first, or steps up, is the owner.
fn tell(
    moment: Moment<'_>,
    challenge: &Challenge,
    account: &mut Account,
    tables: &mut impl Tables,
) -> Result<(), Fault> {
    let login = !challenge.enrols && challenge.step_up.is_none();
    if login && outbox::count(account, moment.now).is_ok() {
        outbox::notify(moment, account, Notice::LoginAbandoned {}, tables)?;
    }
    Ok(())
}

/// Mails a code for a challenge; the one before it is void. None when there was too much mail: until when.
pub(super) fn mail_code(
    moment: Moment<'_>,
    challenge: &mut Challenge,
    account: &mut Account,
    code: &NewCode,
    tables: &mut impl Tables,
) -> Result<Result<u64, Timestamp>, Fault> {
    if let Err(until) = outbox::count(account, moment.now) {
        return Ok(Err(until));
    }
    let expires_at = moment.now.plus_seconds(MAILED_CODE_SECONDS).min(challenge.expires_at);
    challenge.mailed = Some(MailedCode {
        mac: code.mac,
        expires_at,
    });
    challenge.mails = challenge.mails.saturating_add(1);
    let template = MailTemplate::LoginCode {
        username: account.username.clone(),
        code: code.sealed.clone(),
        expires_at,
        challenge: challenge.id,
    };
    let to = outbox::To {
        channel: code.channel,
        ..outbox::To::owner(account)
    };
    outbox::send(moment, &to, template, tables).map(Ok)
}
