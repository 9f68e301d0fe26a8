//! Puts values that were sealed anew in the place of the same values sealed before. Whatever changed meanwhile stays: it
//! was sealed by somebody who has the new key already, or is looked at again in the next round.

use super::decision::{Decision, Moment};
use crate::command::Reseal;
use crate::error::Fault;
use crate::keys::{RESEAL_KEY, ResealProgress};
use crate::limits::RESEALED_PER_ENTRY_MAX;
use crate::query::{self, sealed};
use crate::reply::{Denial, Reply};
use crate::secret::Mac;
use crate::tables::schema::put;
use crate::tables::{Table, Tables};
use sha2::{Digest as _, Sha256};

pub(super) fn apply(moment: Moment<'_>, command: &Reseal, tables: &mut impl Tables) -> Result<Decision, Fault> {
    if command.values.len() > RESEALED_PER_ENTRY_MAX {
        return Ok(Decision::denied(Denial::InvalidCommand {}));
    }
    let (mut count, mut skipped) = (0, 0);
    for value in &command.values {
        let Some(table) = sealed::table(value.at.table) else {
            return Ok(Decision::denied(Denial::InvalidCommand {}));
        };
        let row = tables.get(table, &value.at.key)?;
        let current = row
            .as_deref()
            .map(|row| sealed::read(table, row))
            .transpose()?
            .flatten();
        let same = current.is_some_and(|sealed| Mac(Sha256::digest(&sealed.0).into()).matches(&value.old));
        match row {
            Some(row) if same => {
                let changed = sealed::replace(table, &row, &value.new)?;
                tables.put(table, &value.at.key, changed)?;
                count += 1;
            }
            Some(_) | None => skipped += 1,
        }
    }
    let before = query::reseal_progress(tables)?.filter(|before| before.key == command.key && before.cursor.is_some());
    let progress = ResealProgress {
        key: command.key,
        cursor: command.cursor.clone(),
        count: before.as_ref().map_or(0, |before| before.count) + u64::from(count),
        started_at: before.map_or(moment.now, |before| before.started_at),
        updated_at: moment.now,
    };
    put(tables, Table::Meta, RESEAL_KEY, &progress)?;
    Ok(Decision::new(Reply::Resealed { count, skipped }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apply::testing::Bench;
    use crate::command::{Command, Resealed};
    use crate::keys::SealedRow;
    use crate::secret::Sealed;

    fn anew(row: &SealedRow) -> Resealed {
        Resealed {
            at: row.at.clone(),
            old: Mac(Sha256::digest(&row.sealed.0).into()),
            new: Sealed([b"anew ".as_slice(), &row.sealed.0].concat()),
        }
    }

    #[test]
    fn cr_1_every_sealed_value_is_found_once_and_sealed_anew_in_batches() {
        let mut bench = Bench::new();
        for name in ["ana", "ben", "eva"] {
            bench.bound_account(name);
        }
        let all = query::sealed_rows(&bench.tables, None, 100).unwrap();
        assert_eq!(all.len(), 6, "a password and a seed each");
        let mut cursor = None;
        let mut seen = 0;
        loop {
            let batch = query::sealed_rows(&bench.tables, cursor.as_ref(), 4).unwrap();
            seen += batch.len();
            cursor = if batch.len() == 4 {
                batch.last().map(|row| row.at.clone())
            } else {
                None
            };
            let reseal = Reseal {
                key: 2,
                values: batch.iter().map(anew).collect(),
                cursor: cursor.clone(),
            };
            let count = u32::try_from(batch.len()).unwrap();
            assert_eq!(
                bench.run(Command::Reseal(reseal)),
                Reply::Resealed { count, skipped: 0 }
            );
            bench.wait(1);
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(seen, all.len());
        let after = query::sealed_rows(&bench.tables, None, 100).unwrap();
        for (before, after) in all.iter().zip(&after) {
            assert_eq!((&before.at, &anew(before).new), (&after.at, &after.sealed));
        }
        let progress = query::reseal_progress(&bench.tables).unwrap().unwrap();
        assert_eq!((progress.key, progress.count, progress.cursor), (2, 6, None));
        assert!(progress.started_at < progress.updated_at);
    }

    #[test]
    fn a_value_that_changed_meanwhile_stays() {
        let mut bench = Bench::new();
        bench.register("ana", "ana@example.org");
        let row = query::sealed_rows(&bench.tables, None, 9).unwrap().remove(0);
        let stale = Resealed {
            old: Mac([0; 32]),
            ..anew(&row)
        };
        let mut gone = anew(&row);
        gone.at.key.push(0);
        let reseal = Reseal {
            key: 2,
            values: vec![stale, gone],
            cursor: None,
        };
        assert_eq!(
            bench.run(Command::Reseal(reseal)),
            Reply::Resealed { count: 0, skipped: 2 }
        );
        assert_eq!(
            query::sealed_rows(&bench.tables, None, 9).unwrap(),
            std::slice::from_ref(&row)
        );
        let elsewhere = Resealed {
            at: crate::keys::SealedAt {
                table: Table::Meta.number(),
                key: vec![1],
            },
            ..anew(&row)
        };
        for values in [vec![elsewhere], vec![anew(&row); RESEALED_PER_ENTRY_MAX + 1]] {
            let reseal = Reseal {
                key: 2,
                values,
                cursor: None,
            };
            assert_eq!(
                bench.run(Command::Reseal(reseal)),
                Reply::Denied(Denial::InvalidCommand {})
            );
        }
    }
}
