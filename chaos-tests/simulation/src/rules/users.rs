//! What clients know: accounts, sessions and their generations, challenges, codes and tokens that they were given. A thief
//! has the same and uses it again.
//!
//! Must not read a replica: only answers that arrived are known.

use auth_core::command::{Authority, Command};
use auth_core::device::DeviceProof;
use auth_core::entry::Entry;
use auth_core::ids::{AccountId, ChallengeId, SessionId};
use auth_core::reply::Reply;
use auth_core::secret::Mac;
use std::collections::BTreeMap;

/// A session as its client knows it.
#[derive(Clone, Copy)]
pub(super) struct Known {
    pub(super) session: SessionId,
    pub(super) account: AccountId,
    pub(super) generation: u32,
    /// When the answer that told of it arrived.
    pub(super) since_us: u64,
}

#[derive(Default)]
pub(super) struct Users {
    pub(super) accounts: Vec<AccountId>,
    pub(super) names: BTreeMap<AccountId, String>,
    pub(super) sessions: Vec<Known>,
    pub(super) challenges: Vec<(ChallengeId, AccountId)>,
    pub(super) tokens: Vec<Mac>,
    pub(super) recovery: Vec<(AccountId, Mac)>,
    pub(super) devices: Vec<(AccountId, DeviceProof)>,
}

impl Users {
    /// An answer arrived.
    pub(super) fn learn(&mut self, entry: &Entry, reply: &Reply, at_us: u64) {
        match (&entry.command, reply) {
            (_, Reply::SessionStarted(grant) | Reply::SessionRefreshed(grant)) => {
                if let Some(device) = grant.device {
                    let proof = DeviceProof {
                        device: device.device,
                        generation: device.generation,
                    };
                    self.devices.push((grant.account, proof));
                }
                match self.sessions.iter_mut().find(|known| known.session == grant.session) {
                    Some(known) => known.generation = known.generation.max(grant.generation),
                    None => self.sessions.push(Known {
                        session: grant.session,
                        account: grant.account,
                        generation: grant.generation,
                        since_us: at_us,
                    }),
                }
            }
            (Command::RegisterAccount(command), Reply::AccountRegistered { account, .. }) => {
                if *account == command.account {
                    self.accounts.push(*account);
                    self.names.insert(*account, command.username_key.clone());
                }
            }
            (
                Command::SignIn(command),
                Reply::SecondFactorRequired { challenge, .. } | Reply::EnrolmentStarted { challenge, .. },
            ) => {
                self.challenges.push((*challenge, command.account));
            }
            (Command::StartLogin(command), Reply::ChallengeStarted { challenge, .. }) => {
                self.challenges.push((*challenge, command.account));
            }
            (Command::StartStepUp(command), Reply::SecondFactorRequired { challenge, .. }) => {
                if let Some(known) = self.known(command.session) {
                    self.challenges.push((*challenge, known.account));
                }
            }
            (Command::IssueRecoveryCodes(command), Reply::RecoveryCodesIssued { .. }) => {
                if let Some(account) = self.known(command.session).map(|known| known.account) {
                    self.recovery.extend(command.hashes.iter().map(|hash| (account, *hash)));
                }
            }
            (_, _) => {}
        }
    }

    pub(super) fn known(&self, session: SessionId) -> Option<Known> {
        self.sessions.iter().find(|known| known.session == session).copied()
    }

    pub(super) fn owner(&self, authority: Authority) -> Option<AccountId> {
        match authority {
            Authority::Session(session) => self.known(session).map(|known| known.account),
            Authority::Challenge(challenge) => {
                let known = self.challenges.iter().find(|(id, _)| *id == challenge);
                known.map(|(_, account)| *account)
            }
        }
    }
}
