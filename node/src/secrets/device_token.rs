//! Tokens of remembered devices: which device and which generation, under a keyed hash. Nothing of them is stored, and
//! equal grants give equal tokens, so a repeated login returns the token that the lost answer held.

use super::KeyRing;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::SecretString;

/// Separates these keyed hashes from all others.
const PURPOSE: &str = "device token";
/// Id of the device and generation.
const CLAIM_BYTES: usize = 16 + 4;
/// The keyed hash.
const TAG_BYTES: usize = 32;
/// Characters of a token's text.
const TEXT_CHARS: usize = ((CLAIM_BYTES + TAG_BYTES) * 4).div_ceil(3);

impl KeyRing {
    /// The token of one generation of a device, for a cookie: 70 characters that need no escaping.
    #[must_use]
    pub fn device_token(&self, device: &[u8; 16], generation: u32) -> SecretString {
        let claim = [device.as_slice(), generation.to_be_bytes().as_slice()].concat();
        let tag = self.mac(PURPOSE, &claim);
        SecretString::from(URL_SAFE_NO_PAD.encode([claim.as_slice(), tag.as_slice()].concat()))
    }

    /// Device and generation of a token that this service made, with any key of the ring. Whether that generation is
    /// still the live one is for the core to say.
    #[must_use]
    pub fn read_device_token(&self, text: &str) -> Option<([u8; 16], u32)> {
        if text.len() != TEXT_CHARS {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (claim, tag) = bytes.split_at_checked(CLAIM_BYTES)?;
        if tag.len() != TAG_BYTES || !self.verify_mac(PURPOSE, claim, tag) {
            return None;
        }
        let (device, generation) = claim.split_first_chunk::<16>()?;
        Some((*device, u32::from_be_bytes(generation.try_into().ok()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret as _;

    #[test]
    fn a_device_token_is_read_back_and_no_other_is() {
        let ring = KeyRing::for_tests();
        let token = ring.device_token(&[3; 16], 7);
        let text = token.expose_secret();
        assert_eq!(
            text,
            ring.device_token(&[3; 16], 7).expose_secret(),
            "a repeat gets the same"
        );
        assert_eq!(ring.read_device_token(text), Some(([3; 16], 7)));
        let rotated = KeyRing::of_tests(2, &[(1, [7; 32]), (2, [9; 32])]);
        assert_eq!(rotated.read_device_token(text), Some(([3; 16], 7)));
        assert_eq!(KeyRing::of_tests(1, &[(1, [9; 32])]).read_device_token(text), None);
        let claim = URL_SAFE_NO_PAD.decode(text).unwrap();
        for at in 0..claim.len() {
            let mut changed = claim.clone();
            changed[at] ^= 1;
            assert_eq!(
                ring.read_device_token(&URL_SAFE_NO_PAD.encode(changed)),
                None,
                "byte {at}"
            );
        }
        for wrong in [
            "",
            "AAAA",
            &text[1..],
            &format!("{text}A"),
            &URL_SAFE_NO_PAD.encode(&claim[..36]),
        ] {
            assert_eq!(ring.read_device_token(wrong), None, "{wrong}");
        }
    }
}
