//! From a row of the outbox to the bytes of a mail. The same row gives the same mail, under the same Message-ID.

use super::address::deliverable;
use super::texts::{self, Text};
use crate::secrets::{KeyRing, Purpose};
use auth_core::outbox::{Mail, MailTemplate};
use lettre::Message;
use lettre::message::Mailbox;
use lettre::message::header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue};
use std::time::{Duration, UNIX_EPOCH};
use zeroize::Zeroizing;

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
pub(crate) struct Unwritable(String);

/// The subject and body of an outbox row, its code or token opened.
pub(crate) fn write(ring: &KeyRing, mail: &Mail) -> Result<(Text, Option<Zeroizing<String>>), Unwritable> {
    let secret = open_secret(ring, mail)?;
    let text = texts::text(mail, secret.as_ref().map_or("", |secret| secret.as_str()));
    Ok((text, secret))
}

/// The mail of an outbox row. `cluster_id` keeps Message-IDs of different clusters apart.
pub(super) fn compose(sender: &Sender, cluster_id: &str, ring: &KeyRing, mail: &Mail) -> Result<Message, Unwritable> {
    let (text, _) = write(ring, mail)?;
    // The address itself stays out of the error: errors are logged.
    let to = deliverable(&mail.to).map_err(|_| Unwritable("the recipient is no mail address".into()))?;
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

/// Codes are sealed for their challenge, tokens for their account.
fn open_secret(ring: &KeyRing, mail: &Mail) -> Result<Option<Zeroizing<String>>, Unwritable> {
    let (record, sealed) = match &mail.template {
        MailTemplate::LoginCode { code, challenge, .. } => (challenge.0, code),
        MailTemplate::ConfirmAddress { token, .. } | MailTemplate::ResetPassword { token, .. } => {
            let account = mail
                .account
                .ok_or_else(|| Unwritable("its account is missing".into()))?;
            (account.0, token)
        }
        MailTemplate::AddressAlreadyRegistered {}
        | MailTemplate::AuthenticatorAdded { .. }
        | MailTemplate::AddressChanged { .. }
        | MailTemplate::Notice { .. } => return Ok(None),
    };
    let opened = ring
        .open(Purpose::MailSecret, &record, sealed)
        .map_err(|error| Unwritable(format!("its code does not open: {error}")))?;
    let text = std::str::from_utf8(&opened).map_err(|_| Unwritable("its code is no text".into()))?;
    Ok(Some(Zeroizing::new(text.to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use auth_core::ids::{AccountId, ChallengeId};
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
        String::from_utf8(
            compose(&sender, "00ff", &KeyRing::for_tests(), mail)
                .unwrap()
                .formatted(),
        )
        .unwrap()
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
    fn a_code_is_opened_for_its_own_challenge_and_a_token_for_its_own_account() {
        let ring = KeyRing::for_tests();
        let seal = |record: &[u8; 16], text: &str| ring.seal(Purpose::MailSecret, record, text.as_bytes()).unwrap();
        let mut code = mail("maria@example.org", "maria");
        code.template = MailTemplate::LoginCode {
            username: "maria".into(),
            code: seal(&[5; 16], "042137"),
            expires_at: Timestamp::from_seconds(1_700_000_300),
            challenge: ChallengeId([5; 16]),
        };
        assert!(text(&code).contains("042137"));
        let mut token = mail("maria@example.org", "maria");
        token.template = MailTemplate::ResetPassword {
            username: "maria".into(),
            token: seal(&[6; 16], "ABCDE-FGHIJ"),
            expires_at: Timestamp::from_seconds(1_700_003_600),
        };
        token.account = Some(AccountId([6; 16]));
        assert!(text(&token).contains("ABCDE-FGHIJ"));
        token.account = Some(AccountId([7; 16]));
        let error = write(&ring, &token).unwrap_err().to_string();
        assert!(error.contains("does not open") && !error.contains("ABCDE"), "{error}");
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
        let error = compose(&sender, "00ff", &KeyRing::for_tests(), &mail("not an address", "maria")).unwrap_err();
        assert!(!error.to_string().contains("not an address"), "{error}");
        assert_eq!(Sender::parse("nobody"), None);
    }
}
