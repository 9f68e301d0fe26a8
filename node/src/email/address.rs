//! The one rule for mail addresses: whoever signs up with one, or changes to one, can be mailed there. Pure.
//!
//! Narrower than RFC 5321: no quoted names and no address literals, which nobody has; and ASCII only, because a server that
//! does not speak SMTPUTF8 takes no other.

use lettre::Address;

/// Longest part before the `@`, in bytes (RFC 5321, 4.5.3.1.1).
const LOCAL_BYTES_MAX: usize = 64;
/// Longest part of a domain between dots, in bytes (RFC 1035, 2.3.4).
const LABEL_BYTES_MAX: usize = 63;
/// What stands beside letters and digits before the `@` (RFC 5321, `atext`).
const ATEXT: &str = "!#$%&'*+-/=?^_`{|}~";

/// An address that mail can be sent to, or what is expected of one.
///
/// # Errors
/// A sentence without the address in it.
pub(crate) fn deliverable(text: &str) -> Result<Address, &'static str> {
    if !text.is_ascii() {
        return Err("must have ASCII characters only; a domain has an ASCII form, too, which begins with xn--");
    }
    let sound = text
        .split_once('@')
        .is_some_and(|(local, domain)| is_local(local) && is_domain(domain));
    let address = text.parse().ok().filter(|_| sound);
    address.ok_or("must be a mail address such as name@example.org")
}

/// Atoms with dots between them.
fn is_local(local: &str) -> bool {
    let is_atext = |c: char| c.is_ascii_alphanumeric() || ATEXT.contains(c);
    local.len() <= LOCAL_BYTES_MAX
        && local
            .split('.')
            .all(|atom| !atom.is_empty() && atom.chars().all(is_atext))
}

/// Labels of letters, digits and hyphens, none at their ends.
fn is_domain(domain: &str) -> bool {
    domain.split('.').all(|label| {
        !label.is_empty()
            && label.len() <= LABEL_BYTES_MAX
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use lettre::Message;
    use lettre::message::Mailbox;
    use proptest::prelude::*;

    /// Whether a mail to it can be written, and handed to a server that knows nothing but RFC 5321.
    fn can_be_mailed(text: &str) -> bool {
        let Ok(to) = text.parse::<Address>() else {
            return false;
        };
        let written = Message::builder()
            .from("no-reply@auth.example".parse::<Mailbox>().unwrap())
            .to(Mailbox::new(None, to))
            .body(String::new());
        written.is_ok_and(|mail| {
            let envelope = mail.envelope();
            let one = [text.parse::<Address>().unwrap()];
            envelope.to() == one && mail.formatted().is_ascii() && envelope.to()[0].to_string() == text
        })
    }

    #[test]
    fn addresses_are_taken_or_refused() {
        for good in [
            "Test_Email@Gmail.com",
            "root@localhost",
            "a.b+c@sub.example.org",
            "o'brien/x=y@example.org",
            "ana@xn--bcher-kva.example",
            "1@1.example",
        ] {
            assert!(deliverable(good).is_ok(), "{good}");
            assert!(can_be_mailed(good), "{good}");
        }
        let long = format!("{}@example.org", "x".repeat(65));
        for bad in [
            "",
            "@",
            "a@",
            "@b.c",
            "a",
            "a@b@c.d",
            "a b@c.d",
            "a..b@c.d",
            ".a@c.d",
            "a.@c.d",
            "a@b..c",
            "a@.b",
            "a@b.",
            "a@-c.example",
            "a@c-.example",
            "a@c_d.example",
            "\"a b\"@c.d",
            "a@[192.0.2.1]",
            "a@b.c\r\nBcc: x@y.z",
            "a<b@c.d",
            "\u{fc}@example.org",
            "a@b\u{fc}cher.example",
            "a\u{202e}@example.org",
            &long,
        ] {
            assert!(deliverable(bad).is_err(), "{bad:?}");
        }
    }

    /// Texts that are addresses often, and nearly addresses else.
    fn texts() -> impl Strategy<Value = String> {
        prop_oneof![
            ".{0,80}",
            "[ -~]{0,40}@[ -~]{0,40}",
            "[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]{0,66}@[a-zA-Z0-9.-]{0,70}",
            "[a-z.\\-\u{e4}\u{434}\"]{1,8}@[a-z.\\-_\u{e4}\u{434}]{1,12}",
        ]
    }

    proptest! {
        #[test]
        fn what_is_taken_can_be_mailed(text in texts()) {
            if deliverable(&text).is_ok() {
                prop_assert!(can_be_mailed(&text), "{text:?}");
            }
        }

        #[test]
        fn ordinary_addresses_are_taken(
            text in "[a-z0-9]{1,10}([.+_-][a-z0-9]{1,10}){0,3}@[a-z0-9]{1,10}(-[a-z0-9]{1,10}){0,2}(\\.[a-z0-9]{1,10}){0,4}"
        ) {
            prop_assert!(deliverable(&text).is_ok(), "{text:?}");
        }
    }
}
