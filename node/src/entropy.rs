//! The only file that draws randomness, all of it from the operating system.

use rand::TryRng as _;
use rand::rngs::SysRng;

/// Fresh random bytes. A system that has none to give ends the process: everything here depends on them.
#[must_use]
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    if let Err(error) = SysRng.try_fill_bytes(&mut bytes) {
        tracing::error!(%error, "the operating system gives no random bytes; stopping");
        std::process::abort();
    }
    bytes
}

/// 32 lower-case hexadecimal characters.
#[must_use]
pub fn hex_id() -> String {
    format!("{:032x}", u128::from_be_bytes(bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cr_3_draws_have_128_bits_and_every_bit_is_spread() {
        const DRAWS: usize = 4_000;
        let draws: Vec<[u8; 16]> = (0..DRAWS).map(|_| bytes()).collect();
        let distinct: std::collections::HashSet<_> = draws.iter().collect();
        assert_eq!(distinct.len(), DRAWS);
        for bit in 0..128 {
            let set = draws.iter().filter(|draw| draw[bit / 8] >> (bit % 8) & 1 == 1).count();
            // Eight standard deviations of a fair coin: a false alarm once in 10^13 runs.
            assert!(set.abs_diff(DRAWS / 2) < 256, "bit {bit} is set {set} times in {DRAWS}");
        }
    }

    #[test]
    fn draws_differ() {
        assert_ne!(bytes::<16>(), bytes::<16>());
        assert_eq!(hex_id().len(), 32);
    }
}
