//! The value of the challenge cookie: the challenge's id and a keyed hash of it, so that only ids that this cluster gave
//! out are looked up, and knowing somebody's challenge id is not enough to answer for him.

use crate::secrets::KeyRing;
use auth_core::ids::ChallengeId;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Purpose of the keyed hash.
const PURPOSE: &str = "login challenge";
/// Length of the hash in the cookie, in bytes.
const TAG_BYTES: usize = 16;

/// The cookie of a challenge. The same for the same challenge, so that a retry sets the same one.
pub(super) fn cookie(ring: &KeyRing, challenge: ChallengeId) -> String {
    let tag = ring.mac(PURPOSE, &challenge.0);
    URL_SAFE_NO_PAD.encode([&challenge.0, &tag[..TAG_BYTES]].concat())
}

/// The challenge of a cookie, if the cookie is one of ours.
pub(super) fn read(ring: &KeyRing, cookie: &str) -> Option<ChallengeId> {
    let bytes = URL_SAFE_NO_PAD.decode(cookie).ok()?;
    let (id, tag) = bytes.split_first_chunk::<16>()?;
    (tag.len() == TAG_BYTES && ring.verify_mac(PURPOSE, id, tag)).then_some(ChallengeId(*id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_cookies_of_this_ring_are_read() {
        let ring = KeyRing::for_tests();
        let value = cookie(&ring, ChallengeId([5; 16]));
        assert_eq!(read(&ring, &value), Some(ChallengeId([5; 16])));
        assert_eq!(read(&KeyRing::of_tests(1, &[(1, [8; 32])]), &value), None);
        assert_eq!(read(&ring, ""), None);
        assert_eq!(read(&ring, &value[..value.len() - 2]), None);
        let mut bytes = URL_SAFE_NO_PAD.decode(&value).unwrap();
        for at in 0..bytes.len() {
            bytes[at] ^= 1;
            assert_eq!(read(&ring, &URL_SAFE_NO_PAD.encode(&bytes)), None, "byte {at}");
            bytes[at] ^= 1;
        }
    }
}
