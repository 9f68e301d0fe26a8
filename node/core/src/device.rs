//! Remembered devices. A device shows a token with a generation that grows with every login; an old one was copied.

use crate::ids::{AccountId, DeviceId};
use crate::policy::throttle::Throttle;
use crate::time::Timestamp;
use minicbor::{Decode, Encode};

/// A row of the devices table.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Device {
    /// Its id.
    #[n(0)]
    pub id: DeviceId,
    /// Whose it is.
    #[n(1)]
    pub account: AccountId,
    /// What it is called, e.g. `Firefox on Linux`.
    #[n(2)]
    pub name: String,
    /// Generation of its live token, from 1.
    #[n(3)]
    pub generation: u32,
    /// When that generation was made.
    #[n(4)]
    pub rotated_at: Timestamp,
    /// When it was first seen.
    #[n(5)]
    pub created_at: Timestamp,
    /// When it last logged in.
    #[n(6)]
    pub last_seen_at: Timestamp,
    /// Address it last logged in from.
    #[n(7)]
    pub client_address: String,
    /// Whether its owner asked to have it remembered. Only such a device may stand for a second factor, where the policy
    /// lets it.
    #[n(8)]
    pub remembered: bool,
    /// Its own budget: what strangers fail does not count here (TH-5).
    #[n(9)]
    pub throttle: Throttle,
    /// Consecutive wrong second factors on it.
    #[n(10)]
    pub answers: Throttle,
}

/// The token that a client showed, its signature already checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct DeviceProof {
    /// Which device.
    #[n(0)]
    pub device: DeviceId,
    /// Generation in the token.
    #[n(1)]
    pub generation: u32,
}

/// What a new device token is made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct DeviceGrant {
    /// Which device.
    #[n(0)]
    pub device: DeviceId,
    /// Generation of its token.
    #[n(1)]
    pub generation: u32,
}
