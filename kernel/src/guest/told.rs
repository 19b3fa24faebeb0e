//! Which messages the host has told of: each runs the program once, over restarts where there is a volume.

use alloc::rc::Rc;
use core::cell::{Cell, RefCell};

use log::warn;

use crate::aleph::item_hash::ItemHash;
use crate::limits::MAX_MESSAGE_AHEAD_MS;
use crate::program::Gate;
use crate::store::Store;
use crate::subscribe::log::SeenLog;

/// The messages that the program of a guest has been run for.
///
/// They are remembered as those are that come by other ways ([`Seen`](crate::aleph::trigger::Seen)): beyond a
/// number, the older a message is by its content's time, the sooner it is forgotten, and all that are older count as
/// told of. One that says no time counts as later than all before it, whatever the clock shows; it runs
/// again if it is told of again after as many others.
#[derive(Debug)]
pub(super) struct Told {
    log: RefCell<SeenLog>,
    last_ms: Cell<u64>,
    writing: Gate,
}

impl Told {
    /// What the program was told of in earlier lives.
    pub(super) async fn open(store: Rc<dyn Store>, program: &ItemHash, heap_bytes: usize) -> Self {
        let log = SeenLog::open(store, program, heap_bytes).await;
        let last_ms = Cell::new(log.latest());
        // As many wait as there are connections.
        Self { log: RefCell::new(log), last_ms, writing: Gate::new(1, usize::MAX) }
    }

    /// Whether a message is new, which says this time. From now on it is not, which has been noted, and
    /// flushed, when this ends: before the run begins. Times are in milliseconds since 1970, 0 if there
    /// is no clock.
    pub(super) async fn is_new(&self, hash: &ItemHash, said_ms: Option<u64>, now_ms: u64) -> bool {
        let time_ms = match said_ms {
            Some(said) if now_ms == 0 => said,
            Some(said) => said.min(now_ms.saturating_add(MAX_MESSAGE_AHEAD_MS)),
            None => now_ms.max(self.last_ms.get().saturating_add(1)),
        };
        if !self.log.borrow_mut().is_new(hash, time_ms) {
            return false;
        }
        self.last_ms.set(self.last_ms.get().max(time_ms));
        // A note writes whole pieces: one that was made earlier must not be written later.
        let Ok(turn) = self.writing.enter() else { return true };
        let _turn = turn.await;
        let write = self.log.borrow_mut().note(hash, time_ms);
        if let Err(error) = write.await {
            warn!(target: "guest", "that a message was told of cannot be kept: {error}");
        }
        true
    }
}
