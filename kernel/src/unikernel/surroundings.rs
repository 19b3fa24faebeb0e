//! What the host of an Aleph program may do to the machine.

use alloc::rc::Rc;

use futures_util::future::{FutureExt, LocalBoxFuture};
use kernel::config::NetworkConfig;
use kernel::guest::Surroundings;
use kernel::run::static_addressing;
use kernel::store::{BlockDevice, Disks};
use log::info;
use netstack::Stack;

use super::ending::Ending;

/// The machine as the host sees it.
#[derive(Debug)]
pub struct Machine {
    has_network: bool,
    stack: Stack,
    disks: Disks,
    ending: Ending,
}

impl Machine {
    /// A machine with this network, if it has a device for it, and these disks, that goes off by this
    /// ending.
    pub fn new(has_network: bool, stack: Stack, disks: Disks, ending: Ending) -> Machine {
        Machine { has_network, stack, disks, ending }
    }
}

impl Surroundings for Machine {
    fn has_network(&self) -> bool {
        self.has_network
    }

    fn set_network(&self, network: &NetworkConfig) {
        for address in &network.addresses {
            info!(target: "network", "address {address} by the host");
        }
        self.stack.set_static(static_addressing(network));
    }

    fn disk(&self, name: &str) -> Option<Rc<dyn BlockDevice>> {
        self.disks.named(name)
    }

    fn close_network(&self) -> LocalBoxFuture<'_, ()> {
        self.stack.close();
        self.stack.wait_closed().boxed_local()
    }

    fn power_off(&self) {
        self.ending.end_now();
    }
}
