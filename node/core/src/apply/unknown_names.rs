//! Failures charged to names that no account has: the same budget as an account's, so that it tells nothing (TH-6).
//!
//! Bounded twice: by age, and by number, where the one whose last failure is the oldest is forgotten first.

use super::expiry::{self, Kind};
use crate::error::Fault;
use crate::ids::NameMac;
use crate::policy::throttle::Throttle;
use crate::query;
use crate::tables::schema::{decode_row, get, pair_key, put};
use crate::tables::{Table, Tables, TablesRead};
use crate::time::Timestamp;

/// Key in the meta table of the number of remembered names.
pub(super) const COUNT_KEY: &[u8] = b"unknown_names";

/// Names that one entry forgets at most: two, so that the table shrinks should its bound be lowered.
const EVICTED_PER_ENTRY_MAX: u64 = 2;

/// Greater than every key of the index by age.
const KEYS_END: [u8; 25] = [0xff; 25];

/// What was charged to a name and is not forgotten at `now`.
pub(super) fn throttle(now: Timestamp, name: NameMac, tables: &impl TablesRead) -> Result<Throttle, Fault> {
    Ok(query::unknown_name(tables, name)?.remembered(now))
}

/// Charges a failure; at most `names_max` names are remembered afterwards.
pub(super) fn charge(now: Timestamp, name: NameMac, names_max: u64, tables: &mut impl Tables) -> Result<(), Fault> {
    let charged = throttle(now, name, tables)?.charged(now);
    forget(name, tables)?;
    make_room(names_max, tables)?;
    put(tables, Table::UnknownNames, &name.0, &charged)?;
    put(tables, Table::UnknownNamesByAge, &age_key(charged, name), &name)?;
    expiry::schedule(charged.forgotten_at(), Kind::UnknownName, &name.0, tables)?;
    set_count(count(tables)?.saturating_add(1), tables)
}

/// Forgets a name whose last failure is long enough ago.
pub(super) fn forget_if_due(now: Timestamp, name: NameMac, tables: &mut impl Tables) -> Result<(), Fault> {
    if query::unknown_name(tables, name)?.forgotten_at() <= now {
        forget(name, tables)
    } else {
        Ok(())
    }
}

fn make_room(names_max: u64, tables: &mut impl Tables) -> Result<(), Fault> {
    let surplus = count(tables)?
        .saturating_add(1)
        .saturating_sub(names_max)
        .min(EVICTED_PER_ENTRY_MAX);
    let limit = usize::try_from(surplus).unwrap_or(usize::MAX);
    for (_, row) in tables.range(Table::UnknownNamesByAge, &[], &KEYS_END, limit)? {
        forget(decode_row(Table::UnknownNamesByAge, &row)?, tables)?;
    }
    Ok(())
}

/// Removes every trace of a name, if there is one.
fn forget(name: NameMac, tables: &mut impl Tables) -> Result<(), Fault> {
    let Some(throttle) = get::<Throttle>(tables, Table::UnknownNames, &name.0)? else {
        return Ok(());
    };
    tables.remove(Table::UnknownNames, &name.0)?;
    tables.remove(Table::UnknownNamesByAge, &age_key(throttle, name))?;
    expiry::cancel(throttle.forgotten_at(), Kind::UnknownName, &name.0, tables)?;
    set_count(count(tables)?.saturating_sub(1), tables)
}

fn age_key(throttle: Throttle, name: NameMac) -> Vec<u8> {
    pair_key(&throttle.last_failure_at.0.to_be_bytes(), &name.0)
}

fn count(tables: &impl TablesRead) -> Result<u64, Fault> {
    Ok(get(tables, Table::Meta, COUNT_KEY)?.unwrap_or_default())
}

fn set_count(count: u64, tables: &mut impl Tables) -> Result<(), Fault> {
    put(tables, Table::Meta, COUNT_KEY, &count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::PASSWORD_FAILURES_SECONDS;
    use crate::tables::memory::MemoryTables;

    fn name(number: u64) -> NameMac {
        NameMac(u128::from(number).to_be_bytes())
    }

    fn rows(tables: &MemoryTables, table: Table) -> usize {
        tables.rows().filter(|row| row.0 == table).count()
    }

    #[test]
    fn th_6_remembered_names_are_bounded_and_the_oldest_goes_first() {
        let mut tables = MemoryTables::default();
        for number in 0..100 {
            charge(Timestamp::from_seconds(number), name(number), 10, &mut tables).unwrap();
            // A name that keeps failing is not the oldest, so it stays.
            charge(Timestamp::from_seconds(number), name(0), 10, &mut tables).unwrap();
            assert!(count(&tables).unwrap() <= 10);
            for table in [Table::UnknownNames, Table::UnknownNamesByAge, Table::Expiry] {
                assert_eq!(rows(&tables, table) as u64, count(&tables).unwrap(), "{table:?}");
            }
        }
        assert_eq!(query::unknown_name(&tables, name(0)).unwrap().failures, 101);
        assert_eq!(query::unknown_name(&tables, name(91)).unwrap().failures, 1);
        assert_eq!(query::unknown_name(&tables, name(90)).unwrap().failures, 0);
    }

    #[test]
    fn a_lowered_bound_is_reached_step_by_step() {
        let mut tables = MemoryTables::default();
        for number in 0..10 {
            charge(Timestamp::from_seconds(number), name(number), 10, &mut tables).unwrap();
        }
        let mut counts = Vec::new();
        for number in 10..18 {
            charge(Timestamp::from_seconds(number), name(number), 5, &mut tables).unwrap();
            counts.push(count(&tables).unwrap());
        }
        assert_eq!(counts, [9, 8, 7, 6, 5, 5, 5, 5]);
    }

    #[test]
    fn a_name_is_forgotten_after_its_time_and_not_before() {
        let mut tables = MemoryTables::default();
        let end = Timestamp::from_seconds(5 + PASSWORD_FAILURES_SECONDS);
        charge(Timestamp::from_seconds(1), name(1), 10, &mut tables).unwrap();
        charge(Timestamp::from_seconds(5), name(1), 10, &mut tables).unwrap();
        forget_if_due(Timestamp(end.0 - 1), name(1), &mut tables).unwrap();
        assert_eq!(throttle(Timestamp(end.0 - 1), name(1), &tables).unwrap().failures, 2);
        assert_eq!(throttle(end, name(1), &tables).unwrap(), Throttle::default());
        forget_if_due(end, name(1), &mut tables).unwrap();
        assert_eq!(count(&tables).unwrap(), 0);
        assert_eq!(tables.rows().count(), 1, "only the count is left");
    }
}
