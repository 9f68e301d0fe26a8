//! Rows of one account, the policy, tokens and mail.

use super::account;
use crate::account::{Account, AccountStatus, Role};
use crate::audit::Chain;
use crate::device::Device;
use crate::error::Fault;
use crate::factor::RecoveryCodes;
use crate::idempotency::{IdempotencyKey, KeptAnswer};
use crate::ids::{AccountId, DeviceId, SessionId};
use crate::limits::{ACCOUNTS_SEARCHED_MAX, DEVICES_PER_ACCOUNT_MAX, SESSIONS_PER_ACCOUNT_MAX};
use crate::policy::Policy;
use crate::secret::Mac;
use crate::session::Session;
use crate::tables::schema::{decode_row, get, pair_key, prefix_end};
use crate::tables::{Row, Table, TablesRead};
use crate::time::Timestamp;
use crate::token::MailToken;

/// Key of the policy in the meta table.
pub(crate) const POLICY_KEY: &[u8] = b"policy";
/// Key of the number of administrators in the meta table.
pub(crate) const ADMINS_KEY: &[u8] = b"admins";

/// Key of the newest place in the chain of audit rows, in the meta table.
pub(crate) const AUDIT_HEAD_KEY: &[u8] = b"audit_head";

/// The newest place in the chain of audit rows.
///
/// # Errors
/// See [`super::account`].
pub fn audit_head(tables: &impl TablesRead) -> Result<Option<Chain>, Fault> {
    get(tables, Table::Meta, AUDIT_HEAD_KEY)
}

/// An account by the looked-up form of its address.
///
/// # Errors
/// See [`super::account`]; so for every function here.
pub fn account_by_email(tables: &impl TablesRead, email_key: &str) -> Result<Option<Account>, Fault> {
    let id: Option<AccountId> = get(tables, Table::Emails, email_key.as_bytes())?;
    match id {
        None => Ok(None),
        Some(id) => account(tables, id)?
            .ok_or(Fault::Invariant("a mail address points to no account"))
            .map(Some),
    }
}

/// An account by its number.
///
/// # Errors
/// See [`super::account`].
pub fn account_by_number(tables: &impl TablesRead, number: u64) -> Result<Option<Account>, Fault> {
    let id: Option<AccountId> = get(tables, Table::AccountsByNumber, &number.to_be_bytes())?;
    id.map_or(Ok(None), |id| account(tables, id))
}

/// The recovery codes of an account.
///
/// # Errors
/// See [`super::account`].
pub fn recovery_codes(tables: &impl TablesRead, account: AccountId) -> Result<Option<RecoveryCodes>, Fault> {
    get(tables, Table::RecoveryCodes, &account.0)
}

/// The sessions of an account that were not ended, in the order of their ids.
///
/// # Errors
/// See [`super::account`].
pub fn sessions_of(tables: &impl TablesRead, account: AccountId) -> Result<Vec<Session>, Fault> {
    // One more: a login makes the new one before it ends the oldest.
    let rows = of_account(tables, Table::SessionsByAccount, account, SESSIONS_PER_ACCOUNT_MAX + 1)?;
    let mut sessions = Vec::new();
    for (_, row) in rows {
        let id: SessionId = decode_row(Table::SessionsByAccount, &row)?;
        sessions.extend(super::session(tables, id)?.filter(|session| session.revoked_at.is_none()));
    }
    Ok(sessions)
}

/// A remembered device of an account.
///
/// # Errors
/// See [`super::account`].
pub fn device(tables: &impl TablesRead, account: AccountId, id: DeviceId) -> Result<Option<Device>, Fault> {
    get(tables, Table::Devices, &pair_key(&account.0, &id.0))
}

/// The remembered devices of an account, in the order of their ids.
///
/// # Errors
/// See [`super::account`].
pub fn devices(tables: &impl TablesRead, account: AccountId) -> Result<Vec<Device>, Fault> {
    of_account(tables, Table::Devices, account, DEVICES_PER_ACCOUNT_MAX + 1)?
        .iter()
        .map(|(_, row)| decode_row(Table::Devices, row))
        .collect()
}

/// A mailed token by its hash, if it is good at `now`.
///
/// # Errors
/// See [`super::account`].
pub fn mail_token(tables: &impl TablesRead, hash: &Mac, now: Timestamp) -> Result<Option<MailToken>, Fault> {
    let token: Option<MailToken> = get(tables, Table::MailTokens, &hash.0)?;
    Ok(token.filter(|token| now < token.expires_at))
}

/// The rules in force.
///
/// # Errors
/// See [`super::account`].
pub fn policy(tables: &impl TablesRead) -> Result<Policy, Fault> {
    Ok(get(tables, Table::Meta, POLICY_KEY)?.unwrap_or_default())
}

/// How many administrators there are.
///
/// # Errors
/// See [`super::account`].
pub fn admins(tables: &impl TablesRead) -> Result<u64, Fault> {
    Ok(get(tables, Table::Meta, ADMINS_KEY)?.unwrap_or_default())
}

/// The answer that was kept for a client's key, if it is kept at `now`. Whether the body is the same is for the caller to
/// see.
///
/// # Errors
/// See [`super::account`].
pub fn kept_answer(
    tables: &impl TablesRead,
    key: &IdempotencyKey,
    now: Timestamp,
) -> Result<Option<KeptAnswer>, Fault> {
    let kept: Option<KeptAnswer> = get(tables, Table::Idempotency, &key.row_key())?;
    Ok(kept.filter(|kept| now < kept.expires_at))
}

/// Rows of a table whose keys begin with an account's id.
pub(crate) fn of_account(
    tables: &impl TablesRead,
    table: Table,
    account: AccountId,
    limit: usize,
) -> Result<Vec<Row>, Fault> {
    let end = prefix_end(&account.0).unwrap_or_else(|| vec![0xff; 64]);
    Ok(tables.range(table, &account.0, &end, limit)?)
}

/// The last eight bytes of the keys of a table that begin with an account's id, from a place on.
pub(crate) fn of_account_from(
    tables: &impl TablesRead,
    table: Table,
    account: AccountId,
    from: Option<u64>,
    limit: usize,
) -> Result<Vec<[u8; 8]>, Fault> {
    let start = pair_key(&account.0, &from.unwrap_or_default().to_be_bytes());
    let end = prefix_end(&account.0).unwrap_or_else(|| vec![0xff; 64]);
    let rows = tables.range(table, &start, &end, limit)?;
    Ok(rows
        .iter()
        .filter_map(|(key, _)| key.last_chunk::<8>().copied())
        .collect())
}

/// Which accounts are searched for; what is not given fits everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountFilter {
    /// Their status.
    pub status: Option<AccountStatus>,
    /// Their role.
    pub role: Option<Role>,
    /// How the looked-up form of their names begins.
    pub name_prefix: Option<String>,
    /// The looked-up form of their address.
    pub email_key: Option<String>,
}

/// A page of accounts, by number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountPage {
    /// The accounts.
    pub rows: Vec<Account>,
    /// Where the next page begins: give it as `after`. A page may have few rows and still have a next one.
    pub next: Option<u64>,
}

/// Accounts that fit, after a number, in the order of their numbers.
///
/// # Errors
/// See [`super::account`].
pub fn accounts(
    tables: &impl TablesRead,
    filter: &AccountFilter,
    after: Option<u64>,
    limit: usize,
) -> Result<AccountPage, Fault> {
    let mut page = AccountPage::default();
    if let Some(email_key) = &filter.email_key {
        page.rows
            .extend(account_by_email(tables, email_key)?.filter(|row| filter.fits(row)));
        return Ok(page);
    }
    let start = after.map_or(0, |number| number.saturating_add(1));
    let rows = tables.range(
        Table::AccountsByNumber,
        &start.to_be_bytes(),
        &[0xff; 9],
        ACCOUNTS_SEARCHED_MAX,
    )?;
    let full = rows.len() == ACCOUNTS_SEARCHED_MAX;
    for (_, row) in rows {
        let id: AccountId = decode_row(Table::AccountsByNumber, &row)?;
        let Some(account) = account(tables, id)? else { continue };
        page.next = Some(account.number);
        if filter.fits(&account) {
            page.rows.push(account);
        }
        if page.rows.len() >= limit {
            return Ok(page);
        }
    }
    page.next = page.next.filter(|_| full);
    Ok(page)
}

impl AccountFilter {
    fn fits(&self, account: &Account) -> bool {
        self.status.is_none_or(|status| account.status == status)
            && self.role.is_none_or(|role| account.role == role)
            && self
                .name_prefix
                .as_ref()
                .is_none_or(|prefix| account.username_key.starts_with(prefix.as_str()))
    }
}
