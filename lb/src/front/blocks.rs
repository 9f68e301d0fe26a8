//! Where the header blocks of an HTTP/2 connection begin and end, told from the bytes that a client sends. Pure: it reads frame
//! heads only (RFC 9113, 4.1), and judges nothing.

/// Bytes that every HTTP/2 connection begins with (RFC 9113, 3.4).
const PREFACE_BYTES: usize = 24;
/// Bytes of the head of a frame: length, kind, flags, stream.
const HEAD_BYTES: usize = 9;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;

/// What a client began and did not finish: the preface, the head of a frame, a frame other than `DATA`, or a header block that goes
/// on in another frame.
#[derive(Debug)]
pub(super) struct Blocks {
    preface_missing: usize,
    head: [u8; HEAD_BYTES],
    head_read: usize,
    payload_missing: usize,
    is_payload_data: bool,
    is_block_open: bool,
    finished: u64,
}

impl Blocks {
    /// A connection on which nothing was sent.
    pub(super) fn new() -> Self {
        Self {
            preface_missing: PREFACE_BYTES,
            head: [0; HEAD_BYTES],
            head_read: 0,
            payload_missing: 0,
            is_payload_data: false,
            is_block_open: false,
            finished: 0,
        }
    }

    /// The client sent these bytes.
    pub(super) fn read(&mut self, mut bytes: &[u8]) {
        let skipped = self.preface_missing.min(bytes.len());
        self.preface_missing -= skipped;
        bytes = &bytes[skipped..];
        while !bytes.is_empty() {
            let skipped = self.payload_missing.min(bytes.len());
            self.payload_missing -= skipped;
            bytes = &bytes[skipped..];
            if self.head_read < HEAD_BYTES && self.payload_missing == 0 {
                bytes = self.read_head(bytes);
            }
            if self.head_read == HEAD_BYTES && self.payload_missing == 0 {
                self.end_frame();
            }
        }
    }

    /// Whether something is begun and not finished.
    pub(super) fn is_open(&self) -> bool {
        let is_frame_open = self.head_read > 0 && !self.is_payload_data;
        self.preface_missing > 0 || is_frame_open || self.is_block_open
    }

    /// Counts what was finished: while it stays the same, what is open is the same.
    pub(super) fn finished(&self) -> u64 {
        self.finished
    }

    fn read_head<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let (taken, rest) = bytes.split_at(bytes.len().min(HEAD_BYTES - self.head_read));
        self.head[self.head_read..self.head_read + taken.len()].copy_from_slice(taken);
        self.head_read += taken.len();
        if self.head_read == HEAD_BYTES {
            let [high, middle, low, kind, ..] = self.head;
            self.payload_missing = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
            self.is_payload_data = kind == DATA;
        }
        rest
    }

    fn end_frame(&mut self) {
        let [_, _, _, kind, flags, ..] = self.head;
        if matches!(kind, HEADERS | CONTINUATION) {
            self.is_block_open = flags & END_HEADERS == 0;
        }
        self.head_read = 0;
        self.is_payload_data = false;
        if !self.is_block_open {
            self.finished += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(kind: u8, flags: u8, payload: usize) -> Vec<u8> {
        let length = u32::try_from(payload).expect("short").to_be_bytes();
        let mut bytes = vec![length[1], length[2], length[3], kind, flags, 0, 0, 0, 1];
        bytes.resize(HEAD_BYTES + payload, 0xff);
        bytes
    }

    fn greeted() -> Blocks {
        let mut blocks = Blocks::new();
        blocks.read(&[b'x'; PREFACE_BYTES - 1]);
        assert!(blocks.is_open());
        blocks.read(b"x");
        assert!(!blocks.is_open());
        blocks
    }

    #[test]
    fn a_header_block_is_open_from_its_first_byte_to_the_end_of_its_last_frame() {
        let mut blocks = greeted();
        for (index, byte) in frame(HEADERS, 0, 3).into_iter().enumerate() {
            blocks.read(&[byte]);
            assert!(blocks.is_open(), "after byte {index}");
        }
        blocks.read(&frame(CONTINUATION, 0, 0));
        assert!(blocks.is_open());
        assert_eq!(blocks.finished(), 0);
        blocks.read(&frame(CONTINUATION, END_HEADERS, 2));
        assert!(!blocks.is_open());
        assert_eq!(blocks.finished(), 1);
    }

    #[test]
    fn a_body_may_take_its_time_and_other_frames_may_not() {
        let mut blocks = greeted();
        blocks.read(&frame(HEADERS, END_HEADERS, 5));
        blocks.read(&frame(DATA, 0, 100)[..50]);
        assert!(!blocks.is_open(), "a body has a limit of its own");
        blocks.read(&[0; 59]);
        assert_eq!((blocks.is_open(), blocks.finished()), (false, 2));
        blocks.read(&frame(4, 0, 6)[..12]);
        assert!(blocks.is_open(), "settings");
    }

    #[test]
    fn a_block_that_ends_and_another_that_begins_in_one_read_are_told_apart() {
        let mut blocks = greeted();
        blocks.read(&frame(HEADERS, 0, 1));
        let before = blocks.finished();
        let mut bytes = frame(CONTINUATION, END_HEADERS, 1);
        bytes.extend(&frame(HEADERS, END_HEADERS, 9)[..10]);
        blocks.read(&bytes);
        assert!(blocks.is_open());
        assert_ne!(blocks.finished(), before);
    }

    proptest! {
        #[test]
        fn how_the_bytes_are_cut_does_not_matter(
            frames in prop::collection::vec((0u8..12, any::<u8>(), 0usize..40), 0..12),
            cuts in prop::collection::vec(1usize..30, 1..20),
            left_out in 0usize..20,
        ) {
            let mut bytes = vec![b'x'; PREFACE_BYTES];
            bytes.extend(frames.iter().flat_map(|(kind, flags, payload)| frame(*kind, *flags, *payload)));
            bytes.truncate(bytes.len().saturating_sub(left_out));
            let mut at_once = Blocks::new();
            at_once.read(&bytes);
            let (mut cut, mut rest) = (Blocks::new(), bytes.as_slice());
            for length in cuts.iter().cycle() {
                let (piece, more) = rest.split_at(rest.len().min(*length));
                cut.read(piece);
                rest = more;
                if rest.is_empty() {
                    break;
                }
            }
            prop_assert_eq!((at_once.is_open(), at_once.finished()), (cut.is_open(), cut.finished()));
        }
    }
}
