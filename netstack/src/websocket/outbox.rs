//! What leaves: the frame that is being gathered, and control frames between frames.
//!
//! Both halves of a WebSocket share it. The reading half only leaves [`Signals`] and, while it waits for
//! bytes, helps them out; so a ping is answered also when nobody writes, and reading never waits for
//! writing.

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;

use embedded_io_async::Write;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

use super::Error;
use super::frame::{Header, LONGEST_HEADER, Mask, Opcode, apply_mask};
use super::limits::FRAME_PAYLOAD_BYTES;
use super::lock::Lock;
use crate::stream;

/// The outbox and what the reading half wants to leave.
pub(super) struct Shared<W> {
    pub(super) outbox: Lock<Outbox<W>>,
    pub(super) signals: RefCell<Signals>,
}

/// Control frames that the reading half has cause to send.
#[derive(Debug, Default)]
pub(super) struct Signals {
    /// The payload of the last ping: a pong may stand for several (RFC 6455 section 5.5.3).
    pong: Option<Vec<u8>>,
    /// The payload of a close frame.
    close: Option<Vec<u8>>,
    /// One of them has been set, and not all that was to leave since then has left.
    is_owed: bool,
}

impl Signals {
    pub(super) fn pong(&mut self, payload: Vec<u8>) {
        self.pong = Some(payload);
        self.is_owed = true;
    }

    pub(super) fn close(&mut self, payload: Vec<u8>) {
        self.close = Some(payload);
        self.is_owed = true;
    }
}

impl<W> Shared<W> {
    pub(super) fn new(inner: W, mask_seed: Option<[u8; 32]>) -> Rc<Self> {
        Rc::new(Self {
            outbox: Lock::new(Outbox {
                inner,
                masks: mask_seed.map(ChaCha8Rng::from_seed),
                frame: Vec::new(),
                leaving: None,
                control: Vec::new(),
                control_sent: 0,
                closed: false,
            }),
            signals: RefCell::new(Signals::default()),
        })
    }

    /// True when the reading half should help something out.
    pub(super) fn is_owed(&self) -> bool {
        self.signals.borrow().is_owed
    }
}

impl<W: Write> Shared<W> {
    /// Sends the signals. Cancel-safe: what is not sent goes on with the next call, or with a write.
    pub(super) async fn deliver(&self) -> Result<(), Error<W::Error>> {
        let mut outbox = self.outbox.lock().await;
        outbox.drain(&self.signals).await?;
        outbox.inner.flush().await.map_err(Error::Stream)
    }
}

/// The sending side of a WebSocket.
pub(super) struct Outbox<W> {
    inner: W,
    /// Where the client's masks come from: they must be unpredictable (RFC 6455 section 10.3).
    masks: Option<ChaCha8Rng>,
    /// Room for a header, then the payload gathered, or leaving.
    frame: Vec<u8>,
    /// Where what is left of a sealed frame begins, and whether some of it has left.
    leaving: Option<(usize, bool)>,
    /// Control frames that leave next.
    control: Vec<u8>,
    control_sent: usize,
    /// A close frame has left or is about to; no data may follow it.
    closed: bool,
}

/// What leaves next.
#[derive(Clone, Copy)]
enum Next {
    Frame(usize),
    Control(usize),
}

impl<W> Outbox<W> {
    pub(super) fn buffered_bytes(&self) -> usize {
        self.frame.capacity() + self.control.capacity()
    }

    fn gathered(&self) -> usize {
        self.frame.len().saturating_sub(LONGEST_HEADER)
    }

    fn mask(&mut self) -> Option<Mask> {
        self.masks.as_mut().map(|masks| masks.next_u32().to_ne_bytes())
    }

    /// Gives what was gathered its header, if there is anything.
    fn seal(&mut self) {
        if self.frame.is_empty() {
            return;
        }
        let mask = self.mask();
        let Some((room, payload)) = self.frame.split_first_chunk_mut() else { return };
        let length = payload.len() as u64;
        let header = Header { is_final: true, opcode: Opcode::Binary, mask, length };
        if let Some(mask) = mask {
            apply_mask(payload, mask, 0);
        }
        self.leaving = Some((header.emit_before(room), false));
    }

    fn put_control(&mut self, opcode: Opcode, payload: &[u8]) {
        let mask = self.mask();
        let header = Header { is_final: true, opcode, mask, length: payload.len() as u64 };
        header.emit(&mut self.control);
        let start = self.control.len();
        self.control.extend_from_slice(payload);
        if let Some(mask) = mask {
            apply_mask(self.control.get_mut(start..).unwrap_or_default(), mask, 0);
        }
        self.closed |= opcode == Opcode::Close;
    }

    fn take_signals(&mut self, signals: &RefCell<Signals>) {
        let mut signals = signals.borrow_mut();
        let (pong, close) = (signals.pong.take(), signals.close.take());
        drop(signals);
        if self.closed {
            return;
        }
        if let Some(payload) = pong {
            self.put_control(Opcode::Pong, &payload);
        }
        if let Some(payload) = close {
            self.put_control(Opcode::Close, &payload);
        }
    }

    /// Control frames go between frames, before one that has not begun to leave.
    fn next(&mut self, signals: &RefCell<Signals>) -> Option<Next> {
        if let Some((start, true)) = self.leaving {
            return Some(Next::Frame(start));
        }
        if self.control.is_empty() {
            self.take_signals(signals);
        }
        if !self.control.is_empty() {
            return Some(Next::Control(self.control_sent));
        }
        let (start, _) = self.leaving?;
        if self.closed {
            self.frame = Vec::new();
            self.leaving = None;
            return None;
        }
        Some(Next::Frame(start))
    }
}

impl<W: Write> Outbox<W> {
    /// Sends what is sealed, and the signals. Cancel-safe: goes on where it was.
    async fn drain(&mut self, signals: &RefCell<Signals>) -> Result<(), Error<W::Error>> {
        while let Some(next) = self.next(signals) {
            let rest = match next {
                Next::Frame(start) => self.frame.get(start..),
                Next::Control(start) => self.control.get(start..),
            };
            let rest = rest.unwrap_or_default();
            let written = self.inner.write(rest).await.map_err(Error::Stream)?;
            let is_over = written >= rest.len();
            match next {
                _ if written == 0 => return Err(Error::Truncated),
                Next::Frame(_) if is_over => {
                    self.frame.clear();
                    self.leaving = None;
                }
                Next::Frame(start) => self.leaving = Some((start + written, true)),
                Next::Control(_) if is_over => {
                    self.control = Vec::new();
                    self.control_sent = 0;
                }
                Next::Control(start) => self.control_sent = start + written,
            }
        }
        signals.borrow_mut().is_owed = false;
        Ok(())
    }

    /// Gathers; waits only when a frame is full, or one is still leaving.
    pub(super) async fn write(
        &mut self,
        bytes: &[u8],
        signals: &RefCell<Signals>,
    ) -> Result<usize, Error<W::Error>> {
        if self.leaving.is_none() && self.gathered() == FRAME_PAYLOAD_BYTES {
            self.seal();
        }
        if self.leaving.is_some() {
            self.drain(signals).await?;
        }
        if self.closed {
            return Err(Error::Closed);
        }
        let taken = bytes.get(..FRAME_PAYLOAD_BYTES - self.gathered()).unwrap_or(bytes);
        if self.frame.is_empty() {
            self.frame.reserve(LONGEST_HEADER + taken.len());
            self.frame.extend_from_slice(&[0; LONGEST_HEADER]);
        }
        self.frame.extend_from_slice(taken);
        Ok(taken.len())
    }

    /// Sends what was gathered and gives the buffer back.
    pub(super) async fn flush(
        &mut self,
        signals: &RefCell<Signals>,
    ) -> Result<(), Error<W::Error>> {
        if self.leaving.is_none() {
            self.seal();
        }
        self.drain(signals).await?;
        self.frame = Vec::new();
        self.inner.flush().await.map_err(Error::Stream)
    }
}

impl<W: stream::Writer> Outbox<W> {
    /// Sends what was gathered, then a close frame unless one has left, then the end of the stream.
    pub(super) async fn shutdown(
        &mut self,
        signals: &RefCell<Signals>,
        status: u16,
    ) -> Result<(), Error<W::Error>> {
        self.flush(signals).await?;
        if !self.closed {
            self.put_control(Opcode::Close, &status.to_be_bytes());
        }
        self.flush(signals).await?;
        self.inner.shutdown().await.map_err(Error::Stream)
    }
}
