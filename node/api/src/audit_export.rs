//! Audit rows as an operator takes them out of the cluster: one JSON object in each line, with its place in a chain of
//! hashes, so that a row that was changed, taken out or put in is found without the cluster (LG-2).

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// What is hashed before the fields: the version of the chain's format.
const CHAIN_FORMAT: &[u8] = b"tfauth audit row 1";
/// Link before the first row.
pub const CHAIN_START: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// A row. Fields are as they are hashed; absent ones are empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// Its place in the log.
    pub index: u64,
    /// Its number in the chain, from 1, without gaps.
    pub number: u64,
    /// Link of the row before it, hexadecimal.
    pub previous: String,
    /// Its own link, hexadecimal.
    pub link: String,
    /// When, in microseconds since 1970, decimal.
    pub at: String,
    /// Names the request, hexadecimal.
    pub request_id: String,
    /// What was asked for.
    pub verb: String,
    /// What came of it.
    pub outcome: String,
    /// The account that it is about, hexadecimal.
    pub account: String,
    /// Address of the client.
    pub client_address: String,
    /// The administrator who did it, hexadecimal.
    pub actor: String,
    /// The session, hexadecimal.
    pub session: String,
    /// The device, hexadecimal.
    pub device: String,
    /// What was proven: a set of bits, decimal.
    pub methods: String,
    /// Why a second factor was demanded: a set of bits, decimal.
    pub reasons: String,
    /// Why it would have been, were the rules in force: a set of bits, decimal.
    pub shadow_reasons: String,
    /// What the risk rules looked at.
    pub facts: String,
}

/// Why a file is not what the cluster wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Broken {
    /// The line is no row.
    Malformed,
    /// The row is not what its link was made from.
    Changed,
    /// The row does not follow the one before it: rows are missing, swapped or added.
    NotFollowing,
}

impl Line {
    /// The link that the row's own content gives.
    #[must_use]
    pub fn computed_link(&self) -> Option<String> {
        let previous = from_hex(&self.previous)?;
        let mut hash = Sha256::new()
            .chain_update(CHAIN_FORMAT)
            .chain_update(previous)
            .chain_update(self.number.to_be_bytes())
            .chain_update(self.index.to_be_bytes());
        for field in self.fields() {
            let length = u32::try_from(field.len()).ok()?;
            hash = hash.chain_update(length.to_be_bytes()).chain_update(field);
        }
        Some(hex(&hash.finalize()))
    }

    /// What the chain covers, in this order.
    fn fields(&self) -> [&str; 13] {
        [
            &self.at,
            &self.request_id,
            &self.verb,
            &self.outcome,
            &self.account,
            &self.client_address,
            &self.actor,
            &self.session,
            &self.device,
            &self.methods,
            &self.reasons,
            &self.shadow_reasons,
            &self.facts,
        ]
    }
}

/// Follows a chain, row by row.
#[derive(Default)]
pub struct Follower {
    last: Option<(u64, String)>,
    rows: u64,
}

impl Follower {
    /// Checks the next line of a file.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn follow(&mut self, line: &str) -> Result<(), Broken> {
        let row: Line = serde_json::from_str(line).map_err(|_| Broken::Malformed)?;
        if row.computed_link().as_deref() != Some(row.link.as_str()) {
            return Err(Broken::Changed);
        }
        let follows = match &self.last {
            Some((number, link)) => Some(row.number) == number.checked_add(1) && row.previous == *link,
            // A file may begin anywhere; one that begins with the first row begins with the chain's start.
            None => row.number != 1 || row.previous == CHAIN_START,
        };
        if !follows {
            return Err(Broken::NotFollowing);
        }
        self.last = Some((row.number, row.link));
        self.rows += 1;
        Ok(())
    }

    /// Rows that were good.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Number and link of the last one.
    #[must_use]
    pub fn head(&self) -> Option<(u64, &str)> {
        self.last.as_ref().map(|(number, link)| (*number, link.as_str()))
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    let digits = text.as_bytes();
    if digits.len() != 64 || !digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(rows: u64) -> Vec<Line> {
        let mut previous = CHAIN_START.to_owned();
        (1..=rows)
            .map(|number| {
                let mut line = Line {
                    index: number * 3,
                    number,
                    previous: previous.clone(),
                    verb: "sign_in".into(),
                    client_address: format!("192.0.2.{number}"),
                    ..Line::default()
                };
                line.link = line.computed_link().unwrap();
                previous.clone_from(&line.link);
                line
            })
            .collect()
    }

    fn check(lines: &[Line]) -> Result<u64, (usize, Broken)> {
        let mut follower = Follower::default();
        for (at, line) in lines.iter().enumerate() {
            let text = serde_json::to_string(line).unwrap();
            follower.follow(&text).map_err(|broken| (at, broken))?;
        }
        Ok(follower.rows())
    }

    #[test]
    fn lg_2_a_chain_holds_whole_or_in_part() {
        let rows = chain(5);
        assert_eq!(check(&rows), Ok(5));
        assert_eq!(check(&rows[2..]), Ok(3));
        assert_eq!(check(&[]), Ok(0));
    }

    #[test]
    fn lg_2_every_change_is_found_where_it_is() {
        let rows = chain(5);
        let mut changed = rows.clone();
        changed[2].client_address = "192.0.2.99".into();
        assert_eq!(check(&changed), Err((2, Broken::Changed)));
        let mut moved = rows.clone();
        moved[2].number = 9;
        assert_eq!(check(&moved), Err((2, Broken::Changed)));
        let mut removed = rows.clone();
        removed.remove(2);
        assert_eq!(check(&removed), Err((2, Broken::NotFollowing)));
        let mut swapped = rows.clone();
        swapped.swap(1, 2);
        assert_eq!(check(&swapped), Err((1, Broken::NotFollowing)));
        // Made up whole, with right hashes of its own: its beginning is not the chain's.
        let mut forged = rows[..1].to_vec();
        forged[0].previous = "11".repeat(32);
        forged[0].link = forged[0].computed_link().unwrap();
        assert_eq!(check(&forged), Err((0, Broken::NotFollowing)));
        let mut follower = Follower::default();
        assert_eq!(follower.follow("{}"), Err(Broken::Malformed));
    }
}
