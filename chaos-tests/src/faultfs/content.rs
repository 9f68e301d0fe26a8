//! The bytes of one file, twice: as programs see them, and as a power loss would leave them for certain; with the
//! changes in between, in order. Pure: chance comes from the dice it is given.

use super::limits::{PAGE_BYTES, SECTOR_BYTES};
use crate::entropy::Dice;
use std::collections::BTreeMap;
use std::ops::Range;

/// A change that no fsync has covered.
#[derive(Clone, Debug)]
enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Length(usize),
}

/// How much of the changes a power loss keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// None of them.
    Nothing,
    /// All of them.
    Everything,
    /// Each page on its own: lost, kept, or as at some moment in between; torn in so many of a hundred cases.
    Pages {
        /// Chance that a page is torn between two such states.
        torn_percent: u64,
    },
}

/// One file.
#[derive(Clone, Debug, Default)]
pub struct Content {
    live: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<Change>,
}

impl Content {
    /// What programs see.
    #[must_use]
    pub fn live(&self) -> &[u8] {
        &self.live
    }

    /// Changes that a power loss may take.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Bytes from `offset` on, fewer at the end of the file.
    #[must_use]
    pub fn read(&self, offset: usize, length: usize) -> &[u8] {
        let end = offset.saturating_add(length).min(self.live.len());
        self.live.get(offset..end).unwrap_or_default()
    }

    /// Writes; a gap before `offset` reads as zeros.
    pub fn write(&mut self, offset: usize, bytes: &[u8]) {
        put(&mut self.live, offset, bytes);
        self.pending.push(Change::Write {
            offset,
            bytes: bytes.to_vec(),
        });
    }

    /// Cuts or extends with zeros.
    pub fn set_length(&mut self, length: usize) {
        self.live.resize(length, 0);
        self.pending.push(Change::Length(length));
    }

    /// An fsync that succeeded.
    pub fn sync(&mut self) {
        for change in std::mem::take(&mut self.pending) {
            apply(&mut self.durable, &change);
        }
    }

    /// An fsync that failed: what it covered is still seen, and will never be on the disk.
    pub fn fail_sync(&mut self) {
        self.pending.clear();
    }

    /// The file after a power loss.
    #[must_use]
    pub fn after_power_loss(&self, fate: Fate, dice: &mut Dice) -> Self {
        let left = match fate {
            Fate::Nothing => self.durable.clone(),
            Fate::Everything => self.replayed(),
            Fate::Pages { torn_percent } => self.some_pages(torn_percent, dice),
        };
        Self {
            live: left.clone(),
            durable: left,
            pending: Vec::new(),
        }
    }

    /// Durable bytes with every pending change: not always what is seen, because an fsync may have failed.
    fn replayed(&self) -> Vec<u8> {
        let mut bytes = self.durable.clone();
        self.pending.iter().for_each(|change| apply(&mut bytes, change));
        bytes
    }

    fn some_pages(&self, torn_percent: u64, dice: &mut Dice) -> Vec<u8> {
        let length = self.some_length(dice);
        let mut bytes = self.durable.clone();
        bytes.resize(length, 0);
        for (page, changes) in self.changes_by_page() {
            let start = page * PAGE_BYTES;
            if start >= length {
                continue;
            }
            let one = self.page_at(page, &changes[..some_moment(changes.len(), dice)]);
            let other = if dice.percent(torn_percent) {
                self.page_at(page, &changes[..some_moment(changes.len(), dice)])
            } else {
                one.clone()
            };
            for sector in (0..PAGE_BYTES).step_by(SECTOR_BYTES) {
                let from = if dice.percent(50) { &one } else { &other };
                let at = start + sector;
                let end = (at + SECTOR_BYTES).min(length);
                if at < end {
                    bytes[at..end].copy_from_slice(&from[sector..sector + (end - at)]);
                }
            }
        }
        bytes
    }

    /// One of the lengths that the file has had since the last fsync.
    fn some_length(&self, dice: &mut Dice) -> usize {
        let mut lengths = vec![self.durable.len()];
        for change in &self.pending {
            let before = lengths.last().copied().unwrap_or(0);
            let after = match change {
                Change::Write { offset, bytes } => before.max(offset + bytes.len()),
                Change::Length(length) => *length,
            };
            lengths.push(after);
        }
        lengths[some_moment(lengths.len() - 1, dice)]
    }

    fn changes_by_page(&self) -> BTreeMap<usize, Vec<usize>> {
        let mut pages: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        let mut length = self.durable.len();
        for (index, change) in self.pending.iter().enumerate() {
            let touched = match change {
                Change::Write { offset, bytes } => *offset..offset + bytes.len(),
                Change::Length(new) => *new..length.max(*new),
            };
            length = match change {
                Change::Write { .. } => length.max(touched.end),
                Change::Length(new) => *new,
            };
            for page in pages_of(&touched) {
                pages.entry(page).or_default().push(index);
            }
        }
        pages
    }

    /// A page with some of the changes that touch it.
    fn page_at(&self, page: usize, changes: &[usize]) -> Vec<u8> {
        let start = page * PAGE_BYTES;
        let mut bytes = vec![0; PAGE_BYTES];
        let old = self.durable.get(start..).unwrap_or_default();
        let old = &old[..old.len().min(PAGE_BYTES)];
        bytes[..old.len()].copy_from_slice(old);
        for index in changes {
            match &self.pending[*index] {
                Change::Write { offset, bytes: new } => {
                    let (from, to) = ((*offset).max(start), (offset + new.len()).min(start + PAGE_BYTES));
                    bytes[from - start..to - start].copy_from_slice(&new[from - offset..to - offset]);
                }
                Change::Length(length) => bytes[length.saturating_sub(start).min(PAGE_BYTES)..].fill(0),
            }
        }
        bytes
    }
}

/// After how many of `changes`: none and all more often than one in between.
fn some_moment(changes: usize, dice: &mut Dice) -> usize {
    match dice.within(0..=2) {
        0 => 0,
        1 => changes,
        _ => dice.index(changes + 1),
    }
}

fn pages_of(touched: &Range<usize>) -> Range<usize> {
    if touched.is_empty() {
        return 0..0;
    }
    touched.start / PAGE_BYTES..(touched.end - 1) / PAGE_BYTES + 1
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Write { offset, bytes: new } => put(bytes, *offset, new),
        Change::Length(length) => bytes.resize(*length, 0),
    }
}

fn put(bytes: &mut Vec<u8>, offset: usize, new: &[u8]) {
    let end = offset + new.len();
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes[offset..end].copy_from_slice(new);
}

#[cfg(test)]
mod tests {
    use super::*;

    const TORN: Fate = Fate::Pages { torn_percent: 50 };

    fn synced(bytes: &[u8]) -> Content {
        let mut content = Content::default();
        content.write(0, bytes);
        content.sync();
        content
    }

    #[test]
    fn what_was_synced_survives_every_fate() {
        let content = synced(&[7; 10_000]);
        for seed in 0..50 {
            for fate in [Fate::Nothing, Fate::Everything, TORN] {
                let left = content.after_power_loss(fate, &mut Dice::new(seed));
                assert_eq!(left.live(), [7; 10_000]);
            }
        }
    }

    #[test]
    fn what_was_not_synced_is_lost_kept_and_torn() {
        let mut content = synced(&[1; 2 * PAGE_BYTES]);
        content.write(0, &[2; 2 * PAGE_BYTES]);
        let mut seen = [false; 3];
        for seed in 0..200 {
            let left = content.after_power_loss(TORN, &mut Dice::new(seed));
            for page in left.live().chunks(PAGE_BYTES) {
                assert!(page.chunks(SECTOR_BYTES).all(|s| s == [1; 512] || s == [2; 512]));
                let new = page.iter().filter(|b| **b == 2).count();
                seen[match new {
                    0 => 0,
                    PAGE_BYTES => 1,
                    _ => 2,
                }] = true;
            }
        }
        assert_eq!(seen, [true; 3], "lost, kept, torn");
    }

    #[test]
    fn a_length_that_was_not_synced_is_any_that_the_file_had() {
        let mut content = synced(&[1; 100]);
        content.write(100, &[2; 100]);
        content.set_length(50);
        let lengths: std::collections::BTreeSet<usize> = (0..100)
            .map(|seed| content.after_power_loss(TORN, &mut Dice::new(seed)).live().len())
            .collect();
        assert_eq!(lengths, [50, 100, 200].into());
    }

    #[test]
    fn a_failed_sync_is_not_made_good_by_the_next_one() {
        let mut content = synced(b"old");
        content.write(0, b"new");
        content.fail_sync();
        content.write(3, b"!");
        content.sync();
        assert_eq!(content.live(), b"new!");
        for fate in [Fate::Nothing, Fate::Everything, TORN] {
            let left = content.after_power_loss(fate, &mut Dice::new(1));
            assert_eq!(left.live(), b"old!");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_ruins() {
        let mut content = synced(&[1; 50_000]);
        for at in 0..40 {
            content.write(at * 1000, &[u8::try_from(at).unwrap(); 1500]);
        }
        let ruins = |seed| content.after_power_loss(TORN, &mut Dice::new(seed)).live().to_vec();
        assert_eq!(ruins(5), ruins(5));
        assert_ne!(ruins(5), ruins(6));
    }

    #[test]
    fn a_page_that_was_cut_and_written_again_shows_no_old_bytes() {
        let mut content = synced(&[1; 3000]);
        content.set_length(0);
        content.write(2000, &[3; 100]);
        for seed in 0..100 {
            let left = content.after_power_loss(Fate::Pages { torn_percent: 0 }, &mut Dice::new(seed));
            if left.live().get(2000) == Some(&3) {
                assert!(left.live()[..2000].iter().all(|b| *b == 0));
            }
        }
    }
}
