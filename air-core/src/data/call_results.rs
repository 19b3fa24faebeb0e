//! Answers of services, as the host hands them in (air-data §8.2).

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::str::Utf8Error;

use super::message_pack::{MessagePackError, Reader, Token};
use crate::step::CallResult;

/// The multicodec of MessagePack, and its varint that stands before the map.
const CODEC_MESSAGE_PACK: u64 = 0x0201;
pub(super) const MESSAGE_PACK_PREFIX: [u8; 2] = [0x81, 0x04];

const KEY_RET_CODE: &str = "ret_code";
const KEY_RESULT: &str = "result";

/// Call results by the text of their call ids, sorted, each once.
pub type CallResults = Vec<(String, CallResult)>;

/// Why call results are refused (code 5). `Display` gives the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallResultsError {
    /// The input ends in the codec.
    CodecInsufficient,
    /// The codec is longer than a number may be.
    CodecOverflow,
    /// The codec is not in its shortest form.
    CodecNotMinimal,
    /// Another codec.
    Codec(u64),
    /// The map is malformed.
    Format(MessagePackError),
}

impl fmt::Display for CallResultsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("error occurred while deserialize call results: ")?;
        match self {
            Self::CodecInsufficient => f.write_str("VarInt(Insufficient)"),
            Self::CodecOverflow => f.write_str("VarInt(Overflow)"),
            Self::CodecNotMinimal => f.write_str("VarInt(NotMinimal)"),
            Self::Codec(codec) => write!(f, "Codec({codec})"),
            Self::Format(error) => write!(f, "Format({error})"),
        }?;
        f.write_str(".")
    }
}

impl From<MessagePackError> for CallResultsError {
    fn from(error: MessagePackError) -> Self {
        Self::Format(error)
    }
}

/// Decodes call results. Of equal ids the last counts; bytes after the map are ignored.
pub fn decode_call_results(bytes: &[u8]) -> Result<CallResults, CallResultsError> {
    let map = after_codec(bytes)?;
    let mut reader = Reader::new(map);
    let count = match reader.token()? {
        Token::Map(count) => count,
        other => return Err(unexpected(&other, "a map").into()),
    };
    let mut results = CallResults::new();
    for _ in 0..count {
        let id = string(&mut reader)?;
        results.push((id, result(&mut reader)?));
    }
    // Stable, so that the last of equal ids stays the last.
    results.sort_by(|a, b| a.0.cmp(&b.0));
    results.reverse();
    results.dedup_by(|next, kept| next.0 == kept.0);
    results.reverse();
    Ok(results)
}

fn after_codec(bytes: &[u8]) -> Result<&[u8], CallResultsError> {
    const MAX_LEN: usize = 10;
    let mut codec = 0_u64;
    for (index, byte) in bytes.iter().enumerate() {
        if index + 1 == MAX_LEN && *byte > 1 {
            return Err(CallResultsError::CodecOverflow);
        }
        codec |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 != 0 {
            continue;
        }
        if *byte == 0 && index > 0 {
            return Err(CallResultsError::CodecNotMinimal);
        }
        if codec != CODEC_MESSAGE_PACK {
            return Err(CallResultsError::Codec(codec));
        }
        return Ok(bytes.get(index + 1..).unwrap_or_default());
    }
    Err(CallResultsError::CodecInsufficient)
}

fn result(reader: &mut Reader<'_>) -> Result<CallResult, MessagePackError> {
    match reader.token()? {
        Token::Map(count) => result_map(reader, count),
        Token::Array(count) => result_array(reader, count),
        other => Err(unexpected(&other, "struct CallServiceResult")),
    }
}

/// A field of a call result, by its name or its number.
enum Field {
    RetCode,
    Result,
    Other,
}

impl Field {
    fn of(key: &Token<'_>) -> Result<Self, MessagePackError> {
        match key {
            Token::String(name) | Token::Binary(name) if *name == KEY_RET_CODE.as_bytes() => {
                Ok(Self::RetCode)
            }
            Token::String(name) | Token::Binary(name) if *name == KEY_RESULT.as_bytes() => {
                Ok(Self::Result)
            }
            Token::Natural(0) => Ok(Self::RetCode),
            Token::Natural(1) => Ok(Self::Result),
            Token::String(_) | Token::Binary(_) | Token::Natural(_) => Ok(Self::Other),
            other => Err(MessagePackError::invalid_type(other, "field identifier")),
        }
    }
}

fn result_map(reader: &mut Reader<'_>, count: u32) -> Result<CallResult, MessagePackError> {
    let (mut code, mut text) = (None, None);
    for _ in 0..count {
        match Field::of(&reader.token()?)? {
            Field::RetCode if code.is_some() => {
                return Err(MessagePackError::duplicate_field(KEY_RET_CODE));
            }
            Field::RetCode => code = Some(ret_code(reader)?),
            Field::Result if text.is_some() => {
                return Err(MessagePackError::duplicate_field(KEY_RESULT));
            }
            Field::Result => text = Some(string(reader)?),
            Field::Other => {
                let value = reader.token()?;
                reader.skip(&value)?;
            }
        }
    }
    Ok(CallResult {
        ret_code: code.ok_or_else(|| MessagePackError::missing_field(KEY_RET_CODE))?,
        result: text.ok_or_else(|| MessagePackError::missing_field(KEY_RESULT))?,
    })
}

fn result_array(reader: &mut Reader<'_>, count: u32) -> Result<CallResult, MessagePackError> {
    const FIELDS: u32 = 2;
    let too_few = || {
        MessagePackError::Syntax(alloc::format!(
            "invalid length {count}, expected struct CallServiceResult with {FIELDS} elements"
        ))
    };
    // What is there is looked at before what is missing.
    let ret_code = if count > 0 { ret_code(reader)? } else { return Err(too_few()) };
    let result = if count > 1 { string(reader)? } else { return Err(too_few()) };
    if count > FIELDS {
        return Err(MessagePackError::TooManyElements(FIELDS));
    }
    Ok(CallResult { ret_code, result })
}

fn ret_code(reader: &mut Reader<'_>) -> Result<i32, MessagePackError> {
    let token = reader.token()?;
    let code = match token {
        Token::Natural(value) => i32::try_from(value).ok(),
        Token::Negative(value) => i32::try_from(value).ok(),
        _ => return Err(unexpected(&token, "i32")),
    };
    code.ok_or_else(|| {
        MessagePackError::Syntax(alloc::format!("invalid value: {token}, expected i32"))
    })
}

/// A string, or bytes that are UTF-8.
fn string(reader: &mut Reader<'_>) -> Result<String, MessagePackError> {
    let token = reader.token()?;
    let (Token::String(bytes) | Token::Binary(bytes)) = token else {
        return Err(unexpected(&token, "a string"));
    };
    match core::str::from_utf8(bytes) {
        Ok(text) => Ok(text.to_string()),
        Err(error) if matches!(token, Token::String(_)) => Err(not_utf8(error)),
        Err(_) => {
            Err(MessagePackError::Syntax("invalid value: byte array, expected a string".into()))
        }
    }
}

/// The error of a token of the wrong type. A string that is not UTF-8 is that before all.
fn unexpected(token: &Token<'_>, expected: &str) -> MessagePackError {
    if let Token::String(bytes) = token
        && let Err(error) = core::str::from_utf8(bytes)
    {
        return not_utf8(error);
    }
    MessagePackError::invalid_type(token, expected)
}

fn not_utf8(error: Utf8Error) -> MessagePackError {
    MessagePackError::NotUtf8 { valid_up_to: error.valid_up_to(), error_len: error.error_len() }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;
    use alloc::vec::Vec;

    use super::{CallResults, decode_call_results};
    use crate::step::CallResult;

    fn result(ret_code: i32, result: &str) -> CallResult {
        CallResult { ret_code, result: result.into() }
    }

    fn decode(parts: &[&[u8]]) -> Result<CallResults, alloc::string::String> {
        decode_call_results(&parts.concat()).map_err(|error| error.to_string())
    }

    #[test]
    fn the_example_of_the_specification_decodes() {
        // air-data §8.2.
        let bytes = b"\x81\x04\x81\xa11\x82\xa8ret_code\x00\xa6result\xa7\"world\"";
        assert_eq!(decode(&[bytes]).unwrap(), [("1".into(), result(0, "\"world\""))]);
        assert_eq!(decode(&[b"\x81\x04\x80"]).unwrap(), []);
    }

    #[test]
    fn other_forms_that_the_reference_takes_are_taken() {
        let one = [("1".into(), result(-3, "1"))];
        // Extra field, array, bytes for strings, long integer, bytes after the map, the same id twice,
        // numbers for the names of fields.
        for bytes in [
            &b"\x81\x04\x81\xa11\x83\xa1x\x91\xc0\xa8ret_code\xfd\xa6result\xa11"[..],
            b"\x81\x04\x81\xa11\x92\xfd\xa11",
            b"\x81\x04\x81\xc4\x011\x82\xc4\x08ret_code\xd1\xff\xfd\xa6result\xc4\x011",
            b"\x81\x04\x81\xa11\x92\xfd\xa11\xc1\xc1",
            b"\x81\x04\x82\xa11\x92\x00\xa10\xa11\x92\xfd\xa11",
            b"\x81\x04\x81\xa11\x83\x01\xa11\x05\xc0\x00\xfd",
        ] {
            assert_eq!(decode(&[bytes]).unwrap(), one, "{bytes:x?}");
        }
        let ids: Vec<_> = decode(&[b"\x81\x04\x82\xa201\x92\x00\xa10\xa11\x92\xfd\xa11"]).unwrap();
        assert_eq!(ids.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["01", "1"]);
    }

    /// Texts observed in the reference.
    #[test]
    fn malformed_results_are_refused_in_the_words_of_the_reference() {
        let end = "Error { kind: UnexpectedEof, message: \"failed to fill whole buffer\" }";
        for (bytes, text) in [
            (&b""[..], "VarInt(Insufficient)"),
            (b"\x81", "VarInt(Insufficient)"),
            (&[0xff; 12], "VarInt(Overflow)"),
            (b"\x81\x84\x80\x00\x80", "VarInt(NotMinimal)"),
            (b"\x80\x04{}", "Codec(512)"),
            (b"\x55\x80", "Codec(85)"),
            (b"\x81\x04", &("Format(InvalidMarkerRead(".to_string() + end + "))")),
            (b"\x81\x04\x90", "Format(Syntax(\"invalid type: sequence, expected a map\"))"),
            (
                b"\x81\x04\x81\x01\x82",
                "Format(Syntax(\"invalid type: integer `1`, expected a string\"))",
            ),
            (
                b"\x81\x04\x81\xa11\x81\xa6result\xa0",
                "Format(Syntax(\"missing field `ret_code`\"))",
            ),
            (
                b"\x81\x04\x81\xa11\x81\xa8ret_code\x00",
                "Format(Syntax(\"missing field `result`\"))",
            ),
            (
                b"\x81\x04\x81\xa11\x82\xa8ret_code\xcf\xff\xff\xff\xff\xff\xff\xff\xff",
                "Format(Syntax(\"invalid value: integer `18446744073709551615`, expected i32\"))",
            ),
            (
                b"\x81\x04\x81\xa11\x82\xa8ret_code\xa1x",
                "Format(Syntax(\"invalid type: string \\\"x\\\", expected i32\"))",
            ),
            (b"\x81\x04\x81\xa11\x93\x00\xa11\x00", "Format(LengthMismatch(2))"),
            (
                b"\x81\x04\x81\xa11\x91\x00",
                "Format(Syntax(\"invalid length 1, expected struct CallServiceResult with 2 \
                 elements\"))",
            ),
            (b"\x81\x04\x81\xa11\x82\xa8ret_co", "Format(InvalidDataRead(Kind(UnexpectedEof)))"),
            (
                b"\x81\x04\x81\xa11\x82\xa8ret_code\x00\xa6result\xa1\xff",
                "Format(Utf8Error(Utf8Error { valid_up_to: 0, error_len: Some(1) }))",
            ),
            (
                b"\x81\x04\x81\xa11\x82\xa8ret_code\x00\xa6result\xc4\x01\xff",
                "Format(Syntax(\"invalid value: byte array, expected a string\"))",
            ),
            (
                b"\x81\x04\x81\xa11\x82\xa8ret_code\xa1\xff",
                "Format(Utf8Error(Utf8Error { valid_up_to: 0, error_len: Some(1) }))",
            ),
            (
                b"\x81\x04\x81\xa11\x83\xc0\x00",
                "Format(Syntax(\"invalid type: unit value, expected field identifier\"))",
            ),
            (
                b"\x81\x04\x81\xa11\x91\xc2",
                "Format(Syntax(\"invalid type: boolean `false`, expected i32\"))",
            ),
            (
                b"\x81\x04\x81\xa11\x83\xa8ret_code\x00\xa8ret_code\x00",
                "Format(Syntax(\"duplicate field `ret_code`\"))",
            ),
        ] {
            let expected =
                "error occurred while deserialize call results: ".to_string() + text + ".";
            assert_eq!(decode(&[bytes]).unwrap_err(), expected, "{bytes:x?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_judged(bytes: Vec<u8>) {
            let _ = decode_call_results(&bytes);
            let _ = decode(&[b"\x81\x04\x81", &bytes]);
        }
    }
}
