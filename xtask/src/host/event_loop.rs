//! What the main loop does besides running tasks: wait for sockets, and end when told to.

use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant as SystemInstant};

use kernel::machine::{Instant, Machine, MainLoop};
use log::error;

use super::machine::OperatingSystem;
use super::sockets::{STOP, Sockets};

/// The main loop of a process.
#[derive(Debug)]
pub struct EventLoop {
    sockets: Sockets,
    machine: OperatingSystem,
    stopper: Stopper,
}

/// Ends the main loop, from any thread. Clones end the same one.
#[derive(Clone, Debug)]
pub struct Stopper {
    flag: Arc<AtomicBool>,
    waker: Arc<mio::Waker>,
}

impl Stopper {
    /// Ends the main loop as soon as its tasks have their turn.
    pub fn stop(&self) {
        self.flag.store(true, Ordering::Release);
        // A full event queue is one that wakes the loop anyway.
        let _ = self.waker.wake();
    }

    /// Lets the main loop be entered once more.
    pub fn rearm(&self) {
        self.flag.store(false, Ordering::Release);
    }

    /// Whether it was told to end.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.flag.load(Ordering::Acquire)
    }
}

impl EventLoop {
    /// A loop over these sockets.
    ///
    /// # Errors
    /// When the system refuses what ends it.
    pub fn new(sockets: Sockets, machine: OperatingSystem) -> io::Result<Self> {
        let waker = Arc::new(mio::Waker::new(sockets.registry(), STOP)?);
        let stopper = Stopper { flag: Arc::default(), waker };
        Ok(Self { sockets, machine, stopper })
    }

    /// What ends it.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    fn wait(&self, timeout: Option<Duration>) -> ControlFlow<()> {
        if let Err(reason) = self.sockets.poll(timeout) {
            error!(target: "host", "cannot wait for sockets: {reason}");
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }
}

impl MainLoop for EventLoop {
    fn poll_network(&mut self, _now: Instant) -> Option<Instant> {
        if self.wait(Some(Duration::ZERO)).is_break() {
            self.stopper.stop();
        }
        None
    }

    fn is_over(&self) -> bool {
        self.stopper.is_stopped()
    }

    fn idle(&mut self, until: Option<Instant>) -> ControlFlow<()> {
        // The poll before may have taken the event that would end the wait.
        if self.is_over() {
            return ControlFlow::Break(());
        }
        let timeout = until.map(|until| until.since(self.machine.now()));
        let start = SystemInstant::now();
        let flow = self.wait(timeout);
        self.machine.slept(start.elapsed());
        flow
    }
}
