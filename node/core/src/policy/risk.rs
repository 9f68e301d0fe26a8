//! When a second factor is demanded, as a pure function of facts from replicated rows. Every demand names its reasons,
//! and the same function answers a dry run over the audit.

use super::{RiskMode, RiskPolicy};
use crate::account::Role;
use crate::time::Timestamp;
use minicbor::{Decode, Encode};

/// Every login, as a share.
pub const SHARE_ALL: u16 = 10_000;

const DAY_SECONDS: u64 = 86_400;

/// Why a second factor is demanded, as a set. The numbers are on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct Reasons(pub u16);

impl Reasons {
    /// No reason.
    pub const NONE: Self = Self(0);
    /// An administrator.
    pub const ADMIN: Self = Self(1);
    /// A network that the account never logged in from.
    pub const NEW_NETWORK: Self = Self(2);
    /// A device that is not known.
    pub const NEW_DEVICE: Self = Self(4);
    /// No login for long.
    pub const DORMANT: Self = Self(8);
    /// Outside of business hours.
    pub const OUTSIDE_HOURS: Self = Self(16);
    /// Chosen by chance.
    pub const RANDOM: Self = Self(32);
    /// The account's owner asked for it: a factor is bound.
    pub const FACTOR_BOUND: Self = Self(64);
    /// The password is too short to be the only factor (PW-1).
    pub const SHORT_PASSWORD: Self = Self(128);
    /// An earlier demand was not met.
    pub const UNMET: Self = Self(256);
    /// The surface that the login came through always asks.
    pub const ALWAYS: Self = Self(512);

    const NAMES: [(Self, &'static str); 10] = [
        (Self::ADMIN, "admin"),
        (Self::NEW_NETWORK, "new_address"),
        (Self::NEW_DEVICE, "new_device"),
        (Self::DORMANT, "dormant"),
        (Self::OUTSIDE_HOURS, "outside_hours"),
        (Self::RANDOM, "random_check"),
        (Self::FACTOR_BOUND, "factor_bound"),
        (Self::SHORT_PASSWORD, "short_password"),
        (Self::UNMET, "unmet_demand"),
        (Self::ALWAYS, "always"),
    ];

    /// Whether all of `other` are in it.
    #[must_use]
    pub fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both sets.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// `other` added when `condition` holds.
    #[must_use]
    pub fn and_if(self, condition: bool, other: Self) -> Self {
        if condition { self.and(other) } else { self }
    }

    /// Those that are not in `other`.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Their stable names, in a fixed order.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES
            .into_iter()
            .filter(move |(one, _)| self.has(*one))
            .map(|(_, name)| name)
    }
}

/// What the rules look at. Kept in the audit row of the login.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Facts {
    /// The account's role.
    #[n(0)]
    pub role: Role,
    /// Whether the account logged in from this network before; none when it never logged in from anywhere.
    #[n(1)]
    pub known_network: Option<bool>,
    /// Whether the device is known; none when the account knows no device.
    #[n(2)]
    pub known_device: Option<bool>,
    /// Seconds since its last login; none when there was none.
    #[n(3)]
    pub rested_seconds: Option<u64>,
    /// Place of this login among ten thousand, by keyed hash of account, device and day.
    #[n(4)]
    pub share: Option<u16>,
    /// Whether there is a second factor that it could be asked for.
    #[n(5)]
    pub has_method: bool,
}

/// What the rules demand at `now`, whatever their mode. A random check is made only where it can be met.
#[must_use]
pub fn evaluate(policy: &RiskPolicy, facts: &Facts, now: Timestamp) -> Reasons {
    let dormant = |days: u16| {
        facts
            .rested_seconds
            .is_some_and(|rested| rested > u64::from(days).saturating_mul(DAY_SECONDS))
    };
    let chosen = facts.has_method && facts.share.is_some_and(|share| share < policy.share_permyriad);
    let outside = policy.hours.as_ref().is_some_and(|hours| !hours.contain(now));
    Reasons::NONE
        .and_if(facts.role == Role::Admin, Reasons::ADMIN)
        .and_if(
            policy.new_network && facts.known_network == Some(false),
            Reasons::NEW_NETWORK,
        )
        .and_if(
            policy.new_device && facts.known_device == Some(false),
            Reasons::NEW_DEVICE,
        )
        .and_if(policy.dormant_days.is_some_and(dormant), Reasons::DORMANT)
        .and_if(outside, Reasons::OUTSIDE_HOURS)
        .and_if(chosen, Reasons::RANDOM)
}

/// The part of [`evaluate`] that is demanded in the policy's mode. Administrators are asked in every mode.
#[must_use]
pub fn enforced(policy: &RiskPolicy, reasons: Reasons) -> Reasons {
    match policy.mode {
        RiskMode::Enforced => reasons,
        RiskMode::Shadow | RiskMode::Off => Reasons::NONE.and_if(reasons.has(Reasons::ADMIN), Reasons::ADMIN),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calm() -> Facts {
        Facts {
            role: Role::User,
            known_network: Some(true),
            known_device: Some(true),
            rested_seconds: Some(60),
            share: Some(9_999),
            has_method: true,
        }
    }

    fn reasons(facts: &Facts) -> Vec<&'static str> {
        evaluate(&RiskPolicy::default(), facts, Timestamp(0)).names().collect()
    }

    #[test]
    fn a_usual_login_gives_no_reason_and_each_fact_gives_its_own() {
        assert_eq!(reasons(&calm()), Vec::<&str>::new());
        let month = 30 * DAY_SECONDS;
        type Change = fn(&mut Facts);
        let cases: [(&str, Change); 5] = [
            ("admin", |f| f.role = Role::Admin),
            ("new_address", |f| f.known_network = Some(false)),
            ("new_device", |f| f.known_device = Some(false)),
            ("dormant", |f| f.rested_seconds = Some(30 * DAY_SECONDS + 1)),
            ("random_check", |f| f.share = Some(999)),
        ];
        for (name, change) in cases {
            let mut facts = calm();
            change(&mut facts);
            assert_eq!(reasons(&facts), [name]);
        }
        assert_eq!(
            reasons(&Facts {
                rested_seconds: Some(month),
                ..calm()
            }),
            Vec::<&str>::new()
        );
        assert_eq!(
            reasons(&Facts {
                share: Some(1_000),
                ..calm()
            }),
            Vec::<&str>::new()
        );
        assert_eq!(
            reasons(&Facts {
                share: Some(0),
                has_method: false,
                ..calm()
            }),
            Vec::<&str>::new()
        );
    }

    #[test]
    fn the_first_login_of_an_account_is_not_strange() {
        let first = Facts {
            known_network: None,
            known_device: None,
            rested_seconds: None,
            ..calm()
        };
        assert_eq!(reasons(&first), Vec::<&str>::new());
    }

    #[test]
    fn shadow_demands_nothing_but_of_administrators() {
        let all = Reasons(u16::MAX);
        for mode in [RiskMode::Shadow, RiskMode::Off] {
            let policy = RiskPolicy {
                mode,
                ..RiskPolicy::default()
            };
            assert_eq!(enforced(&policy, all), Reasons::ADMIN);
        }
        assert_eq!(enforced(&RiskPolicy::default(), Reasons::RANDOM), Reasons::RANDOM);
    }
}
