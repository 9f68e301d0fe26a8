//! The random share of logins that is asked for a code: drawn once for an account, a device and a day, on every node
//! alike, so that nobody gets another draw by trying again.

use super::KeyRing;

/// A draw is a number below this one; a share of a tenth is every draw below a tenth of it.
pub const DRAW_PARTS: u16 = 10_000;

impl KeyRing {
    /// The draw of an account on a device (empty: none that is known) on a day, counted in days since 1970 in UTC. It
    /// changes in the middle of a day only when the oldest key leaves the ring.
    #[must_use]
    pub fn sticky_draw(&self, account: &[u8; 16], device: &[u8], utc_day: u64) -> u16 {
        let data = [account.as_slice(), utc_day.to_be_bytes().as_slice(), device].concat();
        let mac = self.stable_mac("sticky share", &data);
        let mut number = [0; 8];
        number.copy_from_slice(&mac[..8]);
        // Below ten thousand, so it fits.
        (u64::from_be_bytes(number) % u64::from(DRAW_PARTS)) as u16
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draw_stays_and_a_share_of_a_tenth_is_about_a_tenth() {
        let ring = KeyRing::for_tests();
        let draw = ring.sticky_draw(&[1; 16], b"phone", 20_000);
        assert_eq!(draw, ring.sticky_draw(&[1; 16], b"phone", 20_000));
        assert_ne!(draw, ring.sticky_draw(&[1; 16], b"phone", 20_001));
        assert_ne!(draw, ring.sticky_draw(&[1; 16], b"", 20_000));
        assert_ne!(draw, ring.sticky_draw(&[2; 16], b"phone", 20_000));
        let asked = (0..20_000)
            .filter(|day| ring.sticky_draw(&[3; 16], b"d", *day) < DRAW_PARTS / 10)
            .count();
        // The keys are fixed, so this is one number for ever; a tenth is 2,000.
        assert!((1900..2100).contains(&asked), "{asked}");
        let foreign = KeyRing::of_tests(1, &[(1, [9; 32])]);
        assert_ne!(
            draw,
            foreign.sticky_draw(&[1; 16], b"phone", 20_000),
            "nobody without the key can tell"
        );
    }
}
