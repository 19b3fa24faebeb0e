//! The node as the guest of a host of the Aleph network: the host's protocol, served.
//!
//! The bytes are those of [`aleph::host`](crate::aleph::host); they go over virtio sockets, without a
//! network.
//!
//! | step | what happens |
//! |---|---|
//! | boot | [`serve`] listens on port 52, then tells the host that it is ready, again and again until the host listens |
//! | a connection that begins with a digit | the configuration: its program is installed, network and host name are set; answered by success or by why not |
//! | with `0x81` | a run: an HTTP request or a message, for the program; any number of them side by side |
//! | with `halt` | connections end, what is kept is flushed, the host is told, and the machine goes off |
//! | with anything else, a shell command too | closed |
//!
//! Nobody but the host (number 2) is talked to. A connection is never closed without an answer to what was
//! asked: hosts then end the machine. Whoever asked and closes the connection early gives the run up.
//!
//! # What a configuration does not say
//!
//! Hosts pass neither `resources` nor `environment` nor `on`. The program may use all of the machine's
//! memory and the API of the host, the internet where there is a network device, and runs are given up
//! when the host closes the connection. What differs is said by variables:
//!
//! | variable | meaning |
//! |---|---|
//! | `AIR_SECONDS` | how long a run may take |
//! | `AIR_REPRODUCIBLE` | `true`: clock and randomness follow from the trigger |
//! | `AIR_HTTP` | `false`: no run for HTTP requests |
//! | `AIR_CRON` | a schedule |
//!
//! The code may be a bundle of one program, as disks carry it ([`Bundle`](crate::program::Bundle)): its message then
//! says what hosts do not (times, limits, data, what is kept), and variables of the host come before its own.
//!
//! The first disk that may be written names, by its mount, the directory that is kept between runs; what is
//! kept is in the node's [`Store`](crate::store::Store).
//!
//! # Messages
//!
//! The program runs once for a message that has an item hash, however often the host tells of it, also over restarts
//! where there is a volume: it is noted, and flushed, before the run begins. A run for which there is no room
//! is tried again until there is, or the host closes the connection.

mod api;
mod configuration;
mod connection;
pub mod limits;
mod ready;
mod reply;
mod socket;
#[cfg(test)]
mod tests;
mod told;

pub use api::HostApi;
pub use configuration::{HTTP_VARIABLE, REPRODUCIBLE_VARIABLE, SECONDS_VARIABLE};
pub use socket::{HostListener, HostSocket};

use alloc::rc::Rc;
use alloc::string::String;
use core::cell::{Cell, RefCell};
use core::fmt;
use core::future::Future;
use core::time::Duration;

use futures_util::future::{LocalBoxFuture, join};
use log::{error, info, warn};

use crate::aleph::host::{STOPPED, STOPPING};
use crate::aleph::limits::MAX_RUN_BYTES;
use crate::config::NetworkConfig;
use crate::executor::Executor;
use crate::program::{Gate, Hosted, Programs};
use crate::store::BlockDevice;
use connection::Connection;
use limits::{
    HOST_CLOSE_NETWORK_MS, HOST_CONNECTIONS_WAITING, HOST_RECEIVING_PART, HOST_SETTLE_MS,
    HOST_STOP_MS, HOST_STORE_FLUSH_MS,
};
use told::Told;

/// The port on which host and guest listen.
pub const PORT: u32 = 52;
/// The port on which the host answers for the network's API.
pub const API_PORT: u32 = 53;

/// What the guest does to the machine when the host says so.
pub trait Surroundings {
    /// Whether there is a network device.
    fn has_network(&self) -> bool;

    /// Gives the network device these addresses, routers, name servers and host name.
    fn set_network(&self, network: &NetworkConfig);

    /// The disk of this name: `vda` is the first.
    fn disk(&self, name: &str) -> Option<Rc<dyn BlockDevice>>;

    /// Takes no connection from the network any more, and ends those that there are, in order.
    fn close_network(&self) -> LocalBoxFuture<'_, ()>;

    /// Switches the machine off, at the next opportunity.
    fn power_off(&self);
}

/// How far the host's orders are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Unconfigured,
    Configuring,
    Running,
    Halting,
}

/// What all connections share.
struct Guest<S> {
    executor: Executor,
    socket: S,
    programs: Programs,
    surroundings: Rc<dyn Surroundings>,
    phase: Cell<Phase>,
    configured: RefCell<Option<Configured>>,
    /// Who may receive a large request now.
    receiving: Gate,
}

/// What a configuration has brought.
#[derive(Clone)]
struct Configured {
    hosted: Rc<Hosted>,
    told: Rc<Told>,
}

/// Serves the host for ever, once it listens. Runs in tasks of `executor`.
pub fn serve<S: HostSocket>(
    executor: &Executor,
    socket: S,
    programs: Programs,
    surroundings: Rc<dyn Surroundings>,
) {
    let Some(listener) = socket.listen(PORT) else {
        error!(target: "guest", "cannot listen for the host on port {PORT}");
        return;
    };
    let heap = programs.node().heap_bytes();
    let at_once = (heap / HOST_RECEIVING_PART / MAX_RUN_BYTES).max(1);
    programs.set_api(Rc::new(HostApi::new(executor.clone(), socket.clone())));
    let guest = Rc::new(Guest {
        executor: executor.clone(),
        socket,
        programs,
        surroundings,
        phase: Cell::new(Phase::Unconfigured),
        configured: RefCell::default(),
        receiving: Gate::new(at_once, HOST_CONNECTIONS_WAITING),
    });
    executor.spawn(ready::tell(guest.clone()));
    let tasks = executor.clone();
    executor.spawn(async move {
        loop {
            let stream = listener.accept().await;
            tasks.spawn(connection::converse(guest.clone(), stream));
        }
    });
}

impl<S: HostSocket> Guest<S> {
    /// Waits for so long at most.
    async fn within<T>(&self, millis: u64, what: impl Future<Output = T>) -> Option<T> {
        let deadline = self.executor.now().after(Duration::from_millis(millis));
        self.executor.timeout_at(deadline, what).await.ok()
    }

    /// Ends everything, tells the host, and switches the machine off.
    async fn halt(&self, mut connection: Connection<S::Stream>) {
        if self.phase.replace(Phase::Halting) == Phase::Halting {
            return;
        }
        info!(target: "guest", "the host asks for an end");
        let told = self.within(HOST_STOP_MS, connection.send(STOPPING)).await == Some(true);
        let closed = self.within(HOST_CLOSE_NETWORK_MS, self.surroundings.close_network());
        let flushed = self.within(HOST_STORE_FLUSH_MS, self.programs.store().flush());
        let (closed, flushed) = join(closed, flushed).await;
        if closed.is_none() {
            warn!(target: "guest", "not all connections are closed in time");
        }
        match flushed {
            Some(Ok(())) => {}
            Some(Err(reason)) => warn!(target: "guest", "what is kept is not flushed: {reason}"),
            None => warn!(target: "guest", "what is kept is not flushed in time"),
        }
        if told {
            self.within(HOST_STOP_MS, connection.finish(STOPPED)).await;
        } else {
            drop(connection);
        }
        // What was said last is on its way only when the host has acknowledged the end.
        let _in_time = self.within(HOST_SETTLE_MS, self.socket.settled()).await;
        self.surroundings.power_off();
    }
}

impl<S> fmt::Debug for Guest<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guest").field("phase", &self.phase.get()).finish_non_exhaustive()
    }
}

/// The first line of a text.
fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

/// A text as hosts show it: with a line feed behind it.
fn with_line_feed(text: &str) -> String {
    let mut text = String::from(text);
    text.push('\n');
    text
}
