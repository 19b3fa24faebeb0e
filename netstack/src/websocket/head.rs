//! Heads of requests and answers: where they end, and what both must say.

use alloc::vec::Vec;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use embedded_io_async::Read;
use sha1::{Digest, Sha1};

use super::Error;
use super::limits::HEAD_BYTES;

const END: &[u8] = b"\r\n\r\n";
/// What a server appends to a client's key (RFC 6455 section 1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// How much is read at once.
const PIECE_BYTES: usize = 512;

/// A head, and what came with it.
pub(super) enum Received {
    /// The bytes, and how many of them are the head.
    Whole(Vec<u8>, usize),
    /// No end within [`HEAD_BYTES`].
    TooLarge,
}

/// Reads a head that begins with `bytes`.
pub(super) async fn receive<S: Read>(
    stream: &mut S,
    mut bytes: Vec<u8>,
) -> Result<Received, Error<S::Error>> {
    let mut searched = 0;
    loop {
        let new = bytes.get(searched..).unwrap_or_default();
        if let Some(at) = new.windows(END.len()).position(|window| window == END) {
            let end = searched + at + END.len();
            let fits = end <= HEAD_BYTES;
            return Ok(if fits { Received::Whole(bytes, end) } else { Received::TooLarge });
        }
        if bytes.len() >= HEAD_BYTES {
            return Ok(Received::TooLarge);
        }
        searched = bytes.len().saturating_sub(END.len() - 1);
        let mut piece = [0; PIECE_BYTES];
        match stream.read(&mut piece).await.map_err(Error::Stream)? {
            0 => return Err(Error::Truncated),
            read => bytes.extend_from_slice(piece.get(..read).unwrap_or_default()),
        }
    }
}

/// The values of all fields of that name.
pub(super) fn values<'a>(
    headers: &'a [httparse::Header<'_>],
    name: &'a str,
) -> impl Iterator<Item = &'a [u8]> {
    headers.iter().filter(move |field| field.name.eq_ignore_ascii_case(name)).map(|f| f.value)
}

/// The value of a field that is there once.
pub(super) fn single<'a>(headers: &'a [httparse::Header<'_>], name: &'a str) -> Option<&'a [u8]> {
    let mut values = values(headers, name);
    let value = values.next()?;
    if values.next().is_some() { None } else { Some(value.trim_ascii()) }
}

/// True when a list field holds `token`, in any case.
pub(super) fn has_token(headers: &[httparse::Header<'_>], name: &str, token: &str) -> bool {
    values(headers, name)
        .flat_map(|value| value.split(|byte| *byte == b','))
        .any(|item| item.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
}

/// The answer to a client's key.
pub(super) fn accept_value(key: &[u8]) -> alloc::string::String {
    BASE64_STANDARD.encode(Sha1::new().chain_update(key).chain_update(GUID).finalize())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_answer_to_a_key_is_that_of_the_standard() {
        // RFC 6455 section 1.3.
        let value = super::accept_value(b"dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(value, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
