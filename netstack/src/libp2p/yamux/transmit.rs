//! What leaves: all that is ready, as few writes.

use alloc::vec::Vec;
use core::task::{Context, Poll};

use super::channel::{Channel, Sending};
use super::frame::{Flags, HEADER_BYTES, Header, Kind};
use super::limits::{BATCH_BYTES, SENT_FRAME_BYTES};
use super::session::Session;

/// Most bytes of one stream's turn that are not payload: credit, data and FIN frame.
const TURN_OVERHEAD_BYTES: usize = 3 * HEADER_BYTES;

/// What comes after a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// More of them.
    Batch,
    /// Nothing: the session has said all.
    Nothing,
}

impl Session {
    /// Fills `batch` with what is ready to leave, waiting until something is.
    pub(super) fn poll_batch(&mut self, batch: &mut Vec<u8>, context: &Context<'_>) -> Poll<Next> {
        if self.ended {
            return Poll::Ready(Next::Nothing);
        }
        self.fill(batch);
        if !batch.is_empty() {
            return Poll::Ready(Next::Batch);
        }
        if let Some(last) = self.leaving {
            put(batch, Kind::GoAway, Flags::NONE, 0, last.code());
            return Poll::Ready(Next::Nothing);
        }
        if self.peer_leaves && self.streams.is_empty() {
            return Poll::Ready(Next::Nothing);
        }
        // Nothing may come for long.
        *batch = Vec::new();
        self.wait_for_output(context);
        Poll::Pending
    }

    fn fill(&mut self, batch: &mut Vec<u8>) {
        if let Some(value) = self.ping.take() {
            self.unanswered = Some(value);
            put(batch, Kind::Ping, Flags::SYN, 0, value);
        }
        while let Some(value) = self.pongs.pop_front() {
            put(batch, Kind::Ping, Flags::ACK, 0, value);
        }
        while let Some(stream) = self.refusals.pop_front() {
            put(batch, Kind::WindowUpdate, Flags::RST, stream, 0);
        }
        // A frame may be cut to what is left of the batch, but not to a few bytes.
        while batch.len() + TURN_OVERHEAD_BYTES + SENT_FRAME_BYTES / 4 <= BATCH_BYTES {
            let Some(stream) = self.ready.pop_front() else { break };
            self.turn(stream, batch);
        }
    }

    /// Lets one stream send what it may, a frame of data at most.
    fn turn(&mut self, stream: u32, batch: &mut Vec<u8>) {
        let Some(channel) = self.streams.get_mut(&stream) else { return };
        channel.queued = false;
        let sent = channel.emit(stream, batch);
        if channel.has_output() {
            self.enqueue(stream);
        }
        self.sent(sent);
        self.settle(stream);
    }
}

impl Channel {
    /// Puts what may leave into `batch`; returns how many bytes of data.
    fn emit(&mut self, stream: u32, batch: &mut Vec<u8>) -> usize {
        if self.dead.is_some() {
            if core::mem::take(&mut self.reset_due) {
                put(batch, Kind::WindowUpdate, Flags::RST, stream, 0);
            }
            return 0;
        }
        if let Some(credit) = self.credit() {
            // Cannot overflow: what was consumed had been taken from the window.
            self.receive_window = self.receive_window.saturating_add(credit);
            self.consumed = 0;
            put(batch, Kind::WindowUpdate, self.take_due(), stream, credit);
        }
        let room = BATCH_BYTES.saturating_sub(batch.len() + TURN_OVERHEAD_BYTES);
        let window = usize::try_from(self.send_window).unwrap_or(usize::MAX);
        let most = SENT_FRAME_BYTES.min(room).min(window).min(self.outgoing.len());
        let length = u32::try_from(most).unwrap_or(0);
        if length > 0 {
            let due = self.take_due();
            put(batch, Kind::Data, due, stream, length);
            self.outgoing.take(most, |bytes| batch.extend_from_slice(bytes));
            self.send_window -= length;
            self.wake_writer();
        }
        if self.due != Flags::NONE {
            let due = self.take_due();
            put(batch, Kind::WindowUpdate, due, stream, 0);
        }
        if self.outgoing.is_empty() && self.sending == Sending::Ending {
            // A frame of its own: some peers take a FIN for the end before the data that it rides on.
            put(batch, Kind::Data, Flags::FIN, stream, 0);
            self.sending = Sending::Ended;
            self.wake_writer();
        }
        most
    }

    const fn take_due(&mut self) -> Flags {
        core::mem::replace(&mut self.due, Flags::NONE)
    }
}

fn put(batch: &mut Vec<u8>, kind: Kind, flags: Flags, stream: u32, length: u32) {
    batch.extend_from_slice(&Header { kind, flags, stream, length }.emit());
}
