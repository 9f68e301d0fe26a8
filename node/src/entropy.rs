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
    fn draws_differ() {
        assert_ne!(bytes::<16>(), bytes::<16>());
        assert_eq!(hex_id().len(), 32);
    }
}
