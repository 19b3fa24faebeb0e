//! The network stack under arbitrary frames, and under answers to its own frames that are a little off.

use std::future::Future;
use std::pin::Pin;

use embedded_io_async::Write;
use netstack::http::{Limits, serve_listener};
use netstack::limits::MAX_ADDRESSES;
use netstack::time::Duration;
use netstack::{
    Addressing, IpCidr, IpEndpoint, Ipv6Address, Stack, StackConfig, StaticAddressing, TcpListener,
    TcpStream, UdpSocket,
};

use super::Reader;
use super::reflection::reflect;
use super::support::http::Echo;
use super::support::{
    Clock, FRAME_BYTES, Faults, Network, Port, UNCHECKED, address, capabilities, mac, syn,
};

/// Frames of one input at most.
const MAX_FRAMES: usize = 48;
/// Frames of the stacks that may be answered.
const REMEMBERED: usize = 8;
/// Time between frames, by an input's choice.
const PAUSES_MS: [u64; 4] = [0, 1, 120, 3000];
/// Polls of the stacks that one input may cause, virtual seconds of retransmissions included.
const MAX_POLLS: u64 = 40_000;

pub fn run(bytes: &[u8]) {
    // Corrupt checksums would be the end of almost every frame.
    UNCHECKED.set(true);
    let mut network = Network::new(1, Faults::NONE);
    let leased = network.add(StackConfig::new(mac(3), capabilities(), 3));
    let stack = network.add(config());
    let (clock, port) = (network.clock.clone(), network.plug());
    let (limits, handler) = (Limits::default(), Echo::default());
    let listener = TcpListener::bind(&stack, 80, 4).expect("a free port");
    let datagrams = UdpSocket::bind(&stack, 53).expect("a free port");
    let tasks: Vec<Pin<Box<dyn Future<Output = ()>>>> = vec![
        Box::pin(async {
            serve_listener(&listener, 4, &limits, &clock, &handler, std::future::pending()).await;
        }),
        Box::pin(echo(&datagrams)),
        Box::pin(ask(&stack, &clock)),
    ];
    network.run_with(tasks, async {
        send(Reader::new(bytes), &port, &clock).await;
        clock.sleep(Duration::from_secs(5)).await;
    });
    assert!(network.polls <= MAX_POLLS, "{} polls", network.polls);
    for stack in [&stack, &leased] {
        assert!(stack.addresses().len() <= MAX_ADDRESSES);
        let counters = stack.counters();
        assert!(counters.tcp_sockets <= counters.tcp_sockets_max);
    }
}

fn config() -> StackConfig {
    let mut config = StackConfig::new(mac(1), capabilities(), 1);
    let v6 = Ipv6Address::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into();
    config.addressing = Addressing::Static(StaticAddressing {
        addresses: vec![IpCidr::new(address(1), 24), IpCidr::new(v6, 64)],
        gateways: vec![address(2)],
        dns_servers: vec![address(2)],
    });
    config
}

/// Sends every datagram back.
async fn echo(socket: &UdpSocket) {
    let mut buf = [0; 600];
    loop {
        if let Ok((read, from)) = socket.receive_from(&mut buf).await {
            let _ = socket.send_to(&buf[..read], from).await;
        }
    }
}

/// Looks up a name and connects, again and again.
async fn ask(stack: &Stack, clock: &Clock) {
    loop {
        let _ = stack.resolve("some.name").await;
        let endpoint = IpEndpoint::new(address(2), 7);
        if let Ok(mut stream) = TcpStream::connect(stack, endpoint, Duration::from_secs(3)).await {
            let _ = stream.write_all(b"hello").await;
        }
        clock.sleep(Duration::from_millis(100)).await;
    }
}

/// Frame by frame: the first byte says of which kind (two bits), after which pause (two bits) and, of
/// frames to answer, which one (three bits).
async fn send(mut input: Reader<'_>, port: &Port, clock: &Clock) {
    let mut seen: Vec<Vec<u8>> = Vec::new();
    for _ in 0..MAX_FRAMES {
        if input.is_empty() {
            return;
        }
        let choice = usize::from(input.byte());
        while let Some(frame) = port.take() {
            seen.insert(0, frame);
            seen.truncate(REMEMBERED);
        }
        let mut frame = match choice & 3 {
            0 => raw(&mut input),
            1 => syn(2, u16::from(input.byte()), 1, 80),
            _ => {
                let flags = input.byte();
                let frame = seen.get(choice >> 4 & 7).map(Vec::as_slice).unwrap_or_default();
                answer(&mut input, reflect(frame, mac(2).0, flags))
            }
        };
        frame.truncate(FRAME_BYTES);
        if frame.len() >= 14 {
            port.send(&frame);
        }
        clock.sleep(Duration::from_millis(PAUSES_MS[choice >> 2 & 3])).await;
    }
}

/// A frame to one of the stacks or to all, with bytes from the input behind its addresses.
fn raw(input: &mut Reader<'_>) -> Vec<u8> {
    let to = match input.byte() {
        0 => mac(1).0,
        1 => [0xff; 6],
        2 => mac(3).0,
        3 => [0x33, 0x33, 0, 0, 0, 1],
        _ => [0x33, 0x33, 0xff, 0, 0, 1],
    };
    let length = usize::from(input.byte());
    [&to, &mac(2).0, input.bytes(length)].concat()
}

/// Some bytes of the answer changed, and bytes added or taken away.
fn answer(input: &mut Reader<'_>, mut frame: Vec<u8>) -> Vec<u8> {
    for _ in 0..input.byte() % 8 {
        let (offset, value) = (usize::from(input.byte()) + 14, input.byte());
        if let Some(byte) = frame.get_mut(offset) {
            *byte = value;
        }
    }
    let more = usize::from(input.byte());
    match more {
        0..128 => frame.extend(input.bytes(more)),
        _ => frame.truncate(frame.len().saturating_sub(more - 128)),
    }
    frame
}
