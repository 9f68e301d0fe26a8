//! Remembered devices: a login gives one a new generation of its token; an old generation that comes back was copied.

use super::decision::Moment;
use super::{outbox, sessions};
use crate::account::Account;
use crate::command::NewDevice;
use crate::device::{Device, DeviceGrant};
use crate::error::Fault;
use crate::ids::DeviceId;
use crate::limits::{DEVICES_PER_ACCOUNT_MAX, LABEL_BYTES_MAX};
use crate::outbox::Notice;
use crate::policy::throttle::Throttle;
use crate::query;
use crate::tables::schema::{pair_key, put};
use crate::tables::{Table, Tables};

/// Stores a device.
pub(super) fn store(device: &Device, tables: &mut impl Tables) -> Result<(), Fault> {
    put(
        tables,
        Table::Devices,
        &pair_key(&device.account.0, &device.id.0),
        device,
    )
}

/// Removes a device.
pub(super) fn forget(device: &Device, tables: &mut impl Tables) -> Result<(), Fault> {
    Ok(tables.remove(Table::Devices, &pair_key(&device.account.0, &device.id.0))?)
}

/// A login on a known device: its token rotates, its budget is clear.
pub(super) fn rotate(
    moment: Moment<'_>,
    device: &Device,
    asked: Option<&NewDevice>,
    tables: &mut impl Tables,
) -> Result<DeviceGrant, Fault> {
    let rotated = Device {
        // The last generation stays: it has no successor.
        generation: device.generation.saturating_add(1),
        rotated_at: moment.now,
        last_seen_at: moment.now,
        client_address: moment.client.address.clone(),
        remembered: device.remembered || asked.is_some_and(|new| new.remembered),
        throttle: Throttle::default(),
        answers: Throttle::default(),
        ..device.clone()
    };
    store(&rotated, tables)?;
    Ok(grant(&rotated))
}

/// A login on a device that shall be known from now on. Beyond the bound the one that was not seen for longest goes.
pub(super) fn register(
    moment: Moment<'_>,
    account: &Account,
    new: &NewDevice,
    tables: &mut impl Tables,
) -> Result<Option<DeviceGrant>, Fault> {
    // An id that is in use is a fault of the proposer's randomness. It must not replace a device.
    if query::device(tables, account.id, new.device)?.is_some() || new.name.len() > LABEL_BYTES_MAX {
        return Ok(None);
    }
    let known = query::devices(tables, account.id)?;
    if known.len() >= DEVICES_PER_ACCOUNT_MAX
        && let Some(oldest) = known.iter().min_by_key(|device| (device.last_seen_at, device.id))
    {
        forget(oldest, tables)?;
    }
    let device = Device {
        id: new.device,
        account: account.id,
        name: new.name.clone(),
        generation: 1,
        rotated_at: moment.now,
        created_at: moment.now,
        last_seen_at: moment.now,
        client_address: moment.client.address.clone(),
        remembered: new.remembered,
        throttle: Throttle::default(),
        answers: Throttle::default(),
    };
    store(&device, tables)?;
    Ok(Some(grant(&device)))
}

/// Forgets a device whose token was copied, ends its sessions and tells its owner.
pub(super) fn forget_copied(
    moment: Moment<'_>,
    account: &Account,
    device: &Device,
    tables: &mut impl Tables,
) -> Result<(), Fault> {
    forget(device, tables)?;
    end_sessions(moment, account, device.id, tables)?;
    outbox::notify(moment, account, Notice::DeviceTokenCopied {}, tables)
}

/// Ends the sessions that were started on a device.
pub(super) fn end_sessions(
    moment: Moment<'_>,
    account: &Account,
    device: DeviceId,
    tables: &mut impl Tables,
) -> Result<(), Fault> {
    for session in query::sessions_of(tables, account.id)? {
        if session.device == Some(device) {
            sessions::end(moment.now, session, tables)?;
        }
    }
    Ok(())
}

fn grant(device: &Device) -> DeviceGrant {
    DeviceGrant {
        device: device.id,
        generation: device.generation,
    }
}
