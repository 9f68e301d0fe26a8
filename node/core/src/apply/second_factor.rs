//! What a code does once it may be looked at. Shared by the two verbs that take one: `verify_factor` and `log_in`.

use super::decision::{Decision, Moment};
use super::expiry::{self, Kind};
use super::{guess, outbox};
use crate::account::Account;
use crate::command::{CodeEvidence, NewTotp};
use crate::error::Fault;
use crate::factor::{Factor, FactorState};
use crate::ids::{AccountId, SessionId};
use crate::limits::{FACTOR_FAILURES_MAX, PENDING_FACTOR_SECONDS};
use crate::outbox::MailTemplate;
use crate::policy::throttle::Throttle;
use crate::query;
use crate::reply::{Reply, SessionGrant};
use crate::session::{Proved, Session};
use crate::tables::schema::{pair_key, put};
use crate::tables::{Table, Tables, TablesRead};
use crate::time::Timestamp;

/// Name in the audit of a code that was right once: somebody may have watched its owner.
pub(super) const CODE_USED_BEFORE: &str = "code_used_before";

/// What a code is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is that of a step newer than every step accepted before.
    Right {
        /// That step.
        step: u64,
    },
    /// It is that of a step that was accepted before, or of an older one (OTP-3).
    UsedBefore,
    /// It is of no step in the window, or of another factor.
    Wrong,
}

/// The session that a right code starts.
#[derive(Clone, Copy, Debug)]
pub(super) struct NewSession {
    /// Its id.
    pub(super) id: SessionId,
    /// Its absolute life, in seconds.
    pub(super) seconds: u64,
}

impl NewSession {
    /// Whether there is such a session already: a fault of the proposer's randomness, which must not revive a session.
    pub(super) fn is_taken(&self, tables: &impl TablesRead) -> Result<bool, Fault> {
        Ok(query::session(tables, self.id)?.is_some())
    }
}

/// Judges evidence by the factor's row alone.
pub(super) fn judge(factor: &Factor, code: &CodeEvidence) -> Verdict {
    match code.matched_step {
        Some(step) if code.factor == factor.id => {
            if factor.last_step.is_none_or(|last| step > last) {
                Verdict::Right { step }
            } else {
                Verdict::UsedBefore
            }
        }
        Some(_) | None => Verdict::Wrong,
    }
}

/// Burns the step, confirms a pending factor, clears the budgets of what was proven and starts the session.
pub(super) fn accept(
    moment: Moment<'_>,
    account: Account,
    factor: Factor,
    step: u64,
    session: NewSession,
    tables: &mut impl Tables,
) -> Result<Decision, Fault> {
    let state = match factor.state {
        FactorState::Pending { .. } => {
            let template = MailTemplate::AuthenticatorAdded {
                username: account.username.clone(),
            };
            outbox::send(moment, &account.email, template, tables)?;
            FactorState::Confirmed { at: moment.now }
        }
        state @ (FactorState::Confirmed { .. } | FactorState::Disabled { .. }) => state,
    };
    let factor = Factor {
        state,
        last_step: Some(step),
        throttle: Throttle::default(),
        ..factor
    };
    put_factor(&factor, tables)?;
    remove_pending(&query::factors(tables, account.id)?, tables)?;
    let grant = start_session(moment, &account, session, tables)?;
    let account_id = account.id;
    guess::put_advanced(
        Account {
            throttle: Throttle::default(),
            ..account
        },
        tables,
    )?;
    Ok(Decision::new(Reply::SessionStarted(grant)).about(account_id))
}

/// Charges a code that was not right to its factor and to the account.
pub(super) fn charge(
    moment: Moment<'_>,
    account: Account,
    factor: Factor,
    tables: &mut impl Tables,
) -> Result<(), Fault> {
    let charged = Factor {
        throttle: factor.throttle.charged(moment.now),
        ..factor
    };
    if charged.throttle.failures < FACTOR_FAILURES_MAX {
        put_factor(&charged, tables)?;
    } else if charged.is_bound() {
        put_factor(
            &Factor {
                state: FactorState::Disabled { at: moment.now },
                ..charged
            },
            tables,
        )?;
    } else {
        // Nothing depends on it yet: its owner just binds another.
        tables.remove(Table::Factors, &factor_key(&charged))?;
    }
    guess::charge_account(account, moment.now, tables)
}

/// Binds a seed that its owner has yet to prove, in place of those that he did not. Returns when it is void.
pub(super) fn replace_pending(
    now: Timestamp,
    account: AccountId,
    factors: &[Factor],
    new: NewTotp,
    tables: &mut impl Tables,
) -> Result<Timestamp, Fault> {
    remove_pending(factors, tables)?;
    let expires_at = now.plus_seconds(PENDING_FACTOR_SECONDS);
    let factor = Factor {
        id: new.factor,
        account,
        label: new.label,
        seed: new.seed,
        state: FactorState::Pending { expires_at },
        last_step: None,
        throttle: Throttle::default(),
        created_at: now,
        last_used_at: None,
    };
    put_factor(&factor, tables)?;
    Ok(expires_at)
}

/// Removes those of an account's factors that were not confirmed.
fn remove_pending(factors: &[Factor], tables: &mut impl Tables) -> Result<(), Fault> {
    for factor in factors.iter().filter(|factor| !factor.is_bound()) {
        tables.remove(Table::Factors, &factor_key(factor))?;
    }
    Ok(())
}

/// Stores a factor.
pub(super) fn put_factor(factor: &Factor, tables: &mut impl Tables) -> Result<(), Fault> {
    put(tables, Table::Factors, &factor_key(factor), factor)
}

fn factor_key(factor: &Factor) -> Vec<u8> {
    pair_key(&factor.account.0, &factor.id.0)
}

fn start_session(
    moment: Moment<'_>,
    account: &Account,
    new: NewSession,
    tables: &mut impl Tables,
) -> Result<SessionGrant, Fault> {
    let now = moment.now;
    let session = Session {
        id: new.id,
        account: account.id,
        generation: 1,
        rotated_at: now,
        auth_time: now,
        expires_at: now.plus_seconds(new.seconds),
        revoked_at: None,
        client_address: moment.client_address.to_owned(),
        proved: Proved::default(),
        created_at: None,
        idle_seconds: None,
        device: None,
        agent: None,
    };
    put(tables, Table::Sessions, &session.id.0, &session)?;
    expiry::schedule(session.expires_at, Kind::Session, session.id.0, tables)?;
    Ok(session.grant())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apply::testing::id;
    use crate::ids::FactorId;
    use crate::secret::Sealed;

    fn factor(last_step: Option<u64>) -> Factor {
        Factor {
            id: FactorId(id(1)),
            account: AccountId(id(2)),
            label: String::new(),
            seed: Sealed(vec![]),
            state: FactorState::Confirmed { at: Timestamp(0) },
            last_step,
            throttle: Throttle::default(),
            created_at: Timestamp(0),
            last_used_at: None,
        }
    }

    #[test]
    fn otp_3_only_a_newer_step_is_right() {
        let verdict = |last, factor_id, step| {
            judge(
                &factor(last),
                &CodeEvidence {
                    factor: FactorId(id(factor_id)),
                    matched_step: step,
                },
            )
        };
        assert_eq!(verdict(None, 1, Some(0)), Verdict::Right { step: 0 });
        assert_eq!(verdict(Some(7), 1, Some(8)), Verdict::Right { step: 8 });
        assert_eq!(verdict(Some(7), 1, Some(7)), Verdict::UsedBefore);
        assert_eq!(verdict(Some(7), 1, Some(6)), Verdict::UsedBefore);
        assert_eq!(verdict(Some(u64::MAX), 1, Some(u64::MAX)), Verdict::UsedBefore);
        assert_eq!(verdict(Some(7), 1, None), Verdict::Wrong);
        assert_eq!(
            verdict(None, 3, Some(8)),
            Verdict::Wrong,
            "evidence about another factor"
        );
    }
}
