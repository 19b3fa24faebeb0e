//! Tests of a node on a network that is a loop.

use super::*;
use crate::config::{HttpConfig, IdentityConfig, Seed};
use crate::executor::{drive, from_network, to_network};
use crate::machine::{Instant, MainLoop, Simulated};
use crate::store::{Memory, Store};
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::ops::ControlFlow;
use embedded_io_async::{Read, Write};
use futures_util::future::{FutureExt, LocalBoxFuture};
use netstack::libp2p::particle::Message;
use netstack::libp2p::{Keypair, PeerId};
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

fn store() -> Rc<dyn Store> {
    Rc::new(Memory::new(1 << 20))
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
        // What one poll sends into the loop, the next one receives.
        self.stack.poll(to_network(now), &mut self.device);
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

/// Sends a request to the node over its own network; what comes back until the connection ends.
fn ask(executor: &Executor, stack: &Stack, request: String) -> Slot<Vec<u8>> {
    let reply = Slot::new();
    let (client, slot) = (stack.clone(), reply.clone());
    executor.spawn(async move {
        let peer = IpEndpoint::new(ADDRESS.parse::<IpAddr>().unwrap().into(), 8080);
        let timeout = netstack::time::Duration::from_secs(5);
        let mut stream = TcpStream::connect(&client, peer, timeout).await.expect("it listens");
        stream.write_all(request.as_bytes()).await.unwrap();
        let (mut bytes, mut buffer) = (Vec::new(), [0; 512]);
        while let Ok(read @ 1..) = stream.read(&mut buffer).await {
            bytes.extend_from_slice(&buffer[..read]);
        }
        slot.put(bytes);
    });
    reply
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
    let Running { node, .. } =
        start(&executor, &stack, Rc::new(machine.clone()), config(), store());
    let request = "GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let reply = ask(&executor, &stack, request.into());
    drive(&executor, &mut Host { machine, stack, device, reply: reply.clone() });
    let bytes = reply.take().now_or_never().expect("the node answered");
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
    let id = node.identity().peer_id();
    for transport in ["", "/ws"] {
        let address = alloc::format!("\"/ip4/{ADDRESS}/tcp/7777{transport}/p2p/{id}\"");
        assert!(text.contains(&address), "{address} in {text}");
    }
    assert!(node.metrics_page().contains("aerolith_tcp_accepted_total 1\n"));
    executor.shut_down();
}

/// What a script that waits for `wait_ms` is answered with, if the node is told to end as soon as it
/// has begun, and how many milliseconds later the node has ended.
fn ended_during(wait_ms: u64) -> (Option<String>, u64) {
    let machine = Simulated::new(3);
    let executor = Executor::new(Rc::new(machine.clone()));
    let device = Loopback::new(Medium::Ethernet);
    let stack = Stack::new(stack_config(&config(), base(&device)), to_network(executor.now()));
    let running = start(&executor, &stack, Rc::new(machine.clone()), config(), store());
    let script = alloc::format!(
        "(seq (call %init_peer_id% (\"peer\" \"timeout\") [{wait_ms} 1])
              (call %init_peer_id% (\"callbackSrv\" \"response\") [\"at last\"]))"
    );
    let length = script.len();
    let request =
        alloc::format!("POST /air HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{script}");
    let (answer, ended) = (ask(&executor, &stack, request), Slot::new());
    let (end, over, network, clock) =
        (running.clone(), ended.clone(), stack.clone(), executor.clone());
    executor.spawn(async move {
        while end.node.health().live_particles == 0 {
            clock.sleep(Duration::from_millis(1)).await;
        }
        let asked = clock.now();
        end.close().await;
        network.close();
        over.put(clock.now().since(asked).as_millis());
    });
    drive(&executor, &mut Host { machine, stack, device, reply: Slot::new() });
    executor.shut_down();
    let after_ms = u64::try_from(ended.take().now_or_never().expect("it ended")).unwrap();
    let answer = answer.take().now_or_never().filter(|bytes| !bytes.is_empty());
    (answer.map(|bytes| String::from_utf8(bytes).unwrap()), after_ms)
}

#[test]
fn a_node_that_ends_gives_the_answers_that_come_within_its_patience() {
    let (answer, after_ms) = ended_during(ANSWERS_PATIENCE_MS - 500);
    let answer = answer.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("\r\nConnection: close\r\n"), "{answer}");
    assert!(answer.ends_with("\"at last\""), "{answer}");
    assert!((ANSWERS_PATIENCE_MS - 700..ANSWERS_PATIENCE_MS).contains(&after_ms), "{after_ms}");
    let (answer, after_ms) = ended_during(ANSWERS_PATIENCE_MS + 500);
    assert_eq!(answer, None);
    let most = ANSWERS_PATIENCE_MS + PEERS_PATIENCE_MS;
    assert!((ANSWERS_PATIENCE_MS..=most).contains(&after_ms), "{after_ms}");
}

/// A peer that keeps the particle which comes back to it.
struct Author(Slot<Vec<u8>>);

impl swarm::Handler for Author {
    fn particle(&self, _: PeerId, message: Message) -> LocalBoxFuture<'static, ()> {
        assert!(message.verify());
        self.0.put(message.data);
        core::future::ready(()).boxed_local()
    }

    fn connected(&self, _: PeerId) {}

    fn disconnected(&self, _: PeerId) {}
}

#[test]
fn a_started_node_serves_peers_over_tcp_and_websocket() {
    for transport in [Transport::Tcp, Transport::WebSocket] {
        let machine = Simulated::new(3);
        let executor = Executor::new(Rc::new(machine.clone()));
        let device = Loopback::new(Medium::Ethernet);
        let now = to_network(executor.now());
        let stack = Stack::new(stack_config(&config(), base(&device)), now);
        let own: Rc<dyn Machine> = Rc::new(machine.clone());
        let Running { node, .. } = start(&executor, &stack, own.clone(), config(), store());
        let (key, back) = (Rc::new(Keypair::from_seed(&[9; 32])), Slot::new());
        let client = Swarm::new(
            SwarmConfig::new(key.clone(), "client"),
            stack.clone(),
            executor.clone(),
            executor.clone(),
            MachineRng::new(own.clone()),
            Author(back.clone()),
        );
        let node_id = node.identity().id();
        let script = alloc::format!(
            "(seq (call \"{node_id}\" (\"op\" \"identity\") [\"over the network\"] x)
                  (call \"{}\" (\"callbackSrv\" \"response\") [x]))",
            key.peer_id()
        );
        let particle = Message::new(&key, "a".into(), own.unix_time_ms(), 7000, script, Vec::new());
        let address: Multiaddr = alloc::format!("/ip4/{ADDRESS}/tcp/7777").parse().unwrap();
        let address = address.with_transport(transport);
        executor.spawn(async move {
            client.connect(node_id, vec![address]).await.expect("it listens");
            client.send(node_id, Rc::new(particle)).await.expect("it takes particles");
        });
        drive(&executor, &mut Host { machine, stack, device, reply: back.clone() });
        let data = back.take().now_or_never().expect("the particle came back");
        let text = b"over the network";
        assert!(data.windows(text.len()).any(|window| window == text));
        assert!(node.metrics_page().contains("aerolith_particle_arrived_total 1\n"));
        executor.shut_down();
    }
}
