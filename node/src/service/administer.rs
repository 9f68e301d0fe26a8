//! `search_accounts`, `read_account`, `administer_account`, `bootstrap_admin`: what administrators and the operator do.

use super::error::refusal;
use super::{Auth, Authenticated, ServiceError, names};
use crate::http::context::RequestContext;
use auth_core::account::{Account, AccountStatus, Role};
use auth_core::command::{AdminAction, AdministerAccount, BootstrapAdmin, Command};
use auth_core::ids::AccountId;
use auth_core::query::{self, AccountFilter, AccountPage};
use auth_core::reply::{Denial, Reply};

/// What an administrator asks for; what is left out stays.
#[derive(Clone, Copy, Debug, Default)]
pub struct AccountChange {
    /// Whether it may log in.
    pub active: Option<bool>,
    /// Its role.
    pub role: Option<Role>,
    /// Forget failed logins.
    pub unlock: bool,
    /// End its sessions.
    pub end_sessions: bool,
    /// Remove its factors.
    pub reset_factors: bool,
}

/// An account and how many factors it has.
pub struct ManagedAccount {
    /// The account.
    pub account: Account,
    /// Factors that count.
    pub factors: usize,
}

impl AccountChange {
    /// Whether nothing is asked for.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.actions().is_empty()
    }

    /// The actions, in the order in which they are done: what keeps somebody out comes first, what lets in last.
    fn actions(&self) -> Vec<AdminAction> {
        let chosen = [
            (self.active == Some(false), AdminAction::Disable {}),
            (self.end_sessions, AdminAction::EndSessions {}),
            (self.reset_factors, AdminAction::ResetFactors {}),
            (self.unlock, AdminAction::Unlock {}),
            (self.active == Some(true), AdminAction::Activate {}),
        ];
        let mut actions: Vec<_> = chosen
            .into_iter()
            .filter(|(wanted, ..)| *wanted)
            .map(|(_, action)| action)
            .collect();
        actions.extend(self.role.map(|role| AdminAction::SetRole { role }));
        actions
    }
}

impl Auth {
    /// Searches accounts by the beginning of a name or by an address.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub async fn search_accounts(
        &self,
        ctx: &RequestContext,
        search: Option<&str>,
        status: Option<AccountStatus>,
        role: Option<Role>,
        after: Option<u64>,
        limit: usize,
    ) -> Result<(Vec<ManagedAccount>, Option<u64>), ServiceError> {
        let view = self.current_view(ctx).await?;
        let is_address = search.is_some_and(|text| text.contains('@'));
        let filter = AccountFilter {
            status,
            role,
            name_prefix: search.filter(|_| !is_address).map(names::username_key),
            email_key: search.filter(|_| is_address).map(names::email_key),
        };
        let AccountPage { rows, next } = query::accounts(&view, &filter, after, limit)?;
        let managed = rows
            .into_iter()
            .map(|account| managed(&view, account))
            .collect::<Result<_, _>>()?;
        Ok((managed, next))
    }

    /// One account.
    ///
    /// # Errors
    /// `Denied(NotFound)`.
    pub async fn read_account(&self, ctx: &RequestContext, id: AccountId) -> Result<ManagedAccount, ServiceError> {
        let view = self.current_view(ctx).await?;
        let found = query::account(&view, id)?.filter(|account| !account.reserved);
        managed(&view, found.ok_or(ServiceError::Denied(Denial::NotFound {}))?)
    }

    /// Changes an account: one entry, and all of it or nothing.
    ///
    /// # Errors
    /// `Denied` with `Forbidden`, `NotFound`, `LastAdmin` or `AdminNeedsFactor`.
    pub async fn administer_account(
        &self,
        ctx: &RequestContext,
        current: &Authenticated,
        account: AccountId,
        change: &AccountChange,
    ) -> Result<(), ServiceError> {
        let mut actions = change.actions().into_iter();
        let Some(action) = actions.next() else { return Ok(()) };
        let request_id = Self::request_id(ctx, "administer_account", &account.0);
        let command = Command::AdministerAccount(AdministerAccount {
            session: current.session.id,
            account,
            action,
            then: actions.collect(),
        });
        match self.propose(ctx, request_id, command).await? {
            Reply::Done {} => Ok(()),
            other => Err(refusal("administer_account", &other)),
        }
    }

    /// Makes an account the first administrator. For the operator on the node itself, never over public HTTP.
    ///
    /// # Errors
    /// `Denied` with `AccountGone` or `AdminExists`.
    pub async fn bootstrap_admin(&self, ctx: &RequestContext, username: &str) -> Result<AccountId, ServiceError> {
        let view = self.current_view(ctx).await?;
        let account = query::account_by_username(&view, &names::username_key(username))?
            .filter(|account| !account.reserved)
            .ok_or(ServiceError::Denied(Denial::AccountGone {}))?
            .id;
        let request_id = Self::request_id(ctx, "bootstrap_admin", &account.0);
        let command = Command::BootstrapAdmin(BootstrapAdmin { account });
        match self.propose(ctx, request_id, command).await? {
            Reply::Done {} => Ok(account),
            other => Err(refusal("bootstrap_admin", &other)),
        }
    }
}

fn managed(view: &crate::replication::View, account: Account) -> Result<ManagedAccount, ServiceError> {
    let bound = query::factors(view, account.id)?
        .iter()
        .filter(|factor| factor.is_bound())
        .count();
    let mailed = usize::from(account.email_factor_since.is_some());
    Ok(ManagedAccount {
        account,
        factors: bound + mailed,
    })
}
