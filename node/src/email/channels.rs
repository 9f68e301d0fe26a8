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

/// Everything that hands messages over.
pub struct Channels {
    /// Key ring that opens what messages carry.
    pub ring: Arc<KeyRing>,
    /// Mail, where it is configured, and who it comes from.
    pub mail: Option<(Sender, Transport)>,
    /// The gateway, where it is configured.
    pub gateway: Option<Gateway>,
}

impl Channels {
    /// Hands one row over, if it is still worth it at `now`.
    pub(super) async fn hand_over(&self, cluster_id: &str, mail: &Mail, now: Timestamp) -> Result<(), SendError> {
        if expires_at(&mail.template).is_some_and(|end| end <= now) {
            return Err(SendError::Never(
                "what it carries expired before it could be sent".into(),
            ));
        }
        if mail.created_at.seconds_until(now) > MAIL_AGE_SECONDS_MAX {
            return Err(SendError::Never("it could not be sent for too long".into()));
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
