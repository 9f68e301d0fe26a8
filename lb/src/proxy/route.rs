//! Which class a request belongs to, for metrics, logs and flood limits. Pure; it does not decide what is served.

use auth_api::{dialect_003, paths};
use http::Method;

/// A class of routes; never finer than this in logs and metrics, so that no name or token gets there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteClass {
    /// Costs a password hash or checks a code.
    Login,
    /// Trades a refresh token.
    Refresh,
    /// Any other call of an API.
    Api,
    /// Public keys.
    Keys,
    /// A page.
    Page,
    /// Refused before it was classified.
    Refused,
}

/// Path segments that mark a POST as one that hashes or guesses, whichever dialect it belongs to.
const LOGIN_SEGMENTS: [&str; 12] = [
    "accounts",
    "challenges",
    "code",
    "enrol",
    "login",
    "password",
    "password-reset",
    "qrcode",
    "register",
    "sign-up",
    "signup",
    "verify",
];

impl RouteClass {
    /// All classes, in the order of [`RouteClass::index`].
    pub const ALL: [Self; 6] = [
        Self::Login,
        Self::Refresh,
        Self::Api,
        Self::Keys,
        Self::Page,
        Self::Refused,
    ];

    /// The class of a request.
    pub fn of(method: &Method, path: &str) -> Self {
        let has_segment = |names: &[&str]| path.split('/').any(|segment| names.contains(&segment));
        if path == paths::JWKS {
            Self::Keys
        } else if has_segment(&["refresh"]) {
            Self::Refresh
        } else if *method == Method::POST && (has_segment(&LOGIN_SEGMENTS) || is_sign_up(path)) {
            Self::Login
        } else if path.starts_with("/api/") || path.starts_with("/v1/") {
            Self::Api
        } else {
            Self::Page
        }
    }

    /// Name in logs and metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Refresh => "refresh",
            Self::Api => "api",
            Self::Keys => "keys",
            Self::Page => "page",
            Self::Refused => "refused",
        }
    }

    /// Position in [`RouteClass::ALL`].
    pub fn index(self) -> usize {
        match self {
            Self::Login => 0,
            Self::Refresh => 1,
            Self::Api => 2,
            Self::Keys => 3,
            Self::Page => 4,
            Self::Refused => 5,
        }
    }
}

fn is_sign_up(path: &str) -> bool {
    path.strip_suffix('/').unwrap_or(path) == dialect_003::USER
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_has_its_own_index_and_label() {
        for (index, class) in RouteClass::ALL.into_iter().enumerate() {
            assert_eq!(class.index(), index);
            assert_eq!(
                RouteClass::ALL
                    .into_iter()
                    .filter(|other| other.label() == class.label())
                    .count(),
                1
            );
        }
    }

    #[test]
    fn calls_that_hash_a_password_are_logins() {
        for path in [
            dialect_003::LOGIN,
            dialect_003::USER,
            dialect_003::QRCODE,
            "/v1/login",
            "/v1/accounts",
            "/login/",
        ] {
            assert_eq!(RouteClass::of(&Method::POST, path), RouteClass::Login, "{path}");
        }
        assert_eq!(RouteClass::of(&Method::GET, "/login"), RouteClass::Page);
        assert_eq!(RouteClass::of(&Method::GET, "/api/v1/user/ada"), RouteClass::Api);
        assert_eq!(RouteClass::of(&Method::POST, dialect_003::REFRESH), RouteClass::Refresh);
        assert_eq!(RouteClass::of(&Method::GET, paths::JWKS), RouteClass::Keys);
    }
}
