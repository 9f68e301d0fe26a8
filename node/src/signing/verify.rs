//! The one verifier of tokens. Everything is required, everything is checked, nothing in the token chooses how.

use super::claims::{ALGORITHM, AccessClaims, Header, RefreshClaims};
use super::limits::{CLOCK_LEEWAY_SECONDS, TOKEN_BYTES_MAX};
use super::{SigningKeys, TokenKind, TokenSettings};
use auth_core::ids::{AccountId, SessionId};
use auth_core::time::Timestamp;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, Validation};
use serde::de::DeserializeOwned;
use thiserror::Error;
use uuid::Uuid;

/// What a good token says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerifiedToken {
    /// Whose.
    pub account: AccountId,
    /// Of which session.
    pub session: SessionId,
    /// Generation of a refresh token; 0 for access tokens.
    pub generation: u32,
}

/// Why a token does not count. For the log and for tests: callers are told nothing of it.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum TokenRefused {
    /// Not three base64url parts with JSON of the right shape.
    #[error("malformed")]
    Malformed,
    /// Header with another algorithm, type, key, or more fields than `alg`, `typ`, `kid`.
    #[error("header")]
    Header,
    /// Signature, issuer or audience is wrong, or a claim is missing.
    #[error("signature or claims")]
    Claims,
    /// Over, or not begun.
    #[error("time")]
    Time,
}

/// Checks tokens.
pub struct TokenVerifier {
    access: Validation,
    refresh: Validation,
}

impl TokenVerifier {
    /// For tokens that are issued with these settings.
    #[must_use]
    pub fn new(settings: &TokenSettings) -> Self {
        let validation = |kind: TokenKind| validation(&settings.issuer, kind.audience(&settings.audience));
        Self {
            access: validation(TokenKind::Access),
            refresh: validation(TokenKind::Refresh),
        }
    }

    /// Checks an access token at `now`. Whether its session still lives is asked of the store.
    ///
    /// # Errors
    /// [`TokenRefused`], always to be answered alike.
    pub fn access(&self, keys: &SigningKeys, token: &str, now: Timestamp) -> Result<VerifiedToken, TokenRefused> {
        let claims: AccessClaims = decode(keys, token, TokenKind::Access, &self.access)?;
        check_times(claims.iat, claims.nbf, claims.exp, now)?;
        subject(&claims.sub, &claims.sid, &claims.jti, 0)
    }

    /// Checks a refresh token at `now`.
    ///
    /// # Errors
    /// [`TokenRefused`], always to be answered alike.
    pub fn refresh(&self, keys: &SigningKeys, token: &str, now: Timestamp) -> Result<VerifiedToken, TokenRefused> {
        let claims: RefreshClaims = decode(keys, token, TokenKind::Refresh, &self.refresh)?;
        check_times(claims.iat, claims.nbf, claims.exp, now)?;
        subject(&claims.sub, &claims.sid, &claims.jti, claims.generation)
    }
}

/// Every field is set: the library's defaults are too lax (JW-3). Times are checked here instead of there, because the
/// library would read the clock by itself.
fn validation(issuer: &str, audience: &str) -> Validation {
    let mut validation = Validation::new(Algorithm::RS256);
    validation.algorithms = vec![Algorithm::RS256];
    validation.set_issuer(&[issuer]);
    validation.set_audience(&[audience]);
    validation.set_required_spec_claims(&["iss", "aud", "sub", "exp", "nbf"]);
    validation.validate_aud = true;
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.leeway = 0;
    validation.reject_tokens_expiring_in_less_than = 0;
    validation.sub = None;
    validation
}

fn decode<C: DeserializeOwned>(
    keys: &SigningKeys,
    token: &str,
    kind: TokenKind,
    validation: &Validation,
) -> Result<C, TokenRefused> {
    if token.len() > TOKEN_BYTES_MAX {
        return Err(TokenRefused::Malformed);
    }
    let (header, _) = token.split_once('.').ok_or(TokenRefused::Malformed)?;
    let header = URL_SAFE_NO_PAD.decode(header).map_err(|_| TokenRefused::Malformed)?;
    let header: Header = serde_json::from_slice(&header).map_err(|_| TokenRefused::Header)?;
    if header.alg != ALGORITHM || header.typ != kind.typ() {
        return Err(TokenRefused::Header);
    }
    let decoded = keys.with_public(&header.kid, |key| {
        jsonwebtoken::decode::<C>(token, &key.decoding, validation)
    });
    match decoded {
        None => Err(TokenRefused::Header),
        Some(Err(_)) => Err(TokenRefused::Claims),
        Some(Ok(data)) => Ok(data.claims),
    }
}

fn check_times(iat: u64, nbf: u64, exp: u64, now: Timestamp) -> Result<(), TokenRefused> {
    let now = now.seconds();
    let begun = iat.max(nbf) <= now.saturating_add(CLOCK_LEEWAY_SECONDS);
    if begun && now < exp {
        Ok(())
    } else {
        Err(TokenRefused::Time)
    }
}

fn subject(sub: &str, sid: &str, jti: &str, generation: u32) -> Result<VerifiedToken, TokenRefused> {
    let account = Uuid::try_parse(sub).map_err(|_| TokenRefused::Claims)?;
    let session = SessionId::from_hex(sid).ok_or(TokenRefused::Claims)?;
    if jti.is_empty() {
        return Err(TokenRefused::Claims);
    }
    Ok(VerifiedToken {
        account: AccountId(account.into_bytes()),
        session,
        generation,
    })
}

#[cfg(test)]
#[path = "verify_tests.rs"]
mod tests;
