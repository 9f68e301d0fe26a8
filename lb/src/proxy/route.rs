//! Which line of the surface a request belongs to, and its class in metrics, logs and flood limits. Pure.

use auth_api::surface::{self, Kind, Rule};
use http::Method;

/// A class of routes; never finer than this in metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteClass {
    /// Costs a password hash, checks a code or sends mail.
    Login,
    /// Trades a refresh token.
    Refresh,
    /// Any other call of an API.
    Api,
    /// Answers piece by piece for as long as the client listens.
    Stream,
    /// Public keys and descriptions.
    Keys,
    /// A page.
    Page,
    /// Refused before it was classified.
    Refused,
}

/// Why a request is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoRoute {
    /// Nothing of this path is served.
    Unknown,
    /// This path takes other methods only.
    Method(&'static Rule),
}

/// The line for a request.
///
/// # Errors
/// There is none, or it does not allow the method.
pub fn find(method: &Method, path: &str) -> Result<&'static Rule, NoRoute> {
    let rule = surface::find(path).ok_or(NoRoute::Unknown)?;
    if rule.methods.allows(method.as_str()) {
        Ok(rule)
    } else {
        Err(NoRoute::Method(rule))
    }
}

impl RouteClass {
    /// All classes, in the order of [`RouteClass::index`].
    pub const ALL: [Self; 7] = [
        Self::Login,
        Self::Refresh,
        Self::Api,
        Self::Stream,
        Self::Keys,
        Self::Page,
        Self::Refused,
    ];

    /// The class of a request. To look at a form costs nothing; to send it does.
    pub fn of(method: &Method, rule: &Rule) -> Self {
        let is_looking = [Method::GET, Method::HEAD].contains(method);
        match rule.kind {
            Kind::Login if is_looking => Self::Page,
            Kind::Login => Self::Login,
            Kind::Refresh => Self::Refresh,
            Kind::Api => Self::Api,
            Kind::Stream => Self::Stream,
            Kind::Keys => Self::Keys,
            Kind::Page => Self::Page,
        }
    }

    /// Name in logs and metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Refresh => "refresh",
            Self::Api => "api",
            Self::Stream => "stream",
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
            Self::Stream => 3,
            Self::Keys => 4,
            Self::Page => 5,
            Self::Refused => 6,
        }
    }
}

#[cfg(test)]
mod tests {
    use auth_api::{dialect_003, paths};

    use super::*;

    fn class_of(method: &Method, path: &str) -> RouteClass {
        find(method, path).map_or(RouteClass::Refused, |rule| RouteClass::of(method, rule))
    }

    #[test]
    fn every_class_has_its_own_index_and_label() {
        for (index, class) in RouteClass::ALL.into_iter().enumerate() {
            assert_eq!(class.index(), index);
            let same = RouteClass::ALL
                .into_iter()
                .filter(|other| other.label() == class.label());
            assert_eq!(same.count(), 1);
        }
    }

    #[test]
    fn calls_that_hash_a_password_or_guess_are_logins() {
        for path in [
            dialect_003::LOGIN,
            dialect_003::USER,
            dialect_003::QRCODE,
            "/v1/login",
            "/v1/login/challenges/abc/verify",
            "/v1/accounts",
            "/v1/account/password",
            "/v1/password-reset/confirm",
            "/v1/sessions/step-up",
            "/auth/login/",
            "/auth/validate-2fa/",
            "/api/auth/verify-otp",
            "/login/",
            "/login/verify",
            "/signup",
        ] {
            assert_eq!(class_of(&Method::POST, path), RouteClass::Login, "{path}");
        }
        assert_eq!(class_of(&Method::GET, "/login"), RouteClass::Page);
        assert_eq!(class_of(&Method::GET, "/api/v1/user/ada"), RouteClass::Api);
        assert_eq!(class_of(&Method::POST, dialect_003::REFRESH), RouteClass::Refresh);
        assert_eq!(class_of(&Method::GET, paths::JWKS), RouteClass::Keys);
        assert_eq!(class_of(&Method::GET, "/v1/authenticator/stream"), RouteClass::Stream);
    }

    #[test]
    fn other_paths_and_methods_have_no_route() {
        assert_eq!(find(&Method::GET, "/wp-login.php"), Err(NoRoute::Unknown));
        assert_eq!(find(&Method::GET, paths::INTERNAL_STATUS), Err(NoRoute::Unknown));
        assert!(matches!(
            find(&Method::DELETE, "/v1/login"),
            Err(NoRoute::Method(rule)) if rule.pattern == "/v1/login"
        ));
    }
}
