//! Which passwords an account may have: length, the words around it, lists of common and of breached ones.
//!
//! Pure but for the filter that is read at start. No rules of composition and no ageing (PW-3); the whole password is
//! compared, after NFC, and a refusal says why (PW-5) without quoting anything.

mod breach_build;
mod breach_file;
mod breach_filter;
mod limits;
mod strength;

pub use breach_build::{BuildError, Built, build};
pub use breach_file::BreachFileError;
pub use breach_filter::BreachFilter;

use auth_core::limits::{PASSWORD_BYTES_MAX, PASSWORD_CHARS_MAX, PASSWORD_CHARS_MIN};
use limits::{PASSWORD_ALONE_CHARS_MIN, SERVICE_NAME};
use secrecy::{ExposeSecret as _, SecretString};
use std::sync::Arc;
use strength::Verdict;
use thiserror::Error;
use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;

/// The rules, as configured. Cheap to clone.
#[derive(Clone, Default)]
pub struct PasswordPolicy {
    breached: Option<Arc<BreachFilter>>,
    /// Lower-case NFC.
    own_words: Arc<[String]>,
}

/// What stands between a password and a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protects {
    /// The account can log in only with a second factor.
    WithSecondFactor,
    /// The password is all that is asked for.
    Alone,
}

/// Words around an account that no password may be.
#[derive(Clone, Copy, Debug, Default)]
pub struct Context<'a> {
    /// Its user name.
    pub username: Option<&'a str>,
    /// Its mail address.
    pub email: Option<&'a str>,
}

/// Why a password is refused. The text is for the person who chose it; none quotes the password.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Refused {
    /// Too few characters.
    #[error("must have at least {chars_min} characters")]
    Short {
        /// How many it takes.
        chars_min: usize,
    },
    /// Too many characters or bytes.
    #[error("must have at most {PASSWORD_CHARS_MAX} characters and {PASSWORD_BYTES_MAX} bytes")]
    Long,
    /// It is the user name.
    #[error("must not be the user name")]
    Username,
    /// It is the mail address.
    #[error("must not be the mail address")]
    Email,
    /// It is what stands before the @ of the mail address.
    #[error("must not be the mail address's first part")]
    EmailLocalPart,
    /// It is the name of the service, or of whoever runs it.
    #[error("must not be the name of this service")]
    ServiceName,
    /// It is on the list of common passwords.
    #[error(
        "is one of the most common passwords, which attackers try first; choose another, such as several unrelated words"
    )]
    Common,
    /// It was found in a breach.
    #[error("is on a list of passwords that were stolen elsewhere; choose one that you use nowhere else")]
    Breached,
    /// It is guessed soon.
    #[error(
        "is easy to guess (common words, names, repeats or keyboard rows); choose a longer one, such as several unrelated words"
    )]
    Guessable,
}

impl Refused {
    /// A stable word for programs and translations.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Short { .. } => "too_short",
            Self::Long => "too_long",
            Self::Username => "is_username",
            Self::Email => "is_email",
            Self::EmailLocalPart => "is_email_local_part",
            Self::ServiceName => "is_service_name",
            Self::Common => "common",
            Self::Breached => "breached",
            Self::Guessable => "guessable",
        }
    }
}

impl PasswordPolicy {
    /// With the operator's own words (names of the service and of the organisation) and a filter of breached passwords.
    #[must_use]
    pub fn new(own_words: &[String], breached: Option<BreachFilter>) -> Self {
        Self {
            breached: breached.map(Arc::new),
            own_words: own_words.iter().map(|word| folded(word)).collect(),
        }
    }

    /// Passwords in the filter of breached ones; none without a filter.
    #[must_use]
    pub fn breached_passwords(&self) -> Option<u64> {
        self.breached.as_ref().map(|filter| filter.passwords())
    }

    /// Checks a new password of an account. Takes at most some milliseconds.
    ///
    /// # Errors
    /// Why it may not be used.
    pub fn check(&self, new: &SecretString, protects: Protects, context: Context<'_>) -> Result<(), Refused> {
        // Bounded before anything walks over it.
        let written = new.expose_secret();
        if written.len() > PASSWORD_BYTES_MAX {
            return Err(Refused::Long);
        }
        let password: Zeroizing<String> = Zeroizing::new(written.nfc().collect());
        check_length(&password, protects)?;
        self.check_words(&password, context)?;
        if self
            .breached
            .as_ref()
            .is_some_and(|filter| filter.contains(password.as_bytes()))
        {
            return Err(Refused::Breached);
        }
        let words = self.words(context);
        match strength::judge(&password, protects, &words) {
            Verdict::Good => Ok(()),
            Verdict::Common => Err(Refused::Common),
            Verdict::Guessable => Err(Refused::Guessable),
        }
    }

    fn check_words(&self, password: &str, context: Context<'_>) -> Result<(), Refused> {
        let candidate = Zeroizing::new(folded(password));
        let is = |word: &str| folded(word) == *candidate;
        if context.username.is_some_and(is) {
            return Err(Refused::Username);
        }
        if context.email.is_some_and(is) {
            return Err(Refused::Email);
        }
        if context.email.and_then(local_part).is_some_and(is) {
            return Err(Refused::EmailLocalPart);
        }
        if *candidate == SERVICE_NAME || self.own_words.contains(&candidate) {
            return Err(Refused::ServiceName);
        }
        Ok(())
    }

    /// Words that make a password cheaper to guess when they are part of it.
    fn words<'a>(&'a self, context: Context<'a>) -> Vec<&'a str> {
        let about = [context.username, context.email, context.email.and_then(local_part)];
        let own = self.own_words.iter().map(String::as_str);
        about.into_iter().flatten().chain(own).chain([SERVICE_NAME]).collect()
    }
}

/// One code point is one character (PW-2). As written and in NFC: neither form may be a way around a bound.
fn check_length(password: &str, protects: Protects) -> Result<(), Refused> {
    let chars_min = match protects {
        Protects::WithSecondFactor => PASSWORD_CHARS_MIN,
        Protects::Alone => PASSWORD_ALONE_CHARS_MIN,
    };
    let characters = password.chars().count();
    if characters < chars_min {
        return Err(Refused::Short { chars_min });
    }
    if characters > PASSWORD_CHARS_MAX || password.len() > PASSWORD_BYTES_MAX {
        return Err(Refused::Long);
    }
    Ok(())
}

/// The form under which words are compared: NFC, lower case.
fn folded(text: &str) -> String {
    // Lower case of some letters is not NFC.
    text.nfc().collect::<String>().to_lowercase().nfc().collect()
}

fn local_part(address: &str) -> Option<&str> {
    address.rsplit_once('@').map(|(local, _)| local)
}

#[cfg(test)]
mod tests;
