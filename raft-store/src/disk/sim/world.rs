//! The state of a simulated disk: what programs see, what is durable, and what lies in between.
//!
//! Must not decide what is lost: see `loss`.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Dice, Lie};

pub(super) type Id = usize;
pub(super) type Names = BTreeMap<PathBuf, Id>;
pub(super) type Trees = BTreeMap<String, BTreeMap<Vec<u8>, Arc<[u8]>>>;

/// What a name stands for.
#[derive(Clone)]
pub(super) enum Node {
    Folder,
    File(FileNode),
    Database(DatabaseNode),
}

#[derive(Clone, Default)]
pub(super) struct FileNode {
    pub(super) live: Vec<u8>,
    pub(super) durable: Vec<u8>,
    pub(super) pending: Vec<(u64, Vec<u8>)>,
}

#[derive(Clone, Default)]
pub(super) struct DatabaseNode {
    pub(super) live: Trees,
    pub(super) durable: Trees,
    pub(super) pending: Vec<Put>,
}

/// One write to a database; no value removes the key.
#[derive(Clone)]
pub(super) struct Put {
    pub(super) tree: String,
    pub(super) key: Vec<u8>,
    pub(super) value: Option<Arc<[u8]>>,
}

impl Put {
    pub(super) fn apply(&self, trees: &mut Trees) {
        let tree = trees.entry(self.tree.clone()).or_default();
        match &self.value {
            Some(value) => tree.insert(self.key.clone(), value.clone()),
            None => tree.remove(&self.key),
        };
    }
}

/// A change of names in a folder.
#[derive(Clone)]
pub(super) enum NameOp {
    Set(PathBuf, Id),
    Remove(PathBuf),
    Rename(PathBuf, PathBuf, Id),
}

impl NameOp {
    pub(super) fn folder(&self) -> &Path {
        let (Self::Set(path, _) | Self::Remove(path) | Self::Rename(_, path, _)) = self;
        path.parent().unwrap_or(path)
    }

    pub(super) fn apply(&self, names: &mut Names) {
        match self {
            Self::Set(path, id) => {
                names.insert(path.clone(), *id);
            }
            Self::Remove(path) => {
                names.remove(path);
            }
            Self::Rename(from, to, id) => {
                names.remove(from);
                names.insert(to.clone(), *id);
            }
        }
    }
}

/// What an operation does once it is done.
#[derive(Clone)]
pub(super) enum Effect {
    Name(NameOp),
    Write(Id, u64, Vec<u8>),
    Put(Id, Put),
    SyncFolder(PathBuf),
    SyncFile(Id),
    /// The first so many pending writes of a database become durable.
    Flush(Id, usize),
}

#[derive(Clone)]
pub(super) struct World {
    pub(super) nodes: Vec<Node>,
    pub(super) live: Names,
    pub(super) durable: Names,
    pub(super) pending: BTreeMap<PathBuf, Vec<NameOp>>,
    pub(super) points: u64,
    pub(super) stop_at: Option<u64>,
    pub(super) stopped: bool,
    pub(super) stopped_in: String,
    /// What the operation would have done in whose middle the power went.
    pub(super) interrupted: Vec<Effect>,
    pub(super) lie: Option<Lie>,
    /// Databases have no room for more.
    pub(super) full: bool,
    /// No room for what lies behind that in a file.
    pub(super) file_bytes_max: u64,
    pub(super) dice: Dice,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            nodes: Vec::new(),
            live: Names::new(),
            durable: Names::new(),
            pending: BTreeMap::new(),
            points: 0,
            stop_at: None,
            stopped: false,
            stopped_in: String::new(),
            interrupted: Vec::new(),
            lie: None,
            full: false,
            file_bytes_max: u64::MAX,
            dice: Dice::new(seed),
        }
    }

    pub(super) fn add(&mut self, node: Node) -> Id {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    /// One write or flush: done, or the one in whose middle the power goes.
    pub(super) fn step(&mut self, what: impl FnOnce() -> String, effects: Vec<Effect>) -> io::Result<()> {
        self.usable()?;
        if self.stop_at == Some(self.points) {
            self.stopped = true;
            self.stopped_in = what();
            self.interrupted = effects;
            return self.usable();
        }
        self.points += 1;
        for effect in &effects {
            self.apply(effect);
        }
        Ok(())
    }

    pub(super) fn usable(&self) -> io::Result<()> {
        if self.stopped {
            return Err(io::Error::other("the power is gone"));
        }
        Ok(())
    }

    pub(super) fn find(&self, path: &Path) -> io::Result<Id> {
        self.usable()?;
        if path.parent().is_none() {
            return Ok(Id::MAX);
        }
        let missing = || io::Error::new(io::ErrorKind::NotFound, format!("{} is not there", path.display()));
        self.live.get(path).copied().ok_or_else(missing)
    }

    pub(super) fn file(&self, id: Id) -> io::Result<&FileNode> {
        match self.nodes.get(id) {
            Some(Node::File(file)) => Ok(file),
            Some(Node::Folder | Node::Database(_)) | None => Err(io::Error::other("not a file")),
        }
    }

    pub(super) fn database(&self, id: Id) -> io::Result<&DatabaseNode> {
        match self.nodes.get(id) {
            Some(Node::Database(database)) => Ok(database),
            Some(Node::Folder | Node::File(_)) | None => Err(io::Error::other("not a database")),
        }
    }

    pub(super) fn apply(&mut self, effect: &Effect) {
        match effect {
            Effect::Name(op) => {
                op.apply(&mut self.live);
                self.pending
                    .entry(op.folder().to_path_buf())
                    .or_default()
                    .push(op.clone());
            }
            Effect::SyncFolder(folder) => {
                for op in self.pending.remove(folder).unwrap_or_default() {
                    op.apply(&mut self.durable);
                }
            }
            Effect::Write(id, offset, bytes) => {
                if let Some(Node::File(file)) = self.nodes.get_mut(*id) {
                    write_at(&mut file.live, *offset, bytes);
                    file.pending.push((*offset, bytes.clone()));
                }
            }
            Effect::SyncFile(id) => {
                if let Some(Node::File(file)) = self.nodes.get_mut(*id) {
                    for (offset, bytes) in std::mem::take(&mut file.pending) {
                        write_at(&mut file.durable, offset, &bytes);
                    }
                }
            }
            Effect::Put(id, put) => {
                if let Some(Node::Database(database)) = self.nodes.get_mut(*id) {
                    put.apply(&mut database.live);
                    database.pending.push(put.clone());
                }
            }
            Effect::Flush(id, upto) => {
                if let Some(Node::Database(database)) = self.nodes.get_mut(*id) {
                    let upto = (*upto).min(database.pending.len());
                    for put in database.pending.drain(..upto) {
                        put.apply(&mut database.durable);
                    }
                }
            }
        }
    }
}

pub(super) fn write_at(file: &mut Vec<u8>, offset: u64, bytes: &[u8]) {
    let start = usize::try_from(offset).unwrap_or(usize::MAX);
    let end = start.saturating_add(bytes.len());
    if file.len() < end {
        file.resize(end, 0);
    }
    file[start..end].copy_from_slice(bytes);
}
