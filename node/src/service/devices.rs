//! `list_devices` and `forget_device`.

use super::error::refusal;
use super::{Auth, Authenticated, ServiceError};
use crate::http::context::RequestContext;
use auth_core::command::{Command, ForgetDevice};
use auth_core::device::Device;
use auth_core::ids::DeviceId;
use auth_core::query;
use auth_core::reply::Reply;

impl Auth {
    /// Devices that the account knows, in the order of their making.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub async fn list_devices(
        &self,
        ctx: &RequestContext,
        current: &Authenticated,
    ) -> Result<Vec<Device>, ServiceError> {
        let view = self.current_view(ctx).await?;
        let mut devices = query::devices(&view, current.account.id)?;
        devices.sort_by_key(|device| (device.created_at, device.id));
        Ok(devices)
    }

    /// Forgets a device; its sessions end.
    ///
    /// # Errors
    /// `Denied(NotFound)`.
    pub async fn forget_device(
        &self,
        ctx: &RequestContext,
        current: &Authenticated,
        device: DeviceId,
    ) -> Result<(), ServiceError> {
        let request_id = Self::request_id(ctx, "forget_device", &device.0);
        let command = Command::ForgetDevice(ForgetDevice {
            session: current.session.id,
            device,
        });
        match self.propose(ctx, request_id, command).await? {
            Reply::Done {} => Ok(()),
            other => Err(refusal("forget_device", &other)),
        }
    }

    /// The device whose token the request shows.
    #[must_use]
    pub fn shown_device(&self, ctx: &RequestContext) -> Option<DeviceId> {
        self.device_proof(ctx).map(|proof| proof.device)
    }
}
