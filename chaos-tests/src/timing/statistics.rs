//! Two samples of times: whether they can be told apart. Pure.

use serde::Serialize;

/// What two samples look like beside each other.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// Median of the first sample, in microseconds.
    pub median_us: f64,
    /// Median of the second one.
    pub other_median_us: f64,
    /// The Mann-Whitney statistic of the first sample.
    pub u: f64,
    /// Probability of a statistic that far from the middle, were there no difference: two-sided, by the normal
    /// approximation with corrections for ties and continuity.
    pub p: f64,
}

/// Differences below this are none (EN-1).
const P_MIN: f64 = 0.01;
/// Medians closer than this are alike (EN-1), in microseconds.
const DIFFERENCE_US_MAX: f64 = 1000.0;
/// Medians closer than this share of the greater one are alike (EN-1).
const DIFFERENCE_SHARE_MAX: f64 = 0.05;

impl Comparison {
    /// Compares two samples of microseconds; none may be empty.
    #[must_use]
    pub fn of(first: &[f64], other: &[f64]) -> Self {
        let (u, p) = mann_whitney(first, other);
        Self {
            median_us: median(first),
            other_median_us: median(other),
            u,
            p,
        }
    }

    /// How far the medians are apart, in microseconds.
    #[must_use]
    pub fn difference_us(&self) -> f64 {
        (self.median_us - self.other_median_us).abs()
    }

    /// Whether nobody could tell them apart, as EN-1 says it: p > 0.01, and medians closer than 1 ms or 5 %.
    #[must_use]
    pub fn is_alike(&self) -> bool {
        let greater = self.median_us.max(self.other_median_us);
        let is_close =
            self.difference_us() < DIFFERENCE_US_MAX || self.difference_us() < DIFFERENCE_SHARE_MAX * greater;
        self.p > P_MIN && is_close
    }
}

/// The middle one, or between the middle two.
#[must_use]
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let half = sorted.len() / 2;
    let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
    if sorted.len().is_multiple_of(2) {
        f64::midpoint(at(half.wrapping_sub(1)), at(half))
    } else {
        at(half)
    }
}

/// U of the first sample and the two-sided p.
fn mann_whitney(first: &[f64], other: &[f64]) -> (f64, f64) {
    let mut all: Vec<(f64, bool)> = first.iter().map(|v| (*v, true)).collect();
    all.extend(other.iter().map(|v| (*v, false)));
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (n1, n2) = (count(first.len()), count(other.len()));
    let n = n1 + n2;
    let (mut rank_sum, mut ties, mut before) = (0.0, 0.0, 0.0);
    for group in all.chunk_by(|a, b| a.0 == b.0) {
        let size = count(group.len());
        let of_first = count(group.iter().filter(|(_, is_first)| *is_first).count());
        rank_sum += of_first * (before + f64::midpoint(1.0, size));
        ties += size * size * size - size;
        before += size;
    }
    let u = rank_sum - n1 * (n1 + 1.0) / 2.0;
    let spread = (n1 * n2 / 12.0 * (n + 1.0 - ties / (n * (n - 1.0)))).sqrt();
    if spread <= 0.0 {
        return (u, 1.0);
    }
    let z = ((u - n1 * n2 / 2.0).abs() - 0.5).max(0.0) / spread;
    (u, two_sided(z))
}

#[expect(clippy::cast_precision_loss, reason = "samples are far below 2^52")]
fn count(length: usize) -> f64 {
    length as f64
}

/// Probability of a standard normal value at least that far from zero: erfc(z / √2), by Abramowitz and Stegun 7.1.26,
/// whose error is below 1.5e-7.
fn two_sided(z: f64) -> f64 {
    let x = z / std::f64::consts::SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * x);
    let series = [
        1.061_405_429,
        -1.453_152_027,
        1.421_413_741,
        -0.284_496_736,
        0.254_829_592,
    ];
    let sum = series.into_iter().fold(0.0, |sum, factor| (sum + factor) * t);
    sum * (-x * x).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-4
    }

    /// The same figures as scipy.stats.mannwhitneyu(method="asymptotic").
    #[test]
    fn figures_are_those_of_scipy() {
        let apart = Comparison::of(&[1.0, 2.0, 3.0, 4.0, 5.0], &[6.0, 7.0, 8.0, 9.0, 10.0]);
        assert!(close(apart.u, 0.0) && close(apart.p, 0.012_186), "{apart:?}");
        let tied = Comparison::of(&[1.0, 2.0, 2.0, 3.0], &[2.0, 3.0, 3.0, 4.0]);
        assert!(close(tied.u, 3.0) && close(tied.p, 0.172_034), "{tied:?}");
        let same = Comparison::of(&[1.0, 1.0], &[1.0, 1.0]);
        assert!(close(same.p, 1.0), "{same:?}");
    }

    #[test]
    fn a_difference_is_found_and_none_is_not_invented() {
        let low: Vec<f64> = (0..500).map(|n| 20_000.0 + f64::from(n * 37 % 499)).collect();
        let slower: Vec<f64> = low.iter().map(|us| us + 2_000.0).collect();
        let found = Comparison::of(&low, &slower);
        assert!(!found.is_alike() && close(found.difference_us(), 2_000.0), "{found:?}");
        let shuffled: Vec<f64> = (0..500).map(|n| 20_000.0 + f64::from(n * 41 % 499)).collect();
        let none = Comparison::of(&low, &shuffled);
        assert!(none.is_alike(), "{none:?}");
        assert!(close(median(&[3.0, 1.0]), 2.0) && close(median(&[3.0, 1.0, 9.0]), 3.0));
    }
}
