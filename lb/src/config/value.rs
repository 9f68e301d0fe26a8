//! Small checks that every part of the configuration needs, and the sentences for what they refuse.

use std::net::SocketAddr;
use std::time::Duration;

use super::error::ConfigError;
use crate::limits::NAME_CHARS_MAX;

pub(super) type Checked<T> = Result<T, ConfigError>;

/// Names become labels of host names, so they follow their rules.
pub(super) fn name(setting: &str, text: String) -> Checked<String> {
    let allowed_byte = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let fits = !text.is_empty() && text.len() <= NAME_CHARS_MAX && text.bytes().all(allowed_byte);
    if fits && !text.starts_with('-') && !text.ends_with('-') {
        return Ok(text);
    }
    let allowed = format!("1 to {NAME_CHARS_MAX} of a-z, 0-9 and -, not at its ends");
    Err(value(setting, format!("{text:?}"), &allowed))
}

pub(super) fn address(setting: &str, text: &str) -> Checked<SocketAddr> {
    text.parse().map_err(|_| {
        value(
            setting,
            format!("{text:?}"),
            "an IP address with a port, such as \"127.0.0.1:8443\"",
        )
    })
}

pub(super) fn millis(setting: &str, given: u64, min: u64, max: u64) -> Checked<Duration> {
    if (min..=max).contains(&given) {
        Ok(Duration::from_millis(given))
    } else {
        Err(value(setting, given, &format!("{min} to {max} milliseconds")))
    }
}

pub(super) fn at_most(first: &str, first_given: u64, second: &str, second_given: u64) -> Checked<()> {
    if first_given <= second_given {
        return Ok(());
    }
    Err(clash(
        first,
        first_given,
        second,
        second_given,
        "the first must not be larger than the second",
    ))
}

pub(super) fn value(setting: &str, given: impl ToString, allowed: &str) -> ConfigError {
    ConfigError::Value {
        setting: setting.into(),
        given: given.to_string(),
        allowed: allowed.into(),
    }
}

pub(super) fn clash(
    first: &str,
    first_given: impl ToString,
    second: &str,
    second_given: impl ToString,
    rule: &str,
) -> ConfigError {
    ConfigError::Clash {
        first: first.into(),
        first_given: first_given.to_string(),
        second: second.into(),
        second_given: second_given.to_string(),
        rule: rule.into(),
    }
}

pub(super) fn count(setting: &str, given: u64, max: u64) -> Checked<u64> {
    if (1..=max).contains(&given) {
        Ok(given)
    } else {
        Err(value(setting, given, &format!("1 to {max}")))
    }
}
