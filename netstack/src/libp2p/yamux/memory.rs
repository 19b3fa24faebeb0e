//! Memory that several connections share for what peers make them hold.

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::task::{Context, Waker};

/// What the connections of a node may together hold of what has arrived, and for the streams that peers
/// have opened, beyond what each is guaranteed
/// ([`GUARANTEED_RECEIVE_BYTES`](super::limits::GUARANTEED_RECEIVE_BYTES),
/// [`GUARANTEED_STREAMS_IN`](super::limits::GUARANTEED_STREAMS_IN)). Without it, as many full buffers as
/// there are connections would be the bound. Clones are the same.
#[derive(Clone, Debug)]
pub struct ReceiveMemory(Rc<RefCell<Pool>>);

#[derive(Debug)]
struct Pool {
    left: usize,
    /// Connections that have no room.
    waiting: Vec<Waker>,
}

impl ReceiveMemory {
    /// Memory of so many bytes.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        Self(Rc::new(RefCell::new(Pool { left: bytes, waiting: Vec::new() })))
    }

    /// Bytes that are not taken.
    #[must_use]
    pub fn left(&self) -> usize {
        self.0.borrow().left
    }
}

/// What one connection holds of one kind.
#[derive(Debug)]
pub(super) struct Share {
    memory: ReceiveMemory,
    bytes: usize,
    /// What it may hold whatever the others do.
    guaranteed: usize,
    /// The connection's own bound.
    most: usize,
}

impl Share {
    pub(super) const fn new(memory: ReceiveMemory, guaranteed: usize, most: usize) -> Self {
        Self { memory, bytes: 0, guaranteed, most }
    }

    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes that may be added.
    pub(super) fn room(&self) -> usize {
        let guaranteed = self.guaranteed.saturating_sub(self.bytes);
        let shared = guaranteed.saturating_add(self.memory.left());
        self.most.saturating_sub(self.bytes).min(shared)
    }

    /// What of its bytes is shared memory.
    const fn shared(&self) -> usize {
        self.bytes.saturating_sub(self.guaranteed)
    }

    pub(super) fn add(&mut self, bytes: usize) {
        let before = self.shared();
        self.bytes += bytes;
        self.memory.0.borrow_mut().left -= self.shared() - before;
    }

    pub(super) fn free(&mut self, bytes: usize) {
        let before = self.shared();
        self.bytes -= bytes;
        let freed = before - self.shared();
        if freed > 0 {
            let pool = &mut *self.memory.0.borrow_mut();
            pool.left += freed;
            pool.waiting.drain(..).for_each(Waker::wake);
        }
    }

    /// Wakes when others have freed some.
    pub(super) fn wait(&self, context: &Context<'_>) {
        let waiting = &mut self.memory.0.borrow_mut().waiting;
        if !waiting.iter().any(|waker| waker.will_wake(context.waker())) {
            waiting.push(context.waker().clone());
        }
    }
}
