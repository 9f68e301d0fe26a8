//! Comparison of secrets in a time that does not depend on where they differ (EN-4).

use subtle::ConstantTimeEq as _;

/// Whether both are the same. Only a different length, which is no secret, is noticed early.
#[must_use]
pub fn equal(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;
    use std::hint::black_box;
    use std::time::Duration;

    #[test]
    fn en_4_the_time_does_not_tell_where_secrets_differ() {
        let secret = vec![7; 1 << 20];
        let mut early = secret.clone();
        early[0] = 8;
        let mut late = secret.clone();
        *late.last_mut().unwrap() = 8;
        // The shortest of many: what else runs on the machine only ever adds.
        let shortest = |other: &[u8], same: fn(&[u8], &[u8]) -> bool| {
            let time = |_| {
                let began = clock::monotonic();
                assert!(!same(black_box(&secret), black_box(other)));
                clock::monotonic().saturating_duration_since(began)
            };
            (0..30).map(time).min().unwrap_or_default()
        };
        let differ = |early: Duration, late: Duration| late > early * 3 / 2 || early > late * 3 / 2;
        let (first, last) = (shortest(&early, equal), shortest(&late, equal));
        assert!(
            !differ(first, last),
            "{first:?} when the first byte differs, {last:?} when the last does"
        );
        let naive: fn(&[u8], &[u8]) -> bool = |a, b| a == b;
        assert!(
            differ(shortest(&early, naive), shortest(&late, naive)),
            "this measurement sees nothing"
        );
        assert!(equal(b"", b"") && equal(&secret, &secret) && !equal(b"a", b"ab"));
    }
}
