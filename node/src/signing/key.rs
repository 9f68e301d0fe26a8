//! One RSA key: generated, sealed into a row, opened from a row, named by its thumbprint.

use super::SigningError;
use super::claims::ALGORITHM;
use super::limits::RSA_BITS_MIN;
use crate::secrets::{KeyRing, Purpose};
use auth_core::command::InstallSigningKey;
use auth_core::keys::SigningKey;
use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeySize, PublicKeyComponents};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use sha2::{Digest as _, Sha256};

/// A public key: what verifies, and what is published.
pub(super) struct PublicKey {
    pub(super) kid: String,
    pub(super) decoding: DecodingKey,
    /// Modulus, base64url.
    pub(super) n: String,
    /// Exponent, base64url.
    pub(super) e: String,
}

/// A private key, ready to sign. It is parsed once: parsing and checking an RSA key costs more than a signature.
pub(super) struct PrivateKey {
    pub(super) kid: String,
    pair: RsaKeyPair,
}

/// Makes a key and seals it. Takes a tenth of a second to some seconds: not for the async runtime.
pub(super) fn generate(ring: &KeyRing) -> Result<InstallSigningKey, SigningError> {
    let pair = RsaKeyPair::generate(KeySize::Rsa3072).map_err(|_| failed("no RSA key could be generated"))?;
    let public = PublicKey::of(&pair);
    let public_der: PublicKeyX509Der<'_> = pair
        .public_key()
        .as_der()
        .map_err(|_| failed("the public key cannot be encoded"))?;
    let private_der: Pkcs8V1Der<'_> = pair.as_der().map_err(|_| failed("the private key cannot be encoded"))?;
    let private = ring
        .seal(Purpose::SigningKey, public.kid.as_bytes(), private_der.as_ref())
        .map_err(|error| failed(&error.to_string()))?;
    let public_der = public_der.as_ref().to_vec();
    Ok(InstallSigningKey {
        kid: public.kid,
        algorithm: ALGORITHM.to_owned(),
        public_der,
        private,
    })
}

/// Opens a row. Refuses one whose parts do not belong together or are too weak.
pub(super) fn open(row: &SigningKey, ring: &KeyRing) -> Result<(PublicKey, PrivateKey), SigningError> {
    if row.algorithm != ALGORITHM {
        return Err(failed(&format!(
            "signing key {} is for {}, not {ALGORITHM}",
            row.kid, row.algorithm
        )));
    }
    let pkcs8 = ring
        .open(Purpose::SigningKey, row.kid.as_bytes(), &row.private)
        .map_err(|error| failed(&format!("signing key {}: {error}", row.kid)))?;
    let pair = RsaKeyPair::from_pkcs8(&pkcs8).map_err(|_| failed(&format!("signing key {} is no RSA key", row.kid)))?;
    let public = PublicKey::of(&pair);
    if public.kid != row.kid || pair.public_modulus_len() * 8 < RSA_BITS_MIN {
        return Err(failed(&format!(
            "signing key {} is not the key that its name says, or too short",
            row.kid
        )));
    }
    let kid = public.kid.clone();
    Ok((public, PrivateKey { kid, pair }))
}

impl PublicKey {
    fn of(pair: &RsaKeyPair) -> Self {
        let PublicKeyComponents { n, e } = PublicKeyComponents::<Vec<u8>>::from(pair.public_key());
        let decoding = DecodingKey::from_rsa_raw_components(&n, &e);
        let (n, e) = (URL_SAFE_NO_PAD.encode(n), URL_SAFE_NO_PAD.encode(e));
        Self {
            kid: thumbprint(&n, &e),
            decoding,
            n,
            e,
        }
    }
}

impl PrivateKey {
    /// The RS256 signature of `message`. PKCS #1 v1.5: the same message always gets the same signature.
    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SigningError> {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        // The library takes a source of randomness for compatibility and does not use it.
        let unused = aws_lc_rs::rand::SystemRandom::new();
        self.pair
            .sign(&RSA_PKCS1_SHA256, &unused, message, &mut signature)
            .map_err(|_| failed("the RSA key does not sign"))?;
        Ok(signature)
    }
}

/// RFC 7638: SHA-256 over the required members in lexical order, without white space.
fn thumbprint(n: &str, e: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#)))
}

fn failed(reason: &str) -> SigningError {
    SigningError::Failed(reason.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jw_7_kid_is_the_rfc_7638_thumbprint() {
        // RFC 7638, section 3.1.
        let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
        assert_eq!(thumbprint(n, "AQAB"), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    }
}
