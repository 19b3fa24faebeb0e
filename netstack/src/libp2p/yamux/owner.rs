//! What those who have streams do: open, accept, read, write, end.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::task::{Context, Poll, Waker};

use super::Error;
use super::channel::{Channel, Owner, Sending};
use super::frame::Flags;
use super::limits::{MAX_LINGERING, STREAM_LEAST_SEND_BYTES, STREAM_SEND_BYTES};
use super::session::Session;

impl Session {
    /// Opens a stream when it is the turn of `ticket` and the limits allow it.
    pub(super) fn poll_open(
        &mut self,
        ticket: u64,
        context: &Context<'_>,
    ) -> Poll<Result<u32, Error>> {
        if !self.is_open() {
            return Poll::Ready(Err(Error::Gone));
        }
        let is_first = self.opening.keys().next().is_none_or(|&first| first >= ticket);
        if !is_first || !self.may_open() {
            self.opening.insert(ticket, context.waker().clone());
            return Poll::Pending;
        }
        let Some(id) = self.next_stream else { return Poll::Ready(Err(Error::Gone)) };
        self.next_stream = id.checked_add(2);
        self.streams.insert(id, Box::new(Channel::new(Owner::Held, Flags::SYN, false)));
        self.streams_out += 1;
        self.unacknowledged += 1;
        self.enqueue(id);
        Poll::Ready(Ok(id))
    }

    /// A place in the line of those that want to open a stream.
    pub(super) const fn ticket(&mut self) -> u64 {
        self.next_ticket += 1;
        self.next_ticket
    }

    /// Gives up a place in the line, served or not.
    pub(super) fn give_up(&mut self, ticket: u64) {
        self.opening.remove(&ticket);
        self.wake_opening();
    }

    /// The oldest stream that the peer has opened; none once there will be no more.
    pub(super) fn poll_accept(&mut self, context: &Context<'_>) -> Poll<Option<u32>> {
        let Some(id) = self.unaccepted.pop_first() else {
            if self.ended || self.leaving.is_some() {
                return Poll::Ready(None);
            }
            remember(&mut self.accepting, context);
            return Poll::Pending;
        };
        if let Some(channel) = self.streams.get_mut(&id) {
            channel.owner = Owner::Held;
            channel.due = channel.due.with(Flags::ACK);
        }
        self.enqueue(id);
        Poll::Ready(Some(id))
    }

    /// Reads what is buffered of a stream; 0 at its end.
    pub(super) fn poll_read(
        &mut self,
        id: u32,
        buf: &mut [u8],
        context: &Context<'_>,
    ) -> Poll<Result<usize, Error>> {
        let Some(channel) = self.streams.get_mut(&id) else {
            return Poll::Ready(Err(Error::Gone));
        };
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let read = channel.incoming.read(buf);
        if read == 0 {
            if channel.remote_ended {
                return Poll::Ready(Ok(0));
            }
            if let Some(error) = channel.dead {
                return Poll::Ready(Err(error));
            }
            channel.reader = Some(context.waker().clone());
            return Poll::Pending;
        }
        channel.consumed += u32::try_from(read).unwrap_or(u32::MAX);
        let grants = channel.credit().is_some();
        self.received.free(read);
        self.wake_receiver();
        if grants {
            self.enqueue(id);
        }
        Poll::Ready(Ok(read))
    }

    /// Buffers some of `buf` to be sent.
    pub(super) fn poll_write(
        &mut self,
        id: u32,
        buf: &[u8],
        context: &Context<'_>,
    ) -> Poll<Result<usize, Error>> {
        let room = self.limits.send_bytes.saturating_sub(self.send_buffered);
        let channel = match self.sending(id) {
            Ok(channel) => channel,
            Err(error) => return Poll::Ready(Err(error)),
        };
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let own = STREAM_SEND_BYTES.saturating_sub(channel.outgoing.len());
        // Streams whose peer grants nothing must not keep a short message of another from leaving.
        let least = if channel.outgoing.is_empty() { STREAM_LEAST_SEND_BYTES } else { 0 };
        let written = buf.len().min(own).min(room.max(least));
        if written == 0 {
            channel.writer = Some(context.waker().clone());
            if own > 0 {
                self.crowded.insert(id);
            }
            return Poll::Pending;
        }
        channel.outgoing.push(buf.get(..written).unwrap_or_default());
        let ready = channel.has_output();
        self.send_buffered += written;
        if ready {
            self.enqueue(id);
        }
        Poll::Ready(Ok(written))
    }

    /// Waits until all that was written has left.
    pub(super) fn poll_flush(&mut self, id: u32, context: &Context<'_>) -> Poll<Result<(), Error>> {
        let Some(channel) = self.streams.get_mut(&id) else {
            return Poll::Ready(Err(Error::Gone));
        };
        if channel.outgoing.is_empty() && channel.sending != Sending::Ending {
            // Nothing can be lost any more, whatever has become of the stream since.
            return Poll::Ready(channel.dead.map_or(Ok(()), |error| match channel.sending {
                Sending::Ended => Ok(()),
                _ => Err(error),
            }));
        }
        if let Some(error) = channel.dead {
            return Poll::Ready(Err(error));
        }
        channel.writer = Some(context.waker().clone());
        Poll::Pending
    }

    /// Ends the sending side after what is buffered.
    pub(super) fn shutdown(&mut self, id: u32) {
        let Some(channel) = self.streams.get_mut(&id) else { return };
        if channel.sending == Sending::Open && channel.dead.is_none() {
            channel.sending = Sending::Ending;
            if channel.has_output() {
                self.enqueue(id);
            }
        }
    }

    /// The stream, if it can be written to.
    fn sending(&mut self, id: u32) -> Result<&mut Channel, Error> {
        let leaving = self.leaving.is_some();
        let channel = self.streams.get_mut(&id).ok_or(Error::Gone)?;
        match (channel.dead, channel.sending) {
            (Some(error), _) => Err(error),
            (None, Sending::Open) if leaving => Err(Error::Gone),
            (None, Sending::Open) => Ok(channel),
            (None, _) => Err(Error::Shut),
        }
    }

    /// Ends a stream both ways at once.
    pub(super) fn reset(&mut self, id: u32) {
        let Some(channel) = self.streams.get_mut(&id) else { return };
        if channel.dead.is_some() {
            return;
        }
        // The peer does not know a stream whose opening has not left.
        channel.reset_due = !channel.due.has(Flags::SYN);
        let queue = channel.reset_due;
        self.kill(id, Error::Reset);
        if queue {
            self.enqueue(id);
        }
    }

    /// The owner of a stream is gone: in order if it had ended, else the stream is reset.
    pub(super) fn release(&mut self, id: u32) {
        let Some(channel) = self.streams.get_mut(&id) else { return };
        channel.owner = Owner::Dropped;
        self.received.free(channel.incoming.len());
        channel.incoming.clear();
        let ended = channel.sending == Sending::Ended;
        self.wake_receiver();
        if !ended {
            self.reset(id);
        }
        self.settle(id);
        if self.streams.contains_key(&id) && ended {
            self.lingering.push_back(id);
            if self.lingering.len() > MAX_LINGERING
                && let Some(oldest) = self.lingering.pop_front()
            {
                self.reset(oldest);
            }
        }
    }
}

fn remember(wakers: &mut Vec<Waker>, context: &Context<'_>) {
    if !wakers.iter().any(|waker| waker.will_wake(context.waker())) {
        wakers.push(context.waker().clone());
    }
}
