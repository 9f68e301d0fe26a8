//! Every mail in every language: it says whom it is about and carries its secret in the body only.

use super::*;
use auth_core::ids::ChallengeId;
use auth_core::outbox::{Channel, Notice};
use auth_core::secret::Sealed;
use std::collections::HashSet;

fn made() -> Timestamp {
    Timestamp::from_seconds(1_700_000_000)
}

/// Every template; a new one does not compile until it is here.
fn templates() -> Vec<MailTemplate> {
    let notices = [
        Notice::AuthenticatorRemoved {},
        Notice::AuthenticatorDisabled {},
        Notice::RecoveryCodeUsed { left: 7 },
        Notice::RecoveryCodesIssued {},
        Notice::LoginAbandoned {},
        Notice::DeviceTokenCopied {},
        Notice::PasswordChanged {},
        Notice::AccountActivated {},
        Notice::FactorsReset {},
        Notice::EmailFactorEnabled {},
        Notice::EmailFactorDisabled {},
        Notice::AccountDeleted {},
    ];
    let username = || "maria".to_owned();
    let sealed = || Sealed(vec![1]);
    let mut templates = vec![
        MailTemplate::AuthenticatorAdded { username: username() },
        MailTemplate::LoginCode {
            username: username(),
            code: sealed(),
            expires_at: made().plus_seconds(300),
            challenge: ChallengeId([1; 16]),
        },
        MailTemplate::ConfirmAddress {
            username: username(),
            token: sealed(),
            expires_at: made().plus_seconds(86_400),
        },
        MailTemplate::ResetPassword {
            username: username(),
            token: sealed(),
            expires_at: made().plus_seconds(3600),
        },
        MailTemplate::AddressChanged { username: username() },
    ];
    templates.extend(notices.map(|what| MailTemplate::Notice {
        username: username(),
        what,
        client_address: "192.0.2.7".into(),
    }));
    templates
}

fn written(template: &MailTemplate, language: &str) -> Text {
    let mail = Mail {
        key: 1,
        to: "maria@example.org".into(),
        template: template.clone(),
        created_at: made(),
        channel: Channel::Mail,
        language: Some(language.into()),
        account: None,
        attempts: 0,
        next_attempt_at: None,
        last_error: None,
    };
    text(&mail, "SECRET-CODE")
}

#[test]
fn every_mail_is_written_in_every_language_and_none_says_the_same_as_another() {
    let mut subjects = HashSet::new();
    for template in templates() {
        for language in ["en", "pt", "ru"] {
            let text = written(&template, language);
            assert!(text.body.contains("maria"), "{}", text.body);
            assert!(
                text.body.ends_with('\n') && !text.body.contains("http"),
                "{}",
                text.body
            );
            assert!(
                !text.subject.contains("SECRET") && !text.subject.contains("maria"),
                "{}",
                text.subject
            );
            let carries = expires_at(&template).is_some();
            assert_eq!(text.body.contains("SECRET-CODE"), carries, "{}", text.body);
            let told = matches!(template, MailTemplate::Notice { .. });
            assert_eq!(text.body.contains("192.0.2.7"), told, "{}", text.body);
            assert!(subjects.insert(text.subject), "{} is there twice", text.subject);
        }
    }
    assert_eq!(subjects.len(), 3 * templates().len());
    let taken = MailTemplate::AddressAlreadyRegistered {};
    for language in ["en", "pt", "ru"] {
        assert!(subjects.insert(written(&taken, language).subject));
    }
}

#[test]
fn lengths_of_time_are_said_as_people_say_them() {
    let all: String = templates()
        .iter()
        .map(|template| written(template, "en").body)
        .collect();
    for said in ["good for 5 minutes", "good for 24 hours", "good for 60 minutes"] {
        assert!(all.contains(said), "{said} is not in\n{all}");
    }
}

#[test]
fn an_unknown_language_is_english() {
    let template = &templates()[0];
    assert_eq!(written(template, "tlh"), written(template, "en"));
}
