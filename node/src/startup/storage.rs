//! The data folder on the way to a serving node: checked before it is opened, taken out of use when it must not be used
//! and the configuration says so.
//!
//! Must not open a folder that was called damaged, not even to look.

use super::{Ended, words};
use crate::config::Config;
use crate::data_folder::{OnDamage, check, take_out_of_use};
use crate::replication::Replication;
use crate::telemetry::metrics::Metrics;
use raft_store::OpenError;
use raft_store::quarantine::{burned, mark};
use raft_store::verify::{Verdict, is_damage};

/// Checks the folder. With `on_damage = "rejoin"` a damaged one is emptied, and `store` told to join anew.
pub(super) async fn make_usable(config: &Config, store: &mut raft_store::Config) -> Result<(), Ended> {
    match check(&config.data_dir).await {
        Verdict::Sound(_) => {}
        Verdict::Refused(why) => return Err(Ended::Refused(why)),
        Verdict::Quarantine(why) => match config.on_damage {
            OnDamage::Stop => return Err(Ended::Quarantined(what_to_do(config, &why))),
            OnDamage::Rejoin => {
                take_out_of_use(&config.data_dir, &why).map_err(Ended::Quarantined)?;
            }
        },
    }
    let burned = burned(&config.data_dir).map_err(words)?;
    match (burned.last(), config.on_damage) {
        (Some(last), OnDamage::Rejoin) => rejoin(store, last.node_id.or(config.node_id)),
        (Some(_) | None, OnDamage::Stop) | (None, OnDamage::Rejoin) => Ok(()),
    }
}

/// Lets the store join as a new node in the place of `old`.
fn rejoin(store: &mut raft_store::Config, old: Option<u64>) -> Result<(), Ended> {
    let folder = store.data_dir.display();
    let Some(old) = old else {
        return Err(Ended::Quarantined(format!(
            "the damaged content of {folder} did not say which node it was: it lies in {folder}/quarantine-*; let this \
             machine join with a token"
        )));
    };
    // A folder that has joined already is not asked again.
    store.node_id = None;
    store.join.get_or_insert(raft_store::Join::Replace { old });
    Ok(())
}

/// Opens the store. What only opening finds is damage as well.
pub(super) async fn open(config: &Config, store: raft_store::Config, metrics: Metrics) -> Result<Replication, Ended> {
    let error = match Replication::open(store, metrics).await {
        Ok(replication) => return Ok(replication),
        Err(error) => error,
    };
    if !is_damage(&error) {
        return Err(words(error));
    }
    if config.on_damage == OnDamage::Rejoin && !matches!(error, OpenError::Burned { .. }) {
        // This process may still hold files of the folder; the next one takes it out of use.
        mark(&config.data_dir, &error.to_string()).map_err(words)?;
    }
    Err(Ended::Quarantined(what_to_do(config, &error.to_string())))
}

pub(super) fn what_to_do(config: &Config, why: &str) -> String {
    let folder = config.data_dir.display();
    match config.on_damage {
        OnDamage::Stop => format!(
            "{why}. Nothing was changed. The other members serve on. Keep a copy of {folder} if you want to know more, then let this \
             machine join as a new node: infra/runbooks/damaged-disk.md"
        ),
        OnDamage::Rejoin => format!("{why}. Start this node again: it moves the content aside and joins as a new node"),
    }
}
