//! Mails in English.

use super::{Details, GoodFor, Text};
use auth_core::outbox::{MailTemplate, Notice};

pub(super) fn text(template: &MailTemplate, details: Details<'_>) -> Text {
    let (subject, body) = match template {
        MailTemplate::AddressAlreadyRegistered {} => (
            "You already have an account",
            "Somebody, perhaps you, asked for an account with this mail address. There is one already, so nothing was \
             changed.\n\n\
             If it was you, log in with the account you have. If it was not, you need not do anything.\n"
                .to_owned(),
        ),
        MailTemplate::AuthenticatorAdded { username } => (
            "An authenticator was added to your account",
            format!(
                "An authenticator app was just set up for your account \"{username}\". From now on logging in asks for a \
                 code from it.\n\n{ALARM}"
            ),
        ),
        MailTemplate::LoginCode { username, .. } => (
            "Your login code",
            format!(
                "The code to log in to your account \"{username}\" is\n\n    {}\n\n\
                 It is good for {} and works once. Nobody who works for this service will ever ask you for it.\n\n\
                 If you are not logging in right now, somebody else has your password: change it.\n",
                details.secret,
                length(details.good_for)
            ),
        ),
        MailTemplate::ConfirmAddress { username, .. } => (
            "Confirm your mail address",
            format!(
                "This mail address shall belong to the account \"{username}\". To confirm it, enter this code where you \
                 were asked for it:\n\n    {}\n\n\
                 It is good for {}. If you did not ask for it, ignore this mail: without the code nothing changes.\n",
                details.secret,
                length(details.good_for)
            ),
        ),
        MailTemplate::ResetPassword { username, .. } => (
            "Reset your password",
            format!(
                "Somebody, perhaps you, asked to reset the password of your account \"{username}\". To choose a new one, \
                 enter this code where you were asked for it:\n\n    {}\n\n\
                 It is good for {} and works once. If you did not ask for it, ignore this mail: your password stays as it \
                 is.\n",
                details.secret,
                length(details.good_for)
            ),
        ),
        MailTemplate::AddressChanged { username } => (
            "The mail address of your account was changed",
            format!("Mail about your account \"{username}\" goes to another address from now on.\n\n{ALARM}"),
        ),
        MailTemplate::Notice {
            username,
            what,
            client_address,
        } => notice(username, *what, client_address),
    };
    Text { subject, body }
}

const ALARM: &str =
    "If this was not you, somebody has got into your account: tell whoever runs this service at once.\n";

fn length(good_for: GoodFor) -> String {
    match good_for {
        GoodFor::Minutes(minutes) => format!("{minutes} minutes"),
        GoodFor::Hours(hours) => format!("{hours} hours"),
    }
}

fn notice(username: &str, what: Notice, client_address: &str) -> (&'static str, String) {
    let (subject, said) = match what {
        Notice::AuthenticatorRemoved {} => (
            "An authenticator was removed from your account",
            "An authenticator app was removed.".to_owned(),
        ),
        Notice::AuthenticatorDisabled {} => (
            "An authenticator of your account was disabled",
            "Too many wrong codes were entered, so an authenticator app does not count any more. It has to be set up anew."
                .to_owned(),
        ),
        Notice::RecoveryCodeUsed { left } => (
            "A recovery code was used",
            format!("One of your recovery codes was used to log in. Codes that are left: {left}."),
        ),
        Notice::RecoveryCodesIssued {} => (
            "You have new recovery codes",
            "New recovery codes were made. The old ones do not work any more.".to_owned(),
        ),
        Notice::LoginAbandoned {} => (
            "A login was not finished",
            "Somebody entered the right password and then no code. If that was not you, change your password.".to_owned(),
        ),
        Notice::DeviceTokenCopied {} => (
            "A remembered device was forgotten",
            "An old mark of a remembered device was shown, as if it had been copied. The device was forgotten and its \
             sessions were ended."
                .to_owned(),
        ),
        Notice::PasswordChanged {} => ("Your password was changed", "The password was changed.".to_owned()),
        Notice::AccountActivated {} => (
            "Your account was activated",
            "An administrator has activated your account. You can log in now.".to_owned(),
        ),
        Notice::FactorsReset {} => (
            "Your second factors were removed",
            "An administrator has removed all authenticators, recovery codes and remembered devices.".to_owned(),
        ),
        Notice::EmailFactorEnabled {} => (
            "Codes by mail are on",
            "From now on logging in asks for a code that is sent to this address.".to_owned(),
        ),
        Notice::EmailFactorDisabled {} => (
            "Codes by mail are off",
            "Codes that are sent by mail are no second factor of this account any more.".to_owned(),
        ),
        Notice::AccountDeleted {} => ("Your account was deleted", "The account was deleted.".to_owned()),
    };
    let from = match client_address {
        "" => String::new(),
        address => format!(" This was done from the network address {address}."),
    };
    let alarm = match what {
        Notice::AccountActivated {} => "",
        Notice::AuthenticatorRemoved {}
        | Notice::AuthenticatorDisabled {}
        | Notice::RecoveryCodeUsed { .. }
        | Notice::RecoveryCodesIssued {}
        | Notice::LoginAbandoned {}
        | Notice::DeviceTokenCopied {}
        | Notice::PasswordChanged {}
        | Notice::FactorsReset {}
        | Notice::EmailFactorEnabled {}
        | Notice::EmailFactorDisabled {}
        | Notice::AccountDeleted {} => ALARM,
    };
    (
        subject,
        format!("About your account \"{username}\": {said}{from}\n\n{alarm}"),
    )
}
