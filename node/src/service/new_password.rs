//! New passwords: the one place where verbs that set one ask whether it may be.

use super::{Auth, FieldError};
use crate::passwords::{Context, PasswordPolicy, Protects};
use secrecy::SecretString;
use std::sync::Arc;

impl Auth {
    /// The same verbs with another password policy than the one without words of the operator and without a list of
    /// breached passwords.
    #[must_use]
    pub fn with_password_policy(mut self, policy: PasswordPolicy) -> Self {
        self.passwords = Arc::new(policy);
        self
    }

    /// Whether an account may have this password. Every account needs a second factor to log in, so the rules are those
    /// for passwords beside one (PW-1).
    pub(super) fn check_new_password(
        &self,
        field: &'static str,
        new: &SecretString,
        context: Context<'_>,
    ) -> Result<(), FieldError> {
        let checked = self.passwords.check(new, Protects::WithSecondFactor, context);
        checked.map_err(|refused| FieldError {
            field,
            message: refused.to_string(),
        })
    }
}
