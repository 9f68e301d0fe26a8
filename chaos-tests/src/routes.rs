//! Every route of the wire contract, and what it answers to whom; written down a second time, so that a route that is added
//! must be added here, too. Calls nothing.

use auth_api::operation::Access;

/// No body that a call would take.
pub const NONE: &str = "{}";
/// Calls that anybody may make: method, path, body, and what they answer to somebody who brings nothing.
pub const OPEN: &[(&str, &str, &str, u16)] = &[
    ("POST", "/v1/accounts", NONE, 400),
    (
        "POST",
        "/v1/account/email/confirm",
        r#"{"code":"AAAAA-AAAAA-AAAAA-AAAAA-AAAAA"}"#,
        401,
    ),
    ("POST", "/v1/password-reset", r#"{"email":"nobody@example.org"}"#, 202),
    (
        "POST",
        "/v1/password-reset/confirm",
        r#"{"token":"AAAAA-AAAAA-AAAAA-AAAAA-AAAAA","new_password":"violet harbour ladder 29"}"#,
        401,
    ),
    (
        "POST",
        "/v1/login",
        r#"{"identifier":"nobody","password":"violet harbour"}"#,
        401,
    ),
    ("POST", "/v1/login/challenges/{id}/email", NONE, 401),
    (
        "POST",
        "/v1/login/challenges/{id}/verify",
        r#"{"method":"totp","code":"000000"}"#,
        401,
    ),
    ("POST", "/v1/sessions/refresh", NONE, 401),
    (
        "POST",
        "/auth/login",
        r#"{"username":"nobody","password":"violet harbour"}"#,
        401,
    ),
    (
        "POST",
        "/auth/validate-2fa",
        r#"{"username":"nobody","code":"000000"}"#,
        401,
    ),
    ("POST", "/auth/logout", r#"{"refresh_token":"x"}"#, 401),
    ("POST", "/api/v1/user", NONE, 400),
    ("GET", "/api/v1/user/{username}", NONE, 404),
    (
        "POST",
        "/api/v1/auth-totp/qrcode",
        r#"{"username":"nobody","password":"violet harbour"}"#,
        401,
    ),
    (
        "POST",
        "/api/v1/auth-jwt/login",
        r#"{"username":"nobody","password":"violet harbour","security_code":"000000"}"#,
        401,
    ),
    ("POST", "/api/v1/auth-jwt/refresh", NONE, 401),
    (
        "POST",
        "/api/auth/login",
        r#"{"email":"nobody@example.org","password":"violet harbour"}"#,
        401,
    ),
    (
        "POST",
        "/api/auth/verify-otp",
        r#"{"email":"nobody@example.org","otpCode":"000000"}"#,
        401,
    ),
    ("POST", "/api/auth/refresh", NONE, 401),
    ("POST", "/api/auth/logout", NONE, 401),
    ("GET", "/.well-known/jwks.json", NONE, 200),
    ("GET", "/openapi.json", NONE, 200),
    ("GET", "/docs", NONE, 200),
];
/// A call that somebody must be logged in for.
pub struct Closed {
    /// Method.
    pub method: &'static str,
    /// Path.
    pub path: &'static str,
    /// A body that it takes.
    pub body: &'static str,
    /// Who may.
    pub access: Access,
    /// What it answers to a session that a mailed code opened, of an account that has an app (`aal1`).
    pub weak: u16,
    /// What it answers to a user who has just proved both factors, about what is his or is not there.
    pub owner: u16,
    /// What it answers to an administrator, the only one, who has just proved both factors.
    pub admin: u16,
}

const fn closed(
    method: &'static str,
    path: &'static str,
    body: &'static str,
    access: Access,
    [weak, owner, admin]: [u16; 3],
) -> Closed {
    Closed {
        method,
        path,
        body,
        access,
        weak,
        owner,
        admin,
    }
}

/// Calls that somebody must be logged in for; to everybody else they answer 401. The last two end the session.
pub const CLOSED: &[Closed] = &[
    closed("GET", "/v1/account", NONE, Access::Session, [200, 200, 200]),
    closed(
        "POST",
        "/v1/account/password",
        r#"{"current_password":"zq7 canary wrong lantern","new_password":"violet harbour ladder 29"}"#,
        Access::Session,
        [401, 401, 401],
    ),
    closed(
        "POST",
        "/v1/account/email",
        r#"{"email":"other@example.org"}"#,
        Access::StepUp,
        [403, 202, 202],
    ),
    closed("GET", "/v1/sessions", NONE, Access::Session, [200, 200, 200]),
    closed("DELETE", "/v1/sessions/{id}", NONE, Access::Session, [404, 404, 404]),
    closed("DELETE", "/v1/sessions", NONE, Access::Session, [204, 204, 204]),
    closed(
        "POST",
        "/v1/sessions/step-up",
        r#"{"method":"totp","code":"00000x"}"#,
        Access::Session,
        [401, 401, 401],
    ),
    closed("GET", "/v1/factors", NONE, Access::Session, [200, 200, 200]),
    closed(
        "POST",
        "/v1/factors/totp",
        r#"{"label":"phone"}"#,
        Access::Enrolment,
        [403, 201, 201],
    ),
    closed(
        "POST",
        "/v1/factors/{id}/confirm",
        r#"{"code":"00000x"}"#,
        Access::Enrolment,
        [403, 404, 404],
    ),
    closed("DELETE", "/v1/factors/{id}", NONE, Access::StepUp, [403, 404, 404]),
    closed(
        "PUT",
        "/v1/factors/email",
        r#"{"enabled":false}"#,
        Access::StepUp,
        [403, 204, 204],
    ),
    closed("POST", "/v1/recovery-codes", NONE, Access::StepUp, [403, 201, 201]),
    closed("GET", "/v1/devices", NONE, Access::Session, [200, 200, 200]),
    closed("DELETE", "/v1/devices/{id}", NONE, Access::Session, [404, 404, 404]),
    closed("GET", "/v1/audit", NONE, Access::Session, [200, 200, 200]),
    closed("GET", "/v1/admin/accounts", NONE, Access::Admin, [403, 403, 200]),
    closed("GET", "/v1/admin/accounts/{id}", NONE, Access::Admin, [403, 403, 404]),
    closed(
        "PATCH",
        "/v1/admin/accounts/{id}",
        r#"{"unlock":true}"#,
        Access::AdminStepUp,
        [403, 403, 404],
    ),
    closed("GET", "/v1/admin/audit", NONE, Access::Admin, [403, 403, 200]),
    closed("GET", "/v1/admin/policy", NONE, Access::Admin, [403, 403, 200]),
    closed("PUT", "/v1/admin/policy", NONE, Access::AdminStepUp, [403, 403, 400]),
    closed("POST", "/v1/admin/policy/dry-run", NONE, Access::Admin, [403, 403, 400]),
    closed(
        "PUT",
        "/users/update-profile",
        r#"{"twofa_enabled":false}"#,
        Access::Session,
        [403, 200, 200],
    ),
    closed(
        "GET",
        "/api/v1/auth-jwt/user-info",
        NONE,
        Access::Session,
        [200, 200, 200],
    ),
    closed("DELETE", "/v1/account", NONE, Access::StepUp, [403, 204, 409]),
    closed("POST", "/v1/sessions/logout", NONE, Access::Session, [204, 204, 204]),
];

impl Closed {
    /// Whether it needs a proof of the last minutes. The dialect's call does, whatever it switches, and says so itself.
    #[must_use]
    pub fn needs_a_fresh_proof(&self) -> bool {
        match self.access {
            Access::StepUp | Access::Enrolment | Access::AdminStepUp => true,
            Access::Open | Access::Session | Access::Admin => self.path == "/users/update-profile",
        }
    }

    /// Whether it is for administrators.
    #[must_use]
    pub fn is_for_administrators(&self) -> bool {
        match self.access {
            Access::Admin | Access::AdminStepUp => true,
            Access::Open | Access::Session | Access::StepUp | Access::Enrolment => false,
        }
    }
}
/// Pages, and what they answer to a browser that was never here. A form without its proof is refused.
pub const PAGES: &[(&str, &str, u16)] = &[
    ("GET", "/", 200),
    ("GET", "/signup", 200),
    ("POST", "/signup", 403),
    ("GET", "/login", 200),
    ("POST", "/login", 403),
    ("GET", "/login/verify", 303),
    ("POST", "/login/verify", 403),
    ("GET", "/login/enrol", 303),
    ("POST", "/login/enrol", 403),
    ("GET", "/welcome", 303),
    ("POST", "/logout", 403),
    ("GET", "/static/nothing.css", 404),
];
/// What load balancers let in for calls and pages that nodes do not serve yet.
pub const NOT_SERVED: &[&str] = &[
    "/v1/apps/**",
    "/v1/links/**",
    "/v1/authenticator/activate",
    "/v1/authenticator/digits",
    "/v1/authenticator/stream",
    "/v1/verify",
    "/v1/webhooks/**",
    "/forgot",
    "/reset/**",
    "/language",
    "/account/**",
    "/developer/**",
    "/admin/**",
    "/authenticator/**",
    "/favicon.ico",
    "/robots.txt",
    "/manifest.webmanifest",
    "/service-worker.js",
];
