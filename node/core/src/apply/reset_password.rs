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
    #[cfg(feature = "mutations")]
    let kept = query::mail_token(tables, &command.token, moment.now)?;
    tables.remove(Table::MailTokens, &command.token.0)?;
    // The token came by mail: whoever has it reads the account's address.
    account_rows::confirm_address(moment.now, &mut standing.account, &standing.policy);
    account_rows::set_password(moment, &mut standing.account, &command.password, None, tables)?;
    standing.clear();
    #[cfg(feature = "mutations")]
    if let Some(token) = kept.filter(|_| mutations::on(mutations::Mutation::ResetTokenKept)) {
        standing.account.password_changed_at = None;
        put(tables, Table::MailTokens, &command.token.0, &token)?;
    }
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

#[cfg(test)]
mod tests {
    use crate::apply::testing::{Bench, granted, mac, password, token};
    use crate::command::*;
    use crate::factor::Methods;
    use crate::ids::{AccountId, NameMac};
    use crate::limits::{CHALLENGE_ANSWERS_MAX, PASSWORD_RESET_SECONDS};
    use crate::outbox::{MailTemplate, Notice};
    use crate::query;
    use crate::reply::{Denial, Reply};

    const GONE: Reply = Reply::Denied(Denial::TokenGone {});

    fn request(bench: &mut Bench, account: AccountId, number: u64) -> Reply {
        bench.run(Command::RequestPasswordReset(RequestPasswordReset {
            subject: ResetSubject::Account(account),
            token: token(number),
        }))
    }

    fn reset(bench: &mut Bench, account: AccountId, number: u64, answer: Option<Answer>) -> Reply {
        let base_seq = bench.account(account).auth_seq;
        bench.run(Command::ResetPassword(ResetPassword {
            token: mac(number),
            base_seq,
            password: password(true),
            answer,
        }))
    }

    #[test]
    fn a_reset_token_works_once_and_ends_all_sessions() {
        let mut bench = Bench::new();
        let account = bench.mailed_account("ana");
        let session = bench.plain_session(account).session;
        assert_eq!(request(&mut bench, account, 1), Reply::Done {});
        bench.notices();
        bench.wait(1);
        assert_eq!(reset(&mut bench, account, 1, None), Reply::Done {});
        assert_eq!(bench.notices(), [Notice::PasswordChanged {}]);
        assert_eq!(bench.account(account).password, password(true).sealed);
        assert!(
            !query::session(&bench.tables, session)
                .unwrap()
                .unwrap()
                .is_live(bench.now)
        );
        assert_eq!(reset(&mut bench, account, 1, None), GONE);
    }

    #[test]
    fn only_the_newest_token_is_good_and_not_for_long() {
        let mut bench = Bench::new();
        let account = bench.mailed_account("ana");
        request(&mut bench, account, 1);
        request(&mut bench, account, 2);
        assert_eq!(reset(&mut bench, account, 1, None), GONE);
        bench.wait(PASSWORD_RESET_SECONDS);
        assert_eq!(reset(&mut bench, account, 2, None), GONE);
        assert_eq!(reset(&mut bench, account, 999, None), GONE);
    }

    #[test]
    fn pw_9_rc_2_a_reset_by_mail_alone_leaves_the_mailed_code_to_be_asked() {
        let mut bench = Bench::new();
        let account = bench.mailed_account("ana");
        let since = bench.now;
        bench.change(account, |row| row.email_factor_since = Some(since));
        request(&mut bench, account, 1);
        bench.wait(1);
        // Mailed codes make no AAL2 (OTP-12), so there is no other method that could be asked for.
        assert_eq!(reset(&mut bench, account, 1, None), Reply::Done {});
        assert_eq!(bench.account(account).email_factor_since, Some(since));
        let Reply::SecondFactorRequired { methods, .. } = bench.sign_in(account) else {
            panic!("the new password alone let somebody in");
        };
        assert_eq!(methods, Methods::EMAIL);
    }

    #[test]
    fn pw_9_rc_2_a_reset_does_not_go_around_the_second_factor() {
        let mut bench = Bench::new();
        let (account, factor) = bench.bound_account("ana");
        request(&mut bench, account, 1);
        let old = bench.account(account).password;
        let reply = reset(&mut bench, account, 1, None);
        assert_eq!(
            reply,
            Reply::Denied(Denial::SecondFactorRequired { methods: Methods::TOTP })
        );
        let answer = |matched_step| {
            Some(Answer {
                totp: Some(CodeEvidence { factor, matched_step }),
                ..Answer::default()
            })
        };
        assert_eq!(
            reset(&mut bench, account, 1, answer(None)),
            Reply::Denied(Denial::InvalidCode {})
        );
        assert_eq!(bench.account(account).password, old);
        assert_eq!(bench.factor(account, factor).throttle.failures, 1, "th_8: charged");
        let step = bench.step();
        assert_eq!(reset(&mut bench, account, 1, answer(Some(step))), Reply::Done {});
        assert_ne!(bench.account(account).password, old);
    }

    #[test]
    fn th_8_a_token_takes_five_wrong_second_factors() {
        let mut bench = Bench::new();
        let (account, factor) = bench.bound_account("ana");
        request(&mut bench, account, 1);
        let wrong = Some(Answer {
            totp: Some(CodeEvidence {
                factor,
                matched_step: None,
            }),
            ..Answer::default()
        });
        for _ in 0..CHALLENGE_ANSWERS_MAX {
            assert_eq!(
                reset(&mut bench, account, 1, wrong),
                Reply::Denied(Denial::InvalidCode {})
            );
        }
        bench.wait(60);
        assert_eq!(reset(&mut bench, account, 1, wrong), GONE);
    }

    #[test]
    fn en_1_a_request_for_an_unknown_address_is_answered_like_any_other() {
        let mut bench = Bench::new();
        let account = bench.mailed_account("ana");
        let unknown = bench.run(Command::RequestPasswordReset(RequestPasswordReset {
            subject: ResetSubject::UnknownAddress(NameMac([1; 16])),
            token: token(1),
        }));
        assert_eq!(unknown, request(&mut bench, account, 2));
        for number in 3..20 {
            assert_eq!(
                request(&mut bench, account, number),
                unknown,
                "th_9: bounded, and not told"
            );
        }
        let sent = bench
            .mails()
            .into_iter()
            .filter(|mail| matches!(mail.template, MailTemplate::ResetPassword { .. }));
        assert_eq!(sent.count(), 5);
    }

    #[test]
    fn a_changed_password_voids_the_token_and_a_confirmation_is_no_reset() {
        let mut bench = Bench::new();
        let account = bench.mailed_account("ana");
        let session = bench.plain_session(account).session;
        let change = RequestEmailChange {
            session,
            email: "ana@example.net".into(),
            email_key: "ana@example.net".into(),
            token: token(7),
        };
        assert_eq!(bench.run(Command::RequestEmailChange(change)), Reply::Done {});
        assert_eq!(reset(&mut bench, account, 7, None), GONE);
        granted(bench.sign_in(account));
    }
}
