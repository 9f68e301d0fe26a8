//! The words of every mail, in three languages. Plain text only; no links, so that nobody learns to click in mails about
//! security. A subject tells no secret: phones show it on locked screens.

mod english;
mod portuguese;
mod russian;

use auth_core::outbox::{Mail, MailTemplate};
use auth_core::time::Timestamp;

/// Subject and body of a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Text {
    pub(crate) subject: &'static str,
    pub(crate) body: String,
}

/// What a mail is written from beside its template.
#[derive(Clone, Copy)]
struct Details<'a> {
    /// The code or token, for the templates that have one.
    secret: &'a str,
    /// How long that is good.
    good_for: GoodFor,
}

/// A round length of time, as people say it.
#[derive(Clone, Copy)]
enum GoodFor {
    Minutes(u64),
    Hours(u64),
}

/// The text of a mail in its recipient's language; `secret` is its code or token, opened.
pub(crate) fn text(mail: &Mail, secret: &str) -> Text {
    let end = expires_at(&mail.template).unwrap_or(mail.created_at);
    let minutes = mail.created_at.seconds_until(end) / 60;
    let good_for = if minutes >= 120 {
        GoodFor::Hours(minutes / 60)
    } else {
        GoodFor::Minutes(minutes)
    };
    let details = Details { secret, good_for };
    match mail.language.as_deref() {
        Some("pt") => portuguese::text(&mail.template, details),
        Some("ru") => russian::text(&mail.template, details),
        Some(_) | None => english::text(&mail.template, details),
    }
}

/// When what a mail carries is void; then it is not worth sending.
pub(crate) fn expires_at(template: &MailTemplate) -> Option<Timestamp> {
    match template {
        MailTemplate::LoginCode { expires_at, .. }
        | MailTemplate::ConfirmAddress { expires_at, .. }
        | MailTemplate::ResetPassword { expires_at, .. } => Some(*expires_at),
        MailTemplate::AddressAlreadyRegistered {}
        | MailTemplate::AuthenticatorAdded { .. }
        | MailTemplate::AddressChanged { .. }
        | MailTemplate::Notice { .. } => None,
    }
}

#[cfg(test)]
mod tests;
