//! One connection: what it has received, what it has to send, and how it ends. No input or output.

use alloc::collections::VecDeque;
use core::task::Waker;

use smoltcp::time::Instant;

use super::packet::{Address, Header, NO_RECEIVE, NO_SEND, Operation, STREAM};
use super::{CONNECTION_BYTES, VsockError};
use crate::limits::{VSOCK_RECEIVE_BYTES, VSOCK_SEND_BYTES};

/// Bytes taken by the reader after which the peer is told that there is room again.
const CREDIT_STEP: u32 = CONNECTION_BYTES / 4;

/// Moves bytes from the front of a queue to `out`, as many as there are or go there.
fn move_out(queue: &mut VecDeque<u8>, out: &mut [u8]) -> usize {
    let (first, second) = queue.as_slices();
    let head = first.len().min(out.len());
    let (to_first, to_second) = out.split_at_mut(head);
    let tail = second.len().min(to_second.len());
    to_first.copy_from_slice(&first[..head]);
    to_second[..tail].copy_from_slice(&second[..tail]);
    queue.drain(..head + tail);
    head + tail
}

/// Where a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The peer has not answered our request.
    Connecting,
    /// Both sides know of it.
    Open,
    /// The peer knows of it no more, or is about to be told that it is over.
    Over(Option<VsockError>),
}

/// Packets that carry nothing but news, and are to leave.
#[derive(Clone, Copy, Debug, Default)]
struct Due {
    request: bool,
    response: bool,
    reset: bool,
    credit: bool,
}

#[derive(Debug)]
pub(super) struct Connection {
    pub(super) peer: Address,
    pub(super) local_port: u32,
    pub(super) phase: Phase,
    /// Whether a stream still refers to it.
    pub(super) held: bool,
    /// When its end is no longer waited for.
    pub(super) deadline: Option<Instant>,
    due: Due,

    received: VecDeque<u8>,
    forwarded: u32,
    forwarded_told: u32,
    peer_sends_no_more: bool,

    unsent: VecDeque<u8>,
    sent: u32,
    peer_buffer: u32,
    peer_forwarded: u32,
    credit_asked: bool,
    peer_receives_no_more: bool,
    finished: bool,
    shutdown_told: u32,
    /// Whether something was written that the peer did not want.
    lost: bool,

    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Connection {
    fn new(peer: Address, local_port: u32, phase: Phase, due: Due) -> Self {
        Self {
            peer,
            local_port,
            phase,
            held: true,
            deadline: None,
            due,
            received: VecDeque::new(),
            forwarded: 0,
            forwarded_told: 0,
            peer_sends_no_more: false,
            unsent: VecDeque::new(),
            sent: 0,
            peer_buffer: 0,
            peer_forwarded: 0,
            credit_asked: false,
            peer_receives_no_more: false,
            finished: false,
            shutdown_told: 0,
            lost: false,
            reader: None,
            writer: None,
        }
    }

    /// A connection that we ask for.
    pub(super) fn requested(peer: Address, local_port: u32) -> Self {
        let due = Due { request: true, ..Due::default() };
        Self::new(peer, local_port, Phase::Connecting, due)
    }

    /// A connection that the peer asks for, accepted.
    pub(super) fn accepted(request: &Header) -> Self {
        let due = Due { response: true, ..Due::default() };
        let mut this = Self::new(request.from, request.to.port, Phase::Open, due);
        this.learn_credit(request);
        this
    }

    /// Whether packets between these two ends are this connection's.
    pub(super) fn is_between(&self, peer: Address, local_port: u32) -> bool {
        self.peer == peer && self.local_port == local_port && !matches!(self.phase, Phase::Over(_))
    }

    /// Whether nothing is left to do for it, and nobody holds it.
    pub(super) fn is_done(&self) -> bool {
        !self.held && matches!(self.phase, Phase::Over(_)) && !self.due.reset
    }

    fn wake(&mut self) {
        for waker in [self.reader.take(), self.writer.take()].into_iter().flatten() {
            waker.wake();
        }
    }

    /// It is over; the peer is told by a reset if `tell`.
    pub(super) fn end(&mut self, reason: Option<VsockError>, tell: bool) {
        if !matches!(self.phase, Phase::Over(_)) {
            self.phase = Phase::Over(reason);
            self.due = Due { reset: tell, ..Due::default() };
            self.drop_unsent();
        }
        self.wake();
    }

    fn drop_unsent(&mut self) {
        self.lost |= !self.unsent.is_empty();
        self.unsent = VecDeque::new();
    }

    fn learn_credit(&mut self, header: &Header) {
        self.peer_buffer = header.buffer;
        self.peer_forwarded = header.forwarded;
        if self.credit() > 0 {
            self.credit_asked = false;
        }
    }

    /// Bytes that the peer has room for. Numbers that cannot be (it forwarded more than was sent) leave none.
    fn credit(&self) -> u32 {
        self.peer_buffer.saturating_sub(self.sent.wrapping_sub(self.peer_forwarded))
    }

    /// A packet of the peer.
    pub(super) fn receive(&mut self, header: &Header, operation: Operation, data: &[u8]) {
        self.learn_credit(header);
        match (operation, self.phase) {
            (Operation::Reset, Phase::Connecting) => self.end(Some(VsockError::Refused), false),
            (Operation::Reset, _) => {
                let orderly = self.peer_sends_no_more || self.shutdown_told & NO_SEND != 0;
                self.end((!orderly).then_some(VsockError::Reset), false);
            }
            (Operation::Response, Phase::Connecting) => self.phase = Phase::Open,
            (_, Phase::Connecting) | (Operation::Request | Operation::Response, _) => {
                self.end(Some(VsockError::Reset), true);
            }
            (Operation::Data, _) => self.take_data(data),
            (Operation::Shutdown, _) => self.take_shutdown(header.flags),
            (Operation::CreditRequest, _) => self.due.credit = true,
            (Operation::CreditUpdate, _) => {}
        }
        self.wake();
    }

    fn take_data(&mut self, data: &[u8]) {
        if self.received.len().saturating_add(data.len()) > VSOCK_RECEIVE_BYTES
            || self.peer_sends_no_more
        {
            // It ignores how much room there is, or its own word.
            self.end(Some(VsockError::Reset), true);
        } else if self.held {
            self.received.extend(data);
        } else {
            // Nobody will read it, and the peer shall not wait for room to send the rest.
            self.forward(data.len());
        }
    }

    fn take_shutdown(&mut self, flags: u32) {
        self.peer_sends_no_more |= flags & NO_SEND != 0;
        if flags & NO_RECEIVE != 0 {
            self.peer_receives_no_more = true;
            self.drop_unsent();
        }
        if self.peer_sends_no_more && self.peer_receives_no_more {
            // The reset says that its word has arrived; what it sent before stays to be read.
            self.end(None, true);
        }
    }

    fn forward(&mut self, bytes: usize) {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.forwarded = self.forwarded.wrapping_add(bytes);
        if self.forwarded.wrapping_sub(self.forwarded_told) >= CREDIT_STEP {
            self.due.credit = true;
        }
    }

    /// Reads into `out`: nothing yet (the waker is kept), or so many bytes, 0 at the end.
    pub(super) fn read(
        &mut self,
        out: &mut [u8],
        waker: &Waker,
    ) -> Option<Result<usize, VsockError>> {
        if !self.received.is_empty() {
            let count = move_out(&mut self.received, out);
            self.forward(count);
            return Some(Ok(count));
        }
        match self.phase {
            Phase::Over(Some(error)) => Some(Err(error)),
            Phase::Over(None) => Some(Ok(0)),
            _ if self.peer_sends_no_more => Some(Ok(0)),
            _ => {
                self.reader = Some(waker.clone());
                None
            }
        }
    }

    /// Takes what of `data` there is room for: nothing yet (the waker is kept), or so many bytes.
    pub(super) fn write(
        &mut self,
        data: &[u8],
        waker: &Waker,
    ) -> Option<Result<usize, VsockError>> {
        match self.phase {
            Phase::Over(error) => return Some(Err(error.unwrap_or(VsockError::Closed))),
            _ if self.finished || self.peer_receives_no_more => {
                return Some(Err(VsockError::Closed));
            }
            _ => {}
        }
        let room = VSOCK_SEND_BYTES.saturating_sub(self.unsent.len());
        if room == 0 {
            self.writer = Some(waker.clone());
            return None;
        }
        let count = room.min(data.len());
        self.unsent.extend(data.get(..count).unwrap_or_default());
        Some(Ok(count))
    }

    /// Whether all that was written has left; the waker is kept while it has not.
    pub(super) fn flushed(&mut self, waker: &Waker) -> Option<Result<(), VsockError>> {
        match self.phase {
            Phase::Over(Some(error)) => Some(Err(error)),
            _ if self.lost => Some(Err(VsockError::Closed)),
            _ if self.unsent.is_empty() => Some(Ok(())),
            _ => {
                self.writer = Some(waker.clone());
                None
            }
        }
    }

    /// Whether the peer has accepted; the waker is kept while it has said nothing.
    pub(super) fn opened(&mut self, waker: &Waker) -> Option<Result<(), VsockError>> {
        match self.phase {
            Phase::Connecting => {
                self.reader = Some(waker.clone());
                None
            }
            Phase::Open => Some(Ok(())),
            Phase::Over(error) => Some(error.map_or(Ok(()), Err)),
        }
    }

    /// Nothing more will be written.
    pub(super) fn finish(&mut self) -> Result<(), VsockError> {
        self.finished = true;
        match self.phase {
            Phase::Over(Some(error)) => Err(error),
            _ => Ok(()),
        }
    }

    /// The stream is dropped: what was written goes out until `deadline`, then it is over.
    pub(super) fn let_go(&mut self, deadline: Instant) {
        self.held = false;
        self.finished = true;
        self.deadline = Some(deadline);
        self.reader = None;
        self.writer = None;
        let unread = core::mem::take(&mut self.received);
        self.forward(unread.len());
        if self.phase == Phase::Connecting {
            // The peer knows nothing of it if the request has not left.
            let tell = !self.due.request;
            self.end(None, tell);
        }
    }

    /// What the shutdown is to say, if it is to say more than it has.
    fn shutdown_flags(&self) -> Option<u32> {
        if !self.finished || !self.unsent.is_empty() {
            return None;
        }
        let flags = if self.held { NO_SEND } else { NO_SEND | NO_RECEIVE };
        (flags & !self.shutdown_told != 0).then_some(flags)
    }

    /// Whether [`Connection::next_packet`] would give one.
    pub(super) fn has_packet(&self) -> bool {
        let Due { request, response, reset, credit } = self.due;
        match self.phase {
            Phase::Over(_) => reset,
            Phase::Connecting => request,
            Phase::Open => {
                let data = !self.unsent.is_empty() && (self.credit() > 0 || !self.credit_asked);
                response || credit || data || self.shutdown_flags().is_some()
            }
        }
    }

    /// The next packet to send: its header, and its data written to `room`, as much as goes there.
    pub(super) fn next_packet(&mut self, own_cid: u64, room: &mut [u8]) -> Option<Header> {
        let mut length = 0;
        let mut flags = 0;
        let operation = if core::mem::take(&mut self.due.reset) {
            Operation::Reset
        } else if matches!(self.phase, Phase::Over(_)) {
            return None;
        } else if core::mem::take(&mut self.due.request) {
            Operation::Request
        } else if self.phase == Phase::Connecting {
            return None;
        } else if core::mem::take(&mut self.due.response) {
            Operation::Response
        } else if !self.unsent.is_empty() && self.credit() > 0 {
            length = self.take_unsent(room);
            Operation::Data
        } else if !self.unsent.is_empty() && !self.credit_asked {
            self.credit_asked = true;
            Operation::CreditRequest
        } else if let Some(told) = self.shutdown_flags() {
            flags = told;
            self.shutdown_told |= told;
            Operation::Shutdown
        } else if self.due.credit {
            Operation::CreditUpdate
        } else {
            return None;
        };
        // Every packet tells how much room there is.
        self.due.credit = false;
        self.forwarded_told = self.forwarded;
        Some(Header {
            from: Address { cid: own_cid, port: self.local_port },
            to: self.peer,
            length,
            kind: STREAM,
            operation: operation as u16,
            flags,
            buffer: CONNECTION_BYTES,
            forwarded: self.forwarded,
        })
    }

    fn take_unsent(&mut self, room: &mut [u8]) -> u32 {
        let credit = usize::try_from(self.credit()).unwrap_or(usize::MAX);
        let most = room.len().min(credit);
        let count = move_out(&mut self.unsent, room.get_mut(..most).unwrap_or_default());
        if let Some(writer) = self.writer.take() {
            writer.wake();
        }
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.sent = self.sent.wrapping_add(count);
        count
    }

    /// As if so many bytes had gone each way.
    #[cfg(test)]
    pub(super) fn count_as_passed(&mut self, bytes: u32) {
        self.sent = self.sent.wrapping_add(bytes);
        self.forwarded = self.forwarded.wrapping_add(bytes);
        self.forwarded_told = self.forwarded;
    }
}
