//! virtio devices: how they are found, how they are reached, and drivers for those that we use.
//!
//! Queues are those of the crate `virtio-drivers`; its network, entropy and socket drivers are not
//! used, because they trust the device (see [`net`], [`rng`] and [`vsock`]), nor is its PCI transport
//! (see [`pci`]).

pub mod blk;
mod discovery;
mod hal;
mod init;
pub mod mmio;
pub mod net;
mod pci;
mod ring;
pub mod rng;
#[cfg(test)]
mod testing;
mod transport;
pub mod vsock;

pub use blk::VirtioBlk;
pub use discovery::{Found, Place, discover};
pub use init::InitError;
pub use net::{Interrupt, VirtioNet};
pub use rng::VirtioRng;
pub use transport::MachineTransport;
pub use virtio_drivers::transport::DeviceType;
pub use vsock::VirtioVsock;
