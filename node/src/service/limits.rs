//! Bounds of the services, with the unit in each name.

use std::time::Duration;

/// Times that evidence is proposed again because the account changed meanwhile, before the caller is told to wait.
pub(super) const STALE_PROPOSALS_MAX: u32 = 8;
/// Times that evidence is computed, counting the first: the password or the factor may change under the first one.
pub(super) const EVALUATIONS_MAX: u32 = 2;
/// Wait that is asked of a caller whose evidence never met a state that held still, in seconds.
pub(super) const CONTENTION_RETRY_SECONDS: u64 = 1;
/// Length of a TOTP seed, in bytes (RFC 4226 R6 recommends 160 bit; OTP-2).
pub(super) const TOTP_SEED_BYTES: usize = 20;
/// Time steps before and after the current one whose codes are taken (RFC 6238 5.2; OTP-4).
pub(super) const TOTP_WINDOW_STEPS: u16 = 1;
/// Client addresses that are remembered in each of two generations of the flood limit.
pub(super) const FLOOD_ADDRESSES_MAX: usize = 65_536;
/// Logins of the audit that a dry run of a policy judges.
pub(super) const DRY_RUN_LOGINS_MAX: usize = 10_000;
/// Years of a time zone's rules that go with a policy.
pub(super) const ZONE_YEARS: u64 = 20;
/// For hashing a password anew beside a login.
pub(super) const UPGRADE_MAX: Duration = Duration::from_secs(30);

const _: () = assert!(TOTP_SEED_BYTES >= 16, "NIST SP 800-63B 3.1.4.1 and ASVS 6.5.3");
const _: () = assert!(TOTP_WINDOW_STEPS <= 1, "RFC 6238 5.2: at most one step of delay");
