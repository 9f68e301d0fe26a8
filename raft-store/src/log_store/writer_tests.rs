//! The writer after a failed write.

use std::path::Path;

use openraft::type_config::TypeConfigExt;

use super::super::segments;
use super::*;
use crate::disk::Disk;
use crate::disk::sim::SimDisk;
use crate::identity::Identity;
use crate::types::{LeaderId, Payload};

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

#[tokio::test]
async fn after_one_failure_nothing_is_acknowledged_any_more() {
    let sim = SimDisk::new(1);
    let (disk, folder) = (Disk::Simulated(sim.clone()), Path::new("/data"));
    disk.create_folder(folder).unwrap();
    let owner = Identity {
        cluster_id: [1; 16],
        node_id: 1,
        incarnation: [1; 16],
    };
    let (guard, _) = Guard::open(&disk, folder, owner).unwrap();
    let found = segments::read(&disk, &folder.join("log"), owner.incarnation).unwrap();
    let segments = Segments::start(&disk, &folder.join("log"), owner.incarnation, 1 << 16, &found).unwrap();
    let fault = FaultCell::new();
    let (writer, queue) = Writer::new(segments, None, Arc::new(guard), Arc::default(), fault.clone());
    writer.start().unwrap();
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
