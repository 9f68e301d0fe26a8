//! Grants into tokens. Equal grants give equal tokens, byte for byte, on every node.

use super::claims::{AccessClaims, RefreshClaims, acr, jti};
use super::{SigningError, SigningKeys, TokenKind};
use auth_core::reply::SessionGrant;
use auth_core::time::Timestamp;
use secrecy::SecretString;
use std::time::Instant;
use uuid::Uuid;

/// What is the same in every token.
#[derive(Clone, Debug)]
pub struct TokenSettings {
    /// `iss`.
    pub issuer: String,
    /// `aud` of access tokens.
    pub audience: String,
    /// Life of an access token, in seconds.
    pub access_seconds: u64,
}

/// Makes tokens.
pub struct TokenIssuer {
    settings: TokenSettings,
}

impl TokenIssuer {
    /// With these settings.
    #[must_use]
    pub fn new(settings: TokenSettings) -> Self {
        Self { settings }
    }

    /// End of a grant's access token: never after the session's.
    #[must_use]
    pub fn access_expires_at(&self, grant: &SessionGrant) -> Timestamp {
        grant
            .issued_at
            .plus_seconds(self.settings.access_seconds)
            .min(grant.expires_at)
    }

    /// Access and refresh token of a grant.
    ///
    /// # Errors
    /// When there is no key yet or no signer free until `deadline`.
    pub async fn issue(
        &self,
        keys: &SigningKeys,
        grant: &SessionGrant,
        deadline: Instant,
    ) -> Result<(SecretString, SecretString), SigningError> {
        let json = |json: serde_json::Result<String>| json.map_err(|error| SigningError::Failed(error.to_string()));
        let access = json(serde_json::to_string(&self.access(grant)))?;
        let refresh = json(serde_json::to_string(&self.refresh(grant)))?;
        keys.sign_pair(grant.issued_at, access, refresh, deadline).await
    }

    fn access(&self, grant: &SessionGrant) -> AccessClaims {
        let iat = grant.issued_at.seconds();
        AccessClaims {
            iss: self.settings.issuer.clone(),
            aud: TokenKind::Access.audience(&self.settings.audience).to_owned(),
            sub: Uuid::from_bytes(grant.account.0).hyphenated().to_string(),
            sid: grant.session.hex(),
            jti: jti(grant.session, grant.generation, iat, TokenKind::Access),
            iat,
            nbf: iat,
            exp: self.access_expires_at(grant).seconds(),
            auth_time: grant.auth_time.seconds(),
            acr: acr(grant.proved.0).to_owned(),
            amr: grant.proved.0.names().map(str::to_owned).collect(),
        }
    }

    fn refresh(&self, grant: &SessionGrant) -> RefreshClaims {
        let iat = grant.issued_at.seconds();
        RefreshClaims {
            iss: self.settings.issuer.clone(),
            aud: TokenKind::Refresh.audience(&self.settings.audience).to_owned(),
            sub: Uuid::from_bytes(grant.account.0).hyphenated().to_string(),
            sid: grant.session.hex(),
            generation: grant.generation,
            jti: jti(grant.session, grant.generation, iat, TokenKind::Refresh),
            iat,
            nbf: iat,
            exp: grant.expires_at.seconds(),
        }
    }
}
