//! The node as an ordinary process: its library over this machine's sockets, clock and entropy.
//!
//! For trying things out without a virtual machine, for tests, and under the native client. What the
//! unikernel does over its devices, this does over the operating system: [`OperatingSystem`] is the
//! node's machine, [`Sockets`] its network, [`EventLoop`] its main loop. Everything runs on one thread.
//!
//! Linux only, as the rest of `cargo xtask`. Nothing listens beyond loopback unless told to.

mod disk;
mod event_loop;
mod ground;
mod listener;
mod log_sink;
mod machine;
mod network;
mod sockets;
mod stream;

pub use disk::{FileDisk, make_volume};
pub use event_loop::{EventLoop, Stopper};
pub use ground::Ground;
pub use listener::TcpListener;
pub use log_sink::LogSink;
pub use machine::OperatingSystem;
pub use network::HostNetwork;
pub use sockets::Sockets;
pub use stream::TcpStream;

#[cfg(test)]
mod tests;
