//! TH-1, TH-2, TH-4: no guess is looked at before its time, and none is refused without a reason.

use super::{Verdict, ensure, evidence};
use crate::world::Applied;
use auth_core::apply::CLOCK_KEY;
use auth_core::command::{Command, Subject};
use auth_core::factor::Factor;
use auth_core::ids::{AccountId, FactorId, NameMac};
use auth_core::query;
use auth_core::reply::{Denial, Reply};
use auth_core::tables::Table;
use auth_core::tables::schema::get;
use auth_core::time::Timestamp;
use std::collections::BTreeMap;

/// Seconds to wait after so many consecutive failures, as published.
const DELAYS: [u64; 13] = [0, 0, 0, 0, 0, 30, 60, 120, 240, 480, 960, 1920, 3600];
/// Seconds after which wrong passwords are forgotten, of a name with an account and of one without.
const FORGOTTEN: u64 = 7200;

#[derive(Clone, Copy, Default)]
struct Budget {
    failures: u32,
    last: Timestamp,
}

impl Budget {
    fn opens_at(&self) -> Timestamp {
        self.last
            .plus_seconds(DELAYS[DELAYS.len().min(self.failures as usize + 1) - 1])
    }

    fn forget(&mut self, now: Timestamp) {
        if self.last.plus_seconds(FORGOTTEN) <= now {
            *self = Self::default();
        }
    }

    fn charged(self, now: Timestamp) -> Self {
        Self {
            failures: self.failures + 1,
            last: now,
        }
    }
}

/// Failures since the last success, of everything that has a budget.
#[derive(Default)]
pub(crate) struct Budgets {
    accounts: BTreeMap<AccountId, Budget>,
    factors: BTreeMap<FactorId, Budget>,
    names: BTreeMap<NameMac, Budget>,
}

/// What an entry is about, and what its answer gives away.
struct Guess {
    account: AccountId,
    /// The factor that codes were compared with.
    factor: Option<FactorId>,
    /// Whether the account's budget must have been open.
    spends_account: bool,
    /// Whether the factor's must have been.
    spends_factor: bool,
    outcome: Outcome,
}

#[derive(PartialEq)]
enum Outcome {
    /// Charged.
    Failure,
    /// Looked at and not charged: the code was of a step that had been accepted, or of an older one.
    Spent,
    /// Clears what was charged.
    Success,
    /// Looked at, and neither.
    Other,
    /// Not looked at.
    Unseen(Timestamp),
}

impl Budgets {
    /// Judges one entry, and counts it.
    pub(crate) fn observe(&mut self, applied: &Applied<'_>) -> Verdict {
        let now: Timestamp = get(applied.after, Table::Meta, CLOCK_KEY).unwrap().unwrap_or_default();
        if let Command::RefuseLogin(command) = &applied.entry.command
            && let Subject::UnknownName { name } = command.subject
        {
            return self.unknown_name(name, now, applied.reply);
        }
        let Some(guess) = guess(applied, now) else {
            return Ok(());
        };
        let account = self.accounts.entry(guess.account).or_default();
        let mut none = Budget::default();
        let factor = guess
            .factor
            .map_or(&mut none, |factor| self.factors.entry(factor).or_default());
        if let Outcome::Unseen(until) = guess.outcome {
            let ends = [
                (guess.spends_account, account.opens_at()),
                (guess.spends_factor, factor.opens_at()),
            ];
            let end = ends.iter().filter(|(spends, _)| *spends).map(|(_, end)| *end).max();
            return ensure(end == Some(until) && until > now, "th_2", || {
                format!("refused until {until:?}, the budget opens at {end:?}")
            });
        }
        if guess.spends_account {
            ensure(account.opens_at() <= now, "th_4", || {
                format!("{} failures of the account", account.failures)
            })?;
        }
        if guess.spends_factor {
            ensure(factor.opens_at() <= now, "th_4", || {
                format!("{} failures of the factor", factor.failures)
            })?;
            ensure(factor.failures < 100, "th_1", || "the factor should be disabled".into())?;
        }
        match guess.outcome {
            Outcome::Failure => {
                account.forget(now);
                *account = account.charged(now);
                if guess.spends_factor {
                    *factor = factor.charged(now);
                    // An account never has fewer failures than its factor had at the same guess.
                    account.failures = account.failures.max(factor.failures);
                }
            }
            Outcome::Success => (*account, *factor) = (Budget::default(), Budget::default()),
            Outcome::Spent | Outcome::Other | Outcome::Unseen(_) => {}
        }
        Ok(())
    }

    fn unknown_name(&mut self, name: NameMac, now: Timestamp, reply: &Reply) -> Verdict {
        let budget = self.names.entry(name).or_default();
        budget.forget(now);
        if let Reply::Denied(Denial::TooManyAttempts { until }) = reply {
            return ensure(*until == budget.opens_at() && *until > now, "th_2", || {
                "a name is blocked for no reason".into()
            });
        }
        ensure(budget.opens_at() <= now, "th_4", || {
            format!("{} failures of the name", budget.failures)
        })?;
        *budget = budget.charged(now);
        Ok(())
    }
}

/// Whether a code was compared with a factor's row and the answer depends on it.
pub(crate) fn is_evaluated_code(applied: &Applied<'_>) -> bool {
    let now: Timestamp = get(applied.after, Table::Meta, CLOCK_KEY).unwrap().unwrap_or_default();
    let evaluated = |outcome| matches!(outcome, Outcome::Failure | Outcome::Spent | Outcome::Success);
    guess(applied, now).is_some_and(|guess| guess.spends_factor && evaluated(guess.outcome))
}

fn guess(applied: &Applied<'_>, now: Timestamp) -> Option<Guess> {
    let (account, spends_account) = subject(applied)?;
    // A held name is nobody's: whatever is proved for it, nobody gets in, and only a wrong password is charged.
    let is_held = query::account(applied.before, account).unwrap()?.reserved;
    let lets_nobody_in = is_held && !matches!(applied.entry.command, Command::RefuseLogin(_));
    let factor = answerable(applied, account, now);
    let outcome = match applied.reply {
        Reply::SessionStarted(_) => Outcome::Success,
        Reply::Denied(Denial::InvalidCredentials {} | Denial::InvalidCode {}) if is_spent(applied, account, now) => {
            Outcome::Spent
        }
        Reply::Denied(Denial::InvalidCredentials {}) if lets_nobody_in => Outcome::Other,
        Reply::ChallengeStarted { .. } | Reply::Denied(Denial::InvalidCredentials {}) => Outcome::Failure,
        Reply::Denied(Denial::InvalidCode {}) if evidence(&applied.entry.command).map(|code| code.factor) == factor => {
            Outcome::Failure
        }
        Reply::Denied(Denial::TooManyAttempts { until }) => Outcome::Unseen(*until),
        Reply::Denied(Denial::ChallengeGone {} | Denial::InvalidCode {}) => return None,
        Reply::Denied(_)
        | Reply::AccountRegistered { .. }
        | Reply::TotpPending { .. }
        | Reply::SessionRefreshed(_)
        | Reply::SessionEnded {}
        | Reply::SigningKeyInstalled {}
        | Reply::MailMarkedSent {}
        | Reply::Stale { .. }
        | Reply::SecondFactorRequired { .. }
        | Reply::EnrolmentStarted { .. }
        | Reply::CodeSent { .. }
        | Reply::Done {}
        | Reply::SessionsEnded { .. }
        | Reply::RecoveryCodesIssued { .. }
        | Reply::PolicySet { .. }
        | Reply::Resealed { .. }
        | Reply::MailPostponed { .. }
        | Reply::EmailConfirmed { .. } => Outcome::Other,
    };
    let takes_code = matches!(applied.entry.command, Command::VerifyFactor(_) | Command::LogIn(_));
    let spends_factor = takes_code && factor.is_some() && outcome != Outcome::Other;
    Some(Guess {
        account,
        factor: factor.filter(|_| takes_code),
        spends_account,
        spends_factor,
        outcome,
    })
}

/// Whom an entry is a guess at, and whether it spends the account's budget.
fn subject(applied: &Applied<'_>) -> Option<(AccountId, bool)> {
    Some(match &applied.entry.command {
        Command::RefuseLogin(command) => match command.subject {
            Subject::Account { account, .. } => (account, true),
            Subject::UnknownName { .. } => return None,
        },
        Command::EnrolTotp(command) => (command.account, true),
        Command::StartLogin(command) => (command.account, true),
        Command::LogIn(command) => (command.account, true),
        Command::VerifyFactor(command) => (
            query::challenge(applied.before, command.challenge).unwrap()?.account,
            false,
        ),
        Command::RegisterAccount(_)
        | Command::RefreshSession(_)
        | Command::EndSession(_)
        | Command::InstallSigningKey(_)
        | Command::MarkMailSent(_)
        | Command::SignIn(_)
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
        | Command::AdministerAccount(_)
        | Command::AddSigningKey(_)
        | Command::DropSigningKeys(_)
        | Command::Reseal(_)
        | Command::MarkMailFailed(_)
        | Command::ReleaseMail(_)
        | Command::UpgradePassword(_)
        | Command::KeepAnswer(_) => return None,
    })
}

/// Whether the code was of a step that its factor is past.
fn is_spent(applied: &Applied<'_>, account: AccountId, now: Timestamp) -> bool {
    let factors: Vec<Factor> = query::factors(applied.before, account).unwrap();
    let (Some(code), Some(factor)) = (evidence(&applied.entry.command), query::answerable(&factors, now)) else {
        return false;
    };
    code.factor == factor.id && code.matched_step.is_some_and(|step| factor.last_step >= Some(step))
}

fn answerable(applied: &Applied<'_>, account: AccountId, now: Timestamp) -> Option<FactorId> {
    let factors: Vec<Factor> = query::factors(applied.before, account).unwrap();
    query::answerable(&factors, now).map(|factor| factor.id)
}
