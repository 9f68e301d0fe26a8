//! Golden bytes of the log, and that no other bytes are taken for them.

use super::*;
use crate::types::{LeaderId, Payload};

const HEADER: Header = Header {
    sequence: 7,
    owner: [2; 16],
    bytes: 4096,
    nonce: [3; 16],
};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn log_id(index: u64) -> LogId {
    let leader_id = LeaderId { term: 1, node_id: 2 };
    LogId { leader_id, index }
}

fn vote() -> Vote {
    Vote {
        leader: LeaderId { term: 9, node_id: 3 },
        committed: true,
    }
}

#[test]
fn golden_head_of_a_segment() {
    let head = HEADER.encode();
    assert_eq!(head.len() as u64, HEADER_BYTES);
    let body = format!(
        "010000000000000007{}0000000000001000{}",
        "02".repeat(16),
        "03".repeat(16)
    );
    assert_eq!(hex(&head[..61]), format!("54464c53{:08x}00000031{body}", HEADER.seed()));
    assert_eq!(HEADER.seed(), GOLDEN_SEED);
    assert!(head[61..].iter().all(|byte| *byte == 0));
    assert_eq!(Header::decode(&head), Ok(HEADER));
    for bit in 0..61 * 8 {
        let mut changed = head.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(Header::decode(&changed).is_err(), "bit {bit}");
    }
    assert!(Header::decode(&head[..40]).is_err());
}

const GOLDEN_SEED: u32 = 0xDDFF_2ED3;

fn frame(records: &[Record], at: u64) -> Vec<u8> {
    let mut frame = Encoder::default();
    begin(&mut frame);
    assert!(is_empty(&frame));
    records.iter().for_each(|record| record.put(&mut frame));
    seal(&mut frame, HEADER.seed(), at);
    frame.as_slice().to_vec()
}

#[test]
fn golden_records() {
    let records = [
        Record::Checkpoint(Checkpoint {
            facts: Facts {
                vote: Some(vote()),
                purged: None,
                committed: None,
                last: Some(log_id(4)),
            },
            previous_end: 600,
        }),
        Record::Entry(Entry {
            log_id: log_id(5),
            payload: Payload::Blank,
        }),
        Record::Truncate(Some(log_id(4))),
        Record::Truncate(None),
        Record::Vote(vote()),
        Record::Committed(Some(log_id(4))),
        Record::Purge(log_id(3)),
    ];
    let bytes = frame(&records, 512);
    let id = "00000000000000010000000000000002";
    let voted = "0000000000000009000000000000000301";
    let expected = [
        format!("0101{voted}000001{id}00000000000000040000000000000258"),
        format!("02{id}00000000000000050000000000"),
        format!("0301{id}0000000000000004"),
        "0300".to_owned(),
        format!("04{voted}"),
        format!("0501{id}0000000000000004"),
        format!("06{id}0000000000000003"),
    ]
    .concat();
    assert_eq!(hex(&bytes[FRAME_HEAD_BYTES..]), expected);
    assert_eq!(hex(&bytes[..8]), format!("54464c46{:08x}", expected.len() / 2));
    let mut decoder = Decoder::new(Bytes::from(bytes).slice(FRAME_HEAD_BYTES..));
    for record in &records {
        assert_eq!(&Record::take(&mut decoder).unwrap(), record);
    }
    assert!(decoder.is_empty());
    assert!(Record::take(&mut Decoder::new(Bytes::from_static(&[9]))).is_err());
}

#[test]
fn a_frame_is_one_at_its_place_of_its_segment_only() {
    let bytes = frame(&[Record::Vote(vote())], 100);
    let mut segment = vec![0; 5000];
    segment[100..100 + bytes.len()].copy_from_slice(&bytes);
    let seed = HEADER.seed();
    assert!(open(&segment, 100, seed).is_some());
    assert_eq!(find(&segment, 0, seed), Some(100));
    assert_eq!(find(&segment, 101, seed), None);
    let later = Header { sequence: 8, ..HEADER };
    let again = Header {
        nonce: [4; 16],
        ..HEADER
    };
    assert!(open(&segment, 100, later.seed()).is_none() && open(&segment, 100, again.seed()).is_none());
    segment.insert(0, 0);
    assert!(open(&segment, 101, seed).is_none());
    for bit in 0..bytes.len() * 8 {
        let mut changed = [vec![0; 100], bytes.clone()].concat();
        changed[100 + bit / 8] ^= 1 << (bit % 8);
        assert!(open(&changed, 100, seed).is_none(), "bit {bit}");
    }
}

#[test]
fn a_frame_at_any_place_is_found() {
    let seed = HEADER.seed();
    for at in [0, 1, 4090, 4093, 4094, 4095, 4096, 8190] {
        let bytes = frame(&[Record::Purge(log_id(1))], at);
        let at = usize::try_from(at).unwrap();
        let mut segment = vec![0; 9000];
        segment[at..at + bytes.len()].copy_from_slice(&bytes);
        assert_eq!(find(&segment, 0, seed), Some(at));
    }
    assert_eq!(find(&[0x54; 9000], 0, seed), None);
}

#[test]
fn only_our_own_names_are_segments() {
    assert_eq!(name_of(3), "0000000003.log");
    assert_eq!(sequence_of("0000000003.log"), Some(3));
    assert_eq!(sequence_of(&name_of(u64::MAX)), Some(u64::MAX));
    for name in ["3.log", "0000000003", "+000000003.log", "next.tmp", "db"] {
        assert_eq!(sequence_of(name), None, "{name}");
    }
}
