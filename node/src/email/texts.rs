//! The words of every mail. Plain text only; no links, so that nobody learns to click in mails about security.

use auth_core::outbox::MailTemplate;

/// Subject and body of a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Text {
    pub(super) subject: &'static str,
    pub(super) body: String,
}

pub(super) fn english(template: &MailTemplate) -> Text {
    match template {
        MailTemplate::AddressAlreadyRegistered {} => Text {
            subject: "You already have an account",
            body:
                "Somebody, perhaps you, tried to make a new account with this mail address. There is one already, so \
                   nothing was changed.\n\n\
                   If it was you, log in with the account you have. If it was not, you need not do anything.\n"
                    .into(),
        },
        MailTemplate::AuthenticatorAdded { username } => Text {
            subject: "An authenticator was added to your account",
            body: format!(
                "An authenticator app was just set up for your account \"{username}\". From now on logging in asks for a \
                 code from it.\n\n\
                 If this was not you, somebody knows your password: tell whoever runs this service at once.\n"
            ),
        },
        MailTemplate::LoginCode { username, .. } => about(username, "A code to log in was asked for"),
        MailTemplate::ConfirmAddress { username, .. } => about(username, "This address shall be confirmed"),
        MailTemplate::ResetPassword { username, .. } => about(username, "A password reset was asked for"),
        MailTemplate::AddressChanged { username } => about(username, "The mail address of your account was changed"),
        MailTemplate::Notice { username, .. } => about(username, "The security of your account was changed"),
    }
}

fn about(username: &str, subject: &'static str) -> Text {
    Text {
        subject,
        body: format!("{subject}: account \"{username}\".\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mails_say_what_happened_and_hold_no_link() {
        let added = english(&MailTemplate::AuthenticatorAdded {
            username: "maria".into(),
        });
        assert!(added.body.contains("\"maria\""));
        let taken = english(&MailTemplate::AddressAlreadyRegistered {});
        for text in [added, taken] {
            assert!(!text.body.contains("http"), "{}", text.body);
            assert!(text.body.ends_with('\n') && !text.subject.is_empty());
        }
    }
}
