//! The stock JavaScript client's recorded connection, replayed to this side byte for byte.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test may fail by panicking"
)]

#[path = "support/recording.rs"]
mod recording;
mod support;

use std::convert::Infallible;

use embedded_io_async::{Read, Write};
use futures_util::future::join;
use netstack::libp2p::Keypair;
use netstack::libp2p::noise::Identity;
use netstack::libp2p::upgrade::{self, Secrets};
use netstack::time::Duration;
use netstack::{Stream, Timer, pipe};
use rand_core::{TryCryptoRng, TryRng};
use recording::{Side, hex};
use support::{Clock, run_alone};

/// Gives 02 as often as asked at first, then 03, and so on: the recorded host's keys.
struct Fixed(u8);

impl TryRng for Fixed {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        unreachable!("keys are drawn as bytes")
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        unreachable!("keys are drawn as bytes")
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        bytes.fill(self.0);
        self.0 += 1;
        Ok(())
    }
}

impl TryCryptoRng for Fixed {}

/// What the client says once the connection is secure, up to its question for identify: a ping, a stream
/// opened, the header and the proposal on it.
const MULTIPLEXED: &str = "000200010000000000000000 000100010000000100000000
    000000000000000100000024 132f6d756c746973747265616d2f312e302e300a0f2f697066732f69642f312e302e300a";

#[test]
fn the_recorded_client_is_answered_byte_for_byte_until_the_connection_is_secure() {
    let recorded = recording::javascript_client();
    let of = |side| recorded.iter().filter(move |(who, _)| *who == side).map(|(_, bytes)| bytes);
    let client: Vec<&Vec<u8>> = of(Side::Client).collect();
    let host: Vec<&Vec<u8>> = of(Side::Host).collect();
    // What the client sends, and what the host has answered before more came. The client's header and
    // proposal come in one frame, but the recorded host answered each by itself.
    let (header, proposal) = client[1].split_at(6 + 20);
    let exchanges = [
        (client[0].as_slice(), host[0].as_slice()), // the request that opens a WebSocket
        (header, host[1]),                          // multistream-select
        (proposal, host[2]),                        // noise
        (client[2], host[3]), // the noise handshake's first and second message
    ];
    let clock = Clock::default();
    run_alone(&clock, async {
        let (near, mut far) = pipe::pair(1 << 16);
        let mut rng = Fixed(2);
        let identity = Identity::new(&Keypair::from_seed(&[1; 32]), &mut rng);
        let secrets = Secrets::draw(&mut rng);
        let deadline = clock.now() + Duration::from_secs(10);
        let script = async {
            for (said, answer) in exchanges {
                far.write_all(said).await.unwrap();
                let mut got = vec![0; answer.len()];
                far.read_exact(&mut got).await.unwrap();
                assert_eq!(got, answer);
            }
            for said in &client[3..] {
                far.write_all(said).await.unwrap();
            }
            far.shutdown().await.unwrap();
        };
        let secured = upgrade::inbound(near, &identity, secrets, &clock, deadline);
        let (secured, ()) = join(secured, script).await;
        let mut secured = secured.unwrap();
        let id = "12D3KooWSrKnMZUcSxK8G7wmBbXdU8nFEfWGhLu6H8xjn8LmCSJb".parse().unwrap();
        assert_eq!((secured.peer, secured.websocket), (id, true));
        let mut read = Vec::new();
        let mut buffer = [0; 512];
        while let got @ 1.. = secured.reader.read(&mut buffer).await.unwrap() {
            read.extend_from_slice(&buffer[..got]);
        }
        let expected = hex(MULTIPLEXED);
        assert_eq!(read[..expected.len()], expected);
        // A whole particle came, of 2096 bytes, and then the close frame, which is answered.
        assert!(read.windows(4).any(|window| window == [0x81, 0x04, 0x88, 0xa6]));
        assert_eq!(secured.writer.write(b"late").await, Ok(4));
        assert!(secured.writer.flush().await.is_err());
        let mut said = Vec::new();
        while let got @ 1.. = far.read(&mut buffer).await.unwrap() {
            said.extend_from_slice(&buffer[..got]);
            if said.ends_with(&[0x88, 0x00]) {
                return;
            }
        }
        panic!("the close frame has no answer: {said:?}");
    });
}
