//! The part of the metrics page that concerns connections with peers.

use netstack::libp2p::swarm::{Counters, SendError};

use super::exposition::{Exposition, Kind};

pub(super) fn write(page: &mut Exposition, counters: &Counters) {
    write_connections(page, counters);
    write_traffic(page, counters);
}

fn write_connections(page: &mut Exposition, counters: &Counters) {
    let gauges = [
        ("aerolith_peer_connections", counters.connections, "Connections that are set up."),
        ("aerolith_peer_handshakes", counters.handshakes, "Connections that are being set up."),
        ("aerolith_peer_connected", counters.peers, "Peers with a connection."),
        ("aerolith_peer_known", counters.known_peers, "Peers with an address."),
        ("aerolith_peer_dials", counters.dials, "Peers that are being connected to."),
        ("aerolith_peer_streams", counters.streams_served, "Streams of peers that are served."),
        ("aerolith_peer_inbound_bytes", counters.inbound_bytes, "Particles being received."),
        ("aerolith_peer_queued", counters.queued, "Particles that wait to be sent."),
        ("aerolith_peer_queued_bytes", counters.queued_bytes, "Bytes that wait to be sent."),
        ("aerolith_peer_tasks", counters.tasks, "Tasks of the connections."),
    ];
    for (name, value, help) in gauges {
        page.metric(name, Kind::Gauge, help).value(value);
    }
    page.metric(
        "aerolith_peer_connections_opened_total",
        Kind::Counter,
        "Connections that were set up.",
    )
    .sample(&[("by", "peer")], counters.connections_inbound)
    .sample(&[("by", "node")], counters.connections_outbound);
    page.metric(
        "aerolith_peer_connections_ended_total",
        Kind::Counter,
        "Connections that the node ended or did not take.",
    )
    .sample(&[("why", "refused")], counters.connections_refused)
    .sample(&[("why", "evicted")], counters.connections_evicted)
    .sample(&[("why", "idle")], counters.connections_idle)
    .sample(&[("why", "superseded")], counters.connections_superseded)
    .sample(&[("why", "unwanted")], counters.connections_unwanted)
    .sample(&[("why", "dead")], counters.connections_dead)
    .sample(&[("why", "handshake")], counters.handshakes_failed);
    page.metric("aerolith_peer_dials_total", Kind::Counter, "Attempts to connect to a peer.")
        .sample(&[("result", "ok")], counters.dials_succeeded)
        .sample(&[("result", "failed")], counters.dials_failed);
}

fn write_traffic(page: &mut Exposition, counters: &Counters) {
    page.metric("aerolith_peer_streams_total", Kind::Counter, "Streams that peers opened.")
        .sample(&[("result", "served")], counters.streams_inbound)
        .sample(&[("result", "refused")], counters.streams_refused)
        .sample(&[("result", "timed_out")], counters.streams_timed_out);
    page.metric("aerolith_peer_received_total", Kind::Counter, "Particles received.")
        .value(counters.particles_received);
    page.metric(
        "aerolith_peer_received_bytes_total",
        Kind::Counter,
        "Bytes of the particles received.",
    )
    .value(counters.particle_bytes_received);
    page.metric("aerolith_peer_sent_total", Kind::Counter, "Particles given to peers.")
        .value(counters.particles_sent);
    page.metric("aerolith_peer_sent_bytes_total", Kind::Counter, "Bytes of the particles sent.")
        .value(counters.particle_bytes_sent);
    page.metric(
        "aerolith_peer_unsent_total",
        Kind::Counter,
        "Particles that could not be given to their peer.",
    );
    for (reason, count) in SendError::REASONS.into_iter().zip(counters.particles_unsent) {
        page.sample(&[("reason", reason)], count);
    }
}
