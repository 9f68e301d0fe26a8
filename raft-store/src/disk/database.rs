//! An ordered map from bytes to bytes, in trees of one database with one log: what a flush of any tree makes durable
//! is everything that was written to the database before.
//!
//! Only single writes and reads: no batches and no transactions, which would take a lock of the whole process.

use std::io;
use std::ops::Bound;

use super::sled_engine::error;

/// Bytes of a key or a value, shared with the database.
pub(crate) type Value = sled::IVec;

/// A database; cloning shares it, and the last one closes it.
#[derive(Clone)]
pub(crate) enum Database {
    Sled(sled::Db),
    #[cfg(any(test, feature = "sim"))]
    Simulated(super::sim::SimDatabase),
}

impl Database {
    pub(crate) fn open_tree(&self, name: &str) -> io::Result<Tree> {
        match self {
            Self::Sled(db) => db.open_tree(name).map(Tree::Sled).map_err(error),
            #[cfg(any(test, feature = "sim"))]
            Self::Simulated(db) => db.open_tree(name).map(Tree::Simulated),
        }
    }

    /// Returns when everything before is on disk.
    pub(crate) fn flush(&self) -> io::Result<()> {
        #[cfg(feature = "mutations")]
        if mutations::on(mutations::Mutation::FsyncOff) {
            return Ok(());
        }
        match self {
            Self::Sled(db) => {
                #[cfg(test)]
                super::delay::wait();
                db.flush().map(drop).map_err(error)
            }
            #[cfg(any(test, feature = "sim"))]
            Self::Simulated(db) => db.flush(),
        }
    }
}

/// One tree of a database.
#[derive(Clone)]
pub(crate) enum Tree {
    Sled(sled::Tree),
    #[cfg(any(test, feature = "sim"))]
    Simulated(super::sim::SimTree),
}

impl Tree {
    pub(crate) fn insert(&self, key: &[u8], value: Vec<u8>) -> io::Result<()> {
        match self {
            Self::Sled(tree) => tree.insert(key, value).map(drop).map_err(error),
            #[cfg(any(test, feature = "sim"))]
            Self::Simulated(tree) => tree.put(key, Some(&value)),
        }
    }

    pub(crate) fn remove(&self, key: &[u8]) -> io::Result<()> {
        match self {
            Self::Sled(tree) => tree.remove(key).map(drop).map_err(error),
            #[cfg(any(test, feature = "sim"))]
            Self::Simulated(tree) => tree.put(key, None),
        }
    }

    pub(crate) fn get(&self, key: &[u8]) -> io::Result<Option<Value>> {
        match self {
            Self::Sled(tree) => tree.get(key).map_err(error),
            #[cfg(any(test, feature = "sim"))]
            Self::Simulated(tree) => Ok(tree.get(key)?.map(Value::from)),
        }
    }

    /// Keys in ascending order with their values. Not a snapshot: later writes may or may not be seen.
    pub(crate) fn range(&self, from: Bound<&[u8]>, to: Bound<&[u8]>) -> Rows {
        match self {
            Self::Sled(tree) => Rows::Sled(tree.range::<&[u8], _>((from, to))),
            #[cfg(any(test, feature = "sim"))]
            Self::Simulated(tree) => Rows::simulated(tree.range(from, to)),
        }
    }

    pub(crate) fn iter(&self) -> Rows {
        self.range(Bound::Unbounded, Bound::Unbounded)
    }
}

/// Rows of a tree.
#[cfg_attr(
    any(test, feature = "sim"),
    expect(
        clippy::large_enum_variant,
        reason = "the small one is not part of a build that people run"
    )
)]
pub(crate) enum Rows {
    Sled(sled::Iter),
    #[cfg(any(test, feature = "sim"))]
    Simulated(std::vec::IntoIter<io::Result<(Value, Value)>>),
}

#[cfg(any(test, feature = "sim"))]
impl Rows {
    fn simulated(rows: io::Result<Vec<(Vec<u8>, Vec<u8>)>>) -> Self {
        let rows = match rows {
            Ok(rows) => rows
                .into_iter()
                .map(|(key, value)| Ok((key.into(), value.into())))
                .collect(),
            Err(error) => vec![Err(error)],
        };
        Self::Simulated(rows.into_iter())
    }
}

impl Iterator for Rows {
    type Item = io::Result<(Value, Value)>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Sled(rows) => rows.next().map(|row| row.map_err(error)),
            #[cfg(any(test, feature = "sim"))]
            Self::Simulated(rows) => rows.next(),
        }
    }
}
