//! The end that somebody asks for: connections are closed in order, what is kept is flushed, then the main
//! loop ends.

use alloc::rc::Rc;
use core::time::Duration;

use hypervisor_glue::power_request::PowerRequest;
use kernel::executor::{Executor, Slot};
use kernel::store::Store;
use log::{info, warn};
use netstack::Stack;
use netstack::libp2p::swarm::Swarm;

/// How long the connections with peers have to end by their own protocol.
const PEERS_PATIENCE: Duration = Duration::from_secs(2);
/// How long all the others have, in all, to take what they were sent last. Whoever runs the machine
/// waits for it: service managers give 10 seconds and more.
const PATIENCE: Duration = Duration::from_secs(5);

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

/// Waits until somebody asks, tells the peers, closes all connections, and flushes the store.
pub async fn close(
    executor: Executor,
    stack: Stack,
    swarm: Swarm,
    store: Rc<dyn Store>,
    ending: Ending,
) {
    let request = ending.asked.take().await;
    info!(target: "power", "{request}: closing all connections");
    let begun = executor.now();
    // What does not end so is closed below it.
    let _in_time = executor.timeout_at(begun.after(PEERS_PATIENCE), swarm.shutdown()).await;
    stack.close();
    let closed = executor.timeout_at(begun.after(PATIENCE), stack.wait_closed()).await;
    if closed.is_err() {
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
