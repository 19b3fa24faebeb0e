//! A node on a network: what whoever boots the machine calls.
//!
//! ```text
//! let config = Config::decode(&blob)?;
//! let executor = Executor::new(machine.clone());
//! let stack = Stack::new(run::stack_config(&config, StackConfig::new(mac, capabilities, seed)), now);
//! run::start(&executor, &stack, machine, config, Rc::new(Memory::new(room)));
//! executor::drive(&executor, &mut host);            // host: MainLoop, over `stack.poll` and `hlt`
//! ```

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use log::{error, info, warn};
use netstack::http::{self, Limits};
use netstack::libp2p::Multiaddr;
use netstack::libp2p::multiaddr::Transport;
use netstack::libp2p::swarm::{self, Swarm, SwarmConfig};
use netstack::{Addressing, IpAddress, IpCidr, Listen, StackConfig, StaticAddressing};

use crate::config::{Config, NetworkConfig};
use crate::executor::{Executor, Slot};
use crate::limits::{
    ANSWERS_PATIENCE_MS, IPV4_PATIENCE_MS, MIN_PEER_CONNECTIONS, PEER_BYTES_PART,
    PEER_CONNECTION_BYTES, PEER_CONNECTIONS_PART, PEERS_PATIENCE_MS,
};
use crate::machine::{Machine, MachineRng};
use crate::network::Network;
use crate::node::{Node, Web};
use crate::peers::{Connected, Inbound};
use crate::program::Programs;
use crate::store::Store;
use crate::triggers::{self, Triggers};

/// What the node calls itself to its peers.
const AGENT: &str = concat!("aerolith/", env!("CARGO_PKG_VERSION"));

/// The part of the configuration that concerns the stack, put into `base`.
#[must_use]
pub fn stack_config(config: &Config, mut base: StackConfig) -> StackConfig {
    let NetworkConfig { hostname, addresses, .. } = &config.network;
    if !hostname.is_empty() {
        base.hostname = Some(hostname.clone());
    }
    if !addresses.is_empty() {
        base.addressing = Addressing::Static(static_addressing(&config.network));
    }
    // So that after the spare ones all that the configuration lets in have one.
    let connections = count(config.http.max_connections) + count(config.peers.max_connections);
    base.max_tcp_sockets = base.max_tcp_sockets.max(connections + connections / 4);
    base
}

/// The given addresses in the form in which the stack takes them.
#[must_use]
pub fn static_addressing(config: &NetworkConfig) -> StaticAddressing {
    let cidr = |cidr: &crate::config::Cidr| {
        IpCidr::new(IpAddress::from(cidr.address()), cidr.prefix_bits())
    };
    StaticAddressing {
        addresses: config.addresses.iter().map(cidr).collect(),
        gateways: config.gateways.iter().copied().map(IpAddress::from).collect(),
        dns_servers: config.dns.iter().copied().map(IpAddress::from).collect(),
    }
}

/// A node that serves.
#[derive(Clone, Debug)]
pub struct Running {
    /// The node.
    pub node: Rc<Node>,
    /// The programs that it hosts.
    pub programs: Programs,
    /// What starts them, beside requests.
    pub triggers: Triggers,
    /// Its connections with peers.
    pub swarm: Swarm,
    executor: Executor,
    requests: Requests,
}

/// The end of the HTTP side: asked for, and over.
#[derive(Clone, Debug, Default)]
struct Requests {
    end: Slot<()>,
    answered: Slot<()>,
}

impl Running {
    /// Ends what the node does for others, so that the network under it can be closed: no request is
    /// taken any more, those under way are answered within [`ANSWERS_PATIENCE_MS`], and then peers are
    /// told within [`PEERS_PATIENCE_MS`], as an answer may need them. To be called once.
    pub async fn close(&self) {
        let Self { executor, requests, swarm, .. } = self;
        let patience = |millis| executor.now().after(Duration::from_millis(millis));
        requests.end.put(());
        let answered = requests.answered.take();
        if executor.timeout_at(patience(ANSWERS_PATIENCE_MS), answered).await.is_err() {
            warn!(target: "node", "not all requests were answered in {ANSWERS_PATIENCE_MS} ms");
        }
        // What does not end so is closed below it.
        let _in_time = executor.timeout_at(patience(PEERS_PATIENCE_MS), swarm.shutdown()).await;
    }
}

/// Makes a node and starts to serve it on `network`; what it keeps is in `store`. Everything runs in tasks of `executor`.
#[must_use]
pub fn start<N: Network>(
    executor: &Executor,
    network: &N,
    machine: Rc<dyn Machine>,
    config: Config,
    store: Rc<dyn Store>,
) -> Running {
    let node = Node::new(machine.clone(), executor.clone(), config);
    info!(target: "node", "peer id {}", node.identity().peer_id());
    let counted = network.clone();
    node.set_network_counters(Rc::new(move || counted.counters()));
    let shares = Shares::of(&node, network.counters().tcp_sockets_max);
    let swarm = Swarm::new(
        swarm_config(&node, shares.peers),
        network.clone(),
        executor.clone(),
        executor.clone(),
        MachineRng::new(machine.clone()),
        Inbound::new(&node),
    );
    node.set_peers(Rc::new(Connected::new(swarm.clone())));
    let programs = Programs::new(node.clone(), store.clone());
    let triggers = triggers::start(executor, network, machine, &programs, store);
    let restoring = programs.clone();
    executor.spawn(async move { restoring.restore().await });
    let (executor, requests) = (executor.clone(), Requests::default());
    let running = Running { node, programs, triggers, swarm, executor: executor.clone(), requests };
    executor.spawn(serve(executor.clone(), network.clone(), running.clone(), shares.http));
    running
}

/// How the connections that the network bears are shared.
struct Shares {
    http: usize,
    peers: usize,
}

impl Shares {
    /// Some sockets stay free, to tell those beyond the bounds that there are too many of them, and for
    /// connections that are about to end.
    fn of(node: &Node, sockets: usize) -> Self {
        let config = node.config();
        let bearable = (sockets - sockets / 8).max(2);
        let http = count(config.http.max_connections).min(bearable / 2);
        let memory = node.heap_bytes() / PEER_CONNECTIONS_PART / PEER_CONNECTION_BYTES;
        let peers = count(config.peers.max_connections)
            .min(memory.max(MIN_PEER_CONNECTIONS))
            .min(bearable - http);
        Self { http, peers }
    }
}

fn count(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

pub(crate) fn swarm_config(node: &Node, max_connections: usize) -> SwarmConfig {
    let peers = &node.config().peers;
    let mut config = SwarmConfig::new(node.identity().network_key().clone(), AGENT);
    config.bootstrap = peers.bootstrap.iter().map(|address| (**address).clone()).collect();
    config.listen_addresses = listen_addresses(node, &[]);
    let limits = &mut config.limits;
    let bytes = node.heap_bytes() / PEER_BYTES_PART;
    *limits = swarm::Limits {
        max_connections,
        max_particle_bytes: node.allowance().particle,
        max_inbound_bytes: limits.max_inbound_bytes.min(bytes),
        max_queued_bytes: limits.max_queued_bytes.min(bytes),
        ..*limits
    };
    config
}

/// Where others reach the node: what the configuration says, and the port of peers at `addresses`.
fn listen_addresses(node: &Node, addresses: &[IpAddr]) -> Vec<Multiaddr> {
    let config = &node.config().peers;
    let external = config.external_addresses.iter();
    let mut all: Vec<Multiaddr> =
        external.map(|address| (**address).clone().without_peer_id()).collect();
    for &address in addresses {
        let plain = Multiaddr::new(address.into(), config.port);
        all.extend([plain.clone(), plain.with_transport(Transport::WebSocket)]);
    }
    all
}

/// Listens, says so once there is an address, and serves until the end.
async fn serve<N: Network>(executor: Executor, network: N, running: Running, http: usize) {
    let Running { node, programs, triggers, swarm, requests, .. } = running;
    let port = node.config().peers.port;
    match network.listen(port) {
        Ok(listener) => executor.spawn(serve_peers(listener, swarm.clone())),
        Err(reason) => {
            error!(target: "node", "cannot listen for peers on TCP port {port}: {reason}");
        }
    }
    // Requests find the programs that were installed before.
    programs.restored().await;
    let port = node.config().http.port;
    let listener = match network.listen(port) {
        Ok(listener) => listener,
        Err(reason) => {
            error!(target: "node", "cannot listen on TCP port {port}: {reason}");
            requests.answered.put(());
            return;
        }
    };
    executor.spawn(announce(executor.clone(), network, node.clone(), swarm));
    let web = Web::new(programs).with_triggers(triggers);
    let end = requests.end.take();
    http::serve_listener(listener, http, &http_limits(&node), &executor, &web, end).await;
    requests.answered.put(());
}

/// What clients may send: bodies as large as those that programs take, where that is more.
fn http_limits(node: &Node) -> Limits {
    let limits = Limits::default();
    let body_bytes = limits.body_bytes.max(node.config().programs.max_body_bytes.into());
    Limits { body_bytes, ..limits }
}

/// Gives every connection of `listener` to the swarm, for ever.
async fn serve_peers<L: Listen<Stream: netstack::Split>>(listener: L, swarm: Swarm) {
    loop {
        let (stream, from) = listener.accept().await;
        swarm.accept(stream, Multiaddr::new(from.ip().into(), from.port()));
    }
}

/// Tells people and peers where the node can be reached, whenever that changes.
async fn announce<N: Network>(executor: Executor, network: N, node: Rc<Node>, swarm: Swarm) {
    network.wait_configured().await;
    let mut addresses = with_ipv4(&executor, &network).await;
    let mut said = Vec::new();
    loop {
        let reachable = |address: &IpAddr| match address {
            IpAddr::V4(_) => true,
            IpAddr::V6(address) => !address.is_unicast_link_local(),
        };
        let mut ours: Vec<IpAddr> = addresses.iter().copied().filter(reachable).collect();
        ours.sort_by_key(|address| !address.is_ipv4());
        swarm.set_listen_addresses(listen_addresses(&node, &ours));
        let new: Vec<IpAddr> =
            ours.iter().copied().filter(|address| !said.contains(address)).collect();
        say_where(&node, &new);
        said = ours;
        addresses = network.addresses_other_than(&addresses).await;
    }
}

/// The addresses, once one of IPv4 is among them or has kept us waiting for long: an address of IPv6 may
/// be there well before DHCP gives the one that most people want to see.
async fn with_ipv4<N: Network>(executor: &Executor, network: &N) -> Vec<IpAddr> {
    let patience = executor.now().after(Duration::from_millis(IPV4_PATIENCE_MS));
    let mut addresses = network.addresses();
    while !addresses.iter().any(IpAddr::is_ipv4) {
        let change = network.addresses_other_than(&addresses);
        match executor.timeout_at(patience, change).await {
            Ok(changed) => addresses = changed,
            Err(_) => break,
        }
    }
    addresses
}

/// Prints where the node can be reached; the line for people comes last, as it says that all is ready.
fn say_where(node: &Node, addresses: &[IpAddr]) {
    let id = node.identity().id();
    for &address in addresses {
        let plain = Multiaddr::new(address.into(), node.config().peers.port);
        let websocket = plain.clone().with_transport(Transport::WebSocket);
        info!(
            target: "node",
            "peer {id} listens at {} and {}",
            plain.with_peer_id(id),
            websocket.with_peer_id(id),
        );
    }
    let port = node.config().http.port;
    for address in addresses {
        match address {
            IpAddr::V4(address) => info!(target: "node", "ready http://{address}:{port}/"),
            IpAddr::V6(address) => info!(target: "node", "ready http://[{address}]:{port}/"),
        }
    }
}

#[cfg(test)]
mod tests;
