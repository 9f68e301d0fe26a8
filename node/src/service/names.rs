//! What people type, parsed once into checked forms: names and addresses. Refusals name the field, never the value.

use super::FieldError;
use crate::email::deliverable;
use auth_api::limits::LABEL_CHARS_MAX;
use auth_core::account::Account;
use auth_core::limits::{EMAIL_BYTES_MAX, USERNAME_CHARS_MAX};
use unicode_normalization::UnicodeNormalization as _;

/// Name of the service, as in QR codes.
pub(super) const SERVICE_NAME: &str = "tfauth";

/// A user name that an account may have.
pub(super) struct Username {
    /// NFC, as written.
    pub(super) shown: String,
    /// As looked up.
    pub(super) key: String,
}

/// A mail address that an account may have.
pub(super) struct Email {
    /// As written.
    pub(super) shown: String,
    /// As looked up.
    pub(super) key: String,
}

/// The form under which a name is looked up: NFC, lower case. Anything can be looked up; not everything can be found.
pub(super) fn username_key(name: &str) -> String {
    // Lower case of some letters is not NFC.
    name.nfc().collect::<String>().to_lowercase().nfc().collect()
}

/// The form under which an address is looked up.
pub(super) fn email_key(text: &str) -> String {
    text.to_lowercase()
}

/// Whether an account goes by this name or address.
pub(super) fn identifies(identifier: &str, account: &Account) -> bool {
    username_key(identifier) == account.username_key || email_key(identifier) == account.email_key
}

/// Reads a new user name.
pub(super) fn username(text: &str) -> Result<Username, FieldError> {
    let refused = |message: &str| FieldError {
        field: "username",
        message: message.to_owned(),
    };
    let shown: String = text.nfc().collect();
    if shown.is_empty() {
        return Err(refused("must not be empty"));
    }
    if shown.chars().count() > USERNAME_CHARS_MAX {
        return Err(refused(&format!("must have at most {USERNAME_CHARS_MAX} characters")));
    }
    // It is a part of paths.
    if matches!(shown.as_str(), "." | "..") || shown.chars().any(is_slash) {
        return Err(refused("must not be dots only, and must not contain slashes"));
    }
    if shown.chars().any(|c| c.is_whitespace() || is_unseen(c)) {
        return Err(refused(
            "must not contain spaces, control characters or invisible characters",
        ));
    }
    let key = username_key(&shown);
    Ok(Username { shown, key })
}

/// Slashes of either direction, and what looks like one.
fn is_slash(c: char) -> bool {
    matches!(
        c,
        '/' | '\\'
            | '\u{2044}'
            | '\u{2215}'
            | '\u{2216}'
            | '\u{29f5}'
            | '\u{29f8}'
            | '\u{29f9}'
            | '\u{fe68}'
            | '\u{ff0f}'
            | '\u{ff3c}'
    )
}

/// Control characters, and characters without a shape (Unicode's default ignorable ones, and blanks that are no white
/// space): they would let two names look the same, or run text the other way round.
fn is_unseen(c: char) -> bool {
    c.is_control()
        || is_joining(c)
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{115f}' | '\u{1160}'
            | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{200b}' | '\u{200e}' | '\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// Joiners and variation selectors: scripts and pictures are written with them, so an owner may use them for himself.
fn is_joining(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}')
}

/// Reads what an owner calls a factor: a line of text, NFC, without white space at its ends.
pub(super) fn label(text: &str) -> Result<String, FieldError> {
    let refused = |message: &str| FieldError {
        field: "label",
        message: message.to_owned(),
    };
    let shown: String = text.trim().nfc().collect();
    if shown.is_empty() {
        return Err(refused("must not be empty"));
    }
    if shown.chars().count() > LABEL_CHARS_MAX {
        return Err(refused(&format!("must have at most {LABEL_CHARS_MAX} characters")));
    }
    if shown.chars().any(|c| is_unseen(c) && !is_joining(c)) {
        return Err(refused(
            "must not contain line breaks, control characters or invisible characters",
        ));
    }
    Ok(shown)
}

/// Reads a new mail address: one that mail can be sent to. Only a mail that arrives proves it.
pub(super) fn email(text: &str) -> Result<Email, FieldError> {
    let refused = |message: &str| FieldError {
        field: "email",
        message: message.to_owned(),
    };
    if text.len() > EMAIL_BYTES_MAX {
        return Err(refused(&format!("must have at most {EMAIL_BYTES_MAX} bytes")));
    }
    deliverable(text).map_err(refused)?;
    Ok(Email {
        shown: text.to_owned(),
        key: email_key(text),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_looked_up_in_lower_case_nfc() {
        let name = username("Andre\u{301}").ok().unwrap();
        assert_eq!((name.shown.as_str(), name.key.as_str()), ("Andr\u{e9}", "andr\u{e9}"));
        assert_eq!(username_key("ANDR\u{c9}"), name.key);
        assert!(username(&"x".repeat(150)).is_ok());
        for (bad, told) in [
            ("", "empty"),
            (" a", "spaces"),
            ("a ", "spaces"),
            ("a b", "spaces"),
            ("a\u{a0}b", "spaces"),
            ("a\tb", "spaces"),
            ("a\nb", "spaces"),
            (".", "dots"),
            ("..", "dots"),
            ("a/b", "slashes"),
            ("../b", "slashes"),
            ("a\\b", "slashes"),
            ("a\u{2215}b", "slashes"),
            ("a\u{ff0f}b", "slashes"),
            ("a\u{0}b", "control"),
            ("a\u{7f}b", "control"),
            ("a\u{9b}b", "control"),
            ("a\u{ad}b", "invisible"),
            ("a\u{200b}b", "invisible"),
            ("a\u{200d}b", "invisible"),
            ("a\u{202e}b", "invisible"),
            ("a\u{2066}b", "invisible"),
            ("a\u{61c}b", "invisible"),
            ("a\u{3164}b", "invisible"),
            ("a\u{fe0f}b", "invisible"),
            ("a\u{e0061}b", "invisible"),
            (&"x".repeat(151), "150"),
        ] {
            let wrong = username(bad).err().unwrap_or_else(|| panic!("{bad:?} was taken"));
            assert_eq!(wrong.field, "username");
            assert!(wrong.message.contains(told), "{bad:?}: {}", wrong.message);
        }
        for good in [
            "...",
            ".a",
            "a.b",
            "a-b_c+d@e",
            "\u{436}\u{443}\u{43a}",
            "\u{5d0}\u{5d1}",
            "\u{1f600}",
        ] {
            assert!(username(good).is_ok(), "{good:?}");
        }
    }

    #[test]
    fn labels_are_one_line_that_can_be_seen() {
        assert_eq!(label(" my  phone ").ok().unwrap(), "my  phone");
        // A family of pictures and a Persian word are written with joiners.
        for good in [
            "\u{1f468}\u{200d}\u{1f469}",
            "\u{2764}\u{fe0f}",
            "\u{645}\u{6cc}\u{200c}\u{62e}",
            "a/b",
        ] {
            assert!(label(good).is_ok(), "{good:?}");
        }
        for bad in [
            "",
            "  ",
            "\u{3000}",
            "a\nb",
            "a\r\nb",
            "a\u{0}b",
            "a\u{1b}[31m",
            "a\u{202e}b",
            "a\u{2067}b",
            "a\u{200b}b",
        ] {
            assert_eq!(label(bad).err().map(|wrong| wrong.field), Some("label"), "{bad:?}");
        }
    }

    #[test]
    fn addresses_can_be_mailed_or_are_refused_by_field() {
        assert_eq!(email("Test_Email@Gmail.com").ok().unwrap().key, "test_email@gmail.com");
        let long = format!("{}@{}example.org", "x".repeat(50), "x.".repeat(100));
        for bad in ["nowhere", "a@-c.example", "\u{fc}@example.org", &long] {
            assert_eq!(email(bad).err().map(|wrong| wrong.field), Some("email"), "{bad:?}");
        }
    }
}
