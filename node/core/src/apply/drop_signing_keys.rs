//! Removes signing keys whose last token is over. The one that signs has no end and stays.

use super::decision::{Decision, Moment};
use crate::error::Fault;
use crate::keys::{KeyState, states};
use crate::query;
use crate::reply::Reply;
use crate::tables::{Table, Tables};

pub(super) fn apply(moment: Moment<'_>, tables: &mut impl Tables) -> Result<Decision, Fault> {
    let keys = query::signing_keys(tables)?;
    let states = states(&keys, moment.now);
    let mut outcome = "none_due";
    for (key, state) in keys.iter().zip(states) {
        if state == KeyState::Retired {
            tables.remove(Table::SigningKeys, key.kid.as_bytes())?;
            outcome = "signing_keys_dropped";
        }
    }
    Ok(Decision::new(Reply::Done {}).known_as(outcome))
}
