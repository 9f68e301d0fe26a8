//! Bytes in a log or a table are forever: each of these files must be written and read as it is by every later version.
//!
//! New kinds: `AUTH_CORE_GOLDEN=write cargo test -p auth-core --test golden` adds files that are missing. It changes
//! none: bytes that changed are a fault, and get a new version number beside the old files.

#[cfg(test)]
#[path = "samples/rows.rs"]
mod rows;
#[cfg(test)]
mod samples;

use auth_core::account::{Account, AccountStatus, MailWindow, Role};
use auth_core::audit::AuditRow;
use auth_core::challenge::Challenge;
use auth_core::entry::Entry;
use auth_core::factor::{Factor, FactorState, Methods};
use auth_core::ids::*;
use auth_core::keys::SigningKey;
use auth_core::outbox::{Channel, Mail, MailTemplate};
use auth_core::policy::risk::Reasons;
use auth_core::policy::throttle::Throttle;
use auth_core::reply::Reply;
use auth_core::secret::Sealed;
use auth_core::session::{Proved, Session};
use auth_core::tables::Table;
use auth_core::tables::schema::{decode_row, encode_row};
use files::{folder, golden};
use samples::{AT, LATER, id};
use std::collections::BTreeSet;
use std::fmt::Debug;

#[cfg(test)]
mod files {
    use std::fs;
    use std::path::PathBuf;

    pub(crate) fn folder() -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
    }

    #[expect(clippy::disallowed_methods, reason = "only a person at a keyboard adds golden files")]
    fn may_write() -> bool {
        std::env::var("AUTH_CORE_GOLDEN").is_ok_and(|mode| mode == "write")
    }

    /// Compares with the file, which is made when it is missing and may be.
    pub(crate) fn golden(name: &str, bytes: &[u8]) -> Vec<u8> {
        let path = folder().join(format!("v1_{name}.bin"));
        if !path.exists() && may_write() {
            fs::write(&path, bytes).unwrap();
        }
        let kept = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(
            bytes, kept,
            "{name}: the bytes changed; that needs a new version, beside this one"
        );
        kept
    }
}

pub(crate) fn golden_row<T>(name: &str, row: &T) -> String
where
    T: Debug + PartialEq + minicbor::Encode<()> + for<'b> minicbor::Decode<'b, ()>,
{
    let name = format!("row_{name}");
    let kept = golden(&name, &encode_row(row));
    assert_eq!(decode_row::<T>(Table::Meta, &kept).as_ref(), Ok(row), "{name}");
    name
}

fn entries() -> Vec<String> {
    let check = |(name, entry): (&str, Entry)| {
        let name = format!("entry_{name}");
        assert_eq!(Entry::decode(&golden(&name, &entry.encode())), Ok(entry), "{name}");
        name
    };
    samples::entries().into_iter().map(check).collect()
}

fn replies() -> Vec<String> {
    let check = |(name, reply): (&str, Reply)| {
        let name = format!("reply_{name}");
        assert_eq!(Reply::decode(&golden(&name, &reply.encode())), Ok(reply), "{name}");
        name
    };
    samples::replies().into_iter().map(check).collect()
}

fn people() -> Vec<String> {
    let throttle = Throttle {
        failures: 5,
        last_failure_at: AT,
    };
    let account = Account {
        id: AccountId(id(1)),
        number: 42,
        username: "Zoë".into(),
        username_key: "zoë".into(),
        email: "Zoe@example.org".into(),
        email_key: "zoe@example.org".into(),
        password: Sealed(vec![1, 2, 3]),
        status: AccountStatus::Active,
        created_at: AT,
        updated_at: None,
        auth_seq: 9,
        throttle,
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
        address_token: None,
        reserved: false,
    };
    let disabled = Account {
        status: AccountStatus::Disabled,
        updated_at: Some(LATER),
        ..account.clone()
    };
    let factor = Factor {
        id: FactorId(id(2)),
        account: account.id,
        label: "phone".into(),
        seed: Sealed(vec![4; 20]),
        state: FactorState::Pending { expires_at: LATER },
        last_step: None,
        throttle: Throttle::default(),
        created_at: AT,
        last_used_at: None,
    };
    let confirmed = Factor {
        state: FactorState::Confirmed { at: AT },
        last_step: Some(56_666_666),
        ..factor.clone()
    };
    let worn = Factor {
        state: FactorState::Disabled { at: LATER },
        throttle,
        ..confirmed.clone()
    };
    vec![
        golden_row("account", &account),
        golden_row("account_disabled", &disabled),
        golden_row("account_id", &account.id),
        golden_row("factor_pending", &factor),
        golden_row("factor_confirmed", &confirmed),
        golden_row("factor_disabled", &worn),
        golden_row("throttle", &throttle),
        golden_row("unknown_name_by_age", &NameMac(id(5))),
    ]
}

fn logins() -> Vec<String> {
    let account = AccountId(id(1));
    let challenge = Challenge {
        id: ChallengeId(id(3)),
        account,
        created_at: AT,
        expires_at: LATER,
        answers_left: 5,
        methods: Methods::NONE,
        reasons: Reasons::NONE,
        mailed: None,
        mails: 0,
        device: None,
        step_up: None,
        enrols: false,
    };
    let session = Session {
        id: SessionId(id(4)),
        account,
        generation: 2,
        rotated_at: AT,
        auth_time: AT,
        expires_at: LATER,
        revoked_at: None,
        client_address: "192.0.2.1".into(),
        proved: Proved::default(),
        created_at: None,
        idle_seconds: None,
        device: None,
        agent: None,
    };
    let revoked = Session {
        revoked_at: Some(LATER),
        ..session.clone()
    };
    vec![
        golden_row("challenge", &challenge),
        golden_row("session", &session),
        golden_row("session_revoked", &revoked),
    ]
}

fn works() -> Vec<String> {
    let key = SigningKey {
        kid: "thumbprint".into(),
        algorithm: "RS256".into(),
        public_der: vec![5; 8],
        private: Sealed(vec![6; 8]),
        installed_at: AT,
        activates_at: None,
        retires_at: None,
    };
    let added = Mail {
        key: 70_000,
        to: "Zoe@example.org".into(),
        template: MailTemplate::AuthenticatorAdded {
            username: "Zoë".into()
        },
        created_at: AT,
        channel: Channel::Mail,
        language: None,
        account: None,
        attempts: 0,
        next_attempt_at: None,
        last_error: None,
    };
    let registered = Mail {
        template: MailTemplate::AddressAlreadyRegistered {},
        ..added.clone()
    };
    let audit = AuditRow {
        at: AT,
        request_id: RequestId(id(6)),
        verb: "log_in".into(),
        outcome: "session_started".into(),
        account: Some(AccountId(id(1))),
        client_address: "192.0.2.1".into(),
        actor: None,
        session: None,
        device: None,
        methods: Methods::NONE,
        reasons: Reasons::NONE,
        shadow_reasons: Reasons::NONE,
        facts: None,
        chain: None,
    };
    let anonymous = AuditRow {
        account: None,
        ..audit.clone()
    };
    vec![
        golden_row("signing_key", &key),
        golden_row("mail_authenticator_added", &added),
        golden_row("mail_address_already_registered", &registered),
        golden_row("audit", &audit),
        golden_row("audit_without_account", &anonymous),
        golden_row("timestamp", &AT),
        golden_row("counter", &65_536_u64),
        golden_row("expiry", &()),
    ]
}

#[test]
fn bytes_are_forever() {
    let names = [entries(), replies(), people(), logins(), works(), rows::later()].concat();
    let expected: BTreeSet<String> = names.iter().map(|name| format!("v1_{name}.bin")).collect();
    assert_eq!(expected.len(), names.len(), "a name was used twice");
    let files: BTreeSet<String> = std::fs::read_dir(folder())
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(
        files, expected,
        "every golden file is read, and nothing else lies there"
    );
}
