//! The writer after a failed write, and after a fault elsewhere.

use std::path::Path;

use openraft::type_config::TypeConfigExt;

use super::super::segments::{self, Place};
use super::*;
use crate::disk::Disk;
use crate::disk::sim::SimDisk;
use crate::doubt::Doubt;
use crate::identity::Identity;
use crate::types::{LeaderId, Payload};

const FOLDER: &str = "/data";

fn entry(index: u64) -> Entry {
    let leader_id = LeaderId { term: 1, node_id: 1 };
    Entry {
        log_id: LogId { leader_id, index },
        payload: Payload::Blank,
    }
}

async fn append(queue: &Sender<Op>, indexes: std::ops::Range<u64>) -> io::Result<()> {
    let (done, flushed) = Types::oneshot();
    let op = Op::Append {
        entries: indexes.map(entry).collect(),
        done: IOFlushed::signal(done),
    };
    queue.send(op).unwrap();
    flushed.await.unwrap()
}

/// A writer that runs on a simulated disk.
fn start(sim: &SimDisk) -> (Sender<Op>, FaultCell) {
    let (disk, folder) = (Disk::Simulated(sim.clone()), Path::new(FOLDER));
    disk.create_folder(folder).unwrap();
    let owner = Identity {
        cluster_id: [1; 16],
        node_id: 1,
        incarnation: [1; 16],
    };
    let fault = FaultCell::noting(folder, Doubt::settle(&disk, folder).unwrap());
    let (guard, _) = Guard::open(&disk, folder, owner).unwrap();
    let place = Place {
        disk: disk.clone(),
        folder: folder.join("log"),
        owner: owner.incarnation,
        segment_bytes: 1 << 16,
    };
    let found = segments::read(&disk, &place.folder, owner.incarnation).unwrap();
    let segments = Segments::start(place, &found, Arc::default()).unwrap();
    let (writer, queue) = Writer::new(segments, None, Arc::new(guard), Arc::default(), fault.clone());
    writer.start().unwrap();
    (queue, fault)
}

/// Whether the next start has to write everything again.
fn is_doubted(sim: &SimDisk) -> bool {
    let doubt = sim.read_file(&Path::new(FOLDER).join("doubt")).unwrap();
    doubt.starts_with(b"!")
}

#[tokio::test]
async fn a_full_disk_ends_the_writer_and_leaves_no_doubt_about_what_it_has() {
    let sim = SimDisk::new(1);
    let (queue, fault) = start(&sim);
    sim.limit_files(segments::HEADER_BYTES);
    assert!(append(&queue, 0..5).await.is_err());
    let told = fault.wait().await.to_string();
    assert!(told.contains("No space left on device"), "{told}");
    assert!(append(&queue, 5..6).await.is_err());
    assert!(!is_doubted(&sim));
}

#[tokio::test]
async fn after_a_fault_of_another_part_nothing_is_acknowledged_and_the_disk_is_not_doubted() {
    let sim = SimDisk::new(1);
    let (queue, fault) = start(&sim);
    append(&queue, 0..5).await.unwrap();
    fault.consensus(&"it ended");
    assert!(append(&queue, 5..6).await.is_err());
    assert!(append(&queue, 5..6).await.is_err());
    assert!(!is_doubted(&sim));
}

#[tokio::test]
async fn after_one_failure_nothing_is_acknowledged_any_more() {
    let sim = SimDisk::new(1);
    let (queue, fault) = start(&sim);
    append(&queue, 0..5).await.unwrap();
    assert_eq!(fault.get(), None);
    sim.stop_now();
    assert!(append(&queue, 5..7).await.is_err());
    let (done, truncated) = oneshot::channel();
    queue
        .send(Op::Truncate {
            after: Some(entry(2).log_id),
            done,
        })
        .unwrap();
    assert!(truncated.await.unwrap().is_err());
    assert!(append(&queue, 3..4).await.is_err());
    let (done, extents) = oneshot::channel();
    queue.send(Op::Extents { done }).unwrap();
    assert!(extents.await.is_err());
    let (done, voted) = oneshot::channel();
    let vote = Vote {
        leader: LeaderId { term: 2, node_id: 1 },
        committed: false,
    };
    queue.send(Op::Vote { vote, done }).unwrap();
    assert!(voted.await.unwrap().is_err());
    assert!(matches!(fault.wait().await, crate::Fault::Storage(_)));
}
