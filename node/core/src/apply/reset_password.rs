//! A new password with a mailed token. It never goes around the second factor: an account that is bound to one must answer
//! with it (PW-9, RC-2). The token works once; all sessions end.

use super::answer::{self, Offer, Verdict};
use super::decision::{Decision, Moment};
use super::second_factor::CODE_USED_BEFORE;
use super::standing::Standing;
use super::{account_rows, guess};
use crate::account::{Account, AccountStatus};
use crate::command::ResetPassword;
use crate::error::Fault;
use crate::factor::{Factor, Methods};
use crate::query;
use crate::reply::Denial;
use crate::tables::schema::put;
use crate::tables::{Table, Tables, TablesRead};
use crate::time::Timestamp;
use crate::token::{MailToken, TokenPurpose};

pub(super) fn apply(moment: Moment<'_>, command: &ResetPassword, tables: &mut impl Tables) -> Result<Decision, Fault> {
    let now = moment.now;
    let gone = Decision::denied(Denial::TokenGone {});
    let Some((token, account)) = live(now, command, tables)? else {
        return Ok(gone);
    };
    let denied = |denial| Ok(Decision::denied(denial).about(account.id));
    let Some(mut standing) = Standing::read(moment, account.id, tables)? else {
        return Ok(gone);
    };
    let bound = standing.factors.iter().any(Factor::is_bound);
    let methods = standing.methods().common(Methods::TOTP.and(Methods::RECOVERY));
    let answer = command.answer.filter(|_| bound).unwrap_or_default();
    let kinds = answer::kinds(&answer).common(methods);
    let blocked_until = standing.answer_blocked_until(kinds, now);
    if let Some(decision) = guess::refused_unseen(&standing.account, blocked_until, command.base_seq) {
        return Ok(decision);
    }
    standing.settle(moment, tables)?;
    if !bound {
        return reset(moment, command, standing, tables);
    }
    if kinds.is_empty() {
        return denied(Denial::SecondFactorRequired { methods });
    }
    let offer = Offer {
        methods,
        mailed: None,
        pending: false,
    };
    match answer::judge(&standing, offer, &answer, now) {
        Verdict::Right(proof) => {
            answer::accept(moment, &mut standing, proof, &answer, tables)?;
            reset(moment, command, standing, tables)
        }
        Verdict::UsedBefore => {
            take_answer(command, token, &mut standing.account, tables)?;
            put(tables, Table::Accounts, &account.id.0, &standing.account)?;
            denied(Denial::InvalidCode {}).map(|denied| denied.known_as(CODE_USED_BEFORE))
        }
        Verdict::Wrong(compared) => {
            take_answer(command, token, &mut standing.account, tables)?;
            answer::charge(moment, standing, compared, false, tables)?;
            denied(Denial::InvalidCode {})
        }
        Verdict::NotOffered => denied(Denial::SecondFactorRequired { methods }),
    }
}

fn live(
    now: Timestamp,
    command: &ResetPassword,
    tables: &impl TablesRead,
) -> Result<Option<(MailToken, Account)>, Fault> {
    let Some(token) = query::mail_token(tables, &command.token, now)? else {
        return Ok(None);
    };
    let account = query::account(tables, token.account)?.filter(|account| {
        account.status != AccountStatus::Disabled && !account.is_older_than_password(token.created_at)
    });
    Ok(account
        .filter(|_| token.purpose == TokenPurpose::ResetPassword {})
        .map(|account| (token, account)))
}

fn reset(
    moment: Moment<'_>,
    command: &ResetPassword,
    mut standing: Standing,
    tables: &mut impl Tables,
) -> Result<Decision, Fault> {
    let id = standing.account.id;
    tables.remove(Table::MailTokens, &command.token.0)?;
    // The token came by mail: whoever has it reads the account's address.
    account_rows::confirm_address(moment.now, &mut standing.account, &standing.policy);
    account_rows::set_password(moment, &mut standing.account, &command.password, None, tables)?;
    standing.clear();
    guess::put_advanced(standing.account, tables)?;
    Ok(Decision::done("password_reset").about(id))
}

fn take_answer(
    command: &ResetPassword,
    token: MailToken,
    account: &mut Account,
    tables: &mut impl Tables,
) -> Result<(), Fault> {
    let answers_left = token.answers_left.saturating_sub(1);
    if answers_left == 0 {
        account.reset_token = None;
        return Ok(tables.remove(Table::MailTokens, &command.token.0)?);
    }
    put(
        tables,
        Table::MailTokens,
        &command.token.0,
        &MailToken { answers_left, ..token },
    )
}
