//! TOTP seeds: drawn, sealed, opened, compared with digits, written as otpauth URI. SHA-1, 6 digits, 30 seconds: what
//! every authenticator app can do (OTP-10).

use super::limits::{TOTP_SEED_BYTES, TOTP_WINDOW_STEPS};
use super::names::SERVICE_NAME;
use super::{PendingTotp, ServiceError};
use crate::entropy;
use crate::secrets::{KeyRing, Purpose};
use auth_core::factor::Factor;
use auth_core::ids::{AccountId, FactorId};
use auth_core::limits::TOTP_STEP_SECONDS;
use auth_core::secret::Sealed;
use auth_core::time::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::SecretString;
use totp_rs::{Algorithm, Builder, Secret, Totp};
use zeroize::Zeroizing;

/// Digits of a code.
const DIGITS: u8 = 6;
/// What RFC 3986 lets stand unescaped.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// An opened seed. Wiped when dropped; has no `Debug`.
pub(super) struct Seed(Zeroizing<Vec<u8>>);

impl Seed {
    /// A new seed (OTP-2).
    pub(super) fn draw() -> Self {
        let bytes = Zeroizing::new(entropy::bytes::<TOTP_SEED_BYTES>());
        Self(Zeroizing::new(bytes.to_vec()))
    }

    /// Seals it for one factor of one account.
    pub(super) fn seal(&self, ring: &KeyRing, account: AccountId, factor: FactorId) -> Result<Sealed, ServiceError> {
        ring.seal(Purpose::TotpSeed, &record(account, factor), &self.0)
            .map_err(|error| ServiceError::Fault(format!("TOTP seed: {error}")))
    }

    /// Opens the seed of a factor.
    pub(super) fn open(ring: &KeyRing, factor: &Factor) -> Result<Self, ServiceError> {
        ring.open(Purpose::TotpSeed, &record(factor.account, factor.id), &factor.seed)
            .map(Self)
            .map_err(|error| ServiceError::Fault(format!("TOTP seed of {:?}: {error}", factor.id)))
    }

    /// The step within the window around `now` whose digits `code` has. Digits are compared in constant time.
    pub(super) fn matched_step(&self, code: &str, now: Timestamp) -> Result<Option<u64>, ServiceError> {
        Ok(self.totp()?.check(code, now.seconds()))
    }

    /// What its owner scans.
    pub(super) fn shown_to(&self, username: &str, expires_at: Timestamp) -> PendingTotp {
        let secret = Zeroizing::new(Secret::from(self.0.as_slice()).to_base32());
        let label = utf8_percent_encode(username, ESCAPED);
        let uri = format!(
            "otpauth://totp/{SERVICE_NAME}:{label}?secret={}&issuer={SERVICE_NAME}&algorithm=SHA1&digits={DIGITS}&period={TOTP_STEP_SECONDS}",
            *secret
        );
        PendingTotp {
            otpauth_uri: SecretString::from(uri),
            secret_base32: SecretString::from(secret.as_str()),
            expires_at,
        }
    }

    fn totp(&self) -> Result<Totp, ServiceError> {
        Builder::new()
            .with_algorithm(Algorithm::SHA1)
            .with_digits(DIGITS)
            .with_skew(TOTP_WINDOW_STEPS)
            .with_step_duration(TOTP_STEP_SECONDS)
            .with_secret(self.0.as_slice())
            .build()
            .map_err(|error| ServiceError::Fault(format!("TOTP seed: {error}")))
    }

    /// A given seed.
    pub(super) fn of_bytes(bytes: &[u8]) -> Self {
        Self(Zeroizing::new(bytes.to_vec()))
    }
}

/// The record that a seed's box belongs to.
fn record(account: AccountId, factor: FactorId) -> Vec<u8> {
    [account.0, factor.0].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret as _;

    const RFC_SEED: &[u8] = b"12345678901234567890";

    fn code_at(seconds: u64) -> String {
        Seed::of_bytes(RFC_SEED)
            .totp()
            .ok()
            .unwrap()
            .generate(seconds)
            .to_string()
    }

    #[test]
    fn otp_1_rfc_6238_appendix_b() {
        let times = [
            59,
            1_111_111_109,
            1_111_111_111,
            1_234_567_890,
            2_000_000_000,
            20_000_000_000,
        ];
        let sha1 = ["94287082", "07081804", "14050471", "89005924", "69279037", "65353130"];
        let sha256 = ["46119246", "68084774", "67062674", "91819424", "90698825", "77737706"];
        let sha512 = ["90693936", "25091201", "99943326", "93441116", "38618901", "47863826"];
        for (algorithm, length, expected) in [
            (Algorithm::SHA1, 20, sha1),
            (Algorithm::SHA256, 32, sha256),
            (Algorithm::SHA512, 64, sha512),
        ] {
            let seed: Vec<u8> = RFC_SEED.iter().copied().cycle().take(length).collect();
            let totp = Builder::new()
                .with_algorithm(algorithm)
                .with_digits(8)
                .with_secret(seed)
                .build()
                .unwrap();
            for (time, code) in times.iter().zip(expected) {
                assert_eq!(totp.generate(*time).to_string(), code, "{algorithm} at {time}");
            }
        }
    }

    #[test]
    fn otp_1_rfc_4226_appendix_d() {
        let codes = [
            "755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489",
        ];
        for (counter, code) in (0..).zip(codes) {
            assert_eq!(code_at(counter * TOTP_STEP_SECONDS), code, "counter {counter}");
        }
    }

    #[test]
    fn otp_4_window_is_one_step_each_way_and_names_the_step() {
        let seed = Seed::of_bytes(RFC_SEED);
        let step = 50_000_000;
        let now = Timestamp::from_seconds(step * TOTP_STEP_SECONDS + 7);
        let matched = |offset: i64| {
            let code = code_at(step.checked_add_signed(offset).unwrap() * TOTP_STEP_SECONDS);
            seed.matched_step(&code, now).ok().unwrap()
        };
        assert_eq!(matched(0), Some(step));
        assert_eq!(matched(-1), Some(step - 1));
        assert_eq!(matched(1), Some(step + 1));
        assert_eq!((matched(-2), matched(2)), (None, None));
        for bad in [
            "",
            "12345",
            "1234567",
            "abcdef",
            "+12345",
            " 12345",
            "\u{661}\u{662}\u{663}",
        ] {
            assert_eq!(seed.matched_step(bad, now).ok().unwrap(), None, "{bad:?}");
        }
    }

    #[test]
    fn otp_2_seeds_have_160_bits_and_differ() {
        let (one, two) = (Seed::draw(), Seed::draw());
        assert_eq!(one.0.len(), 20);
        assert_ne!(*one.0, *two.0);
    }

    #[test]
    fn otp_10_uri_escapes_names() {
        let shown = Seed::of_bytes(RFC_SEED).shown_to("an:dr\u{e9}@x", Timestamp::default());
        assert_eq!(
            shown.otpauth_uri.expose_secret(),
            "otpauth://totp/tfauth:an%3Adr%C3%A9%40x?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=tfauth&algorithm=SHA1&digits=6&period=30"
        );
        assert_eq!(shown.secret_base32.expose_secret(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
    }

    #[test]
    fn cr_1_a_seed_does_not_open_for_another_account() {
        let ring = KeyRing::for_tests();
        let (account, id) = (AccountId([1; 16]), FactorId([2; 16]));
        let sealed = Seed::draw().seal(&ring, account, id).ok().unwrap();
        let factor = |account| Factor {
            id,
            account,
            label: String::new(),
            seed: sealed.clone(),
            state: auth_core::factor::FactorState::Confirmed {
                at: Timestamp::default(),
            },
            last_step: None,
            throttle: Default::default(),
            created_at: Timestamp::default(),
            last_used_at: None,
        };
        assert!(Seed::open(&ring, &factor(account)).is_ok());
        assert!(Seed::open(&ring, &factor(AccountId([3; 16]))).is_err());
    }
}
