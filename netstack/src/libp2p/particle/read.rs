//! Reading a particle while it arrives.

use alloc::string::String;
use alloc::vec::Vec;

use embedded_io_async::Read;

use super::message_pack::{Head, Source};
use super::{ACTION, CODEC, Field, MAX_ID_BYTES, Message, ReadError, SIGNATURE_BYTES};
use crate::libp2p::PeerId;
use crate::libp2p::limits::PEER_ID_TEXT_BYTES;

/// Bytes of a length prefix: 2^35 - 1 is more than anybody takes.
const MAX_PREFIX_BYTES: usize = 5;
/// Bytes of the longest key that means something.
const MAX_KEY_BYTES: usize = 12;

/// Reads one particle of at most `max_bytes`, its length prefix not counted. It holds what of the
/// particle has arrived, once. Bytes behind the message may be read too.
///
/// # Errors
/// [`ReadError`]; the stream is then of no more use. The signature is not checked here.
pub async fn read<R: Read>(stream: &mut R, max_bytes: usize) -> Result<Message, ReadError> {
    let mut source = Source::new(stream, MAX_PREFIX_BYTES);
    let length = prefix(&mut source).await?;
    if length > max_bytes {
        return Err(ReadError::TooLong);
    }
    source.set_left(length);
    if source.array().await? != CODEC {
        return Err(ReadError::Codec);
    }
    let Head::Map(entries) = source.head().await? else { return Err(ReadError::Malformed) };
    let mut draft = Draft::default();
    for _ in 0..entries {
        match key(&mut source).await? {
            Some(field) => draft.field(field, &mut source).await?,
            None => {
                let value = source.head().await?;
                source.skip(value).await?;
            }
        }
    }
    draft.finish()
}

async fn prefix<R: Read>(source: &mut Source<'_, R>) -> Result<usize, ReadError> {
    let mut length = 0_u64;
    for index in 0..MAX_PREFIX_BYTES {
        let [byte] = source.array().await?;
        length |= u64::from(byte & 0x7f) << (7 * index);
        if byte < 0x80 {
            return usize::try_from(length).map_err(|_| ReadError::TooLong);
        }
    }
    Err(ReadError::TooLong)
}

/// The next key, if it is a field's.
async fn key<R: Read>(source: &mut Source<'_, R>) -> Result<Option<Field>, ReadError> {
    match source.head().await? {
        Head::Str(length) if length <= MAX_KEY_BYTES => {
            let name = source.bytes(length).await?;
            Ok(Field::ALL.into_iter().find(|field| field.name().as_bytes() == name))
        }
        other => {
            source.skip(other).await?;
            Ok(None)
        }
    }
}

/// What of a particle has been read.
#[derive(Default)]
struct Draft {
    action: Option<()>,
    id: Option<String>,
    init_peer_id: Option<PeerId>,
    timestamp: Option<u64>,
    ttl: Option<u32>,
    script: Option<String>,
    signature: Option<[u8; SIGNATURE_BYTES]>,
    data: Option<Vec<u8>>,
}

impl Draft {
    /// Reads the value of `field`.
    async fn field<R: Read>(
        &mut self,
        field: Field,
        source: &mut Source<'_, R>,
    ) -> Result<(), ReadError> {
        let invalid = ReadError::Field(field);
        let head = source.head().await?;
        let again = match (field, head) {
            (Field::Action, Head::Str(length)) if length == ACTION.len() => {
                if source.bytes(length).await? != ACTION {
                    return Err(ReadError::Action);
                }
                self.action.replace(()).is_some()
            }
            (Field::Action, _) => return Err(ReadError::Action),
            (Field::Id, Head::Str(length)) if length <= MAX_ID_BYTES => {
                self.id.replace(text(field, length, source).await?).is_some()
            }
            (Field::InitPeerId, Head::Str(length)) if length <= PEER_ID_TEXT_BYTES => {
                let peer = text(field, length, source).await?.parse().map_err(|_| invalid)?;
                self.init_peer_id.replace(peer).is_some()
            }
            (Field::Timestamp, Head::Integer(Some(value))) => {
                self.timestamp.replace(value).is_some()
            }
            (Field::Ttl, Head::Integer(Some(value))) => {
                self.ttl.replace(u32::try_from(value).map_err(|_| invalid)?).is_some()
            }
            (Field::Script, Head::Str(length)) => {
                self.script.replace(text(field, length, source).await?).is_some()
            }
            (Field::Signature, Head::Bin(SIGNATURE_BYTES) | Head::Array(SIGNATURE_BYTES)) => {
                let bytes = binary(field, head, source).await?;
                self.signature.replace(bytes.try_into().map_err(|_| invalid)?).is_some()
            }
            (Field::Data, Head::Bin(_) | Head::Array(_)) => {
                self.data.replace(binary(field, head, source).await?).is_some()
            }
            _ => return Err(invalid),
        };
        if again { Err(invalid) } else { Ok(()) }
    }

    fn finish(self) -> Result<Message, ReadError> {
        self.action.ok_or(ReadError::Missing(Field::Action))?;
        Ok(Message {
            id: self.id.ok_or(ReadError::Missing(Field::Id))?,
            init_peer_id: self.init_peer_id.ok_or(ReadError::Missing(Field::InitPeerId))?,
            timestamp: self.timestamp.ok_or(ReadError::Missing(Field::Timestamp))?,
            ttl: self.ttl.ok_or(ReadError::Missing(Field::Ttl))?,
            script: self.script.ok_or(ReadError::Missing(Field::Script))?,
            signature: self.signature.ok_or(ReadError::Missing(Field::Signature))?,
            data: self.data.ok_or(ReadError::Missing(Field::Data))?,
        })
    }
}

async fn text<R: Read>(
    field: Field,
    length: usize,
    source: &mut Source<'_, R>,
) -> Result<String, ReadError> {
    String::from_utf8(source.bytes(length).await?).map_err(|_| ReadError::Field(field))
}

async fn binary<R: Read>(
    field: Field,
    head: Head,
    source: &mut Source<'_, R>,
) -> Result<Vec<u8>, ReadError> {
    match head {
        Head::Bin(length) => source.bytes(length).await,
        Head::Array(count) => source.integers(count).await?.ok_or(ReadError::Field(field)),
        _ => Err(ReadError::Field(field)),
    }
}
