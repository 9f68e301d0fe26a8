//! The PROXY protocol, version 2: what a trusted balancer says about a client before the client's own bytes.
//!
//! Read byte for byte as long as it is, so that nothing of what follows is swallowed. Version 1, which is text without a
//! length, is not spoken.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::io::{AsyncRead, AsyncReadExt};

const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
const HEAD_BYTES: usize = 16;
/// Addresses take at most 216; the rest is for extensions, which are skipped.
const BODY_BYTES_MAX: usize = 2_048;

/// Reads the announcement. None when the balancer speaks for itself, as its health checks do.
///
/// # Errors
/// The connection broke, or what came is no announcement.
pub(super) async fn read<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<Option<SocketAddr>> {
    let mut head = [0; HEAD_BYTES];
    stream.read_exact(&mut head).await?;
    let length = usize::from(u16::from_be_bytes([head[14], head[15]]));
    if head[..12] != SIGNATURE || head[12] >> 4 != 2 || length > BODY_BYTES_MAX {
        return Err(malformed());
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    match (head[12] & 15, head[13]) {
        (0, _) => Ok(None),
        // TCP over IPv4, TCP over IPv6.
        (1, 0x11) => source::<4>(&body, 8, |octets| Ipv4Addr::from(octets).into()),
        (1, 0x21) => source::<16>(&body, 32, |octets| Ipv6Addr::from(octets).into()),
        (_, _) => Err(malformed()),
    }
}

/// The source address and port, which follow both addresses.
fn source<const N: usize>(
    body: &[u8],
    port_at: usize,
    address: impl Fn([u8; N]) -> IpAddr,
) -> io::Result<Option<SocketAddr>> {
    let octets: [u8; N] = body
        .get(..N)
        .and_then(|octets| octets.try_into().ok())
        .ok_or_else(malformed)?;
    // The destination port follows the source port, and must be there as well.
    let ports: [u8; 4] = body
        .get(port_at..port_at + 4)
        .and_then(|ports| ports.try_into().ok())
        .ok_or_else(malformed)?;
    let port = u16::from_be_bytes([ports[0], ports[1]]);
    Ok(Some(SocketAddr::new(address(octets).to_canonical(), port)))
}

fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "no PROXY protocol of version 2")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn announcement(version_command: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let mut bytes = SIGNATURE.to_vec();
        bytes.extend([version_command, family]);
        bytes.extend(u16::try_from(body.len()).expect("short").to_be_bytes());
        bytes.extend(body);
        bytes
    }

    fn read_all(bytes: &[u8]) -> (io::Result<Option<SocketAddr>>, Vec<u8>) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime");
        let mut rest = bytes;
        let read = runtime.block_on(read(&mut rest));
        (read, rest.to_vec())
    }

    #[test]
    fn the_source_is_told_and_nothing_else_is_swallowed() {
        let v4 = [192, 0, 2, 7, 10, 0, 0, 1, 0x12, 0x67, 0x01, 0xbb];
        let mut bytes = announcement(0x21, 0x11, &v4);
        bytes.extend(b"hello");
        let (client, rest) = read_all(&bytes);
        assert_eq!(
            client.expect("read"),
            Some("192.0.2.7:4711".parse().expect("an address"))
        );
        assert_eq!(rest, b"hello");

        let mut v6 = [0u8; 36 + 9];
        v6[..16].copy_from_slice(&"2001:db8::5".parse::<Ipv6Addr>().expect("an address").octets());
        v6[32..34].copy_from_slice(&4711u16.to_be_bytes());
        let (client, rest) = read_all(&announcement(0x21, 0x21, &v6));
        assert_eq!(
            client.expect("read"),
            Some("[2001:db8::5]:4711".parse().expect("an address"))
        );
        assert!(rest.is_empty(), "extensions are skipped");
    }

    #[test]
    fn a_balancer_may_speak_for_itself() {
        assert!(matches!(read_all(&announcement(0x20, 0, &[])).0, Ok(None)));
    }

    #[test]
    fn anything_else_is_refused() {
        let body = [0; 12];
        for bytes in [
            b"PROXY TCP4 192.0.2.7 10.0.0.1 4711 443\r\n".to_vec(),
            announcement(0x11, 0x11, &body),
            announcement(0x22, 0x11, &body),
            announcement(0x21, 0x12, &body),
            announcement(0x21, 0x31, &body),
            announcement(0x21, 0x11, &body[..11]),
            announcement(0x21, 0x21, &body),
            announcement(0x21, 0x11, &body)[..20].to_vec(),
            announcement(0x21, 0x11, &[0; BODY_BYTES_MAX + 1]),
        ] {
            assert!(read_all(&bytes).0.is_err(), "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic_or_read_on(bytes in prop::collection::vec(any::<u8>(), 0..64), tail in any::<[u8; 4]>()) {
            let mut whole = announcement(0x21, 0x11, &bytes);
            whole.extend(tail);
            let (read, rest) = read_all(&whole);
            prop_assert_eq!(read.is_ok(), bytes.len() >= 12);
            prop_assert_eq!(rest, tail);
        }
    }
}
