//! The driver of the random runs: three accounts, what they do, and one log.

mod acts;
mod checks;
mod owned;
mod owners;

pub(crate) use acts::{Act, acts};
pub(crate) use owners::Own;

use auth_core::command::*;
use auth_core::device::DeviceProof;
use auth_core::entry::{Client, Entry};
use auth_core::error::Fault;
use auth_core::idempotency::IdempotencyKey;
use auth_core::ids::*;
use auth_core::query;
use auth_core::reply::Reply;
use auth_core::secret::{Mac, Sealed};
use auth_core::tables::memory::MemoryTables;
use auth_core::time::Timestamp;
use checks::Checks;

/// What applies an entry.
pub(crate) type Machine = fn(u64, &Entry, &mut MemoryTables) -> Result<Reply, Fault>;

/// One run.
pub(crate) struct Run {
    machine: Machine,
    tables: MemoryTables,
    log: Vec<Entry>,
    now: Timestamp,
    drawn: u128,
    accounts: Vec<AccountId>,
    admin: Option<SessionId>,
    /// Every token of a device that account 2 got, the newest last.
    devices: Vec<DeviceProof>,
    challenges: Vec<ChallengeId>,
    sessions: Vec<SessionId>,
    tokens: Vec<(Mac, AccountId)>,
    proofs: Vec<Mac>,
    checks: Checks,
}

/// 32 bytes that follow from 16.
fn mac(id: [u8; 16]) -> Mac {
    let mut bytes = [0x5a; 32];
    bytes[..16].copy_from_slice(&id);
    Mac(bytes)
}

fn last<T: Copy>(all: &[T], pick: usize) -> Option<T> {
    all.iter().rev().nth(pick % all.len().max(1)).copied()
}

impl Run {
    pub(crate) fn new(machine: Machine) -> Result<Self, String> {
        let mut run = Self {
            machine,
            tables: MemoryTables::default(),
            log: Vec::new(),
            now: Timestamp::from_seconds(1_700_000_000),
            drawn: 0,
            accounts: Vec::new(),
            admin: None,
            devices: Vec::new(),
            challenges: Vec::new(),
            sessions: Vec::new(),
            tokens: Vec::new(),
            proofs: Vec::new(),
            checks: Checks::default(),
        };
        for name in ["root", "mail", "known"] {
            run.register(name)?;
        }
        run.bind_root()?;
        let device = Some(NewDevice {
            device: DeviceId(run.draw()),
            name: "Firefox".into(),
            remembered: true,
        });
        let command = run.sign_in(2, false, device);
        run.propose(None, command)?;
        run.now = run.now.plus_seconds(60);
        Ok(run)
    }

    fn register(&mut self, name: &str) -> Result<(), String> {
        let (account, token) = (
            AccountId(self.draw()),
            NewToken {
                hash: mac(self.draw()),
                sealed: Sealed(vec![1]),
            },
        );
        let hash = token.hash;
        let email = format!("{name}@example.org");
        self.accounts.push(account);
        let register = RegisterAccount {
            account,
            username: name.into(),
            username_key: name.into(),
            email: email.clone(),
            email_key: email,
            password: Sealed(vec![1]),
            password_alone: true,
            confirmation: Some(token),
        };
        self.propose(None, Command::RegisterAccount(register))?;
        self.propose(None, Command::ConfirmEmail(ConfirmEmail { token: hash }))?;
        Ok(())
    }

    /// Account 0 is bound, has recovery codes and administers.
    fn bind_root(&mut self) -> Result<(), String> {
        let account = self.accounts[0];
        let enrol = EnrolTotp {
            account,
            base_seq: self.seq(account),
            factor: FactorId(self.draw()),
            seed: Sealed(vec![2]),
            label: "phone".into(),
        };
        let factor = enrol.factor;
        self.propose(None, Command::EnrolTotp(enrol))?;
        let log_in = LogIn {
            account,
            base_seq: self.seq(account),
            code: Some(CodeEvidence {
                factor,
                matched_step: Some(self.now.seconds() / 30),
            }),
            session: SessionId(self.draw()),
            session_seconds: 5_000_000,
            device: None,
            idle_seconds: None,
        };
        let session = log_in.session;
        self.propose(None, Command::LogIn(log_in))?;
        self.admin = Some(session);
        let hashes = (0..10).map(|code| mac([code; 16])).collect();
        self.propose(
            None,
            Command::IssueRecoveryCodes(IssueRecoveryCodes { session, hashes }),
        )?;
        self.propose(None, Command::BootstrapAdmin(BootstrapAdmin { account }))?;
        Ok(())
    }

    fn draw(&mut self) -> [u8; 16] {
        self.drawn += 1;
        (self.drawn << 64).to_be_bytes()
    }

    fn seq(&self, account: AccountId) -> u64 {
        query::account(&self.tables, account)
            .unwrap()
            .map_or(0, |row| row.auth_seq)
    }

    fn new_session(&mut self, device: Option<NewDevice>) -> NewSession {
        NewSession {
            session: SessionId(self.draw()),
            seconds: 200_000,
            idle_seconds: Some(100_000),
            device,
        }
    }

    fn sign_in(&mut self, who: usize, always: bool, device: Option<NewDevice>) -> Command {
        let account = self.accounts[who];
        let challenge = ChallengeId(self.draw());
        Command::SignIn(SignIn {
            account,
            base_seq: self.seq(account),
            challenge,
            session: self.new_session(device),
            answer: None,
            always,
            share: Some(9_999),
            code: Some(NewCode {
                mac: mac(challenge.0),
                sealed: Sealed(vec![3]),
                channel: Default::default(),
            }),
        })
    }

    fn totp(&self, account: AccountId, offset: u64) -> Option<CodeEvidence> {
        let factor = query::factors(&self.tables, account).unwrap().first()?.id;
        let matched_step = offset.checked_sub(1).map(|offset| self.now.seconds() / 30 + offset);
        Some(CodeEvidence { factor, matched_step })
    }

    fn answer(&mut self, pick: usize, answer: impl FnOnce(&Self, ChallengeId, AccountId) -> Answer) -> Option<Command> {
        let challenge = last(&self.challenges, pick)?;
        let account = query::challenge(&self.tables, challenge).unwrap()?.account;
        let answer = answer(self, challenge, account);
        Some(Command::AnswerChallenge(AnswerChallenge {
            challenge,
            base_seq: self.seq(account),
            answer,
            session: self.new_session(None),
        }))
    }

    /// Takes one act; the error is the first thing that does not hold.
    pub(crate) fn step(&mut self, act: Act) -> Result<(), String> {
        self.now = Timestamp(self.now.0 + 1_000);
        let device = match act {
            Act::SignIn { who, device, .. } | Act::WrongPassword { who, device } => {
                last(&self.devices, 0).filter(|_| device && who == 2)
            }
            Act::Own(own) => own.device().and_then(|pick| last(&self.devices, pick)),
            Act::Wait { seconds } => {
                self.now = self.now.plus_seconds(seconds);
                return Ok(());
            }
            Act::Repeat { pick } | Act::SameKey { pick } => {
                let mut entry = self.log[self.log.len() - 1 - pick % self.log.len()].clone();
                if matches!(act, Act::SameKey { .. }) {
                    entry.request_id = RequestId(self.draw());
                    entry.at = self.now;
                }
                return self.apply(entry).map(|_| ());
            }
            Act::AnswerMail { .. }
            | Act::AnswerTotp { .. }
            | Act::AnswerRecovery { .. }
            | Act::SendCode { .. }
            | Act::RequestReset { .. }
            | Act::Reset { .. }
            | Act::ChangePassword { .. }
            | Act::StepUp { .. }
            | Act::Refresh { .. }
            | Act::EndOthers { .. }
            | Act::Disable { .. }
            | Act::Activate { .. } => None,
        };
        match self.command(act) {
            Some(command) => self.propose(device, command),
            None => Ok(()),
        }
    }

    fn command(&mut self, act: Act) -> Option<Command> {
        Some(match act {
            Act::SignIn { who, always, .. } => self.sign_in(who, always, None),
            Act::WrongPassword { who, .. } => {
                let account = self.accounts[who];
                let base_seq = self.seq(account);
                let subject = Subject::Account { account, base_seq };
                Command::RefuseLogin(RefuseLogin { subject })
            }
            Act::AnswerMail { pick, right } => self.answer(pick, |_, challenge, _| Answer {
                mailed: Some(if right { mac(challenge.0) } else { mac([9; 16]) }),
                ..Answer::default()
            })?,
            Act::AnswerTotp { pick, offset } => self.answer(pick, |run, _, account| Answer {
                totp: run.totp(account, offset),
                ..Answer::default()
            })?,
            Act::AnswerRecovery { pick, code } => self.answer(pick, |_, _, _| Answer {
                recovery: Some(mac([code; 16])),
                ..Answer::default()
            })?,
            Act::SendCode { pick } => {
                let challenge = last(&self.challenges, pick)?;
                let code = NewCode {
                    mac: mac(challenge.0),
                    sealed: Sealed(vec![3]),
                    channel: Default::default(),
                };
                Command::SendCode(SendCode { challenge, code })
            }
            Act::StepUp { offset } => Command::StepUp(StepUp {
                session: self.admin?,
                base_seq: self.seq(self.accounts[0]),
                password: false,
                answer: Some(Answer {
                    totp: self.totp(self.accounts[0], offset),
                    ..Answer::default()
                }),
            }),
            Act::RequestReset { .. } | Act::Reset { .. } | Act::ChangePassword { .. } => self.password_command(act)?,
            Act::Refresh { pick } => {
                let session = last(&self.sessions, pick)?;
                let generation = query::session(&self.tables, session).unwrap()?.generation;
                Command::RefreshSession(RefreshSession { session, generation })
            }
            Act::EndOthers { pick } => Command::EndSessions(EndSessions {
                session: last(&self.sessions, pick)?,
                scope: SessionScope::Others {},
            }),
            Act::Disable { who } => self.administer(who, AdminAction::Disable {})?,
            Act::Activate { who } => self.administer(who, AdminAction::Activate {})?,
            Act::Own(own) => self.own(own)?,
            Act::SameKey { .. } | Act::Repeat { .. } | Act::Wait { .. } => return None,
        })
    }

    fn password_command(&mut self, act: Act) -> Option<Command> {
        let password = NewPassword {
            sealed: Sealed(self.draw().to_vec()),
            alone: true,
        };
        if let Act::RequestReset { who } = act {
            let (account, hash) = (self.accounts[who], mac(self.draw()));
            self.tokens.push((hash, account));
            let token = NewToken {
                hash,
                sealed: Sealed(vec![4]),
            };
            let subject = ResetSubject::Account(account);
            return Some(Command::RequestPasswordReset(RequestPasswordReset { subject, token }));
        }
        if let Act::Reset { pick } = act {
            let (token, account) = last(&self.tokens, pick)?;
            let answer = Some(Answer {
                totp: self.totp(account, 1),
                ..Answer::default()
            });
            return Some(Command::ResetPassword(ResetPassword {
                token,
                base_seq: self.seq(account),
                password,
                answer,
            }));
        }
        let Act::ChangePassword { pick } = act else { return None };
        let session = last(&self.sessions, pick)?;
        let account = query::session(&self.tables, session).unwrap()?.account;
        Some(Command::ChangePassword(ChangePassword {
            session,
            base_seq: self.seq(account),
            password,
        }))
    }

    fn propose(&mut self, device: Option<DeviceProof>, command: Command) -> Result<(), String> {
        let key = IdempotencyKey {
            scope: [1; 16],
            key: self.draw(),
            body: mac([2; 16]),
            answer: None,
            shared: false,
        };
        let client = Client {
            address: "192.0.2.1".into(),
            device,
            idempotency: Some(key),
            ..Client::default()
        };
        let entry = Entry {
            request_id: RequestId(self.draw()),
            at: self.now,
            client,
            command,
        };
        self.apply(entry)
    }

    fn apply(&mut self, entry: Entry) -> Result<(), String> {
        let before = self.tables.clone();
        self.log.push(entry.clone());
        let index = self.log.len() as u64;
        let reply = (self.machine)(index, &entry, &mut self.tables).map_err(|fault| format!("fault: {fault}"))?;
        self.checks
            .observe(index, &entry, &before, &self.tables, &reply)
            .map_err(|what| format!("{what}\n  at {index}: {entry:?}\n  -> {reply:?}"))?;
        if let Reply::SecondFactorRequired { challenge, .. } | Reply::EnrolmentStarted { challenge, .. } = reply {
            self.challenges.push(challenge);
        }
        if let Reply::SessionStarted(grant) = reply {
            self.sessions.push(grant.session);
            if let Some(device) = grant.device {
                self.devices.push(DeviceProof {
                    device: device.device,
                    generation: device.generation,
                });
            }
        }
        Ok(())
    }

    /// The rows, after the log gave the same ones once more.
    pub(crate) fn replayed(self) -> Result<MemoryTables, String> {
        let mut again = MemoryTables::default();
        for (index, entry) in (1..).zip(&self.log) {
            (self.machine)(index, entry, &mut again).map_err(|fault| format!("fault: {fault}"))?;
        }
        if again == self.tables {
            Ok(again)
        } else {
            Err("replay: other rows".into())
        }
    }
}
