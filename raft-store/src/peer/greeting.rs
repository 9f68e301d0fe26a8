//! The first two messages on every connection, as bytes: who dials, whom it wants, in which cluster, what both speak.
//!
//! The start of both messages is forever: any two versions must be able to refuse each other in words. Must not decide
//! anything: see `handshake`.

use bytes::Bytes;

use crate::Versions;
use crate::codec::{DecodeError, Decoded, Decoder, Encoder};
use crate::lives::Lineage;

const MAGIC: [u8; 4] = *b"TFRS";
/// Protocols that this program speaks.
pub(crate) const PROTOCOL_MIN: u16 = 3;
pub(crate) const PROTOCOL_MAX: u16 = 3;

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Everything that members say to each other.
    Member,
    /// Asking to be let in, nothing else.
    Join,
}

/// Why a connection is refused. Numbers are forever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    Protocol = 1,
    Cluster = 2,
    Target = 3,
    /// Not a member, and not one that this side could not know yet.
    Unknown = 4,
    Name = 5,
    Certificate = 6,
    Incarnation = 7,
    /// Was a member, and never will be again.
    Removed = 8,
    ClusterVersion = 9,
    /// Comes back with less than it was seen with.
    Restored = 10,
}

/// A refusal: a number for programs, words for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: u16,
    pub(crate) text: String,
}

impl Refusal {
    pub(crate) fn new(code: Code, text: impl Into<String>) -> Self {
        Self {
            code: code as u16,
            text: text.into(),
        }
    }

    pub(crate) fn is(&self, code: Code) -> bool {
        self.code == code as u16
    }
}

/// What the dialling side says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hello {
    pub(crate) purpose: Purpose,
    pub(crate) cluster_id: [u8; 16],
    pub(crate) from: u64,
    pub(crate) name: String,
    pub(crate) incarnation: [u8; 16],
    pub(crate) target: u64,
    pub(crate) versions: Versions,
    pub(crate) lineage: Lineage,
}

/// What the accepting side says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Welcome {
    pub(crate) refusal: Option<Refusal>,
    pub(crate) node_id: u64,
    pub(crate) incarnation: [u8; 16],
    pub(crate) versions: Versions,
    /// The version that the cluster has now, as far as this side knows.
    pub(crate) cluster_version: u32,
    pub(crate) lineage: Lineage,
}

fn start(encoder: &mut Encoder) {
    encoder.raw(&MAGIC);
    encoder.u16(PROTOCOL_MAX);
    encoder.u16(PROTOCOL_MIN);
}

/// The highest and the lowest protocol of the other side.
fn started(decoder: &mut Decoder) -> Decoded<(u16, u16)> {
    if decoder.fixed::<4>("magic")? != MAGIC {
        return Err(DecodeError::Invalid("magic of the greeting"));
    }
    Ok((
        decoder.u16("highest protocol version")?,
        decoder.u16("lowest protocol version")?,
    ))
}

fn versions(encoder: &mut Encoder, versions: Versions) {
    encoder.u32(versions.min);
    encoder.u32(versions.max);
}

fn decode_versions(decoder: &mut Decoder) -> Decoded<Versions> {
    Ok(Versions {
        min: decoder.u32("lowest cluster version")?,
        max: decoder.u32("highest cluster version")?,
    })
}

/// Whether there is a protocol that both sides speak.
fn check_protocol((highest, lowest): (u16, u16)) -> Result<(), Refusal> {
    if highest >= PROTOCOL_MIN && lowest <= PROTOCOL_MAX {
        return Ok(());
    }
    let text = format!(
        "it speaks protocol {lowest} to {highest}, this program speaks {PROTOCOL_MIN} to {PROTOCOL_MAX}; \
         upgrade the older one"
    );
    Err(Refusal::new(Code::Protocol, text))
}

impl Hello {
    pub(crate) fn encode(&self) -> Bytes {
        let mut encoder = Encoder::default();
        start(&mut encoder);
        encoder.u8(match self.purpose {
            Purpose::Member => 0,
            Purpose::Join => 1,
        });
        encoder.raw(&self.cluster_id);
        encoder.u64(self.from);
        encoder.bytes(self.name.as_bytes());
        encoder.raw(&self.incarnation);
        encoder.u64(self.target);
        versions(&mut encoder, self.versions);
        self.lineage.encode(&mut encoder);
        encoder.finish()
    }

    /// A greeting of another protocol is a refusal, not damage: its sender shall be told.
    pub(crate) fn decode(bytes: Bytes) -> Decoded<Result<Self, Refusal>> {
        let mut decoder = Decoder::new(bytes);
        if let Err(refusal) = check_protocol(started(&mut decoder)?) {
            return Ok(Err(refusal));
        }
        Ok(Ok(Self {
            purpose: match decoder.u8("purpose")? {
                0 => Purpose::Member,
                1 => Purpose::Join,
                tag => {
                    return Err(DecodeError::Tag {
                        what: "purpose",
                        tag: tag.into(),
                    });
                }
            },
            cluster_id: decoder.fixed("cluster id")?,
            from: decoder.u64("node id")?,
            name: decoder.text("name")?,
            incarnation: decoder.fixed("incarnation")?,
            target: decoder.u64("target")?,
            versions: decode_versions(&mut decoder)?,
            lineage: Lineage::decode(&mut decoder)?,
        }))
    }
}

impl Welcome {
    pub(crate) fn encode(&self) -> Bytes {
        let mut encoder = Encoder::default();
        start(&mut encoder);
        encoder.u16(self.refusal.as_ref().map_or(0, |refusal| refusal.code));
        encoder.bytes(self.refusal.as_ref().map_or(&[][..], |refusal| refusal.text.as_bytes()));
        encoder.u64(self.node_id);
        encoder.raw(&self.incarnation);
        versions(&mut encoder, self.versions);
        encoder.u32(self.cluster_version);
        self.lineage.encode(&mut encoder);
        encoder.finish()
    }

    /// What the other side says; its refusal can be read whatever protocol it speaks.
    pub(crate) fn decode(bytes: Bytes) -> Decoded<Self> {
        let mut decoder = Decoder::new(bytes);
        let protocols = started(&mut decoder)?;
        let code = decoder.u16("refusal")?;
        let text = decoder.text("refusal")?;
        let refusal = (code != 0).then_some(Refusal { code, text });
        if let Err(other) = check_protocol(protocols) {
            return Ok(Self {
                refusal: Some(refusal.unwrap_or(other)),
                node_id: 0,
                incarnation: [0; 16],
                versions: Versions { min: 0, max: 0 },
                cluster_version: 0,
                lineage: Lineage::default(),
            });
        }
        Ok(Self {
            refusal,
            node_id: decoder.u64("node id")?,
            incarnation: decoder.fixed("incarnation")?,
            versions: decode_versions(&mut decoder)?,
            cluster_version: decoder.u32("cluster version")?,
            lineage: Lineage::decode(&mut decoder)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::hex;

    const BOTH: Versions = Versions { min: 1, max: 5 };

    /// Its own bytes are pinned where it is defined.
    fn lineage() -> Lineage {
        Lineage::default().next([8; 16], 9)
    }

    fn lineage_hex() -> String {
        let mut encoder = Encoder::default();
        lineage().encode(&mut encoder);
        hex(&encoder.finish())
    }

    fn hello() -> Hello {
        Hello {
            purpose: Purpose::Member,
            cluster_id: [1; 16],
            from: 2,
            name: "n".into(),
            incarnation: [3; 16],
            target: 4,
            versions: BOTH,
            lineage: lineage(),
        }
    }

    fn welcome(refusal: Option<Refusal>) -> Welcome {
        Welcome {
            refusal,
            node_id: 1,
            incarnation: [6; 16],
            versions: BOTH,
            cluster_version: 2,
            lineage: lineage(),
        }
    }

    #[test]
    fn golden_greeting() {
        let expected = format!(
            "544652530003000300{}{:016x}000000016e{}{:016x}0000000100000005{}",
            "01".repeat(16),
            2,
            "03".repeat(16),
            4,
            lineage_hex()
        );
        assert_eq!(hex(&hello().encode()), expected);
        assert_eq!(Hello::decode(hello().encode()), Ok(Ok(hello())));
        let refused = welcome(Some(Refusal::new(Code::Removed, "no")));
        let expected = format!(
            "54465253000300030008000000026e6f{:016x}{}000000010000000500000002{}",
            1,
            "06".repeat(16),
            lineage_hex()
        );
        assert_eq!(hex(&refused.encode()), expected);
        assert_eq!(Welcome::decode(refused.encode()), Ok(refused));
        assert_eq!(Welcome::decode(welcome(None).encode()), Ok(welcome(None)));
    }

    #[test]
    fn another_protocol_is_refused_in_words_by_both_sides() {
        let mut bytes = hello().encode().to_vec();
        (bytes[5], bytes[7]) = (9, 8);
        let refusal = Hello::decode(bytes.into()).unwrap().unwrap_err();
        assert!(
            refusal.is(Code::Protocol) && refusal.text.contains("8 to 9"),
            "{refusal:?}"
        );
        let mut bytes = welcome(None).encode().to_vec();
        (bytes[5], bytes[7]) = (9, 8);
        let refusal = Welcome::decode(bytes.into()).unwrap().refusal.unwrap();
        assert!(refusal.is(Code::Protocol), "{refusal:?}");
        let mut bytes = welcome(Some(Refusal::new(Code::Protocol, "too old"))).encode().to_vec();
        (bytes[5], bytes[7]) = (9, 8);
        bytes.truncate(8 + 2 + 4 + 7);
        let refusal = Welcome::decode(bytes.into()).unwrap().refusal.unwrap();
        assert_eq!(refusal.text, "too old", "the other side's words, however it goes on");
    }

    #[test]
    fn a_wider_range_of_protocols_is_taken() {
        let mut bytes = hello().encode().to_vec();
        (bytes[5], bytes[7]) = (9, 1);
        assert_eq!(Hello::decode(bytes.into()), Ok(Ok(hello())));
        assert!(Hello::decode(Bytes::from_static(b"GET / HTTP/1.1")).is_err());
    }
}
