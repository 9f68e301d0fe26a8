//! From what was written to what holds: every relation between settings is checked here, once.

use super::error::ConfigError;
use super::members::{check_members, check_name};
use super::messages::{check_gateway, check_mail};
use super::{Config, Dialects, Http, Tokens, files, raw};
use crate::hashing::{HashParams, HashSettings};
use crate::limits::{
    CONNECTIONS_DEFAULT, CONNECTIONS_MAX, REQUEST_DEADLINE_DEFAULT, REQUEST_DEADLINE_MAX, REQUEST_DEADLINE_MIN,
};
use crate::passwords::{BreachFilter, PasswordPolicy};
use crate::secrets::KeyRing;
use crate::signing::Rotation;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Fastest heartbeat.
const HEARTBEAT_MS_MIN: u64 = 10;
/// Heartbeats that must fit into the shortest election timeout.
const HEARTBEATS_PER_ELECTION_MIN: u64 = 3;
/// OWASP's first recommendation with a single lane and little memory.
const HASH_MEMORY_KIB_DEFAULT: u32 = 19_456;
const HASH_PASSES_DEFAULT: u32 = 2;
const HASH_QUEUE_DEFAULT: usize = 128;
const HASH_QUEUE_MAX: usize = 65_536;
const HASH_THREADS_MAX: usize = 256;
const ROTATE_DAYS_DEFAULT: u16 = 90;
const KEYS_KEPT_MAX: u64 = 12;
const CONTEXT_WORDS_MAX: usize = 64;
const CONTEXT_WORD_CHARS_MAX: usize = 64;
const ACCESS_SECONDS_DEFAULT: u64 = 3600;
const ACCESS_SECONDS_MIN: u64 = 60;
const ACCESS_SECONDS_MAX: u64 = 24 * 3600;
const REFRESH_SECONDS_DEFAULT: u64 = 60 * 24 * 3600;
const REFRESH_SECONDS_MAX: u64 = 366 * 24 * 3600;
const LOGINS_PER_MINUTE_DEFAULT: u32 = 30;
const LOGINS_PER_MINUTE_MAX: u32 = 1_000_000;

pub(super) fn check(file: raw::File) -> Result<Config, ConfigError> {
    check_name("name", &file.name)?;
    let (cluster, peer_advertise) = check_members(&file)?;
    check_listeners(&file)?;
    let timing = check_timing(&file.timing)?;
    let http = check_http(&file.http, &timing)?;
    let hashing = check_hashing(&file.hashing)?;
    let passwords = check_passwords(&file.passwords)?;
    let tokens = check_tokens(&file.tokens, &http)?;
    let rotation = check_rotation(&file.keys, &tokens)?;
    let logins = file
        .limits
        .login_per_address_per_minute
        .unwrap_or(LOGINS_PER_MINUTE_DEFAULT);
    if !(1..=LOGINS_PER_MINUTE_MAX).contains(&logins) {
        let allowed = format!("1 to {LOGINS_PER_MINUTE_MAX}");
        return Err(ConfigError::value(
            "limits.login_per_address_per_minute",
            logins,
            allowed,
        ));
    }
    let mail = file.mail.map(check_mail).transpose()?;
    let gateway = file.gateway.map(check_gateway).transpose()?;
    check_endpoint(file.telemetry.otlp_endpoint.as_deref())?;
    let log_level = match file.log_level.as_str() {
        "error" => tracing::Level::ERROR,
        "warn" => tracing::Level::WARN,
        "info" => tracing::Level::INFO,
        "debug" => tracing::Level::DEBUG,
        "trace" => tracing::Level::TRACE,
        other => {
            return Err(ConfigError::value(
                "log_level",
                other,
                "error, warn, info, debug or trace",
            ));
        }
    };
    files::check_folder("data_dir", &file.data_dir)?;
    let identity = files::read_identity(&file.tls, &file.name)?;
    let key_ring = Arc::new(KeyRing::load(&file.keys.key_ring)?);
    Ok(Config {
        name: file.name,
        node_id: file.node_id,
        data_dir: file.data_dir,
        log_level,
        cluster,
        peer_listen: file.peer.listen,
        peer_advertise,
        http,
        ops_listen: file.ops.listen,
        identity,
        key_ring,
        rotation,
        timing,
        hashing,
        passwords,
        tokens,
        dialects: Dialects {
            public_profiles: file.dialects.public_profiles,
            legacy_cookie_names: file.dialects.legacy_cookie_names,
        },
        on_damage: file.storage.on_damage,
        login_per_address_per_minute: logins,
        mail,
        gateway,
        otlp_endpoint: file.telemetry.otlp_endpoint,
    })
}

fn check_listeners(file: &raw::File) -> Result<(), ConfigError> {
    let listeners = [
        ("http.listen", file.http.listen),
        ("peer.listen", file.peer.listen),
        ("ops.listen", file.ops.listen),
    ];
    for (at, (name, address)) in listeners.iter().enumerate() {
        for (other_name, other) in &listeners[..at] {
            if overlap(*address, *other) {
                let rule = "each listener needs a port of its own";
                return Err(ConfigError::clash((other_name, other), (name, address), rule));
            }
        }
    }
    Ok(())
}

/// Whether both cannot be bound at once. Port 0 is any free port.
fn overlap(a: SocketAddr, b: SocketAddr) -> bool {
    let same_ip = a.ip() == b.ip() || a.ip().is_unspecified() || b.ip().is_unspecified();
    a.port() != 0 && a.port() == b.port() && same_ip
}

fn check_timing(raw: &raw::Timing) -> Result<raft_store::Timing, ConfigError> {
    let default = raft_store::Timing::default();
    let or = |given: Option<u64>, default: Duration| given.unwrap_or(u64::try_from(default.as_millis()).unwrap_or(0));
    let heartbeat = or(raw.heartbeat_ms, default.heartbeat);
    let min = or(raw.election_min_ms, default.election_min);
    let max = or(raw.election_max_ms, default.election_max);
    if heartbeat < HEARTBEAT_MS_MIN {
        let allowed = format!("at least {HEARTBEAT_MS_MIN}");
        return Err(ConfigError::value("timing.heartbeat_ms", heartbeat, allowed));
    }
    if min < heartbeat.saturating_mul(HEARTBEATS_PER_ELECTION_MIN) {
        let rule = format!(
            "election_min_ms must be at least {HEARTBEATS_PER_ELECTION_MIN} times heartbeat_ms, {} here",
            heartbeat.saturating_mul(HEARTBEATS_PER_ELECTION_MIN)
        );
        return Err(ConfigError::clash(
            ("timing.election_min_ms", &min),
            ("timing.heartbeat_ms", &heartbeat),
            rule,
        ));
    }
    if max <= min {
        let rule = "election_max_ms must be the greater one";
        return Err(ConfigError::clash(
            ("timing.election_max_ms", &max),
            ("timing.election_min_ms", &min),
            rule,
        ));
    }
    Ok(raft_store::Timing {
        heartbeat: Duration::from_millis(heartbeat),
        election_min: Duration::from_millis(min),
        election_max: Duration::from_millis(max),
    })
}

fn check_http(raw: &raw::Http, timing: &raft_store::Timing) -> Result<Http, ConfigError> {
    let request_deadline = raw
        .request_deadline_ms
        .map_or(REQUEST_DEADLINE_DEFAULT, Duration::from_millis);
    let given = request_deadline.as_millis();
    if !(REQUEST_DEADLINE_MIN..=REQUEST_DEADLINE_MAX).contains(&request_deadline) {
        let allowed = format!(
            "{} to {}",
            REQUEST_DEADLINE_MIN.as_millis(),
            REQUEST_DEADLINE_MAX.as_millis()
        );
        return Err(ConfigError::value("http.request_deadline_ms", given, allowed));
    }
    if request_deadline <= timing.election_max.saturating_mul(2) {
        let election = timing.election_max.as_millis();
        let rule = "a request must outlive two elections, so it has to be more than twice election_max_ms";
        return Err(ConfigError::clash(
            ("http.request_deadline_ms", &given),
            ("timing.election_max_ms", &election),
            rule,
        ));
    }
    let connections_max = raw.connections_max.unwrap_or(CONNECTIONS_DEFAULT);
    if !(1..=CONNECTIONS_MAX).contains(&connections_max) {
        let allowed = format!("1 to {CONNECTIONS_MAX}");
        return Err(ConfigError::value("http.connections_max", connections_max, allowed));
    }
    if raw.public_origins.is_empty() {
        return Err(ConfigError::value(
            "http.public_origins",
            "[]",
            "at least one origin such as https://auth.example",
        ));
    }
    for origin in &raw.public_origins {
        check_origin("http.public_origins", origin)?;
    }
    Ok(Http {
        listen: raw.listen,
        request_deadline,
        connections_max,
        public_origins: raw.public_origins.clone(),
    })
}

/// An origin is compared byte by byte with what browsers send: scheme, host in lower case, port unless it is 443.
fn check_origin(setting: &'static str, origin: &str) -> Result<(), ConfigError> {
    let refuse = |why: &str| {
        Err(ConfigError::value(
            setting,
            origin,
            format!("https://host or https://host:port; {why}"),
        ))
    };
    let Ok(uri) = origin.parse::<http::Uri>() else {
        return refuse("this is no URL");
    };
    if uri.scheme_str() != Some("https") {
        return refuse("browsers keep secure cookies for https only");
    }
    let Some(authority) = uri.authority() else {
        return refuse("the host is missing");
    };
    if origin.len() != "https://".len() + authority.as_str().len() || authority.as_str().contains('@') {
        return refuse("an origin has no path, no slash at its end and no user");
    }
    if authority.host().is_empty() || authority.host().bytes().any(|byte| byte.is_ascii_uppercase()) {
        return refuse("the host is given in lower case");
    }
    if authority.port().is_some_and(|port| port.as_str() == "443") || authority.as_str().ends_with(':') {
        return refuse("browsers leave out port 443");
    }
    Ok(())
}

fn check_hashing(raw: &raw::Hashing) -> Result<HashSettings, ConfigError> {
    let params = HashParams::new(
        raw.memory_kib.unwrap_or(HASH_MEMORY_KIB_DEFAULT),
        raw.passes.unwrap_or(HASH_PASSES_DEFAULT),
    )?;
    // One core is left to the runtime: heartbeats must not wait for hashes.
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let given = raw.threads.unwrap_or(cores.saturating_sub(1).max(1));
    let Some(threads) = NonZeroUsize::new(given).filter(|threads| threads.get() <= HASH_THREADS_MAX) else {
        return Err(ConfigError::value(
            "hashing.threads",
            given,
            format!("1 to {HASH_THREADS_MAX}"),
        ));
    };
    let queue_max = raw.queue_max.unwrap_or(HASH_QUEUE_DEFAULT);
    if !(1..=HASH_QUEUE_MAX).contains(&queue_max) {
        return Err(ConfigError::value(
            "hashing.queue_max",
            queue_max,
            format!("1 to {HASH_QUEUE_MAX}"),
        ));
    }
    Ok(HashSettings {
        threads,
        queue_max,
        params,
    })
}

/// Reads the filter, too: a damaged one is told before anything is served.
fn check_passwords(raw: &raw::Passwords) -> Result<PasswordPolicy, ConfigError> {
    let setting = "passwords.context_words";
    if raw.context_words.len() > CONTEXT_WORDS_MAX {
        let allowed = format!("up to {CONTEXT_WORDS_MAX} words");
        return Err(ConfigError::value(setting, raw.context_words.len(), allowed));
    }
    for word in &raw.context_words {
        if word.trim().is_empty() || word.chars().count() > CONTEXT_WORD_CHARS_MAX {
            let allowed = format!("1 to {CONTEXT_WORD_CHARS_MAX} characters each");
            return Err(ConfigError::value(setting, word, allowed));
        }
    }
    let load = |path: &PathBuf| {
        BreachFilter::load(path).map_err(|error| ConfigError::Contents {
            setting: "passwords.breach_filter",
            path: path.clone(),
            problem: error.to_string(),
        })
    };
    let breached = raw.breach_filter.as_ref().map(load).transpose()?;
    Ok(PasswordPolicy::new(&raw.context_words, breached))
}

fn check_tokens(raw: &raw::Tokens, http: &Http) -> Result<Tokens, ConfigError> {
    let issuer = match &raw.issuer {
        Some(issuer) => {
            check_origin("tokens.issuer", issuer)?;
            issuer.clone()
        }
        None => http.public_origins.first().cloned().unwrap_or_default(),
    };
    let audience = raw.audience.clone().unwrap_or_else(|| "tfauth".into());
    if audience.is_empty() || audience.len() > 200 || audience.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(ConfigError::value(
            "tokens.audience",
            audience,
            "1 to 200 visible characters",
        ));
    }
    let access = raw.access_seconds.unwrap_or(ACCESS_SECONDS_DEFAULT);
    if !(ACCESS_SECONDS_MIN..=ACCESS_SECONDS_MAX).contains(&access) {
        let allowed = format!("{ACCESS_SECONDS_MIN} to {ACCESS_SECONDS_MAX}");
        return Err(ConfigError::value("tokens.access_seconds", access, allowed));
    }
    let refresh = raw.refresh_seconds.unwrap_or(REFRESH_SECONDS_DEFAULT);
    if refresh <= access {
        let rule = "a refresh token must outlive the access token";
        return Err(ConfigError::clash(
            ("tokens.refresh_seconds", &refresh),
            ("tokens.access_seconds", &access),
            rule,
        ));
    }
    if refresh > REFRESH_SECONDS_MAX {
        return Err(ConfigError::value(
            "tokens.refresh_seconds",
            refresh,
            format!("up to {REFRESH_SECONDS_MAX}"),
        ));
    }
    check_idle(raw.session_idle_seconds, access, refresh)?;
    Ok(Tokens {
        issuer,
        audience,
        access_seconds: access,
        refresh_seconds: refresh,
        session_idle_seconds: raw.session_idle_seconds,
    })
}

/// Only a refresh counts as use, so a session must be allowed to rest for longer than an access token lives.
fn check_idle(idle: Option<u64>, access: u64, refresh: u64) -> Result<(), ConfigError> {
    match idle {
        Some(idle) if idle <= access => Err(ConfigError::clash(
            ("tokens.session_idle_seconds", &idle),
            ("tokens.access_seconds", &access),
            "a session must outlive an access token that is not refreshed",
        )),
        Some(idle) if idle > refresh => Err(ConfigError::clash(
            ("tokens.session_idle_seconds", &idle),
            ("tokens.refresh_seconds", &refresh),
            "a session is over then, however much it is used",
        )),
        Some(_) | None => Ok(()),
    }
}

/// Keys are kept until their last token is over: with too short a time to the next one they would pile up.
fn check_rotation(raw: &raw::Keys, tokens: &Tokens) -> Result<Rotation, ConfigError> {
    let days = raw.rotate_signing_key_days.unwrap_or(ROTATE_DAYS_DEFAULT);
    let after_seconds = (days > 0).then(|| u64::from(days) * 24 * 3600);
    if let Some(after) = after_seconds
        && tokens.refresh_seconds / after >= KEYS_KEPT_MAX
    {
        let rule = format!("keys are kept as long as tokens live, and at most {KEYS_KEPT_MAX} of them");
        return Err(ConfigError::clash(
            ("keys.rotate_signing_key_days", &days),
            ("tokens.refresh_seconds", &tokens.refresh_seconds),
            rule,
        ));
    }
    Ok(Rotation {
        after_seconds,
        keep_seconds: tokens.refresh_seconds.max(tokens.access_seconds),
    })
}

fn check_endpoint(endpoint: Option<&str>) -> Result<(), ConfigError> {
    let Some(endpoint) = endpoint else { return Ok(()) };
    let allowed = "a URL such as http://127.0.0.1:4317";
    let uri: http::Uri = endpoint
        .parse()
        .map_err(|_| ConfigError::value("telemetry.otlp_endpoint", endpoint, allowed))?;
    // The exporter speaks no TLS: a collector on the same machine or in the same network carries spans on.
    if uri.scheme_str() != Some("http") || uri.host().is_none() {
        return Err(ConfigError::value("telemetry.otlp_endpoint", endpoint, allowed));
    }
    Ok(())
}
