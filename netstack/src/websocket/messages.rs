//! Whole messages of a server, texts and bytes, with their borders.

use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::outbox::Shared;
use super::reader::{Progress, Reader};
use super::writer::Writer;
use super::{Error, Role};
use crate::{Split, stream};

/// The status of an end whose cause is a text that is none (RFC 6455 section 7.4.1).
const INVALID_TEXT: u16 = 1007;
/// The status of an end whose cause is a message that is too long.
const TOO_LONG: u16 = 1009;
/// Bytes read at a time.
const PIECE_BYTES: usize = 2048;

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// UTF-8.
    Text(String),
    /// Anything.
    Binary(Vec<u8>),
}

/// What a server sends, message by message. Pings are answered while somebody waits for a message.
pub struct Messages<S: Split> {
    reader: Reader<S::Reader, S::Writer>,
    writer: Writer<S::Writer>,
    /// What has come of the next message.
    gathered: Vec<u8>,
}

impl<S: Split> fmt::Debug for Messages<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Messages").field("gathered", &self.gathered.len()).finish_non_exhaustive()
    }
}

impl<S: Split> Messages<S> {
    pub(super) fn new(stream: S, early: Vec<u8>, mask_seed: [u8; 32]) -> Self {
        let (reader, writer) = stream.split();
        let shared = Shared::new(writer, Some(mask_seed));
        let reader = Reader::new(reader, early, Role::Client, Rc::clone(&shared)).taking_text();
        Self { reader, writer: Writer::new(shared), gathered: Vec::new() }
    }

    /// Waits for the next message, of at most `most` bytes; nothing when the server has ended. Cancel-safe.
    ///
    /// # Errors
    /// [`Error::Violation`] for a message that is too long, a text that is none, and what RFC 6455 does not
    /// allow; others when the stream is of no more use.
    pub async fn next(&mut self, most: usize) -> Result<Option<Message>, Error<S::Error>> {
        let mut piece = [0; PIECE_BYTES];
        loop {
            match self.reader.advance(&mut piece).await? {
                Progress::Data(read) => {
                    if self.gathered.len() + read > most {
                        self.gathered = Vec::new();
                        return Err(self.reader.refuse(TOO_LONG));
                    }
                    self.gathered.extend_from_slice(piece.get(..read).unwrap_or_default());
                }
                Progress::MessageEnd => {
                    let bytes = core::mem::take(&mut self.gathered);
                    if !self.reader.is_text() {
                        return Ok(Some(Message::Binary(bytes)));
                    }
                    return match String::from_utf8(bytes) {
                        Ok(text) => Ok(Some(Message::Text(text))),
                        Err(_) => Err(self.reader.refuse(INVALID_TEXT)),
                    };
                }
                Progress::End if self.gathered.is_empty() => return Ok(None),
                Progress::End => return Err(Error::Truncated),
            }
        }
    }

    /// Says that no more is wanted.
    ///
    /// # Errors
    /// When the connection is gone.
    pub async fn close(&mut self) -> Result<(), Error<S::Error>> {
        stream::Writer::shutdown(&mut self.writer).await
    }
}
