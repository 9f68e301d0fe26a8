//! Forgets a remembered device of one's own account; its sessions end.

use super::decision::{Decision, Moment};
use super::devices;
use super::sessions::{self, Acting};
use crate::command::ForgetDevice;
use crate::error::Fault;
use crate::query;
use crate::reply::Denial;
use crate::tables::Tables;

pub(super) fn apply(moment: Moment<'_>, command: &ForgetDevice, tables: &mut impl Tables) -> Result<Decision, Fault> {
    let Acting { session, account } = match sessions::acting(moment, command.session, tables)? {
        Ok(acting) => acting,
        Err(denial) => return Ok(Decision::denied(denial).by(command.session)),
    };
    let Some(device) = query::device(tables, account.id, command.device)? else {
        return Ok(Decision::denied(Denial::NotFound {}).about(account.id).by(session.id));
    };
    devices::forget(&device, tables)?;
    devices::end_sessions(moment, &account, device.id, tables)?;
    Ok(Decision::done("device_forgotten").about(account.id).by(session.id))
}
