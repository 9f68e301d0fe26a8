//! Networks that an account logged in from: what the risk rules call an address that was seen before.

use super::decision::Moment;
use super::standing::Standing;
use crate::error::Fault;
use crate::ids::AccountId;
use crate::limits::NETWORKS_PER_ACCOUNT_MAX;
use crate::policy::network::Network;
use crate::policy::risk::Facts;
use crate::query;
use crate::tables::schema::{decode_row, pair_key, put};
use crate::tables::{Table, Tables, TablesRead};
use crate::time::Timestamp;

/// Remembers the network of a login. Beyond the bound the one that was not seen for longest goes.
pub(super) fn note(moment: Moment<'_>, account: AccountId, tables: &mut impl Tables) -> Result<(), Fault> {
    let Some(network) = Network::of(&moment.client.address) else {
        return Ok(());
    };
    let key = pair_key(&account.0, &network.key());
    let known = known(tables, account)?;
    let full = known.len() >= NETWORKS_PER_ACCOUNT_MAX && !known.iter().any(|(other, _)| *other == key);
    if let Some((oldest, _)) = known
        .iter()
        .min_by_key(|(key, seen)| (*seen, key.clone()))
        .filter(|_| full)
    {
        tables.remove(Table::KnownNetworks, oldest)?;
    }
    put(tables, Table::KnownNetworks, &key, &moment.now)
}

/// Forgets every network of an account.
pub(super) fn forget_all(account: AccountId, tables: &mut impl Tables) -> Result<(), Fault> {
    for (key, _) in known(tables, account)? {
        tables.remove(Table::KnownNetworks, &key)?;
    }
    Ok(())
}

/// What the risk rules look at.
pub(super) fn facts(
    moment: Moment<'_>,
    standing: &Standing,
    share: Option<u16>,
    tables: &impl TablesRead,
) -> Result<Facts, Fault> {
    let account = &standing.account;
    let known = known(tables, account.id)?;
    let here = Network::of(&moment.client.address).map(|network| pair_key(&account.id.0, &network.key()));
    let seen = known.iter().any(|(key, _)| Some(key) == here.as_ref());
    let devices = query::devices(tables, account.id)?;
    Ok(Facts {
        role: account.role,
        known_network: (!known.is_empty()).then_some(seen),
        known_device: (!devices.is_empty()).then_some(standing.device().is_some()),
        rested_seconds: account.last_login_at.map(|last| last.seconds_until(moment.now)),
        share,
        has_method: !standing.methods().is_empty(),
    })
}

fn known(tables: &impl TablesRead, account: AccountId) -> Result<Vec<(Vec<u8>, Timestamp)>, Fault> {
    let rows = query::of_account(tables, Table::KnownNetworks, account, NETWORKS_PER_ACCOUNT_MAX)?;
    rows.into_iter()
        .map(|(key, row)| Ok((key, decode_row(Table::KnownNetworks, &row)?)))
        .collect()
}
