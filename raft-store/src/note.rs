//! Small text files that people may read: lines of ours, and a last line with their checksum.
//!
//! Must not hold anything that a lost file would silently undo.

const CHECKSUM: &str = "checksum ";

/// The lines with their checksum below them.
pub(crate) fn seal(lines: &str) -> String {
    format!("{lines}{CHECKSUM}{:08x}\n", crc32c::crc32c(lines.as_bytes()))
}

/// The lines, if they are as they were written.
pub(crate) fn open(bytes: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (lines, sum) = text.split_at_checked(text.rfind(CHECKSUM)?)?;
    let sum = sum.strip_prefix(CHECKSUM)?.strip_suffix('\n')?;
    (seal(lines) == text && sum.len() == 8).then_some(lines)
}

/// The rest of the line that starts with `word`.
pub(crate) fn value<'a>(lines: &'a str, word: &str) -> Option<&'a str> {
    lines
        .lines()
        .find_map(|line| line.strip_prefix(word)?.strip_prefix(' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_changed_bit_and_every_cut_is_noticed() {
        let sealed = seal("tables 7\n").into_bytes();
        assert_eq!(open(&sealed), Some("tables 7\n"));
        assert_eq!(value("tables 7\nchecksums 8\n", "tables"), Some("7"));
        for bit in 0..sealed.len() * 8 {
            let mut changed = sealed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(open(&changed), None, "bit {bit}");
        }
        for length in 0..sealed.len() {
            assert_eq!(open(&sealed[..length]), None, "cut at {length}");
        }
    }

    #[test]
    fn golden_note() {
        assert_eq!(seal("tables 7\n"), "tables 7\nchecksum 08cc3ece\n");
    }
}
