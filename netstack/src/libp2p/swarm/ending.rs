//! How a connection is told to end.

use core::cell::Cell;

use super::signal::Signal;

/// Why we end a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// Another connection needs its room.
    Evicted,
    /// Nothing was done on it for long.
    Idle,
    /// Its peer has a newer one.
    Superseded,
    /// Its peer does not take particles.
    Unwanted,
    /// Its peer fell silent.
    Dead,
    /// The swarm is shut down.
    Stopped,
}

/// A word to a connection, said once.
#[derive(Debug, Default)]
pub(super) struct Ending {
    why: Cell<Option<Why>>,
    said: Signal,
}

impl Ending {
    /// Tells the connection to end; the first reason counts.
    pub(super) fn say(&self, why: Why) {
        if self.why.get().is_none() {
            self.why.set(Some(why));
            self.said.raise();
        }
    }

    pub(super) fn is_said(&self) -> bool {
        self.why.get().is_some()
    }

    /// Completes when the connection is to end.
    pub(super) async fn heard(&self) -> Why {
        loop {
            if let Some(why) = self.why.get() {
                return why;
            }
            self.said.beyond(0).await;
        }
    }
}
