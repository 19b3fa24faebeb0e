//! Every bound of the swarm, in one place.
//!
//! Those that an operator may want to choose are the defaults of [`super::Limits`].

use crate::time::Duration;

/// Connections of all peers at once, those still in their handshake included.
pub const MAX_CONNECTIONS: usize = 512;
/// Connections from one remote address (of IPv6: from one /64 network). Generous, because many peers
/// can be behind one translated address.
pub const MAX_CONNECTIONS_PER_ADDRESS: usize = 384;
/// Connections in their handshake at once.
pub const MAX_HANDSHAKES: usize = 96;
/// Connections in their handshake at once from one remote address.
pub const MAX_HANDSHAKES_PER_ADDRESS: usize = 64;
/// Connections of one peer. One beyond takes the room of the oldest.
pub const MAX_CONNECTIONS_PER_PEER: usize = 5;
/// Time from the accepted TCP connection to the first yamux frame.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection without streams (pings and identify do not count) is closed after this time.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(60 * 60);
/// The same for a connection whose peer has a newer one.
pub const SUPERSEDED_TIMEOUT: Duration = Duration::from_secs(60);
/// A connection that has never carried a particle may have to make room for another after this time
/// without streams,
pub const EVICTION_GRACE: Duration = Duration::from_secs(1);
/// one that has after this time.
pub const USEFUL_EVICTION_GRACE: Duration = Duration::from_secs(10);
/// Time that a connection which we end has for its farewell.
pub const FAREWELL: Duration = Duration::from_secs(2);
/// Two connections between the same peers, one opened by each, are a simultaneous opening when they
/// began within this time of each other.
pub const SIMULTANEOUS_WINDOW: Duration = Duration::from_secs(5);

/// A peer is asked for its identity this often.
pub const IDENTIFY_INTERVAL: Duration = Duration::from_secs(5 * 60);
/// Time for an exchange of identities.
pub const IDENTIFY_TIMEOUT: Duration = Duration::from_secs(10);
/// A peer whose identity lacks the particle protocol has this long to announce it.
pub const UNWANTED_GRACE: Duration = Duration::from_secs(30);
/// Longest agent name kept of a peer, in bytes.
pub const MAX_AGENT_BYTES: usize = 128;
/// Time between two pings of a connection on which nothing arrives.
pub const PING_INTERVAL: Duration = Duration::from_secs(15);
/// A connection on which nothing at all has arrived for this long after a ping is dead.
pub const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// Streams of one connection that its peer may have open, as many as stock clients let us; more are
/// reset, and fewer may be when [`MAX_UNREAD_BYTES`] are taken.
pub const MAX_OPEN_STREAMS: usize = 1000;
/// Incoming streams of one connection that are served at once; others wait in yamux.
pub const MAX_SERVED_STREAMS: usize = 16;
/// Time for an incoming stream to choose its protocol and to bring its message; a particle that is long
/// has more time, see [`SLOWEST_BYTES_PER_SECOND`].
pub const INBOUND_STREAM_TIMEOUT: Duration = Duration::from_secs(10);
/// A particle has a second more for so many of its bytes, either way.
pub const SLOWEST_BYTES_PER_SECOND: usize = 64 * 1024;
/// Bytes of one particle message, either way (what stock clients take).
pub const MAX_PARTICLE_BYTES: usize = 4 * 1024 * 1024;
/// Bytes of all particles that are being received or wait for the handler.
pub const MAX_INBOUND_BYTES: usize = 32 * 1024 * 1024;
/// What a particle counts for beyond its length.
pub const PARTICLE_OVERHEAD_BYTES: usize = 1024;
/// Bytes that all streams of all connections hold for who reads them, and take themselves, beyond
/// [`GUARANTEED_RECEIVE_BYTES`](crate::libp2p::yamux::limits::GUARANTEED_RECEIVE_BYTES) and
/// [`GUARANTEED_STREAMS_IN`](crate::libp2p::yamux::limits::GUARANTEED_STREAMS_IN) of each connection.
pub const MAX_UNREAD_BYTES: usize = 16 * 1024 * 1024;

/// Particles up to this length have a quarter of that memory to themselves.
pub const SHORT_PARTICLE_BYTES: usize = 64 * 1024;
/// A particle has this long to show progress before it may lose its memory to others that wait.
pub const STALL_GRACE: Duration = Duration::from_millis(500);
/// It shows progress when so many bytes have come lately,
pub const DRIBBLE_BYTES: usize = 8 * 1024;
/// counting half what came this long ago.
pub const PROGRESS_HALF_LIFE: Duration = Duration::from_millis(250);

/// Outgoing streams of one connection whose protocol is not chosen yet.
pub const MAX_NEGOTIATIONS: usize = 8;
/// Outgoing particles of one connection that are being written or wait for their receipt.
pub const MAX_SENDING: usize = 64;
/// Time for a particle to be sent, connecting included; one that is long has more time, see
/// [`SLOWEST_BYTES_PER_SECOND`].
pub const SEND_TIMEOUT: Duration = Duration::from_secs(20);
/// Time that a peer has, after all was written, to close the stream in return.
pub const RECEIPT_PATIENCE: Duration = Duration::from_secs(5);
/// Particles that wait for one peer.
pub const MAX_QUEUED_PER_PEER: usize = 128;
/// Bytes of the particles that wait for one peer.
pub const MAX_QUEUED_BYTES_PER_PEER: usize = 16 * 1024 * 1024;
/// Particles that wait for any peer.
pub const MAX_QUEUED: usize = 4096;
/// Bytes of the particles that wait for any peer; one particle for several peers counts for each.
pub const MAX_QUEUED_BYTES: usize = 64 * 1024 * 1024;

/// Peers being dialed at once.
pub const MAX_DIALS: usize = 16;
/// Peers that wait to be dialed.
pub const MAX_WAITING_DIALS: usize = 128;
/// Time for one address: connection and handshake.
pub const DIAL_ADDRESS_TIMEOUT: Duration = Duration::from_secs(8);
/// Time for a peer, all its addresses together.
pub const DIAL_TIMEOUT: Duration = Duration::from_secs(16);
/// Addresses of one name that are tried.
pub const MAX_RESOLVED: usize = 4;
/// First pause after a failed dial; it doubles with each further failure.
pub const BACKOFF_FIRST: Duration = Duration::from_secs(1);
/// Longest pause after a failed dial.
pub const BACKOFF_MAX: Duration = Duration::from_secs(60);
/// A particle waits for the end of a pause that is no longer than this; else it is not sent.
pub const BACKOFF_PATIENCE: Duration = Duration::from_secs(2);
/// A connection that ends sooner counts as a failed dial.
pub const STABLE_AFTER: Duration = Duration::from_secs(5);

/// Bootstrap peers.
pub const MAX_BOOTSTRAP: usize = 32;
/// A bootstrap peer is dialed again after 5, 10, 15 … seconds.
pub const BOOTSTRAP_STEP: Duration = Duration::from_secs(5);
/// Longest time between two dials of a bootstrap peer.
pub const BOOTSTRAP_MAX: Duration = Duration::from_secs(60);

/// Peers in the address book.
pub const MAX_KNOWN_PEERS: usize = 1024;
/// Addresses of one peer in the address book.
pub const MAX_ADDRESSES_PER_PEER: usize = 8;
/// Addresses that we announce.
pub const MAX_LISTEN_ADDRESSES: usize = 16;
/// Time that a shutdown takes at most.
pub const SHUTDOWN_PATIENCE: Duration = Duration::from_secs(5);

/// The time that a particle of `bytes` has beyond the usual one.
pub(super) fn extra_time(bytes: usize) -> Duration {
    Duration::from_secs((bytes / SLOWEST_BYTES_PER_SECOND) as u64)
}
