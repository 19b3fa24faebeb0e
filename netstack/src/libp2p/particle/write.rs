//! Writing a particle.

use alloc::string::ToString;
use alloc::vec::Vec;

use embedded_io_async::{Error as _, Write};
use rmp::Marker;

use super::{ACTION, CODEC, Field, Message, WriteError};
use crate::libp2p::protobuf::put_varint;

/// Bytes of [`Message`] around script, data and id: keys, heads, fixed fields. An upper bound, to
/// allocate once.
const ENVELOPE_BYTES: usize = 256;

/// Writes one particle of at most `max_bytes`, its length prefix not counted. Script and data are written
/// from where they are. The stream has to be shut down afterwards.
///
/// # Errors
/// [`WriteError`]; after [`WriteError::Stream`] the stream is of no more use.
pub async fn write<W: Write>(
    stream: &mut W,
    message: &Message,
    max_bytes: usize,
) -> Result<(), WriteError> {
    let (before, between) = (before_script(message), before_data(message));
    let length = before.len() + message.script.len() + between.len() + message.data.len();
    if length > max_bytes {
        return Err(WriteError::TooLong);
    }
    let mut first = Vec::with_capacity(before.len() + ENVELOPE_BYTES);
    put_varint(&mut first, length as u64);
    first.extend_from_slice(&before);
    for part in [&first, message.script.as_bytes(), &between, &message.data] {
        stream.write_all(part).await.map_err(|error| WriteError::Stream(error.kind()))?;
    }
    Ok(())
}

/// Bytes that a particle takes, its length prefix not counted.
#[must_use]
pub fn encoded_bytes(message: &Message) -> usize {
    before_script(message).len()
        + message.script.len()
        + before_data(message).len()
        + message.data.len()
}

fn before_script(message: &Message) -> Vec<u8> {
    let mut out = Vec::with_capacity(ENVELOPE_BYTES + message.id.len());
    out.extend_from_slice(&CODEC);
    out.push(Marker::FixMap(8).to_u8());
    put_key(&mut out, Field::Action);
    put_text(&mut out, ACTION);
    put_key(&mut out, Field::Id);
    put_text(&mut out, message.id.as_bytes());
    put_key(&mut out, Field::InitPeerId);
    put_text(&mut out, message.init_peer_id.to_string().as_bytes());
    put_key(&mut out, Field::Timestamp);
    put_integer(&mut out, message.timestamp);
    put_key(&mut out, Field::Ttl);
    put_integer(&mut out, u64::from(message.ttl));
    put_key(&mut out, Field::Script);
    put_text_head(&mut out, message.script.len());
    out
}

fn before_data(message: &Message) -> Vec<u8> {
    let mut out = Vec::with_capacity(ENVELOPE_BYTES / 2);
    put_key(&mut out, Field::Signature);
    put_bin_head(&mut out, message.signature.len());
    out.extend_from_slice(&message.signature);
    put_key(&mut out, Field::Data);
    put_bin_head(&mut out, message.data.len());
    out
}

fn put_key(out: &mut Vec<u8>, field: Field) {
    put_text(out, field.name().as_bytes());
}

fn put_text(out: &mut Vec<u8>, text: &[u8]) {
    put_text_head(out, text.len());
    out.extend_from_slice(text);
}

fn put_text_head(out: &mut Vec<u8>, length: usize) {
    match u8::try_from(length) {
        Ok(length @ ..32) => out.push(Marker::FixStr(length).to_u8()),
        Ok(length) => out.extend([Marker::Str8.to_u8(), length]),
        Err(_) => put_long_head(out, length, Marker::Str16, Marker::Str32),
    }
}

fn put_bin_head(out: &mut Vec<u8>, length: usize) {
    match u8::try_from(length) {
        Ok(length) => out.extend([Marker::Bin8.to_u8(), length]),
        Err(_) => put_long_head(out, length, Marker::Bin16, Marker::Bin32),
    }
}

fn put_long_head(out: &mut Vec<u8>, length: usize, two: Marker, four: Marker) {
    if let Ok(length) = u16::try_from(length) {
        out.push(two.to_u8());
        out.extend(length.to_be_bytes());
    } else {
        out.push(four.to_u8());
        // A message of 4 GiB is beyond what any receiver takes.
        out.extend(u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
    }
}

/// The shortest form.
fn put_integer(out: &mut Vec<u8>, value: u64) {
    if let Ok(value) = u8::try_from(value) {
        if value >= 0x80 {
            out.push(Marker::U8.to_u8());
        }
        out.push(value);
    } else if let Ok(value) = u16::try_from(value) {
        out.push(Marker::U16.to_u8());
        out.extend(value.to_be_bytes());
    } else if let Ok(value) = u32::try_from(value) {
        out.push(Marker::U32.to_u8());
        out.extend(value.to_be_bytes());
    } else {
        out.push(Marker::U64.to_u8());
        out.extend(value.to_be_bytes());
    }
}
