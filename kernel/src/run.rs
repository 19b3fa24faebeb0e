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
use netstack::{Addressing, IpAddress, IpCidr, Stack, StackConfig, StaticAddressing, TcpListener};

use crate::config::{Config, NetworkConfig};
use crate::executor::Executor;
use crate::limits::{ANNOUNCE_INTERVAL_MS, ANNOUNCE_LOOKS, LISTEN_BACKLOG};
use crate::machine::Machine;
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

/// Makes a node and starts to serve it on `stack`. Everything runs in tasks of `executor`.
#[must_use]
pub fn start(
    executor: &Executor,
    stack: &Stack,
    machine: Rc<dyn Machine>,
    config: Config,
) -> Rc<Node> {
    let node = Node::new(machine, executor.clone(), config);
    info!(target: "node", "peer id {}", node.identity().peer_id());
    let counted = stack.clone();
    node.set_network_counters(Rc::new(move || counted.counters()));
    executor.spawn(serve(executor.clone(), stack.clone(), node.clone()));
    node
}

/// Listens, says so once there is an address, and serves for ever.
async fn serve(executor: Executor, stack: Stack, node: Rc<Node>) {
    let port = node.config().http.port;
    let listener = match TcpListener::bind(&stack, port, LISTEN_BACKLOG) {
        Ok(listener) => listener,
        Err(reason) => {
            error!(target: "node", "cannot listen on TCP port {port}: {reason}");
            return;
        }
    };
    executor.spawn(announce(executor.clone(), stack, port));
    let connections = usize::try_from(node.config().http.max_connections).unwrap_or(usize::MAX);
    let web = Web::new(node);
    http::serve_listener(&listener, connections, &Limits::default(), &executor, &web).await;
}

/// Prints where the node can be reached, when it can be.
///
/// An address of IPv6 may be there long before DHCP gives the one of IPv4, which most people want to
/// see, so this waits a little for it.
async fn announce(executor: Executor, stack: Stack, port: u16) {
    let is_ipv4 = |cidr: &IpCidr| matches!(cidr, IpCidr::Ipv4(_));
    let mut addresses = stack.wait_configured().await;
    for _ in 0..ANNOUNCE_LOOKS {
        if addresses.iter().any(is_ipv4) {
            break;
        }
        executor.sleep(Duration::from_millis(ANNOUNCE_INTERVAL_MS)).await;
        addresses = stack.addresses();
    }
    addresses.sort_by_key(|cidr| !is_ipv4(cidr));
    for cidr in &addresses {
        match IpAddr::from(cidr.address()) {
            IpAddr::V4(address) => info!(target: "node", "ready http://{address}:{port}/"),
            IpAddr::V6(address) if !address.is_unicast_link_local() => {
                info!(target: "node", "ready http://[{address}]:{port}/");
            }
            IpAddr::V6(_) => {}
        }
    }
}
