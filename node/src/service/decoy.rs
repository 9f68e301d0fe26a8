//! What is read of an account that does not exist, so that looking a name up takes the same work with an account and without
//! (EN-1): the same tables, and rows of the usual size to decode. What a locked name is answered comes right after it, with no
//! hash and no entry to hide the difference.

use super::ServiceError;
use crate::replication::View;
use auth_core::account::{Account, AccountStatus, MailWindow, Role};
use auth_core::device::DeviceProof;
use auth_core::factor::{Factor, FactorState};
use auth_core::ids::{AccountId, FactorId, NameMac};
use auth_core::policy::risk::Reasons;
use auth_core::policy::throttle::Throttle;
use auth_core::query;
use auth_core::secret::Sealed;
use auth_core::tables::Table;
use auth_core::tables::schema::{decode_row, encode_row};
use auth_core::time::Timestamp;
use std::hint::black_box;

/// Size of a sealed password hash, in bytes.
const SEALED_PASSWORD_BYTES: usize = 140;
/// Size of a sealed seed, in bytes.
const SEALED_SEED_BYTES: usize = 64;

/// Rows of nobody.
pub(super) struct Decoy {
    account: Vec<u8>,
    factor: Vec<u8>,
}

impl Decoy {
    pub(super) fn new() -> Self {
        let at = Timestamp::from_seconds(1_700_000_000);
        let id = AccountId([0; 16]);
        let account = Account {
            id,
            number: 10_000,
            username: "n".repeat(10),
            username_key: "n".repeat(10),
            email: "nobody@mail.invalid".to_owned(),
            email_key: "nobody@mail.invalid".to_owned(),
            password: Sealed(vec![0; SEALED_PASSWORD_BYTES]),
            status: AccountStatus::Active,
            created_at: at,
            updated_at: Some(at),
            auth_seq: 9,
            throttle: Throttle {
                failures: 5,
                last_failure_at: at,
            },
            role: Role::User,
            email_confirmed_at: None,
            email_factor_since: None,
            password_alone: true,
            last_login_at: Some(at),
            mailed_throttle: Throttle::default(),
            mails: MailWindow { since: at, count: 1 },
            unmet: Reasons::NONE,
            password_changed_at: None,
            language: Some("en".to_owned()),
            reset_token: None,
            address_token: None,
            reserved: false,
        };
        let factor = Factor {
            id: FactorId([0; 16]),
            account: id,
            label: "authenticator app".to_owned(),
            seed: Sealed(vec![0; SEALED_SEED_BYTES]),
            state: FactorState::Confirmed { at },
            last_step: Some(56_666_666),
            throttle: Throttle::default(),
            created_at: at,
            last_used_at: Some(at),
        };
        Self {
            account: encode_row(&account),
            factor: encode_row(&factor),
        }
    }

    /// Reads as much as an account's rows are.
    pub(super) fn read(
        &self,
        view: &View,
        name: NameMac,
        proof: Option<DeviceProof>,
        now: Timestamp,
    ) -> Result<(), ServiceError> {
        let nobody = AccountId(name.0);
        black_box(query::account(view, nobody)?);
        black_box(decode_row::<Account>(Table::Accounts, black_box(&self.account))?);
        black_box(query::factors(view, nobody)?);
        black_box(decode_row::<Factor>(Table::Factors, black_box(&self.factor))?);
        black_box(query::recovery_codes(view, nobody)?);
        black_box(query::known_device(view, nobody, proof, now)?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn en_1_rows_of_nobody_decode_like_those_of_somebody() {
        let decoy = Decoy::new();
        let account: Account = decode_row(Table::Accounts, &decoy.account).unwrap();
        let factor: Factor = decode_row(Table::Factors, &decoy.factor).unwrap();
        assert!(account.is_active() && factor.is_bound());
        assert!((250..600).contains(&decoy.account.len()), "{}", decoy.account.len());
    }
}
