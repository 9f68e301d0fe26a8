//! One proxy: a port that stands for somebody, and what is wrong with the way there at the moment.

use super::pump::{Counters, pump};
use super::way::{Faults, Way};
use crate::entropy::Dice;
use serde::Serialize;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::io::split;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A proxy from whoever dials its port to one listener.
pub struct Link {
    port: u16,
    target: watch::Sender<u16>,
    faults: watch::Sender<Faults>,
    forward: Arc<Counters>,
    back: Arc<Counters>,
    resets: Arc<AtomicU64>,
    accepting: JoinHandle<()>,
}

/// What a link did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LinkFigures {
    /// Carried, both ways.
    pub bytes: u64,
    /// Pieces that met a fault.
    pub pieces_struck: u64,
    /// Connections that were reset or refused.
    pub resets: u64,
}

struct Carrier {
    target: watch::Receiver<u16>,
    faults: watch::Receiver<Faults>,
    forward: Arc<Counters>,
    back: Arc<Counters>,
    resets: Arc<AtomicU64>,
}

impl Link {
    /// Listens on a free port of 127.0.0.1; carries nothing before it knows where to.
    ///
    /// # Errors
    /// There is no free port.
    pub async fn open(seed: u64) -> Result<Self, String> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .map_err(|e| format!("no port for a proxy: {e}"))?;
        let port = listener
            .local_addr()
            .map_err(|e| format!("a proxy without a port: {e}"))?
            .port();
        let (target, _) = watch::channel(0);
        let (faults, _) = watch::channel(Faults::default());
        let (forward, back, resets) = <(Arc<Counters>, Arc<Counters>, Arc<AtomicU64>)>::default();
        let carrier = Carrier {
            target: target.subscribe(),
            faults: faults.subscribe(),
            forward: Arc::clone(&forward),
            back: Arc::clone(&back),
            resets: Arc::clone(&resets),
        };
        Ok(Self {
            port,
            target,
            faults,
            forward,
            back,
            resets,
            accepting: tokio::spawn(accept(listener, carrier, Dice::new(seed))),
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where it carries to, from the next connection on.
    pub fn lead_to(&self, port: u16) {
        self.target.send_replace(port);
    }

    /// Where it carries to.
    #[must_use]
    pub fn target(&self) -> u16 {
        *self.target.borrow()
    }

    /// Changes what is wrong with it.
    pub fn change(&self, change: impl FnOnce(&mut Faults)) {
        self.faults.send_modify(|faults| {
            let generation = faults.generation;
            change(faults);
            faults.generation = generation;
        });
    }

    /// Resets every open connection.
    pub fn reset(&self) {
        self.faults.send_modify(|faults| faults.generation += 1);
    }

    /// Nothing is wrong with it any more.
    pub fn heal(&self) {
        self.change(|faults| *faults = Faults::default());
    }

    /// What it did so far.
    #[must_use]
    pub fn figures(&self) -> LinkFigures {
        let sum = |of: fn(&Counters) -> &AtomicU64| {
            of(&self.forward).load(Ordering::Relaxed) + of(&self.back).load(Ordering::Relaxed)
        };
        LinkFigures {
            bytes: sum(|counters| &counters.bytes),
            pieces_struck: sum(|counters| &counters.pieces_struck),
            resets: self.resets.load(Ordering::Relaxed),
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, carrier: Carrier, mut dice: Dice) {
    let carrier = Arc::new(carrier);
    loop {
        // Too many open files: the next try may do better.
        let Ok((near, _)) = listener.accept().await else {
            tokio::time::sleep(crate::limits::POLL).await;
            continue;
        };
        let seeds = (dice.within(0..=u64::MAX), dice.within(0..=u64::MAX));
        let carrier = Arc::clone(&carrier);
        tokio::spawn(async move { carrier.carry(near, seeds).await });
    }
}

impl Carrier {
    async fn carry(&self, near: TcpStream, seeds: (u64, u64)) {
        let mut faults = self.faults.clone();
        let Faults {
            refusing, generation, ..
        } = *faults.borrow_and_update();
        let port = *self.target.borrow();
        if refusing {
            self.reset(&near);
            return;
        }
        // Nobody listens there: the dialler sees a reset instead of a refusal, a moment later.
        let Ok(far) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await else {
            let _unsent = near.set_zero_linger();
            return;
        };
        let _slower = (near.set_nodelay(true), far.set_nodelay(true));
        // Both halves share the socket, so whoever is dropped last sends the reset, or the orderly end. Halves that close
        // their direction when they are dropped would make every reset look orderly.
        let _orderly = (far.set_zero_linger(), near.set_zero_linger());
        let (near_read, near_write) = split(near);
        let (far_read, far_write) = split(far);
        let forward: fn(&Faults) -> Way = |faults| faults.forward;
        let back: fn(&Faults) -> Way = |faults| faults.back;
        let there = pump(
            near_read,
            far_write,
            forward,
            self.faults.clone(),
            Arc::clone(&self.forward),
            Dice::new(seeds.0),
        );
        let here = pump(
            far_read,
            near_write,
            back,
            self.faults.clone(),
            Arc::clone(&self.back),
            Dice::new(seeds.1),
        );
        tokio::select! {
            _ = async { tokio::join!(there, here) } => {}
            _ = faults.wait_for(|faults| faults.generation != generation) => {
                self.resets.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn reset(&self, stream: &TcpStream) {
        let _unsent = stream.set_zero_linger();
        self.resets.fetch_add(1, Ordering::Relaxed);
    }
}
