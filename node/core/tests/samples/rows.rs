//! Rows that came after the first version, and fields that were appended to the first ones.

use super::golden_row;
use super::samples::later::{mac, policy};
use super::samples::{AT, LATER, id};
use auth_core::account::{Account, AccountStatus, MailWindow, Role};
use auth_core::audit::{AuditRow, Chain, Link};
use auth_core::challenge::{Challenge, MailedCode};
use auth_core::device::Device;
use auth_core::factor::{Methods, RecoveryCode, RecoveryCodes};
use auth_core::idempotency::KeptAnswer;
use auth_core::ids::*;
use auth_core::keys::{ResealProgress, SealedAt, SigningKey};
use auth_core::outbox::{Channel, Mail, MailTemplate, Notice};
use auth_core::policy::risk::{Facts, Reasons};
use auth_core::policy::throttle::Throttle;
use auth_core::reply::Reply;
use auth_core::secret::Sealed;
use auth_core::session::{Proved, Session};
use auth_core::token::{MailToken, TokenPurpose};

const WORN: Throttle = Throttle {
    failures: 5,
    last_failure_at: AT,
};

pub(crate) fn later() -> Vec<String> {
    [people(), logins(), devices(), mails(), works()].concat()
}

fn people() -> Vec<String> {
    let account = Account {
        id: AccountId(id(1)),
        number: 42,
        username: "Zoë".into(),
        username_key: "zoë".into(),
        email: "Zoe@example.org".into(),
        email_key: "zoe@example.org".into(),
        password: Sealed(vec![1, 2, 3]),
        status: AccountStatus::PendingApproval,
        created_at: AT,
        updated_at: Some(LATER),
        auth_seq: 9,
        throttle: WORN,
        role: Role::Admin,
        email_confirmed_at: Some(AT),
        email_factor_since: Some(AT),
        password_alone: true,
        last_login_at: Some(AT),
        mailed_throttle: WORN,
        mails: MailWindow { since: AT, count: 3 },
        unmet: Reasons::RANDOM,
        password_changed_at: Some(AT),
        language: Some("ru".into()),
        reset_token: Some(mac(1)),
        address_token: Some(mac(2)),
        reserved: false,
    };
    // Only the last of the appended fields: what lies between is left out.
    let sparse = Account {
        status: AccountStatus::Unconfirmed,
        role: Role::User,
        email_confirmed_at: None,
        email_factor_since: None,
        password_alone: false,
        last_login_at: None,
        mailed_throttle: Throttle::default(),
        mails: MailWindow::default(),
        unmet: Reasons::NONE,
        password_changed_at: None,
        language: None,
        reset_token: None,
        ..account.clone()
    };
    let reserved = Account {
        reserved: true,
        ..sparse.clone()
    };
    let codes = RecoveryCodes {
        account: account.id,
        created_at: AT,
        codes: vec![
            RecoveryCode {
                hash: mac(3),
                used_at: None,
            },
            RecoveryCode {
                hash: mac(4),
                used_at: Some(LATER),
            },
        ],
        throttle: WORN,
    };
    vec![
        golden_row("account_with_all", &account),
        golden_row("account_with_gaps", &sparse),
        golden_row("account_reserved", &reserved),
        golden_row("recovery_codes", &codes),
        golden_row("policy", &policy()),
    ]
}

fn logins() -> Vec<String> {
    let challenge = Challenge {
        id: ChallengeId(id(3)),
        account: AccountId(id(1)),
        created_at: AT,
        expires_at: LATER,
        answers_left: 4,
        methods: Methods::EMAIL,
        reasons: Reasons::DORMANT,
        mailed: Some(MailedCode {
            mac: mac(5),
            expires_at: LATER,
        }),
        mails: 2,
        device: Some(DeviceId(id(8))),
        step_up: Some(SessionId(id(4))),
        enrols: true,
    };
    let session = Session {
        id: SessionId(id(4)),
        account: AccountId(id(1)),
        generation: 2,
        rotated_at: AT,
        auth_time: AT,
        expires_at: LATER,
        revoked_at: None,
        client_address: "192.0.2.1".into(),
        proved: Proved(Methods::PASSWORD),
        created_at: Some(AT),
        idle_seconds: Some(3_600),
        device: Some(DeviceId(id(8))),
        agent: Some("curl/8".into()),
    };
    vec![
        golden_row("challenge_with_all", &challenge),
        golden_row("session_with_all", &session),
    ]
}

fn devices() -> Vec<String> {
    let device = Device {
        id: DeviceId(id(8)),
        account: AccountId(id(1)),
        name: "Firefox".into(),
        generation: 3,
        rotated_at: AT,
        created_at: AT,
        last_seen_at: LATER,
        client_address: "192.0.2.1".into(),
        remembered: true,
        throttle: WORN,
        answers: Throttle::default(),
    };
    let token = MailToken {
        account: AccountId(id(1)),
        purpose: TokenPurpose::ResetPassword {},
        created_at: AT,
        expires_at: LATER,
        answers_left: 5,
    };
    let confirmation = MailToken {
        purpose: TokenPurpose::ConfirmEmail {
            email: "Zoe@example.net".into(),
            email_key: "zoe@example.net".into(),
            asked_by: None,
        },
        ..token.clone()
    };
    let change = MailToken {
        purpose: TokenPurpose::ConfirmEmail {
            email: "Zoe@example.net".into(),
            email_key: "zoe@example.net".into(),
            asked_by: Some(SessionId(id(5))),
        },
        ..token.clone()
    };
    vec![
        golden_row("device", &device),
        golden_row("mail_token_reset", &token),
        golden_row("mail_token_confirmation", &confirmation),
        golden_row("mail_token_change", &change),
    ]
}

fn mails() -> Vec<String> {
    let username = || "Zoë".to_owned();
    let mail = |template| Mail {
        key: 70_001,
        to: "Zoe@example.org".into(),
        template,
        created_at: AT,
        channel: Channel::Gateway,
        language: Some("pt".into()),
        account: Some(AccountId(id(1))),
        attempts: 2,
        next_attempt_at: Some(LATER),
        last_error: Some("451".into()),
    };
    let (sealed, expires_at) = (|| Sealed(vec![7; 3]), LATER);
    let code = MailTemplate::LoginCode {
        username: username(),
        code: sealed(),
        expires_at,
        challenge: ChallengeId(id(3)),
    };
    let confirm = MailTemplate::ConfirmAddress {
        username: username(),
        token: sealed(),
        expires_at,
    };
    let reset = MailTemplate::ResetPassword {
        username: username(),
        token: sealed(),
        expires_at,
    };
    let changed = MailTemplate::AddressChanged { username: username() };
    let templates = [
        ("mail_login_code", code),
        ("mail_confirm_address", confirm),
        ("mail_reset_password", reset),
        ("mail_address_changed", changed),
    ];
    let notices = [
        ("mail_notice_authenticator_removed", Notice::AuthenticatorRemoved {}),
        ("mail_notice_authenticator_disabled", Notice::AuthenticatorDisabled {}),
        ("mail_notice_recovery_code_used", Notice::RecoveryCodeUsed { left: 9 }),
        ("mail_notice_recovery_codes_issued", Notice::RecoveryCodesIssued {}),
        ("mail_notice_login_abandoned", Notice::LoginAbandoned {}),
        ("mail_notice_device_token_copied", Notice::DeviceTokenCopied {}),
        ("mail_notice_password_changed", Notice::PasswordChanged {}),
        ("mail_notice_account_activated", Notice::AccountActivated {}),
        ("mail_notice_factors_reset", Notice::FactorsReset {}),
        ("mail_notice_email_factor_enabled", Notice::EmailFactorEnabled {}),
        ("mail_notice_email_factor_disabled", Notice::EmailFactorDisabled {}),
        ("mail_notice_account_deleted", Notice::AccountDeleted {}),
    ];
    let notices = notices.map(|(name, what)| {
        let template = MailTemplate::Notice {
            username: username(),
            what,
            client_address: "192.0.2.1".into(),
        };
        (name, template)
    });
    templates
        .into_iter()
        .chain(notices)
        .map(|(name, template)| golden_row(name, &mail(template)))
        .collect()
}

fn works() -> Vec<String> {
    let key = SigningKey {
        kid: "thumbprint".into(),
        algorithm: "RS256".into(),
        public_der: vec![5; 8],
        private: Sealed(vec![6; 8]),
        installed_at: AT,
        activates_at: Some(AT),
        retires_at: Some(LATER),
    };
    let progress = ResealProgress {
        key: 2,
        cursor: Some(SealedAt {
            table: 4,
            key: vec![1; 16],
        }),
        count: 12,
        started_at: AT,
        updated_at: LATER,
    };
    let kept = KeptAnswer {
        body: mac(6),
        reply: Reply::Done {},
        request_id: RequestId(id(6)),
        expires_at: LATER,
        answer: Some(Sealed(vec![8; 3])),
        shared: false,
    };
    let chain = Chain {
        number: 9,
        previous: Link([1; 32]),
        link: Link([2; 32]),
    };
    let audit = AuditRow {
        at: AT,
        request_id: RequestId(id(6)),
        verb: "sign_in".into(),
        outcome: "session_started".into(),
        account: Some(AccountId(id(1))),
        client_address: "192.0.2.1".into(),
        actor: Some(AccountId(id(2))),
        session: Some(SessionId(id(4))),
        device: Some(DeviceId(id(8))),
        methods: Methods::PASSWORD,
        reasons: Reasons::ADMIN,
        shadow_reasons: Reasons::RANDOM,
        facts: Some(Facts {
            role: Role::Admin,
            known_network: Some(true),
            known_device: None,
            rested_seconds: Some(60),
            share: Some(42),
            has_method: true,
        }),
        chain: Some(chain),
    };
    vec![
        golden_row("signing_key_with_times", &key),
        golden_row("reseal_progress", &progress),
        golden_row("kept_answer", &kept),
        golden_row("audit_chain", &chain),
        golden_row("audit_with_all", &audit),
    ]
}
