//! Writes the audit row of an entry and links it to the one before it; removes rows that are too old.

use super::decision::Decision;
use crate::audit::{AuditRow, CHAIN_START, Chain};
use crate::entry::Entry;
use crate::error::Fault;
use crate::ids::AccountId;
use crate::limits::{AUDIT_ROWS_MAX, AUDIT_ROWS_REMOVED_PER_ENTRY_MAX, AUDIT_SECONDS};
use crate::query;
use crate::reply::Reply;
use crate::tables::schema::{decode_row, pair_key, put};
use crate::tables::{Table, Tables};
use crate::time::Timestamp;

/// Greater than every log index.
const INDEXES_END: [u8; 9] = [0xff; 9];

/// Reports what an entry did, and gives its reply back.
pub(super) fn report(
    index: u64,
    entry: &Entry,
    at: Timestamp,
    decision: Decision,
    tables: &mut impl Tables,
) -> Result<Reply, Fault> {
    let trace = decision.trace;
    let mut row = AuditRow {
        at,
        request_id: entry.request_id,
        verb: entry.command.verb().to_owned(),
        outcome: decision.outcome.into_owned(),
        account: decision.account,
        client_address: entry.client.address.clone(),
        actor: trace.actor,
        session: trace.session,
        device: trace.device,
        methods: trace.methods,
        reasons: trace.reasons,
        shadow_reasons: trace.shadow_reasons,
        facts: trace.facts,
        chain: None,
    };
    let last = query::audit_head(tables)?;
    let number = last.map_or(0, |last| last.number).saturating_add(1);
    let previous = last.map_or(CHAIN_START, |last| last.link);
    let chain = Chain {
        number,
        previous,
        link: row.link_after(previous, number, index),
    };
    row.chain = Some(chain);
    put(tables, Table::Audit, &index.to_be_bytes(), &row)?;
    put(tables, Table::Meta, query::AUDIT_HEAD_KEY, &chain)?;
    if let Some(account) = row.account {
        put(tables, Table::AuditByAccount, &account_key(account, index), &())?;
    }
    remove_old(at, number, tables)?;
    Ok(decision.reply)
}

/// Key in the index by account: the newest first.
fn account_key(account: AccountId, index: u64) -> Vec<u8> {
    pair_key(&account.0, &(!index).to_be_bytes())
}

fn remove_old(now: Timestamp, newest: u64, tables: &mut impl Tables) -> Result<(), Fault> {
    for (key, row) in tables.range(Table::Audit, &[], &INDEXES_END, AUDIT_ROWS_REMOVED_PER_ENTRY_MAX)? {
        let row: AuditRow = decode_row(Table::Audit, &row)?;
        let surplus = row
            .chain
            .is_some_and(|chain| newest.saturating_sub(chain.number) >= AUDIT_ROWS_MAX);
        if !surplus && now < row.at.plus_seconds(AUDIT_SECONDS) {
            return Ok(());
        }
        tables.remove(Table::Audit, &key)?;
        if let (Some(account), Ok(index)) = (row.account, <[u8; 8]>::try_from(key.as_slice())) {
            tables.remove(Table::AuditByAccount, &account_key(account, u64::from_be_bytes(index)))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apply::testing::Bench;
    use crate::audit;
    use crate::command::{Command, DropSigningKeys};
    use crate::tables::TablesRead as _;

    #[test]
    fn lg_1_audit_rows_are_kept_for_their_time_and_what_is_left_is_a_chain_that_holds() {
        let mut bench = Bench::new();
        let account = bench.register("ana", "ana@example.org");
        for _ in 0..20 {
            bench.fail_passwords(account, 1);
            bench.wait(3600);
        }
        let rows = |bench: &Bench| -> Vec<(u64, AuditRow)> {
            let rows = bench.tables.range(Table::Audit, &[], &INDEXES_END, usize::MAX).unwrap();
            let index = |key: Vec<u8>| u64::from_be_bytes(key.try_into().unwrap());
            rows.into_iter()
                .map(|(key, row)| (index(key), decode_row(Table::Audit, &row).unwrap()))
                .collect()
        };
        let first = rows(&bench)[0].1.at;
        bench.now = Timestamp(first.plus_seconds(AUDIT_SECONDS).0 - 1);
        bench.run(Command::DropSigningKeys(DropSigningKeys {}));
        assert_eq!(rows(&bench).len() as u64, bench.index, "not a day too early");
        bench.wait(10 * 3600);
        for _ in 0..9 {
            bench.run(Command::DropSigningKeys(DropSigningKeys {}));
        }
        let left = rows(&bench);
        assert!(
            left.iter()
                .all(|(_, row)| bench.now < row.at.plus_seconds(AUDIT_SECONDS))
        );
        let head = audit::verify(left.iter().map(|(index, row)| (*index, row))).unwrap();
        assert_eq!(head, query::audit_head(&bench.tables).unwrap());
        // The index by account has gone with them.
        let indexed = bench.tables.rows().filter(|row| row.0 == Table::AuditByAccount).count();
        assert_eq!(indexed, left.iter().filter(|(_, row)| row.account.is_some()).count());
    }
}
