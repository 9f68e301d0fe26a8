//! A bench for the tests of single commands: one log, a clock that is set by hand, and proposers that are never stale.

mod logins;

pub(in crate::apply) use logins::{granted, mac, password, token};

use super::apply;
use crate::account::Account;
use crate::command::{
    CodeEvidence, Command, EnrolTotp, LogIn, RefuseLogin, RegisterAccount, StartLogin, Subject, VerifyFactor,
};
use crate::device::DeviceProof;
use crate::entry::{Client, Entry};
use crate::factor::Factor;
use crate::idempotency::IdempotencyKey;
use crate::ids::{AccountId, ChallengeId, FactorId, RequestId, SessionId};
use crate::limits::TOTP_STEP_SECONDS;
use crate::query;
use crate::reply::Reply;
use crate::secret::Sealed;
use crate::tables::memory::MemoryTables;
use crate::time::Timestamp;

/// 16 bytes that differ for every number.
pub(in crate::apply) fn id(number: u64) -> [u8; 16] {
    u128::from(number).to_be_bytes()
}

/// See the module.
pub(in crate::apply) struct Bench {
    pub(in crate::apply) tables: MemoryTables,
    pub(in crate::apply) now: Timestamp,
    pub(in crate::apply) index: u64,
    /// Id of the next session, instead of a fresh one.
    pub(in crate::apply) next_session: Option<SessionId>,
    /// Address of the client.
    pub(in crate::apply) address: String,
    /// The device token that it shows.
    pub(in crate::apply) device: Option<DeviceProof>,
    /// The key that it names its requests by.
    pub(in crate::apply) idempotency: Option<IdempotencyKey>,
    drawn: u64,
}

impl Bench {
    pub(in crate::apply) fn new() -> Self {
        let now = Timestamp::from_seconds(1_700_000_000);
        Self {
            tables: MemoryTables::default(),
            now,
            index: 0,
            next_session: None,
            address: "192.0.2.1".into(),
            device: None,
            idempotency: None,
            drawn: 1_000_000,
        }
    }

    pub(in crate::apply) fn wait(&mut self, seconds: u64) {
        self.now = self.now.plus_seconds(seconds);
    }

    /// The time step of now.
    pub(in crate::apply) fn step(&self) -> u64 {
        self.now.seconds() / TOTP_STEP_SECONDS
    }

    pub(in crate::apply) fn draw(&mut self) -> [u8; 16] {
        self.drawn += 1;
        id(self.drawn)
    }

    pub(in crate::apply) fn run(&mut self, command: Command) -> Reply {
        let client = Client {
            address: self.address.clone(),
            device: self.device,
            idempotency: self.idempotency.clone(),
            ..Client::default()
        };
        let entry = Entry {
            request_id: RequestId(self.draw()),
            at: self.now,
            client,
            command,
        };
        self.run_entry(&entry)
    }

    pub(in crate::apply) fn run_entry(&mut self, entry: &Entry) -> Reply {
        self.index += 1;
        apply(self.index, entry, &mut self.tables).unwrap()
    }

    pub(in crate::apply) fn account(&self, id: AccountId) -> Account {
        query::account(&self.tables, id).unwrap().unwrap()
    }

    pub(in crate::apply) fn factor(&self, account: AccountId, id: FactorId) -> Factor {
        query::factors(&self.tables, account)
            .unwrap()
            .into_iter()
            .find(|factor| factor.id == id)
            .unwrap()
    }

    pub(in crate::apply) fn new_account(&mut self, name: &str, email: &str) -> RegisterAccount {
        RegisterAccount {
            account: AccountId(self.draw()),
            username: name.into(),
            username_key: name.into(),
            email: email.into(),
            email_key: email.into(),
            password: Sealed(vec![1, 2, 3]),
            password_alone: false,
            confirmation: None,
        }
    }

    pub(in crate::apply) fn register(&mut self, name: &str, email: &str) -> AccountId {
        let command = self.new_account(name, email);
        let account = command.account;
        let reply = self.run(Command::RegisterAccount(command));
        assert_eq!(
            reply,
            Reply::AccountRegistered {
                account,
                created_at: self.now,
                waits: None
            }
        );
        account
    }

    pub(in crate::apply) fn try_enrol(&mut self, account: AccountId) -> Reply {
        let command = EnrolTotp {
            account,
            base_seq: self.account(account).auth_seq,
            factor: FactorId(self.draw()),
            seed: Sealed(vec![4, 5, 6]),
            label: "phone".into(),
        };
        self.run(Command::EnrolTotp(command))
    }

    pub(in crate::apply) fn enrol(&mut self, account: AccountId) -> FactorId {
        let reply = self.try_enrol(account);
        let Reply::TotpPending { factor, .. } = reply else {
            panic!("{reply:?}")
        };
        factor
    }

    /// An account with a confirmed factor, whose last step lies in the past.
    pub(in crate::apply) fn bound_account(&mut self, name: &str) -> (AccountId, FactorId) {
        let account = self.register(name, &format!("{name}@example.org"));
        let factor = self.enrol(account);
        let step = self.step();
        let reply = self.log_in(account, Some((factor, Some(step))));
        assert!(matches!(reply, Reply::SessionStarted(_)), "{reply:?}");
        self.wait(2 * TOTP_STEP_SECONDS);
        (account, factor)
    }

    pub(in crate::apply) fn start(&mut self, account: AccountId) -> ChallengeId {
        let challenge = ChallengeId(self.draw());
        let base_seq = self.account(account).auth_seq;
        let reply = self.run(Command::StartLogin(StartLogin {
            account,
            base_seq,
            challenge,
            enrol: None,
        }));
        assert!(matches!(reply, Reply::ChallengeStarted { .. }), "{reply:?}");
        challenge
    }

    pub(in crate::apply) fn verify(
        &mut self,
        challenge: ChallengeId,
        factor: FactorId,
        matched_step: Option<u64>,
    ) -> Reply {
        let row = query::challenge(&self.tables, challenge).unwrap();
        let base_seq = row.map_or(0, |row| self.account(row.account).auth_seq);
        let session = self.draw_session();
        let code = CodeEvidence { factor, matched_step };
        self.run(Command::VerifyFactor(VerifyFactor {
            challenge,
            base_seq,
            code,
            session,
            session_seconds: 86_400,
        }))
    }

    pub(in crate::apply) fn log_in(&mut self, account: AccountId, code: Option<(FactorId, Option<u64>)>) -> Reply {
        let base_seq = self.account(account).auth_seq;
        let code = code.map(|(factor, matched_step)| CodeEvidence { factor, matched_step });
        let session = self.draw_session();
        self.run(Command::LogIn(LogIn {
            account,
            base_seq,
            code,
            session,
            session_seconds: 86_400,
            device: None,
            idle_seconds: None,
        }))
    }

    pub(in crate::apply) fn fail_passwords(&mut self, account: AccountId, times: u32) {
        for _ in 0..times {
            let subject = Subject::Account {
                account,
                base_seq: self.account(account).auth_seq,
            };
            self.run(Command::RefuseLogin(RefuseLogin { subject }));
        }
    }

    /// Uses the account's budget up.
    pub(in crate::apply) fn block(&mut self, account: AccountId) {
        self.fail_passwords(account, 5);
        assert!(self.account(account).throttle.blocked_until(self.now).is_some());
    }

    pub(in crate::apply) fn draw_session(&mut self) -> SessionId {
        let drawn = SessionId(self.draw());
        self.next_session.take().unwrap_or(drawn)
    }
}
