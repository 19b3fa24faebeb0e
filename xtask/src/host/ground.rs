//! What code that runs on this machine's executor stands on.

use std::fmt;
use std::future::Future;
use std::io;
use std::rc::Rc;

use futures_util::FutureExt;
use kernel::executor::{Executor, Slot, drive};

use super::event_loop::EventLoop;
use super::machine::OperatingSystem;
use super::sockets::Sockets;

/// Executor, machine and sockets of one thread. Clones are the same.
#[derive(Clone)]
pub struct Ground {
    /// Runs the tasks.
    pub executor: Executor,
    /// Time and entropy.
    pub machine: OperatingSystem,
    /// The network.
    pub sockets: Sockets,
}

impl Ground {
    /// Runs a future to its end on this thread, with everything that it spawns; what is still running
    /// then is dropped.
    ///
    /// # Errors
    /// When the system gives no event queue, or it fails.
    pub fn run<F: Future + 'static>(main: impl FnOnce(Self) -> F) -> io::Result<F::Output> {
        let machine = OperatingSystem::new(0);
        let sockets = Sockets::new()?;
        let mut event_loop = EventLoop::new(sockets.clone(), machine.clone())?;
        let executor = Executor::new(Rc::new(machine.clone()));
        let (stopper, result) = (event_loop.stopper(), Slot::new());
        let (future, place) =
            (main(Self { executor: executor.clone(), machine, sockets }), result.clone());
        executor.spawn(async move {
            place.put(future.await);
            stopper.stop();
        });
        drive(&executor, &mut event_loop);
        executor.shut_down();
        result.take().now_or_never().ok_or_else(|| io::Error::other("the event queue failed"))
    }
}

impl fmt::Debug for Ground {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ground").field("sockets", &self.sockets).finish_non_exhaustive()
    }
}
