//! An account as a guess at it meets it: its rows, and the lane that the client is in. Strangers share the account's budget;
//! a device that the account knows has its own, so that strangers cannot lock an owner out (TH-5).

use super::decision::Moment;
use super::{devices, guess};
use crate::account::Account;
use crate::device::Device;
use crate::error::Fault;
use crate::factor::{Factor, Methods, RecoveryCodes};
use crate::ids::AccountId;
use crate::limits::FACTOR_FAILURES_MAX;
use crate::policy::Policy;
use crate::policy::throttle::Throttle;
use crate::query::{self, DeviceStanding};
use crate::tables::{Tables, TablesRead};
use crate::time::Timestamp;

/// See the module.
pub(super) struct Standing {
    pub(super) account: Account,
    pub(super) factors: Vec<Factor>,
    pub(super) recovery: Option<RecoveryCodes>,
    pub(super) policy: Policy,
    /// See [`query::is_elsewhere`].
    pub(super) elsewhere: bool,
    lane: DeviceStanding,
}

impl Standing {
    /// Reads it; none when there is no such account.
    pub(super) fn read(moment: Moment<'_>, id: AccountId, tables: &impl TablesRead) -> Result<Option<Self>, Fault> {
        let Some(account) = query::account(tables, id)? else {
            return Ok(None);
        };
        let lane = query::device_standing(tables, id, moment.client.device, moment.now)?;
        let device = match &lane {
            DeviceStanding::Known(device) => Some(device),
            DeviceStanding::Unknown | DeviceStanding::Copied(_) => None,
        };
        Ok(Some(Self {
            elsewhere: query::is_elsewhere(tables, id, device)?,
            factors: query::factors(tables, id)?,
            recovery: query::recovery_codes(tables, id)?,
            policy: query::policy(tables)?,
            lane,
            account,
        }))
    }

    /// The device, if the account knows it.
    pub(super) fn device(&self) -> Option<&Device> {
        match &self.lane {
            DeviceStanding::Known(device) => Some(device),
            DeviceStanding::Unknown | DeviceStanding::Copied(_) => None,
        }
    }

    /// What it can be answered with.
    pub(super) fn methods(&self) -> Methods {
        query::methods(&self.account, &self.factors, self.recovery.as_ref(), &self.policy)
    }

    /// Until when passwords are refused unseen.
    pub(super) fn password_blocked_until(&self, now: Timestamp) -> Option<Timestamp> {
        query::password_blocked_until(&self.account, self.device(), now)
    }

    /// Until when second factors of these kinds are refused unseen.
    pub(super) fn answer_blocked_until(&self, kinds: Methods, now: Timestamp) -> Option<Timestamp> {
        query::answer_blocked_until(
            &self.account,
            &self.factors,
            self.recovery.as_ref(),
            self.device(),
            kinds,
            now,
        )
    }

    /// Acts on a device token that was copied: the device is forgotten, its sessions end, its owner is told. To be called
    /// once it is certain that the entry takes effect.
    pub(super) fn settle(&mut self, moment: Moment<'_>, tables: &mut impl Tables) -> Result<(), Fault> {
        if let DeviceStanding::Copied(device) = &self.lane {
            devices::forget_copied(moment, &self.account, device, tables)?;
            self.lane = DeviceStanding::Unknown;
        }
        Ok(())
    }

    /// Charges a wrong password, or a login that was begun and not finished yet, to the lane.
    pub(super) fn charge_password(mut self, now: Timestamp, tables: &mut impl Tables) -> Result<(), Fault> {
        match &mut self.lane {
            DeviceStanding::Known(device) => {
                device.throttle = device.throttle.charged(now);
                keep_or_forget(device, tables)?;
            }
            DeviceStanding::Unknown | DeviceStanding::Copied(_) => {
                self.account.throttle = self.account.throttle.remembered(now).charged(now);
            }
        }
        guess::put_advanced(self.account, tables)
    }

    /// Charges a wrong second factor to the account, and to the lane when it is a device's. What it was compared with is
    /// charged by whoever compared, and has at most `most` failures since. The account has no fewer: else a wrong password
    /// would be refused unseen where a right one is not.
    pub(super) fn charge_answer(&mut self, now: Timestamp, most: u32, tables: &mut impl Tables) -> Result<(), Fault> {
        self.account.throttle = self.account.throttle.remembered(now).charged(now).at_least(most);
        if let DeviceStanding::Known(device) = &mut self.lane {
            device.throttle = device.throttle.charged(now);
            device.answers = device.answers.charged(now);
            keep_or_forget(device, tables)?;
        }
        Ok(())
    }

    /// Clears the lane's budget after a success; what factors still have stays with the account.
    pub(super) fn clear(&mut self) {
        match &mut self.lane {
            DeviceStanding::Known(device) => {
                device.throttle = Throttle::default();
                device.answers = Throttle::default();
            }
            DeviceStanding::Unknown | DeviceStanding::Copied(_) => {
                self.account.throttle = self.worst_left();
            }
        }
    }

    /// What blocks for longest: a wrong password, which all of them refuse, must not be refused where a right one is not.
    fn worst_left(&self) -> Throttle {
        let factors = self.factors.iter().map(|factor| factor.throttle);
        let others = self.recovery.as_ref().map(|codes| codes.throttle);
        factors
            .chain(others)
            .chain([self.account.mailed_throttle])
            .max_by_key(|throttle| (throttle.blocked_until(Timestamp(0)), throttle.failures))
            .unwrap_or_default()
    }
}

fn keep_or_forget(device: &Device, tables: &mut impl Tables) -> Result<(), Fault> {
    if device.answers.failures.max(device.throttle.failures) >= FACTOR_FAILURES_MAX {
        devices::forget(device, tables)
    } else {
        devices::store(device, tables)
    }
}

#[cfg(test)]
mod tests {
    use crate::apply::testing::{Bench, granted};
    use crate::limits::{DEVICE_GRACE_SECONDS, FACTOR_FAILURES_MAX};
    use crate::outbox::Notice;
    use crate::query;
    use crate::reply::{Denial, Reply};

    #[test]
    fn th_5_strangers_at_the_budget_do_not_keep_an_owner_on_a_known_device_out() {
        let mut bench = Bench::new();
        let account = bench.mailed_account("ana");
        let device = bench.remember_device(account);
        bench.device = None;
        bench.block(account);
        let reply = bench.sign_in(account);
        assert!(
            matches!(reply, Reply::Denied(Denial::TooManyAttempts { .. })),
            "{reply:?}"
        );
        bench.show_device(device);
        let grant = granted(bench.sign_in(account));
        assert_eq!(grant.device.map(|grant| grant.generation), Some(2));
        let failures = bench.account(account).throttle.failures;
        assert_eq!(failures, 5, "what strangers failed stays charged to them");
    }

    #[test]
    fn th_5_a_device_has_a_budget_too_and_it_does_not_block_strangers() {
        let mut bench = Bench::new();
        let account = bench.mailed_account("ana");
        let device = bench.remember_device(account);
        let seq = bench.account(account).auth_seq;
        bench.fail_passwords(account, 5);
        assert_eq!(
            bench.account(account).auth_seq,
            seq + 5,
            "every guess voids older evidence"
        );
        let reply = bench.sign_in(account);
        assert!(
            matches!(reply, Reply::Denied(Denial::TooManyAttempts { .. })),
            "{reply:?}"
        );
        assert_eq!(bench.account(account).throttle.failures, 0);
        let row = query::device(&bench.tables, account, device.device).unwrap().unwrap();
        assert_eq!(row.throttle.failures, 5);
        bench.device = None;
        assert!(matches!(bench.sign_in(account), Reply::SecondFactorRequired { .. }));
    }

    #[test]
    fn th_5_a_blocked_factor_is_open_on_a_known_device() {
        let mut bench = Bench::new();
        let (account, factor) = bench.bound_account("ana");
        let challenge = bench.start(account);
        let device = bench.device_of(account, factor, challenge);
        bench.device = None;
        let stranger = bench.start(account);
        for _ in 0..5 {
            bench.verify(stranger, factor, None);
        }
        bench.show_device(device);
        let challenge = bench.start(account);
        let step = bench.step();
        granted(bench.verify(challenge, factor, Some(step)));
        assert_eq!(bench.factor(account, factor).throttle.failures, 0);
    }

    #[test]
    fn th_1_a_device_is_forgotten_after_a_hundred_failures() {
        let mut bench = Bench::new();
        let account = bench.mailed_account("ana");
        let device = bench.remember_device(account);
        for _ in 0..FACTOR_FAILURES_MAX {
            bench.wait(3_600);
            bench.fail_passwords(account, 1);
        }
        assert_eq!(query::device(&bench.tables, account, device.device).unwrap(), None);
    }

    #[test]
    fn an_old_device_token_ends_the_device_and_its_sessions_and_its_owner_is_told() {
        let mut bench = Bench::new();
        let account = bench.mailed_account("ana");
        let elsewhere = bench.plain_session(account);
        let first = bench.remember_device(account);
        let here = granted(bench.sign_in(account));
        bench.show_device(here.device.unwrap());
        let newer = granted(bench.sign_in(account));
        bench.notices();
        bench.wait(DEVICE_GRACE_SECONDS + 1);
        bench.show_device(first);
        bench.fail_passwords(account, 1);
        assert_eq!(bench.notices(), [Notice::DeviceTokenCopied {}]);
        assert_eq!(query::devices(&bench.tables, account).unwrap(), []);
        for session in [here.session, newer.session] {
            assert!(
                !query::session(&bench.tables, session)
                    .unwrap()
                    .unwrap()
                    .is_live(bench.now)
            );
        }
        assert!(
            query::session(&bench.tables, elsewhere.session)
                .unwrap()
                .unwrap()
                .is_live(bench.now)
        );
        assert_eq!(bench.account(account).throttle.failures, 1, "charged like a stranger's");
    }

    #[test]
    fn a_lost_answer_does_not_cost_the_device() {
        let mut bench = Bench::new();
        let account = bench.mailed_account("ana");
        bench.remember_device(account);
        granted(bench.sign_in(account));
        bench.wait(DEVICE_GRACE_SECONDS);
        let grant = granted(bench.sign_in(account));
        assert_eq!(grant.device.map(|grant| grant.generation), Some(3));
    }

    #[test]
    fn stale_evidence_does_not_punish_a_device() {
        let mut bench = Bench::new();
        let account = bench.mailed_account("ana");
        let first = bench.remember_device(account);
        granted(bench.sign_in(account));
        bench.wait(DEVICE_GRACE_SECONDS + 1);
        bench.show_device(first);
        let reply = bench.sign_in_with(account, |command| command.base_seq = 0);
        assert!(matches!(reply, Reply::Stale { .. }), "{reply:?}");
        assert_eq!(query::devices(&bench.tables, account).unwrap().len(), 1);
    }
}
