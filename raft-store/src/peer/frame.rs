//! Frames on a connection between members: `[length u32][kind u8][id u64][payload]`, the length counting all after it.
//!
//! Must not read more than the limit into memory, whatever a length says.

use std::io;

use bytes::{BufMut, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

use crate::codec::wire::Kind;
use crate::limits::PEER_FRAME_BYTES_MAX;

const HEAD_BYTES: usize = 9;
/// Frames are gathered up to this size before they go out together.
const GATHER_BYTES: usize = 64 * 1024;

/// One message. Answers carry the id of their request.
pub(crate) struct Frame {
    pub(crate) kind: Kind,
    pub(crate) id: u64,
    pub(crate) payload: Bytes,
}

impl Frame {
    pub(crate) fn answer(id: u64, payload: Bytes) -> Self {
        Self {
            kind: Kind::Answer,
            id,
            payload,
        }
    }

    pub(crate) fn refusal(id: u64, reason: &str) -> Self {
        Self {
            kind: Kind::Refusal,
            id,
            payload: Bytes::copy_from_slice(reason.as_bytes()),
        }
    }

    fn put(&self, buffer: &mut BytesMut) -> io::Result<()> {
        let length = HEAD_BYTES + self.payload.len();
        if length > PEER_FRAME_BYTES_MAX {
            return Err(io::Error::other(format!(
                "a frame of {length} bytes is over {PEER_FRAME_BYTES_MAX}"
            )));
        }
        buffer.put_u32(u32::try_from(length).map_err(io::Error::other)?);
        buffer.put_u8(self.kind as u8);
        buffer.put_u64(self.id);
        buffer.put_slice(&self.payload);
        Ok(())
    }
}

/// The next frame, or nothing when the other side closed in order.
pub(crate) async fn read_frame(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Frame>> {
    let Some(mut body) = read_block(from, PEER_FRAME_BYTES_MAX).await? else {
        return Ok(None);
    };
    if body.len() < HEAD_BYTES {
        return Err(io::Error::other("a frame shorter than its head"));
    }
    let head = body.split_to(HEAD_BYTES);
    let kind = Kind::from_u8(head[0]);
    let id = head[1..].iter().fold(0, |id, byte| (id << 8) | u64::from(*byte));
    Ok(Some(match kind {
        Ok(kind) => Frame {
            kind,
            id,
            payload: body.freeze(),
        },
        // Of a later version: whoever sent it is told.
        Err(_) => Frame {
            kind: Kind::Unknown,
            id,
            payload: Bytes::copy_from_slice(&head[..1]),
        },
    }))
}

/// A length and that many bytes.
pub(crate) async fn read_block(from: &mut (impl AsyncRead + Unpin), limit: usize) -> io::Result<Option<BytesMut>> {
    let length = match from.read_u32().await {
        Ok(length) => length as usize,
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    };
    if length > limit {
        return Err(io::Error::other(format!("a block of {length} bytes is over {limit}")));
    }
    let mut body = BytesMut::zeroed(length);
    from.read_exact(&mut body).await?;
    Ok(Some(body))
}

/// Writes frames as they come, as many as are there at once, until the channel is closed. `written` is told the bytes
/// of their payloads.
pub(crate) async fn write_frames(
    to: &mut (impl AsyncWrite + Unpin),
    frames: &mut mpsc::UnboundedReceiver<Frame>,
    mut written: impl FnMut(usize),
) -> io::Result<()> {
    let mut buffer = BytesMut::new();
    while let Some(frame) = frames.recv().await {
        let mut payload_bytes = frame.payload.len();
        frame.put(&mut buffer)?;
        while buffer.len() < GATHER_BYTES {
            let Ok(frame) = frames.try_recv() else {
                break;
            };
            payload_bytes += frame.payload.len();
            frame.put(&mut buffer)?;
        }
        to.write_all(&buffer).await?;
        to.flush().await?;
        written(payload_bytes);
        buffer.clear();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn frames_have_their_golden_bytes_and_come_back() {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        sender
            .send(Frame {
                kind: Kind::Vote,
                id: 0x0102,
                payload: Bytes::from_static(b"abc"),
            })
            .unwrap();
        drop(sender);
        let mut wire = Vec::new();
        write_frames(&mut wire, &mut receiver, |_| {}).await.unwrap();
        assert_eq!(wire, [0, 0, 0, 12, 3, 0, 0, 0, 0, 0, 0, 1, 2, b'a', b'b', b'c']);
        let frame = read_frame(&mut wire.as_slice()).await.unwrap().unwrap();
        assert_eq!(
            (frame.kind, frame.id, frame.payload.as_ref()),
            (Kind::Vote, 0x0102, b"abc".as_slice())
        );
    }

    #[tokio::test]
    async fn a_length_over_the_limit_is_refused_before_memory_is_taken() {
        assert!(read_frame(&mut [0xff_u8; 64].as_slice()).await.is_err());
    }
}
