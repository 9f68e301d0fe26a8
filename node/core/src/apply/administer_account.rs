//! What administrators do to accounts. Each act is audited with its actor; the last administrator stays one.

use super::attempt::Attempt;
use super::decision::{Decision, Moment};
use super::sessions::{self, Acting};
use super::{account_rows, devices, guess, outbox, second_factor};
use crate::account::{Account, AccountStatus, Role};
use crate::command::{AdminAction, AdministerAccount};
use crate::error::Fault;
use crate::factor::Factor;
use crate::outbox::Notice;
use crate::policy::throttle::Throttle;
use crate::query;
use crate::reply::Denial;
use crate::tables::schema::put;
use crate::tables::{Table, Tables, TablesRead};

pub(super) fn apply(
    moment: Moment<'_>,
    command: &AdministerAccount,
    tables: &mut impl Tables,
) -> Result<Decision, Fault> {
    let Acting {
        session,
        account: actor,
    } = match sessions::acting_admin(moment, command.session, tables)? {
        Ok(acting) => acting,
        Err(denial) => return Ok(Decision::denied(denial).by(command.session)),
    };
    let by_actor = |decision: Decision| {
        let mut decision = decision.about(command.account).by(session.id);
        decision.trace.actor = Some(actor.id);
        decision
    };
    let mut attempt = Attempt::new(tables);
    let mut outcomes = Vec::new();
    for action in std::iter::once(&command.action).chain(&command.then) {
        let found = query::account(&attempt, command.account)?;
        let Some(account) = found.filter(|account| !account.reserved) else {
            return Ok(by_actor(Decision::denied(Denial::NotFound {})));
        };
        match act(moment, action, account, &mut attempt)? {
            Ok(outcome) => outcomes.push(outcome),
            // What was done before it is not done either.
            Err(denial) => return Ok(by_actor(Decision::denied(denial))),
        }
    }
    attempt.keep()?;
    Ok(by_actor(Decision::done(outcomes.join("+"))))
}

/// What an action is called in the audit, or why it is refused.
fn act(
    moment: Moment<'_>,
    action: &AdminAction,
    mut account: Account,
    tables: &mut impl Tables,
) -> Result<Result<&'static str, Denial>, Fault> {
    let outcome = match action {
        AdminAction::Activate {} => {
            if account.status != AccountStatus::Active {
                outbox::notify(moment, &account, Notice::AccountActivated {}, tables)?;
            }
            account.status = AccountStatus::Active;
            "account_activated"
        }
        AdminAction::Disable {} => {
            if account.role == Role::Admin && query::admins(tables)? <= 1 {
                return Ok(Err(Denial::LastAdmin {}));
            }
            account.status = AccountStatus::Disabled;
            end_all(moment, &mut account, tables)?;
            "account_disabled_by_admin"
        }
        AdminAction::Unlock {} => {
            unlock(&mut account, tables)?;
            "account_unlocked"
        }
        AdminAction::SetRole { role } => {
            if *role == Role::Admin && !may_administer(&account, tables)? {
                return Ok(Err(Denial::AdminNeedsFactor {}));
            }
            if let Some(denial) = count_role(&account, *role, tables)? {
                return Ok(Err(denial));
            }
            account.role = *role;
            end_all(moment, &mut account, tables)?;
            "role_set"
        }
        AdminAction::EndSessions {} => {
            end_all(moment, &mut account, tables)?;
            "sessions_ended"
        }
        AdminAction::ResetFactors {} => {
            if account.role == Role::Admin {
                return Ok(Err(Denial::AdminNeedsFactor {}));
            }
            reset_factors(moment, &mut account, tables)?;
            "factors_reset"
        }
        AdminAction::SendPasswordReset { token } => {
            if query::mail_token(tables, &token.hash, moment.now)?.is_some() {
                return Ok(Err(Denial::InvalidCommand {}));
            }
            if let Err(until) = outbox::count(&mut account, moment.now) {
                return Ok(Err(Denial::TooManyMails { until }));
            }
            account_rows::mail_reset(moment, &mut account, token, tables)?;
            "password_reset_sent"
        }
    };
    account.updated_at = Some(moment.now);
    guess::put_advanced(account, tables)?;
    Ok(Ok(outcome))
}

/// Whether the account has what an administrator must have.
pub(super) fn may_administer(account: &Account, tables: &impl TablesRead) -> Result<bool, Fault> {
    let factors = query::factors(tables, account.id)?;
    Ok(query::may_administer(account, &factors, &query::policy(tables)?))
}

/// Counts administrators when an account's role becomes `role`; refuses to lose the last one.
pub(super) fn count_role(account: &Account, role: Role, tables: &mut impl Tables) -> Result<Option<Denial>, Fault> {
    let admins = query::admins(tables)?;
    let admins = match (account.role, role) {
        (Role::Admin, Role::User) if admins <= 1 => return Ok(Some(Denial::LastAdmin {})),
        (Role::Admin, Role::User) => admins.saturating_sub(1),
        (Role::User, Role::Admin) => admins.saturating_add(1),
        (Role::User, Role::User) | (Role::Admin, Role::Admin) => return Ok(None),
    };
    put(tables, Table::Meta, query::ADMINS_KEY, &admins)?;
    Ok(None)
}

fn unlock(account: &mut Account, tables: &mut impl Tables) -> Result<(), Fault> {
    account.throttle = Throttle::default();
    account.mailed_throttle = Throttle::default();
    for factor in query::factors(tables, account.id)? {
        let factor = Factor {
            throttle: Throttle::default(),
            ..factor
        };
        second_factor::put_factor(&factor, tables)?;
    }
    if let Some(mut codes) = query::recovery_codes(tables, account.id)? {
        codes.throttle = Throttle::default();
        put(tables, Table::RecoveryCodes, &account.id.0, &codes)?;
    }
    Ok(())
}

/// Ends the account's sessions, and voids the address that one of them asked for.
fn end_all(moment: Moment<'_>, account: &mut Account, tables: &mut impl Tables) -> Result<(), Fault> {
    account_rows::drop_address_change(account, tables)?;
    sessions::end_all(moment.now, account.id, None, tables).map(|_| ())
}

fn reset_factors(moment: Moment<'_>, account: &mut Account, tables: &mut impl Tables) -> Result<(), Fault> {
    unlock(account, tables)?;
    for factor in query::factors(tables, account.id)? {
        second_factor::remove_factor(&factor, tables)?;
    }
    for device in query::devices(tables, account.id)? {
        devices::forget(&device, tables)?;
    }
    tables.remove(Table::RecoveryCodes, &account.id.0)?;
    account.email_factor_since = None;
    end_all(moment, account, tables)?;
    outbox::notify(moment, account, Notice::FactorsReset {}, tables)
}

#[cfg(test)]
#[path = "administer_account_tests.rs"]
mod tests;
