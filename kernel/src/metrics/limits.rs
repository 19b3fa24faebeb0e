//! The part of the metrics page that says which bounds the build has.

use netstack::libp2p::swarm::limits as swarm;
use netstack::libp2p::yamux::limits as yamux;
use netstack::limits as network;

use super::exposition::{Exposition, Kind};
use crate::limits as node;
use crate::program::limits as program;

/// What others may bring, and what is done of it at once. The node may be configured to less, and the
/// memory of the machine may bear less.
const LIMITS: [(&str, u64); 63] = [
    // Particles and scripts.
    ("script_bytes", node::MAX_SCRIPT_BYTES as u64),
    ("particle_bytes", node::MAX_PARTICLE_BYTES as u64),
    ("particle_id_bytes", node::MAX_PARTICLE_ID_BYTES as u64),
    ("ttl_ms", node::MAX_TTL_MS as u64),
    ("clock_skew_ms", node::MAX_CLOCK_SKEW_MS as u64),
    ("live_particles", node::MAX_LIVE_PARTICLES as u64),
    ("remembered_particles", node::MAX_REMEMBERED as u64),
    ("listed_particles", node::MAX_LISTED_PARTICLES as u64),
    ("arrivals", node::MAX_ARRIVALS as u64),
    ("arrivals_of_peer", node::MAX_ARRIVALS_PER_PEER as u64),
    ("cached_scripts", node::MAX_CACHED_SCRIPTS as u64),
    ("cached_script_bytes", node::MAX_CACHED_SCRIPT_BYTES as u64),
    // One particle.
    ("particle_mail", node::MAX_MAIL as u64),
    ("particle_mail_bytes", node::MAX_MAIL_BYTES as u64),
    ("particle_steps", node::MAX_STEPS_PER_PARTICLE as u64),
    ("particle_fuel", node::MAX_FUEL_PER_PARTICLE),
    ("particle_interpreter_us", node::MAX_INTERPRETER_MICROS_PER_PARTICLE),
    ("particle_result_bytes", node::MAX_RESULT_BYTES_PER_PARTICLE as u64),
    ("particle_calls_waiting", node::MAX_CALLS_WAITING as u64),
    ("particle_sends_waiting", node::MAX_SENDS_WAITING as u64),
    ("particle_trace_states", node::MAX_TRACE_STATES as u64),
    ("step_memory_bytes", node::MAX_STEP_MEMORY_BYTES as u64),
    // Calls of services.
    ("call_arguments", node::MAX_CALL_ARGUMENTS as u64),
    ("call_result_bytes", node::MAX_CALL_RESULT_BYTES as u64),
    ("call_base58_bytes", node::MAX_BASE58_BYTES as u64),
    ("call_signed_bytes", node::MAX_SIGNED_BYTES as u64),
    ("call_connect_addresses", node::MAX_CONNECT_ADDRESSES as u64),
    ("calls_of_connect", node::MAX_CONNECTS_WAITING as u64),
    ("call_listed_files", node::MAX_LISTED_FILES as u64),
    ("call_cache_key_bytes", node::MAX_CACHE_KEY_BYTES as u64),
    // Programs.
    ("programs", program::MAX_PROGRAMS as u64),
    ("program_bundle_bytes", program::MAX_BUNDLE_BYTES as u64),
    ("program_body_bytes", program::MAX_PROGRAM_BODY_BYTES as u64),
    ("program_runs", program::MAX_CONCURRENCY as u64),
    ("program_queue", program::MAX_QUEUE as u64),
    ("program_run_ms", program::MAX_RUN_MS),
    ("program_run_steps", node::MAX_RUN_STEPS as u64),
    // HTTP.
    ("http_connections", node::MAX_HTTP_CONNECTIONS as u64),
    ("http_requests_of_connection", network::HTTP_REQUESTS_PER_CONNECTION as u64),
    ("http_head_bytes", network::HTTP_HEAD_BYTES as u64),
    ("http_headers", network::HTTP_HEADERS as u64),
    ("http_query_parameters", node::MAX_QUERY_PARAMETERS as u64),
    ("http_query_value_bytes", node::MAX_QUERY_VALUE_BYTES as u64),
    ("http_answers_at_end_ms", node::ANSWERS_PATIENCE_MS),
    // Connections with peers.
    ("peer_connections", node::MAX_PEER_CONNECTIONS as u64),
    ("peer_connections_of_address", swarm::MAX_CONNECTIONS_PER_ADDRESS as u64),
    ("peer_connections_of_peer", swarm::MAX_CONNECTIONS_PER_PEER as u64),
    ("peer_handshakes", swarm::MAX_HANDSHAKES as u64),
    ("peer_handshakes_of_address", swarm::MAX_HANDSHAKES_PER_ADDRESS as u64),
    ("peer_open_streams", swarm::MAX_OPEN_STREAMS as u64),
    ("peer_served_streams", swarm::MAX_SERVED_STREAMS as u64),
    ("peer_stream_window_bytes", yamux::WINDOW_BYTES as u64),
    ("peer_connection_unread_bytes", yamux::RECEIVE_BYTES as u64),
    ("peer_unread_bytes", swarm::MAX_UNREAD_BYTES as u64),
    ("peer_inbound_bytes", swarm::MAX_INBOUND_BYTES as u64),
    ("peer_queued", swarm::MAX_QUEUED as u64),
    ("peer_queued_bytes", swarm::MAX_QUEUED_BYTES as u64),
    ("peer_queued_of_peer", swarm::MAX_QUEUED_PER_PEER as u64),
    ("peer_queued_bytes_of_peer", swarm::MAX_QUEUED_BYTES_PER_PEER as u64),
    ("peer_dials", swarm::MAX_DIALS as u64),
    ("peer_dials_waiting", swarm::MAX_WAITING_DIALS as u64),
    ("peer_known", swarm::MAX_KNOWN_PEERS as u64),
    ("peer_known_addresses", swarm::MAX_ADDRESSES_PER_PEER as u64),
];

pub(super) fn write(page: &mut Exposition) {
    page.metric("aerolith_limit", Kind::Gauge, "Bounds that this build has.");
    for (name, value) in LIMITS {
        page.sample(&[("name", name)], value);
    }
}
