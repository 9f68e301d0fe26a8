//! Searching the audit, the newest rows first; and trying the risk rules on what happened.

use super::lists::of_account_from;
use crate::audit::AuditRow;
use crate::error::Fault;
use crate::ids::AccountId;
use crate::limits::AUDIT_ROWS_SEARCHED_MAX;
use crate::policy::RiskPolicy;
use crate::policy::risk::{self, Reasons};
use crate::tables::schema::{decode_row, get};
use crate::tables::{Table, TablesRead};
use crate::time::Timestamp;

/// What is searched for; what is not given fits everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// The account that it is about.
    pub account: Option<AccountId>,
    /// The command's verb.
    pub verb: Option<String>,
    /// What came out.
    pub outcome: Option<String>,
    /// Address of the client.
    pub client_address: Option<String>,
    /// Not before.
    pub from: Option<Timestamp>,
    /// Before.
    pub until: Option<Timestamp>,
}

/// A page of rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditPage {
    /// Log index and row, the newest first.
    pub rows: Vec<(u64, AuditRow)>,
    /// Where the next page begins: give it as `before`. A page may have few rows and still have a next one, because the rows
    /// looked at for one page are bounded.
    pub next: Option<u64>,
}

/// What the rules would have demanded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DryRun {
    /// Logins that were looked at.
    pub logins: u64,
    /// Of how many a second factor would have been demanded.
    pub demanded: u64,
    /// How many each reason would have been given for.
    pub by_reason: Vec<(&'static str, u64)>,
    /// Where to go on.
    pub next: Option<u64>,
}

/// Rows about one account before a log index, the newest first.
///
/// # Errors
/// See [`super::account`]; so for every function here.
pub fn audit_of(
    tables: &impl TablesRead,
    account: AccountId,
    before: Option<u64>,
    limit: usize,
) -> Result<AuditPage, Fault> {
    let limit = limit.min(AUDIT_ROWS_SEARCHED_MAX);
    // Keys hold the complement of the index: what is after it in their order is before it in the log.
    let start = before.map(|index| (!index).saturating_add(1));
    let mut rows = Vec::new();
    for key in of_account_from(tables, Table::AuditByAccount, account, start, limit)? {
        let index = !u64::from_be_bytes(key);
        let row: Option<AuditRow> = get(tables, Table::Audit, &index.to_be_bytes())?;
        rows.extend(row.map(|row| (index, row)));
    }
    let next = rows.last().map(|(index, _)| *index).filter(|_| rows.len() == limit);
    Ok(AuditPage { rows, next })
}

/// Rows that fit before a log index, the newest first.
///
/// # Errors
/// See [`super::account`].
pub fn audit(
    tables: &impl TablesRead,
    filter: &AuditFilter,
    before: Option<u64>,
    limit: usize,
) -> Result<AuditPage, Fault> {
    if let Some(account) = filter.account {
        let mut page = audit_of(tables, account, before, AUDIT_ROWS_SEARCHED_MAX)?;
        page.rows.retain(|(_, row)| filter.fits(row));
        if page.rows.len() > limit {
            page.rows.truncate(limit);
            page.next = page.rows.last().map(|(index, _)| *index);
        }
        return Ok(page);
    }
    let mut page = AuditPage::default();
    let mut end = before.unwrap_or(u64::MAX);
    let mut looked_at = 0_usize;
    while end > 0 && page.rows.len() < limit && looked_at < AUDIT_ROWS_SEARCHED_MAX {
        let portion = older_than(tables, end)?;
        let Some((oldest, _)) = portion.first() else {
            return Ok(page);
        };
        let oldest = *oldest;
        for (index, row) in portion.into_iter().rev() {
            looked_at = looked_at.saturating_add(1);
            end = index;
            if filter.from.is_some_and(|from| row.at < from) {
                page.next = None;
                return Ok(page);
            }
            if filter.fits(&row) {
                page.rows.push((index, row));
            }
            if page.rows.len() >= limit {
                break;
            }
        }
        if page.rows.len() < limit {
            end = oldest;
        }
    }
    page.next = Some(end).filter(|end| *end > 0);
    Ok(page)
}

/// What a policy would have demanded of the logins before a log index, the newest first. It looks at the facts that each
/// login's audit row kept, and decides with the function that decides logins.
///
/// # Errors
/// See [`super::account`].
pub fn risk_dry_run(
    tables: &impl TablesRead,
    policy: &RiskPolicy,
    before: Option<u64>,
    limit: usize,
) -> Result<DryRun, Fault> {
    let filter = AuditFilter {
        verb: Some("sign_in".into()),
        ..AuditFilter::default()
    };
    let page = audit(tables, &filter, before, limit)?;
    let mut run = DryRun {
        next: page.next,
        ..DryRun::default()
    };
    for (_, row) in page.rows {
        let Some(facts) = &row.facts else { continue };
        let reasons = risk::evaluate(policy, facts, row.at);
        run.count(reasons);
    }
    Ok(run)
}

impl DryRun {
    fn count(&mut self, reasons: Reasons) {
        self.logins = self.logins.saturating_add(1);
        self.demanded = self.demanded.saturating_add(u64::from(!reasons.is_empty()));
        for name in reasons.names() {
            match self.by_reason.iter_mut().find(|(other, _)| *other == name) {
                Some((_, count)) => *count = count.saturating_add(1),
                None => self.by_reason.push((name, 1)),
            }
        }
    }
}

impl AuditFilter {
    fn fits(&self, row: &AuditRow) -> bool {
        self.account.is_none_or(|account| row.account == Some(account))
            && self.verb.as_ref().is_none_or(|verb| row.verb == *verb)
            && self.outcome.as_ref().is_none_or(|outcome| row.outcome == *outcome)
            && self
                .client_address
                .as_ref()
                .is_none_or(|address| row.client_address == *address)
            && self.from.is_none_or(|from| row.at >= from)
            && self.until.is_none_or(|until| row.at < until)
    }
}

/// Rows before `end` in ascending order, some of the nearest. Tables are read upwards only, so the distance that is looked
/// back grows until something lies in it.
fn older_than(tables: &impl TablesRead, end: u64) -> Result<Vec<(u64, AuditRow)>, Fault> {
    // The newest row is near the newest link: there is nothing between it and the end of all numbers.
    let newest = tables.range(Table::Audit, &[], &end.to_be_bytes(), 1)?;
    let Some((oldest, _)) = newest.first() else {
        return Ok(Vec::new());
    };
    let oldest = index_of(oldest)?;
    let mut distance = 256_u64;
    let mut end = end;
    if end == u64::MAX {
        end = last_index(tables, oldest)?.saturating_add(1);
    }
    loop {
        let start = end.saturating_sub(distance).max(oldest);
        let rows = tables.range(
            Table::Audit,
            &start.to_be_bytes(),
            &end.to_be_bytes(),
            AUDIT_ROWS_SEARCHED_MAX,
        )?;
        if !rows.is_empty() || start == oldest {
            return rows
                .iter()
                .map(|(key, row)| Ok((index_of(key)?, decode_row(Table::Audit, row)?)))
                .collect();
        }
        distance = distance.saturating_mul(4);
    }
}

/// The greatest index that has a row, found by halving.
fn last_index(tables: &impl TablesRead, oldest: u64) -> Result<u64, Fault> {
    let (mut there, mut beyond) = (oldest, u64::MAX);
    while beyond.saturating_sub(there) > 1 {
        let middle = there.saturating_add(beyond.saturating_sub(there) / 2);
        match tables
            .range(Table::Audit, &middle.to_be_bytes(), &[0xff; 9], 1)?
            .first()
        {
            Some((key, _)) => there = index_of(key)?,
            None => beyond = middle,
        }
    }
    Ok(there)
}

fn index_of(key: &[u8]) -> Result<u64, Fault> {
    let fault = |_| Fault::Row {
        table: "audit",
        reason: "a key that is no log index".into(),
    };
    <[u8; 8]>::try_from(key).map(u64::from_be_bytes).map_err(fault)
}
