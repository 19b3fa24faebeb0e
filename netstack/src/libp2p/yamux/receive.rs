//! What arrives: bytes in any pieces, into the session.

use alloc::boxed::Box;

use super::channel::{Channel, Owner};
use super::frame::{Flags, HEADER_BYTES, Header, Kind};
use super::limits::{MAX_FRAME_BYTES, MAX_QUEUED_PONGS, MAX_QUEUED_REFUSALS, STREAM_BYTES};
use super::session::Session;
use super::{End, Error, Violation};

/// Where in a frame the bytes that arrived end.
#[derive(Debug)]
pub(super) enum Input {
    Header { bytes: [u8; HEADER_BYTES], filled: usize },
    Payload { stream: u32, left: usize, ends: bool },
}

impl Input {
    pub(super) const fn new() -> Self {
        Self::Header { bytes: [0; HEADER_BYTES], filled: 0 }
    }
}

impl Session {
    /// Takes bytes that arrived. Returns how many: fewer than all when nothing more can be buffered.
    pub(super) fn receive(&mut self, bytes: &[u8]) -> Result<usize, End> {
        let mut rest = bytes;
        while !rest.is_empty() {
            match &mut self.input {
                Input::Header { bytes, filled } => {
                    let slots = bytes.get_mut(*filled..).unwrap_or_default();
                    let count = slots.len().min(rest.len());
                    for (slot, byte) in slots.iter_mut().zip(rest) {
                        *slot = *byte;
                    }
                    *filled += count;
                    rest = rest.get(count..).unwrap_or_default();
                    if *filled == HEADER_BYTES {
                        let header = Header::parse(*bytes).map_err(End::Violation)?;
                        self.input = Input::new();
                        self.frame(header)?;
                    }
                }
                &mut Input::Payload { stream, left, ends } => {
                    let now = left.min(rest.len());
                    let taken = self.payload(stream, rest.get(..now).unwrap_or_default());
                    if taken == 0 {
                        break;
                    }
                    rest = rest.get(taken..).unwrap_or_default();
                    self.expect(stream, left - taken, ends);
                }
            }
        }
        let taken = bytes.len() - rest.len();
        self.received_bytes += taken as u64;
        Ok(taken)
    }

    /// What is left of a frame's payload; its end may be that of the stream.
    fn expect(&mut self, stream: u32, left: usize, ends: bool) {
        self.input = if left > 0 { Input::Payload { stream, left, ends } } else { Input::new() };
        if left == 0 && ends {
            self.remote_end(stream);
        }
    }

    /// Buffers some of a payload for its reader, or drops all of it when there is none.
    fn payload(&mut self, stream: u32, bytes: &[u8]) -> usize {
        let room = self.received.room();
        let Some(channel) = self.streams.get_mut(&stream).filter(|channel| channel.is_readable())
        else {
            return bytes.len();
        };
        let kept = bytes.get(..room.min(bytes.len())).unwrap_or_default();
        channel.incoming.push(kept);
        channel.wake_reader();
        self.received.add(kept.len());
        kept.len()
    }

    fn frame(&mut self, header: Header) -> Result<(), End> {
        match header.kind {
            Kind::Ping => self.pinged(header),
            Kind::GoAway if header.length == 0 => {
                self.peer_leaves = true;
                self.wake_all_waiting();
                self.wake_transmitter();
                Ok(())
            }
            Kind::GoAway => Err(End::GoneAway(header.length)),
            Kind::Data | Kind::WindowUpdate => self.stream_frame(header),
        }
    }

    fn pinged(&mut self, header: Header) -> Result<(), End> {
        if header.flags.has(Flags::SYN) {
            if self.pongs.len() >= MAX_QUEUED_PONGS {
                return Err(End::Flood);
            }
            self.pongs.push_back(header.length);
            self.wake_transmitter();
        } else if header.flags.has(Flags::ACK) && self.unanswered == Some(header.length) {
            self.unanswered = None;
        }
        Ok(())
    }

    fn stream_frame(&mut self, header: Header) -> Result<(), End> {
        let Header { kind, flags, stream, length } = header;
        if stream == 0 {
            return Err(End::Violation(Violation::StreamZero));
        }
        if kind == Kind::Data && length > MAX_FRAME_BYTES {
            return Err(End::Violation(Violation::FrameTooLong));
        }
        if flags.has(Flags::SYN) {
            self.opened(stream, flags)?;
        }
        if flags.has(Flags::ACK) && self.role.owns(stream) {
            self.acknowledge(stream);
        }
        if flags.has(Flags::RST)
            && let Some(channel) = self.streams.get_mut(&stream)
        {
            channel.reset_due = false;
            let why = channel.dead.unwrap_or(Error::Reset);
            self.kill(stream, why);
        }
        let ends = flags.has(Flags::FIN);
        let known = self.streams.get_mut(&stream).filter(|channel| channel.dead.is_none());
        match (kind, known) {
            (Kind::Data, channel) => {
                // What follows its end, or that of a stream that is gone, is dropped.
                if let Some(channel) = channel.filter(|channel| !channel.remote_ended) {
                    let window = channel.receive_window.checked_sub(length);
                    channel.receive_window = window.ok_or(End::Violation(Violation::Window))?;
                }
                self.expect(stream, usize::try_from(length).unwrap_or(usize::MAX), ends);
            }
            (_, Some(channel)) => {
                let window = channel.send_window.checked_add(length);
                channel.send_window = window.ok_or(End::Violation(Violation::WindowOverflow))?;
                if channel.has_output() {
                    self.enqueue(stream);
                }
                if ends {
                    self.remote_end(stream);
                }
            }
            (_, None) => {}
        }
        Ok(())
    }

    /// The peer opens a stream, unless it takes that back at once.
    fn opened(&mut self, stream: u32, flags: Flags) -> Result<(), End> {
        if self.role.owns(stream) {
            return Err(End::Violation(Violation::Parity));
        }
        if self.streams.contains_key(&stream) {
            return Err(End::Violation(Violation::Duplicate));
        }
        if flags.has(Flags::RST) {
            return Ok(());
        }
        if self.leaving.is_some() || self.opened.room() < STREAM_BYTES {
            if self.refusals.len() >= MAX_QUEUED_REFUSALS {
                return Err(End::Flood);
            }
            self.refusals.push_back(stream);
            self.wake_transmitter();
            return Ok(());
        }
        let channel = Channel::new(Owner::Nobody, Flags::NONE, true);
        self.streams.insert(stream, Box::new(channel));
        self.streams_in += 1;
        self.opened.add(STREAM_BYTES);
        self.unaccepted.insert(stream);
        self.wake_accepting();
        Ok(())
    }

    /// The peer sends nothing more on a stream.
    fn remote_end(&mut self, stream: u32) {
        if let Some(channel) = self.streams.get_mut(&stream)
            && channel.dead.is_none()
        {
            channel.remote_ended = true;
            channel.wake_reader();
            self.settle(stream);
        }
    }
}
