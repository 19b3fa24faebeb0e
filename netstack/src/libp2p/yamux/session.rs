//! The state of a connection.
//!
//! Nothing of it does input or output: [`receive`](super::receive) takes bytes that arrived,
//! [`transmit`](super::transmit) gives bytes to send, [`owner`](super::owner) is what those who have
//! streams do, and wakers say when something has changed.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::task::{Context, Poll, Waker};

use super::channel::{Channel, Owner};
use super::limits::{GUARANTEED_RECEIVE_BYTES, GUARANTEED_STREAMS_IN, STREAM_BYTES};
use super::memory::{ReceiveMemory, Share};
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
    pub(super) lingering: VecDeque<u32>,
    pub(super) refusals: VecDeque<u32>,
    pub(super) pongs: VecDeque<u32>,
    /// A ping to send.
    pub(super) ping: Option<u32>,
    /// A ping that was not answered yet.
    pub(super) unanswered: Option<u32>,
    pub(super) next_stream: Option<u32>,
    pub(super) streams_in: usize,
    pub(super) streams_out: usize,
    pub(super) unacknowledged: usize,
    /// Bytes that wait for their readers.
    pub(super) received: Share,
    /// What the streams take that the peer has opened.
    pub(super) opened: Share,
    pub(super) send_buffered: usize,
    /// Bytes that arrived in all.
    pub(super) received_bytes: u64,
    /// What to say at last, once it is decided to leave.
    pub(super) leaving: Option<GoAway>,
    pub(super) peer_leaves: bool,
    pub(super) ended: bool,
    /// Who writes to the connection below.
    transmitter: Option<Waker>,
    /// Who reads from it and has no room.
    receiver: Option<Waker>,
    pub(super) accepting: Vec<Waker>,
    /// Those that want to open a stream, in order.
    pub(super) opening: BTreeMap<u64, Waker>,
    pub(super) next_ticket: u64,
    /// Writers that wait for [`Limits::send_bytes`].
    pub(super) crowded: BTreeSet<u32>,
}

impl Session {
    pub(super) fn new(role: Role, limits: Limits, memory: ReceiveMemory) -> Self {
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
            received: Share::new(
                memory.clone(),
                GUARANTEED_RECEIVE_BYTES,
                limits.receive_bytes.max(GUARANTEED_RECEIVE_BYTES),
            ),
            opened: Share::new(
                memory,
                GUARANTEED_STREAMS_IN * STREAM_BYTES,
                limits.streams_in.saturating_mul(STREAM_BYTES),
            ),
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
            receive_buffered: self.received.bytes(),
            send_buffered: self.send_buffered,
            received_bytes: self.received_bytes,
        }
    }

    /// Whether new streams can be had.
    pub(super) const fn is_open(&self) -> bool {
        !self.ended && !self.peer_leaves && self.leaving.is_none()
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
        self.received.free(channel.incoming.len());
        self.sent(channel.outgoing.len());
        self.unaccepted.remove(&id);
        self.crowded.remove(&id);
        self.lingering.retain(|&lingering| lingering != id);
        if self.role.owns(id) {
            self.streams_out -= 1;
            self.wake_opening();
        } else {
            self.streams_in -= 1;
            self.opened.free(STREAM_BYTES);
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
        if self.received.room() > 0 || self.ended {
            return Poll::Ready(());
        }
        self.receiver = Some(context.waker().clone());
        self.received.wait(context);
        Poll::Pending
    }

    pub(super) fn wait_for_output(&mut self, context: &Context<'_>) {
        self.transmitter = Some(context.waker().clone());
    }

    pub(super) fn wake_transmitter(&mut self) {
        if let Some(waker) = self.transmitter.take() {
            waker.wake();
        }
    }

    pub(super) fn wake_receiver(&mut self) {
        if let Some(waker) = self.receiver.take() {
            waker.wake();
        }
    }

    pub(super) fn wake_accepting(&mut self) {
        self.accepting.drain(..).for_each(Waker::wake);
    }

    pub(super) const fn may_open(&self) -> bool {
        self.streams_out < self.limits.streams_out
            && self.unacknowledged < self.limits.unacknowledged
    }

    pub(super) fn wake_opening(&self) {
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
