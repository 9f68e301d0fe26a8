//! What all cases came to, per file and kind.

use super::injury::Injury;
use super::judge::Outcome;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;

/// Numbers of cases by their ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Count {
    /// Sound, and everything is there.
    pub ok: u64,
    /// Told as damage.
    pub quarantine: u64,
    /// The reading process died, which its parent takes for damage. A failure: damage has to be told in words.
    pub died: u64,
    /// Told as something else. A failure.
    pub refused: u64,
    /// Lost without a word.
    pub silent: u64,
}

/// What a campaign has shown.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Table {
    /// Seed of the choices.
    pub seed: u64,
    /// Writes that had been acknowledged before.
    pub acknowledged: u64,
    /// By folder, file and kind.
    pub rows: BTreeMap<String, Count>,
    /// Each case that must not be, with what it takes to repeat it.
    pub failures: Vec<String>,
}

impl Table {
    pub(super) fn new(seed: u64, acknowledged: u64) -> Self {
        Self {
            seed,
            acknowledged,
            ..Self::default()
        }
    }

    pub(super) fn add(&mut self, patient: &str, injury: &Injury, outcome: Outcome) {
        let untouched = *injury == Injury::none();
        let count = self
            .rows
            .entry(format!("{patient:<9} {:<28} {}", injury.part, injury.kind()))
            .or_default();
        match outcome {
            Outcome::Ok => count.ok += 1,
            Outcome::Quarantine(why) | Outcome::Refused(why) | Outcome::Died(why) if untouched => {
                count.silent += 1;
                self.failures
                    .push(format!("{patient}: an untouched folder is refused: {why}"));
            }
            Outcome::Quarantine(_) => count.quarantine += 1,
            Outcome::Refused(why) => {
                count.refused += 1;
                self.not_told(patient, injury, &format!("refused as if it were no damage: {why}"));
            }
            Outcome::Died(why) => {
                count.died += 1;
                self.not_told(patient, injury, &format!("the process that read it died: {why}"));
            }
            Outcome::Silent(what) => {
                count.silent += 1;
                self.failures.push(format!("{patient}: {}: {what}", injury.describe()));
            }
        }
    }

    fn not_told(&mut self, patient: &str, injury: &Injury, what: &str) {
        self.failures.push(format!("{patient}: {}: {what}", injury.describe()));
    }

    /// All rows together.
    #[must_use]
    pub fn totals(&self) -> Count {
        self.rows.values().fold(Count::default(), |sum, row| Count {
            ok: sum.ok + row.ok,
            quarantine: sum.quarantine + row.quarantine,
            died: sum.died + row.died,
            refused: sum.refused + row.refused,
            silent: sum.silent + row.silent,
        })
    }
}

impl Count {
    /// Number of cases.
    #[must_use]
    pub fn cases(&self) -> u64 {
        self.ok + self.quarantine + self.died + self.refused + self.silent
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} OK, {} QUARANTINE, {} died, {} refused, {} silent",
            self.ok, self.quarantine, self.died, self.refused, self.silent
        )
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<55} {:>5} {:>10} {:>5} {:>7} {:>6}",
            "folder, file, damage", "OK", "QUARANTINE", "died", "refused", "silent"
        )?;
        for (row, count) in &self.rows {
            writeln!(
                f,
                "{row:<55} {:>5} {:>10} {:>5} {:>7} {:>6}",
                count.ok, count.quarantine, count.died, count.refused, count.silent
            )?;
        }
        let totals = self.totals();
        write!(
            f,
            "{} cases: {totals}. Seed {}, {} acknowledged writes before.",
            totals.cases(),
            self.seed,
            self.acknowledged
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn over_no_file_may_the_reader_die_or_call_damage_something_else() {
        for part in ["state/1/base/db", "log/0000000001.log", "state/1/redo", "guard"] {
            let mut table = Table::new(1, 1);
            for end in [
                Outcome::Died("exit code None".into()),
                Outcome::Refused("in use".into()),
            ] {
                table.add("alone", &Injury::removed(part), end);
            }
            assert_eq!((table.totals().died, table.totals().refused), (1, 1));
            let told = table.failures;
            assert_eq!(told.len(), 2, "{part}: {told:?}");
            assert!(
                told[0].contains(part) && told[0].contains("died") && told[1].contains("in use"),
                "{told:?}"
            );
        }
    }
}
