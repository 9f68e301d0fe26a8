//! Commands and replies that came after the first version, with fixed contents.

use super::{AT, LATER, id};
use auth_core::command::*;
use auth_core::device::DeviceGrant;
use auth_core::factor::Methods;
use auth_core::ids::*;
use auth_core::outbox::Channel;
use auth_core::policy::hours::{BusinessHours, Offset};
use auth_core::policy::risk::Reasons;
use auth_core::policy::{Policy, RegistrationPolicy, RiskMode, RiskPolicy};
use auth_core::reply::{Denial, Reply, SessionGrant};
use auth_core::secret::{Mac, Sealed};
use auth_core::session::Proved;

pub(super) const SESSION: SessionId = SessionId([0x44; 16]);
pub(super) const ACCOUNT: AccountId = AccountId([0x11; 16]);
const CHALLENGE: ChallengeId = ChallengeId([0x33; 16]);

/// 32 bytes that differ by kind.
pub(crate) fn mac(kind: u8) -> Mac {
    Mac(std::array::from_fn(|position| kind ^ u8::try_from(position).unwrap()))
}

pub(super) fn token() -> NewToken {
    NewToken {
        hash: mac(1),
        sealed: Sealed(vec![2; 3]),
    }
}

fn password() -> NewPassword {
    NewPassword {
        sealed: Sealed(vec![3; 3]),
        alone: true,
    }
}

fn new_session() -> NewSession {
    NewSession {
        session: SESSION,
        seconds: 86_400,
        idle_seconds: Some(3_600),
        device: Some(NewDevice {
            device: DeviceId(id(8)),
            name: "Firefox".into(),
            remembered: true,
        }),
    }
}

fn code() -> NewCode {
    NewCode {
        mac: mac(4),
        sealed: Sealed(vec![5; 3]),
        channel: Channel::Gateway,
    }
}

fn answer() -> Answer {
    Answer {
        totp: Some(CodeEvidence {
            factor: FactorId(id(2)),
            matched_step: Some(7),
        }),
        mailed: Some(mac(5)),
        recovery: Some(mac(6)),
        replacement: Some(mac(7)),
    }
}

/// A policy with everything in it.
pub(crate) fn policy() -> Policy {
    Policy {
        version: 3,
        registration: RegistrationPolicy {
            closed: true,
            approval: true,
            confirm_email: true,
        },
        risk: RiskPolicy {
            mode: RiskMode::Shadow,
            new_network: false,
            new_device: true,
            dormant_days: Some(90),
            hours: Some(BusinessHours {
                zone: "Europe/Lisbon".into(),
                days: 31,
                from_minute: 540,
                to_minute: 1_080,
                offsets: vec![Offset {
                    from_seconds: 1,
                    offset_seconds: -3_600,
                }],
            }),
            share_permyriad: 250,
        },
        admin_mailed_codes: true,
        remembered_device_suffices: true,
    }
}

fn logins() -> Vec<(&'static str, Command)> {
    let sign_in = SignIn {
        account: ACCOUNT,
        base_seq: 7,
        challenge: CHALLENGE,
        session: NewSession {
            idle_seconds: None,
            device: None,
            ..new_session()
        },
        answer: None,
        always: false,
        share: None,
        code: None,
    };
    let whole = SignIn {
        session: new_session(),
        answer: Some(answer()),
        always: true,
        share: Some(42),
        code: Some(code()),
        ..sign_in.clone()
    };
    // Defaults between fields that are there.
    let gaps = SignIn {
        answer: None,
        always: false,
        ..whole.clone()
    };
    let answered = AnswerChallenge {
        challenge: CHALLENGE,
        base_seq: 8,
        answer: answer(),
        session: new_session(),
    };
    let step_up = StepUp {
        session: SESSION,
        base_seq: 9,
        password: true,
        answer: Some(answer()),
    };
    let start_step_up = StartStepUp {
        session: SESSION,
        challenge: CHALLENGE,
        code: Some(code()),
    };
    vec![
        ("sign_in", Command::SignIn(sign_in)),
        ("sign_in_with_all", Command::SignIn(whole)),
        ("sign_in_with_gaps", Command::SignIn(gaps)),
        ("answer_challenge", Command::AnswerChallenge(answered)),
        (
            "send_code",
            Command::SendCode(SendCode {
                challenge: CHALLENGE,
                code: code(),
            }),
        ),
        ("step_up", Command::StepUp(step_up)),
        ("start_step_up", Command::StartStepUp(start_step_up)),
    ]
}

fn factors() -> Vec<(&'static str, Command)> {
    let new = NewTotp {
        factor: FactorId(id(2)),
        seed: Sealed(vec![4; 20]),
        label: "tablet".into(),
    };
    let confirm = ConfirmTotp {
        authority: Authority::Challenge(CHALLENGE),
        base_seq: 7,
        code: CodeEvidence {
            factor: FactorId(id(2)),
            matched_step: None,
        },
    };
    let codes = IssueRecoveryCodes {
        session: SESSION,
        hashes: vec![mac(1), mac(2)],
    };
    vec![
        (
            "add_totp",
            Command::AddTotp(AddTotp {
                authority: Authority::Session(SESSION),
                new,
            }),
        ),
        ("confirm_totp", Command::ConfirmTotp(confirm)),
        (
            "remove_totp",
            Command::RemoveTotp(RemoveTotp {
                session: SESSION,
                factor: FactorId(id(2)),
            }),
        ),
        (
            "set_email_factor",
            Command::SetEmailFactor(SetEmailFactor {
                session: SESSION,
                enabled: true,
            }),
        ),
        ("issue_recovery_codes", Command::IssueRecoveryCodes(codes)),
    ]
}

fn accounts() -> Vec<(&'static str, Command)> {
    let session = SESSION;
    let change = RequestEmailChange {
        session,
        email: "Zoe@example.net".into(),
        email_key: "zoe@example.net".into(),
        token: token(),
    };
    let reset = |subject| {
        Command::RequestPasswordReset(RequestPasswordReset {
            subject,
            token: token(),
        })
    };
    let new_password = ResetPassword {
        token: mac(1),
        base_seq: 7,
        password: password(),
        answer: Some(answer()),
    };
    vec![
        (
            "change_password",
            Command::ChangePassword(ChangePassword {
                session,
                base_seq: 7,
                password: password(),
            }),
        ),
        (
            "upgrade_password",
            Command::UpgradePassword(UpgradePassword {
                account: ACCOUNT,
                old: mac(2),
                sealed: Sealed(vec![6; 3]),
            }),
        ),
        ("request_password_reset", reset(ResetSubject::Account(ACCOUNT))),
        (
            "request_password_reset_unknown",
            reset(ResetSubject::UnknownAddress(NameMac(id(5)))),
        ),
        ("reset_password", Command::ResetPassword(new_password)),
        ("request_email_change", Command::RequestEmailChange(change)),
        ("confirm_email", Command::ConfirmEmail(ConfirmEmail { token: mac(1) })),
        ("delete_account", Command::DeleteAccount(DeleteAccount { session })),
        (
            "forget_device",
            Command::ForgetDevice(ForgetDevice {
                session,
                device: DeviceId(id(8)),
            }),
        ),
    ]
}

/// One of each.
pub(crate) fn commands() -> Vec<(&'static str, Command)> {
    [
        logins(),
        factors(),
        accounts(),
        super::operators::administration(),
        super::operators::operation(),
    ]
    .concat()
}

/// Each reply and each refusal.
pub(crate) fn replies() -> Vec<Reply> {
    let (challenge, expires_at) = (CHALLENGE, LATER);
    let answers = [
        Reply::SecondFactorRequired {
            challenge,
            expires_at,
            methods: Methods::TOTP.and(Methods::EMAIL),
            reasons: Reasons::NEW_DEVICE.and(Reasons::RANDOM),
            mail: Some(70_000),
        },
        Reply::EnrolmentStarted {
            challenge,
            expires_at,
            reasons: Reasons::SHORT_PASSWORD,
        },
        Reply::CodeSent {
            mail: 70_000,
            expires_at,
        },
        Reply::Done {},
        Reply::SessionsEnded { count: 3 },
        Reply::RecoveryCodesIssued { count: 10 },
        Reply::PolicySet { version: 4 },
        Reply::Resealed { count: 5, skipped: 1 },
        Reply::MailPostponed {
            attempts: 2,
            quarantined: true,
        },
        Reply::EmailConfirmed { account: ACCOUNT },
    ];
    let denials = [
        Denial::NotApproved {},
        Denial::AddressUnconfirmed {},
        Denial::RegistrationClosed {},
        Denial::StepUpRequired {},
        Denial::Forbidden {},
        Denial::NotFound {},
        Denial::TokenGone {},
        Denial::SecondFactorRequired {
            methods: Methods::RECOVERY,
        },
        Denial::IdempotencyKeyReused {},
        Denial::TooManyMails { until: LATER },
        Denial::TooManyFactors {},
        Denial::VersionConflict { version: 9 },
        Denial::AdminExists {},
        Denial::LastAdmin {},
        Denial::MethodNotOffered {},
        Denial::InvalidPolicy {},
        Denial::KeyPending {},
        Denial::InvalidCommand {},
        Denial::AdminNeedsFactor {},
    ];
    answers.into_iter().chain(denials.map(Reply::Denied)).collect()
}

/// A grant that says more than the first version could.
pub(crate) fn grant_with_device() -> SessionGrant {
    SessionGrant {
        session: SESSION,
        account: ACCOUNT,
        generation: 1,
        issued_at: AT,
        auth_time: AT,
        expires_at: LATER,
        proved: Proved(Methods::PASSWORD.and(Methods::EMAIL)),
        device: Some(DeviceGrant {
            device: DeviceId(id(8)),
            generation: 2,
        }),
    }
}
