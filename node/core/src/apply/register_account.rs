//! Makes an account. A name that is taken is refused; an address that is taken is not told to the caller (EN-1), but to
//! the address's owner, by mail, and not more often than the bound (TH-9).
//!
//! Where the address is taken the name is held all the same, for as long as that of an account whose address nobody proves: by an
//! account that nobody ever gets into. So the name answers alike in both cases, to sign-ups and to logins.

use super::decision::{Decision, Moment};
use super::expiry::{self, Kind};
use super::{account_rows, delete_account, outbox};
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
    let owner = holder(moment, Table::Usernames, &command.username_key, tables)?;
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
        waits: Some(first_status(&policy)).filter(|status| *status != AccountStatus::Active),
    };
    if let Some(owner) = holder(moment, Table::Emails, &command.email_key, tables)? {
        account_rows::tell_owner_of_address(moment, owner, tables)?;
        store(moment, command, &policy, true, tables)?;
        return Ok(Decision::new(reply).known_as("address_taken").about(owner));
    }
    store(moment, command, &policy, false, tables)?;
    Ok(Decision::new(reply).about(command.account))
}

/// Who has a name or an address. One that was held for long enough has nobody any more; its removal may lag behind.
fn holder(moment: Moment<'_>, table: Table, key: &str, tables: &mut impl Tables) -> Result<Option<AccountId>, Fault> {
    let Some(owner) = get::<AccountId>(tables, table, key.as_bytes())? else {
        return Ok(None);
    };
    let account =
        query::account(tables, owner)?.ok_or(Fault::Invariant("a name or an address points to no account"))?;
    if account.void_at().is_some_and(|end| end <= moment.now) {
        delete_account::remove(moment, &account, tables)?;
        return Ok(None);
    }
    Ok(Some(owner))
}

fn store(
    moment: Moment<'_>,
    command: &RegisterAccount,
    policy: &Policy,
    reserved: bool,
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
        reserved,
    };
    put(tables, Table::Meta, LAST_NUMBER_KEY, &number)?;
    put(tables, Table::Usernames, account.username_key.as_bytes(), &account.id)?;
    if let Some(end) = account.void_at() {
        expiry::schedule(end, Kind::HeldAccount, &account.id.0, tables)?;
    }
    if reserved {
        // No address, and no number under which it is found.
        return put(tables, Table::Accounts, &account.id.0, &account);
    }
    if let Some(token) = &command.confirmation {
        // A new account: the first mail of its window.
        let counted = outbox::count(&mut account, moment.now);
        if counted.is_ok() && query::mail_token(tables, &token.hash, moment.now)?.is_none() {
            let address = (command.email.as_str(), command.email_key.as_str());
            account_rows::mail_confirmation(moment, &mut account, address, None, token, tables)?;
        }
    }
    put(tables, Table::AccountsByNumber, &number.to_be_bytes(), &account.id)?;
    put(tables, Table::Accounts, &account.id.0, &account)?;
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
    use crate::limits::{ADDRESS_NOTICE_SECONDS, UNCONFIRMED_SECONDS};
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
                    created_at: bench.now,
                    waits: None,
                }
            );
            let held = query::account_by_username(&bench.tables, name).unwrap().unwrap();
            assert!(held.reserved && held.id == account);
            assert_eq!(held.refusal(), Some(Denial::InvalidCredentials {}));
            let by_address = query::account_by_email(&bench.tables, "ana@example.org").unwrap();
            assert_eq!(by_address.map(|account| account.username), Some("ana".to_owned()));
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

    #[test]
    fn en_1_a_name_is_held_as_long_and_answers_alike_whether_its_address_was_taken_or_not() {
        let mut free = Bench::new();
        let mut taken = Bench::new();
        for bench in [&mut free, &mut taken] {
            let mut policy = query::policy(&bench.tables).unwrap();
            bench.register("ana", "ana@example.org");
            policy.registration.confirm_email = true;
            put(&mut bench.tables, Table::Meta, query::POLICY_KEY, &policy).unwrap();
        }
        let mut try_all = |seconds: u64| {
            let worlds = [(&mut free, "eve@example.org"), (&mut taken, "ana@example.org")];
            worlds.map(|(bench, address)| {
                bench.wait(seconds);
                let commands = [
                    bench.new_account("eve", address),
                    bench.new_account("EVE2", "other@example.org"),
                ];
                let mut told = Vec::new();
                for command in commands {
                    told.push(bench.run(Command::RegisterAccount(command)));
                    let eve = query::account_by_username(&bench.tables, "eve").unwrap().unwrap();
                    let seq = eve.auth_seq;
                    told.push(bench.sign_in_with(eve.id, |sign_in| sign_in.base_seq = seq));
                    bench.fail_passwords(eve.id, 1);
                }
                told
            })
        };
        for (seconds, first_of_a_life) in [(0, true), (1, false), (UNCONFIRMED_SECONDS - 2, false), (1, true)] {
            let [of_free, of_taken] = try_all(seconds);
            assert_eq!(of_free, of_taken);
            let registered = matches!(of_free[0], Reply::AccountRegistered { .. });
            assert_eq!(registered, first_of_a_life, "{of_free:?}");
        }
        let owner = query::account_by_email(&taken.tables, "ana@example.org")
            .unwrap()
            .unwrap();
        assert_eq!((owner.username.as_str(), owner.reserved), ("ana", false));
        let numbers: Vec<_> = [&free, &taken]
            .map(|bench| get::<u64>(&bench.tables, Table::Meta, LAST_NUMBER_KEY).unwrap())
            .into();
        assert_eq!(
            numbers[0], numbers[1],
            "the number of the next account tells nothing either"
        );
    }
}
