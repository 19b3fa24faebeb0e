//! The reading half: frames in, the payloads of binary messages out.

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::fmt;
use core::pin::pin;

use embedded_io_async::{ErrorType, Read, Write};
use futures_util::FutureExt;
use futures_util::future::{Either, select};

use super::frame::{Header, LONGEST_HEADER, Mask, Opcode, apply_mask, header_bytes};
use super::limits::{CONTROL_BYTES, EMPTY_FRAMES_IN_A_ROW};
use super::outbox::Shared;
use super::{Error, Role};
use crate::time::yield_now;

/// The status of an end that the peer's violation is the cause of (RFC 6455 section 7.4.1).
const PROTOCOL_ERROR: u16 = 1002;
/// The status of an end whose cause is a text message.
const UNSUPPORTED_DATA: u16 = 1003;

/// Gives out the payloads of binary messages, one after the other.
///
/// A close frame is the end of file, and so is the end of the stream between two frames.
pub struct Reader<R, W> {
    incoming: Incoming<R, W>,
    role: Role,
    header: [u8; LONGEST_HEADER],
    header_have: usize,
    /// The frame whose payload comes now.
    payload: Option<Payload>,
    /// A message has begun that is not over.
    in_message: bool,
    /// Whether text messages are taken too.
    takes_text: bool,
    /// The message that is being read, or was read last, is text.
    is_text: bool,
    /// Frames that are over, since other tasks had their turn.
    frames: usize,
    end: Option<End>,
}

/// How far reading has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// These many bytes of a message.
    Data(usize),
    /// A message is over.
    MessageEnd,
    /// Nothing more comes.
    End,
}

/// Where bytes come from.
struct Incoming<R, W> {
    inner: R,
    /// What came together with the handshake.
    early: Vec<u8>,
    shared: Rc<Shared<W>>,
}

/// What is left of a frame's payload.
struct Payload {
    left: u64,
    mask: Option<Mask>,
    /// Bytes that have come, modulo the mask.
    offset: usize,
    /// What has come of a control frame.
    control: Option<(Opcode, Vec<u8>)>,
}

/// Nothing is read any more.
#[derive(Clone, Copy)]
enum End {
    Closed,
    Violation,
}

impl<R, W> Reader<R, W> {
    pub(super) fn new(inner: R, early: Vec<u8>, role: Role, shared: Rc<Shared<W>>) -> Self {
        Self {
            incoming: Incoming { inner, early, shared },
            role,
            header: [0; LONGEST_HEADER],
            header_have: 0,
            payload: None,
            in_message: false,
            takes_text: false,
            is_text: false,
            frames: 0,
            end: None,
        }
    }

    /// Takes text messages too.
    pub(super) fn taking_text(mut self) -> Self {
        self.takes_text = true;
        self
    }

    /// Whether the message that is being read, or was read last, is text.
    pub(super) fn is_text(&self) -> bool {
        self.is_text
    }

    /// Bytes of the header that must be there to go on.
    fn header_wanted(&self) -> usize {
        match (self.header.get(1), self.role) {
            (Some(second), _) if self.header_have >= 2 => header_bytes(*second),
            // The shortest header of a masked frame; without mask it is a violation anyway.
            (_, Role::Server) => 6,
            (_, Role::Client) => 2,
        }
    }

    /// What a whole header means here; a status when it may not come.
    fn begin(&mut self, header: &Header) -> Result<Payload, u16> {
        if header.mask.is_some() != (self.role == Role::Server) {
            return Err(PROTOCOL_ERROR);
        }
        let mut control = None;
        match header.opcode {
            Opcode::Text if !self.takes_text => return Err(UNSUPPORTED_DATA),
            Opcode::Text | Opcode::Binary | Opcode::Continuation => {
                if self.in_message != (header.opcode == Opcode::Continuation) {
                    return Err(PROTOCOL_ERROR);
                }
                if !self.in_message {
                    self.is_text = header.opcode == Opcode::Text;
                }
                self.in_message = !header.is_final;
            }
            opcode => control = Some((opcode, Vec::new())),
        }
        Ok(Payload { left: header.length, mask: header.mask, offset: 0, control })
    }

    fn violated(&mut self, status: u16) -> End {
        self.incoming.shared.signals.borrow_mut().close(status.to_be_bytes().to_vec());
        End::Violation
    }

    /// What a whole control frame brings about.
    fn obey(&mut self, opcode: Opcode, payload: Vec<u8>) -> Option<End> {
        match opcode {
            Opcode::Ping => self.incoming.shared.signals.borrow_mut().pong(payload),
            Opcode::Close if is_close(&payload) => {
                // The same status back (RFC 6455 section 5.5.1).
                let status = payload.get(..2).unwrap_or_default().to_vec();
                self.incoming.shared.signals.borrow_mut().close(status);
                return Some(End::Closed);
            }
            Opcode::Close => return Some(self.violated(PROTOCOL_ERROR)),
            _ => {}
        }
        None
    }
}

/// True when it is the payload of a close frame (RFC 6455 sections 5.5.1 and 7.4).
fn is_close(payload: &[u8]) -> bool {
    let Some((status, reason)) = payload.split_first_chunk() else { return payload.is_empty() };
    let status = u16::from_be_bytes(*status);
    matches!(status, 1000..=1003 | 1007..=1014 | 3000..=4999)
        && core::str::from_utf8(reason).is_ok()
}

impl<R: Read, W: Write<Error = R::Error>> Incoming<R, W> {
    /// Reads some bytes; the signals leave as far as they can. Nothing at the end of the stream.
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, Error<R::Error>> {
        if !self.early.is_empty() {
            let read = buf.len().min(self.early.len());
            buf.iter_mut().zip(self.early.drain(..read)).for_each(|(slot, byte)| *slot = byte);
            if self.early.is_empty() {
                self.early = Vec::new();
            }
            return Ok(read);
        }
        let read = if self.shared.is_owed() {
            let deliver = pin!(self.shared.deliver());
            match select(deliver, pin!(self.inner.read(buf))).await {
                // That they cannot leave is for the sending half to find out.
                Either::Left((_, read)) => read.await,
                Either::Right((read, _)) => read,
            }
        } else {
            self.inner.read(buf).await
        };
        read.map_err(Error::Stream)
    }
}

impl<R: Read, W: Write<Error = R::Error>> Reader<R, W> {
    /// Reads until data comes, a message ends, or nothing more comes.
    pub(super) async fn advance(&mut self, buf: &mut [u8]) -> Result<Progress, Error<R::Error>> {
        loop {
            match self.end {
                Some(End::Closed) => return Ok(Progress::End),
                Some(End::Violation) => return Err(Error::Violation),
                None => {}
            }
            if let Some(payload) = self.payload.take_if(|payload| payload.left == 0) {
                let is_data = payload.control.is_none();
                self.end = payload.control.and_then(|(opcode, bytes)| self.obey(opcode, bytes));
                self.frames += 1;
                if self.frames >= EMPTY_FRAMES_IN_A_ROW {
                    self.frames = 0;
                    yield_now().await;
                }
                if is_data && !self.in_message {
                    return Ok(Progress::MessageEnd);
                }
            } else if let Some(payload) = &mut self.payload {
                if let Some(read) = payload.read(&mut self.incoming, buf).await? {
                    return Ok(Progress::Data(read));
                }
            } else if self.header_have < self.header_wanted() {
                if !self.read_header().await? {
                    return Ok(Progress::End);
                }
            } else {
                self.begin_frame();
            }
            if self.end.is_some() {
                self.say_why();
            }
        }
    }

    /// Ends the connection because of a message; `status` says why.
    pub(super) fn refuse(&mut self, status: u16) -> Error<R::Error> {
        self.end = Some(self.violated(status));
        self.say_why();
        Error::Violation
    }

    /// Sends the close frame, once and as far as it goes without waiting: the peer may not read any more.
    fn say_why(&self) {
        let _ = self.incoming.shared.deliver().now_or_never();
    }

    /// False at the end of the stream.
    async fn read_header(&mut self) -> Result<bool, Error<R::Error>> {
        let wanted = self.header_wanted();
        let room = self.header.get_mut(self.header_have..wanted).unwrap_or_default();
        let read = self.incoming.read(room).await?;
        if read == 0 && self.header_have > 0 {
            return Err(Error::Truncated);
        }
        self.header_have += read;
        Ok(read > 0)
    }

    fn begin_frame(&mut self) {
        let header = self.header.get(..self.header_have).unwrap_or_default();
        let header = Header::parse(header).map_err(|_| PROTOCOL_ERROR);
        self.header_have = 0;
        match header.and_then(|header| self.begin(&header)) {
            Ok(payload) => self.payload = Some(payload),
            Err(status) => self.end = Some(self.violated(status)),
        }
    }
}

impl Payload {
    /// Reads some of it, data into `buf`; how many bytes of data.
    async fn read<R: Read, W: Write<Error = R::Error>>(
        &mut self,
        incoming: &mut Incoming<R, W>,
        buf: &mut [u8],
    ) -> Result<Option<usize>, Error<R::Error>> {
        let mut control = [0; CONTROL_BYTES];
        let is_data = self.control.is_none();
        let target = if is_data { buf } else { control.as_mut_slice() };
        let wanted = usize::try_from(self.left).unwrap_or(usize::MAX).min(target.len());
        let target = target.get_mut(..wanted).unwrap_or_default();
        let read = incoming.read(target).await?;
        if read == 0 {
            return Err(Error::Truncated);
        }
        self.take(target.get_mut(..read).unwrap_or_default());
        Ok(is_data.then_some(read))
    }

    /// Unmasks what has come; keeps it when it is a control frame's.
    fn take(&mut self, bytes: &mut [u8]) {
        if let Some(mask) = self.mask {
            apply_mask(bytes, mask, self.offset);
        }
        self.offset = (self.offset + bytes.len()) % 4;
        self.left -= bytes.len() as u64;
        if let Some((_, payload)) = &mut self.control {
            payload.extend_from_slice(bytes);
        }
    }
}

impl<R: ErrorType, W> ErrorType for Reader<R, W> {
    type Error = Error<R::Error>;
}

impl<R: Read, W: Write<Error = R::Error>> Read for Reader<R, W> {
    /// Cancel-safe.
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, Self::Error> {
        if buf.is_empty() {
            return Ok(0);
        }
        loop {
            match self.advance(buf).await? {
                Progress::Data(read) => return Ok(read),
                Progress::MessageEnd => {}
                Progress::End => return Ok(0),
            }
        }
    }
}

impl<R, W> fmt::Debug for Reader<R, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("role", &self.role).finish_non_exhaustive()
    }
}
