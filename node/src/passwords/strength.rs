//! How soon a password is guessed, by `zxcvbn` and the lists of common passwords, words and names that it carries.

use super::Protects;
use super::limits::{ESTIMATED_CHARS_MAX, GUESSES_ALONE_MIN, GUESSES_MIN};
use zxcvbn::matching::patterns::MatchPattern;

/// What the estimate says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Withstands enough guesses.
    Good,
    /// Is a word of a list as a whole.
    Common,
    /// Is put together from words, repeats, rows and dates.
    Guessable,
}

/// Judges a password of which `words` are known to whoever attacks this account.
pub(super) fn judge(password: &str, protects: Protects, words: &[&str]) -> Verdict {
    if password.chars().count() > ESTIMATED_CHARS_MAX {
        return Verdict::Good;
    }
    let guesses_min = match protects {
        Protects::WithSecondFactor => GUESSES_MIN,
        Protects::Alone => GUESSES_ALONE_MIN,
    };
    let estimate = zxcvbn::zxcvbn(password, words);
    if estimate.guesses() >= guesses_min {
        return Verdict::Good;
    }
    match estimate.sequence() {
        [only] if matches!(only.pattern, MatchPattern::Dictionary(_)) => Verdict::Common,
        _ => Verdict::Guessable,
    }
}
