//! The claims of both tokens. Field order is the order in the token: equal grants must give equal bytes.

use super::TokenKind;
use auth_core::factor::Methods;
use auth_core::ids::SessionId;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// The one algorithm.
pub(super) const ALGORITHM: &str = "RS256";
/// `acr` of a session with two factors.
const AAL2: &str = "aal2";
/// `acr` of any other session: a mailed code is no second factor here (OTP-12).
const AAL1: &str = "aal1";

/// `acr` of what was proven.
pub(super) fn acr(proved: Methods) -> &'static str {
    if proved.is_aal2() { AAL2 } else { AAL1 }
}

/// A token's header: these three fields and no other. `jku`, `jwk`, `x5u`, `x5c`, `crit`, `zip` and whatever else does
/// not parse (JW-2, JW-5).
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Header {
    pub(super) alg: String,
    pub(super) typ: String,
    pub(super) kid: String,
}

/// Claims of an access token.
#[derive(Serialize, Deserialize)]
pub(super) struct AccessClaims {
    pub(super) iss: String,
    pub(super) aud: String,
    pub(super) sub: String,
    pub(super) sid: String,
    pub(super) jti: String,
    pub(super) iat: u64,
    pub(super) nbf: u64,
    pub(super) exp: u64,
    pub(super) auth_time: u64,
    pub(super) acr: String,
    pub(super) amr: Vec<String>,
}

/// Claims of a refresh token.
#[derive(Serialize, Deserialize)]
pub(super) struct RefreshClaims {
    pub(super) iss: String,
    pub(super) aud: String,
    pub(super) sub: String,
    pub(super) sid: String,
    #[serde(rename = "gen")]
    pub(super) generation: u32,
    pub(super) jti: String,
    pub(super) iat: u64,
    pub(super) nbf: u64,
    pub(super) exp: u64,
}

impl TokenKind {
    /// `typ` of the header.
    pub(super) fn typ(self) -> &'static str {
        match self {
            Self::Access => "at+jwt",
            Self::Refresh => "rt+jwt",
        }
    }

    /// `aud`: refresh tokens are for this service only, whatever the audience of access tokens is.
    pub(super) fn audience(self, access_audience: &str) -> &str {
        match self {
            Self::Access => access_audience,
            Self::Refresh => "tfauth/refresh",
        }
    }
}

/// `jti`: the same for the same token, different for any other.
pub(super) fn jti(session: SessionId, generation: u32, issued_at_s: u64, kind: TokenKind) -> String {
    let digest = Sha256::new()
        .chain_update(session.0)
        .chain_update(generation.to_be_bytes())
        .chain_update(issued_at_s.to_be_bytes())
        .chain_update(kind.typ())
        .finalize();
    URL_SAFE_NO_PAD.encode(&digest[..16])
}
