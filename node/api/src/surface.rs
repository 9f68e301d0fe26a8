//! Everything that clients may call: path, methods, and what a call costs. The load balancer lets nothing else in, and a
//! test of the node fails when a route of the node is missing here.
//!
//! Names only: who may call what, and what the call does, is the node's.

/// What a call costs or guesses, for flood limits and metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Costs a password hash, checks a code, or sends mail.
    Login,
    /// Trades a refresh token.
    Refresh,
    /// Any other call of an API.
    Api,
    /// Answers piece by piece for as long as the client listens.
    Stream,
    /// Public keys and descriptions.
    Keys,
    /// A page or a part of one.
    Page,
}

/// A set of methods. `GET` brings `HEAD` with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Methods(u8);

const GET: Methods = Methods(1);
const POST: Methods = Methods(2);
const PUT: Methods = Methods(4);
const PATCH: Methods = Methods(8);
const DELETE: Methods = Methods(16);
const GET_POST: Methods = GET.and(POST);
const GET_DELETE: Methods = GET.and(DELETE);
const GET_POST_DELETE: Methods = GET_POST.and(DELETE);
const ALL: Methods = GET_POST_DELETE.and(PUT).and(PATCH);

impl Methods {
    const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether a method, in upper case, is in the set.
    #[must_use]
    pub fn allows(self, method: &str) -> bool {
        match method {
            "GET" | "HEAD" => self.has(GET),
            "POST" => self.has(POST),
            "PUT" => self.has(PUT),
            "PATCH" => self.has(PATCH),
            "DELETE" => self.has(DELETE),
            _ => false,
        }
    }

    /// The value of an `Allow` header.
    #[must_use]
    pub fn list(self) -> String {
        let names = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];
        let allowed: Vec<&str> = names.into_iter().filter(|name| self.allows(name)).collect();
        allowed.join(", ")
    }
}

/// A line of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Segments as they are; `*` stands for one segment, `**` at the end for any number of them, also none.
    pub pattern: &'static str,
    /// Methods.
    pub methods: Methods,
    /// Cost.
    pub kind: Kind,
    /// Bytes at the beginning of the pattern that every path of it begins with.
    literal_bytes: usize,
}

const fn rule(pattern: &'static str, methods: Methods, kind: Kind) -> Rule {
    Rule {
        pattern,
        methods,
        kind,
        literal_bytes: literal_bytes(pattern.as_bytes()),
    }
}

/// Bytes before the first `/*`, or all of them.
const fn literal_bytes(pattern: &[u8]) -> usize {
    let mut length = 0;
    while length < pattern.len()
        && !(pattern[length] == b'/' && length + 1 < pattern.len() && pattern[length + 1] == b'*')
    {
        length += 1;
    }
    length
}

/// The whole surface. The first line whose pattern fits counts.
pub const RULES: &[Rule] = &[
    // Native API: accounts and logins.
    rule("/v1/accounts", POST, Kind::Login),
    rule("/v1/account", GET_DELETE, Kind::Api),
    rule("/v1/account/**", GET_POST, Kind::Login),
    rule("/v1/password-reset", POST, Kind::Login),
    rule("/v1/password-reset/confirm", POST, Kind::Login),
    rule("/v1/login", POST, Kind::Login),
    rule("/v1/login/challenges/*/email", POST, Kind::Login),
    rule("/v1/login/challenges/*/verify", POST, Kind::Login),
    // Native API: what a session may do.
    rule("/v1/sessions", GET_DELETE, Kind::Api),
    rule("/v1/sessions/refresh", POST, Kind::Refresh),
    rule("/v1/sessions/logout", POST, Kind::Api),
    rule("/v1/sessions/step-up", POST, Kind::Login),
    rule("/v1/sessions/*", DELETE, Kind::Api),
    rule("/v1/factors", GET, Kind::Api),
    rule("/v1/factors/totp", POST, Kind::Api),
    rule("/v1/factors/email", PUT, Kind::Api),
    rule("/v1/factors/*/confirm", POST, Kind::Login),
    rule("/v1/factors/*", DELETE, Kind::Api),
    rule("/v1/recovery-codes", GET_POST, Kind::Api),
    rule("/v1/devices", GET, Kind::Api),
    rule("/v1/devices/*", DELETE, Kind::Api),
    rule("/v1/audit", GET, Kind::Api),
    rule("/v1/admin/**", ALL, Kind::Api),
    // Native API: second factor for other applications.
    rule("/v1/apps/**", GET_POST_DELETE.and(PATCH), Kind::Api),
    rule("/v1/links/**", GET_POST_DELETE, Kind::Api),
    rule("/v1/authenticator/activate", POST, Kind::Login),
    rule("/v1/authenticator/digits", POST, Kind::Api),
    rule("/v1/authenticator/stream", GET, Kind::Stream),
    rule("/v1/verify", POST, Kind::Api),
    rule("/v1/webhooks/**", GET_POST_DELETE, Kind::Api),
    // What anybody may read.
    rule("/.well-known/*", GET, Kind::Keys),
    rule("/openapi.json", GET, Kind::Keys),
    rule("/docs/**", GET, Kind::Page),
    // Dialect of `/api/v1`.
    rule("/api/v1/user", POST, Kind::Login),
    rule("/api/v1/user/*", GET, Kind::Api),
    rule("/api/v1/auth-totp/qrcode", POST, Kind::Login),
    rule("/api/v1/auth-jwt/login", POST, Kind::Login),
    rule("/api/v1/auth-jwt/user-info", GET, Kind::Api),
    rule("/api/v1/auth-jwt/refresh", POST, Kind::Refresh),
    // Dialect of `/auth` and `/users`.
    rule("/auth/login", POST, Kind::Login),
    rule("/auth/validate-2fa", POST, Kind::Login),
    rule("/auth/logout", POST, Kind::Api),
    rule("/users/update-profile", PUT, Kind::Api),
    // Dialect of `/api/auth`.
    rule("/api/auth/login", POST, Kind::Login),
    rule("/api/auth/verify-otp", POST, Kind::Login),
    rule("/api/auth/refresh", POST, Kind::Refresh),
    rule("/api/auth/logout", POST, Kind::Api),
    // Pages. A form that is posted may cost a hash.
    rule("/", GET, Kind::Page),
    rule("/signup", GET_POST, Kind::Login),
    rule("/login/**", GET_POST, Kind::Login),
    rule("/forgot", GET_POST, Kind::Login),
    rule("/reset/**", GET_POST, Kind::Login),
    rule("/logout", POST, Kind::Page),
    rule("/language", POST, Kind::Page),
    rule("/welcome", GET, Kind::Page),
    rule("/account/**", GET_POST, Kind::Login),
    rule("/developer/**", GET_POST, Kind::Page),
    rule("/admin/**", GET_POST, Kind::Page),
    rule("/authenticator/**", GET_POST, Kind::Page),
    rule("/static/*", GET, Kind::Page),
    rule("/favicon.ico", GET, Kind::Page),
    rule("/robots.txt", GET, Kind::Page),
    rule("/manifest.webmanifest", GET, Kind::Page),
    rule("/service-worker.js", GET, Kind::Page),
];

/// The line for a path, with or without a slash at its end. Escapes stay as they are: they never hide a slash here,
/// because the load balancer refuses those.
#[must_use]
pub fn find(path: &str) -> Option<&'static Rule> {
    // One comparison of bytes rules out most lines; every request comes through here.
    let begins_so = |rule: &&Rule| {
        path.as_bytes()
            .starts_with(&rule.pattern.as_bytes()[..rule.literal_bytes])
    };
    RULES.iter().filter(begins_so).find(|rule| fits(rule.pattern, path))
}

fn fits(pattern: &str, path: &str) -> bool {
    let path = match path.strip_suffix('/') {
        Some(rest) if !rest.is_empty() && !rest.ends_with('/') => rest,
        Some(_) | None => path,
    };
    let mut segments = path.split('/');
    for wanted in pattern.split('/') {
        if wanted == "**" {
            return segments.all(|segment| !segment.is_empty());
        }
        match segments.next() {
            Some(segment) if wanted == "*" && !segment.is_empty() => {}
            Some(segment) if segment == wanted => {}
            Some(_) | None => return false,
        }
    }
    segments.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect_003;

    fn pattern_of(path: &str) -> &'static str {
        find(path).map_or("", |rule| rule.pattern)
    }

    #[test]
    fn a_path_is_found_with_and_without_a_slash_at_its_end() {
        for (path, pattern) in [
            ("/", "/"),
            ("/login", "/login/**"),
            ("/login/", "/login/**"),
            ("/login/verify", "/login/**"),
            ("/auth/login/", "/auth/login"),
            ("/v1/sessions/refresh", "/v1/sessions/refresh"),
            ("/v1/sessions/abc", "/v1/sessions/*"),
            ("/v1/login/challenges/abc/verify", "/v1/login/challenges/*/verify"),
            ("/v1/account", "/v1/account"),
            ("/v1/account/", "/v1/account"),
            ("/v1/account/email/confirm", "/v1/account/**"),
            (dialect_003::LOGIN, "/api/v1/auth-jwt/login"),
            ("/api/v1/user/a%40b.example", "/api/v1/user/*"),
            (crate::paths::JWKS, "/.well-known/*"),
        ] {
            assert_eq!(pattern_of(path), pattern, "{path}");
        }
    }

    #[test]
    fn the_beginning_of_a_pattern_ends_before_its_first_star() {
        let bytes_of = |pattern: &str| find(pattern).map_or(0, |rule| rule.literal_bytes);
        assert_eq!(bytes_of("/v1/account/x"), "/v1/account".len());
        assert_eq!(bytes_of("/v1/accounts"), "/v1/accounts".len());
        assert_eq!(bytes_of("/"), 1);
        for rule in RULES {
            assert!(!rule.pattern[..rule.literal_bytes].contains('*'), "{}", rule.pattern);
        }
    }

    #[test]
    fn every_call_of_the_contract_is_let_in() {
        for operation in crate::operations::ALL {
            let segments = operation.path.split('/');
            let concrete: Vec<&str> = segments
                .map(|segment| if segment.starts_with('{') { "x" } else { segment })
                .collect();
            let path = concrete.join("/");
            let method = operation.method.as_str();
            assert!(
                find(&path).is_some_and(|rule| rule.methods.allows(method)),
                "{method} {path} is missing"
            );
        }
    }

    #[test]
    fn what_is_not_listed_is_not_found() {
        for path in [
            "",
            "/v1",
            "/v1/",
            "/v1/sessions/a/b",
            "/v1/login/challenges//verify",
            "/v1/account//x",
            "/api/v1/user/a/b",
            "/loginx",
            "/LOGIN",
            "/internal/v1/status",
            "/metrics",
            "/static",
            "/static/a/b",
            "//",
        ] {
            assert_eq!(pattern_of(path), "", "{path}");
        }
    }

    #[test]
    fn no_line_is_hidden_by_one_above_it() {
        for (index, rule) in RULES.iter().enumerate() {
            let example = rule.pattern.replace("**", "x").replace('*', "x");
            let found = RULES.iter().position(|other| fits(other.pattern, &example));
            assert_eq!(found, Some(index), "{} is hidden", rule.pattern);
        }
    }

    #[test]
    fn get_brings_head_and_nothing_else() {
        assert!(GET.allows("GET") && GET.allows("HEAD") && !GET.allows("POST") && !GET.allows("get"));
        assert!(!ALL.allows("OPTIONS") && !ALL.allows("TRACE") && !ALL.allows("CONNECT"));
        assert_eq!(GET_POST.list(), "GET, HEAD, POST");
        assert_eq!(PUT.list(), "PUT");
    }
}
