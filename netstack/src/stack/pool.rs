//! TCP sockets, each in a set of its own.
//!
//! smoltcp compares a segment with every socket of a set, asks every socket of it whether there is
//! something to send, and every one when it wants to be asked again. Here the two ends of a connection
//! lead a segment to its socket, and only those are asked that were touched or whose time has come: what
//! a connection costs does not grow with the number of others.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;

use smoltcp::iface::{Interface, PollResult, SocketHandle, SocketSet};
use smoltcp::phy::Device;
use smoltcp::socket::tcp::{Socket, State};
use smoltcp::time::{Duration, Instant};

use super::filter::Ends;
use crate::time::after;

/// A socket that waits for the link-layer address of its peer has a deadline no further off.
const NEIGHBOUR_WAIT: Duration = Duration::from_secs(1);

/// A TCP socket of a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TcpHandle(usize);

/// The TCP sockets of a stack.
pub(crate) struct Pool {
    slots: Vec<Option<Slot>>,
    free: Vec<usize>,
    by_ends: BTreeMap<Ends, usize>,
    /// Those to be asked whether they have something to send.
    queue: VecDeque<usize>,
    /// When others have to be asked.
    deadlines: BTreeSet<(Instant, usize)>,
    /// How many were asked so far.
    asked: u64,
    /// No socket: for segments that belong to none.
    nobody: SocketSet<'static>,
}

struct Slot {
    /// One socket.
    sockets: SocketSet<'static>,
    handle: SocketHandle,
    ends: Option<Ends>,
    queued: bool,
    deadline: Option<Instant>,
}

impl Slot {
    fn socket(&self) -> &Socket<'static> {
        self.sockets.get(self.handle)
    }
}

impl Pool {
    pub(super) fn new() -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            by_ends: BTreeMap::new(),
            queue: VecDeque::new(),
            deadlines: BTreeSet::new(),
            asked: 0,
            nobody: SocketSet::new(Vec::new()),
        }
    }

    pub(super) fn add(&mut self, socket: Socket<'static>) -> TcpHandle {
        let mut sockets = SocketSet::new(Vec::with_capacity(1));
        let handle = sockets.add(socket);
        let slot = Slot { sockets, handle, ends: None, queued: false, deadline: None };
        let index = self.free.pop().unwrap_or(self.slots.len());
        match self.slots.get_mut(index) {
            Some(place) => *place = Some(slot),
            None => self.slots.push(Some(slot)),
        }
        TcpHandle(index)
    }

    pub(super) fn remove(&mut self, handle: TcpHandle) {
        let index = handle.0;
        let Some(slot) = self.slots.get_mut(index).and_then(Option::take) else { return };
        // A later connection between the same ends has its own entry.
        if let Some(ends) = slot.ends.filter(|ends| self.by_ends.get(ends) == Some(&index)) {
            self.by_ends.remove(&ends);
        }
        if let Some(deadline) = slot.deadline {
            self.deadlines.remove(&(deadline, index));
        }
        if slot.queued {
            self.queue.retain(|queued| *queued != index);
        }
        self.free.push(index);
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// How many were asked whether they have something to send, so far.
    pub(super) fn asked(&self) -> u64 {
        self.asked
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Socket<'static>> {
        self.slots.iter().flatten().map(Slot::socket)
    }

    /// A socket, to look at.
    #[expect(clippy::expect_used, reason = "a handle is dropped with its socket")]
    pub(crate) fn get(&self, handle: TcpHandle) -> &Socket<'static> {
        self.slots.get(handle.0).and_then(Option::as_ref).expect("the socket is there").socket()
    }

    /// A socket, to change: it is asked at the next poll.
    #[expect(clippy::expect_used, reason = "a handle is dropped with its socket")]
    pub(crate) fn get_mut(&mut self, handle: TcpHandle) -> &mut Socket<'static> {
        self.enqueue(handle.0);
        let slot = self.slots.get_mut(handle.0).and_then(Option::as_mut);
        let slot = slot.expect("the socket is there");
        slot.sockets.get_mut(slot.handle)
    }

    /// Changes all of them: each is asked at the next poll.
    pub(super) fn change_all(&mut self, change: impl Fn(&mut Socket<'static>)) {
        for index in 0..self.slots.len() {
            self.enqueue(index);
            if let Some(Some(slot)) = self.slots.get_mut(index) {
                change(slot.sockets.get_mut(slot.handle));
            }
        }
    }

    /// Leads segments between the ends that the socket has now to it.
    pub(crate) fn register(&mut self, handle: TcpHandle) {
        let Some(slot) = self.slots.get_mut(handle.0).and_then(Option::as_mut) else { return };
        let socket = slot.socket();
        if let (Some(local), Some(peer)) = (socket.local_endpoint(), socket.remote_endpoint()) {
            let ends = Ends { local, peer };
            slot.ends = Some(ends);
            self.by_ends.insert(ends, handle.0);
        }
    }

    /// The socket of the connection between two ends.
    pub(super) fn find(&self, ends: &Ends) -> Option<TcpHandle> {
        let handle = TcpHandle(*self.by_ends.get(ends)?);
        // One that is over may not be taken away yet.
        let over = matches!(self.get(handle).state(), State::Closed | State::Listen);
        (!over).then_some(handle)
    }

    /// Whether a connection to `peer` from `port` exists.
    pub(crate) fn is_taken(&self, port: u16, peer: smoltcp::wire::IpEndpoint) -> bool {
        let ends = self.slots.iter().flatten().filter_map(|slot| slot.ends);
        ends.into_iter().any(|ends| ends.peer == peer && ends.local.port == port)
    }

    /// The set for a segment: that of the socket, which is asked at the next poll, or an empty one.
    pub(super) fn set_of(&mut self, handle: Option<TcpHandle>) -> &mut SocketSet<'static> {
        if let Some(TcpHandle(index)) = handle {
            self.enqueue(index);
            if let Some(Some(slot)) = self.slots.get_mut(index) {
                return &mut slot.sockets;
            }
        }
        &mut self.nobody
    }

    fn enqueue(&mut self, index: usize) {
        if let Some(Some(slot)) = self.slots.get_mut(index)
            && !slot.queued
        {
            slot.queued = true;
            self.queue.push_back(index);
        }
    }

    /// A frame came that is no TCP segment: it may have brought a link-layer address.
    pub(super) fn notice_neighbours(&mut self, now: Instant) {
        self.enqueue_due(after(now, NEIGHBOUR_WAIT));
    }

    fn enqueue_due(&mut self, by: Instant) {
        let due = self.deadlines.range(..=(by, usize::MAX));
        let due: Vec<usize> = due.map(|(_, index)| *index).collect();
        due.into_iter().for_each(|index| self.enqueue(index));
    }

    /// When somebody has to be asked.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// Begins a round of asking at `now`: how many are to be asked.
    pub(super) fn begin_round(&mut self, now: Instant) -> usize {
        self.enqueue_due(now);
        self.queue.len()
    }

    /// Asks the first in the queue. One that has sent something stays for another round, at the end of the
    /// queue; false when nobody is left. `timing` is asked when to ask again.
    pub(super) fn ask_next<D: Device>(
        &mut self,
        now: Instant,
        interface: &mut Interface,
        timing: &mut Interface,
        device: &mut D,
    ) -> bool {
        let Some(index) = self.queue.pop_front() else { return false };
        let Some(Some(slot)) = self.slots.get_mut(index) else { return true };
        self.asked += 1;
        if interface.poll_egress(now, device, &mut slot.sockets) == PollResult::SocketStateChanged {
            self.queue.push_back(index);
            return true;
        }
        slot.queued = false;
        let deadline = timing.poll_at(now, &slot.sockets);
        let before = core::mem::replace(&mut slot.deadline, deadline);
        if before != deadline {
            before.map(|before| self.deadlines.remove(&(before, index)));
            deadline.map(|deadline| self.deadlines.insert((deadline, index)));
        }
        true
    }
}
