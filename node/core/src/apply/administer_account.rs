//! What administrators do to accounts. Each act is audited with its actor; the last administrator stays one.

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
    let Some(account) = query::account(tables, command.account)? else {
        return Ok(by_actor(Decision::denied(Denial::NotFound {})));
    };
    Ok(by_actor(act(moment, &command.action, account, tables)?))
}

fn act(
    moment: Moment<'_>,
    action: &AdminAction,
    mut account: Account,
    tables: &mut impl Tables,
) -> Result<Decision, Fault> {
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
                return Ok(Decision::denied(Denial::LastAdmin {}));
            }
            account.status = AccountStatus::Disabled;
            sessions::end_all(moment.now, account.id, None, tables)?;
            "account_disabled_by_admin"
        }
        AdminAction::Unlock {} => {
            unlock(&mut account, tables)?;
            "account_unlocked"
        }
        AdminAction::SetRole { role } => {
            if *role == Role::Admin && !may_administer(&account, tables)? {
                return Ok(Decision::denied(Denial::AdminNeedsFactor {}));
            }
            if let Some(denial) = count_role(&account, *role, tables)? {
                return Ok(Decision::denied(denial));
            }
            account.role = *role;
            sessions::end_all(moment.now, account.id, None, tables)?;
            "role_set"
        }
        AdminAction::EndSessions {} => {
            sessions::end_all(moment.now, account.id, None, tables)?;
            "sessions_ended"
        }
        AdminAction::ResetFactors {} => {
            if account.role == Role::Admin {
                return Ok(Decision::denied(Denial::AdminNeedsFactor {}));
            }
            reset_factors(moment, &mut account, tables)?;
            "factors_reset"
        }
        AdminAction::SendPasswordReset { token } => {
            if query::mail_token(tables, &token.hash, moment.now)?.is_some() {
                return Ok(Decision::denied(Denial::InvalidCommand {}));
            }
            if let Err(until) = outbox::count(&mut account, moment.now) {
                return Ok(Decision::denied(Denial::TooManyMails { until }));
            }
            account_rows::mail_reset(moment, &mut account, token, tables)?;
            "password_reset_sent"
        }
    };
    account.updated_at = Some(moment.now);
    guess::put_advanced(account, tables)?;
    Ok(Decision::done(outcome))
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
    sessions::end_all(moment.now, account.id, None, tables)?;
    outbox::notify(moment, account, Notice::FactorsReset {}, tables)
}

#[cfg(test)]
mod tests {
    use crate::account::{AccountStatus, Role};
    use crate::apply::testing::{Bench, token};
    use crate::command::*;
    use crate::ids::{AccountId, SessionId};
    use crate::outbox::Notice;
    use crate::query::{self, AccountFilter, AuditFilter};
    use crate::reply::{Denial, Reply};

    fn admin() -> (Bench, AccountId, SessionId) {
        let mut bench = Bench::new();
        let (account, factor) = bench.bound_account("root");
        bench.make_admin(account);
        let session = bench.session_of(account, factor).session;
        (bench, account, session)
    }

    fn act(bench: &mut Bench, session: SessionId, account: AccountId, action: AdminAction) -> Reply {
        bench.run(Command::AdministerAccount(AdministerAccount {
            session,
            account,
            action,
        }))
    }

    #[test]
    fn only_an_administrator_at_aal2_administers_and_each_act_names_its_actor() {
        let (mut bench, root, session) = admin();
        let ana = bench.mailed_account("ana");
        let plain = bench.plain_session(ana).session;
        assert_eq!(
            act(&mut bench, plain, root, AdminAction::Disable {}),
            Reply::Denied(Denial::Forbidden {})
        );
        bench.change(ana, |row| row.role = Role::Admin);
        assert_eq!(
            act(&mut bench, plain, root, AdminAction::Unlock {}),
            Reply::Denied(Denial::Forbidden {}),
            "a password is not enough"
        );
        assert_eq!(act(&mut bench, session, ana, AdminAction::Unlock {}), Reply::Done {});
        let row = bench.audited();
        assert_eq!(
            (row.actor, row.account, row.outcome.as_str()),
            (Some(root), Some(ana), "account_unlocked")
        );
        let missing = AccountId(bench.draw());
        assert_eq!(
            act(&mut bench, session, missing, AdminAction::Unlock {}),
            Reply::Denied(Denial::NotFound {})
        );
    }

    #[test]
    fn se_2_a_disabled_account_has_no_session_and_an_activated_one_may_log_in() {
        let (mut bench, _, session) = admin();
        let ana = bench.mailed_account("ana");
        let theirs = bench.plain_session(ana).session;
        assert_eq!(act(&mut bench, session, ana, AdminAction::Disable {}), Reply::Done {});
        assert_eq!(bench.refresh(theirs, 1), Reply::Denied(Denial::SessionRevoked {}));
        assert_eq!(bench.sign_in(ana), Reply::Denied(Denial::AccountDisabled {}));
        bench.notices();
        assert_eq!(act(&mut bench, session, ana, AdminAction::Activate {}), Reply::Done {});
        assert_eq!(bench.notices(), [Notice::AccountActivated {}]);
        assert!(matches!(bench.sign_in(ana), Reply::SessionStarted(_)));
        assert_eq!(
            bench.refresh(theirs, 1),
            Reply::Denied(Denial::SessionRevoked {}),
            "the ended session stays ended"
        );
    }

    #[test]
    fn the_first_administrator_is_made_once_and_the_last_one_stays() {
        let (mut bench, root, session) = admin();
        let (ana, _) = bench.bound_account("ana");
        assert_eq!(
            bench.run(Command::BootstrapAdmin(BootstrapAdmin { account: ana })),
            Reply::Denied(Denial::AdminExists {})
        );
        let demote = AdminAction::SetRole { role: Role::User };
        assert_eq!(
            act(&mut bench, session, root, demote.clone()),
            Reply::Denied(Denial::LastAdmin {})
        );
        assert_eq!(
            act(&mut bench, session, root, AdminAction::Disable {}),
            Reply::Denied(Denial::LastAdmin {})
        );
        let delete = Command::DeleteAccount(DeleteAccount { session });
        assert_eq!(bench.run(delete.clone()), Reply::Denied(Denial::LastAdmin {}));
        let promote = AdminAction::SetRole { role: Role::Admin };
        assert_eq!(act(&mut bench, session, ana, promote), Reply::Done {});
        assert_eq!(query::admins(&bench.tables).unwrap(), 2);
        assert_eq!(bench.run(delete), Reply::Done {});
        assert_eq!(query::admins(&bench.tables).unwrap(), 1);
    }

    #[test]
    fn a_reset_removes_every_factor_and_unlocking_clears_every_budget() {
        let (mut bench, _, session) = admin();
        let (ana, factor) = bench.bound_account("ana");
        bench.block(ana);
        assert_eq!(act(&mut bench, session, ana, AdminAction::Unlock {}), Reply::Done {});
        assert_eq!(bench.account(ana).throttle.failures, 0);
        let theirs = bench.session_of(ana, factor).session;
        bench.issue_codes(theirs, 1);
        bench.notices();
        assert_eq!(
            act(&mut bench, session, ana, AdminAction::ResetFactors {}),
            Reply::Done {}
        );
        assert_eq!(bench.notices(), [Notice::FactorsReset {}]);
        assert_eq!(query::factors(&bench.tables, ana).unwrap(), []);
        assert_eq!(query::recovery_codes(&bench.tables, ana).unwrap(), None);
        assert_eq!(query::sessions_of(&bench.tables, ana).unwrap(), []);
    }

    #[test]
    fn pw_9_an_administrator_triggers_a_reset_and_does_not_choose_the_password() {
        let (mut bench, _, session) = admin();
        let ana = bench.mailed_account("ana");
        let action = AdminAction::SendPasswordReset { token: token(5) };
        assert_eq!(act(&mut bench, session, ana, action.clone()), Reply::Done {});
        assert_eq!(bench.mails().last().unwrap().to, "ana@example.org");
        assert_eq!(
            act(&mut bench, session, ana, action),
            Reply::Denied(Denial::InvalidCommand {}),
            "a token is not used for two"
        );
    }

    #[test]
    fn accounts_and_audit_are_searched_page_by_page() {
        let (mut bench, root, session) = admin();
        let names = ["ana", "anton", "ben", "cat"];
        let ids: Vec<_> = names.iter().map(|name| bench.mailed_account(name)).collect();
        act(&mut bench, session, ids[2], AdminAction::Disable {});
        let find = |filter: &AccountFilter, after, limit| {
            let page = query::accounts(&bench.tables, filter, after, limit).unwrap();
            let names: Vec<_> = page.rows.iter().map(|row| row.username.clone()).collect();
            (names, page.next)
        };
        let prefix = AccountFilter {
            name_prefix: Some("an".into()),
            ..AccountFilter::default()
        };
        assert_eq!(find(&prefix, None, 1), (vec!["ana".to_owned()], Some(2)));
        assert_eq!(find(&prefix, Some(2), 9), (vec!["anton".to_owned()], None));
        let disabled = AccountFilter {
            status: Some(AccountStatus::Disabled),
            ..AccountFilter::default()
        };
        assert_eq!(find(&disabled, None, 9).0, ["ben"]);
        assert_eq!(query::account_by_number(&bench.tables, 1).unwrap().unwrap().id, root);

        let all = query::audit(&bench.tables, &AuditFilter::default(), None, 999)
            .unwrap()
            .rows;
        assert_eq!(all.len() as u64, bench.index, "one row for each entry");
        assert!(all.windows(2).all(|pair| pair[0].0 > pair[1].0), "the newest first");
        let (mut paged, mut before) = (Vec::new(), None);
        loop {
            let page = query::audit(&bench.tables, &AuditFilter::default(), before, 3).unwrap();
            paged.extend(page.rows);
            before = page.next;
            if before.is_none() {
                break;
            }
        }
        assert_eq!(paged, all);
        let of_root = query::audit_of(&bench.tables, root, None, 999).unwrap().rows;
        let expected: Vec<_> = all
            .iter()
            .filter(|(_, row)| row.account == Some(root))
            .cloned()
            .collect();
        assert_eq!(of_root, expected);
        let tail = query::audit_of(&bench.tables, root, Some(of_root[0].0), 999)
            .unwrap()
            .rows;
        assert_eq!(tail, of_root[1..]);
        let verb = AuditFilter {
            verb: Some("administer_account".into()),
            ..AuditFilter::default()
        };
        assert_eq!(query::audit(&bench.tables, &verb, None, 9).unwrap().rows.len(), 1);
        let ascending: Vec<_> = all.iter().rev().collect();
        let head = crate::audit::verify(ascending.iter().map(|(index, row)| (*index, row))).unwrap();
        assert_eq!(head, query::audit_head(&bench.tables).unwrap());
    }

    #[test]
    fn a_deleted_account_leaves_no_row_of_its_own_but_the_audit() {
        let mut bench = Bench::new();
        let account = bench.mailed_account("ana");
        let session = bench.plain_session(account).session;
        bench.remember_device(account);
        bench.run_add(session, 77);
        assert_eq!(
            bench.run(Command::DeleteAccount(DeleteAccount { session })),
            Reply::Done {}
        );
        let left: Vec<_> = bench
            .tables
            .rows()
            .filter(|(table, key, _)| {
                use crate::tables::Table;
                let audit = [Table::Audit, Table::AuditByAccount, Table::Outbox, Table::Meta];
                !audit.contains(table) && key.starts_with(&account.0)
            })
            .collect();
        assert_eq!(left, []);
        assert_eq!(bench.refresh(session, 1), Reply::Denied(Denial::SessionRevoked {}));
        bench.register("ana", "ana@example.org");
    }
}
