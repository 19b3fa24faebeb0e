//! Memory that several connections share for what they have received.

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::task::{Context, Waker};

use super::limits::GUARANTEED_RECEIVE_BYTES;

/// What the connections of a node may together hold for their readers, beyond
/// [`GUARANTEED_RECEIVE_BYTES`] of each. Without it, as many full buffers as there are connections would
/// be the bound. Clones are the same.
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

/// What one connection holds.
#[derive(Debug)]
pub(super) struct Received {
    memory: ReceiveMemory,
    bytes: usize,
    /// The connection's own bound.
    most: usize,
}

impl Received {
    pub(super) const fn new(memory: ReceiveMemory, most: usize) -> Self {
        Self { memory, bytes: 0, most }
    }

    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes that may be added.
    pub(super) fn room(&self) -> usize {
        let guaranteed = GUARANTEED_RECEIVE_BYTES.saturating_sub(self.bytes);
        let shared = guaranteed.saturating_add(self.memory.left());
        self.most.max(1).saturating_sub(self.bytes).min(shared)
    }

    /// What of `bytes` is shared memory.
    const fn shared(bytes: usize) -> usize {
        bytes.saturating_sub(GUARANTEED_RECEIVE_BYTES)
    }

    pub(super) fn add(&mut self, bytes: usize) {
        let before = Self::shared(self.bytes);
        self.bytes += bytes;
        self.memory.0.borrow_mut().left -= Self::shared(self.bytes) - before;
    }

    pub(super) fn free(&mut self, bytes: usize) {
        let before = Self::shared(self.bytes);
        self.bytes -= bytes;
        let freed = before - Self::shared(self.bytes);
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
