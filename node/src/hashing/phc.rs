//! PHC strings: `$argon2id$v=19$m=19456,t=2,p=1$<salt>$<hash>`. What is computed for one, and what is accepted as one.

use super::params::{HashParams, LANES_MAX, MEMORY_KIB_MAX, OUTPUT_BYTES, PASSES_MAX, SALT_BYTES, argon2id};
use argon2::password_hash::phc::PasswordHash;
use argon2::{ARGON2ID_IDENT, Block, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// A stored hash, read and bounded.
pub(super) struct StoredHash {
    params: Params,
    salt: Vec<u8>,
    hash: Zeroizing<Vec<u8>>,
}

impl StoredHash {
    /// Reads a PHC string.
    pub(super) fn parse(phc: &str) -> Result<Self, String> {
        let parsed = PasswordHash::new(phc).map_err(|error| format!("not a PHC string: {error}"))?;
        if parsed.algorithm != ARGON2ID_IDENT || parsed.version != Some(Version::V0x13.into()) {
            return Err("not argon2id version 19".into());
        }
        let params = Params::try_from(&parsed).map_err(|error| format!("parameters: {error}"))?;
        if params.m_cost() > MEMORY_KIB_MAX || params.t_cost() > PASSES_MAX || params.p_cost() > LANES_MAX {
            return Err("parameters beyond what is computed here".into());
        }
        let (Some(salt), Some(hash)) = (parsed.salt, parsed.hash) else {
            return Err("salt or hash is missing".into());
        };
        Ok(Self {
            params,
            salt: salt.as_ref().to_vec(),
            hash: Zeroizing::new(hash.as_bytes().to_vec()),
        })
    }

    /// Work of computing it: memory times passes.
    pub(super) fn cost(&self) -> u64 {
        u64::from(self.params.m_cost()) * u64::from(self.params.t_cost())
    }

    /// Whether it was made from `password`. The time does not depend on where the hashes differ.
    pub(super) fn matches(&self, password: &[u8], blocks: &mut Vec<Block>) -> Result<bool, String> {
        let mut computed = Zeroizing::new(vec![0; self.hash.len()]);
        compute(&self.params, password, &self.salt, &mut computed, blocks)?;
        Ok(computed.as_slice().ct_eq(&self.hash).into())
    }
}

/// The PHC string of a password.
pub(super) fn hash(
    params: HashParams,
    password: &[u8],
    salt: &[u8; SALT_BYTES],
    blocks: &mut Vec<Block>,
) -> Result<Zeroizing<String>, String> {
    let argon2 = params.argon2().map_err(|error| error.to_string())?;
    let mut computed = Zeroizing::new([0; OUTPUT_BYTES]);
    compute(&argon2, password, salt, computed.as_mut_slice(), blocks)?;
    Ok(Zeroizing::new(format!(
        "$argon2id$v=19$m={},t={},p=1${}${}",
        params.memory_kib(),
        params.passes(),
        STANDARD_NO_PAD.encode(salt),
        STANDARD_NO_PAD.encode(computed.as_slice()),
    )))
}

fn compute(
    params: &Params,
    password: &[u8],
    salt: &[u8],
    out: &mut [u8],
    blocks: &mut Vec<Block>,
) -> Result<(), String> {
    if blocks.len() < params.block_count() {
        blocks.resize(params.block_count(), Block::default());
    }
    argon2id(params.clone())
        .hash_password_into_with_memory(password, salt, out, blocks.as_mut_slice())
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_a_phc_string_that_the_library_reads() {
        use argon2::PasswordVerifier as _;
        let phc = hash(
            HashParams::default(),
            b"correct horse",
            &[9; SALT_BYTES],
            &mut Vec::new(),
        )
        .unwrap();
        assert!(
            phc.starts_with("$argon2id$v=19$m=19456,t=2,p=1$CQkJCQkJCQkJCQkJCQkJCQ$"),
            "{}",
            *phc
        );
        let parsed = PasswordHash::new(&phc).unwrap();
        argon2::Argon2::default()
            .verify_password(b"correct horse", &parsed)
            .unwrap();
    }

    #[test]
    fn pw_4_the_whole_password_counts() {
        let mut blocks = Vec::new();
        let long = [b'a'; 100];
        let stored = hash(HashParams::default(), &long, &[1; SALT_BYTES], &mut blocks).unwrap();
        let stored = StoredHash::parse(&stored).unwrap();
        assert!(stored.matches(&long, &mut blocks).unwrap());
        let mut other = long;
        other[99] = b'b';
        assert!(!stored.matches(&other, &mut blocks).unwrap());
        assert!(!stored.matches(&long[..99], &mut blocks).unwrap());
    }

    #[test]
    fn parameters_come_from_the_string_and_are_bounded() {
        let cheap = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
        // From the library's own vectors: password "password", salt "somesalt".
        assert!(
            StoredHash::parse(cheap)
                .unwrap()
                .matches(b"password", &mut Vec::new())
                .unwrap()
        );
        for bad in [
            "",
            "plain",
            "$argon2i$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
            "$argon2id$v=16$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
            "$argon2id$v=19$m=2000000,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
            "$argon2id$v=19$m=256,t=99,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
            "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ",
        ] {
            assert!(StoredHash::parse(bad).is_err(), "{bad}");
        }
    }
}
