//! The main loop: network, tasks, sleep.

use super::{Executor, Turn};
use crate::machine::MainLoop;

/// Polls the network, runs tasks, and sleeps until the next deadline, over and over, until the host
/// ends the loop.
///
/// The network is polled again after every turn in which tasks ran, because what they wrote must leave
/// before the machine sleeps; the machine sleeps only when neither tasks nor network have work.
pub fn drive(executor: &Executor, host: &mut impl MainLoop) {
    while !host.is_over() {
        // A poll before the turn brings news to the tasks; one after it sends what they wrote.
        host.poll_network(executor.now());
        let turn = executor.turn();
        let network = host.poll_network(executor.now());
        // The second poll may have woken tasks (a peer answered at once), and a task may have ended it
        // all: look before sleeping, which may be for ever.
        if turn == Turn::Busy || executor.has_work() || host.is_over() {
            continue;
        }
        let until = match (executor.next_deadline(), network) {
            (Some(timer), Some(network)) => Some(timer.min(network)),
            (timer, network) => timer.or(network),
        };
        if until.is_some_and(|until| until <= executor.now()) {
            continue;
        }
        if host.idle(until).is_break() {
            return;
        }
    }
}
