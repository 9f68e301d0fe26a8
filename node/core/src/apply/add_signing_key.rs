//! The next signing key (JW-7): published now, signing later, so that nobody meets a token whose key he cannot know yet.
//! The keys before it go on verifying until the last of their tokens is over.

use super::decision::{Decision, Moment};
use crate::command::AddSigningKey;
use crate::error::Fault;
use crate::keys::{KeyState, SigningKey, states};
use crate::limits::{SIGNING_KEY_BYTES_MAX, SIGNING_KEY_NOTICE_SECONDS, SIGNING_KEYS_MAX};
use crate::query;
use crate::reply::{Denial, Reply};
use crate::tables::schema::put;
use crate::tables::{Table, Tables};

pub(super) fn apply(moment: Moment<'_>, command: &AddSigningKey, tables: &mut impl Tables) -> Result<Decision, Fault> {
    let keys = query::signing_keys(tables)?;
    if !is_sound(command) || keys.len() >= SIGNING_KEYS_MAX {
        return Ok(Decision::denied(Denial::InvalidCommand {}));
    }
    let waits = states(&keys, moment.now).contains(&KeyState::Next);
    if waits || keys.iter().any(|key| key.kid == command.kid) {
        return Ok(Decision::denied(Denial::KeyPending {}));
    }
    let activates_at = moment.now.plus_seconds(command.activates_in_seconds);
    let end = activates_at.plus_seconds(command.keep_seconds);
    for mut key in keys {
        if key.retires_at.is_none() {
            key.retires_at = Some(end);
            put(tables, Table::SigningKeys, key.kid.as_bytes(), &key)?;
        }
    }
    let key = SigningKey {
        kid: command.kid.clone(),
        algorithm: command.algorithm.clone(),
        public_der: command.public_der.clone(),
        private: command.private.clone(),
        installed_at: moment.now,
        activates_at: Some(activates_at),
        retires_at: None,
    };
    put(tables, Table::SigningKeys, key.kid.as_bytes(), &key)?;
    Ok(Decision::new(Reply::SigningKeyInstalled {}))
}

fn is_sound(command: &AddSigningKey) -> bool {
    let sizes = [command.kid.len(), command.public_der.len(), command.private.0.len()];
    command.activates_in_seconds >= SIGNING_KEY_NOTICE_SECONDS
        && sizes.iter().all(|size| (1..=SIGNING_KEY_BYTES_MAX).contains(size))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apply::testing::Bench;
    use crate::command::{Command, DropSigningKeys, InstallSigningKey};
    use crate::secret::Sealed;

    fn add(kid: &str) -> Command {
        Command::AddSigningKey(AddSigningKey {
            kid: kid.into(),
            algorithm: "RS256".into(),
            public_der: vec![1],
            private: Sealed(vec![2]),
            activates_in_seconds: SIGNING_KEY_NOTICE_SECONDS,
            keep_seconds: 1000,
        })
    }

    fn first(kid: &str) -> Command {
        Command::InstallSigningKey(InstallSigningKey {
            kid: kid.into(),
            algorithm: "RS256".into(),
            public_der: vec![1],
            private: Sealed(vec![2]),
        })
    }

    fn seen(bench: &Bench) -> Vec<(String, KeyState)> {
        let keys = query::signing_keys(&bench.tables).unwrap();
        let states = states(&keys, bench.now);
        keys.into_iter().map(|key| key.kid).zip(states).collect()
    }

    #[test]
    fn jw_7_the_next_key_is_published_first_and_the_old_one_is_kept_for_its_tokens() {
        let mut bench = Bench::new();
        bench.run(first("a"));
        assert_eq!(bench.run(add("b")), Reply::SigningKeyInstalled {});
        let (a, b) = ("a".to_owned(), "b".to_owned());
        assert_eq!(
            seen(&bench),
            [(a.clone(), KeyState::Active), (b.clone(), KeyState::Next)]
        );
        assert_eq!(
            bench.run(add("c")),
            Reply::Denied(Denial::KeyPending {}),
            "one at a time"
        );
        bench.wait(SIGNING_KEY_NOTICE_SECONDS);
        assert_eq!(
            seen(&bench),
            [(a.clone(), KeyState::Verifying), (b.clone(), KeyState::Active)]
        );
        assert_eq!(
            bench.run(add("a")),
            Reply::Denied(Denial::KeyPending {}),
            "a key never comes back"
        );
        bench.wait(999);
        bench.run(Command::DropSigningKeys(DropSigningKeys {}));
        assert_eq!(seen(&bench), [(a, KeyState::Verifying), (b.clone(), KeyState::Active)]);
        bench.wait(1);
        for _ in 0..2 {
            assert_eq!(bench.run(Command::DropSigningKeys(DropSigningKeys {})), Reply::Done {});
            assert_eq!(
                seen(&bench),
                [(b.clone(), KeyState::Active)],
                "the one that signs stays"
            );
        }
    }

    #[test]
    fn a_key_that_would_sign_before_it_is_known_is_refused() {
        let mut bench = Bench::new();
        bench.run(first("a"));
        let Command::AddSigningKey(good) = add("b") else {
            unreachable!()
        };
        for bad in [
            AddSigningKey {
                activates_in_seconds: SIGNING_KEY_NOTICE_SECONDS - 1,
                ..good.clone()
            },
            AddSigningKey {
                kid: String::new(),
                ..good.clone()
            },
            AddSigningKey {
                public_der: vec![0; SIGNING_KEY_BYTES_MAX + 1],
                ..good
            },
        ] {
            let reply = bench.run(Command::AddSigningKey(bad));
            assert_eq!(reply, Reply::Denied(Denial::InvalidCommand {}));
        }
        assert_eq!(seen(&bench).len(), 1);
    }
}
