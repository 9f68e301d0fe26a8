//! The rule, without any disk or network: what is remembered of a member against what it says of itself.

use std::fmt;

use crate::codec::{Decoded, Decoder, Encoder};
use crate::limits::LIVES_REMEMBERED_MAX;

/// One run of a member on its folder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Life {
    /// Drawn at the start.
    pub(crate) id: [u8; 16],
    /// The highest number of a write of the guard file that is known to have reached the disk. It counts on from life to
    /// life, and every promise raises it within moments.
    pub(crate) reached: u64,
}

/// What a member says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lineage {
    pub(crate) now: Life,
    /// Number of lives of this folder, with this one.
    pub(crate) starts: u64,
    /// The lives before, the newest last; only so many are kept.
    pub(crate) before: Vec<Life>,
    /// Entries of the log, from its start, that were there when this life began.
    pub(crate) found: u64,
}

/// What is remembered of another member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Memory {
    /// The folder that it was on.
    pub(crate) incarnation: [u8; 16],
    /// Its newest life that was seen, and how far.
    pub(crate) life: Life,
    /// Committed entries, from the start of the log, that it had acknowledged.
    pub(crate) held: u64,
}

/// Why a member is not the one that it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    /// A life got further than its folder knows.
    Promises { seen: u64, known: u64 },
    /// A life is not among those of the folder.
    Life { seen: u64 },
    /// It had more entries.
    Entries { held: u64, found: u64 },
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Promises { seen, known } => {
                write!(
                    f,
                    "it was seen at write {seen} of its guard file, this folder knows of {known} in that run"
                )
            }
            Self::Life { seen } => {
                write!(
                    f,
                    "it was seen at write {seen} of its guard file, in a run that this folder knows nothing of"
                )
            }
            Self::Entries { held, found } => {
                write!(f, "it had {held} entries, this folder had {found} when it was started")
            }
        }
    }
}

impl Lineage {
    /// Whether the lives before are all there were.
    fn is_complete(&self) -> bool {
        u64::try_from(self.before.len()).is_ok_and(|before| before.saturating_add(1) >= self.starts)
    }

    /// The lineage of the next start on the same folder.
    pub(crate) fn next(&self, id: [u8; 16], reached: u64) -> Self {
        let mut before = self.before.clone();
        if self.starts > 0 {
            before.push(self.now);
        }
        let surplus = before.len().saturating_sub(LIVES_REMEMBERED_MAX);
        before.drain(..surplus);
        Self {
            now: Life { id, reached },
            starts: self.starts.saturating_add(1),
            before,
            found: 0,
        }
    }

    /// Whether this member has everything that is remembered of it.
    pub(crate) fn check(&self, memory: &Memory) -> Result<(), Lost> {
        let seen = memory.life;
        if seen.id == self.now.id {
            return compare(seen.reached, self.now.reached);
        }
        match self.before.iter().find(|life| life.id == seen.id) {
            Some(life) => compare(seen.reached, life.reached)?,
            None => {
                // It can only be a life that is older than all that are told.
                let oldest = self.before.first().map_or(0, |life| life.reached);
                if self.is_complete() || seen.reached >= oldest {
                    return Err(Lost::Life { seen: seen.reached });
                }
            }
        }
        if self.found < memory.held {
            return Err(Lost::Entries {
                held: memory.held,
                found: self.found,
            });
        }
        Ok(())
    }

    pub(crate) fn encode(&self, to: &mut Encoder) {
        self.now.encode(to);
        to.u64(self.starts);
        to.u64(self.found);
        to.count(self.before.len());
        for life in &self.before {
            life.encode(to);
        }
    }

    pub(crate) fn decode(from: &mut Decoder) -> Decoded<Self> {
        let (now, starts, found) = (Life::decode(from)?, from.u64("starts")?, from.u64("entries")?);
        let count = from.count(24, "lives")?;
        let before = (0..count).map(|_| Life::decode(from)).collect::<Decoded<_>>()?;
        Ok(Self {
            now,
            starts,
            before,
            found,
        })
    }
}

fn compare(seen: u64, known: u64) -> Result<(), Lost> {
    if seen > known {
        return Err(Lost::Promises { seen, known });
    }
    Ok(())
}

impl Life {
    pub(crate) fn encode(&self, to: &mut Encoder) {
        to.raw(&self.id);
        to.u64(self.reached);
    }

    pub(crate) fn decode(from: &mut Decoder) -> Decoded<Self> {
        Ok(Self {
            id: from.fixed("life")?,
            reached: from.u64("writes of the guard file")?,
        })
    }
}

impl Memory {
    pub(crate) fn encode(&self, to: &mut Encoder) {
        to.raw(&self.incarnation);
        self.life.encode(to);
        to.u64(self.held);
    }

    pub(crate) fn decode(from: &mut Decoder) -> Decoded<Self> {
        Ok(Self {
            incarnation: from.fixed("incarnation")?,
            life: Life::decode(from)?,
            held: from.u64("entries")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn memory(life: u8, reached: u64, held: u64) -> Memory {
        Memory {
            incarnation: [7; 16],
            life: Life {
                id: [life; 16],
                reached,
            },
            held,
        }
    }

    fn lineage(before: &[(u8, u64)], now: (u8, u64), found: u64) -> Lineage {
        let life = |(id, reached): &(u8, u64)| Life {
            id: [*id; 16],
            reached: *reached,
        };
        Lineage {
            now: life(&now),
            starts: before.len() as u64 + 1,
            before: before.iter().map(life).collect(),
            found,
        }
    }

    #[test]
    fn whoever_knows_all_that_was_seen_is_welcome() {
        let line = lineage(&[(1, 5), (2, 9)], (3, 11), 40);
        for (seen, what) in [
            (
                memory(3, 11, 90),
                "in this life; its entries may have come since it began",
            ),
            (memory(2, 9, 40), "at the end of the life before"),
            (memory(1, 4, 0), "long ago"),
        ] {
            assert_eq!(line.check(&seen), Ok(()), "{what}");
        }
    }

    #[test]
    fn whoever_forgot_something_is_not() {
        let line = lineage(&[(1, 5), (2, 9)], (3, 11), 40);
        for (seen, lost, what) in [
            (
                memory(2, 10, 0),
                Lost::Promises { seen: 10, known: 9 },
                "an image of that life",
            ),
            (
                memory(3, 12, 0),
                Lost::Promises { seen: 12, known: 11 },
                "an image with its memory",
            ),
            (
                memory(9, 6, 0),
                Lost::Life { seen: 6 },
                "an image from before that life, started often since",
            ),
            (
                memory(2, 9, 41),
                Lost::Entries { held: 41, found: 40 },
                "an entry short",
            ),
        ] {
            assert_eq!(line.check(&seen), Err(lost), "{what}");
        }
    }

    #[test]
    fn a_life_from_before_all_that_are_kept_is_let_be_and_a_fork_is_not() {
        let mut line = Lineage::default();
        for life in 0..LIVES_REMEMBERED_MAX as u64 + 3 {
            let id = [u8::try_from(life).unwrap() + 1; 16];
            line = line.next(id, (life + 1) * 10);
        }
        assert_eq!(line.before.len(), LIVES_REMEMBERED_MAX);
        assert_eq!(
            line.check(&memory(1, 10, 0)),
            Ok(()),
            "its first life, forgotten by now"
        );
        assert_eq!(line.check(&memory(99, 45, 0)), Err(Lost::Life { seen: 45 }));
    }

    #[test]
    fn golden_bytes() {
        let line = lineage(&[(1, 5)], (2, 9), 3);
        let mut encoder = Encoder::default();
        line.encode(&mut encoder);
        let bytes = encoder.finish();
        let expected = format!(
            "{}{:016x}{:016x}{:016x}00000001{}{:016x}",
            "02".repeat(16),
            9,
            2,
            3,
            "01".repeat(16),
            5
        );
        assert_eq!(crate::identity::hex(&bytes), expected);
        assert_eq!(Lineage::decode(&mut Decoder::new(bytes)), Ok(line));
    }

    /// What may happen to a member and to those that watch it.
    #[derive(Clone, Copy, Debug)]
    enum Step {
        /// It promises something.
        Promise,
        /// A watcher hears from it.
        Meet(usize),
        Restart,
        /// An image is taken.
        Image,
        /// The image comes back and is started.
        Restore,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            4 => Just(Step::Promise),
            4 => (0..3_usize).prop_map(Step::Meet),
            2 => Just(Step::Restart),
            1 => Just(Step::Image),
            1 => Just(Step::Restore),
        ];
        proptest::collection::vec(step, 1..LIVES_REMEMBERED_MAX)
    }

    /// A folder, and everything that was ever promised on it, in order.
    #[derive(Clone)]
    struct Folder {
        line: Lineage,
        promised: Vec<u64>,
    }

    proptest! {
        /// Watchers refuse a member if and only if it has forgotten a promise that they had heard of.
        #[test]
        fn exactly_those_that_forgot_what_was_heard_are_refused(steps in steps()) {
            let mut lives = 0_u8;
            let mut next = |folder: &Folder| {
                lives += 1;
                let mut line = folder.line.next([lives; 16], folder.line.now.reached + 1);
                line.found = folder.promised.len() as u64;
                Folder { line, promised: folder.promised.clone() }
            };
            let mut folder = next(&Folder { line: Lineage::default(), promised: Vec::new() });
            let (mut image, mut promises) = (folder.clone(), 0);
            // What each watcher remembers, and the promises that the member had made then.
            let mut heard: [Option<(Memory, Vec<u64>)>; 3] = [None, None, None];
            for step in steps {
                match step {
                    Step::Promise => {
                        promises += 1;
                        folder.promised.push(promises);
                        folder.line.now.reached += 1;
                    }
                    Step::Restart => folder = next(&folder),
                    Step::Image => image = folder.clone(),
                    Step::Restore => folder = next(&image),
                    Step::Meet(watcher) => {
                        let verdict = heard[watcher].as_ref().map_or(Ok(()), |(memory, _)| folder.line.check(memory));
                        let has_all = heard[watcher].as_ref().is_none_or(|(_, then)| folder.promised.starts_with(then));
                        if !has_all {
                            prop_assert!(verdict.is_err(), "{:?} passes {:?}", folder.line, heard[watcher]);
                        }
                        match verdict {
                            // A start alone is a promise, too: a life that nobody knows is a fork of the folder.
                            Err(_) => {
                                let known = |id| folder.line.now.id == id
                                    || folder.line.before.iter().any(|life| life.id == id);
                                let forked = heard[watcher].as_ref().is_some_and(|(memory, _)| !known(memory.life.id));
                                prop_assert!(!has_all || forked, "{:?} is refused by {:?}", folder.line, heard[watcher]);
                            }
                            Ok(()) => {
                                let memory = Memory {
                                    incarnation: [7; 16],
                                    life: folder.line.now,
                                    held: folder.promised.len() as u64,
                                };
                                heard[watcher] = Some((memory, folder.promised.clone()));
                            }
                        }
                    }
                }
            }
        }
    }
}
