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
use futures_util::future::join;
use netstack::libp2p::noise::Identity;
use netstack::libp2p::upgrade::{self, Error, Secrets, Secured};
use netstack::libp2p::{Keypair, Multiaddr};
use netstack::pipe::{self, Pipe};
use netstack::time::Duration;
use netstack::{Stream, Timer, Writer};
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use support::{Clock, run_alone};

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
    let (dialer, listener) = pipe::pair(capacity);
    let (mut near, mut far) = (side(1), side(2));
    let (secrets, others) = (Secrets::draw(&mut near.rng), Secrets::draw(&mut far.rng));
    let deadline = clock.now() + TIMEOUT;
    join(
        upgrade::outbound(dialer, address, &near.identity, secrets, clock, deadline),
        upgrade::inbound(listener, &far.identity, others, clock, deadline),
    )
    .await
}

async fn exchange(near: Secured<Pipe>, far: Secured<Pipe>, length: usize) {
    let sent: Vec<u8> = (0..length).map(|index| (index % 251) as u8).collect();
    let (mut writer, mut reader) = (near.writer, far.reader);
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
