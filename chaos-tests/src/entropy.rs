//! The only place of this package that draws randomness. A run is repeated with the seed that it printed.

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use std::ops::RangeInclusive;

/// Dice that fall the same way for the same seed.
#[derive(Debug)]
pub struct Dice(StdRng);

impl Dice {
    /// Dice of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    /// A number in the range.
    pub fn within(&mut self, range: RangeInclusive<u64>) -> u64 {
        self.0.random_range(range)
    }

    /// True in so many of a hundred cases.
    pub fn percent(&mut self, chance: u64) -> bool {
        self.within(1..=100) <= chance
    }

    /// An index below `length`, which is not zero.
    pub fn index(&mut self, length: usize) -> usize {
        self.0.random_range(0..length)
    }

    /// A number that has not been seen before.
    pub fn wide(&mut self) -> u128 {
        self.0.random()
    }
}

/// A seed for a run that names none.
#[must_use]
pub fn fresh_seed() -> u64 {
    // Short enough to be typed again.
    u64::from(rand::random::<u32>())
}
