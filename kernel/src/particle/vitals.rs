//! What can be seen of a live particle from outside its actor.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

use super::Fault;
use crate::limits::MAX_UNREACHABLE_NAMED;
use crate::machine::Instant;

/// Figures of a particle. The actor keeps them up to date; they outlast it.
#[derive(Debug, Default)]
pub struct Vitals {
    pub(super) steps: Cell<u32>,
    pub(super) fuel: Cell<u64>,
    pub(super) micros: Cell<u64>,
    pub(super) fault: RefCell<Option<Fault>>,
    pub(super) unreachable: RefCell<Vec<Arc<str>>>,
    waits: Cell<Waits>,
    since: Cell<Instant>,
    /// The data at the end, where they are asked for.
    pub(super) data: RefCell<Option<Vec<u8>>>,
}

/// What a particle waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Waits {
    /// The interpreter, or it is being interpreted.
    #[default]
    Interpreter,
    /// Answers of so many services.
    Services(usize),
    /// It is being sent, or another peer has it.
    Peers,
    /// Nothing: only its deadline is left.
    Nothing,
}

impl Waits {
    /// As a word.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Interpreter => "interpreter",
            Self::Services(_) => "service",
            Self::Peers => "peer",
            Self::Nothing => "idle",
        }
    }
}

impl Vitals {
    /// Steps so far.
    #[must_use]
    pub fn steps(&self) -> u32 {
        self.steps.get()
    }

    /// Fuel so far.
    #[must_use]
    pub fn fuel(&self) -> u64 {
        self.fuel.get()
    }

    /// Time of the interpreter so far, in microseconds.
    #[must_use]
    pub fn micros(&self) -> u64 {
        self.micros.get()
    }

    /// What the particle waits for.
    #[must_use]
    pub fn waits(&self) -> Waits {
        self.waits.get()
    }

    /// Since when the particle has had nothing to do here; `None` if it has.
    #[must_use]
    pub fn idle_since(&self) -> Option<Instant> {
        matches!(self.waits.get(), Waits::Peers | Waits::Nothing).then(|| self.since.get())
    }

    pub(super) fn set_waits(&self, waits: Waits, now: Instant) {
        if self.waits.replace(waits) != waits {
            self.since.set(now);
        }
    }

    /// Notes a peer that the script needs and that was not reached; the first few are named.
    pub(super) fn not_reached(&self, peer: Arc<str>) {
        let mut unreachable = self.unreachable.borrow_mut();
        if unreachable.len() < MAX_UNREACHABLE_NAMED && !unreachable.contains(&peer) {
            unreachable.push(peer);
        }
    }
}
