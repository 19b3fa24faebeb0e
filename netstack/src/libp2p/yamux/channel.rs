//! What is known of one stream: its windows, its buffers, what it has to send, who waits for it.

use core::task::Waker;

use super::Error;
use super::buffer::Buffer;
use super::frame::Flags;
use super::limits::WINDOW_BYTES;

/// How far the sending side is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sending {
    Open,
    /// Ends after what is buffered.
    Ending,
    /// FIN has left.
    Ended,
}

/// Whether anybody here has the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// Not accepted yet.
    Nobody,
    /// There is a [`Stream`](super::Stream).
    Held,
    /// There was one. What still arrives is dropped.
    Dropped,
}

/// One stream.
#[derive(Debug)]
pub(super) struct Channel {
    pub(super) owner: Owner,
    /// Set once no more frames are exchanged.
    pub(super) dead: Option<Error>,

    pub(super) incoming: Buffer,
    /// Bytes that the peer may send.
    pub(super) receive_window: u32,
    /// Bytes read here that the peer may not send again yet.
    pub(super) consumed: u32,
    pub(super) remote_ended: bool,

    pub(super) outgoing: Buffer,
    /// Bytes that the peer lets us send.
    pub(super) send_window: u32,
    pub(super) sending: Sending,

    /// SYN or ACK that the next frame carries.
    pub(super) due: Flags,
    pub(super) reset_due: bool,
    /// Whether the peer has acknowledged a stream of ours.
    pub(super) acknowledged: bool,
    /// Whether it stands in the queue of those that have something to send.
    pub(super) queued: bool,

    pub(super) reader: Option<Waker>,
    pub(super) writer: Option<Waker>,
}

impl Channel {
    pub(super) const fn new(owner: Owner, due: Flags, acknowledged: bool) -> Self {
        Self {
            owner,
            dead: None,
            incoming: Buffer::new(),
            receive_window: WINDOW_BYTES,
            consumed: 0,
            remote_ended: false,
            outgoing: Buffer::new(),
            send_window: WINDOW_BYTES,
            sending: Sending::Open,
            due,
            reset_due: false,
            acknowledged,
            queued: false,
            reader: None,
            writer: None,
        }
    }

    /// Whether received bytes are kept for a reader.
    pub(super) fn is_readable(&self) -> bool {
        self.owner != Owner::Dropped && !self.remote_ended && self.dead.is_none()
    }

    /// Bytes to grant anew, once they are worth a frame.
    pub(super) fn credit(&self) -> Option<u32> {
        (self.consumed >= WINDOW_BYTES / 2 && self.is_readable()).then_some(self.consumed)
    }

    /// Whether a frame can leave now.
    pub(super) fn has_output(&self) -> bool {
        if self.dead.is_some() {
            return self.reset_due;
        }
        self.due != Flags::NONE
            || self.credit().is_some()
            || (!self.outgoing.is_empty() && self.send_window > 0)
            || (self.outgoing.is_empty() && self.sending == Sending::Ending)
    }

    /// Whether both sides have said all.
    pub(super) fn is_finished(&self) -> bool {
        self.dead.is_some() && !self.reset_due
            || self.remote_ended && self.sending == Sending::Ended
    }

    pub(super) fn wake_reader(&mut self) {
        if let Some(waker) = self.reader.take() {
            waker.wake();
        }
    }

    pub(super) fn wake_writer(&mut self) {
        if let Some(waker) = self.writer.take() {
            waker.wake();
        }
    }
}
