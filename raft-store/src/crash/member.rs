//! A member's stores on a simulated disk, opened by the code that opens them in production, with the writer of the log
//! on the thread of the caller: the same operations in the same order each time.
//!
//! Must not repair anything by itself.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use openraft::storage::{RaftLogStorage, RaftStateMachine};
use openraft::{RaftLogReader, StorageHelper};

use super::model::{Cells, Log};
use crate::disk::Disk;
use crate::disk::sim::SimDisk;
use crate::fault::FaultCell;
use crate::guard::{Guard, Promises};
use crate::identity::Identity;
use crate::lives::Lineage;
use crate::log_store::{LogStore, Writer};
use crate::machine::{Read, StateMachine, TableId, Transaction};
use crate::metrics::Counters;
use crate::state::digest::RowsDigest;
use crate::state::{Applier, StateStore};
use crate::types::{LogId, StoredMembership};
use crate::{ApplyError, OpenError};

const CACHE_BYTES: u64 = 1 << 20;
/// So short that runs are full of new segments, and that some entries need one of their own.
const SEGMENT_BYTES: u64 = 8 << 10;
const CLUSTER_ID: [u8; 16] = [1; 16];
const NODE_ID: u64 = 1;
pub(super) const TABLE: TableId = TableId(1);
pub(super) const FOLDER: &str = "/data";

/// `put key value` or `remove key`.
struct CellsMachine;

impl StateMachine for CellsMachine {
    fn apply(&self, _: u64, command: &[u8], tables: &mut Transaction<'_>) -> Result<Bytes, ApplyError> {
        let mut words = command.splitn(3, |byte| *byte == b' ');
        let (verb, key) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        match verb {
            b"put" => tables.put(TABLE, key, words.next().unwrap_or_default())?,
            b"remove" => tables.remove(TABLE, key)?,
            _ => return Err(ApplyError::refused("unknown verb")),
        }
        Ok(Bytes::new())
    }
}

pub(super) struct Member {
    pub(super) guard: Arc<Guard>,
    pub(super) log: LogStore,
    pub(super) writer: Writer,
    pub(super) state: StateStore,
    pub(super) applier: Applier,
    pub(super) fault: FaultCell,
    pub(super) found: Found,
}

/// What opening found.
pub(super) struct Found {
    pub(super) log: Log,
    pub(super) committed: Option<LogId>,
    pub(super) promises: Promises,
    pub(super) mark: Option<LogId>,
    pub(super) membership: StoredMembership,
    pub(super) cells: Cells,
    /// As the mark says, and as the rows are, those of the store itself included.
    pub(super) digest: RowsDigest,
    pub(super) rows: RowsDigest,
    pub(super) incarnation: [u8; 16],
    /// What it says of its lives.
    pub(super) lineage: Lineage,
}

impl Member {
    pub(super) async fn open(disk: &SimDisk) -> Result<Self, OpenError> {
        let disk = Disk::Simulated(disk.clone());
        let folder = Path::new(FOLDER);
        disk.create_folder(folder)
            .map_err(OpenError::io("cannot create", folder))?;
        let identity = Identity::claim(&disk, folder, CLUSTER_ID, NODE_ID)?;
        let (guard, promises) = Guard::open(&disk, folder, identity)?;
        let (guard, counters, fault) = (Arc::new(guard), Arc::new(Counters::default()), FaultCell::new());
        let (mut log, writer) = LogStore::prepare(
            &disk,
            folder,
            SEGMENT_BYTES,
            &promises,
            guard.clone(),
            counters.clone(),
            fault.clone(),
        )?;
        let tables = guard.clone();
        let state = StateStore::open(&disk, folder, CACHE_BYTES, &promises, tables, counters, fault.clone())?;
        let tables = state.applied().map_or(0, |mark| mark.seen());
        crate::verify::check_meeting(folder, log.purged(), tables)?;
        let digest = state.applied().map(|mark| mark.digest).unwrap_or_default();
        let mut applier = Applier::new(state.clone(), Arc::new(CellsMachine), 1, 10);
        let unreadable = |error: std::io::Error| OpenError::Consensus(error.to_string());
        let (mark, membership) = applier.applied_state().await.map_err(unreadable)?;
        let found = Found {
            log: read_log(&mut log).await.map_err(unreadable)?,
            committed: log.read_committed().await.map_err(unreadable)?,
            promises,
            mark,
            membership,
            cells: cells(&state).map_err(OpenError::Consensus)?,
            digest,
            rows: rows_digest(&state).map_err(OpenError::Consensus)?,
            incarnation: identity.incarnation,
            lineage: guard.lineage(),
        };
        Ok(Self {
            guard,
            log,
            writer,
            state,
            applier,
            fault,
            found,
        })
    }

    /// What consensus does with the stores before it starts: applies again what is committed, and more.
    pub(super) async fn start(&mut self) -> Result<(), String> {
        let mut helper = StorageHelper::new(&mut self.log, &mut self.applier).with_id(NODE_ID);
        helper.get_initial_state().await.map_err(|error| error.to_string())?;
        self.writer.work_off();
        Ok(())
    }

    pub(super) async fn applied(&mut self) -> Result<Option<LogId>, String> {
        let state = self.applier.applied_state().await;
        Ok(state.map_err(|error| error.to_string())?.0)
    }
}

pub(super) async fn read_log(log: &mut LogStore) -> std::io::Result<Log> {
    let mut reader = log.reader();
    Ok(Log {
        entries: reader.try_get_log_entries(..).await?,
        purged: log.get_log_state().await?.last_purged_log_id,
        vote: reader.read_vote().await?,
    })
}

/// The rows of all cells as of now.
pub(super) fn cells(state: &StateStore) -> Result<Cells, String> {
    let rows = state.view().range(TABLE, b"", &[0xFF; 8], usize::MAX);
    Ok(rows.map_err(|error| error.to_string())?.into_iter().collect())
}

fn rows_digest(state: &StateStore) -> Result<RowsDigest, String> {
    let rows = state.view().page(b"", usize::MAX).map_err(|error| error.to_string())?;
    let mut digest = RowsDigest::default();
    rows.iter().for_each(|(row, value)| digest.add(row, value));
    Ok(digest)
}
