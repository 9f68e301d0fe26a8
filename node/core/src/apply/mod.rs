//! The whole state machine on one page: remembered reply, log clock, what is due, dispatch, audit.
//!
//! It must not read a clock, draw randomness or look at anything but the entry and the tables: every replica runs it.
//! What the verbs decide is in the files of their names.

mod account_rows;
mod add_signing_key;
mod add_totp;
mod administer_account;
mod answer;
mod answer_challenge;
mod attempt;
mod audited;
mod bootstrap_admin;
#[cfg(feature = "mutations")]
mod broken;
mod challenges;
mod change_password;
mod confirm_email;
mod confirm_totp;
mod decision;
mod delete_account;
mod devices;
mod drop_signing_keys;
mod end_session;
mod end_sessions;
mod enrol_totp;
mod expiry;
mod finish;
mod forget_device;
mod guess;
mod idempotency;
mod install_signing_key;
mod issue_recovery_codes;
mod log_in;
mod mark_mail_failed;
mod mark_mail_sent;
mod networks;
mod outbox;
mod refresh_session;
mod refuse_login;
mod register_account;
mod release_mail;
mod remove_totp;
mod request_email_change;
mod request_password_reset;
mod reseal;
mod reset_password;
mod second_factor;
mod send_code;
mod sessions;
mod set_email_factor;
mod set_policy;
mod sign_in;
mod standing;
mod start_login;
mod start_step_up;
mod step_up;
#[cfg(test)]
mod testing;
mod unknown_names;
mod upgrade_password;
mod verify_factor;

use crate::command::Command;
use crate::entry::Entry;
use crate::error::Fault;
use crate::limits::{DEDUP_SECONDS, ENTRY_AGE_SECONDS_MAX};
use crate::query;
use crate::reply::{Denial, Reply};
use crate::tables::schema::put;
use crate::tables::{Table, Tables};
use decision::{Decision, Moment};
use std::cell::Cell;

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
    let first = query::reply(tables, entry.request_id)?;
    #[cfg(feature = "mutations")]
    let first = first.filter(|_| !mutations::on(mutations::Mutation::NoDedup));
    if let Some(first) = first {
        return Ok(first);
    }
    let now = entry.at.max(query::log_clock(tables)?);
    #[cfg(feature = "mutations")]
    let now = if mutations::on(mutations::Mutation::ClockGoesBack) {
        entry.at
    } else {
        now
    };
    // Replies are kept for longer than entries may be old: a repeat whose first reply is gone never takes effect again.
    if entry.at.plus_seconds(ENTRY_AGE_SECONDS_MAX) <= now {
        return audited::report(index, entry, now, Decision::denied(Denial::TooOld {}), tables);
    }
    put(tables, Table::Meta, CLOCK_KEY, &now)?;
    #[cfg(feature = "mutations")]
    broken::depend_on_the_process(now, tables)?;
    let mails = Cell::new(0);
    let moment = Moment {
        index,
        now,
        client: &entry.client,
        mails: &mails,
    };
    let decision = match idempotency::earlier(now, entry.client.idempotency.as_ref(), tables)? {
        Some(earlier) => earlier,
        None => {
            let decision = decide(moment, &entry.command, tables)?;
            if decision.is_stale() {
                return Ok(decision.reply);
            }
            idempotency::keep(now, entry, &decision.reply, tables)?;
            decision
        }
    };
    put(tables, Table::Replies, &entry.request_id.0, &decision.reply)?;
    expiry::schedule(
        now.plus_seconds(DEDUP_SECONDS),
        expiry::Kind::Reply,
        &entry.request_id.0,
        tables,
    )?;
    expiry::remove_due(moment, tables)?;
    audited::report(index, entry, now, decision, tables)
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
        Command::SignIn(command) => sign_in::apply(moment, command, tables),
        Command::AnswerChallenge(command) => answer_challenge::apply(moment, command, tables),
        Command::SendCode(command) => send_code::apply(moment, command, tables),
        Command::ChangePassword(command) => change_password::apply(moment, command, tables),
        Command::RequestPasswordReset(command) => request_password_reset::apply(moment, command, tables),
        Command::ResetPassword(command) => reset_password::apply(moment, command, tables),
        Command::RequestEmailChange(command) => request_email_change::apply(moment, command, tables),
        Command::ConfirmEmail(command) => confirm_email::apply(moment, command, tables),
        Command::IssueRecoveryCodes(command) => issue_recovery_codes::apply(moment, command, tables),
        Command::StepUp(command) => step_up::apply(moment, command, tables),
        Command::StartStepUp(command) => start_step_up::apply(moment, command, tables),
        Command::EndSessions(command) => end_sessions::apply(moment, command, tables),
        Command::ForgetDevice(command) => forget_device::apply(moment, command, tables),
        Command::UpgradePassword(command) => upgrade_password::apply(command, tables),
        Command::KeepAnswer(command) => Ok(Decision::done("answer_kept").about(command.account)),
        Command::DeleteAccount(command) => delete_account::apply(moment, command, tables),
        Command::AddTotp(command) => add_totp::apply(moment, command, tables),
        Command::ConfirmTotp(command) => confirm_totp::apply(moment, command, tables),
        Command::RemoveTotp(command) => remove_totp::apply(moment, command, tables),
        Command::SetEmailFactor(command) => set_email_factor::apply(moment, command, tables),
        Command::SetPolicy(command) => set_policy::apply(moment, command, tables),
        Command::BootstrapAdmin(command) => bootstrap_admin::apply(moment, command, tables),
        Command::AdministerAccount(command) => administer_account::apply(moment, command, tables),
        Command::AddSigningKey(command) => add_signing_key::apply(moment, command, tables),
        Command::DropSigningKeys(_) => drop_signing_keys::apply(moment, tables),
        Command::Reseal(command) => reseal::apply(moment, command, tables),
        Command::MarkMailFailed(command) => mark_mail_failed::apply(moment, command, tables),
        Command::ReleaseMail(command) => release_mail::apply(command, tables),
    }
}
