//! Acts of administrators, and what a search of accounts and of the audit finds.

use crate::account::{AccountStatus, Role};
use crate::apply::testing::{Bench, mac, token};
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
        then: Vec::new(),
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
fn an_administrator_who_ends_sessions_voids_the_address_that_one_of_them_asked_for() {
    let actions = [
        AdminAction::Disable {},
        AdminAction::EndSessions {},
        AdminAction::ResetFactors {},
        AdminAction::SetRole { role: Role::User },
    ];
    for action in actions {
        let (mut bench, _, admin) = admin();
        let ana = bench.mailed_account("ana");
        let session = bench.plain_session(ana).session;
        let asked = bench.run(Command::RequestEmailChange(RequestEmailChange {
            session,
            email: "evil@example.net".into(),
            email_key: "evil@example.net".into(),
            token: token(1),
        }));
        assert_eq!(asked, Reply::Done {});
        assert_eq!(
            act(&mut bench, admin, ana, action.clone()),
            Reply::Done {},
            "{action:?}"
        );
        assert_eq!(act(&mut bench, admin, ana, AdminAction::Activate {}), Reply::Done {});
        let confirm = Command::ConfirmEmail(ConfirmEmail { token: mac(1) });
        assert_eq!(bench.run(confirm), Reply::Denied(Denial::TokenGone {}), "{action:?}");
        assert_eq!(bench.account(ana).email, "ana@example.org");
    }
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

fn act_all(bench: &mut Bench, session: SessionId, account: AccountId, mut actions: Vec<AdminAction>) -> Reply {
    let action = actions.remove(0);
    bench.run(Command::AdministerAccount(AdministerAccount {
        session,
        account,
        action,
        then: actions,
    }))
}

#[test]
fn several_acts_are_one_entry_and_happen_all_or_not_at_all() {
    let (mut bench, root, session) = admin();
    let (ana, factor) = bench.bound_account("ana");
    let theirs = bench.session_of(ana, factor).session;
    bench.notices();
    let before = bench.account(ana);
    // Without an app nobody becomes an administrator: so the app, the session and the budget stay, too.
    let promote = AdminAction::SetRole { role: Role::Admin };
    let both = vec![
        AdminAction::EndSessions {},
        AdminAction::ResetFactors {},
        AdminAction::Unlock {},
        promote,
    ];
    assert_eq!(
        act_all(&mut bench, session, ana, both),
        Reply::Denied(Denial::AdminNeedsFactor {})
    );
    assert_eq!(bench.account(ana), before);
    assert_eq!(query::factors(&bench.tables, ana).unwrap().len(), 1);
    assert!(
        query::session(&bench.tables, theirs)
            .unwrap()
            .unwrap()
            .is_live(bench.now)
    );
    assert_eq!(bench.notices(), []);
    assert_eq!(bench.audited().actor, Some(root), "the refusal is audited");
    let entries = bench.index;
    let out = vec![
        AdminAction::Disable {},
        AdminAction::ResetFactors {},
        AdminAction::Unlock {},
    ];
    assert_eq!(act_all(&mut bench, session, ana, out), Reply::Done {});
    assert_eq!(bench.index, entries + 1);
    assert_eq!(
        bench.audited().outcome,
        "account_disabled_by_admin+factors_reset+account_unlocked"
    );
    assert_eq!(bench.account(ana).status, AccountStatus::Disabled);
    assert_eq!(query::factors(&bench.tables, ana).unwrap(), []);
    assert_eq!(bench.notices(), [Notice::FactorsReset {}]);
}
