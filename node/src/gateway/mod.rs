//! The operator's HTTP gateway for SMS and whatever else carries short messages: one signed POST for each.
//!
//! ```text
//! POST URL
//! x-tfauth-id: KEY.CLUSTER             the same for a repeat of the same message
//! x-tfauth-timestamp: SECONDS          since 1970, of this try
//! x-tfauth-signature: v1=HEX           HMAC-SHA256 of "v1:TIMESTAMP:ID:" and the body, with the shared secret
//!
//! {"id", "to", "channel", "language", "kind", "subject", "text", "code"}     code only where the message has one
//! ```
//! 2xx is taken; 408, 425, 429 and 5xx are tried again later; anything else, redirects among it, is refused for good.
//! Nothing of an answer's body is read.

mod address;
mod connection;

use crate::config::GatewayConfig;
use crate::email::{SendError, Text};
use crate::limits::GATEWAY_SEND_MAX;
use auth_core::outbox::{Mail, MailTemplate};
use auth_core::time::Timestamp;
use connection::Peer;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::StatusCode;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use sha2::Sha256;
use std::fmt::Write as _;

/// Header of the message's id.
pub const ID_HEADER: &str = "x-tfauth-id";
/// Header of the time of this try.
pub const TIMESTAMP_HEADER: &str = "x-tfauth-timestamp";
/// Header of the signature.
pub const SIGNATURE_HEADER: &str = "x-tfauth-signature";

/// The gateway.
pub struct Gateway {
    peer: Peer,
    secret: SecretString,
}

/// The body.
#[derive(Serialize)]
struct Body<'a> {
    id: &'a str,
    to: &'a str,
    language: &'a str,
    kind: &'static str,
    subject: &'a str,
    text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
}

impl Gateway {
    /// Prepares one; it is not contacted yet.
    ///
    /// # Errors
    /// What is wrong with its certificates, in words.
    pub fn new(configured: &GatewayConfig) -> Result<Self, String> {
        Ok(Self {
            peer: Peer::new(configured)?,
            secret: configured.secret.clone(),
        })
    }

    /// Hands one message over.
    pub(crate) async fn send(
        &self,
        cluster_id: &str,
        mail: &Mail,
        text: &Text,
        code: Option<&str>,
        now: Timestamp,
    ) -> Result<(), SendError> {
        let id = format!("{}.{cluster_id}", mail.key);
        let body = Body {
            id: &id,
            to: &mail.to,
            language: mail.language.as_deref().unwrap_or("en"),
            kind: kind(&mail.template),
            subject: text.subject,
            text: &text.body,
            code,
        };
        let body = serde_json::to_vec(&body).map_err(|error| SendError::Never(error.to_string()))?;
        let timestamp = now.seconds();
        let headers = [
            (ID_HEADER, id.clone()),
            (TIMESTAMP_HEADER, timestamp.to_string()),
            (SIGNATURE_HEADER, signature(&self.secret, timestamp, &id, &body)),
        ];
        let sent = tokio::time::timeout(GATEWAY_SEND_MAX, self.peer.post(&headers, body)).await;
        match sent {
            Err(_) => Err(SendError::Server(format!(
                "the gateway gave no answer within {GATEWAY_SEND_MAX:?}"
            ))),
            Ok(Err(reason)) => Err(SendError::Server(format!("the gateway: {reason}"))),
            Ok(Ok(status)) => judge(status),
        }
    }
}

fn judge(status: StatusCode) -> Result<(), SendError> {
    let reason = format!("the gateway answered {}", status.as_u16());
    if status.is_success() {
        Ok(())
    } else if status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429) {
        Err(SendError::Later(reason))
    } else {
        Err(SendError::Never(reason))
    }
}

/// See the module.
fn signature(secret: &SecretString, timestamp: u64, id: &str, body: &[u8]) -> String {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes()).expect("HMAC takes keys of any length");
    mac.update(format!("v1:{timestamp}:{id}:").as_bytes());
    mac.update(body);
    let tag = mac.finalize().into_bytes();
    let mut text = String::from("v1=");
    for byte in tag {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn kind(template: &MailTemplate) -> &'static str {
    match template {
        MailTemplate::AddressAlreadyRegistered {} => "address_already_registered",
        MailTemplate::AuthenticatorAdded { .. } => "authenticator_added",
        MailTemplate::LoginCode { .. } => "login_code",
        MailTemplate::ConfirmAddress { .. } => "confirm_address",
        MailTemplate::ResetPassword { .. } => "reset_password",
        MailTemplate::AddressChanged { .. } => "address_changed",
        MailTemplate::Notice { .. } => "notice",
    }
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
