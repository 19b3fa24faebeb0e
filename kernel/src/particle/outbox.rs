//! What of a particle is on its way to other peers.

use alloc::rc::Rc;
use alloc::sync::Arc;
use core::cell::{Cell, RefCell};
use core::fmt;
use core::task::{Context, Waker};

use super::Vitals;

/// Tells the actor how its sends go; clones are the same.
#[derive(Clone)]
pub struct Outbox {
    state: Rc<State>,
    vitals: Rc<Vitals>,
}

#[derive(Default)]
struct State {
    under_way: Cell<usize>,
    /// Whether another peer has the particle.
    sent: Cell<bool>,
    waiting: RefCell<Option<Waker>>,
}

impl Outbox {
    pub(super) fn new(vitals: Rc<Vitals>) -> Self {
        Self { state: Rc::default(), vitals }
    }

    /// A particle is being sent to `peer`; dropping this without more says that it did not get there.
    #[must_use]
    pub fn begin(&self, peer: Arc<str>) -> Sending {
        self.state.under_way.set(self.state.under_way.get().saturating_add(1));
        Sending { outbox: self.clone(), peer: Some(peer) }
    }

    /// How many sends have not ended.
    pub(super) fn under_way(&self) -> usize {
        self.state.under_way.get()
    }

    /// Whether another peer has the particle, so that it may come back.
    pub(super) fn has_sent(&self) -> bool {
        self.state.sent.get()
    }

    /// The task of `context` is woken when a send ends.
    pub(super) fn wake_on_end(&self, context: &Context<'_>) {
        *self.state.waiting.borrow_mut() = Some(context.waker().clone());
    }
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox")
            .field("under_way", &self.state.under_way.get())
            .field("sent", &self.state.sent.get())
            .finish_non_exhaustive()
    }
}

/// One send.
#[derive(Debug)]
pub struct Sending {
    outbox: Outbox,
    /// Whom it did not reach yet.
    peer: Option<Arc<str>>,
}

impl Sending {
    /// The peer has the particle.
    pub fn done(mut self) {
        self.peer = None;
        self.outbox.state.sent.set(true);
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        let state = &self.outbox.state;
        if let Some(peer) = self.peer.take() {
            self.outbox.vitals.not_reached(peer);
        }
        state.under_way.set(state.under_way.get().saturating_sub(1));
        let waiting = state.waiting.borrow_mut().take();
        if let Some(waker) = waiting {
            waker.wake();
        }
    }
}
