//! Remembered devices.

use crate::operation::{Access, Answer, Operation};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

const GROUP: &str = "Devices";

/// Lists devices.
pub const LIST: Operation = Operation::get(
    "/v1/devices",
    "list_devices",
    GROUP,
    "Devices that the account remembers.",
)
.access(Access::Session)
.answers(&[Answer::json::<Vec<Device>>(200, "In the order of their making.")]);

/// Forgets a device.
pub const FORGET: Operation = Operation::delete(
    "/v1/devices/{id}",
    "forget_device",
    GROUP,
    "Forget a device. Its sessions end.",
)
.access(Access::Session)
.answers(&[Answer::empty(204, "The device is a stranger again.")]);

/// A device as its owner sees it.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Device {
    /// Its id.
    pub id: String,
    /// What it said it was, when it was remembered.
    pub label: String,
    /// Whether its owner asked to have it remembered; others are known so that strangers cannot lock them out.
    pub remembered: bool,
    /// When it was first seen, RFC 3339.
    pub created_at: String,
    /// When it was last used to log in, RFC 3339.
    pub last_seen_at: String,
    /// Address it last logged in from.
    pub ip: String,
    /// Whether it is the one that asks.
    pub current: bool,
}
