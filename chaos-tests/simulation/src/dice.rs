//! Dice that fall the same way for the same seed, on every machine and with every version of every library.
//!
//! Must not be used where chance has to be secret.

/// A sequence of numbers (SplitMix64).
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// Of a seed; neighbouring seeds have nothing in common.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut dice = Self(seed ^ 0x5851_F42D_4C95_7F2D);
        dice.draw();
        dice
    }

    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below the bound, which is not zero.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.draw() % bound.max(1)
    }

    /// A place in something of that length, if it is not empty.
    pub fn place(&mut self, length: usize) -> Option<usize> {
        let bound = u64::try_from(length).ok().filter(|bound| *bound > 0)?;
        usize::try_from(self.below(bound)).ok()
    }

    /// One of them; mostly one of the last, if there are many.
    pub fn recent<T: Clone>(&mut self, all: &[T]) -> Option<T> {
        let window = if self.percent(80) { all.len().min(4) } else { all.len() };
        let back = self.place(window)?;
        all.get(all.len() - 1 - back).cloned()
    }

    /// True in so many of a hundred cases.
    pub fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }
}

#[cfg(test)]
mod tests {
    use super::Dice;

    #[test]
    fn a_seed_is_one_sequence_for_ever() {
        let mut dice = Dice::new(7);
        let drawn: Vec<u64> = (0..3).map(|_| dice.draw()).collect();
        assert_eq!(
            drawn, GOLDEN,
            "{drawn:?}: regression seeds of other people would mean other runs"
        );
    }

    const GOLDEN: [u64; 3] = [
        7_046_236_936_444_258_700,
        11_572_677_092_435_907_128,
        6_350_764_380_712_088_086,
    ];
}
