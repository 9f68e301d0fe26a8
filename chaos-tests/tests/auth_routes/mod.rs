//! Every route, and what it answers to somebody who brings nothing; written down a second time, so that a route that is
//! added must be added here, too.

use auth_api::operation::Access;

/// No body that a call would take.
pub(crate) const NONE: &str = "{}";
/// Calls that anybody may make: method, path, body, and what they answer to somebody who brings nothing.
pub(crate) const OPEN: &[(&str, &str, &str, u16)] = &[
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
/// Calls that somebody must be logged in for: method, path, a body that they take, and who may.
pub(crate) const CLOSED: &[(&str, &str, &str, Access)] = &[
    ("GET", "/v1/account", NONE, Access::Session),
    ("DELETE", "/v1/account", NONE, Access::StepUp),
    (
        "POST",
        "/v1/account/password",
        r#"{"current_password":"a b c d e f g h","new_password":"i j k l m n o p"}"#,
        Access::Session,
    ),
    (
        "POST",
        "/v1/account/email",
        r#"{"email":"other@example.org"}"#,
        Access::StepUp,
    ),
    ("POST", "/v1/sessions/logout", NONE, Access::Session),
    ("GET", "/v1/sessions", NONE, Access::Session),
    ("DELETE", "/v1/sessions/{id}", NONE, Access::Session),
    ("DELETE", "/v1/sessions", NONE, Access::Session),
    (
        "POST",
        "/v1/sessions/step-up",
        r#"{"method":"totp","code":"000000"}"#,
        Access::Session,
    ),
    ("GET", "/v1/factors", NONE, Access::Session),
    ("POST", "/v1/factors/totp", r#"{"label":"phone"}"#, Access::Enrolment),
    (
        "POST",
        "/v1/factors/{id}/confirm",
        r#"{"code":"000000"}"#,
        Access::Enrolment,
    ),
    ("DELETE", "/v1/factors/{id}", NONE, Access::StepUp),
    ("PUT", "/v1/factors/email", r#"{"enabled":false}"#, Access::StepUp),
    ("POST", "/v1/recovery-codes", NONE, Access::StepUp),
    ("GET", "/v1/devices", NONE, Access::Session),
    ("DELETE", "/v1/devices/{id}", NONE, Access::Session),
    ("GET", "/v1/audit", NONE, Access::Session),
    ("GET", "/v1/admin/accounts", NONE, Access::Admin),
    ("GET", "/v1/admin/accounts/{id}", NONE, Access::Admin),
    (
        "PATCH",
        "/v1/admin/accounts/{id}",
        r#"{"unlock":true}"#,
        Access::AdminStepUp,
    ),
    ("GET", "/v1/admin/audit", NONE, Access::Admin),
    ("GET", "/v1/admin/policy", NONE, Access::Admin),
    ("PUT", "/v1/admin/policy", NONE, Access::AdminStepUp),
    ("POST", "/v1/admin/policy/dry-run", NONE, Access::Admin),
    (
        "PUT",
        "/users/update-profile",
        r#"{"twofa_enabled":false}"#,
        Access::Session,
    ),
    ("GET", "/api/v1/auth-jwt/user-info", NONE, Access::Session),
];
/// Pages, and what they answer to a browser that was never here. A form without its proof is refused.
pub(crate) const PAGES: &[(&str, &str, u16)] = &[
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
pub(crate) const NOT_SERVED: &[&str] = &[
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
