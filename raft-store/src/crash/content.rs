//! What entries hold: mostly writes of a few cells, so that rows change, go and come back; some memberships.
//!
//! Must be the same for the same dice.

use std::collections::{BTreeMap, BTreeSet};

use crate::disk::sim::Dice;
use crate::types::{Command, Entry, LeaderId, LogId, Membership, Payload, PeerNode};

const CELLS: u64 = 24;

pub(super) fn entry(dice: &mut Dice, term: u64, index: u64, size: usize) -> Entry {
    let cell = dice.below(CELLS);
    let payload = match dice.below(20) {
        0 => Payload::Blank,
        1 => membership(dice).map_or(Payload::Blank, Payload::Membership),
        2..=5 => Payload::Command(Command(format!("remove c{cell:02}").into())),
        _ => {
            let filler = char::from(b'a' + u8::try_from(index % 26).unwrap_or_default());
            let value = filler.to_string().repeat(size);
            Payload::Command(Command(format!("put c{cell:02} {term}.{index}{value}").into()))
        }
    };
    let leader_id = LeaderId { term, node_id: 1 };
    Entry {
        log_id: LogId { leader_id, index },
        payload,
    }
}

fn membership(dice: &mut Dice) -> Option<Membership> {
    let voters: BTreeSet<u64> = (1..=1 + dice.below(3)).collect();
    let nodes: BTreeMap<u64, PeerNode> = voters.iter().map(|id| (*id, PeerNode::default())).collect();
    Membership::new(vec![voters], nodes).ok()
}
