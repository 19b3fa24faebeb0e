//! The state of a connection, and what its streams' owners do to it.
//!
//! Nothing here waits or does input or output: [`receive`](super::receive) takes bytes that arrived,
//! [`transmit`](super::transmit) gives bytes to send, and wakers say when something has changed.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::task::{Context, Poll, Waker};

use super::channel::{Channel, Owner, Sending};
use super::frame::Flags;
use super::limits::{MAX_LINGERING, STREAM_SEND_BYTES};
use super::receive::Input;
use super::{Counters, Error, GoAway, Limits, Role};

/// One end of a connection.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) role: Role,
    pub(super) limits: Limits,
    pub(super) input: Input,
    /// Boxed, since the nodes of the map would take the room of eleven streams for one.
    pub(super) streams: BTreeMap<u32, Box<Channel>>,
    /// Opened by the peer, not accepted here.
    pub(super) unaccepted: BTreeSet<u32>,
    /// Those that may have something to send, in turn.
    pub(super) ready: VecDeque<u32>,
    /// Finished here, dropped, not finished by the peer; the longest first.
    lingering: VecDeque<u32>,
    pub(super) refusals: VecDeque<u32>,
    pub(super) pongs: VecDeque<u32>,
    /// A ping to send.
    pub(super) ping: Option<u32>,
    /// A ping that was not answered yet.
    pub(super) unanswered: Option<u32>,
    next_stream: Option<u32>,
    pub(super) streams_in: usize,
    pub(super) streams_out: usize,
    pub(super) unacknowledged: usize,
    pub(super) receive_buffered: usize,
    pub(super) send_buffered: usize,
    /// Bytes that arrived in all.
    pub(super) received_bytes: u64,
    /// What to say at last, once it is decided to leave.
    pub(super) leaving: Option<GoAway>,
    pub(super) peer_leaves: bool,
    ended: bool,
    /// Who writes to the connection below.
    transmitter: Option<Waker>,
    /// Who reads from it and has no room.
    receiver: Option<Waker>,
    accepting: Vec<Waker>,
    /// Those that want to open a stream, in order.
    opening: BTreeMap<u64, Waker>,
    next_ticket: u64,
    /// Writers that wait for [`Limits::send_bytes`].
    crowded: BTreeSet<u32>,
}

impl Session {
    pub(super) fn new(role: Role, limits: Limits) -> Self {
        Self {
            role,
            limits,
            input: Input::new(),
            streams: BTreeMap::new(),
            unaccepted: BTreeSet::new(),
            ready: VecDeque::new(),
            lingering: VecDeque::new(),
            refusals: VecDeque::new(),
            pongs: VecDeque::new(),
            ping: None,
            unanswered: None,
            next_stream: Some(role.first_stream()),
            streams_in: 0,
            streams_out: 0,
            unacknowledged: 0,
            receive_buffered: 0,
            send_buffered: 0,
            received_bytes: 0,
            leaving: None,
            peer_leaves: false,
            ended: false,
            transmitter: None,
            receiver: None,
            accepting: Vec::new(),
            opening: BTreeMap::new(),
            next_ticket: 0,
            crowded: BTreeSet::new(),
        }
    }

    pub(super) fn counters(&self) -> Counters {
        Counters {
            streams_in: self.streams_in,
            streams_out: self.streams_out,
            unacknowledged: self.unacknowledged,
            receive_buffered: self.receive_buffered,
            send_buffered: self.send_buffered,
            received_bytes: self.received_bytes,
        }
    }

    /// Whether new streams can be had.
    pub(super) const fn is_open(&self) -> bool {
        !self.ended && !self.peer_leaves && self.leaving.is_none()
    }

    pub(super) const fn has_ended(&self) -> bool {
        self.ended
    }

    /// Says `last` after all that is ready, then ends.
    pub(super) fn leave(&mut self, last: GoAway) {
        if self.leaving.is_none() {
            self.leaving = Some(last);
            self.wake_transmitter();
            self.wake_all_waiting();
        }
    }

    /// Ends: what arrived can still be read, everything else fails.
    pub(super) fn end(&mut self) {
        if self.ended {
            return;
        }
        self.ended = true;
        for channel in self.streams.values_mut() {
            if channel.dead.is_none() {
                channel.dead = Some(Error::Gone);
            }
            channel.reset_due = false;
            self.send_buffered -= channel.outgoing.len();
            channel.outgoing.clear();
            channel.wake_reader();
            channel.wake_writer();
        }
        // Those that have an owner go with it.
        let owned = |id: &u32| self.streams.get(id).is_some_and(|it| it.owner == Owner::Held);
        let orphans: Vec<u32> = self.streams.keys().copied().filter(|id| !owned(id)).collect();
        for id in orphans {
            self.remove(id);
        }
        self.ready = VecDeque::new();
        self.refusals = VecDeque::new();
        self.pongs = VecDeque::new();
        self.wake_transmitter();
        self.wake_receiver();
        self.wake_all_waiting();
    }

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

    const fn may_open(&self) -> bool {
        self.streams_out < self.limits.streams_out
            && self.unacknowledged < self.limits.unacknowledged
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
        self.receive_buffered -= read;
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
        let room = self.limits.send_bytes.max(1).saturating_sub(self.send_buffered);
        let channel = match self.sending(id) {
            Ok(channel) => channel,
            Err(error) => return Poll::Ready(Err(error)),
        };
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let own = STREAM_SEND_BYTES.saturating_sub(channel.outgoing.len());
        let written = buf.len().min(own).min(room);
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
        self.receive_buffered -= channel.incoming.len();
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

    /// No more frames of this stream; what arrived can still be read.
    pub(super) fn kill(&mut self, id: u32, why: Error) {
        let Some(channel) = self.streams.get_mut(&id) else { return };
        channel.dead = Some(why);
        let unsent = channel.outgoing.len();
        channel.outgoing.clear();
        channel.wake_reader();
        channel.wake_writer();
        self.acknowledge(id);
        self.sent(unsent);
        self.settle(id);
    }

    /// The peer knows of a stream of ours, or need not any more.
    pub(super) fn acknowledge(&mut self, id: u32) {
        let Some(channel) = self.streams.get_mut(&id) else { return };
        if !channel.acknowledged {
            channel.acknowledged = true;
            self.unacknowledged -= 1;
            self.wake_opening();
        }
    }

    /// `bytes` of what is buffered to be sent are not any more.
    pub(super) fn sent(&mut self, bytes: usize) {
        if bytes == 0 {
            return;
        }
        self.send_buffered -= bytes;
        while let Some(id) = self.crowded.pop_first() {
            if let Some(channel) = self.streams.get_mut(&id) {
                channel.wake_writer();
            }
        }
    }

    /// Forgets a stream that is over and that nobody has.
    pub(super) fn settle(&mut self, id: u32) {
        let over = self
            .streams
            .get(&id)
            .is_some_and(|channel| channel.owner != Owner::Held && channel.is_finished());
        if over {
            self.remove(id);
        }
    }

    fn remove(&mut self, id: u32) {
        self.acknowledge(id);
        let Some(channel) = self.streams.remove(&id) else { return };
        self.receive_buffered -= channel.incoming.len();
        self.sent(channel.outgoing.len());
        self.unaccepted.remove(&id);
        self.crowded.remove(&id);
        self.lingering.retain(|&lingering| lingering != id);
        if self.role.owns(id) {
            self.streams_out -= 1;
            self.wake_opening();
        } else {
            self.streams_in -= 1;
        }
        self.wake_receiver();
        if self.peer_leaves && self.streams.is_empty() {
            self.wake_transmitter();
        }
        if self.streams.is_empty() {
            // What a busy time has left behind.
            self.ready = VecDeque::new();
            self.lingering = VecDeque::new();
        }
    }

    /// Puts a stream at the end of those that have something to send.
    pub(super) fn enqueue(&mut self, id: u32) {
        let Some(channel) = self.streams.get_mut(&id) else { return };
        if !channel.queued && !self.ended {
            channel.queued = true;
            self.ready.push_back(id);
            self.wake_transmitter();
        }
    }

    /// Completes when there is room for what arrives, or the connection has ended.
    pub(super) fn poll_room(&mut self, context: &Context<'_>) -> Poll<()> {
        if self.room() > 0 || self.ended {
            return Poll::Ready(());
        }
        self.receiver = Some(context.waker().clone());
        Poll::Pending
    }

    /// Bytes that may still be buffered for readers.
    pub(super) fn room(&self) -> usize {
        self.limits.receive_bytes.max(1).saturating_sub(self.receive_buffered)
    }

    pub(super) fn wait_for_output(&mut self, context: &Context<'_>) {
        self.transmitter = Some(context.waker().clone());
    }

    pub(super) fn wake_transmitter(&mut self) {
        if let Some(waker) = self.transmitter.take() {
            waker.wake();
        }
    }

    fn wake_receiver(&mut self) {
        if let Some(waker) = self.receiver.take() {
            waker.wake();
        }
    }

    pub(super) fn wake_accepting(&mut self) {
        self.accepting.drain(..).for_each(Waker::wake);
    }

    fn wake_opening(&self) {
        if (self.may_open() || !self.is_open())
            && let Some(first) = self.opening.values().next()
        {
            first.wake_by_ref();
        }
    }

    /// Lets everybody who waits for a stream see that there will be none.
    pub(super) fn wake_all_waiting(&mut self) {
        self.wake_accepting();
        self.opening.values().for_each(Waker::wake_by_ref);
    }
}

fn remember(wakers: &mut Vec<Waker>, context: &Context<'_>) {
    if !wakers.iter().any(|waker| waker.will_wake(context.waker())) {
        wakers.push(context.waker().clone());
    }
}
