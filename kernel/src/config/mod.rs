//! The node's configuration: what can be set, and what it is when nothing is set.
//!
//! People write it as TOML, which the build tool reads with these very types; the node gets it as one
//! [`blob`](self::blob) of bytes. Every field has a safe, working default, so an empty file, or none at
//! all, is a complete configuration: DHCP, HTTP on port 80, peers on port 7777, a key made at boot.

mod address;
mod aleph;
mod blob;
mod cidr;
mod origin;
mod secret;
mod word;

pub use address::Address;
pub use aleph::AlephConfig;
pub use blob::{BLOB_VERSION, DecodeError, EncodeError, MAGIC};
pub use cidr::Cidr;
pub use origin::{NotOrigin, Origin};
pub use secret::Seed;
pub use word::{WORD, WordError, find_word};

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::aleph::item_hash::ItemHash;
use crate::limits::{
    DEFAULT_CLOCK_SKEW_MS, DEFAULT_PEER_CONNECTIONS, DEFAULT_PEER_PORT, MAX_BOOTSTRAP_PEERS,
    MAX_CLOCK_SKEW_MS, MAX_CONFIG_ADDRESSES, MAX_CONFIG_DNS_SERVERS, MAX_CONFIG_HOSTNAME_BYTES,
    MAX_EXTERNAL_ADDRESSES, MAX_HTTP_CONNECTIONS, MAX_LIVE_PARTICLES, MAX_PARTICLE_BYTES,
    MAX_PEER_CONNECTIONS, MAX_SCRIPT_BYTES, MAX_TTL_MS, MIN_PARTICLE_BYTES,
};
use crate::program::limits::{
    DEFAULT_CONCURRENCY, DEFAULT_QUEUE, MAX_CONCURRENCY, MAX_PROGRAM_BODY_BYTES, MAX_QUEUE,
};

/// Everything that the owner of a node may choose.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The lowest level of log lines that are printed.
    pub log: LogLevel,
    /// Addresses and names.
    pub network: NetworkConfig,
    /// The HTTP server.
    pub http: HttpConfig,
    /// Other peers.
    pub peers: PeersConfig,
    /// The node's key.
    pub identity: IdentityConfig,
    /// Particles that the node runs.
    pub particles: ParticleConfig,
    /// Programs that the node hosts.
    pub programs: ProgramsConfig,
    /// The disk that the node keeps things on.
    pub volume: VolumeConfig,
    /// Messages and programs of the Aleph network.
    pub aleph: AlephConfig,
}

/// Addresses and names of the node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NetworkConfig {
    /// The name that is sent with DHCP requests; empty for none.
    pub hostname: String,
    /// Static addresses with their prefix lengths, such as `10.0.2.15/24`. Empty: ask by DHCP.
    pub addresses: Vec<Cidr>,
    /// Default routers, at most one of each IP version; only with static addresses.
    pub gateways: Vec<IpAddr>,
    /// Name servers; with DHCP they are used before those that the server names.
    pub dns: Vec<IpAddr>,
}

/// The HTTP server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpConfig {
    /// TCP port to listen on.
    pub port: u16,
    /// Connections that are served at once.
    pub max_connections: u32,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self { port: 80, max_connections: 64 }
    }
}

/// Other peers: where they find the node, where it finds them, and what it takes from them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PeersConfig {
    /// TCP port on which peers connect, plainly or by WebSocket.
    pub port: u16,
    /// Peers to stay connected to: multiaddresses that end in `/p2p/` and the peer's id.
    pub bootstrap: Vec<Address>,
    /// Addresses under which others reach the node, where it cannot see them itself, as behind a
    /// forwarded port.
    pub external_addresses: Vec<Address>,
    /// Connections with peers at once.
    pub max_connections: u32,
    /// Size of the largest particle that is taken or sent, as it is on the wire.
    pub max_particle_bytes: u32,
    /// Longest time that a particle of another peer is kept, in milliseconds.
    pub max_ttl_ms: u32,
    /// How far a particle's timestamp may be ahead of the node's clock, in milliseconds.
    pub max_clock_skew_ms: u32,
    /// Particles from one peer that live at once.
    pub max_live_per_peer: u32,
}

impl Default for PeersConfig {
    fn default() -> Self {
        Self {
            port: DEFAULT_PEER_PORT,
            bootstrap: Vec::new(),
            external_addresses: Vec::new(),
            max_connections: DEFAULT_PEER_CONNECTIONS,
            max_particle_bytes: 4 << 20,
            max_ttl_ms: MAX_TTL_MS,
            max_clock_skew_ms: DEFAULT_CLOCK_SKEW_MS,
            max_live_per_peer: 4096,
        }
    }
}

/// The node's key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IdentityConfig {
    /// The ed25519 seed as 64 hexadecimal digits; without it a key is made at boot.
    pub seed: Option<Seed>,
}

/// Particles that the node runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ParticleConfig {
    /// Particles that live at once, those of the node's own users counted apart from those of peers;
    /// further ones are refused until one ends.
    pub max_live: u32,
    /// Time that a particle which the node starts has for its answer, in milliseconds.
    pub ttl_ms: u32,
    /// Size of the largest script that is taken, in bytes.
    pub max_script_bytes: u32,
}

impl Default for ParticleConfig {
    fn default() -> Self {
        Self { max_live: 8192, ttl_ms: 7_000, max_script_bytes: 256 << 10 }
    }
}

/// The disk that the node keeps things on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VolumeConfig {
    /// Whether a disk that is blank, or that has an ext4 file system without any file, becomes a volume
    /// where there is none yet. What is on it is lost.
    pub format: bool,
}

/// Programs that the node hosts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProgramsConfig {
    /// Runs of one program at once; of one that keeps state there is one whatever this says.
    pub concurrency: u32,
    /// Runs of one program that wait for their turn; further ones are refused.
    pub queue: u32,
    /// Size of the largest body of a request for a program, in bytes.
    pub max_body_bytes: u32,
    /// The item hash of the program that answers requests which name none; empty: the only program.
    pub root: String,
}

impl Default for ProgramsConfig {
    fn default() -> Self {
        Self {
            concurrency: DEFAULT_CONCURRENCY,
            queue: DEFAULT_QUEUE,
            max_body_bytes: 1 << 20,
            root: String::new(),
        }
    }
}

impl ProgramsConfig {
    fn validate(&self) -> Result<(), InvalidConfig> {
        let wrong = |field, why| Err(InvalidConfig { field, why });
        if self.concurrency == 0 || self.concurrency > MAX_CONCURRENCY {
            return wrong("programs.concurrency", "must be between 1 and 1024");
        }
        if self.queue > MAX_QUEUE {
            return wrong("programs.queue", "must be at most 4096");
        }
        if self.max_body_bytes > MAX_PROGRAM_BODY_BYTES {
            return wrong("programs.max_body_bytes", "must be at most 67108864");
        }
        if !self.root.is_empty() && self.root.parse::<ItemHash>().is_err() {
            return wrong("programs.root", "must be the item hash of a program");
        }
        Ok(())
    }
}

/// The lowest level of log lines that are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Nothing.
    Off,
    /// Failures that need a person.
    Error,
    /// Failures that the node survives.
    Warn,
    /// What an operator wants to know.
    #[default]
    Info,
    /// What a developer wants to know.
    Debug,
    /// Everything.
    Trace,
}

impl From<LogLevel> for log::LevelFilter {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Off => Self::Off,
            LogLevel::Error => Self::Error,
            LogLevel::Warn => Self::Warn,
            LogLevel::Info => Self::Info,
            LogLevel::Debug => Self::Debug,
            LogLevel::Trace => Self::Trace,
        }
    }
}

/// A value that has the right form but cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidConfig {
    /// The field as it is written in TOML, such as `http.port`.
    pub field: &'static str,
    /// What is wrong with it.
    pub why: &'static str,
}

impl fmt::Display for InvalidConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "configuration field '{}' {}", self.field, self.why)
    }
}

impl core::error::Error for InvalidConfig {}

impl Config {
    /// Checks what the types cannot say.
    ///
    /// # Errors
    /// The first field, in the order of declaration, that cannot be used.
    pub fn validate(&self) -> Result<(), InvalidConfig> {
        let wrong = |field, why| Err(InvalidConfig { field, why });
        self.network.validate()?;
        if self.http.port == 0 {
            return wrong("http.port", "must not be 0");
        }
        if self.http.max_connections == 0 || self.http.max_connections > MAX_HTTP_CONNECTIONS {
            return wrong("http.max_connections", "must be between 1 and 1024");
        }
        self.peers.validate()?;
        if self.http.port == self.peers.port {
            return wrong("peers.port", "must not be the port of HTTP");
        }
        if self.particles.max_live == 0 || self.particles.max_live > MAX_LIVE_PARTICLES {
            return wrong("particles.max_live", "must be between 1 and 65536");
        }
        if self.particles.ttl_ms == 0 || self.particles.ttl_ms > MAX_TTL_MS {
            return wrong("particles.ttl_ms", "must be between 1 and 300000");
        }
        if self.particles.max_script_bytes == 0
            || self.particles.max_script_bytes > MAX_SCRIPT_BYTES
        {
            return wrong("particles.max_script_bytes", "must be between 1 and 1048576");
        }
        self.programs.validate()?;
        self.aleph.validate()
    }
}

impl PeersConfig {
    fn validate(&self) -> Result<(), InvalidConfig> {
        let wrong = |field, why| Err(InvalidConfig { field, why });
        if self.port == 0 {
            return wrong("peers.port", "must not be 0");
        }
        if self.bootstrap.len() > MAX_BOOTSTRAP_PEERS {
            return wrong("peers.bootstrap", "has more than 32 entries");
        }
        if self.bootstrap.iter().any(|address| address.peer_id().is_none()) {
            return wrong(
                "peers.bootstrap",
                "has an address that does not end in /p2p/ and a peer id",
            );
        }
        if self.external_addresses.len() > MAX_EXTERNAL_ADDRESSES {
            return wrong("peers.external_addresses", "has more than 8 entries");
        }
        if self.max_connections == 0 || self.max_connections > MAX_PEER_CONNECTIONS {
            return wrong("peers.max_connections", "must be between 1 and 1024");
        }
        if !(MIN_PARTICLE_BYTES..=MAX_PARTICLE_BYTES).contains(&self.max_particle_bytes) {
            return wrong("peers.max_particle_bytes", "must be between 4096 and 16777216");
        }
        if self.max_ttl_ms == 0 || self.max_ttl_ms > MAX_TTL_MS {
            return wrong("peers.max_ttl_ms", "must be between 1 and 300000");
        }
        if self.max_clock_skew_ms > MAX_CLOCK_SKEW_MS {
            return wrong("peers.max_clock_skew_ms", "must be at most 300000");
        }
        if self.max_live_per_peer == 0 || self.max_live_per_peer > MAX_LIVE_PARTICLES {
            return wrong("peers.max_live_per_peer", "must be between 1 and 65536");
        }
        Ok(())
    }
}

impl NetworkConfig {
    fn validate(&self) -> Result<(), InvalidConfig> {
        let wrong = |field, why| Err(InvalidConfig { field, why });
        let host_characters = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if self.hostname.len() > MAX_CONFIG_HOSTNAME_BYTES {
            return wrong("network.hostname", "is longer than 63 bytes");
        }
        if !self.hostname.bytes().all(host_characters) {
            return wrong("network.hostname", "may have letters, digits and '-' only");
        }
        if self.addresses.len() > MAX_CONFIG_ADDRESSES {
            return wrong("network.addresses", "has more than 4 entries");
        }
        if self.addresses.iter().any(|cidr| !is_usable(cidr.address())) {
            return wrong("network.addresses", "has an unspecified, multicast or loopback address");
        }
        if !self.gateways.is_empty() && self.addresses.is_empty() {
            return wrong("network.gateways", "needs network.addresses");
        }
        let of_version_4 = self.gateways.iter().filter(|gateway| gateway.is_ipv4()).count();
        if of_version_4 > 1 || self.gateways.len().saturating_sub(of_version_4) > 1 {
            return wrong("network.gateways", "has more than one entry of one IP version");
        }
        if !self.gateways.iter().copied().all(is_usable) {
            return wrong("network.gateways", "has an unspecified, multicast or loopback address");
        }
        if self.dns.len() > MAX_CONFIG_DNS_SERVERS {
            return wrong("network.dns", "has more than 3 entries");
        }
        if !self.dns.iter().copied().all(is_usable) {
            return wrong("network.dns", "has an unspecified, multicast or loopback address");
        }
        Ok(())
    }
}

fn is_usable(address: IpAddr) -> bool {
    !(address.is_unspecified() || address.is_multicast() || address.is_loopback())
}

#[cfg(test)]
mod tests;
