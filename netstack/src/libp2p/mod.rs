//! The peer protocols: libp2p as Fluence peers speak it.
//!
//! One connection, from the bottom:
//!
//! 1. TCP, or WebSocket over TCP; the first byte says which.
//! 2. [`multistream`] chooses `/noise`; [`noise`] proves who both sides are and encrypts.
//! 3. [`multistream`] chooses `/yamux/1.0.0`; [`yamux`] carries many streams.
//! 4. On each stream [`multistream`] chooses a protocol: [`identify`], [`ping`] or [`particle`].
//!
//! [`upgrade`] does 1 to 3 under one deadline; [`swarm`] keeps the connections.
//!
//! # Not supported
//!
//! Keys that are not ed25519, TLS, QUIC, mplex, early muxer negotiation, Kademlia, relayed connections.

mod channel;
pub mod identify;
mod keypair;
pub mod limits;
pub mod multiaddr;
pub mod multistream;
pub mod noise;
pub mod particle;
mod peer_id;
pub mod ping;
pub mod protobuf;
pub mod swarm;
pub mod upgrade;
pub mod yamux;
pub use keypair::Keypair;
pub use multiaddr::{Multiaddr, MultiaddrError};
pub use peer_id::{InvalidPeerId, PeerId};
