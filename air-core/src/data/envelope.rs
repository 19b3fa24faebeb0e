//! The envelope: a MessagePack map of two versions and the archive (air-data §2).

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use super::archive::{self, ArchiveTooLong, Sharing};
use super::message_pack::{MessagePackError, Reader, Token, Writer};
use super::version::Version;
use super::{ParticleData, Versions};

/// Version of the data format that is written.
pub const DATA_VERSION: &str = "0.17.2";
/// Version of the interpreter whose behaviour this one has.
pub const INTERPRETER_VERSION: &str = "0.64.1";
/// Version that empty data count as, and the oldest that is accepted.
pub const MINIMAL_INTERPRETER_VERSION: &str = "0.61.0";
const MINIMAL_VERSION_NUMBERS: [u64; 3] = [0, 61, 0];

const KEY_VERSION: &str = "version";
const KEY_INTERPRETER_VERSION: &str = "interpreter_version";
const KEY_INNER_DATA: &str = "inner_data";

/// Longest head of a MessagePack `bin`: marker and length.
const MAX_BIN_HEAD: usize = 5;

/// An envelope that was opened; the archive inside has not been looked at.
#[derive(Clone, Debug)]
pub struct Envelope<'a> {
    /// The versions that it names.
    pub versions: Versions,
    /// The archive; nothing in empty data.
    pub archive: Option<&'a [u8]>,
}

/// Why an envelope is refused (codes 3 and 4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvelopeError {
    /// What is wrong.
    pub cause: MessagePackError,
    /// The versions, where they could be read all the same.
    pub versions: Option<Versions>,
}

impl fmt::Display for EnvelopeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cause = &self.cause;
        match &self.versions {
            None => write!(
                f,
                "an error occurred while envelope deserialization: Envelope({cause}).\n\
                 AquaVM version is {INTERPRETER_VERSION} and it expects {DATA_VERSION} version."
            ),
            Some(versions) => write!(
                f,
                "an error occurred while data deserialization: Envelope({cause}).\n\
                 AquaVM's version is {INTERPRETER_VERSION} and it expects data of {DATA_VERSION} \
                 version.\nSupplied data version is {}, it's produced by AquaVM of {} version.",
                versions.data, versions.interpreter
            ),
        }
    }
}

impl<'a> Envelope<'a> {
    /// Opens an envelope. No bytes at all are empty data.
    pub fn open(bytes: &'a [u8]) -> Result<Self, EnvelopeError> {
        if bytes.is_empty() {
            let versions = Versions {
                data: DATA_VERSION.into(),
                interpreter: MINIMAL_INTERPRETER_VERSION.into(),
            };
            return Ok(Self { versions, archive: None });
        }
        let mut fields = Fields::default();
        // Nothing of a map that ends too early counts, not even its versions.
        if let Err(cause) = fields.read(bytes) {
            return Err(EnvelopeError {
                cause: fields.inner_error.unwrap_or(cause),
                versions: None,
            });
        }
        let versions = fields.versions();
        let inner = match (fields.inner_error, fields.inner) {
            (Some(cause), _) => Err(cause),
            (None, Some(inner)) => Ok(inner),
            (None, None) => Err(MessagePackError::missing_field(KEY_INNER_DATA)),
        };
        match (inner, versions) {
            (Ok(archive), Ok(versions)) => Ok(Self { versions, archive: Some(archive) }),
            (Ok(_), Err(cause)) => Err(EnvelopeError { cause, versions: None }),
            (Err(cause), versions) => {
                let versions = versions.ok().filter(|_| !fields.odd_key);
                Err(EnvelopeError { cause, versions })
            }
        }
    }

    /// Whether the interpreter that wrote the data is not older than the oldest that is accepted.
    #[must_use]
    pub fn is_recent_enough(&self) -> bool {
        let version = Version::parse(&self.versions.interpreter);
        version.is_ok_and(|version| version.is_at_least(MINIMAL_VERSION_NUMBERS))
    }
}

/// The entries of the map so far.
#[derive(Default)]
struct Fields<'a> {
    /// The version fields in their order, with the first error among them.
    version: Option<Token<'a>>,
    interpreter_version: Option<Token<'a>>,
    version_order: Vec<&'static str>,
    inner: Option<&'a [u8]>,
    inner_error: Option<MessagePackError>,
    /// A key that spoils reading the versions alone.
    odd_key: bool,
}

impl<'a> Fields<'a> {
    /// Reads the whole map; fails where its structure does.
    fn read(&mut self, bytes: &'a [u8]) -> Result<(), MessagePackError> {
        let mut reader = Reader::new(bytes);
        let count = match reader.token()? {
            Token::Map(count) => count,
            other => {
                let expected = "struct InterpreterDataEnvelope";
                return Err(MessagePackError::invalid_type(&other, expected));
            }
        };
        for _ in 0..count {
            let key = reader.token()?;
            reader.skip(&key)?;
            let value = reader.token()?;
            reader.skip(&value)?;
            let (Token::String(name) | Token::Binary(name)) = key else {
                // Other keys are passed over here, but not by the reference when it looks for the
                // versions alone: it takes 0 and 1 for the two fields and knows no keys but integers.
                self.odd_key |= !matches!(key, Token::Natural(2..));
                continue;
            };
            if name == KEY_INNER_DATA.as_bytes() {
                self.put_inner(&value);
            } else if name == KEY_VERSION.as_bytes() {
                self.version_order.push(KEY_VERSION);
                self.version.get_or_insert(value);
            } else if name == KEY_INTERPRETER_VERSION.as_bytes() {
                self.version_order.push(KEY_INTERPRETER_VERSION);
                self.interpreter_version.get_or_insert(value);
            }
        }
        Ok(())
    }

    fn put_inner(&mut self, value: &Token<'a>) {
        let error = match (value, self.inner) {
            (_, Some(_)) => MessagePackError::duplicate_field(KEY_INNER_DATA),
            (Token::Binary(archive), None) => {
                self.inner = Some(archive);
                return;
            }
            (other, None) => MessagePackError::invalid_type(other, "a byte array"),
        };
        self.inner_error.get_or_insert(error);
    }

    /// The two versions; the error is that of the entry that comes first.
    fn versions(&self) -> Result<Versions, MessagePackError> {
        for (index, name) in self.version_order.iter().enumerate() {
            if self.version_order.iter().take(index).any(|earlier| earlier == name) {
                return Err(MessagePackError::duplicate_field(name));
            }
            let value =
                if *name == KEY_VERSION { &self.version } else { &self.interpreter_version };
            if let Some(value) = value {
                version_text(value)?;
            }
        }
        let field = |value: &Option<Token<'a>>, name| match value {
            Some(value) => version_text(value),
            None => Err(MessagePackError::missing_field(name)),
        };
        Ok(Versions {
            data: field(&self.version, KEY_VERSION)?,
            interpreter: field(&self.interpreter_version, KEY_INTERPRETER_VERSION)?,
        })
    }
}

fn version_text(value: &Token<'_>) -> Result<Arc<str>, MessagePackError> {
    let text = match value {
        Token::String(bytes) => core::str::from_utf8(bytes).ok(),
        _ => None,
    };
    let text = text.ok_or_else(|| MessagePackError::invalid_type(value, "semver version"))?;
    Version::parse(text).map_err(MessagePackError::Syntax)?;
    Ok(text.into())
}

/// Writes data in their envelope.
pub fn encode(data: &ParticleData, sharing: Sharing<'_>) -> Result<Vec<u8>, ArchiveTooLong> {
    let mut out = Vec::with_capacity(data.archive_size_estimate());
    let mut writer = Writer { out: &mut out };
    writer.map(3);
    writer.string(KEY_VERSION);
    writer.string(DATA_VERSION);
    writer.string(KEY_INTERPRETER_VERSION);
    writer.string(INTERPRETER_VERSION);
    writer.string(KEY_INNER_DATA);

    // The archive goes to its place before its length is known; a shorter head then moves it down.
    let head_at = out.len();
    out.extend_from_slice(&[0; MAX_BIN_HEAD]);
    archive::write_into(data, sharing, &mut out)?;
    let archive_len = out.len() - head_at - MAX_BIN_HEAD;
    let head = bin_head(archive_len)?;
    let unused = MAX_BIN_HEAD - head.len();
    out.splice(head_at..head_at + MAX_BIN_HEAD, head.iter().copied());
    debug_assert_eq!(out.len() + unused, head_at + MAX_BIN_HEAD + archive_len);
    Ok(out)
}

/// Marker and length of a `bin` in the shortest form.
fn bin_head(len: usize) -> Result<Vec<u8>, ArchiveTooLong> {
    let mut head = Vec::with_capacity(MAX_BIN_HEAD);
    if let Ok(len) = u8::try_from(len) {
        head.extend_from_slice(&[0xc4, len]);
    } else if let Ok(len) = u16::try_from(len) {
        head.push(0xc5);
        head.extend_from_slice(&len.to_be_bytes());
    } else {
        head.push(0xc6);
        head.extend_from_slice(&u32::try_from(len).map_err(|_| ArchiveTooLong)?.to_be_bytes());
    }
    Ok(head)
}

/// The message of code 6.
pub(super) fn unsupported_version_text(version: &str) -> String {
    alloc::format!(
        "supplied data was produced by `{version}` version of interpreter, but minimum \
         `{MINIMAL_INTERPRETER_VERSION}` version is required"
    )
}
