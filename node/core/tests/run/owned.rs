//! What must hold of factors, addresses, devices and the policy after every entry.

use super::checks::{Verdict, ensure};
use auth_core::account::{Account, Role};
use auth_core::command::{Answer, Authority, CodeEvidence, Command};
use auth_core::device::Device;
use auth_core::entry::Entry;
use auth_core::factor::{Factor, FactorState};
use auth_core::ids::{AccountId, FactorId, SessionId};
use auth_core::limits::{DEVICES_PER_ACCOUNT_MAX, STEP_UP_SECONDS};
use auth_core::query;
use auth_core::reply::Reply;
use auth_core::session::Session;
use auth_core::tables::memory::MemoryTables;
use auth_core::tables::schema::decode_row;
use auth_core::tables::{Table, TablesRead};
use auth_core::time::Timestamp;

pub(super) fn observe(
    entry: &Entry,
    before: &MemoryTables,
    after: &MemoryTables,
    reply: &Reply,
    now: Timestamp,
) -> Verdict {
    steps_do_not_go_back(before, after)?;
    a_factor_is_bound_by_its_own_code(entry, before, after, reply)?;
    changes_need_a_fresh_proof(entry, before, reply, now)?;
    who_changes_something_is_still_in(entry, after, reply, now)?;
    addresses_are_proven(entry, before, after, reply)?;
    the_policy_counts_its_versions(entry, before, after, reply)?;
    administrators_have_an_app(after)?;
    devices_are_bounded_and_do_not_go_back(before, after)
}

fn rows<T: for<'b> minicbor::Decode<'b, ()>>(tables: &MemoryTables, table: Table) -> Vec<T> {
    let rows = tables.range(table, &[], &[0xff; 64], usize::MAX).unwrap();
    rows.iter().map(|(_, row)| decode_row(table, row).unwrap()).collect()
}

/// OTP-3: the newest step that a factor accepted never becomes an older one.
fn steps_do_not_go_back(before: &MemoryTables, after: &MemoryTables) -> Verdict {
    let now: Vec<Factor> = rows(after, Table::Factors);
    for old in rows::<Factor>(before, Table::Factors) {
        let kept = now.iter().find(|factor| factor.id == old.id);
        ensure(
            kept.is_none_or(|factor| factor.last_step >= old.last_step),
            "once",
            || format!("the last step of {:?} went back from {:?}", old.id, old.last_step),
        )?;
    }
    Ok(())
}

/// OTP-8, OTP-9: a factor begins to count with its own first code, and before its time is over.
fn a_factor_is_bound_by_its_own_code(
    entry: &Entry,
    before: &MemoryTables,
    after: &MemoryTables,
    reply: &Reply,
) -> Verdict {
    let was: Vec<Factor> = rows(before, Table::Factors);
    let confirmed = |factor: &Factor| matches!(factor.state, FactorState::Confirmed { .. });
    for factor in rows::<Factor>(after, Table::Factors)
        .iter()
        .filter(|factor| confirmed(factor))
    {
        let old = was.iter().find(|old| old.id == factor.id);
        if old.is_some_and(confirmed) {
            continue;
        }
        let proven = code_of(&entry.command).is_some_and(|code| is_right(code, factor.id));
        let pending = old.is_some_and(|old| matches!(old.state, FactorState::Pending { .. }));
        let done = !matches!(reply, Reply::Denied(_));
        ensure(proven && pending && done, "otp_8", || {
            format!("{:?} counts without its code", factor.id)
        })?;
    }
    Ok(())
}

fn is_right(code: CodeEvidence, factor: FactorId) -> bool {
    code.factor == factor && code.matched_step.is_some()
}

fn code_of(command: &Command) -> Option<CodeEvidence> {
    let of = |answer: &Answer| answer.totp;
    if let Command::ConfirmTotp(command) = command {
        Some(command.code)
    } else if let Command::LogIn(command) = command {
        command.code
    } else if let Command::AnswerChallenge(command) = command {
        of(&command.answer)
    } else if let Command::SignIn(command) = command {
        command.answer.as_ref().and_then(of)
    } else {
        None
    }
}

/// SE-5: what decides who gets in changes only on the word of a session that proved itself lately.
fn changes_need_a_fresh_proof(entry: &Entry, before: &MemoryTables, reply: &Reply, now: Timestamp) -> Verdict {
    let Some(session) = changer(&entry.command).filter(|_| !matches!(reply, Reply::Denied(_))) else {
        return Ok(());
    };
    let session = query::session(before, session).unwrap();
    let fresh = session.is_some_and(|row| row.is_live(now) && now <= row.auth_time.plus_seconds(STEP_UP_SECONDS));
    ensure(fresh, "se_5", || {
        "a session that is over or old changed something".into()
    })
}

/// SE-2: a session that an entry ends does not get what the same entry asks for in its name.
fn who_changes_something_is_still_in(entry: &Entry, after: &MemoryTables, reply: &Reply, now: Timestamp) -> Verdict {
    let acts = if let Command::ChangePassword(command) = &entry.command {
        Some(command.session)
    } else if let Command::StepUp(command) = &entry.command {
        Some(command.session)
    } else if let Command::ConfirmTotp(command) = &entry.command
        && let Authority::Session(session) = command.authority
    {
        Some(session)
    } else {
        changer(&entry.command)
    };
    let Some(session) = acts.filter(|_| !matches!(reply, Reply::Denied(_) | Reply::Stale { .. })) else {
        return Ok(());
    };
    let session = query::session(after, session).unwrap();
    ensure(session.is_some_and(|row| row.is_live(now)), "se_2", || {
        "a session got what it asked for in the entry that ended it".into()
    })
}

fn changer(command: &Command) -> Option<SessionId> {
    if let Command::AddTotp(command) = command {
        return match command.authority {
            Authority::Session(session) => Some(session),
            Authority::Challenge(_) => None,
        };
    }
    if let Command::RemoveTotp(command) = command {
        Some(command.session)
    } else if let Command::SetEmailFactor(command) = command {
        Some(command.session)
    } else if let Command::RequestEmailChange(command) = command {
        Some(command.session)
    } else if let Command::IssueRecoveryCodes(command) = command {
        Some(command.session)
    } else {
        None
    }
}

/// RC-4: an address becomes an account's, or counts as proven, only with what was mailed to it; and belongs to one account.
fn addresses_are_proven(entry: &Entry, before: &MemoryTables, after: &MemoryTables, reply: &Reply) -> Verdict {
    for account in rows::<Account>(after, Table::Accounts) {
        let owner = query::account_by_email(after, &account.email_key).unwrap();
        ensure(owner.is_some_and(|owner| owner.id == account.id), "rc_4", || {
            format!("{} leads to somebody else", account.email_key)
        })?;
        let Some(old) = query::account(before, account.id).unwrap() else {
            continue;
        };
        let by_mail = matches!(reply, Reply::EmailConfirmed { account: who } if *who == account.id);
        let moved = old.email_key != account.email_key;
        let proven = old.email_confirmed_at.is_none() && account.email_confirmed_at.is_some();
        let reset = matches!(entry.command, Command::ResetPassword(_)) && !moved;
        ensure(by_mail || !moved && (!proven || reset), "rc_4", || {
            format!("{} became {} unproven", old.email_key, account.email_key)
        })?;
        if moved {
            ensure(was_asked_for_since(entry, before, &old), "rc_4", || {
                format!(
                    "{} was asked for before the password was changed or the session ended",
                    account.email_key
                )
            })?;
        }
    }
    Ok(())
}

/// Whether the new address was asked for under the password that the account has, by a session that nobody ended; and it may
/// log in.
fn was_asked_for_since(entry: &Entry, before: &MemoryTables, account: &Account) -> bool {
    let Command::ConfirmEmail(command) = &entry.command else {
        return false;
    };
    let token = query::mail_token(before, &command.token, Timestamp(0)).unwrap();
    let Some(token) = token else { return false };
    let asked_by = rows::<Session>(before, Table::Sessions)
        .into_iter()
        .find(|session| token.was_asked_by(session.id));
    let ended = asked_by.is_some_and(|session| session.revoked_at.is_some());
    account.is_active() && !ended && Some(token.created_at) > account.password_changed_at
}

/// The policy changes by its command, one version after the other.
fn the_policy_counts_its_versions(
    entry: &Entry,
    before: &MemoryTables,
    after: &MemoryTables,
    reply: &Reply,
) -> Verdict {
    let (old, new) = (query::policy(before).unwrap(), query::policy(after).unwrap());
    if old == new && !matches!(reply, Reply::PolicySet { .. }) {
        return Ok(());
    }
    let set = matches!(entry.command, Command::SetPolicy(_)) && *reply == (Reply::PolicySet { version: new.version });
    ensure(set && new.version == old.version + 1, "policy", || {
        format!("version {} after {}", new.version, old.version)
    })
}

/// OTP-12: an administrator is bound to an app, and they are counted.
fn administrators_have_an_app(after: &MemoryTables) -> Verdict {
    let accounts: Vec<Account> = rows(after, Table::Accounts);
    let admins: Vec<AccountId> = accounts
        .iter()
        .filter(|row| row.role == Role::Admin)
        .map(|row| row.id)
        .collect();
    ensure(query::admins(after).unwrap() == admins.len() as u64, "otp_12", || {
        format!("{admins:?} are miscounted")
    })?;
    for admin in admins {
        let factors = query::factors(after, admin).unwrap();
        ensure(factors.iter().any(Factor::is_bound), "otp_12", || {
            format!("{admin:?} has no app")
        })?;
    }
    Ok(())
}

/// TH-5: each device is a budget, so there are few; and a token that was replaced never becomes the newest again.
fn devices_are_bounded_and_do_not_go_back(before: &MemoryTables, after: &MemoryTables) -> Verdict {
    for account in rows::<Account>(after, Table::Accounts) {
        let devices = query::devices(after, account.id).unwrap();
        ensure(devices.len() <= DEVICES_PER_ACCOUNT_MAX, "device", || {
            format!("{} devices", devices.len())
        })?;
    }
    let now: Vec<Device> = rows(after, Table::Devices);
    for old in rows::<Device>(before, Table::Devices) {
        let kept = now.iter().find(|device| device.id == old.id);
        ensure(
            kept.is_none_or(|device| device.generation >= old.generation),
            "device",
            || format!("{:?} went back", old.id),
        )?;
    }
    Ok(())
}
