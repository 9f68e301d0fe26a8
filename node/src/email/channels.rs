//! The ways out for one row of the outbox: mail, or the operator's gateway.

use super::message::{Sender, compose, write};
use super::texts::expires_at;
use super::transport::{SendError, Transport};
use crate::gateway::Gateway;
use crate::limits::MAIL_AGE_SECONDS_MAX;
use crate::secrets::KeyRing;
use auth_core::outbox::{Channel, Mail};
use auth_core::time::Timestamp;
use std::sync::Arc;
use std::time::Instant;

/// Everything that hands messages over.
pub struct Channels {
    /// Key ring that opens what messages carry.
    pub ring: Arc<KeyRing>,
    /// Mail, where it is configured, and who it comes from.
    pub mail: Option<(Sender, Transport)>,
    /// The gateway, where it is configured.
    pub gateway: Option<Gateway>,
}

/// Why a row is not worth handing over at `now`; none when it is.
pub(super) fn is_void(mail: &Mail, now: Timestamp) -> Option<&'static str> {
    if expires_at(&mail.template).is_some_and(|end| end <= now) {
        return Some("what it carries expired before it could be sent");
    }
    if mail.created_at.seconds_until(now) > MAIL_AGE_SECONDS_MAX {
        return Some("it could not be sent for too long");
    }
    None
}

impl Channels {
    /// Whether it is known that nobody of this channel takes anything at this moment.
    pub(super) fn rests(&self, channel: Channel, now: Instant) -> bool {
        match (channel, &self.mail) {
            (Channel::Mail, Some((_, transport))) => transport.rests(now),
            (Channel::Mail, None) | (Channel::Gateway, Some(_) | None) => false,
        }
    }

    /// Hands one row over, if it is still worth it at `now`.
    pub(super) async fn hand_over(&self, cluster_id: &str, mail: &Mail, now: Timestamp) -> Result<(), SendError> {
        if let Some(reason) = is_void(mail, now) {
            return Err(SendError::Never(reason.into()));
        }
        match mail.channel {
            Channel::Mail => {
                let Some((sender, transport)) = &self.mail else {
                    return Err(SendError::Server("no mail transport is configured".into()));
                };
                let message = compose(sender, cluster_id, &self.ring, mail)
                    .map_err(|error| SendError::Never(error.to_string()))?;
                transport.send(mail.key, message).await
            }
            Channel::Gateway => {
                let Some(gateway) = &self.gateway else {
                    return Err(SendError::Server("no gateway is configured".into()));
                };
                let (text, secret) = write(&self.ring, mail).map_err(|error| SendError::Never(error.to_string()))?;
                let code = secret.as_ref().map(|secret| secret.as_str());
                gateway.send(cluster_id, mail, &text, code, now).await
            }
        }
    }
}
