//! Entries and replies survive their bytes, and no bytes make the decoder panic.

#[cfg(test)]
mod samples;

use auth_core::command::*;
use auth_core::entry::{Client, Entry};
use auth_core::ids::*;
use auth_core::reply::Reply;
use auth_core::secret::Sealed;
use auth_core::time::Timestamp;
use proptest::prelude::*;

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..80)
}

fn sealed() -> impl Strategy<Value = Sealed> {
    bytes().prop_map(Sealed)
}

fn evidence() -> impl Strategy<Value = CodeEvidence> {
    any::<([u8; 16], Option<u64>)>().prop_map(|(factor, matched_step)| CodeEvidence {
        factor: FactorId(factor),
        matched_step,
    })
}

fn subject() -> impl Strategy<Value = Subject> {
    prop_oneof![
        any::<([u8; 16], u64)>().prop_map(|(id, base_seq)| Subject::Account {
            account: AccountId(id),
            base_seq
        }),
        any::<[u8; 16]>().prop_map(|name| Subject::UnknownName { name: NameMac(name) }),
    ]
}

fn register_account() -> impl Strategy<Value = Command> {
    (any::<[u8; 16]>(), any::<[String; 4]>(), sealed()).prop_map(|(id, texts, password)| {
        let [username, username_key, email, email_key] = texts;
        let account = AccountId(id);
        Command::RegisterAccount(RegisterAccount {
            account,
            username,
            username_key,
            email,
            email_key,
            password,
            password_alone: false,
            confirmation: None,
        })
    })
}

fn enrol_totp() -> impl Strategy<Value = Command> {
    (any::<([u8; 16], u64, [u8; 16])>(), sealed(), any::<String>()).prop_map(
        |((account, base_seq, factor), seed, label)| {
            let (account, factor) = (AccountId(account), FactorId(factor));
            Command::EnrolTotp(EnrolTotp {
                account,
                base_seq,
                factor,
                seed,
                label,
            })
        },
    )
}

fn verify_factor() -> impl Strategy<Value = Command> {
    (any::<([u8; 16], u64, [u8; 16], u64)>(), evidence()).prop_map(
        |((challenge, base_seq, session, session_seconds), code)| {
            let (challenge, session) = (ChallengeId(challenge), SessionId(session));
            Command::VerifyFactor(VerifyFactor {
                challenge,
                base_seq,
                code,
                session,
                session_seconds,
            })
        },
    )
}

fn log_in() -> impl Strategy<Value = Command> {
    (
        any::<([u8; 16], u64, [u8; 16], u64, Option<u64>)>(),
        prop::option::of(evidence()),
    )
        .prop_map(|((account, base_seq, session, session_seconds, idle_seconds), code)| {
            let (account, session) = (AccountId(account), SessionId(session));
            Command::LogIn(LogIn {
                account,
                base_seq,
                code,
                session,
                session_seconds,
                device: None,
                idle_seconds,
            })
        })
}

fn install_signing_key() -> impl Strategy<Value = Command> {
    (any::<(String, String)>(), bytes(), sealed()).prop_map(|((kid, algorithm), public_der, private)| {
        Command::InstallSigningKey(InstallSigningKey {
            kid,
            algorithm,
            public_der,
            private,
        })
    })
}

fn command() -> impl Strategy<Value = Command> {
    prop_oneof![
        register_account(),
        subject().prop_map(|subject| Command::RefuseLogin(RefuseLogin { subject })),
        enrol_totp(),
        any::<([u8; 16], u64, [u8; 16], Option<([u8; 16], Vec<u8>, String)>)>().prop_map(
            |(account, base_seq, challenge, new)| {
                let (account, challenge) = (AccountId(account), ChallengeId(challenge));
                let enrol = new.map(|(factor, seed, label)| NewTotp {
                    factor: FactorId(factor),
                    seed: Sealed(seed),
                    label,
                });
                Command::StartLogin(StartLogin {
                    account,
                    base_seq,
                    challenge,
                    enrol,
                })
            }
        ),
        verify_factor(),
        log_in(),
        any::<([u8; 16], u32)>().prop_map(|(session, generation)| {
            Command::RefreshSession(RefreshSession {
                session: SessionId(session),
                generation,
            })
        }),
        any::<[u8; 16]>().prop_map(|session| Command::EndSession(EndSession {
            session: SessionId(session)
        })),
        install_signing_key(),
        any::<u64>().prop_map(|key| Command::MarkMailSent(MarkMailSent { key })),
    ]
}

fn entry() -> impl Strategy<Value = Entry> {
    (any::<([u8; 16], u64, String)>(), command()).prop_map(|((request, at, address), command)| Entry {
        request_id: RequestId(request),
        at: Timestamp(at),
        client: Client {
            address,
            ..Client::default()
        },
        command,
    })
}

proptest! {
    #[test]
    fn an_entry_is_read_back(entry in entry()) {
        prop_assert_eq!(Entry::decode(&entry.encode()), Ok(entry));
    }

    #[test]
    fn a_truncated_or_longer_entry_is_refused(entry in entry(), cut in any::<prop::sample::Index>()) {
        let mut bytes = entry.encode();
        prop_assert!(Entry::decode(&bytes[..cut.index(bytes.len())]).is_err());
        bytes.push(0);
        prop_assert!(Entry::decode(&bytes).is_err());
    }

    #[test]
    fn arbitrary_bytes_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Entry::decode(&bytes);
        let _ = Reply::decode(&bytes);
    }

    #[test]
    fn a_right_header_before_arbitrary_bytes_does_not_panic(id in 0..40_u16, body in prop::collection::vec(any::<u8>(), 0..200)) {
        let [high, low] = id.to_be_bytes();
        let mut bytes = vec![1, high, low, 1];
        bytes.extend([0; 24]);
        bytes.extend([0x81, 0x60]);
        bytes.extend(body);
        let _ = Entry::decode(&bytes);
    }

    #[test]
    fn a_damaged_entry_does_not_panic(entry in entry(), at in any::<prop::sample::Index>(), with in any::<u8>()) {
        let mut bytes = entry.encode();
        let at = at.index(bytes.len());
        bytes[at] = with;
        let _ = Entry::decode(&bytes);
    }
}

#[test]
fn every_reply_is_read_back() {
    for (name, reply) in samples::replies() {
        assert_eq!(Reply::decode(&reply.encode()), Ok(reply), "{name}");
    }
}

#[test]
fn every_command_is_read_back_and_no_part_of_one_is_another() {
    for (name, entry) in samples::entries() {
        let bytes = entry.encode();
        assert_eq!(Entry::decode(&bytes), Ok(entry), "{name}");
        for length in 0..bytes.len() {
            assert!(Entry::decode(&bytes[..length]).is_err(), "{name}, {length} bytes");
        }
        for position in 0..bytes.len() {
            for flip in [1, 0x80, 0xff] {
                let mut damaged = bytes.clone();
                damaged[position] ^= flip;
                let _ = Entry::decode(&damaged);
            }
        }
    }
}

#[test]
fn unknown_formats_versions_and_commands_are_refused() {
    let (_, entry) = samples::entries().remove(0);
    for (position, value) in [(0, 0), (0, 2), (1, 1), (2, 0), (2, 200), (3, 0), (3, 2)] {
        let mut bytes = entry.encode();
        bytes[position] = value;
        assert!(Entry::decode(&bytes).is_err(), "byte {position} = {value}");
    }
    assert!(Reply::decode(&[]).is_err());
    assert!(Reply::decode(&[2, 0x80]).is_err());
}
