//! The whole state machine on one page: remembered reply, log clock, dispatch, audit.

use crate::entry::Entry;
use crate::error::Fault;
use crate::reply::Reply;
use crate::tables::Tables;

/// Key of the log's clock in the meta table.
pub const CLOCK_KEY: &[u8] = b"clock";

/// Applies the entry at `index`.
///
/// # Errors
/// A [`Fault`] stops the node: it must not go on with a state that may differ from the others'.
pub fn apply(index: u64, entry: &Entry, tables: &mut impl Tables) -> Result<Reply, Fault> {
    let _ = (index, entry, tables);
    Err(Fault::Invariant("not built yet"))
}
