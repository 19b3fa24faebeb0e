//! How a stack is configured.

use alloc::string::String;
use alloc::vec::Vec;

use smoltcp::phy::DeviceCapabilities;
use smoltcp::wire::{EthernetAddress, IpAddress, IpCidr};

use crate::limits;

/// Where the interface's addresses come from. An IPv6 link-local address is made from the hardware
/// address in every case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Addressing {
    /// IPv4 by DHCP.
    Dhcp,
    /// Given addresses, IPv4 or IPv6 or both.
    Static(StaticAddressing),
}

/// Given addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StaticAddressing {
    /// Addresses with their prefix lengths; the first six unicast ones are used.
    pub addresses: Vec<IpCidr>,
    /// Default gateways, at most one of each IP version.
    pub gateways: Vec<IpAddress>,
    /// Name servers.
    pub dns_servers: Vec<IpAddress>,
}

/// Configuration of a [`crate::Stack`].
#[derive(Clone, Debug)]
pub struct StackConfig {
    /// Hardware address. When it is not unicast, a fixed locally administered one is used instead.
    pub mac: EthernetAddress,
    /// What the device can do: give `device.capabilities()`.
    pub capabilities: DeviceCapabilities,
    /// Where the addresses come from.
    pub addressing: Addressing,
    /// Whether IPv6 addresses and routes are taken from router advertisements (RFC 4862).
    pub slaac: bool,
    /// Name told to the DHCP server.
    pub hostname: Option<String>,
    /// Fresh randomness: seeds ports, sequence numbers and query ids.
    pub seed: u64,
    /// TCP sockets of any state at once.
    pub max_tcp_sockets: usize,
    /// Receive buffer of a TCP socket in bytes.
    pub tcp_receive_bytes: usize,
    /// Send buffer of a TCP socket in bytes.
    pub tcp_send_bytes: usize,
}

impl StackConfig {
    /// DHCP, SLAAC and the default limits.
    #[must_use]
    pub fn new(mac: EthernetAddress, capabilities: DeviceCapabilities, seed: u64) -> Self {
        Self {
            mac,
            capabilities,
            addressing: Addressing::Dhcp,
            slaac: true,
            hostname: None,
            seed,
            max_tcp_sockets: limits::DEFAULT_MAX_TCP_SOCKETS,
            tcp_receive_bytes: limits::DEFAULT_TCP_RECEIVE_BYTES,
            tcp_send_bytes: limits::DEFAULT_TCP_SEND_BYTES,
        }
    }

    /// The same with no more TCP sockets than `memory_bytes` can bear: their buffers may take a quarter
    /// of it, so that a flood of connections cannot exhaust the heap.
    #[must_use]
    pub fn within_memory(mut self, memory_bytes: usize) -> Self {
        let each = self.tcp_receive_bytes.saturating_add(self.tcp_send_bytes).max(1);
        let bearable = (memory_bytes / 4 / each).max(limits::MIN_TCP_SOCKETS);
        self.max_tcp_sockets = self.max_tcp_sockets.min(bearable);
        self
    }

    /// The same with every value within its bounds.
    pub(super) fn bounded(mut self) -> Self {
        if !self.mac.is_unicast() {
            self.mac = EthernetAddress([0x02, 0, 0, 0, 0, 0x01]);
        }
        // The generators of random numbers have zero as a fixed point.
        if self.seed == 0 {
            self.seed = 0x9E37_79B9_7F4A_7C15;
        }
        let buffer = limits::MIN_TCP_BUFFER_BYTES..=limits::MAX_TCP_BUFFER_BYTES;
        self.tcp_receive_bytes = self.tcp_receive_bytes.clamp(*buffer.start(), *buffer.end());
        self.tcp_send_bytes = self.tcp_send_bytes.clamp(*buffer.start(), *buffer.end());
        self.max_tcp_sockets = self.max_tcp_sockets.max(1);
        self.hostname = self.hostname.filter(|name| is_label(name));
        self
    }
}

/// True for a host name label of RFC 1123: letters, digits and inner hyphens.
fn is_label(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= limits::MAX_HOSTNAME_BYTES
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !name.starts_with('-')
        && !name.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_take_a_quarter_of_the_memory_at_most() {
        let config = StackConfig::new(EthernetAddress([2; 6]), DeviceCapabilities::default(), 1);
        let each = config.tcp_receive_bytes + config.tcp_send_bytes;
        let sockets = |memory| config.clone().within_memory(memory).max_tcp_sockets;
        assert_eq!(sockets(0), limits::MIN_TCP_SOCKETS);
        assert_eq!(sockets(4 * each * 20), 20);
        assert_eq!(sockets(4 * each * 20 - 1), 19);
        assert_eq!(sockets(usize::MAX), limits::DEFAULT_MAX_TCP_SOCKETS);
    }
}
