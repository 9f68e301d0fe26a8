//! Figures of several rounds: their median and their spread.

use serde::Serialize;

/// One quantity, measured once a round.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Series {
    /// As they were measured, in order.
    pub values: Vec<f64>,
}

impl Series {
    /// Adds the figure of a round.
    pub fn push(&mut self, value: f64) {
        self.values.push(value);
    }

    /// The middle one; the mean of the two in the middle where their number is even; 0 without any.
    #[must_use]
    pub fn median(&self) -> f64 {
        let mut sorted = self.values.clone();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        match (sorted.len() % 2, sorted.get(middle), sorted.get(middle.wrapping_sub(1))) {
            (1, Some(value), _) => *value,
            (0, Some(high), Some(low)) => f64::midpoint(*high, *low),
            _ => 0.0,
        }
    }

    /// The least and the greatest.
    #[must_use]
    pub fn spread(&self) -> (f64, f64) {
        let least = self.values.iter().copied().fold(f64::INFINITY, f64::min);
        let greatest = self.values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if self.values.is_empty() {
            (0.0, 0.0)
        } else {
            (least, greatest)
        }
    }

    /// `median (least to greatest)` in whole numbers.
    #[must_use]
    pub fn text(&self) -> String {
        let (least, greatest) = self.spread();
        format!("{:.0} ({least:.0} to {greatest:.0})", self.median())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(values: &[f64]) -> Series {
        Series {
            values: values.to_vec(),
        }
    }

    #[test]
    fn the_median_does_not_depend_on_order() {
        assert!((series(&[9.0, 1.0, 5.0]).median() - 5.0).abs() < f64::EPSILON);
        assert!((series(&[9.0, 1.0, 5.0, 6.0]).median() - 5.5).abs() < f64::EPSILON);
        assert!(series(&[]).median().abs() < f64::EPSILON);
    }

    #[test]
    fn the_spread_is_told_with_the_median() {
        assert_eq!(series(&[30.0, 10.0, 20.0]).text(), "20 (10 to 30)");
        assert_eq!(series(&[]).text(), "0 (0 to 0)");
    }
}
