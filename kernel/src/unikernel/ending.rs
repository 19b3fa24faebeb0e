//! The end that somebody asks for: requests are answered, connections closed in order, what is kept is
//! flushed, then the main loop ends.

use alloc::rc::Rc;
use core::time::Duration;

use hypervisor_glue::power_request::PowerRequest;
use kernel::executor::{Executor, Slot};
use kernel::run::Running;
use kernel::store::Store;
use log::{info, warn};
use netstack::Stack;

/// How long all connections have, after the node is done with them, to take what they were sent last, and
/// the volume to be flushed. With what the node takes for its part that is 10 seconds at most, which
/// service managers give.
const PATIENCE: Duration = Duration::from_secs(2);

/// The two moments between which connections are closed. Clones are the same ending.
#[derive(Clone, Debug, Default)]
pub struct Ending {
    asked: Slot<PowerRequest>,
    over: Slot<()>,
}

impl Ending {
    /// Begins it; asked once more, the machine goes off without waiting for anybody.
    pub fn begin(&self, request: PowerRequest) {
        if !self.asked.put(request) {
            self.over.put(());
        }
    }

    /// Ends the main loop without telling anybody.
    pub fn end_now(&self) {
        self.over.put(());
    }

    /// Whether all that was to be done is done.
    pub fn is_over(&self) -> bool {
        self.over.is_filled()
    }
}

/// Waits until somebody asks, lets the node come to its end, closes all connections, and flushes the
/// store.
pub async fn close(
    executor: Executor,
    stack: Stack,
    running: Running,
    store: Rc<dyn Store>,
    ending: Ending,
) {
    let request = ending.asked.take().await;
    info!(target: "power", "{request}: closing all connections");
    running.close().await;
    stack.close();
    let deadline = executor.now().after(PATIENCE);
    if executor.timeout_at(deadline, stack.wait_closed()).await.is_err() {
        let open = stack.counters().connections_open;
        warn!(target: "power", "{open} connections were not closed within {} s", PATIENCE.as_secs());
    }
    match executor.timeout_at(executor.now().after(PATIENCE), store.flush()).await {
        Ok(Ok(())) if store.is_lasting() => info!(target: "power", "the volume is flushed"),
        Ok(Ok(())) => {}
        Ok(Err(reason)) => warn!(target: "power", "the volume is not flushed: {reason}"),
        Err(_) => {
            warn!(target: "power", "the volume was not flushed within {} s", PATIENCE.as_secs());
        }
    }
    ending.over.put(());
}
