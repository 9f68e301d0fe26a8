//! Known bugs that take more than a line where they are put back; only in builds with the feature `mutations`.

use crate::error::Fault;
use crate::tables::schema::put;
use crate::tables::{Table, Tables};
use crate::time::Timestamp;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A row that tells how many entries this process has applied: two replicas differ once one of them applied some again.
pub(super) fn depend_on_the_process(now: Timestamp, tables: &mut impl Tables) -> Result<(), Fault> {
    static APPLIED: AtomicU64 = AtomicU64::new(0);
    if !mutations::on(mutations::Mutation::AmbientOrder) {
        return Ok(());
    }
    let row = Timestamp(now.0.wrapping_add(APPLIED.fetch_add(1, Relaxed)));
    put(tables, Table::Meta, b"ambient", &row)
}
