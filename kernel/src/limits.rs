//! Every bound of the node, in one place.
//!
//! Sizes are in bytes, times in the unit that ends the name. A bound that protects memory is a bound on
//! what one foreign party can make the node hold; `ARCHITECTURE.md` adds them up.

/// Rounds of the executor between two looks at the network.
pub const MAX_ROUNDS_PER_TURN: usize = 64;
/// Time that tasks may run between two looks at the network, measured between rounds.
pub const MAX_TURN_MICROS: u64 = 2_000;

/// The whole blob of the configuration.
pub const MAX_CONFIG_BYTES: usize = 64 << 10;
/// A host name is one DNS label.
pub const MAX_CONFIG_HOSTNAME_BYTES: usize = 63;
/// Static addresses of the node.
pub const MAX_CONFIG_ADDRESSES: usize = 4;
/// Name servers.
pub const MAX_CONFIG_DNS_SERVERS: usize = 3;

/// The most that `http.max_connections` may be set to.
pub const MAX_HTTP_CONNECTIONS: u32 = 1024;
/// The most that `particles.max_live` may be set to.
pub const MAX_LIVE_PARTICLES: u32 = 4096;
/// The most that `particles.ttl_ms` may be set to: five minutes.
pub const MAX_TTL_MS: u32 = 300_000;
/// The most that `particles.max_script_bytes` may be set to.
pub const MAX_SCRIPT_BYTES: u32 = 1 << 20;

/// Arguments of one call of a service.
pub const MAX_CALL_ARGUMENTS: usize = 1024;
/// JSON text of one result of a service.
pub const MAX_CALL_RESULT_BYTES: usize = 1 << 20;
/// Input of a base58 conversion, whose time grows with the square of it.
pub const MAX_BASE58_BYTES: usize = 4 << 10;
/// Foreign text that an error message repeats.
pub const MAX_EXCERPT_BYTES: usize = 1 << 10;
