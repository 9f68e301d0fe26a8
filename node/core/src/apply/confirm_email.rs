//! Proves an address with the token that was mailed to it. Once; the old address is told when it is another one (RC-4).

use super::decision::{Decision, Moment};
use super::{account_rows, guess, outbox};
use crate::account::{Account, AccountStatus};
use crate::command::ConfirmEmail;
use crate::error::Fault;
use crate::ids::AccountId;
use crate::outbox::MailTemplate;
use crate::query;
use crate::reply::{Denial, Reply};
use crate::tables::schema::{get, put};
use crate::tables::{Table, Tables};
use crate::token::{MailToken, TokenPurpose};

pub(super) fn apply(moment: Moment<'_>, command: &ConfirmEmail, tables: &mut impl Tables) -> Result<Decision, Fault> {
    let gone = Decision::denied(Denial::TokenGone {});
    let Some(token) = query::mail_token(tables, &command.token, moment.now)? else {
        return Ok(gone);
    };
    let Some(mut account) = query::account(tables, token.account)?.filter(|account| may_confirm(&token, account))
    else {
        return Ok(gone);
    };
    let TokenPurpose::ConfirmEmail { email, email_key, .. } = token.purpose else {
        return Ok(gone);
    };
    let id = account.id;
    tables.remove(Table::MailTokens, &command.token.0)?;
    account.address_token = None;
    let owner = get::<AccountId>(tables, Table::Emails, email_key.as_bytes())?;
    if owner.is_some_and(|owner| owner != id) {
        put(tables, Table::Accounts, &id.0, &account)?;
        return Ok(gone.about(id).known_as("address_taken"));
    }
    if account.email_key != email_key {
        let template = MailTemplate::AddressChanged {
            username: account.username.clone(),
        };
        outbox::send(moment, &outbox::To::owner(&account), template, tables)?;
        tables.remove(Table::Emails, account.email_key.as_bytes())?;
        put(tables, Table::Emails, email_key.as_bytes(), &id)?;
        account.updated_at = Some(moment.now);
    }
    account.email = email;
    account.email_key = email_key;
    account_rows::confirm_address(moment.now, &mut account, &query::policy(tables)?);
    guess::put_advanced(account, tables)?;
    Ok(Decision::new(Reply::EmailConfirmed { account: id }).about(id))
}

/// Another address than the account's does not outlive the password that it was asked for under; and a disabled account
/// changes nothing.
fn may_confirm(token: &MailToken, account: &Account) -> bool {
    let since_password = token.proves(&account.email_key) || !account.is_older_than_password(token.created_at);
    account.status != AccountStatus::Disabled && since_password
}

#[cfg(test)]
mod tests {
    use crate::account::AccountStatus;
    use crate::apply::testing::{Bench, granted, mac, password, token};
    use crate::command::*;
    use crate::ids::SessionId;
    use crate::limits::{CONFIRMATION_SECONDS, DEVICE_GRACE_SECONDS, STEP_UP_SECONDS};
    use crate::outbox::MailTemplate;
    use crate::query;
    use crate::reply::{Denial, Reply};

    const GONE: Reply = Reply::Denied(Denial::TokenGone {});

    fn change(bench: &mut Bench, session: SessionId, email: &str, number: u64) -> Reply {
        bench.run(Command::RequestEmailChange(RequestEmailChange {
            session,
            email: email.into(),
            email_key: email.into(),
            token: token(number),
        }))
    }

    fn confirm(bench: &mut Bench, number: u64) -> Reply {
        bench.run(Command::ConfirmEmail(ConfirmEmail { token: mac(number) }))
    }

    #[test]
    fn rc_4_an_address_counts_when_it_is_proven_and_the_old_one_is_told() {
        let mut bench = Bench::new();
        let account = bench.mailed_account("ana");
        let session = bench.plain_session(account).session;
        assert_eq!(change(&mut bench, session, "ana@example.net", 1), Reply::Done {});
        assert_eq!(bench.account(account).email, "ana@example.org", "nothing changed yet");
        assert_eq!(bench.mails().last().unwrap().to, "ana@example.net");
        assert_eq!(confirm(&mut bench, 1), Reply::EmailConfirmed { account });
        let row = bench.account(account);
        assert_eq!(
            (row.email.as_str(), row.email_confirmed_at),
            ("ana@example.net", Some(bench.now))
        );
        let mail = bench.mails().pop().unwrap();
        assert_eq!(mail.to, "ana@example.org");
        assert!(matches!(mail.template, MailTemplate::AddressChanged { .. }));
        assert!(
            query::account_by_email(&bench.tables, "ana@example.org")
                .unwrap()
                .is_none()
        );
        assert_eq!(confirm(&mut bench, 1), GONE, "once");
    }

    #[test]
    fn rc_3_a_token_is_void_after_a_day_and_when_a_newer_one_was_sent() {
        let mut bench = Bench::new();
        let account = bench.mailed_account("ana");
        let session = bench.plain_session(account).session;
        change(&mut bench, session, "ana@example.net", 1);
        change(&mut bench, session, "ana@example.com", 2);
        assert_eq!(confirm(&mut bench, 1), GONE);
        bench.wait(CONFIRMATION_SECONDS);
        assert_eq!(confirm(&mut bench, 2), GONE);
        assert_eq!(bench.account(account).email, "ana@example.org");
    }

    #[test]
    fn en_1_an_address_of_somebody_else_is_not_told_to_the_caller_and_never_taken() {
        let mut bench = Bench::new();
        let account = bench.mailed_account("ana");
        bench.mailed_account("ben");
        let session = bench.plain_session(account).session;
        assert_eq!(change(&mut bench, session, "ben@example.org", 1), Reply::Done {});
        assert_eq!(
            bench.mails().last().unwrap().template,
            MailTemplate::AddressAlreadyRegistered {}
        );
        assert_eq!(confirm(&mut bench, 1), GONE);
        // Free when it was asked for, taken when it is proven.
        change(&mut bench, session, "cat@example.org", 2);
        bench.register("cat", "cat@example.org");
        assert_eq!(confirm(&mut bench, 2), GONE);
        assert_eq!(bench.account(account).email, "ana@example.org");
    }

    /// An account whose thief asked for another address, from a session that was fresh.
    fn asked() -> (Bench, crate::ids::AccountId) {
        let mut bench = Bench::new();
        let account = bench.mailed_account("ana");
        let session = bench.plain_session(account).session;
        assert_eq!(change(&mut bench, session, "evil@example.net", 1), Reply::Done {});
        bench.wait(60);
        (bench, account)
    }

    #[test]
    fn a_new_password_voids_an_address_that_somebody_asked_for_before() {
        let (mut bench, account) = asked();
        let subject = ResetSubject::Account(account);
        bench.run(Command::RequestPasswordReset(RequestPasswordReset {
            subject,
            token: token(2),
        }));
        let reset = ResetPassword {
            token: mac(2),
            base_seq: bench.account(account).auth_seq,
            password: password(true),
            answer: None,
        };
        assert_eq!(bench.run(Command::ResetPassword(reset)), Reply::Done {});
        assert_eq!(bench.account(account).address_token, None);
        assert_eq!(query::mail_token(&bench.tables, &mac(1), bench.now).unwrap(), None);
        assert_eq!(confirm(&mut bench, 1), GONE);
        assert_eq!(bench.account(account).email, "ana@example.org");
        // What the owner asks for from then on counts.
        bench.wait(60);
        let session = bench.plain_session(account).session;
        assert_eq!(change(&mut bench, session, "ana@example.net", 3), Reply::Done {});
        assert_eq!(confirm(&mut bench, 3), Reply::EmailConfirmed { account });
    }

    #[test]
    fn an_address_that_was_asked_for_under_an_older_password_is_void_although_its_token_is_there() {
        let (mut bench, account) = asked();
        let now = bench.now;
        bench.change(account, |row| row.password_changed_at = Some(now));
        assert_eq!(confirm(&mut bench, 1), GONE);
        assert_eq!(bench.account(account).email, "ana@example.org");
    }

    #[test]
    fn an_address_falls_with_the_session_that_asked_for_it_however_that_ends() {
        let ends: [fn(&mut Bench, SessionId, SessionId); 4] = [
            |bench, session, _| {
                bench.run(Command::EndSession(EndSession { session }));
            },
            |bench, session, other| {
                let scope = SessionScope::One(session);
                bench.run(Command::EndSessions(EndSessions { session: other, scope }));
            },
            |bench, _, other| {
                let scope = SessionScope::Others {};
                bench.run(Command::EndSessions(EndSessions { session: other, scope }));
            },
            |bench, session, _| {
                // A refresh token that comes back.
                for generation in [1, 2] {
                    bench.wait(20);
                    bench.refresh(session, generation);
                }
                bench.refresh(session, 1);
            },
        ];
        for (number, end) in ends.into_iter().enumerate() {
            let mut bench = Bench::new();
            let account = bench.mailed_account("ana");
            let session = bench.plain_session(account).session;
            let other = bench.plain_session(account).session;
            assert_eq!(change(&mut bench, session, "ana@example.net", 1), Reply::Done {});
            end(&mut bench, session, other);
            let row = query::session(&bench.tables, session).unwrap().unwrap();
            assert!(!row.is_live(bench.now), "end {number}");
            assert_eq!(confirm(&mut bench, 1), GONE, "end {number}");
            assert_eq!(bench.account(account).email, "ana@example.org");
        }
    }

    #[test]
    fn an_address_outlives_the_end_of_other_sessions_and_the_proof_of_the_own_one_all() {
        let mut bench = Bench::new();
        let account = bench.mailed_account("ana");
        let session = bench.plain_session(account).session;
        let other = bench.plain_session(account).session;
        assert_eq!(change(&mut bench, session, "ana@example.net", 1), Reply::Done {});
        let scope = SessionScope::Others {};
        bench.run(Command::EndSessions(EndSessions { session, scope }));
        assert!(
            !query::session(&bench.tables, other)
                .unwrap()
                .unwrap()
                .is_live(bench.now)
        );
        assert_eq!(confirm(&mut bench, 1), Reply::EmailConfirmed { account });
        bench.change(account, |row| row.email_confirmed_at = None);
        assert_eq!(change(&mut bench, session, "ana@example.net", 2), Reply::Done {});
        bench.run(Command::EndSession(EndSession { session }));
        assert_eq!(confirm(&mut bench, 2), Reply::EmailConfirmed { account });
    }

    #[test]
    fn a_device_whose_token_was_copied_takes_the_address_with_it() {
        let mut bench = Bench::new();
        let account = bench.mailed_account("ana");
        let first = bench.remember_device(account);
        let session = granted(bench.sign_in(account)).session;
        assert_eq!(change(&mut bench, session, "ana@example.net", 1), Reply::Done {});
        bench.wait(DEVICE_GRACE_SECONDS + 1);
        bench.show_device(first);
        bench.fail_passwords(account, 1);
        assert_eq!(query::devices(&bench.tables, account).unwrap(), []);
        assert_eq!(confirm(&mut bench, 1), GONE);
        assert_eq!(bench.account(account).email, "ana@example.org");
    }

    #[test]
    fn a_disabled_account_confirms_no_address() {
        let (mut bench, account) = asked();
        bench.change(account, |row| row.status = AccountStatus::Disabled);
        assert_eq!(confirm(&mut bench, 1), GONE);
        assert_eq!(bench.account(account).email, "ana@example.org");
    }

    #[test]
    fn a_new_password_leaves_the_proof_of_the_own_address() {
        let mut bench = Bench::new();
        let new = RegisterAccount {
            confirmation: Some(token(1)),
            password_alone: true,
            ..bench.new_account("ana", "ana@example.org")
        };
        let account = new.account;
        bench.run(Command::RegisterAccount(new));
        let session = bench.plain_session(account).session;
        bench.wait(60);
        let change = ChangePassword {
            session,
            base_seq: bench.account(account).auth_seq,
            password: password(true),
        };
        assert_eq!(bench.run(Command::ChangePassword(change)), Reply::Done {});
        assert_eq!(confirm(&mut bench, 1), Reply::EmailConfirmed { account });
    }

    #[test]
    fn se_5_an_old_session_changes_no_address() {
        let mut bench = Bench::new();
        let account = bench.mailed_account("ana");
        let session = bench.plain_session(account).session;
        bench.wait(STEP_UP_SECONDS + 1);
        assert_eq!(
            change(&mut bench, session, "ana@example.net", 1),
            Reply::Denied(Denial::StepUpRequired {})
        );
    }

    #[test]
    fn an_account_that_must_prove_its_address_first_waits_for_it() {
        let mut bench = Bench::new();
        let mut policy = crate::policy::Policy::default();
        policy.registration.confirm_email = true;
        crate::tables::schema::put(
            &mut bench.tables,
            crate::tables::Table::Meta,
            query::POLICY_KEY,
            &policy,
        )
        .unwrap();
        let new = RegisterAccount {
            confirmation: Some(token(1)),
            password_alone: true,
            ..bench.new_account("ana", "ana@example.org")
        };
        let account = new.account;
        bench.run(Command::RegisterAccount(new));
        assert_eq!(bench.account(account).status, AccountStatus::Unconfirmed);
        assert_eq!(bench.sign_in(account), Reply::Denied(Denial::AddressUnconfirmed {}));
        assert_eq!(confirm(&mut bench, 1), Reply::EmailConfirmed { account });
        assert!(matches!(bench.sign_in(account), Reply::SessionStarted(_)));
    }
}
