//! From a row of the outbox to the bytes of a mail. The same row gives the same mail, under the same Message-ID.

use super::texts;
use auth_core::outbox::Mail;
use lettre::Message;
use lettre::message::Mailbox;
use lettre::message::header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue};
use std::time::{Duration, UNIX_EPOCH};

/// Who mails come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sender(Mailbox);

impl Sender {
    /// Reads `Name <user@host>` or `user@host`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        text.parse().ok().map(Self)
    }
}

/// A mail that no server will ever take.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the mail cannot be written: {0}")]
pub(super) struct Unwritable(String);

/// The mail of an outbox row. `cluster_id` keeps Message-IDs of different clusters apart.
pub(super) fn compose(sender: &Sender, cluster_id: &str, mail: &Mail) -> Result<Message, Unwritable> {
    let text = texts::english(&mail.template);
    // The address itself stays out of the error: errors are logged.
    let to = mail
        .to
        .parse()
        .map_err(|_| Unwritable("the recipient is no mail address".into()))?;
    Message::builder()
        .from(sender.0.clone())
        .to(Mailbox::new(None, to))
        .date(UNIX_EPOCH + Duration::from_micros(mail.created_at.0))
        .message_id(Some(format!("<{}.{cluster_id}@{}>", mail.key, sender.0.email.domain())))
        .subject(text.subject)
        // Keeps vacation notices from answering (RFC 3834).
        .raw_header(HeaderValue::new(
            HeaderName::new_from_ascii_str("Auto-Submitted"),
            "auto-generated".into(),
        ))
        .header(ContentType::TEXT_PLAIN)
        .header(ContentTransferEncoding::QuotedPrintable)
        .body(text.body)
        .map_err(|error| Unwritable(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use auth_core::outbox::{Channel, MailTemplate};
    use auth_core::time::Timestamp;

    fn mail(to: &str, username: &str) -> Mail {
        Mail {
            key: 42,
            to: to.into(),
            template: MailTemplate::AuthenticatorAdded {
                username: username.into(),
            },
            created_at: Timestamp::from_seconds(1_700_000_000),
            channel: Channel::Mail,
            language: None,
            account: None,
            attempts: 0,
            next_attempt_at: None,
            last_error: None,
        }
    }

    fn text(mail: &Mail) -> String {
        let sender = Sender::parse("tfauth <no-reply@auth.example>").unwrap();
        String::from_utf8(compose(&sender, "00ff", mail).unwrap().formatted()).unwrap()
    }

    #[test]
    fn the_same_row_is_the_same_mail() {
        let mail = mail("maria@example.org", "maria");
        let written = text(&mail);
        assert_eq!(written, text(&mail));
        for line in [
            "Message-ID: <42.00ff@auth.example>",
            "Date: Tue, 14 Nov 2023 22:13:20 +0000",
            "To: maria@example.org",
            "Auto-Submitted: auto-generated",
        ] {
            assert!(written.lines().any(|have| have == line), "{line} is not in\n{written}");
        }
    }

    #[test]
    fn nothing_in_a_name_becomes_a_header() {
        let written = text(&mail("maria@example.org", "x\r\nBcc: everyone@example.org"));
        let head = written.split("\r\n\r\n").next().unwrap();
        assert!(!head.contains("Bcc"), "{written}");
    }

    #[test]
    fn an_address_that_is_none_is_an_error_that_does_not_tell_it() {
        let sender = Sender::parse("no-reply@auth.example").unwrap();
        let error = compose(&sender, "00ff", &mail("not an address", "maria")).unwrap_err();
        assert!(!error.to_string().contains("not an address"), "{error}");
        assert_eq!(Sender::parse("nobody"), None);
    }
}
