//! Every bound of the rules, with its unit in its name.

/// Consecutive failures of an account or factor that cost no delay.
pub const FREE_FAILURES_MAX: u32 = 4;
/// First delay after the free failures, in seconds; doubles with each further failure.
pub const FIRST_DELAY_SECONDS: u64 = 30;
/// Longest delay between guesses, in seconds.
pub const DELAY_SECONDS_MAX: u64 = 3600;
/// Consecutive failures at which a factor is disabled until it is bound anew.
pub const FACTOR_FAILURES_MAX: u32 = 100;
/// Answers that one login challenge takes.
pub const CHALLENGE_ANSWERS_MAX: u8 = 5;
/// Life of a login challenge, in seconds.
pub const CHALLENGE_SECONDS: u64 = 300;
/// Life of a challenge that a mailed code may answer, in seconds: mail takes its time, and can be asked for again.
pub const MAILED_CHALLENGE_SECONDS: u64 = 600;
/// Life of a factor that was not confirmed, in seconds.
pub const PENDING_FACTOR_SECONDS: u64 = 600;
/// How long the immediate predecessor of a refresh token is honoured, in seconds.
pub const REFRESH_GRACE_SECONDS: u64 = 10;
/// How long a reply is kept for a repeated request, in seconds.
pub const DEDUP_SECONDS: u64 = 600;
/// Age of an entry by the log's clock at which it is refused, in seconds. The difference to [`DEDUP_SECONDS`] is how long
/// after a request took effect it may be stamped and proposed again without taking effect twice.
pub const ENTRY_AGE_SECONDS_MAX: u64 = 300;
/// Names without an account whose failures are remembered; beyond it the longest unused is forgotten.
pub const UNKNOWN_NAMES_MAX: u64 = 65_536;
/// How long wrong passwords are remembered after the last of them, of a name with an account and of one without, in seconds.
pub const PASSWORD_FAILURES_SECONDS: u64 = 2 * DELAY_SECONDS_MAX;
/// How long the owner of an address is not told again that somebody tried to register with it, in seconds (TH-9).
pub const ADDRESS_NOTICE_SECONDS: u64 = 3600;
/// Due rows that one entry removes at most, so that no entry is slow.
pub const EXPIRED_ROWS_PER_ENTRY_MAX: usize = 16;
/// Longest user name, in characters.
pub const USERNAME_CHARS_MAX: usize = 150;
/// Longest mail address, in bytes (RFC 5321).
pub const EMAIL_BYTES_MAX: usize = 254;
/// Shortest password of an account that can log in only with a second factor, in characters (PW-1).
pub const PASSWORD_CHARS_MIN: usize = 8;
/// Longest password, in characters (PW-2).
pub const PASSWORD_CHARS_MAX: usize = 256;
/// Longest password, in bytes (PW-2).
pub const PASSWORD_BYTES_MAX: usize = 1024;
/// Shortest password that may be the only factor, in characters (PW-1).
pub const PASSWORD_ALONE_CHARS_MIN: usize = 15;
/// Life of a mailed code, in seconds (OTP-11).
pub const MAILED_CODE_SECONDS: u64 = 300;
/// Mails that one account causes within a window (TH-9).
pub const MAILS_PER_WINDOW_MAX: u32 = 5;
/// Length of that window, in seconds.
pub const MAIL_WINDOW_SECONDS: u64 = 600;
/// Life of a token that proves an address, in seconds (RC-3).
pub const CONFIRMATION_SECONDS: u64 = 86_400;
/// How long name and address of an account are held whose address nobody proves, where it must be proven, in seconds.
pub const UNCONFIRMED_SECONDS: u64 = CONFIRMATION_SECONDS;
/// Life of a token that resets a password, in seconds.
pub const PASSWORD_RESET_SECONDS: u64 = 3_600;
/// Codes in a set of recovery codes.
pub const RECOVERY_CODES: usize = 10;
/// Confirmed and pending authenticator apps of one account.
pub const FACTORS_PER_ACCOUNT_MAX: usize = 16;
/// Live sessions of one account; beyond it the one that rested longest ends.
pub const SESSIONS_PER_ACCOUNT_MAX: usize = 64;
/// Remembered devices of one account; beyond it the one that was not seen for longest is forgotten.
pub const DEVICES_PER_ACCOUNT_MAX: usize = 16;
/// Networks remembered for one account; beyond it the one that was not seen for longest is forgotten.
pub const NETWORKS_PER_ACCOUNT_MAX: usize = 32;
/// Longest absolute life of a session, in seconds.
pub const SESSION_SECONDS_MAX: u64 = 5_184_000;
/// How long after a proof a session may change passwords, addresses and factors, in seconds.
pub const STEP_UP_SECONDS: u64 = 600;
/// How long the immediate predecessor of a device token is honoured, in seconds: answers can be lost.
pub const DEVICE_GRACE_SECONDS: u64 = 60;
/// How long an answer is kept for its `Idempotency-Key`, in seconds.
pub const IDEMPOTENCY_SECONDS: u64 = 86_400;
/// Answers kept for one account's keys; beyond it the oldest is forgotten.
pub const IDEMPOTENCY_KEYS_PER_SCOPE_MAX: u64 = 256;
/// Answers kept for the keys of strangers of one network; beyond it the oldest is forgotten.
pub const IDEMPOTENCY_KEYS_PER_NETWORK_MAX: u64 = 4_096;
/// Answers kept for the keys of all strangers; beyond it the oldest is forgotten.
pub const IDEMPOTENCY_KEYS_OF_STRANGERS_MAX: u64 = 262_144;
/// How long an answer of an account is kept however many there are, in seconds; one that is full of younger ones waits.
pub const IDEMPOTENCY_SECONDS_MIN: u64 = 600;
/// How long audit rows are kept, in seconds.
pub const AUDIT_SECONDS: u64 = 400 * 86_400;
/// Audit rows kept; beyond it the oldest go.
pub const AUDIT_ROWS_MAX: u64 = 20_000_000;
/// Old audit rows that one entry removes at most.
pub const AUDIT_ROWS_REMOVED_PER_ENTRY_MAX: usize = 4;
/// Audit rows that one page of a search looks at.
pub const AUDIT_ROWS_SEARCHED_MAX: usize = 4_096;
/// Accounts that one page of a search looks at.
pub const ACCOUNTS_SEARCHED_MAX: usize = 1_024;
/// Tries after which a mail goes to quarantine.
pub const MAIL_ATTEMPTS_MAX: u32 = 20;
/// Longest pause before a mail is tried again, in seconds.
pub const MAIL_RETRY_SECONDS_MAX: u64 = 3_600;
/// How long a mail stays in quarantine, in seconds; then it is forgotten.
pub const QUARANTINE_SECONDS: u64 = 14 * 86_400;
/// Longest reason that is kept of a mail that failed, in bytes.
pub const MAIL_REASON_BYTES_MAX: usize = 256;
/// How long it is remembered that a mail was handed over, in seconds, for whoever waits for that.
pub const MAIL_OUTCOME_SECONDS: u64 = 600;
/// How long a signing key is published before it signs, in seconds: twice the time that others may keep the key set.
pub const SIGNING_KEY_NOTICE_SECONDS: u64 = 600;
/// Size of each part of a signing key, in bytes.
pub const SIGNING_KEY_BYTES_MAX: usize = 8_192;
/// Signing keys kept at a time.
pub const SIGNING_KEYS_MAX: usize = 16;
/// Values that one entry seals anew at most.
pub const RESEALED_PER_ENTRY_MAX: usize = 64;
/// Longest name of a device or factor, in bytes.
pub const LABEL_BYTES_MAX: usize = 256;
/// Longest name that a client gives itself, in bytes.
pub const AGENT_BYTES_MAX: usize = 256;
/// Longest name of a time zone, in bytes.
pub const ZONE_NAME_BYTES_MAX: usize = 64;
/// Offsets of a time zone that a policy holds.
pub const ZONE_OFFSETS_MAX: usize = 512;
/// Length of a TOTP step, in seconds (RFC 6238).
pub const TOTP_STEP_SECONDS: u64 = 30;

const _: () = assert!(
    PENDING_FACTOR_SECONDS <= 600,
    "NIST SP 800-63B 4.1.2.1: a binding code lives at most ten minutes"
);
const _: () = assert!(FACTOR_FAILURES_MAX <= 100, "NIST SP 800-63B 3.2.2");
const _: () = assert!(FREE_FAILURES_MAX < FACTOR_FAILURES_MAX);
const _: () = assert!(
    2 * ENTRY_AGE_SECONDS_MAX <= DEDUP_SECONDS,
    "a reply must outlive every entry of its request"
);
const _: () = assert!(
    DEDUP_SECONDS <= IDEMPOTENCY_SECONDS_MIN && IDEMPOTENCY_SECONDS_MIN < IDEMPOTENCY_SECONDS,
    "codes that are shown once are read from the kept answer for as long as the request may be repeated"
);
const _: () = assert!(REFRESH_GRACE_SECONDS < DEDUP_SECONDS);
const _: () = assert!(
    PASSWORD_FAILURES_SECONDS >= DELAY_SECONDS_MAX,
    "a delay must not be forgotten before it ends"
);
const _: () = assert!(PASSWORD_CHARS_MIN < PASSWORD_CHARS_MAX && PASSWORD_CHARS_MAX <= PASSWORD_BYTES_MAX);
