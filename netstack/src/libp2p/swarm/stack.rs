//! Dialing through the network stack.

use smoltcp::wire::{DnsQueryType, IpEndpoint};

use super::dial::{Dial, DialError};
use super::limits::{DIAL_ADDRESS_TIMEOUT, MAX_RESOLVED};
use crate::libp2p::Multiaddr;
use crate::libp2p::multiaddr::{Family, Host, Transport};
use crate::{Stack, TcpStream};

impl Dial for Stack {
    type Stream = TcpStream;

    async fn dial(&self, address: &Multiaddr) -> Result<TcpStream, DialError> {
        if address.transport() == Transport::SecureWebSocket || address.port() == 0 {
            return Err(DialError::Unsupported);
        }
        let resolved = match address.host() {
            Host::Ip(address) => alloc::vec![*address],
            Host::Dns(family, name) => self.resolve_to(name, kinds(*family)).await?,
        };
        let mut failure = DialError::NotResolved;
        for host in resolved.into_iter().take(MAX_RESOLVED) {
            let endpoint = IpEndpoint::new(host, address.port());
            match TcpStream::connect(self, endpoint, DIAL_ADDRESS_TIMEOUT / 2).await {
                Ok(stream) => return Ok(stream),
                Err(error) => failure = error.into(),
            }
        }
        Err(failure)
    }
}

/// What to ask the name servers for.
fn kinds(family: Family) -> &'static [DnsQueryType] {
    match family {
        Family::Any => &[DnsQueryType::A, DnsQueryType::Aaaa],
        Family::V4 => &[DnsQueryType::A],
        Family::V6 => &[DnsQueryType::Aaaa],
    }
}
