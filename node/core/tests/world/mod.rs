//! A small cluster of simulated nodes: each reads the state when it likes, stamps its own clock, and proposes from what
//! it read. Proposals are held back, delivered out of order and repeated. What they prove is decided elsewhere.

mod actions;
mod rebase;

pub(crate) use actions::{Action, Ask, Guess, Step, prompt, runs};

use actions::NODES;
use auth_core::apply::apply;
use auth_core::command::{
    CodeEvidence, Command, EndSession, EnrolTotp, InstallSigningKey, LogIn, MarkMailSent, NewTotp, RefreshSession,
    RefuseLogin, RegisterAccount, StartLogin, Subject, VerifyFactor,
};
use auth_core::entry::{Client, Entry};
use auth_core::error::Fault;
use auth_core::ids::{AccountId, ChallengeId, FactorId, NameMac, RequestId, SessionId};
use auth_core::limits::TOTP_STEP_SECONDS;
use auth_core::query;
use auth_core::reply::Reply;
use auth_core::secret::Sealed;
use auth_core::tables::memory::MemoryTables;
use auth_core::time::Timestamp;
use rebase::{from_the_end, rebased, username};
use std::collections::BTreeMap;

/// What applies an entry: the real thing, or one that was broken on purpose.
pub(crate) type Machine = fn(u64, &Entry, &mut MemoryTables) -> Result<Reply, Fault>;

/// The real thing.
pub(crate) fn sound(index: u64, entry: &Entry, tables: &mut MemoryTables) -> Result<Reply, Fault> {
    apply(index, entry, tables)
}

/// What each node's clock is off by, in seconds.
const SKEWS: [i64; NODES] = [0, 4, -3];

/// Life of every session.
const SESSION_SECONDS: u64 = 86_400;

/// How long after its first proposal a request is proposed again with a new time, at most.
const RETRIED_FOR_SECONDS: u64 = 60;

/// One applied entry, as an observer sees it.
pub(crate) struct Applied<'a> {
    pub(crate) index: u64,
    pub(crate) entry: &'a Entry,
    pub(crate) before: &'a MemoryTables,
    pub(crate) after: &'a MemoryTables,
    pub(crate) reply: &'a Reply,
}

/// The cluster.
pub(crate) struct World<O> {
    machine: Machine,
    observe: O,
    tables: MemoryTables,
    log: Vec<Entry>,
    views: [MemoryTables; NODES],
    now: Timestamp,
    drawn: u128,
    proposed_at: BTreeMap<RequestId, Timestamp>,
    held: Vec<Entry>,
    stale: Vec<(Entry, u64)>,
    accounts: BTreeMap<String, AccountId>,
    challenges: Vec<ChallengeId>,
    sessions: Vec<(SessionId, u32)>,
}

impl<O: FnMut(&Applied<'_>) -> Result<(), String>> World<O> {
    /// Two accounts that are bound to a factor, and one that is not.
    pub(crate) fn new(machine: Machine, observe: O) -> Result<Self, String> {
        let mut world = Self {
            machine,
            observe,
            tables: MemoryTables::default(),
            log: Vec::new(),
            views: std::array::from_fn(|_| MemoryTables::default()),
            now: Timestamp::from_seconds(1_700_000_000),
            drawn: 0,
            proposed_at: BTreeMap::new(),
            held: Vec::new(),
            stale: Vec::new(),
            accounts: BTreeMap::new(),
            challenges: Vec::new(),
            sessions: Vec::new(),
        };
        for name in 0..3 {
            world.step(prompt(Action::Ask(Ask::Register { name, email: name })))?;
        }
        for name in 0..2 {
            world.step(prompt(Action::Ask(Ask::Enrol { name })))?;
            world.step(prompt(Action::Ask(Ask::LogIn {
                name,
                guess: Guess::Code(1),
            })))?;
        }
        world.step(prompt(Action::Wait {
            seconds: 2 * TOTP_STEP_SECONDS,
        }))?;
        Ok(world)
    }

    /// Takes every step; the error is the first thing that the observer did not accept.
    pub(crate) fn run(mut self, steps: &[Step]) -> Result<Self, String> {
        for step in steps {
            self.step(*step)?;
        }
        Ok(self)
    }

    fn step(&mut self, step: Step) -> Result<(), String> {
        self.now = Timestamp(self.now.0 + 1_000);
        let node = step.node % NODES;
        if step.reads {
            self.views[node] = self.tables.clone();
        }
        let entry = match step.action {
            Action::Wait { seconds } => {
                self.now = self.now.plus_seconds(seconds);
                return Ok(());
            }
            Action::Deliver { pick } if !self.held.is_empty() => self.held.swap_remove(pick % self.held.len()),
            Action::Repeat { pick } if !self.log.is_empty() => {
                self.log[self.log.len() - 1 - pick % self.log.len()].clone()
            }
            Action::Retry { pick } if !self.log.is_empty() => {
                let entry = self.log[self.log.len() - 1 - pick % self.log.len()].clone();
                self.stamped_anew(node, entry)
            }
            Action::Rebase { pick } if !self.stale.is_empty() => {
                let (entry, auth_seq) = self.stale.swap_remove(pick % self.stale.len());
                let command = rebased(entry.command, auth_seq);
                self.stamped_anew(node, Entry { command, ..entry })
            }
            Action::Deliver { .. } | Action::Repeat { .. } | Action::Retry { .. } | Action::Rebase { .. } => {
                return Ok(());
            }
            Action::Ask(ask) => match self.command(node, ask) {
                Some(command) => self.propose(node, command),
                None => return Ok(()),
            },
        };
        if step.held {
            self.held.push(entry);
            return Ok(());
        }
        self.apply(entry)
    }

    fn apply(&mut self, entry: Entry) -> Result<(), String> {
        // What travels is bytes.
        let entry = Entry::decode(&entry.encode()).map_err(|fault| format!("codec: {fault}"))?;
        let before = self.tables.clone();
        self.log.push(entry.clone());
        let index = self.log.len() as u64;
        let reply = (self.machine)(index, &entry, &mut self.tables).map_err(|fault| format!("fault: {fault}"))?;
        let reply = Reply::decode(&reply.encode()).map_err(|fault| format!("codec: {fault}"))?;
        let applied = Applied {
            index,
            entry: &entry,
            before: &before,
            after: &self.tables,
            reply: &reply,
        };
        (self.observe)(&applied).map_err(|what| format!("{what}\n  at {index}: {entry:?}\n  -> {reply:?}"))?;
        self.learn(entry, &reply);
        Ok(())
    }

    fn learn(&mut self, entry: Entry, reply: &Reply) {
        match reply {
            Reply::AccountRegistered { account, .. } => {
                if let Command::RegisterAccount(command) = entry.command {
                    self.accounts.entry(command.username_key).or_insert(*account);
                }
            }
            Reply::ChallengeStarted { challenge, .. } => self.challenges.push(*challenge),
            Reply::SessionStarted(grant) | Reply::SessionRefreshed(grant) => {
                match self.sessions.iter_mut().find(|(id, _)| *id == grant.session) {
                    Some((_, generation)) => *generation = grant.generation.max(*generation),
                    None => self.sessions.push((grant.session, grant.generation)),
                }
            }
            Reply::Stale { auth_seq } => self.stale.push((entry, *auth_seq)),
            Reply::TotpPending { .. }
            | Reply::SessionEnded {}
            | Reply::SigningKeyInstalled {}
            | Reply::MailMarkedSent {}
            | Reply::Denied(_)
            | Reply::SecondFactorRequired { .. }
            | Reply::EnrolmentStarted { .. }
            | Reply::CodeSent { .. }
            | Reply::Done {}
            | Reply::SessionsEnded { .. }
            | Reply::RecoveryCodesIssued { .. }
            | Reply::PolicySet { .. }
            | Reply::Resealed { .. }
            | Reply::MailPostponed { .. }
            | Reply::EmailConfirmed { .. } => {}
        }
    }

    fn clock(&self, node: usize) -> Timestamp {
        Timestamp(self.now.0.saturating_add_signed(SKEWS[node] * 1_000_000))
    }

    fn draw(&mut self) -> [u8; 16] {
        self.drawn += 1;
        self.drawn.to_be_bytes()
    }

    fn propose(&mut self, node: usize, command: Command) -> Entry {
        let client = Client {
            address: format!("192.0.2.{node}"),
            ..Client::default()
        };
        let entry = Entry {
            request_id: RequestId(self.draw()),
            at: self.clock(node),
            client,
            command,
        };
        self.proposed_at.insert(entry.request_id, self.now);
        entry
    }

    /// Whoever tries again does so within seconds; later, an entry only travels on as it is.
    fn stamped_anew(&self, node: usize, entry: Entry) -> Entry {
        let proposed_at = self.proposed_at.get(&entry.request_id).copied().unwrap_or_default();
        if proposed_at.plus_seconds(RETRIED_FOR_SECONDS) < self.now {
            return entry;
        }
        Entry {
            at: self.clock(node),
            ..entry
        }
    }

    fn account(&self, name: u8) -> Option<AccountId> {
        self.accounts.get(&username(name)).copied()
    }

    /// `auth_seq` as the node read it.
    fn base_seq(&self, node: usize, account: AccountId) -> u64 {
        query::account(&self.views[node], account)
            .unwrap()
            .map_or(0, |row| row.auth_seq)
    }

    /// What the node's comparison gives, with the factor that it read.
    fn evidence(&self, node: usize, account: AccountId, guess: Guess) -> Option<CodeEvidence> {
        let factors = query::factors(&self.views[node], account).unwrap();
        let factor = query::answerable(&factors, self.clock(node)).or(factors.first())?.id;
        let step = self.clock(node).seconds() / TOTP_STEP_SECONDS;
        let matched_step = match guess {
            Guess::Wrong => None,
            Guess::Code(offset) => Some(step - 1 + offset),
        };
        Some(CodeEvidence { factor, matched_step })
    }

    fn command(&mut self, node: usize, ask: Ask) -> Option<Command> {
        Some(match ask {
            Ask::Register { name, email } => self.register(name, email),
            Ask::WrongPassword { name } => {
                let account = self.account(name)?;
                let subject = Subject::Account {
                    account,
                    base_seq: self.base_seq(node, account),
                };
                Command::RefuseLogin(RefuseLogin { subject })
            }
            Ask::UnknownName { name } => Command::RefuseLogin(RefuseLogin {
                subject: Subject::UnknownName {
                    name: NameMac([name; 16]),
                },
            }),
            Ask::Enrol { name } => {
                let account = self.account(name)?;
                let (base_seq, factor) = (self.base_seq(node, account), FactorId(self.draw()));
                Command::EnrolTotp(EnrolTotp {
                    account,
                    base_seq,
                    factor,
                    seed: Sealed(vec![7]),
                    label: "phone".into(),
                })
            }
            Ask::Start { name } => {
                let account = self.account(name)?;
                let (base_seq, challenge) = (self.base_seq(node, account), ChallengeId(self.draw()));
                let enrol = (base_seq % 2 == 0).then(|| NewTotp {
                    factor: FactorId(self.draw()),
                    seed: Sealed(vec![8]),
                    label: "page".into(),
                });
                Command::StartLogin(StartLogin {
                    account,
                    base_seq,
                    challenge,
                    enrol,
                })
            }
            Ask::Verify { pick, guess } => self.verify(node, pick, guess)?,
            Ask::LogIn { name, guess } => self.log_in(node, name, guess)?,
            Ask::Refresh { pick, age } => {
                let (session, newest) = from_the_end(&self.sessions, pick)?;
                Command::RefreshSession(RefreshSession {
                    session,
                    generation: newest.saturating_sub(age),
                })
            }
            Ask::End { pick } => Command::EndSession(EndSession {
                session: from_the_end(&self.sessions, pick)?.0,
            }),
            Ask::InstallKey => Command::InstallSigningKey(InstallSigningKey {
                kid: format!("{:02x}", self.draw()[15]),
                algorithm: "RS256".into(),
                public_der: vec![1],
                private: Sealed(vec![2]),
            }),
            Ask::MailSent => Command::MarkMailSent(MarkMailSent {
                key: query::outbox(&self.views[node], 1).unwrap().first()?.key,
            }),
        })
    }

    fn register(&mut self, name: u8, email: u8) -> Command {
        Command::RegisterAccount(RegisterAccount {
            account: AccountId(self.draw()),
            username: username(name),
            username_key: username(name),
            email: format!("{email}@example.org"),
            email_key: format!("{email}@example.org"),
            password: Sealed(vec![name]),
            password_alone: name.is_multiple_of(2),
            confirmation: None,
        })
    }

    fn verify(&mut self, node: usize, pick: usize, guess: Guess) -> Option<Command> {
        let challenge = from_the_end(&self.challenges, pick)?;
        let account = query::challenge(&self.views[node], challenge).unwrap()?.account;
        let code = self.evidence(node, account, guess)?;
        let (base_seq, session) = (self.base_seq(node, account), SessionId(self.draw()));
        Some(Command::VerifyFactor(VerifyFactor {
            challenge,
            base_seq,
            code,
            session,
            session_seconds: SESSION_SECONDS,
        }))
    }

    fn log_in(&mut self, node: usize, name: u8, guess: Guess) -> Option<Command> {
        let account = self.account(name)?;
        let code = self.evidence(node, account, guess);
        let (base_seq, session) = (self.base_seq(node, account), SessionId(self.draw()));
        Some(Command::LogIn(LogIn {
            account,
            base_seq,
            code,
            session,
            session_seconds: SESSION_SECONDS,
            device: None,
            idle_seconds: None,
        }))
    }
}
