//! Bytes on disk and between members: version first, explicit tags, big-endian, every length checked.
//!
//! Formats written here are forever: variants are appended, never renumbered, and the golden bytes of the tests stay.
//! Must not depend on how openraft lays out its types.

pub(crate) mod log;
pub(crate) mod own;
pub(crate) mod wire;

use bytes::{BufMut, Bytes, BytesMut};

/// Version of every format of this module.
pub(crate) const FORMAT: u8 = 1;

/// Why bytes could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DecodeError {
    #[error("{0} ends early")]
    Short(&'static str),
    #[error("{what} has the unknown tag {tag}")]
    Tag { what: &'static str, tag: u64 },
    #[error("format version {0} is not known to this version of the program")]
    Version(u8),
    #[error("{0} is not valid")]
    Invalid(&'static str),
}

pub(crate) type Decoded<T> = Result<T, DecodeError>;

/// Appends values to a buffer.
#[derive(Default)]
pub(crate) struct Encoder {
    buffer: BytesMut,
}

impl Encoder {
    /// An encoder that starts with the version.
    pub(crate) fn versioned() -> Self {
        let mut encoder = Self::default();
        encoder.u8(FORMAT);
        encoder
    }

    pub(crate) fn u8(&mut self, value: u8) {
        self.buffer.put_u8(value);
    }

    pub(crate) fn bool(&mut self, value: bool) {
        self.buffer.put_u8(u8::from(value));
    }

    pub(crate) fn u16(&mut self, value: u16) {
        self.buffer.put_u16(value);
    }

    pub(crate) fn u32(&mut self, value: u32) {
        self.buffer.put_u32(value);
    }

    pub(crate) fn u64(&mut self, value: u64) {
        self.buffer.put_u64(value);
    }

    pub(crate) fn raw(&mut self, value: &[u8]) {
        self.buffer.put_slice(value);
    }

    /// A length and that many bytes. Everything encoded is far below 4 GiB, see `limits`.
    pub(crate) fn bytes(&mut self, value: &[u8]) {
        self.count(value.len());
        self.buffer.put_slice(value);
    }

    /// A number of things, or of bytes.
    pub(crate) fn count(&mut self, value: usize) {
        self.buffer.put_u32(u32::try_from(value).unwrap_or(u32::MAX));
    }

    pub(crate) fn option<T>(&mut self, value: Option<&T>, encode: impl FnOnce(&mut Self, &T)) {
        self.bool(value.is_some());
        if let Some(value) = value {
            encode(self, value);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.buffer.len()
    }

    /// Starts anew with the same memory.
    pub(crate) fn clear(&mut self) {
        self.buffer.clear();
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.buffer
    }

    /// Writes over bytes that are there; what would lie behind the end is left out.
    pub(crate) fn write_over(&mut self, at: usize, value: &[u8]) {
        let places = self.buffer.iter_mut().skip(at);
        places.zip(value).for_each(|(place, byte)| *place = *byte);
    }

    pub(crate) fn finish(self) -> Bytes {
        self.buffer.freeze()
    }
}

/// Reads values off the front of a buffer. Byte strings share its memory.
pub(crate) struct Decoder {
    rest: Bytes,
}

impl Decoder {
    pub(crate) fn new(bytes: Bytes) -> Self {
        Self { rest: bytes }
    }

    /// A decoder for bytes that start with the version.
    pub(crate) fn versioned(bytes: Bytes) -> Decoded<Self> {
        let mut decoder = Self::new(bytes);
        match decoder.u8("version")? {
            FORMAT => Ok(decoder),
            other => Err(DecodeError::Version(other)),
        }
    }

    fn array<const N: usize>(&mut self, what: &'static str) -> Decoded<[u8; N]> {
        let (head, _) = self.rest.split_first_chunk::<N>().ok_or(DecodeError::Short(what))?;
        let head = *head;
        drop(self.rest.split_to(N));
        Ok(head)
    }

    pub(crate) fn u8(&mut self, what: &'static str) -> Decoded<u8> {
        Ok(u8::from_be_bytes(self.array(what)?))
    }

    pub(crate) fn bool(&mut self, what: &'static str) -> Decoded<bool> {
        match self.u8(what)? {
            0 => Ok(false),
            1 => Ok(true),
            tag => Err(DecodeError::Tag { what, tag: tag.into() }),
        }
    }

    pub(crate) fn u16(&mut self, what: &'static str) -> Decoded<u16> {
        Ok(u16::from_be_bytes(self.array(what)?))
    }

    pub(crate) fn u32(&mut self, what: &'static str) -> Decoded<u32> {
        Ok(u32::from_be_bytes(self.array(what)?))
    }

    pub(crate) fn u64(&mut self, what: &'static str) -> Decoded<u64> {
        Ok(u64::from_be_bytes(self.array(what)?))
    }

    pub(crate) fn fixed<const N: usize>(&mut self, what: &'static str) -> Decoded<[u8; N]> {
        self.array(what)
    }

    pub(crate) fn take(&mut self, length: usize, what: &'static str) -> Decoded<Bytes> {
        if length > self.rest.len() {
            return Err(DecodeError::Short(what));
        }
        Ok(self.rest.split_to(length))
    }

    pub(crate) fn bytes(&mut self, what: &'static str) -> Decoded<Bytes> {
        let length = self.u32(what)? as usize;
        self.take(length, what)
    }

    /// A number of things that take at least `each` bytes, so that a false number cannot reserve memory.
    pub(crate) fn count(&mut self, each: usize, what: &'static str) -> Decoded<usize> {
        let count = self.u32(what)? as usize;
        if count.saturating_mul(each) > self.rest.len() {
            return Err(DecodeError::Short(what));
        }
        Ok(count)
    }

    pub(crate) fn text(&mut self, what: &'static str) -> Decoded<String> {
        let bytes = self.bytes(what)?;
        String::from_utf8(bytes.to_vec()).map_err(|_| DecodeError::Invalid(what))
    }

    pub(crate) fn option<T>(
        &mut self,
        what: &'static str,
        decode: impl FnOnce(&mut Self) -> Decoded<T>,
    ) -> Decoded<Option<T>> {
        if self.bool(what)? {
            decode(self).map(Some)
        } else {
            Ok(None)
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Nothing may follow.
    pub(crate) fn end(&self, what: &'static str) -> Decoded<()> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(DecodeError::Invalid(what))
        }
    }
}
