//! Commands of all verbs, as a node makes them out of what a client sends and of what its own replica says at that moment,
//! which may be old.
//!
//! Must not decide what is right: wrong, repeated and stolen things are asked for as well.

mod login;
mod operations;
mod own;

use super::users::Users;
use crate::dice::Dice;
use auth_core::command::*;
use auth_core::device::DeviceProof;
use auth_core::ids::{AccountId, ChallengeId, DeviceId, FactorId, SessionId};
use auth_core::limits::TOTP_STEP_SECONDS;
use auth_core::query;
use auth_core::secret::{Mac, Sealed};
use auth_core::tables::memory::MemoryTables;
use auth_core::time::Timestamp;

/// A node that serves one request: its replica's tables and its clock.
pub(super) struct Asker<'a> {
    pub(super) tables: &'a MemoryTables,
    pub(super) clock: Timestamp,
    pub(super) users: &'a mut Users,
    pub(super) dice: &'a mut Dice,
}

/// Verbs with how often each is asked for; the numbers are those of the log.
const VERBS: [(u16, u64); 37] = [
    (1, 4),
    (2, 8),
    (3, 2),
    (4, 5),
    (5, 9),
    (6, 6),
    (7, 14),
    (8, 3),
    (9, 1),
    (10, 2),
    (11, 9),
    (12, 12),
    (13, 3),
    (14, 2),
    (15, 3),
    (16, 5),
    (17, 2),
    (18, 3),
    (19, 1),
    (20, 3),
    (21, 2),
    (22, 2),
    (23, 1),
    (24, 1),
    (25, 4),
    (26, 2),
    (27, 2),
    (28, 1),
    (29, 1),
    (30, 1),
    (31, 4),
    (32, 1),
    (33, 1),
    (34, 1),
    (35, 1),
    (36, 1),
    (37, 1),
];

/// 32 bytes that follow from 16.
pub(super) fn mac(id: [u8; 16]) -> Mac {
    let mut bytes = [0x5a; 32];
    bytes[..16].copy_from_slice(&id);
    Mac(bytes)
}

impl Asker<'_> {
    /// Something that a client asks for now, and the device that it shows.
    pub(super) fn any(&mut self) -> Option<(Command, Option<DeviceProof>)> {
        let mut ticket = self.dice.below(VERBS.iter().map(|(_, weight)| weight).sum());
        let verb = VERBS.iter().find(|(_, weight)| {
            let found = ticket < *weight;
            ticket = ticket.saturating_sub(*weight);
            found
        });
        let (verb, _) = verb?;
        let command = match verb {
            1..=7 | 11 | 12 => self.login(*verb)?,
            13..=20 => self.account_command(*verb)?,
            21..=28 | 8 => self.session_command(*verb)?,
            _ => self.operation(*verb)?,
        };
        let account = if let Command::SignIn(command) = &command {
            Some(command.account)
        } else if let Command::RefuseLogin(RefuseLogin {
            subject: Subject::Account { account, .. },
        }) = &command
        {
            Some(*account)
        } else {
            None
        };
        let own = self
            .users
            .devices
            .iter()
            .rev()
            .filter(|(owner, _)| Some(*owner) == account);
        let own: Vec<DeviceProof> = own.map(|(_, device)| *device).collect();
        let device = if self.dice.percent(40) {
            self.dice.recent(&own)
        } else {
            None
        };
        Some((command, device))
    }

    pub(super) fn draw(&mut self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.dice.draw().to_be_bytes());
        bytes[8..].copy_from_slice(&self.dice.draw().to_be_bytes());
        bytes
    }

    fn account(&mut self) -> Option<AccountId> {
        self.dice.recent(&self.users.accounts)
    }

    fn session(&mut self) -> Option<super::users::Known> {
        self.dice.recent(&self.users.sessions)
    }

    /// `auth_seq` as this replica has it.
    fn seq(&self, account: AccountId) -> u64 {
        let row = query::account(self.tables, account).ok().flatten();
        row.map_or(0, |row| row.auth_seq)
    }

    /// What comparing a code gives: of a step in the window, or of none.
    fn code(&mut self, account: AccountId) -> Option<CodeEvidence> {
        let factors = query::factors(self.tables, account).unwrap_or_default();
        let factor = self.dice.recent(&factors)?.id;
        let step = self.clock.seconds() / TOTP_STEP_SECONDS;
        let matched_step = self.dice.percent(75).then(|| step - 1 + self.dice.below(3));
        Some(CodeEvidence { factor, matched_step })
    }

    fn new_code(&mut self, challenge: ChallengeId) -> NewCode {
        NewCode {
            mac: mac(challenge.0),
            sealed: Sealed(vec![3]),
            channel: Default::default(),
        }
    }

    pub(super) fn token(&mut self) -> NewToken {
        let hash = mac(self.draw());
        self.users.tokens.push(hash);
        NewToken {
            hash,
            sealed: Sealed(vec![4]),
        }
    }

    fn password(&mut self) -> NewPassword {
        NewPassword {
            sealed: Sealed(self.draw().to_vec()),
            alone: true,
        }
    }

    fn new_totp(&mut self) -> NewTotp {
        NewTotp {
            factor: FactorId(self.draw()),
            seed: Sealed(vec![2]),
            label: "phone".into(),
        }
    }

    fn new_session(&mut self) -> NewSession {
        let device = self.dice.percent(30).then(|| NewDevice {
            device: DeviceId(self.draw()),
            name: "browser".into(),
            remembered: true,
        });
        NewSession {
            session: SessionId(self.draw()),
            seconds: 200_000,
            idle_seconds: Some(100_000),
            device,
        }
    }

    /// One kind of proof, so that what was used up is plain.
    fn answer(&mut self, account: AccountId, challenge: Option<ChallengeId>) -> Answer {
        let codes: Vec<Mac> = self
            .users
            .recovery
            .iter()
            .filter(|(owner, _)| *owner == account)
            .map(|(_, hash)| *hash)
            .collect();
        let mut answer = Answer::default();
        match (self.dice.below(4), challenge) {
            (0, _) if !codes.is_empty() => {
                answer.recovery = self.dice.recent(&codes);
                answer.replacement = self.dice.percent(20).then(|| mac(self.draw()));
            }
            (1, Some(challenge)) => {
                answer.mailed = Some(mac(if self.dice.percent(80) { challenge.0 } else { [9; 16] }))
            }
            (_, _) => answer.totp = self.code(account),
        }
        answer
    }

    pub(super) fn register(&mut self, name: String, email: String) -> Command {
        Command::RegisterAccount(RegisterAccount {
            account: AccountId(self.draw()),
            username: name.clone(),
            username_key: name,
            email: email.clone(),
            email_key: email,
            password: Sealed(vec![1]),
            password_alone: true,
            confirmation: Some(self.token()),
        })
    }
}
