//! What people type, parsed once into checked forms: names and addresses. Refusals name the field, never the value.

use super::FieldError;
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
    if shown
        .chars()
        .any(|c| c.is_control() || c.is_whitespace() || is_invisible(c) || matches!(c, '/' | '\\'))
    {
        return Err(refused("must not contain spaces, slashes or invisible characters"));
    }
    let key = username_key(&shown);
    Ok(Username { shown, key })
}

/// Characters without a shape, which would let two names look the same, or run text the other way round.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Reads a new mail address. Plausible is enough: only a mail that arrives proves one.
pub(super) fn email(text: &str) -> Result<Email, FieldError> {
    let refused = |message: &str| FieldError {
        field: "email",
        message: message.to_owned(),
    };
    if text.len() > EMAIL_BYTES_MAX {
        return Err(refused(&format!("must have at most {EMAIL_BYTES_MAX} bytes")));
    }
    let plausible = match text.split_once('@') {
        Some((local, domain)) => {
            let clean =
                |c: char| !(c.is_control() || c.is_whitespace() || is_invisible(c) || "@<>(),;:\\\"[]".contains(c));
            let labels = domain.split('.').all(|label| !label.is_empty());
            !local.is_empty() && labels && local.chars().all(clean) && domain.chars().all(clean)
        }
        None => false,
    };
    if !plausible {
        return Err(refused("must be a mail address such as name@example.org"));
    }
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
        for bad in [
            "",
            " a",
            "a ",
            "a b",
            "a\tb",
            "a/b",
            "a\u{0}b",
            "a\u{200b}b",
            &"x".repeat(151),
        ] {
            assert!(username(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn addresses_are_plausible_or_refused() {
        assert_eq!(email("Test_Email@Gmail.com").ok().unwrap().key, "test_email@gmail.com");
        assert!(email("root@localhost").is_ok());
        let long = format!("{}@example.org", "x".repeat(250));
        for bad in [
            "",
            "@",
            "a@",
            "@b.c",
            "a@b@c.d",
            "a b@c.d",
            "a@b..c",
            "a@.b",
            "a@b.c\r\nBcc: x@y.z",
            "a<b@c.d",
            &long,
        ] {
            assert!(email(bad).is_err(), "{bad:?}");
        }
    }
}
