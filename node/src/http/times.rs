//! Instants and ids as every surface writes them.

use auth_core::ids::AccountId;
use auth_core::time::Timestamp;
use uuid::Uuid;

/// RFC 3339 with microseconds, UTC: `2025-02-13T15:15:41.760573Z`.
#[must_use]
pub fn rfc_3339(at: Timestamp) -> String {
    let micros = i64::try_from(at.0).unwrap_or(i64::MAX);
    let instant = jiff::Timestamp::from_microsecond(micros).unwrap_or(jiff::Timestamp::MAX);
    format!("{instant:.6}")
}

/// Reads RFC 3339; none for anything else, and for what lies before 1970.
#[must_use]
pub fn parse_rfc_3339(text: &str) -> Option<Timestamp> {
    let instant: jiff::Timestamp = text.parse().ok()?;
    u64::try_from(instant.as_microsecond()).ok().map(Timestamp)
}

/// An account's id.
#[must_use]
pub fn uuid(id: AccountId) -> String {
    Uuid::from_bytes(id.0).hyphenated().to_string()
}

/// Reads an account's id, with hyphens or without.
#[must_use]
pub fn parse_uuid(text: &str) -> Option<AccountId> {
    Uuid::try_parse(text).ok().map(|id| AccountId(id.into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_always_have_six_decimals_and_are_read_back() {
        for (micros, text) in [
            (1_739_459_741_760_573, "2025-02-13T15:15:41.760573Z"),
            (1_739_459_741_000_000, "2025-02-13T15:15:41.000000Z"),
            (0, "1970-01-01T00:00:00.000000Z"),
        ] {
            assert_eq!(rfc_3339(Timestamp(micros)), text);
            assert_eq!(parse_rfc_3339(text), Some(Timestamp(micros)));
        }
        assert_eq!(parse_rfc_3339("yesterday"), None);
        assert_eq!(parse_rfc_3339("1969-12-31T23:59:59Z"), None);
    }

    #[test]
    fn ids_are_read_in_both_forms() {
        let id = AccountId([7; 16]);
        assert_eq!(parse_uuid(&uuid(id)), Some(id));
        assert_eq!(parse_uuid(&id.hex()), Some(id));
        assert_eq!(parse_uuid("7"), None);
    }
}
