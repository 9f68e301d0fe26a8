//! Rows that belong to an account beside its own: its address, mailed tokens, passwords. Shared by the verbs that change
//! them.

use super::decision::Moment;
use super::expiry::{self, Kind};
use super::{outbox, sessions};
use crate::account::{Account, AccountStatus};
use crate::command::{NewPassword, NewToken};
use crate::error::Fault;
use crate::ids::{AccountId, SessionId};
use crate::limits::{ADDRESS_NOTICE_SECONDS, CHALLENGE_ANSWERS_MAX, CONFIRMATION_SECONDS, PASSWORD_RESET_SECONDS};
use crate::outbox::{Channel, MailTemplate, Notice};
use crate::policy::Policy;
use crate::policy::throttle::Throttle;
use crate::query;
use crate::secret::Mac;
use crate::session::Session;
use crate::tables::schema::{get, put};
use crate::tables::{Table, Tables};
use crate::time::Timestamp;
use crate::token::{MailToken, TokenPurpose};

/// Mails a token that proves an address, on the word of a session if one asked; the one before it is void. The mail was
/// counted by the caller.
pub(super) fn mail_confirmation(
    moment: Moment<'_>,
    account: &mut Account,
    (email, email_key): (&str, &str),
    asked_by: Option<SessionId>,
    token: &NewToken,
    tables: &mut impl Tables,
) -> Result<(), Fault> {
    let expires_at = moment.now.plus_seconds(CONFIRMATION_SECONDS);
    let purpose = TokenPurpose::ConfirmEmail {
        email: email.to_owned(),
        email_key: email_key.to_owned(),
        asked_by,
    };
    let old = account.address_token.replace(token.hash);
    store_token(moment.now, account.id, purpose, (token.hash, old), expires_at, tables)?;
    let template = MailTemplate::ConfirmAddress {
        username: account.username.clone(),
        token: token.sealed.clone(),
        expires_at,
    };
    let to = outbox::To {
        address: email,
        language: account.language.as_deref(),
        account: account.id,
        channel: Channel::Mail,
    };
    outbox::send(moment, &to, template, tables).map(|_| ())
}

/// Mails a token that resets the password; the one before it is void. The mail was counted by the caller.
pub(super) fn mail_reset(
    moment: Moment<'_>,
    account: &mut Account,
    token: &NewToken,
    tables: &mut impl Tables,
) -> Result<(), Fault> {
    let expires_at = moment.now.plus_seconds(PASSWORD_RESET_SECONDS);
    let old = account.reset_token.replace(token.hash);
    let purpose = TokenPurpose::ResetPassword {};
    store_token(moment.now, account.id, purpose, (token.hash, old), expires_at, tables)?;
    let template = MailTemplate::ResetPassword {
        username: account.username.clone(),
        token: token.sealed.clone(),
        expires_at,
    };
    outbox::send(moment, &outbox::To::owner(account), template, tables).map(|_| ())
}

fn store_token(
    now: Timestamp,
    account: AccountId,
    purpose: TokenPurpose,
    (hash, old): (Mac, Option<Mac>),
    expires_at: Timestamp,
    tables: &mut impl Tables,
) -> Result<(), Fault> {
    if let Some(old) = old {
        tables.remove(Table::MailTokens, &old.0)?;
    }
    let token = MailToken {
        account,
        purpose,
        created_at: now,
        expires_at,
        answers_left: CHALLENGE_ANSWERS_MAX,
    };
    put(tables, Table::MailTokens, &hash.0, &token)?;
    expiry::schedule(expires_at, Kind::MailToken, &hash.0, tables)
}

/// Tells the owner of an address that somebody else tried to use it, and not more often than the bound (TH-9).
pub(super) fn tell_owner_of_address(
    moment: Moment<'_>,
    owner: AccountId,
    tables: &mut impl Tables,
) -> Result<(), Fault> {
    let mark = expiry::address_notice_key(owner);
    if get::<Timestamp>(tables, Table::Meta, &mark)?.is_some_and(|until| moment.now < until) {
        return Ok(());
    }
    let owner = query::account(tables, owner)?.ok_or(Fault::Invariant("a mail address points to no account"))?;
    let until = moment.now.plus_seconds(ADDRESS_NOTICE_SECONDS);
    put(tables, Table::Meta, &mark, &until)?;
    expiry::schedule(until, Kind::AddressNotice, &owner.id.0, tables)?;
    let template = MailTemplate::AddressAlreadyRegistered {};
    outbox::send(moment, &outbox::To::owner(&owner), template, tables).map(|_| ())
}

/// The address is proven: what waited for that goes on.
pub(super) fn confirm_address(now: Timestamp, account: &mut Account, policy: &Policy) {
    account.email_confirmed_at = Some(now);
    account.mailed_throttle = Throttle::default();
    if account.status == AccountStatus::Unconfirmed {
        account.status = if policy.registration.approval {
            AccountStatus::PendingApproval
        } else {
            AccountStatus::Active
        };
    }
}

/// Voids the token of an address that shall take the place of the account's: whoever asked for it need not be the owner.
/// A token that proves the account's own address stays.
pub(super) fn drop_address_change(account: &mut Account, tables: &mut impl Tables) -> Result<(), Fault> {
    let Some(hash) = account.address_token else {
        return Ok(());
    };
    let token: Option<MailToken> = get(tables, Table::MailTokens, &hash.0)?;
    if token.is_none_or(|token| !token.proves(&account.email_key)) {
        account.address_token = None;
        tables.remove(Table::MailTokens, &hash.0)?;
    }
    Ok(())
}

/// Voids the token of another address than the account's that this session asked for: the session is over, and it may have
/// been a thief's.
pub(super) fn drop_address_asked_by(session: &Session, tables: &mut impl Tables) -> Result<(), Fault> {
    let Some(account) = query::account(tables, session.account)? else {
        return Ok(());
    };
    let Some(hash) = account.address_token else {
        return Ok(());
    };
    let token: Option<MailToken> = get(tables, Table::MailTokens, &hash.0)?;
    if token.is_some_and(|token| token.was_asked_by(session.id) && !token.proves(&account.email_key)) {
        // The account's row keeps a name that leads nowhere: whoever ends a session may hold the row.
        tables.remove(Table::MailTokens, &hash.0)?;
    }
    Ok(())
}

/// Sets a password: sessions but one end, what was begun with the old one is void, the owner is told.
pub(super) fn set_password(
    moment: Moment<'_>,
    account: &mut Account,
    password: &NewPassword,
    but: Option<SessionId>,
    tables: &mut impl Tables,
) -> Result<(), Fault> {
    account.password = password.sealed.clone();
    account.password_alone = password.alone;
    account.password_changed_at = Some(moment.now);
    account.updated_at = Some(moment.now);
    if let Some(token) = account.reset_token.take() {
        tables.remove(Table::MailTokens, &token.0)?;
    }
    drop_address_change(account, tables)?;
    sessions::end_all(moment.now, account.id, but, tables)?;
    outbox::notify(moment, account, Notice::PasswordChanged {}, tables)
}
