//! The whole state machine on one page: remembered reply, log clock, what is due, dispatch, audit.
//!
//! It must not read a clock, draw randomness or look at anything but the entry and the tables: every replica runs it.
//! What the verbs decide is in the files of their names.

mod add_signing_key;
mod decision;
mod drop_signing_keys;
mod end_session;
mod enrol_totp;
mod expiry;
mod guess;
mod install_signing_key;
mod log_in;
mod mark_mail_failed;
mod mark_mail_sent;
mod outbox;
mod refresh_session;
mod refuse_login;
mod register_account;
mod release_mail;
mod reseal;
mod second_factor;
mod start_login;
#[cfg(test)]
mod testing;
mod unknown_names;
mod upgrade_password;
mod verify_factor;

use crate::audit::AuditRow;
use crate::command::Command;
use crate::entry::Entry;
use crate::error::Fault;
use crate::factor::Methods;
use crate::limits::{DEDUP_SECONDS, ENTRY_AGE_SECONDS_MAX};
use crate::policy::risk::Reasons;
use crate::query;
use crate::reply::{Denial, Reply};
use crate::tables::schema::put;
use crate::tables::{Table, Tables};
use crate::time::Timestamp;
use decision::{Decision, Moment};

/// Key of the log's clock in the meta table.
pub const CLOCK_KEY: &[u8] = b"clock";

/// Applies the entry at `index`.
///
/// The first entry of a request id takes effect and its reply is remembered for [`DEDUP_SECONDS`]; every further one
/// gets that reply and changes nothing. [`Reply::Stale`] is the exception: it is not remembered and leaves no audit row,
/// so that its proposer can ask again under the same id. An entry too old to be told from a repeat is refused.
///
/// # Errors
/// A [`Fault`] stops the node: it must not go on with a state that may differ from the others'. The caller then drops
/// whatever was written.
pub fn apply(index: u64, entry: &Entry, tables: &mut impl Tables) -> Result<Reply, Fault> {
    if let Some(first) = query::reply(tables, entry.request_id)? {
        return Ok(first);
    }
    let now = entry.at.max(query::log_clock(tables)?);
    // Replies are kept for longer than entries may be old: a repeat whose first reply is gone never takes effect again.
    if entry.at.plus_seconds(ENTRY_AGE_SECONDS_MAX) <= now {
        return audited(index, entry, now, Decision::denied(Denial::TooOld {}), tables);
    }
    put(tables, Table::Meta, CLOCK_KEY, &now)?;
    expiry::remove_due(now, tables)?;
    let decision = decide(
        Moment {
            index,
            now,
            client_address: &entry.client.address,
        },
        &entry.command,
        tables,
    )?;
    if decision.is_stale() {
        return Ok(decision.reply);
    }
    put(tables, Table::Replies, &entry.request_id.0, &decision.reply)?;
    expiry::schedule(
        now.plus_seconds(DEDUP_SECONDS),
        expiry::Kind::Reply,
        entry.request_id.0,
        tables,
    )?;
    audited(index, entry, now, decision, tables)
}

fn decide(moment: Moment<'_>, command: &Command, tables: &mut impl Tables) -> Result<Decision, Fault> {
    match command {
        Command::RegisterAccount(command) => register_account::apply(moment, command, tables),
        Command::RefuseLogin(command) => refuse_login::apply(moment, command, tables),
        Command::EnrolTotp(command) => enrol_totp::apply(moment, command, tables),
        Command::StartLogin(command) => start_login::apply(moment, command, tables),
        Command::VerifyFactor(command) => verify_factor::apply(moment, command, tables),
        Command::LogIn(command) => log_in::apply(moment, command, tables),
        Command::RefreshSession(command) => refresh_session::apply(moment, command, tables),
        Command::EndSession(command) => end_session::apply(moment, command, tables),
        Command::InstallSigningKey(command) => install_signing_key::apply(moment, command, tables),
        Command::MarkMailSent(command) => mark_mail_sent::apply(moment, command, tables),
        Command::AddSigningKey(command) => add_signing_key::apply(moment, command, tables),
        Command::DropSigningKeys(_) => drop_signing_keys::apply(moment, tables),
        Command::Reseal(command) => reseal::apply(moment, command, tables),
        Command::MarkMailFailed(command) => mark_mail_failed::apply(moment, command, tables),
        Command::ReleaseMail(command) => release_mail::apply(command, tables),
        Command::UpgradePassword(command) => upgrade_password::apply(command, tables),
        Command::SignIn(_)
        | Command::AnswerChallenge(_)
        | Command::SendCode(_)
        | Command::ChangePassword(_)
        | Command::RequestPasswordReset(_)
        | Command::ResetPassword(_)
        | Command::RequestEmailChange(_)
        | Command::ConfirmEmail(_)
        | Command::DeleteAccount(_)
        | Command::IssueRecoveryCodes(_)
        | Command::AddTotp(_)
        | Command::ConfirmTotp(_)
        | Command::RemoveTotp(_)
        | Command::SetEmailFactor(_)
        | Command::StepUp(_)
        | Command::StartStepUp(_)
        | Command::EndSessions(_)
        | Command::ForgetDevice(_)
        | Command::SetPolicy(_)
        | Command::BootstrapAdmin(_)
        | Command::AdministerAccount(_) => Ok(Decision::denied(Denial::InvalidCommand {})),
    }
}

fn audited(
    index: u64,
    entry: &Entry,
    at: Timestamp,
    decision: Decision,
    tables: &mut impl Tables,
) -> Result<Reply, Fault> {
    let row = AuditRow {
        at,
        request_id: entry.request_id,
        verb: entry.command.verb().to_owned(),
        outcome: decision.outcome.to_owned(),
        account: decision.account,
        client_address: entry.client.address.clone(),
        actor: None,
        session: None,
        device: None,
        methods: Methods::NONE,
        reasons: Reasons::NONE,
        shadow_reasons: Reasons::NONE,
        facts: None,
        chain: None,
    };
    put(tables, Table::Audit, &index.to_be_bytes(), &row)?;
    Ok(decision.reply)
}
