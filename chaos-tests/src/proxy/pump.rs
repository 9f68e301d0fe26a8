//! One direction of one connection: reads, decides when a piece is due, writes it then.

use super::way::{Faults, LOSSES_IN_A_ROW_MAX, RETRANSMISSION, Way};
use crate::entropy::Dice;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

/// Largest piece: about what TCP hands to a program at a time on a busy link.
const PIECE_BYTES_MAX: usize = 16 * 1024;
/// Pieces on their way, as in the buffers of a network; then the sender has to wait.
const PIECES_MAX: usize = 64;

/// What a pump counts.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) bytes: AtomicU64,
    pub(super) pieces_struck: AtomicU64,
}

/// Which direction of a link.
pub(super) type Pick = fn(&Faults) -> Way;

struct Piece {
    due: Instant,
    bytes: Vec<u8>,
}

/// Carries bytes until one side closes; the other side is told then.
pub(super) async fn pump(
    from: ReadHalf<TcpStream>,
    to: WriteHalf<TcpStream>,
    pick: Pick,
    faults: watch::Receiver<Faults>,
    counters: Arc<Counters>,
    dice: Dice,
) {
    let (sender, receiver) = channel(PIECES_MAX);
    let reading = read(from, sender, pick, faults.clone(), dice);
    let writing = write(to, receiver, pick, faults, counters);
    tokio::join!(reading, writing);
}

async fn read(
    mut from: ReadHalf<TcpStream>,
    sender: Sender<Piece>,
    pick: Pick,
    faults: watch::Receiver<Faults>,
    mut dice: Dice,
) {
    let mut last_due = Instant::now();
    let mut buffer = vec![0; PIECE_BYTES_MAX];
    while let Ok(length) = from.read(&mut buffer).await {
        let Some(bytes) = buffer.get(..length).filter(|bytes| !bytes.is_empty()) else {
            return;
        };
        let way = pick(&faults.borrow());
        // TCP keeps the order: nothing overtakes a piece that waits.
        last_due = last_due.max(Instant::now() + lateness(&way, &mut dice));
        let piece = Piece {
            due: last_due,
            bytes: bytes.to_vec(),
        };
        if sender.send(piece).await.is_err() {
            return;
        }
    }
}

fn lateness(way: &Way, dice: &mut Dice) -> Duration {
    let jitter = u64::try_from(way.jitter.as_micros()).unwrap_or(u64::MAX);
    let mut late = way.delay + Duration::from_micros(dice.within(0..=jitter));
    let mut losses = 0;
    while losses < LOSSES_IN_A_ROW_MAX && way.loss_percent > 0 && dice.percent(way.loss_percent) {
        late += RETRANSMISSION * 2_u32.pow(losses);
        losses += 1;
    }
    late
}

async fn write(
    mut to: WriteHalf<TcpStream>,
    mut receiver: Receiver<Piece>,
    pick: Pick,
    mut faults: watch::Receiver<Faults>,
    counters: Arc<Counters>,
) {
    while let Some(piece) = receiver.recv().await {
        if pick(&faults.borrow()).is_faulty() {
            counters.pieces_struck.fetch_add(1, Ordering::Relaxed);
        }
        sleep_until(piece.due).await;
        if faults.wait_for(|faults| !pick(faults).held).await.is_err() {
            return;
        }
        let speed = pick(&faults.borrow()).bytes_per_second;
        if let Some(speed) = speed {
            let micros = piece.bytes.len() as u64 * 1_000_000 / speed.max(1);
            sleep(Duration::from_micros(micros)).await;
        }
        counters.bytes.fetch_add(piece.bytes.len() as u64, Ordering::Relaxed);
        if to.write_all(&piece.bytes).await.is_err() {
            return;
        }
    }
    let _closed = to.shutdown().await;
}
