//! Makes a member do a plan, keeping the model up with what it was told.
//!
//! Must note what is asked before it is asked, and that it is answered only once it is.

use std::io;

use futures_util::future::{BoxFuture, join};
use openraft::RaftSnapshotBuilder;
use openraft::storage::{IOFlushed, RaftLogStorage, RaftStateMachine};
use openraft::type_config::TypeConfigExt;

use super::member::{self, Member};
use super::model::{Change, Model};
use super::mutation::Mutation;
use super::plan::{End, Step};
use super::{Trouble, oracle};
use crate::OpenError;
use crate::disk::sim::{Dice, Loss, SimDisk};
use crate::types::{Entry, LeaderId, LogId, Types, Vote};

pub(super) type Done = Result<(), Trouble>;
type Flushed = BoxFuture<'static, io::Result<()>>;

/// A member at work.
pub(super) struct Driver {
    pub(super) disk: SimDisk,
    pub(super) model: Model,
    pub(super) member: Option<Member>,
    pub(super) dice: Dice,
    pub(super) mutation: Option<Mutation>,
}

impl Driver {
    pub(super) fn new(disk: SimDisk, model: Model, seed: u64, mutation: Option<Mutation>) -> Self {
        if let Some(lie) = mutation.and_then(Mutation::lie) {
            disk.lie(lie);
        }
        Self {
            disk,
            model,
            member: None,
            dice: Dice::new(seed),
            mutation,
        }
    }

    pub(super) async fn run(&mut self, plan: &[Step]) -> Done {
        for step in plan {
            self.step(step).await?;
            if let Some(member) = &self.member {
                self.model.heard(&member.guard.lineage());
            }
            if self.disk.is_stopped() {
                return Err(Trouble::Stopped);
            }
        }
        Ok(())
    }

    async fn step(&mut self, step: &Step) -> Done {
        match step {
            Step::Vote => self.vote(Vec::new()).await,
            Step::Append(sizes) => {
                self.align().await?;
                let flushed = self.append(sizes).await?;
                self.work_off()?;
                self.answered(vec![flushed]).await
            }
            Step::Group(appends, end) => self.group(appends, *end).await,
            Step::Commit(more) => {
                self.align().await?;
                self.commit(*more).await?;
                self.maybe_work_off()
            }
            Step::Checkpoint => self.checkpoint().await,
            Step::Purge(keep) => {
                self.purge(*keep).await?;
                self.maybe_work_off()
            }
            Step::Truncate(back) => self.truncate(*back, Vec::new()).await,
            Step::Install(ahead) => self.install(*ahead, true).await,
            Step::HalfInstall(ahead) => self.install(*ahead, false).await,
            Step::Restart => {
                self.close().await?;
                self.open(Loss::Killed).await
            }
            Step::Kill => {
                self.member = None;
                self.open(Loss::Killed).await
            }
        }
    }

    /// Opens the stores, judges what is in them, and takes that for what is known from now on.
    pub(super) async fn open(&mut self, loss: Loss) -> Done {
        let mut member = match Member::open(&self.disk).await {
            Ok(member) => member,
            Err(_) if self.disk.is_stopped() => return Err(Trouble::Stopped),
            Err(error @ OpenError::Quarantine { .. }) => return Err(Trouble::Refused(error.to_string())),
            Err(error) => return Err(Trouble::Wrong(format!("it does not open: {error}"))),
        };
        oracle::judge(&self.model, &member.found, loss).map_err(Trouble::Wrong)?;
        self.model.adopt(&member.found);
        let started = member.start().await;
        if let (Err(error), Loss::Scattered(_)) = (&started, loss) {
            return Err(Trouble::Refused(format!("consensus does not start: {error}")));
        }
        self.sort("consensus does not start", started)?;
        let applied = member.applied().await.map_err(Trouble::Wrong)?;
        self.model.applied = applied.map_or(0, |id| id.index + 1);
        let cells = self.sort("the tables", member::cells(&member.state))?;
        oracle::same_cells(&self.model, self.model.applied, &cells).map_err(Trouble::Wrong)?;
        self.member = Some(member);
        Ok(())
    }

    async fn close(&mut self) -> Done {
        if let Some(mut member) = self.member.take() {
            let queue = member.log.queue();
            let (closed, ()) = join(queue.close(), async { member.writer.work_off() }).await;
            self.sort("closing", closed)?;
            member.state.close();
            self.model.settled();
        }
        Ok(())
    }

    /// An error after the power went is none.
    pub(super) fn sort<T, E: std::fmt::Display>(&self, what: &str, result: Result<T, E>) -> Result<T, Trouble> {
        match result {
            Ok(_) if self.disk.is_stopped() => Err(Trouble::Stopped),
            Ok(done) => Ok(done),
            Err(_) if self.disk.is_stopped() => Err(Trouble::Stopped),
            Err(error) => Err(Trouble::Wrong(format!("{what}: {error}"))),
        }
    }

    pub(super) fn member(&mut self) -> Result<&mut Member, Trouble> {
        self.member
            .as_mut()
            .ok_or_else(|| Trouble::Wrong("the member is not open".into()))
    }

    /// Lets the writer do what is queued.
    pub(super) fn work_off(&mut self) -> Done {
        let member = self.member()?;
        member.writer.work_off();
        let fault = member.fault.get();
        self.sort("the writer of the log", fault.map_or(Ok(()), Err))
    }

    /// What nobody waits for may as well be done later, together with something else.
    fn maybe_work_off(&mut self) -> Done {
        if self.dice.coin() { self.work_off() } else { Ok(()) }
    }

    /// Waits for acknowledgements; everything asked before is durable then.
    async fn answered(&mut self, waiting: Vec<Flushed>) -> Done {
        if waiting.is_empty() {
            return Ok(());
        }
        for flushed in waiting {
            let flushed = flushed.await;
            // An acknowledgement counts even when the power went right after it.
            if let Err(error) = flushed {
                return self.sort("append", Err(error));
            }
        }
        self.model.settled();
        Ok(())
    }

    /// Queues an append of entries with commands of these sizes.
    async fn append(&mut self, sizes: &[usize]) -> Result<Flushed, Trouble> {
        let entries = self.entries(sizes);
        self.model.pending.push(Change::Append(entries.clone()));
        let (done, flushed) = Types::oneshot();
        let queued = self.member()?.log.append(entries, IOFlushed::signal(done)).await;
        self.sort("append", queued)?;
        Ok(Box::pin(async move { flushed.await.map_err(io::Error::other)? }))
    }

    /// The entries that follow: those agreed on already, then new ones.
    fn entries(&mut self, sizes: &[usize]) -> Vec<Entry> {
        let next = self.model.current().next();
        let (term, model) = (self.model.term, &self.model);
        let entries = sizes.iter().zip(next..).map(|(size, index)| {
            let known = model.agreed.get(&index).cloned();
            known.unwrap_or_else(|| super::content::entry(&mut self.dice, term, index, *size))
        });
        entries.collect()
    }

    /// What a leader does first: entries that it does not have are cut.
    async fn align(&mut self) -> Done {
        let current = self.model.current();
        let conflict = current.entries.iter().find(|entry| {
            let agreed = self.model.agreed.get(&entry.log_id.index);
            agreed.is_some_and(|agreed| agreed != *entry)
        });
        match conflict.map(|entry| entry.log_id.index) {
            Some(index) => self.cut(index.checked_sub(1), Vec::new()).await,
            None => Ok(()),
        }
    }

    async fn group(&mut self, appends: &[Vec<usize>], end: End) -> Done {
        self.align().await?;
        let mut waiting = Vec::new();
        for (place, sizes) in appends.iter().enumerate() {
            waiting.push(self.append(sizes).await?);
            if place == 0 {
                self.commit(1).await?;
                self.purge(1).await?;
            }
        }
        match end {
            End::Nothing => {
                self.work_off()?;
                self.answered(waiting).await
            }
            End::Vote => self.vote(waiting).await,
            End::Truncate => self.truncate(2, waiting).await,
            End::Checkpoint => {
                self.commit(u64::MAX).await?;
                self.checkpoint().await?;
                self.work_off()?;
                self.answered(waiting).await
            }
        }
    }

    async fn vote(&mut self, waiting: Vec<Flushed>) -> Done {
        self.model.term += 1;
        let vote = Vote {
            leader: LeaderId {
                term: self.model.term,
                node_id: 1 + self.dice.below(3),
            },
            committed: self.dice.coin(),
        };
        self.model.pending.push(Change::Vote(vote));
        let member = self.member()?;
        let saved = join(member.log.save_vote(&vote), async { member.writer.work_off() })
            .await
            .0;
        if saved.is_ok() {
            self.model.answered = Some(vote);
            self.model.settled();
        }
        self.sort("vote", saved)?;
        self.answered(waiting).await
    }

    async fn truncate(&mut self, back: u64, waiting: Vec<Flushed>) -> Done {
        let current = self.model.current();
        let keep = current.next().saturating_sub(back).max(self.model.applied);
        if keep >= current.next() {
            self.work_off()?;
            return self.answered(waiting).await;
        }
        self.cut(keep.checked_sub(1), waiting).await
    }

    /// Cuts the log after an index.
    pub(super) async fn cut(&mut self, after: Option<u64>, waiting: Vec<Flushed>) -> Done {
        let current = self.model.current();
        let known = current.entries.iter().map(|entry| entry.log_id).chain(current.purged);
        let after = after.and_then(|after| known.into_iter().find(|id| id.index == after));
        self.model.term += 1;
        self.model.pending.push(Change::Truncate(after.map(|id| id.index)));
        let member = self.member()?;
        let cut = join(member.log.truncate_after(after), async { member.writer.work_off() })
            .await
            .0;
        if cut.is_ok() {
            self.model.settled();
        }
        self.sort("truncate", cut)?;
        self.answered(waiting).await
    }

    /// More entries of the log are agreed on, and applied.
    async fn commit(&mut self, more: u64) -> Done {
        let upto = self.model.applied.saturating_add(more);
        let current = self.model.current();
        let new = current.entries.into_iter().filter(|entry| {
            let index = entry.log_id.index;
            index >= self.model.applied && index < upto
        });
        let new: Vec<Entry> = new.collect();
        let Some(last) = new.last().map(|entry| entry.log_id) else {
            return Ok(());
        };
        if new.first().map(|entry| entry.log_id.index) != Some(self.model.applied) {
            return Err(Trouble::Wrong("the log has a hole after the tables".into()));
        }
        for entry in &new {
            self.model.agreed.insert(entry.log_id.index, entry.clone());
        }
        self.model.committed.push(Some(last));
        self.model.applied = last.index + 1;
        let member = self.member()?;
        let saved = member.log.save_committed(Some(last)).await;
        let items = new.into_iter().map(|entry| Ok((entry, None)));
        let applied = member.applier.apply(futures_util::stream::iter(items)).await;
        self.sort("committed", saved)?;
        self.sort("apply", applied)
    }

    async fn checkpoint(&mut self) -> Done {
        let seen = self.model.applied;
        self.model.checkpoint_begun = Some(seen);
        let mark_first = self.mutation == Some(Mutation::MarkBeforeRows);
        let member = self.member()?;
        if mark_first {
            member.state.mark_before_rows();
        }
        let mut builder = member.applier.get_snapshot_builder().await;
        let built = builder.build_snapshot().await;
        if built.is_ok() {
            self.model.checkpoint = seen;
            self.model.checkpoint_begun = None;
        }
        let last = self.agreed(seen);
        let snapshot = self.sort("checkpoint", built)?;
        if snapshot.meta.last_log_id == last {
            Ok(())
        } else {
            Err(Trouble::Wrong("the checkpoint is not of what was applied".into()))
        }
    }

    /// The id of the last of so many entries.
    pub(super) fn agreed(&self, seen: u64) -> Option<LogId> {
        let last = self.model.agreed.get(&seen.checked_sub(1)?);
        last.map(|entry| entry.log_id)
    }

    /// Nobody waits for a purge.
    async fn purge(&mut self, keep: u64) -> Done {
        let covered = match self.mutation {
            Some(Mutation::PurgeBeforeCheckpoint) => self.model.applied,
            Some(_) | None => self.model.checkpoint,
        };
        let upto = self.agreed(covered.saturating_sub(keep));
        match upto.filter(|upto| Some(*upto) > self.model.current().purged) {
            Some(upto) => self.purge_to(upto).await,
            None => Ok(()),
        }
    }

    pub(super) async fn purge_to(&mut self, upto: LogId) -> Done {
        self.model.pending.push(Change::Purge(upto));
        let purged = self.member()?.log.purge(upto).await;
        self.sort("purge", purged)
    }
}
