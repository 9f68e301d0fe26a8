//! Session families. No token is stored: a family remembers which generation of its refresh token is live.

use crate::ids::{AccountId, SessionId};
use crate::reply::SessionGrant;
use crate::time::Timestamp;
use minicbor::{Decode, Encode};

/// A row of the sessions table.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Session {
    /// Its id.
    #[n(0)]
    pub id: SessionId,
    /// Whose it is.
    #[n(1)]
    pub account: AccountId,
    /// Generation of the live refresh token, from 1.
    #[n(2)]
    pub generation: u32,
    /// When that generation was made.
    #[n(3)]
    pub rotated_at: Timestamp,
    /// When the owner proved both factors.
    #[n(4)]
    pub auth_time: Timestamp,
    /// Absolute end, however often it is refreshed (RT-3).
    #[n(5)]
    pub expires_at: Timestamp,
    /// When it was ended before that: logout, or a refresh token that came back.
    #[n(6)]
    pub revoked_at: Option<Timestamp>,
    /// Address of the client that logged in.
    #[n(7)]
    pub client_address: String,
}

impl Session {
    /// What the tokens of the live generation are made from: the same bytes, whenever it is asked.
    #[must_use]
    pub fn grant(&self) -> SessionGrant {
        SessionGrant {
            session: self.id,
            account: self.account,
            generation: self.generation,
            issued_at: self.rotated_at,
            auth_time: self.auth_time,
            expires_at: self.expires_at,
        }
    }

    /// Whether tokens of this family are good at `now`.
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && now < self.expires_at
    }
}
