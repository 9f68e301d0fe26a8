//! Business hours in a named time zone. The zone's rules come with the policy as a table, so that every replica gives the
//! same answer whatever time zone data it has installed.

use crate::limits::{ZONE_NAME_BYTES_MAX, ZONE_OFFSETS_MAX};
use crate::time::Timestamp;
use minicbor::{Decode, Encode};

const DAY_SECONDS: i64 = 86_400;
const DAY_MINUTES: u16 = 1_440;
/// Greatest difference to UTC of any zone, in seconds.
const OFFSET_SECONDS_MAX: i32 = 26 * 3_600;
/// 1970-01-01 was a Thursday: the fourth day, when Monday is the first.
const EPOCH_WEEKDAY: i64 = 3;

/// Hours of some days of the week, in a zone.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct BusinessHours {
    /// IANA name, for people; `offsets` decides.
    #[n(0)]
    pub zone: String,
    /// Bit 0 is Monday.
    #[n(1)]
    pub days: u8,
    /// First minute of the day that belongs to them.
    #[n(2)]
    pub from_minute: u16,
    /// First minute that does not any more; 1440 is midnight.
    #[n(3)]
    pub to_minute: u16,
    /// The zone's offsets in ascending order of time. Before the first one the first holds, after the last one the last.
    #[n(4)]
    pub offsets: Vec<Offset>,
}

/// From an instant on, local time is UTC plus so many seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Offset {
    /// From when, in seconds since the epoch.
    #[n(0)]
    pub from_seconds: u64,
    /// Difference to UTC.
    #[n(1)]
    pub offset_seconds: i32,
}

impl BusinessHours {
    /// Whether `now` lies within them.
    #[must_use]
    pub fn contain(&self, now: Timestamp) -> bool {
        let local = i64::try_from(now.seconds())
            .unwrap_or(i64::MAX)
            .saturating_add(i64::from(self.offset_at(now)));
        let weekday = local
            .div_euclid(DAY_SECONDS)
            .saturating_add(EPOCH_WEEKDAY)
            .rem_euclid(7);
        let minute = local.rem_euclid(DAY_SECONDS) / 60;
        self.days >> weekday & 1 == 1 && (i64::from(self.from_minute)..i64::from(self.to_minute)).contains(&minute)
    }

    /// Whether they can be told and are bounded.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        let ascending = self
            .offsets
            .windows(2)
            .all(|pair| matches!(pair, [a, b] if a.from_seconds < b.from_seconds));
        let offsets = (1..=ZONE_OFFSETS_MAX).contains(&self.offsets.len())
            && ascending
            && self
                .offsets
                .iter()
                .all(|o| (-OFFSET_SECONDS_MAX..=OFFSET_SECONDS_MAX).contains(&o.offset_seconds));
        let named = !self.zone.is_empty() && self.zone.len() <= ZONE_NAME_BYTES_MAX;
        let days = self.days != 0 && self.days < 128;
        offsets && named && days && self.from_minute < self.to_minute && self.to_minute <= DAY_MINUTES
    }

    fn offset_at(&self, now: Timestamp) -> i32 {
        let seconds = now.seconds();
        let holds = self.offsets.iter().rev().find(|o| o.from_seconds <= seconds);
        holds.or(self.offsets.first()).map_or(0, |o| o.offset_seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Berlin in 2026: summer time from 29 March 01:00 UTC to 25 October 01:00 UTC.
    fn berlin() -> BusinessHours {
        let offset = |from_seconds, hours: i32| Offset {
            from_seconds,
            offset_seconds: hours * 3_600,
        };
        BusinessHours {
            zone: "Europe/Berlin".into(),
            days: 0b1_1111,
            from_minute: 9 * 60,
            to_minute: 17 * 60,
            offsets: vec![
                offset(1_761_440_400, 1),
                offset(1_774_746_000, 2),
                offset(1_792_890_000, 1),
            ],
        }
    }

    #[test]
    fn hours_follow_the_zones_summer_time() {
        let hours = berlin();
        assert!(hours.is_valid());
        // Friday, 27 March 2026, winter time: 09:00 is 08:00 UTC.
        let friday = 1_774_569_600;
        let at = |day: u64, hour: u64, minute: u64| Timestamp::from_seconds(day + hour * 3_600 + minute * 60);
        assert!(!hours.contain(at(friday, 7, 59)));
        assert!(hours.contain(at(friday, 8, 0)));
        assert!(hours.contain(at(friday, 15, 59)));
        assert!(!hours.contain(at(friday, 16, 0)));
        // Saturday is no working day; on Monday summer time began.
        assert!(!hours.contain(at(friday + 86_400, 10, 0)));
        let monday = friday + 3 * 86_400;
        assert!(hours.contain(at(monday, 7, 0)));
        assert!(!hours.contain(at(monday, 15, 0)));
    }

    #[test]
    fn the_first_offset_holds_before_it_and_the_last_one_after_it() {
        let hours = berlin();
        assert_eq!(hours.offset_at(Timestamp(0)), 3_600);
        assert_eq!(hours.offset_at(Timestamp(u64::MAX)), 3_600);
        assert!(!hours.contain(Timestamp(0)), "01:00 of a Thursday");
    }

    #[test]
    fn a_day_can_begin_before_that_of_utc() {
        let mut hours = berlin();
        hours.offsets.truncate(1);
        hours.offsets[0].offset_seconds = 14 * 3_600;
        hours.days = 0b1_0000;
        // Thursday, 1 January 1970, 20:00 UTC is Friday, 10:00.
        assert!(hours.contain(Timestamp::from_seconds(20 * 3_600)));
        hours.days = 0b0_1000;
        assert!(!hours.contain(Timestamp::from_seconds(20 * 3_600)));
    }

    #[test]
    fn hours_that_cannot_be_told_are_refused() {
        let breakers: [fn(&mut BusinessHours); 8] = [
            |h| h.zone.clear(),
            |h| h.days = 0,
            |h| h.days = 128,
            |h| h.from_minute = h.to_minute,
            |h| h.to_minute = 1_441,
            |h| h.offsets.clear(),
            |h| h.offsets.reverse(),
            |h| {
                h.offsets = vec![Offset {
                    from_seconds: 0,
                    offset_seconds: 200_000,
                }]
            },
        ];
        for (number, breaker) in breakers.into_iter().enumerate() {
            let mut hours = berlin();
            breaker(&mut hours);
            assert!(!hours.is_valid(), "case {number}");
        }
    }
}
