//! One of everything that has bytes, with fixed contents.

pub(crate) mod later;
mod operators;

use auth_core::account::AccountStatus;
use auth_core::command::*;
use auth_core::device::DeviceProof;
use auth_core::entry::{Client, Entry};
use auth_core::idempotency::IdempotencyKey;
use auth_core::ids::*;
use auth_core::reply::{Denial, Reply, SessionGrant};
use auth_core::secret::Sealed;
use auth_core::session::Proved;
use auth_core::time::Timestamp;

/// Some instant.
pub(crate) const AT: Timestamp = Timestamp(1_700_000_000_123_456);
/// A later one.
pub(crate) const LATER: Timestamp = Timestamp(1_700_000_600_123_456);

/// 16 bytes that differ by kind.
pub(crate) fn id(kind: u8) -> [u8; 16] {
    std::array::from_fn(|position| kind.wrapping_mul(16).wrapping_add(u8::try_from(position).unwrap()))
}

/// An entry for each command, and for each form that a command has.
pub(crate) fn entries() -> Vec<(&'static str, Entry)> {
    let client = Client {
        address: "192.0.2.1".into(),
        ..Client::default()
    };
    let entry = |command| Entry {
        request_id: RequestId(id(6)),
        at: AT,
        client: client.clone(),
        command,
    };
    let commands = account_commands().into_iter().chain(login_commands());
    let commands = commands.chain(other_commands()).chain(later::commands());
    let mut entries: Vec<_> = commands.map(|(name, command)| (name, entry(command))).collect();
    let (_, mut spoken) = entries[0].clone();
    spoken.client = known_client();
    let mut stranger = spoken.clone();
    if let Some(key) = &mut stranger.client.idempotency {
        key.shared = true;
    }
    entries.push(("register_account_of_a_known_client", spoken));
    entries.push(("register_account_of_a_stranger_with_a_key", stranger));
    entries
}

/// A client that tells all it can.
fn known_client() -> Client {
    Client {
        address: "2001:db8::1".into(),
        device: Some(DeviceProof {
            device: DeviceId(id(8)),
            generation: 3,
        }),
        agent: Some("curl/8".into()),
        language: Some("pt".into()),
        idempotency: Some(IdempotencyKey {
            scope: id(1),
            key: id(9),
            body: later::mac(8),
            answer: Some(Sealed(vec![1])),
            shared: false,
        }),
    }
}

fn account_commands() -> [(&'static str, Command); 4] {
    let account = AccountId(id(1));
    let register_account = RegisterAccount {
        account,
        username: "Zoë".into(),
        username_key: "zoë".into(),
        email: "Zoe@example.org".into(),
        email_key: "zoe@example.org".into(),
        password: Sealed(vec![1, 2, 3]),
        password_alone: false,
        confirmation: None,
    };
    let known = Subject::Account { account, base_seq: 7 };
    let unknown = Subject::UnknownName { name: NameMac(id(5)) };
    let enrol = EnrolTotp {
        account,
        base_seq: 7,
        factor: FactorId(id(2)),
        seed: Sealed(vec![4; 20]),
        label: "phone".into(),
    };
    [
        ("register_account", Command::RegisterAccount(register_account)),
        (
            "refuse_login_account",
            Command::RefuseLogin(RefuseLogin { subject: known }),
        ),
        (
            "refuse_login_unknown_name",
            Command::RefuseLogin(RefuseLogin { subject: unknown }),
        ),
        ("enrol_totp", Command::EnrolTotp(enrol)),
    ]
}

fn login_commands() -> [(&'static str, Command); 7] {
    let (account, session, challenge) = (AccountId(id(1)), SessionId(id(4)), ChallengeId(id(3)));
    let factor = FactorId(id(2));
    let code = CodeEvidence {
        factor,
        matched_step: Some(56_666_666),
    };
    let wrong = CodeEvidence {
        factor,
        matched_step: None,
    };
    let start = StartLogin {
        account,
        base_seq: 7,
        challenge,
        enrol: None,
    };
    let start_with_seed = StartLogin {
        enrol: Some(NewTotp {
            factor,
            seed: Sealed(vec![9; 8]),
            label: "app".into(),
        }),
        ..start.clone()
    };
    let verify = |code| VerifyFactor {
        challenge,
        base_seq: 8,
        code,
        session,
        session_seconds: 5_184_000,
    };
    let log_in = |code| LogIn {
        account,
        base_seq: 7,
        code,
        session,
        session_seconds: 5_184_000,
        device: None,
        idle_seconds: None,
    };
    let on_device = LogIn {
        device: Some(NewDevice {
            device: DeviceId(id(6)),
            name: "Firefox".into(),
            remembered: false,
        }),
        ..log_in(Some(code))
    };
    [
        ("start_login", Command::StartLogin(start)),
        ("start_login_with_seed", Command::StartLogin(start_with_seed)),
        ("verify_factor", Command::VerifyFactor(verify(code))),
        ("verify_factor_wrong", Command::VerifyFactor(verify(wrong))),
        ("log_in", Command::LogIn(log_in(Some(code)))),
        ("log_in_without_code", Command::LogIn(log_in(None))),
        ("log_in_on_a_device", Command::LogIn(on_device)),
    ]
}

fn other_commands() -> [(&'static str, Command); 4] {
    let session = SessionId(id(4));
    let key = InstallSigningKey {
        kid: "thumbprint".into(),
        algorithm: "RS256".into(),
        public_der: vec![5; 8],
        private: Sealed(vec![6; 8]),
    };
    let refresh = RefreshSession {
        session,
        generation: 300,
    };
    [
        ("refresh_session", Command::RefreshSession(refresh)),
        ("end_session", Command::EndSession(EndSession { session })),
        ("install_signing_key", Command::InstallSigningKey(key)),
        ("mark_mail_sent", Command::MarkMailSent(MarkMailSent { key: 70_000 })),
    ]
}

/// Each reply and each refusal.
pub(crate) fn replies() -> Vec<(&'static str, Reply)> {
    let grant = SessionGrant {
        session: SessionId(id(4)),
        account: AccountId(id(1)),
        generation: 2,
        issued_at: AT,
        auth_time: AT,
        expires_at: LATER,
        proved: Proved::default(),
        device: None,
    };
    let answers = [
        Reply::AccountRegistered {
            account: grant.account,
            created_at: AT,
            waits: None,
        },
        Reply::TotpPending {
            factor: FactorId(id(2)),
            expires_at: LATER,
        },
        Reply::ChallengeStarted {
            challenge: ChallengeId(id(3)),
            expires_at: LATER,
            bound: true,
        },
        Reply::SessionStarted(grant),
        Reply::SessionRefreshed(grant),
        Reply::SessionEnded {},
        Reply::SigningKeyInstalled {},
        Reply::MailMarkedSent {},
        Reply::Stale { auth_seq: 9 },
    ];
    let denials = [
        Denial::UsernameTaken {},
        Denial::InvalidCredentials {},
        Denial::InvalidCode {},
        Denial::TooManyAttempts { until: LATER },
        Denial::EnrolmentRequired {},
        Denial::AlreadyEnrolled {},
        Denial::ChallengeGone {},
        Denial::SessionRevoked {},
        Denial::AccountDisabled {},
        Denial::FactorDisabled {},
        Denial::TooOld {},
        Denial::AccountGone {},
    ];
    answers
        .into_iter()
        .chain(denials.map(Reply::Denied))
        .chain(later::replies())
        .map(|reply| (outcome(&reply), reply))
        .chain([
            (
                "session_started_on_a_device",
                Reply::SessionStarted(later::grant_with_device()),
            ),
            (
                "account_registered_unconfirmed",
                Reply::AccountRegistered {
                    account: grant.account,
                    created_at: AT,
                    waits: Some(AccountStatus::Unconfirmed),
                },
            ),
        ])
        .collect()
}

/// Names of outcomes; one name is that of an answer and of a refusal.
fn outcome(reply: &Reply) -> &'static str {
    if matches!(reply, Reply::Denied(Denial::SecondFactorRequired { .. })) {
        "denied_second_factor_required"
    } else {
        reply.outcome()
    }
}
