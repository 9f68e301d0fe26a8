//! Sessions: refreshing, ending, listing, proving again.

use super::login::SecondFactorRequired;
use super::{CODE, METHOD, PASSWORD, TOKEN};
use crate::operation::{Access, Answer, Operation, Typed};
use crate::problem::Code;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

const GROUP: &str = "Sessions";

/// Rotates the tokens.
pub const REFRESH: Operation = Operation::post(
    "/v1/sessions/refresh",
    "refresh_session",
    GROUP,
    "The next pair of tokens. The token before the current one is honoured for ten seconds and gets the same pair; an \
     older one ends the session.",
)
.optional_body::<Refresh>()
.answers(&[Answer::json::<Tokens>(200, "The next pair.")])
.refuses(&[Code::Unauthenticated, Code::SessionRevoked]);

/// Ends the own session.
pub const LOGOUT: Operation = Operation::post(
    "/v1/sessions/logout",
    "end_session",
    GROUP,
    "End the session of the access token. It opens nothing from now on, on no node.",
)
.access(Access::Session)
.answers(&[Answer::empty(204, "The session is over.")]);

/// Lists sessions.
pub const LIST: Operation = Operation::get("/v1/sessions", "list_sessions", GROUP, "The account's live sessions.")
    .access(Access::Session)
    .answers(&[Answer::json::<Vec<Session>>(200, "Newest first.")]);

/// Ends one session.
pub const END: Operation = Operation::delete(
    "/v1/sessions/{id}",
    "end_one_session",
    GROUP,
    "End one of the account's sessions.",
)
.access(Access::Session)
.answers(&[Answer::empty(204, "The session is over.")]);

/// Ends all other sessions.
pub const END_OTHERS: Operation = Operation::delete(
    "/v1/sessions",
    "end_other_sessions",
    GROUP,
    "End all of the account's sessions but this one.",
)
.access(Access::Session)
.answers(&[Answer::empty(204, "The other sessions are over.")]);

/// Proves the owner again.
pub const STEP_UP: Operation = Operation::post(
    "/v1/sessions/step-up",
    "step_up",
    GROUP,
    "Prove who you are again, with a code of the strongest factor that the account has, or with the password when it has \
     none. The answer holds fresh tokens with a new `auth_time`.",
)
.access(Access::Session)
.body::<StepUp>()
.answers(&[Answer::one_of(
    200,
    "Fresh tokens of the same session; for method `email` without a code, a challenge that is answered like a login's.",
    &[Typed::of::<Tokens>(), Typed::of::<SecondFactorRequired>()],
)])
.refuses(&[Code::InvalidCredentials, Code::InvalidCode]);

bodies! {
    /// Body of [`REFRESH`]; browsers have the token in a cookie, others may send it as bearer.
    strict Refresh {
        /// Refresh token.
        refresh_token: Option<String> = TOKEN,
    }
    /// Body of [`STEP_UP`].
    strict StepUp {
        /// Second factor that the code is of; `totp` when it is left out.
        method: Option<String> = METHOD,
        /// A code.
        code: Option<String> = CODE,
        /// The password: enough for accounts without a second factor only.
        password: Option<String> = PASSWORD,
    }
}

/// A pair of tokens.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Tokens {
    /// Access token; browsers get it in a cookie instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_token: Option<String>,
    /// Refresh token; browsers get it in a cookie instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
    /// `Bearer`.
    pub token_type: String,
    /// End of the access token, RFC 3339.
    pub expires_at: String,
    /// The session.
    pub session_id: String,
}

/// A session as its owner sees it.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Session {
    /// Its id.
    pub id: String,
    /// Whether it is the one that asks.
    pub current: bool,
    /// Address of the client that logged in.
    pub ip: String,
    /// Remembered device that it belongs to, if any.
    pub device_id: Option<String>,
    /// `aal1` or `aal2`.
    pub acr: String,
    /// When its owner last proved himself, RFC 3339.
    pub auth_time: String,
    /// When it began, RFC 3339.
    pub created_at: String,
    /// When its tokens last rotated, RFC 3339.
    pub last_seen_at: String,
    /// Its end, RFC 3339.
    pub expires_at: String,
}
