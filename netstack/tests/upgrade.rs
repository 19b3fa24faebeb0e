//! Connections become secure, or end with the reason.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "a test may fail by panicking"
)]

mod support;

use embedded_io_async::{Read, Write};
use futures_util::FutureExt;
use futures_util::future::join;
use netstack::libp2p::limits::{NOISE_IDLE_READ_BYTES, NOISE_IDLE_WRITE_BYTES};
use netstack::libp2p::multistream;
use netstack::libp2p::noise::{self, Identity};
use netstack::libp2p::upgrade::{self, Error, Secrets, Secured};
use netstack::libp2p::{Keypair, Multiaddr};
use netstack::pipe::{self, Pipe};
use netstack::time::Duration;
use netstack::websocket;
use netstack::{IpEndpoint, Split, Stream, TcpListener, TcpStream, Timer, Writer};
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use support::{Clock, Faults, Network, run_alone};

const TIMEOUT: Duration = Duration::from_secs(10);

fn keypair(byte: u8) -> Keypair {
    Keypair::from_seed(&[byte; 32])
}

struct Side {
    identity: Identity,
    rng: ChaCha8Rng,
}

fn side(byte: u8) -> Side {
    let mut rng = ChaCha8Rng::from_seed([byte; 32]);
    Side { identity: Identity::new(&keypair(byte), &mut rng), rng }
}

fn address(peer: u8, transport: &str) -> Multiaddr {
    format!("/ip4/10.0.0.1/tcp/7777{transport}/p2p/{}", keypair(peer).peer_id()).parse().unwrap()
}

async fn both(
    clock: &Clock,
    capacity: usize,
    address: &Multiaddr,
) -> (Result<Secured<Pipe>, Error>, Result<Secured<Pipe>, Error>) {
    secure(clock, pipe::pair(capacity), address).await
}

async fn secure<S: Split + 'static>(
    clock: &Clock,
    (dialer, listener): (S, S),
    address: &Multiaddr,
) -> (Result<Secured<S>, Error>, Result<Secured<S>, Error>) {
    let (mut near, mut far) = (side(1), side(2));
    let (secrets, others) = (Secrets::draw(&mut near.rng), Secrets::draw(&mut far.rng));
    let deadline = clock.now() + TIMEOUT;
    join(
        upgrade::outbound(dialer, address, &near.identity, secrets, clock, deadline),
        upgrade::inbound(listener, &far.identity, others, clock, deadline),
    )
    .await
}

async fn exchange<S: Split + 'static>(near: Secured<S>, far: Secured<S>, length: usize) {
    let sent: Vec<u8> = (0..length).map(|index| (index % 251) as u8).collect();
    let (mut writer, mut reader) = (near.writer, far.reader);
    // The other halves stay, or the connection would end with these.
    let _others = (near.reader, far.writer);
    let send = async {
        writer.write_all(&sent).await.unwrap();
        writer.shutdown().await.unwrap();
    };
    let receive = async {
        let mut got = Vec::new();
        let mut buffer = vec![0; 70_000];
        loop {
            match reader.read(&mut buffer).await.unwrap() {
                0 => return got,
                read => got.extend_from_slice(&buffer[..read]),
            }
        }
    };
    let ((), got) = join(send, receive).await;
    assert!(got == sent);
}

#[test]
fn two_peers_learn_who_the_other_is_and_talk() {
    let clock = Clock::default();
    run_alone(&clock, async {
        let sizes = [(32, 100), (64, 70_000), (1 << 20, 200_000)];
        let cases = sizes.into_iter().flat_map(|size| [(size, ""), (size, "/ws")]);
        for ((capacity, length), transport) in cases {
            let (near, far) = both(&clock, capacity, &address(2, transport)).await;
            let (near, far) = (near.unwrap(), far.unwrap());
            assert_eq!((near.websocket, far.websocket), (transport == "/ws", transport == "/ws"));
            assert_eq!(near.peer, keypair(2).peer_id());
            assert_eq!(far.peer, keypair(1).peer_id());
            exchange(near, far, length).await;
        }
    });
}

#[test]
fn another_peer_than_the_one_dialled_is_refused() {
    let clock = Clock::default();
    run_alone(&clock, async {
        let (near, far) = both(&clock, 64, &address(3, "")).await;
        assert_eq!(near.unwrap_err(), Error::WrongPeer(keypair(2).peer_id()));
        assert!(far.is_err());
    });
}

#[test]
fn a_peer_that_sends_a_byte_now_and_then_is_given_up_at_the_deadline() {
    let clock = Clock::default();
    run_alone(&clock, async {
        let (mut slow, listener) = pipe::pair(64);
        let mut far = side(2);
        let secrets = Secrets::draw(&mut far.rng);
        let deadline = clock.now() + TIMEOUT;
        let drip = async {
            for byte in b"\x13/multistream/1.0.0\n" {
                clock.sleep(Duration::from_secs(1)).await;
                if slow.write_all(&[*byte]).await.is_err() {
                    return;
                }
            }
        };
        let secure = async {
            let end = upgrade::inbound(listener, &far.identity, secrets, &clock, deadline).await;
            (end.unwrap_err(), clock.now())
        };
        let ((), (error, when)) = join(drip, secure).await;
        assert_eq!((error, when), (Error::Timeout, deadline));
        assert!(slow.shutdown().await.is_ok());
    });
}

#[test]
fn connections_over_tcp_become_secure_though_the_network_loses_frames() {
    for transport in ["", "/ws"] {
        let mut network = Network::new(7, Faults { loss: 30, reorder: 30, ..Faults::NONE });
        let (server, client) = (network.add_static(1), network.add_static(2));
        let clock = network.clock.clone();
        network.run(async {
            let listener = TcpListener::bind(&server, 7777, 4).unwrap();
            let peer = IpEndpoint::new(support::address(1), 7777);
            let connect = TcpStream::connect(&client, peer, Duration::from_secs(30));
            let (accepted, stream) = join(listener.accept(), connect).await;
            let address = address(2, transport);
            let (near, far) = secure(&clock, (stream.unwrap(), accepted), &address).await;
            exchange(near.unwrap(), far.unwrap(), 100_000).await;
        });
    }
}

#[test]
fn what_is_no_peer_is_refused_with_the_reason() {
    let first = b"\x13/multistream/1.0.0\n\x07/noise\n";
    let cases: [(&[u8], Error); 10] = [
        (b"", Error::Closed),
        (b"\0", Error::Unknown(0)),
        (b"SSH-2.0", Error::Unknown(b'S')),
        (b"\x16\x03\x01", Error::Unknown(0x16)),
        (b"\x13/multistream/1.0.0", Error::Closed),
        (b"\x13/multistream/9.9.9\n", Error::Select(multistream::Error::Malformed)),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", Error::WebSocket(websocket::Error::BadRequest(426))),
        (b"GET / HTTP/1.1\r\n", Error::WebSocket(websocket::Error::Truncated)),
        (&[first, &b"\0\x20"[..]].concat(), Error::Noise(noise::Error::Truncated)),
        (&[first, &b"\0\x01\0"[..]].concat(), Error::Noise(noise::Error::Malformed)),
    ];
    let clock = Clock::default();
    for (bytes, error) in cases {
        run_alone(&clock, async {
            let (mut near, far) = pipe::pair(4096);
            near.write_all(bytes).await.unwrap();
            near.shutdown().await.unwrap();
            let mut side = side(2);
            let secrets = Secrets::draw(&mut side.rng);
            let deadline = clock.now() + TIMEOUT;
            let end = upgrade::inbound(far, &side.identity, secrets, &clock, deadline).await;
            assert_eq!(end.unwrap_err(), error, "{bytes:?}");
        });
    }
}

#[test]
fn an_address_with_tls_is_not_dialled() {
    let clock = Clock::default();
    run_alone(&clock, async {
        let (near, _far) = both(&clock, 4096, &address(2, "/wss")).await;
        assert_eq!(near.unwrap_err(), Error::Unsupported);
    });
}

/// What `ARCHITECTURE.md` says of an idle connection's memory.
#[test]
fn an_idle_connection_takes_little_memory() {
    let clock = Clock::default();
    run_alone(&clock, async {
        for transport in ["", "/ws"] {
            let (near, far) = both(&clock, 1 << 20, &address(2, transport)).await;
            let (near, mut far) = (near.unwrap(), far.unwrap());
            let mut writer = near.writer;
            writer.write_all(&[1; 60_000]).await.unwrap();
            writer.flush().await.unwrap();
            far.reader.read_exact(&mut [0; 1000]).await.unwrap();
            assert!(far.reader.buffered_bytes() > 60_000, "the message is where it was received");
            for _ in 0..59 {
                far.reader.read_exact(&mut [0; 1000]).await.unwrap();
            }
            assert_eq!(far.reader.read(&mut [0; 1]).now_or_never(), None);
            assert_eq!(far.reader.buffered_bytes(), NOISE_IDLE_READ_BYTES);
            assert!(writer.buffered_bytes() <= NOISE_IDLE_WRITE_BYTES);
            assert!(size_of_val(&far) <= 512, "{} bytes", size_of_val(&far));
        }
    });
}
