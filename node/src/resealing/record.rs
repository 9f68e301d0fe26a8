//! What a sealed value is bound to, found out from where it lies.

use crate::secrets::Purpose;
use auth_core::error::Fault;
use auth_core::keys::SealedAt;
use auth_core::outbox::{Mail, MailTemplate};
use auth_core::tables::schema::get;
use auth_core::tables::{Table, TablesRead};

/// Purpose and record of the value at a place; none when there is no such row any more.
pub(super) fn of(tables: &impl TablesRead, at: &SealedAt) -> Result<Option<(Purpose, Vec<u8>)>, Fault> {
    let by_key = |purpose| Ok(Some((purpose, at.key.clone())));
    let Some(table) = Table::ALL.into_iter().find(|table| table.number() == at.table) else {
        return Ok(None);
    };
    match table {
        Table::Accounts => by_key(Purpose::PasswordHash),
        Table::Factors => by_key(Purpose::TotpSeed),
        Table::SigningKeys => by_key(Purpose::SigningKey),
        Table::Idempotency => by_key(Purpose::KeptAnswer),
        Table::Outbox | Table::Quarantine => {
            let mail: Option<Mail> = get(tables, table, &at.key)?;
            Ok(mail
                .and_then(|mail| mail_record(&mail))
                .map(|record| (Purpose::MailSecret, record)))
        }
        Table::Meta
        | Table::Replies
        | Table::Expiry
        | Table::Usernames
        | Table::Emails
        | Table::Challenges
        | Table::Sessions
        | Table::UnknownNames
        | Table::UnknownNamesByAge
        | Table::Audit
        | Table::Devices
        | Table::KnownNetworks
        | Table::SessionsByAccount
        | Table::RecoveryCodes
        | Table::MailTokens
        | Table::AuditByAccount
        | Table::AccountsByNumber
        | Table::SentMail
        | Table::IdempotencyByAge
        | Table::OutboxByDue => Ok(None),
    }
}

/// As in [`crate::email`]: codes are sealed for their challenge, tokens for their account.
fn mail_record(mail: &Mail) -> Option<Vec<u8>> {
    match &mail.template {
        MailTemplate::LoginCode { challenge, .. } => Some(challenge.0.to_vec()),
        MailTemplate::ConfirmAddress { .. } | MailTemplate::ResetPassword { .. } => {
            mail.account.map(|account| account.0.to_vec())
        }
        MailTemplate::AddressAlreadyRegistered {}
        | MailTemplate::AuthenticatorAdded { .. }
        | MailTemplate::AddressChanged { .. }
        | MailTemplate::Notice { .. } => None,
    }
}
