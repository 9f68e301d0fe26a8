//! Authenticator apps: what evidence about a code is worth, and factors that wait for their first code.

use crate::command::{CodeEvidence, NewTotp};
use crate::error::Fault;
use crate::factor::{Factor, FactorState};
use crate::ids::AccountId;
use crate::limits::PENDING_FACTOR_SECONDS;
use crate::policy::throttle::Throttle;
use crate::tables::schema::{pair_key, put};
use crate::tables::{Table, Tables};
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

/// Judges evidence by the factor's row alone.
pub(super) fn judge(factor: &Factor, code: &CodeEvidence) -> Verdict {
    #[cfg(feature = "mutations")]
    let forgetful = Factor {
        last_step: None,
        ..factor.clone()
    };
    #[cfg(feature = "mutations")]
    let factor = match mutations::on(mutations::Mutation::ReadThenWriteConsume) {
        true => &forgetful,
        false => factor,
    };
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
pub(super) fn remove_pending(factors: &[Factor], tables: &mut impl Tables) -> Result<(), Fault> {
    for factor in factors.iter().filter(|factor| !factor.is_bound()) {
        remove_factor(factor, tables)?;
    }
    Ok(())
}

/// Removes a factor.
pub(super) fn remove_factor(factor: &Factor, tables: &mut impl Tables) -> Result<(), Fault> {
    Ok(tables.remove(Table::Factors, &factor_key(factor))?)
}

/// Stores a factor.
pub(super) fn put_factor(factor: &Factor, tables: &mut impl Tables) -> Result<(), Fault> {
    put(tables, Table::Factors, &factor_key(factor), factor)
}

fn factor_key(factor: &Factor) -> Vec<u8> {
    pair_key(&factor.account.0, &factor.id.0)
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
