//! Session families. No token is stored: a family remembers which generation of its refresh token is live.

use crate::factor::Methods;
use crate::ids::{AccountId, DeviceId, SessionId};
use crate::reply::SessionGrant;
use crate::tables::schema::is_default;
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
    /// What its owner proved. By default what every session of the first version proved: password and TOTP.
    #[cbor(n(8), skip_if = "is_default")]
    pub proved: Proved,
    /// When it was started; none: at `auth_time`.
    #[n(9)]
    pub created_at: Option<Timestamp>,
    /// How long its tokens may rest before it is over, in seconds; none: until `expires_at`.
    #[n(10)]
    pub idle_seconds: Option<u64>,
    /// The remembered device that it was started on.
    #[n(11)]
    pub device: Option<DeviceId>,
    /// What the client calls itself.
    #[n(12)]
    pub agent: Option<String>,
}

/// A set of methods whose default is password and TOTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct Proved(pub Methods);

impl Default for Proved {
    fn default() -> Self {
        Self(Methods::PASSWORD.and(Methods::TOTP))
    }
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
            proved: self.proved,
            device: None,
        }
    }

    /// Whether tokens of this family are good at `now`.
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        #[cfg(feature = "mutations")]
        if mutations::on(mutations::Mutation::RevokeForgotten) {
            return now < self.ends_at();
        }
        self.revoked_at.is_none() && now < self.ends_at()
    }

    /// When it is over if nothing is refreshed.
    #[must_use]
    pub fn ends_at(&self) -> Timestamp {
        match self.idle_seconds {
            Some(seconds) => self.expires_at.min(self.rotated_at.plus_seconds(seconds)),
            None => self.expires_at,
        }
    }

    /// When it was started.
    #[must_use]
    pub fn started_at(&self) -> Timestamp {
        self.created_at.unwrap_or(self.auth_time)
    }
}
