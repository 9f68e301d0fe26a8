//! Makes an account. A name that is taken is refused; an address that is taken is not told to the caller (EN-1), but to
//! the address's owner, by mail, and not more often than the bound (TH-9).

use super::decision::{Decision, Moment};
use super::{account_rows, outbox};
use crate::account::{Account, AccountStatus, MailWindow, Role};
use crate::command::RegisterAccount;
use crate::error::Fault;
use crate::ids::AccountId;
use crate::policy::Policy;
use crate::policy::risk::Reasons;
use crate::policy::throttle::Throttle;
use crate::query;
use crate::reply::{Denial, Reply};
use crate::tables::schema::{get, put};
use crate::tables::{Table, Tables};

/// Key in the meta table of the greatest account number.
const LAST_NUMBER_KEY: &[u8] = b"account_number";

pub(super) fn apply(
    moment: Moment<'_>,
    command: &RegisterAccount,
    tables: &mut impl Tables,
) -> Result<Decision, Fault> {
    let policy = query::policy(tables)?;
    if policy.registration.closed {
        return Ok(Decision::denied(Denial::RegistrationClosed {}));
    }
    let owner = get::<AccountId>(tables, Table::Usernames, command.username_key.as_bytes())?;
    #[cfg(feature = "mutations")]
    let owner = owner.filter(|_| !mutations::on(mutations::Mutation::NameTakenTwice));
    if let Some(owner) = owner {
        return Ok(Decision::denied(Denial::UsernameTaken {}).about(owner));
    }
    // An id that is in use is a fault of the proposer's randomness. It must not replace an account.
    if query::account(tables, command.account)?.is_some() {
        return Ok(Decision::denied(Denial::UsernameTaken {}).known_as("account_id_taken"));
    }
    let reply = Reply::AccountRegistered {
        account: command.account,
        created_at: moment.now,
    };
    if let Some(owner) = get::<AccountId>(tables, Table::Emails, command.email_key.as_bytes())? {
        account_rows::tell_owner_of_address(moment, owner, tables)?;
        return Ok(Decision::new(reply).known_as("address_taken").about(owner));
    }
    store(moment, command, &policy, tables)?;
    Ok(Decision::new(reply).about(command.account))
}

fn store(
    moment: Moment<'_>,
    command: &RegisterAccount,
    policy: &Policy,
    tables: &mut impl Tables,
) -> Result<(), Fault> {
    let number = get::<u64>(tables, Table::Meta, LAST_NUMBER_KEY)?
        .unwrap_or_default()
        .saturating_add(1);
    let mut account = Account {
        id: command.account,
        number,
        username: command.username.clone(),
        username_key: command.username_key.clone(),
        email: command.email.clone(),
        email_key: command.email_key.clone(),
        password: command.password.clone(),
        status: first_status(policy),
        created_at: moment.now,
        updated_at: None,
        auth_seq: 1,
        throttle: Throttle::default(),
        role: Role::User,
        email_confirmed_at: None,
        email_factor_since: None,
        password_alone: command.password_alone,
        last_login_at: None,
        mailed_throttle: Throttle::default(),
        mails: MailWindow::default(),
        unmet: Reasons::NONE,
        password_changed_at: None,
        language: moment.client.language.clone(),
        reset_token: None,
        address_token: None,
    };
    if let Some(token) = &command.confirmation {
        // A new account: the first mail of its window.
        let counted = outbox::count(&mut account, moment.now);
        if counted.is_ok() && query::mail_token(tables, &token.hash, moment.now)?.is_none() {
            let address = (command.email.as_str(), command.email_key.as_str());
            account_rows::mail_confirmation(moment, &mut account, address, token, tables)?;
        }
    }
    put(tables, Table::Meta, LAST_NUMBER_KEY, &number)?;
    put(tables, Table::AccountsByNumber, &number.to_be_bytes(), &account.id)?;
    put(tables, Table::Accounts, &account.id.0, &account)?;
    put(tables, Table::Usernames, account.username_key.as_bytes(), &account.id)?;
    put(tables, Table::Emails, account.email_key.as_bytes(), &account.id)
}

fn first_status(policy: &Policy) -> AccountStatus {
    if policy.registration.confirm_email {
        AccountStatus::Unconfirmed
    } else if policy.registration.approval {
        AccountStatus::PendingApproval
    } else {
        AccountStatus::Active
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apply::testing::Bench;
    use crate::audit::AuditRow;
    use crate::command::Command;
    use crate::limits::ADDRESS_NOTICE_SECONDS;
    use crate::outbox::MailTemplate;

    #[test]
    fn accounts_are_numbered_from_one_and_found_by_name() {
        let mut bench = Bench::new();
        let first = bench.register("ana", "ana@example.org");
        let second = bench.register("ben", "ben@example.org");
        assert_eq!((bench.account(first).number, bench.account(second).number), (1, 2));
        assert_eq!(bench.account(first).auth_seq, 1);
        let found = query::account_by_username(&bench.tables, "ana").unwrap().unwrap();
        assert_eq!(found.id, first);
        assert_eq!(query::account_by_username(&bench.tables, "cat").unwrap(), None);
    }

    #[test]
    fn a_taken_name_is_refused_and_nothing_is_stored() {
        let mut bench = Bench::new();
        bench.register("ana", "ana@example.org");
        let command = bench.new_account("ana", "other@example.org");
        let reply = bench.run(Command::RegisterAccount(command.clone()));
        assert_eq!(reply, Reply::Denied(Denial::UsernameTaken {}));
        assert_eq!(query::account(&bench.tables, command.account).unwrap(), None);
        assert_eq!(query::outbox(&bench.tables, 9).unwrap(), []);
    }

    #[test]
    fn en_1_a_taken_address_looks_like_success_and_its_owner_is_told_once_an_hour() {
        let mut bench = Bench::new();
        let owner = bench.register("ana", "ana@example.org");
        let attempt = |bench: &mut Bench, name: &str| {
            let command = bench.new_account(name, "ana@example.org");
            let account = command.account;
            let reply = bench.run(Command::RegisterAccount(command));
            assert_eq!(
                reply,
                Reply::AccountRegistered {
                    account,
                    created_at: bench.now
                }
            );
            assert_eq!(query::account(&bench.tables, account).unwrap(), None);
            assert_eq!(query::account_by_username(&bench.tables, name).unwrap(), None);
            query::outbox(&bench.tables, 99).unwrap().len()
        };
        assert_eq!(attempt(&mut bench, "eve1"), 1);
        assert_eq!(attempt(&mut bench, "eve2"), 1);
        bench.wait(ADDRESS_NOTICE_SECONDS - 1);
        assert_eq!(attempt(&mut bench, "eve3"), 1);
        bench.wait(1);
        assert_eq!(attempt(&mut bench, "eve4"), 2);
        let mail = query::outbox(&bench.tables, 1).unwrap().remove(0);
        assert_eq!(
            (mail.to.as_str(), mail.template),
            ("ana@example.org", MailTemplate::AddressAlreadyRegistered {})
        );
        let row: AuditRow = get(&bench.tables, Table::Audit, &bench.index.to_be_bytes())
            .unwrap()
            .unwrap();
        assert_eq!((row.outcome.as_str(), row.account), ("address_taken", Some(owner)));
    }

    #[test]
    fn an_account_id_in_use_does_not_replace_the_account() {
        let mut bench = Bench::new();
        let first = bench.register("ana", "ana@example.org");
        let before = bench.account(first);
        let command = RegisterAccount {
            account: first,
            ..bench.new_account("ben", "ben@example.org")
        };
        assert_eq!(
            bench.run(Command::RegisterAccount(command)),
            Reply::Denied(Denial::UsernameTaken {})
        );
        assert_eq!(bench.account(first), before);
    }
}
