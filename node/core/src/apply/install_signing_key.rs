//! Gives the cluster its signing key. Several nodes may propose one at first start: the first stays.

use super::decision::{Decision, Moment};
use crate::command::InstallSigningKey;
use crate::error::Fault;
use crate::keys::SigningKey;
use crate::query;
use crate::reply::Reply;
use crate::tables::schema::put;
use crate::tables::{Table, Tables};

pub(super) fn apply(
    moment: Moment<'_>,
    command: &InstallSigningKey,
    tables: &mut impl Tables,
) -> Result<Decision, Fault> {
    let installed = Decision::new(Reply::SigningKeyInstalled {});
    if !query::signing_keys(tables)?.is_empty() {
        return Ok(installed.known_as("signing_key_kept"));
    }
    let key = SigningKey {
        kid: command.kid.clone(),
        algorithm: command.algorithm.clone(),
        public_der: command.public_der.clone(),
        private: command.private.clone(),
        installed_at: moment.now,
        activates_at: None,
        retires_at: None,
    };
    put(tables, Table::SigningKeys, key.kid.as_bytes(), &key)?;
    Ok(installed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apply::testing::Bench;
    use crate::command::Command;
    use crate::secret::Sealed;

    #[test]
    fn the_first_signing_key_stays() {
        let mut bench = Bench::new();
        for kid in ["b", "a"] {
            let key = InstallSigningKey {
                kid: kid.into(),
                algorithm: "RS256".into(),
                public_der: vec![1],
                private: Sealed(vec![2]),
            };
            assert_eq!(
                bench.run(Command::InstallSigningKey(key)),
                Reply::SigningKeyInstalled {}
            );
        }
        let kids: Vec<_> = query::signing_keys(&bench.tables)
            .unwrap()
            .into_iter()
            .map(|key| key.kid)
            .collect();
        assert_eq!(kids, ["b"]);
    }
}
