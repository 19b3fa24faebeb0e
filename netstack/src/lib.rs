//! From Ethernet frame to HTTP request and to particle: smoltcp, async sockets, HTTP/1.1, libp2p.
//!
//! The room knows nothing of the machine. It asks for a [`smoltcp::phy::Device`], for the time (passed
//! to [`Stack::poll`]) and, where a protocol needs deadlines, for a [`Timer`]. Everything runs on one
//! core under a cooperative executor; futures are woken by socket events or by timers, never by polling.
//!
//! # Map
//!
//! - [`Stack`]: the interface, its addresses (DHCPv4, static, IPv6 link-local and SLAAC) and its sockets.
//! - [`TcpListener`], [`TcpStream`], [`UdpSocket`], [`Stack::resolve`]: async sockets over it.
//! - [`Stream`]: what a protocol needs of a connection: `embedded-io-async` reading and writing, and a
//!   half-close. TCP streams and the in-memory [`pipe`]s are both one.
//! - [`Listen`]: a port that connections come to, of the stack or of a host's own sockets.
//! - [`http`]: an HTTP/1.1 server engine and client over any [`Stream`].
//! - [`websocket`]: RFC 6455, a byte stream over binary frames, both roles.
//! - [`libp2p`]: the peer protocols of Fluence: noise, yamux, identify, particles, the swarm.
//! - [`vsock`]: streams with the machine's host, over virtio sockets.
//! - [`limits`]: every bound on foreign input.
//!
//! # Driving the stack
//!
//! ```text
//! loop {
//!     let network = stack.poll(now(), &mut device);    // frames in, frames out, futures woken
//!     executor.run_until_idle();                        // tasks read and write sockets
//!     if stack.needs_poll() { continue }                // they left something to send
//!     idle_until(min(network, next timer));             // a device interrupt ends it early
//! }
//! ```
//!
//! # Not supported
//!
//! IP fragments (either way), 802.1Q, multicast groups beyond what neighbour discovery needs, selective
//! acknowledgement as sender, TCP urgent data, TLS. Sequence numbers, ports and query ids come from
//! smoltcp's generator, which is seeded well but is no cipher: who sees enough of them may foretell more,
//! so nothing may be trusted because of the address that it came from.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod dns;
pub mod http;
pub mod libp2p;
pub mod limits;
mod listen;
pub mod pipe;
mod stack;
mod stream;
mod tcp;
pub mod time;
mod udp;
pub mod vsock;
pub mod websocket;

pub use dns::ResolveError;
pub use listen::Listen;
pub use smoltcp::wire::{
    EthernetAddress, IpAddress, IpCidr, IpEndpoint, Ipv4Address, Ipv4Cidr, Ipv6Address, Ipv6Cidr,
};
pub use stack::{Addressing, Counters, Stack, StackConfig, StaticAddressing};
pub use stream::{ReadHalf, Spawn, Split, Stream, WriteHalf, Writer};
pub use tcp::{BindError, ConnectError, TcpError, TcpListener, TcpStream};
pub use time::Timer;
pub use udp::{UdpError, UdpSocket};
