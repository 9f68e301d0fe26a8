//! The only source of randomness of this package: names, secrets and ports of throw-away clusters.

use crate::error::{Error, Result};
use rand::TryRng as _;
use rand::rngs::SysRng;

/// Random bytes from the operating system.
pub(crate) fn bytes<const N: usize>() -> Result<[u8; N]> {
    let mut out = [0; N];
    SysRng
        .try_fill_bytes(&mut out)
        .map_err(|e| Error::fault(format!("the system gives no random numbers: {e}")))?;
    Ok(out)
}

/// `2 * N` hexadecimal characters.
pub(crate) fn hex<const N: usize>() -> Result<String> {
    Ok(bytes::<N>()?.iter().map(|b| format!("{b:02x}")).collect())
}

/// A number below `end`; slightly uneven, which is good enough for choosing ports.
pub(crate) fn below(end: u16) -> Result<u16> {
    Ok(u16::from_be_bytes(bytes()?) % end.max(1))
}
