//! What owners and administrators change in a random run: factors, recovery codes, addresses, devices, the policy.

use super::{Run, last, mac};
use auth_core::command::*;
use auth_core::ids::*;
use auth_core::policy::RiskMode;
use auth_core::query;
use auth_core::secret::Sealed;

/// Which of them. Account 0 acts in the session that it enrolled in, the others in their newest one.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Own {
    AddTotp,
    ConfirmTotp {
        offset: u64,
    },
    RemoveTotp {
        pick: usize,
    },
    RecoveryCodes,
    MailedCodes {
        who: usize,
        enabled: bool,
    },
    AskAddress {
        who: usize,
        to: usize,
    },
    ProveAddress {
        pick: usize,
    },
    SetPolicy {
        kind: u8,
    },
    KnowDevice,
    /// Account 2 proves itself anew where it shows one of the device tokens that it got.
    StepUpOnDevice {
        pick: usize,
    },
    /// The same account sets a new password where it shows one of them.
    ChangePasswordOnDevice {
        pick: usize,
    },
    /// The same account binds an app where it shows one of them: begins to, or confirms the one that waits.
    BindOnDevice {
        pick: usize,
        offset: u64,
    },
    ForgetDevice,
    SetRole {
        who: usize,
        admin: bool,
    },
    ResetFactors {
        who: usize,
    },
}

/// Addresses that accounts want: each other's, and free ones.
const ADDRESSES: [&str; 4] = [
    "root@example.org",
    "mail@example.org",
    "new@example.org",
    "other@example.org",
];

impl Own {
    /// Which of the device tokens is shown.
    pub(super) fn device(self) -> Option<usize> {
        match self {
            Self::StepUpOnDevice { pick } | Self::ChangePasswordOnDevice { pick } | Self::BindOnDevice { pick, .. } => {
                Some(pick)
            }
            Self::AddTotp
            | Self::ConfirmTotp { .. }
            | Self::RemoveTotp { .. }
            | Self::RecoveryCodes
            | Self::MailedCodes { .. }
            | Self::AskAddress { .. }
            | Self::ProveAddress { .. }
            | Self::SetPolicy { .. }
            | Self::KnowDevice
            | Self::ForgetDevice
            | Self::SetRole { .. }
            | Self::ResetFactors { .. } => None,
        }
    }
}

impl Run {
    pub(super) fn own(&mut self, act: Own) -> Option<Command> {
        Some(match act {
            Own::AddTotp => self.add_totp(self.admin?),
            Own::ConfirmTotp { offset } => self.confirm_totp(0, self.admin?, offset)?,
            Own::BindOnDevice { offset, .. } => self.bind(self.session_of(2)?, offset),
            Own::ChangePasswordOnDevice { .. } => self.change_password(self.session_of(2)?),
            Own::RemoveTotp { pick } => {
                let factors = query::factors(&self.tables, self.accounts[0]).unwrap();
                let factor = factors.get(pick % factors.len().max(1))?.id;
                Command::RemoveTotp(RemoveTotp {
                    session: self.admin?,
                    factor,
                })
            }
            Own::RecoveryCodes => {
                let set = self.draw()[7];
                let hashes = (0..10).map(|code| mac([code ^ set; 16])).collect();
                Command::IssueRecoveryCodes(IssueRecoveryCodes {
                    session: self.admin?,
                    hashes,
                })
            }
            Own::MailedCodes { who, enabled } => Command::SetEmailFactor(SetEmailFactor {
                session: self.session_of(who)?,
                enabled,
            }),
            Own::AskAddress { who, to } => self.ask_address(who, to)?,
            Own::ProveAddress { pick } => Command::ConfirmEmail(ConfirmEmail {
                token: last(&self.proofs, pick)?,
            }),
            Own::SetPolicy { kind } => self.set_policy(kind)?,
            Own::KnowDevice => {
                let device = NewDevice {
                    device: DeviceId(self.draw()),
                    name: "Lynx".into(),
                    remembered: true,
                };
                self.sign_in(2, false, Some(device))
            }
            Own::StepUpOnDevice { .. } => Command::StepUp(StepUp {
                session: self.session_of(2)?,
                base_seq: self.seq(self.accounts[2]),
                password: true,
                answer: None,
            }),
            Own::ForgetDevice => {
                let devices = query::devices(&self.tables, self.accounts[2]).unwrap();
                Command::ForgetDevice(ForgetDevice {
                    session: self.session_of(2)?,
                    device: devices.first()?.id,
                })
            }
            Own::SetRole { who, admin } => {
                let role = if admin {
                    auth_core::account::Role::Admin
                } else {
                    auth_core::account::Role::User
                };
                self.administer(who, AdminAction::SetRole { role })?
            }
            Own::ResetFactors { who } => self.administer(who, AdminAction::ResetFactors {})?,
        })
    }

    fn add_totp(&mut self, session: SessionId) -> Command {
        Command::AddTotp(AddTotp {
            authority: Authority::Session(session),
            new: NewTotp {
                factor: FactorId(self.draw()),
                seed: Sealed(vec![5]),
                label: "tablet".into(),
            },
        })
    }

    fn bind(&mut self, session: SessionId, offset: u64) -> Command {
        match self.confirm_totp(2, session, offset) {
            Some(confirm) => confirm,
            None => self.add_totp(session),
        }
    }

    fn change_password(&mut self, session: SessionId) -> Command {
        Command::ChangePassword(ChangePassword {
            session,
            base_seq: self.seq(self.accounts[2]),
            password: NewPassword {
                sealed: Sealed(self.draw().to_vec()),
                alone: true,
            },
        })
    }

    fn confirm_totp(&self, who: usize, session: SessionId, offset: u64) -> Option<Command> {
        let account = self.accounts[who];
        let factors = query::factors(&self.tables, account).unwrap();
        let factor = factors.iter().find(|factor| !factor.is_bound())?.id;
        let matched_step = offset.checked_sub(1).map(|offset| self.now.seconds() / 30 + offset);
        Some(Command::ConfirmTotp(ConfirmTotp {
            authority: Authority::Session(session),
            base_seq: self.seq(account),
            code: CodeEvidence { factor, matched_step },
        }))
    }

    fn ask_address(&mut self, who: usize, to: usize) -> Option<Command> {
        let (session, hash) = (self.session_of(who)?, mac(self.draw()));
        let email = ADDRESSES[to % ADDRESSES.len()].to_owned();
        self.proofs.push(hash);
        Some(Command::RequestEmailChange(RequestEmailChange {
            session,
            email: email.clone(),
            email_key: email,
            token: NewToken {
                hash,
                sealed: Sealed(vec![6]),
            },
        }))
    }

    fn set_policy(&self, kind: u8) -> Option<Command> {
        let mut policy = query::policy(&self.tables).unwrap();
        let expected_version = policy.version + u64::from(kind == 3);
        policy.risk.mode =
            [RiskMode::Enforced, RiskMode::Shadow, RiskMode::Off, RiskMode::Shadow][usize::from(kind % 4)];
        policy.remembered_device_suffices = kind == 1;
        Some(Command::SetPolicy(SetPolicy {
            session: self.admin?,
            expected_version,
            policy,
        }))
    }

    pub(super) fn administer(&self, who: usize, action: AdminAction) -> Option<Command> {
        Some(Command::AdministerAccount(AdministerAccount {
            session: self.admin?,
            account: self.accounts[who],
            action,
            then: Vec::new(),
        }))
    }

    fn session_of(&self, who: usize) -> Option<SessionId> {
        if who == 0 {
            return self.admin;
        }
        let mut newest = self.sessions.iter().rev();
        newest
            .find(|id| {
                let session = query::session(&self.tables, **id).unwrap();
                session.is_some_and(|session| session.account == self.accounts[who])
            })
            .copied()
    }
}
