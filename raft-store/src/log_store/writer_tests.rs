//! The writer after a failed write.

use openraft::type_config::TypeConfigExt;

use super::*;
use crate::disk::Disk;
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
    let folder = tempfile::tempdir().unwrap();
    let owner = Identity {
        cluster_id: [1; 16],
        node_id: 1,
        incarnation: [1; 16],
    };
    let (guard, _) = Guard::open(&Disk::Real, folder.path(), owner).unwrap();
    let (mut frames, _) = Frames::open(&Disk::Real, &folder.path().join("log"), 1 << 20).unwrap();
    frames.append(&(0..5).map(entry).collect::<Vec<_>>()).unwrap();
    frames.lose_frame(0, 0);
    let fault = FaultCell::new();
    let last = Some(entry(4).log_id);
    let (writer, queue) = Writer::new(frames, last, Arc::new(guard), Arc::default(), fault.clone());
    writer.start().unwrap();
    append(&queue, 5..7).await.unwrap();
    assert_eq!(fault.get(), None);
    let (done, truncated) = oneshot::channel();
    queue
        .send(Op::Truncate {
            after: Some(entry(2).log_id),
            done,
        })
        .unwrap();
    assert!(truncated.await.unwrap().is_err());
    assert!(append(&queue, 3..4).await.is_err());
    let (done, voted) = oneshot::channel();
    let vote = Vote {
        leader: LeaderId { term: 2, node_id: 1 },
        committed: false,
    };
    queue.send(Op::Vote { vote, done }).unwrap();
    assert!(voted.await.unwrap().is_err());
    assert!(matches!(fault.wait().await, crate::Fault::Storage(_)));
}
