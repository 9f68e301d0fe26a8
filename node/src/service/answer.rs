//! A second factor as somebody typed it, compared as far as it can be outside of the core: digits with seeds, mailed codes
//! and recovery codes as hashes.

use super::totp::Seed;
use super::{Auth, ServiceError};
use crate::secrets::{CodeUse, GroupedCode, SixDigits};
use auth_core::command::{Answer, CodeEvidence};
use auth_core::factor::{Factor, Methods};
use auth_core::ids::{AccountId, ChallengeId};
use auth_core::query;
use auth_core::secret::Mac;
use auth_core::time::Timestamp;

/// What a code is said to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Digits of an authenticator app.
    Totp,
    /// A code that was mailed.
    Mailed,
    /// A recovery code.
    Recovery,
    /// Digits of either kind: the surface has one field for both.
    Digits,
}

impl Method {
    /// Reads the native API's word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "totp" => Some(Self::Totp),
            "email" => Some(Self::Mailed),
            "recovery_code" => Some(Self::Recovery),
            _ => None,
        }
    }

    /// What it may be charged to.
    pub(super) fn kinds(self) -> Methods {
        match self {
            Self::Totp => Methods::TOTP,
            Self::Mailed => Methods::EMAIL,
            Self::Recovery => Methods::RECOVERY,
            Self::Digits => Methods::TOTP.and(Methods::EMAIL),
        }
    }
}

/// A code, and what it is said to be.
#[derive(Clone, Copy)]
pub struct Given<'a> {
    /// What it is said to be.
    pub method: Method,
    /// As it was typed.
    pub code: &'a str,
}

impl Auth {
    /// Compares a code with what an account has, or with dummies that cost the same. `challenge` is the one that a mailed
    /// code is bound to; without one no mailed code is right.
    pub(super) fn compare(
        &self,
        given: Given<'_>,
        account: AccountId,
        factors: &[Factor],
        challenge: Option<ChallengeId>,
        arrived: Timestamp,
    ) -> Result<Answer, ServiceError> {
        let mut answer = Answer {
            totp: None,
            mailed: None,
            recovery: None,
            replacement: None,
        };
        if matches!(given.method, Method::Totp | Method::Digits) {
            answer.totp = self.totp_evidence(given.code, factors, arrived)?;
        }
        if let (Method::Mailed | Method::Digits, Some(challenge)) = (given.method, challenge) {
            answer.mailed = Some(self.mailed_mac(challenge, given.code));
        }
        if given.method == Method::Recovery {
            let hash = GroupedCode::parse(given.code).map(|code| code.hash(CodeUse::Recovery { account: &account.0 }));
            // What no code hashes to is wrong, and charged like any other.
            answer.recovery = Some(Mac(hash.unwrap_or_default()));
        }
        Ok(answer)
    }

    /// The step that digits match with any confirmed factor. None matched: the first one is named, to be charged.
    pub(super) fn totp_evidence(
        &self,
        code: &str,
        factors: &[Factor],
        arrived: Timestamp,
    ) -> Result<Option<CodeEvidence>, ServiceError> {
        let usable = query::answerable_all(factors, arrived);
        // Apps show the digits in two groups, and people type them so.
        let digits: String = code.split_whitespace().collect();
        let mut evidence = None;
        for factor in &usable {
            let matched_step = Seed::open(&self.inner.ring, factor)?.matched_step(&digits, arrived)?;
            let found = CodeEvidence {
                factor: factor.id,
                matched_step,
            };
            if matched_step.is_some() {
                return Ok(Some(found));
            }
            evidence = evidence.or(Some(found));
        }
        if usable.is_empty() {
            Seed::dummy().matched_step(&digits, arrived)?;
        }
        Ok(evidence)
    }

    /// The keyed hash of a code that is bound to a challenge. What is no code has one that no code has.
    fn mailed_mac(&self, challenge: ChallengeId, code: &str) -> Mac {
        let mac = SixDigits::parse(code).map(|code| self.inner.ring.code_mac(&challenge.0, &code));
        Mac(mac.unwrap_or_default())
    }
}
