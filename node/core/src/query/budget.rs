//! What may be guessed now, and with which budget: that of strangers, or that of a device the account knows (TH-5).

use super::lists::of_account;
use crate::account::Account;
use crate::account::Role;
use crate::device::{Device, DeviceProof};
use crate::error::Fault;
use crate::factor::{Factor, FactorState, Methods, RecoveryCodes};
use crate::ids::AccountId;
use crate::limits::{DEVICE_GRACE_SECONDS, FACTOR_FAILURES_MAX};
use crate::policy::Policy;
use crate::tables::{Table, TablesRead};
use crate::time::Timestamp;

/// What a device token proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceStanding {
    /// Nothing: none was shown, or the account does not know the device.
    Unknown,
    /// The account knows the device.
    Known(Device),
    /// The token is of a generation that is over: it was copied.
    Copied(Device),
}

/// What a shown device token proves to an account at `now`.
///
/// # Errors
/// See [`super::account`]; so for every function here.
pub fn device_standing(
    tables: &impl TablesRead,
    account: AccountId,
    proof: Option<DeviceProof>,
    now: Timestamp,
) -> Result<DeviceStanding, Fault> {
    let Some(proof) = proof else {
        return Ok(DeviceStanding::Unknown);
    };
    let Some(device) = super::device(tables, account, proof.device)? else {
        return Ok(DeviceStanding::Unknown);
    };
    let in_grace = now <= device.rotated_at.plus_seconds(DEVICE_GRACE_SECONDS);
    let predecessor = device.generation.checked_sub(1) == Some(proof.generation);
    Ok(if proof.generation == device.generation || (in_grace && predecessor) {
        DeviceStanding::Known(device)
    } else {
        DeviceStanding::Copied(device)
    })
}

/// The device that a client showed, if the account knows it.
///
/// # Errors
/// See [`super::account`].
pub fn known_device(
    tables: &impl TablesRead,
    account: AccountId,
    proof: Option<DeviceProof>,
    now: Timestamp,
) -> Result<Option<Device>, Fault> {
    Ok(match device_standing(tables, account, proof, now)? {
        DeviceStanding::Known(device) => Some(device),
        DeviceStanding::Unknown | DeviceStanding::Copied(_) => None,
    })
}

/// Every factor that a TOTP code is compared with at `now`: the confirmed ones; of an account that is not bound, those that
/// wait for their first code.
#[must_use]
pub fn answerable_all(factors: &[Factor], now: Timestamp) -> Vec<&Factor> {
    let bound = factors.iter().any(Factor::is_bound);
    factors
        .iter()
        .filter(|factor| factor.is_usable(now) && factor.is_bound() == bound)
        .collect()
}

/// Until when passwords are refused unseen, if they are at `now`.
#[must_use]
pub fn password_blocked_until(account: &Account, device: Option<&Device>, now: Timestamp) -> Option<Timestamp> {
    device
        .map_or(account.throttle, |device| device.throttle)
        .blocked_until(now)
}

/// Until when second factors of these kinds are refused unseen, if they are at `now`. A device that the account knows has a
/// budget of its own for all of them.
#[must_use]
pub fn answer_blocked_until(
    account: &Account,
    factors: &[Factor],
    recovery: Option<&RecoveryCodes>,
    device: Option<&Device>,
    kinds: Methods,
    now: Timestamp,
) -> Option<Timestamp> {
    if let Some(device) = device {
        return device.answers.blocked_until(now);
    }
    let totp = answerable_all(factors, now)
        .into_iter()
        .filter(|_| kinds.has(Methods::TOTP))
        .filter_map(|factor| factor.throttle.blocked_until(now))
        .max();
    let mailed = Some(account.mailed_throttle)
        .filter(|_| kinds.has(Methods::EMAIL))
        .and_then(|throttle| throttle.blocked_until(now));
    let code = recovery
        .filter(|_| kinds.has(Methods::RECOVERY))
        .and_then(|codes| codes.throttle.blocked_until(now));
    totp.max(mailed).max(code)
}

/// What a login of this account can be answered with. Mailed codes are offered when the address is proven and there is no
/// stronger factor, or their owner asked for them; not to administrators, unless the policy says so (OTP-12).
#[must_use]
pub fn methods(account: &Account, factors: &[Factor], recovery: Option<&RecoveryCodes>, policy: &Policy) -> Methods {
    let bound = factors.iter().any(Factor::is_bound);
    let totp = factors.iter().any(|f| matches!(f.state, FactorState::Confirmed { .. }));
    let may_mail = account.role != Role::Admin || policy.admin_mailed_codes;
    let worn = account.mailed_throttle.failures >= FACTOR_FAILURES_MAX;
    let email = account.is_email_confirmed() && may_mail && !worn && (!bound || account.email_factor_since.is_some());
    let own = bound || account.email_factor_since.is_some();
    let recovery = own && recovery.is_some_and(|codes| codes.left() > 0);
    Methods::NONE
        .and_if(totp, Methods::TOTP)
        .and_if(email, Methods::EMAIL)
        .and_if(recovery, Methods::RECOVERY)
}

/// Whether an account has what an administrator logs in with: an authenticator app that works; or mailed codes, where the
/// policy lets administrators use them (OTP-12).
#[must_use]
pub fn may_administer(account: &Account, factors: &[Factor], policy: &Policy) -> bool {
    let app = factors.iter().any(|f| matches!(f.state, FactorState::Confirmed { .. }));
    app || policy.admin_mailed_codes && account.is_email_confirmed()
}

/// Whether an account knows devices, and a client shows none of them.
///
/// # Errors
/// See [`super::account`].
pub fn is_elsewhere(tables: &impl TablesRead, account: AccountId, device: Option<&Device>) -> Result<bool, Fault> {
    Ok(device.is_none() && !of_account(tables, Table::Devices, account, 1)?.is_empty())
}

/// Whether the password alone may bind a factor (OTP-8): never an administrator's; nor where a code could be mailed instead,
/// unless nobody ever logged in; nor [elsewhere](is_elsewhere) than its owner is known.
#[must_use]
pub fn may_enrol_with_password(account: &Account, factors: &[Factor], policy: &Policy, elsewhere: bool) -> bool {
    let own = factors.iter().any(Factor::is_bound) || account.email_factor_since.is_some();
    let admin = account.role == Role::Admin;
    !own && !admin
        && !elsewhere
        && (account.last_login_at.is_none() || methods(account, factors, None, policy).is_empty())
}
