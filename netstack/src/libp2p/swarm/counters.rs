//! What the swarm counts, for metrics.

/// Totals since the swarm was made, and gauges of now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Connections accepted, handshake included.
    pub connections_inbound: u64,
    /// Connections made to others, handshake included.
    pub connections_outbound: u64,
    /// Connections turned away because there was no room for them.
    pub connections_refused: u64,
    /// Connections ended to make room for others.
    pub connections_evicted: u64,
    /// Connections ended because nothing was done on them for long.
    pub connections_idle: u64,
    /// Connections ended because their peer has a newer one.
    pub connections_superseded: u64,
    /// Connections ended because their peer does not take particles.
    pub connections_unwanted: u64,
    /// Connections ended because their peer fell silent.
    pub connections_dead: u64,
    /// Incoming connections whose handshake failed or took too long.
    pub handshakes_failed: u64,
    /// Dials of a peer that led to it.
    pub dials_succeeded: u64,
    /// Dials of a peer of which no address led to it.
    pub dials_failed: u64,
    /// Incoming streams served.
    pub streams_inbound: u64,
    /// Incoming streams that asked for protocols that are not spoken, or broke before they chose one.
    pub streams_refused: u64,
    /// Incoming streams that took too long to bring their message.
    pub streams_timed_out: u64,
    /// Particles handed to the handler.
    pub particles_received: u64,
    /// Bytes of the particles received.
    pub particle_bytes_received: u64,
    /// Particles that could not be read: malformed, too long, or broken off.
    pub particles_malformed: u64,
    /// Particles given up while they were received, because others needed the room.
    pub particles_crowded_out: u64,
    /// Particles sent.
    pub particles_sent: u64,
    /// Bytes of the particles sent.
    pub particle_bytes_sent: u64,
    /// Particles not sent, by reason, in the order of [`super::SendError::REASONS`].
    pub particles_unsent: [u64; 6],
    /// Gauge: connections whose handshake is done.
    pub connections: usize,
    /// Gauge: connections in their handshake, dials included.
    pub handshakes: usize,
    /// Gauge: connected peers.
    pub peers: usize,
    /// Gauge: peers in the address book.
    pub known_peers: usize,
    /// Gauge: peers being dialed, or waiting for it.
    pub dials: usize,
    /// Gauge: incoming streams being served.
    pub streams_served: usize,
    /// Gauge: bytes of the particles being received.
    pub inbound_bytes: usize,
    /// Gauge: particles that wait to be sent or are being sent.
    pub queued: usize,
    /// Gauge: bytes of the particles that wait to be sent or are being sent.
    pub queued_bytes: usize,
    /// Gauge: tasks of the swarm.
    pub tasks: usize,
}
