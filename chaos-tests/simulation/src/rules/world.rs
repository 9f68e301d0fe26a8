//! One run: what happens in each step, who is answered, and what is looked at on the way.

mod setup;

use super::asks::Asker;
use super::cluster::{Applied, Cluster};
use super::oracle::{Oracle, final_rows};
use super::rebase::rebased;
use super::users::Users;
use super::witness::{Finished, Witness};
use super::{Faults, Ran};
use crate::dice::Dice;
use crate::history::Call;
use crate::limits::{HEALED_ROUNDS_MAX, RETRIED_FOR_SECONDS, TRIES_MAX};
use auth_core::command::*;
use auth_core::device::DeviceProof;
use auth_core::entry::{Client, Entry};
use auth_core::ids::RequestId;
use auth_core::reply::Reply;
use auth_core::time::Timestamp;

const SECOND_US: u64 = 1_000_000;
/// When every run begins.
const START_US: u64 = 1_700_000_000 * SECOND_US;
/// Beyond it a node proposes nothing, as the store of a real one does.
const CLOCK_OFF_US_MAX: i64 = 5_000_000;
/// How often one try takes its evidence anew after `Stale`.
const REBASES_MAX: u32 = 5;

/// A request whose client waits.
struct Request {
    process: u64,
    entry: Entry,
    via: usize,
    started_us: u64,
    tries: u32,
    rebases: u32,
}

pub(super) struct World {
    dice: Dice,
    now_us: u64,
    cluster: Cluster,
    /// On their way to the leader.
    messages: Vec<Vec<u8>>,
    open: Vec<Request>,
    users: Users,
    oracle: Oracle,
    witness: Witness,
    requests: u64,
    faults: Faults,
}

impl World {
    /// Three or five nodes, accounts with factors, recovery codes and sessions, an administrator.
    pub(super) fn new(mut dice: Dice) -> Result<Self, String> {
        let replicas = if dice.percent(75) { 3 } else { 5 };
        let mut world = Self {
            dice,
            now_us: START_US,
            cluster: Cluster::new(replicas),
            messages: Vec::new(),
            open: Vec::new(),
            users: Users::default(),
            oracle: Oracle::default(),
            witness: Witness::default(),
            requests: 0,
            faults: Faults::default(),
        };
        world.populate()?;
        Ok(world)
    }

    fn clock(&self, replica: usize) -> Timestamp {
        Timestamp(
            self.now_us
                .saturating_add_signed(self.cluster.replicas[replica].clock_off_us),
        )
    }

    fn asker(&mut self, replica: usize) -> Asker<'_> {
        Asker {
            clock: self.clock(replica),
            tables: &self.cluster.replicas[replica].tables,
            users: &mut self.users,
            dice: &mut self.dice,
        }
    }

    /// One request at a time, without faults.
    fn calmly(&mut self, command: Command) -> Result<(), String> {
        self.now_us += 1_000;
        self.begin(0, command, None);
        self.settle()
    }

    fn begin(&mut self, via: usize, command: Command, device: Option<DeviceProof>) {
        let request_id = RequestId(self.asker(via).draw());
        let client = Client {
            address: format!("192.0.2.{via}"),
            device,
            ..Client::default()
        };
        let entry = Entry {
            request_id,
            at: self.clock(via),
            client,
            command,
        };
        self.messages.push(entry.encode());
        self.requests += 1;
        let (process, started_us) = (self.requests, self.now_us);
        self.open.push(Request {
            process,
            entry,
            via,
            started_us,
            tries: 1,
            rebases: 0,
        });
    }

    /// Delivers, agrees on and applies everything.
    fn settle(&mut self) -> Result<(), String> {
        loop {
            for message in std::mem::take(&mut self.messages) {
                self.cluster.propose(&message);
            }
            self.cluster.agree(usize::MAX);
            for replica in 0..self.cluster.replicas.len() {
                while self.cluster.replicas[replica].up
                    && self.cluster.replicas[replica].applied < self.cluster.agreed()
                {
                    self.apply(replica, false)?;
                }
            }
            if self.messages.is_empty() {
                return Ok(());
            }
        }
    }

    pub(super) fn step(&mut self) -> Result<(), String> {
        self.pass_time();
        if self.cluster.leader.is_none() && self.dice.percent(30) {
            self.cluster.elect(&mut self.dice);
        }
        let replica = self.dice.place(self.cluster.replicas.len()).unwrap_or_default();
        match self.dice.below(100) {
            0..=19 => self.ask(),
            20..=41 => {
                if let Some(place) = self.dice.place(self.messages.len()) {
                    let message = self.messages.swap_remove(place);
                    self.cluster.propose(&message);
                }
            }
            42..=58 => self.cluster.agree(1 + usize::try_from(self.dice.below(4)).unwrap_or(0)),
            59..=86 => {
                for _ in 0..=self.dice.below(6) {
                    self.apply(replica, true)?;
                }
            }
            87..=90 => self.retry_one(),
            91..=94 => self.trouble_on_the_way(),
            95 => {
                self.faults.leaders += u64::from(self.cluster.leader.is_some());
                self.cluster.depose(&mut self.dice);
            }
            96 => {
                self.faults.crashes += u64::from(self.cluster.replicas[replica].up);
                self.cluster.crash(replica, &mut self.dice);
            }
            97 => (0..self.cluster.replicas.len()).for_each(|number| self.cluster.restart(number)),
            98 => self.cluster.checkpoint(replica, self.dice.percent(50)),
            _ => self.move_clock(replica),
        }
        Ok(())
    }

    fn pass_time(&mut self) {
        self.now_us += 1_000 + self.dice.below(200_000);
        if self.dice.percent(2) {
            let seconds = [2, 11, 31, 61, 301, 601, 3_601];
            let place = self.dice.place(seconds.len()).unwrap_or_default();
            self.now_us += seconds[place] * SECOND_US;
        }
    }

    /// A client asks a node that is ready.
    fn ask(&mut self) {
        let ready = self.ready();
        if let Some(place) = self.dice.place(ready.len()) {
            let asked = self.asker(ready[place]).any();
            if let Some((command, device)) = asked {
                self.begin(ready[place], command, device);
            }
        }
    }

    /// Nodes that are up and whose clock is right enough to propose.
    fn ready(&self) -> Vec<usize> {
        let replicas = self.cluster.replicas.iter().enumerate();
        let ready = replicas.filter(|(_, replica)| replica.up && replica.clock_off_us.abs() <= CLOCK_OFF_US_MAX);
        ready.map(|(number, _)| number).collect()
    }

    fn trouble_on_the_way(&mut self) {
        let Some(place) = self.dice.place(self.messages.len()) else {
            return;
        };
        if self.dice.percent(50) {
            self.faults.lost += 1;
            self.messages.swap_remove(place);
        } else {
            self.faults.doubled += 1;
            self.messages.push(self.messages[place].clone());
        }
    }

    fn move_clock(&mut self, replica: usize) {
        self.faults.jumps += 1;
        let near = i64::try_from(self.dice.below(8_000_000)).unwrap_or(0) - 4_000_000;
        let far = if self.dice.percent(50) {
            3_600_000_000
        } else {
            -3_600_000_000
        };
        let off = if self.dice.percent(70) { near } else { far };
        self.cluster.replicas[replica].clock_off_us = off;
    }

    /// A client that waits asks again, at another node or the same one, or gives up.
    fn retry_one(&mut self) {
        if let Some(place) = self.dice.place(self.open.len()) {
            let via = self.dice.recent(&self.ready());
            self.retry(place, via);
        }
    }

    fn retry(&mut self, place: usize, via: Option<usize>) {
        let Some(via) = via else { return };
        let at = self.clock(via);
        let request = &mut self.open[place];
        let late = self.now_us > request.started_us + RETRIED_FOR_SECONDS * SECOND_US;
        if late || request.tries >= TRIES_MAX {
            let request = self.open.swap_remove(place);
            self.finished(&request, None);
            return;
        }
        request.tries += 1;
        request.rebases = 0;
        request.via = via;
        request.entry.at = at;
        self.messages.push(request.entry.encode());
    }

    fn apply(&mut self, replica: usize, faulty: bool) -> Result<(), String> {
        let before = self.cluster.replicas[replica].applied;
        let applied = self.cluster.apply_next(replica)?;
        let Some(Applied {
            index,
            entry,
            reply,
            first,
        }) = applied
        else {
            self.faults.snapshots += u64::from(self.cluster.replicas[replica].applied > before);
            return Ok(());
        };
        if first {
            let after = &self.cluster.replicas[replica].tables;
            let verdict = self.oracle.observe(&entry, &reply, after);
            verdict.map_err(|what| format!("{what}\n  at {}: {entry:?}\n  -> {reply:?}", index + 1))?;
        }
        let waits = |request: &Request| request.entry.request_id == entry.request_id && request.via == replica;
        if let Some(place) = self.open.iter().position(waits) {
            self.answer(place, &reply, faulty);
        }
        Ok(())
    }

    fn answer(&mut self, place: usize, reply: &Reply, faulty: bool) {
        if let Reply::Stale { auth_seq } = reply {
            let request = &mut self.open[place];
            if request.rebases < REBASES_MAX {
                request.rebases += 1;
                request.entry.command = rebased(request.entry.command.clone(), *auth_seq);
                self.messages.push(request.entry.encode());
            }
        } else if faulty && self.dice.percent(8) {
            self.faults.unanswered += 1;
        } else {
            let request = self.open.swap_remove(place);
            self.finished(&request, Some(reply));
        }
    }

    fn finished(&mut self, request: &Request, reply: Option<&Reply>) {
        let finished = Finished {
            process: request.process,
            entry: &request.entry,
            reply,
            started_us: request.started_us,
            ended_us: self.now_us,
        };
        self.witness.note(&finished, &self.users);
        if let Some(reply) = reply {
            self.users.learn(&request.entry, reply, self.now_us);
        }
    }

    /// Everybody is up, clocks are right, nothing is lost any more: everybody must be served soon.
    pub(super) fn heal(&mut self) -> Result<(), String> {
        for number in 0..self.cluster.replicas.len() {
            self.cluster.restart(number);
            self.cluster.replicas[number].clock_off_us = 0;
        }
        self.cluster.elect(&mut self.dice);
        for number in 0..self.cluster.replicas.len() {
            let account = self.users.accounts.first().copied().ok_or("simulation: no account")?;
            let subject = Subject::Account { account, base_seq: 0 };
            self.begin(number, Command::RefuseLogin(RefuseLogin { subject }), None);
        }
        for _ in 0..HEALED_ROUNDS_MAX {
            self.now_us += 1_000;
            self.settle()?;
            if self.open.is_empty() {
                return Ok(());
            }
            for place in (0..self.open.len()).rev() {
                self.retry(place, Some(place % self.cluster.replicas.len()));
            }
        }
        Err(format!("liveness: {} clients still wait", self.open.len()))
    }

    /// What clients saw so far.
    pub(super) fn witnessed(&self) -> Vec<Call> {
        self.witness.all().cloned().collect()
    }

    pub(super) fn finish(mut self) -> Result<Ran, String> {
        for number in 0..self.cluster.replicas.len() {
            if self.cluster.replicas[number].applied != self.cluster.agreed() {
                return Err(format!("liveness: replica {number} lags behind"));
            }
            self.cluster.compare(number)?;
        }
        final_rows(&self.cluster.replicas[0].tables)?;
        let ran = Ran {
            entries: self.cluster.agreed(),
            requests: self.requests,
            calls: self.witness.calls(),
            outcomes: self.witness.of_each_outcome(),
            faults: self.faults,
            fingerprint: self.cluster.fingerprint(),
        };
        self.witness.judge()?;
        Ok(ran)
    }
}
