//! A node on a network: what whoever boots the machine calls.
//!
//! ```text
//! let config = Config::decode(&blob)?;
//! let executor = Executor::new(machine.clone());
//! let stack = Stack::new(run::stack_config(&config, StackConfig::new(mac, capabilities, seed)), now);
//! run::start(&executor, &stack, machine, config);
//! executor::drive(&executor, &mut host);            // host: MainLoop, over `stack.poll` and `hlt`
//! ```

use alloc::rc::Rc;
use core::net::IpAddr;
use core::time::Duration;

use log::{error, info};
use netstack::http::{self, Limits};
use netstack::{Addressing, IpAddress, IpCidr, StackConfig, StaticAddressing};

use crate::config::{Config, NetworkConfig};
use crate::executor::Executor;
use crate::limits::{ANNOUNCE_INTERVAL_MS, ANNOUNCE_LOOKS};
use crate::machine::Machine;
use crate::network::Network;
use crate::node::{Node, Web};

/// The part of the configuration that concerns the stack, put into `base`.
#[must_use]
pub fn stack_config(config: &Config, mut base: StackConfig) -> StackConfig {
    let NetworkConfig { hostname, addresses, gateways, dns } = &config.network;
    if !hostname.is_empty() {
        base.hostname = Some(hostname.clone());
    }
    if !addresses.is_empty() {
        let cidr = |cidr: &crate::config::Cidr| {
            IpCidr::new(IpAddress::from(cidr.address()), cidr.prefix_bits())
        };
        base.addressing = Addressing::Static(StaticAddressing {
            addresses: addresses.iter().map(cidr).collect(),
            gateways: gateways.iter().copied().map(IpAddress::from).collect(),
            dns_servers: dns.iter().copied().map(IpAddress::from).collect(),
        });
    }
    base
}

/// Makes a node and starts to serve it on `network`. Everything runs in tasks of `executor`.
#[must_use]
pub fn start<N: Network>(
    executor: &Executor,
    network: &N,
    machine: Rc<dyn Machine>,
    config: Config,
) -> Rc<Node> {
    let node = Node::new(machine, executor.clone(), config);
    info!(target: "node", "peer id {}", node.identity().peer_id());
    let counted = network.clone();
    node.set_network_counters(Rc::new(move || counted.counters()));
    executor.spawn(serve(executor.clone(), network.clone(), node.clone()));
    node
}

/// Listens, says so once there is an address, and serves for ever.
async fn serve<N: Network>(executor: Executor, network: N, node: Rc<Node>) {
    let port = node.config().http.port;
    let listener = match network.listen(port) {
        Ok(listener) => listener,
        Err(reason) => {
            error!(target: "node", "cannot listen on TCP port {port}: {reason}");
            return;
        }
    };
    // Sockets stay free to tell the clients beyond the bound that there are too many of them.
    let bearable = (network.counters().tcp_sockets_max * 3 / 4).max(1);
    let wanted = usize::try_from(node.config().http.max_connections).unwrap_or(usize::MAX);
    let connections = wanted.min(bearable);
    executor.spawn(announce(executor.clone(), network, port));
    let web = Web::new(node);
    http::serve_listener(&listener, connections, &Limits::default(), &executor, &web).await;
}

/// Prints where the node can be reached, when it can be.
///
/// An address of IPv6 may be there long before DHCP gives the one of IPv4, which most people want to
/// see, so this waits a little for it.
async fn announce<N: Network>(executor: Executor, network: N, port: u16) {
    network.wait_configured().await;
    let mut addresses = network.addresses();
    for _ in 0..ANNOUNCE_LOOKS {
        if addresses.iter().any(IpAddr::is_ipv4) {
            break;
        }
        executor.sleep(Duration::from_millis(ANNOUNCE_INTERVAL_MS)).await;
        addresses = network.addresses();
    }
    addresses.sort_by_key(|address| !address.is_ipv4());
    for address in addresses {
        match address {
            IpAddr::V4(address) => info!(target: "node", "ready http://{address}:{port}/"),
            IpAddr::V6(address) if !address.is_unicast_link_local() => {
                info!(target: "node", "ready http://[{address}]:{port}/");
            }
            IpAddr::V6(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{HttpConfig, IdentityConfig, Seed};
    use crate::executor::{Slot, drive, from_network, to_network};
    use crate::machine::{Instant, MainLoop, Simulated};
    use alloc::string::String;
    use alloc::vec;
    use alloc::vec::Vec;
    use core::ops::ControlFlow;
    use embedded_io_async::{Read, Write};
    use futures_util::future::FutureExt;
    use netstack::{EthernetAddress, IpEndpoint, Stack, TcpStream};
    use smoltcp::phy::{Device, Loopback, Medium};

    const ADDRESS: &str = "10.0.0.1";

    fn config() -> Config {
        Config {
            network: NetworkConfig {
                hostname: "node-1".into(),
                addresses: vec!["10.0.0.1/24".parse().unwrap()],
                gateways: vec!["10.0.0.2".parse().unwrap()],
                dns: vec!["10.0.0.3".parse().unwrap()],
            },
            http: HttpConfig { port: 8080, max_connections: 4 },
            identity: IdentityConfig { seed: Some(Seed::new([1; 32])) },
            ..Config::default()
        }
    }

    fn base(device: &Loopback) -> StackConfig {
        StackConfig::new(EthernetAddress([2, 0, 0, 0, 0, 1]), device.capabilities(), 1)
    }

    /// A machine whose network is a loop; it stops when the reply is there.
    struct Host {
        machine: Simulated,
        stack: Stack,
        device: Loopback,
        reply: Slot<Vec<u8>>,
    }

    impl MainLoop for Host {
        fn poll_network(&mut self, now: Instant) -> Option<Instant> {
            self.stack.poll(to_network(now), &mut self.device).map(from_network)
        }

        fn idle(&mut self, until: Option<Instant>) -> ControlFlow<()> {
            let late = until.is_none_or(|until| until > Instant::from_micros(60_000_000));
            if self.reply.is_filled() || late {
                return ControlFlow::Break(());
            }
            self.machine.sleep_until(until.unwrap_or_default());
            ControlFlow::Continue(())
        }
    }

    #[test]
    fn the_configuration_reaches_the_stack() {
        let device = Loopback::new(Medium::Ethernet);
        let configured = stack_config(&config(), base(&device));
        assert_eq!(configured.hostname.as_deref(), Some("node-1"));
        let Addressing::Static(given) = configured.addressing else { panic!("not static") };
        assert_eq!(alloc::format!("{}", given.addresses[0]), "10.0.0.1/24");
        assert_eq!((given.gateways.len(), given.dns_servers.len()), (1, 1));
        let default = stack_config(&Config::default(), base(&device));
        assert_eq!((default.addressing, default.hostname), (Addressing::Dhcp, None));
    }

    #[test]
    fn a_started_node_answers_over_tcp() {
        let machine = Simulated::new(3);
        let executor = Executor::new(Rc::new(machine.clone()));
        let device = Loopback::new(Medium::Ethernet);
        let now = to_network(executor.now());
        let stack = Stack::new(stack_config(&config(), base(&device)), now);
        let node = start(&executor, &stack, Rc::new(machine.clone()), config());
        let reply = Slot::new();
        let (client, slot) = (stack.clone(), reply.clone());
        executor.spawn(async move {
            let peer = IpEndpoint::new(ADDRESS.parse::<IpAddr>().unwrap().into(), 8080);
            let timeout = netstack::time::Duration::from_secs(5);
            let mut stream = TcpStream::connect(&client, peer, timeout).await.expect("it listens");
            let request = b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
            stream.write_all(request).await.unwrap();
            let (mut bytes, mut buffer) = (Vec::new(), [0; 512]);
            while let Ok(read @ 1..) = stream.read(&mut buffer).await {
                bytes.extend_from_slice(&buffer[..read]);
            }
            slot.put(bytes);
        });
        drive(&executor, &mut Host { machine, stack, device, reply: reply.clone() });
        let bytes = reply.take().now_or_never().expect("the node answered");
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
        assert!(text.contains(&**node.identity().peer_id()), "{text}");
        assert!(node.metrics_page().contains("aerolith_tcp_accepted_total 1\n"));
        executor.shut_down();
    }
}
