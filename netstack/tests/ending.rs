//! The end of a stack: what was written arrives, peers see the end, nobody new comes in.

#![allow(clippy::expect_used, clippy::panic, reason = "a test may fail by panicking")]

mod support;

use embedded_io_async::{Read, Write};
use netstack::time::Duration;
use netstack::{ConnectError, IpEndpoint, Stack, TcpListener, TcpStream};
use support::{Faults, Network, address};

const PORT: u16 = 7000;
const PATIENCE: Duration = Duration::from_secs(3);

async fn connect(stack: &Stack) -> Result<TcpStream, ConnectError> {
    TcpStream::connect(stack, IpEndpoint::new(address(1), PORT), PATIENCE).await
}

#[test]
fn what_was_written_arrives_and_then_the_end() {
    for seed in 1..=4 {
        let faults = Faults { loss: 100, reorder: 50, delay: 2_000, ..Faults::NONE };
        let mut network = Network::new(seed, faults);
        let (server, client) = (network.add_static(1), network.add_static(2));
        let got = network.run(async {
            let listener = TcpListener::bind(&server, PORT, 4).expect("free port");
            let (mut accepted, stream) =
                futures_util::join!(listener.accept(), async { connect(&client).await });
            let mut stream = stream.expect("the peer accepts");
            accepted.write_all(&[7; 9_000]).await.expect("written");
            server.close();
            let read = async {
                let (mut all, mut buffer) = (Vec::new(), [0; 2_000]);
                while let read @ 1.. = stream.read(&mut buffer).await.expect("no reset") {
                    all.extend_from_slice(&buffer[..read]);
                }
                all
            };
            let (got, ()) = futures_util::join!(read, server.wait_closed());
            assert!(accepted.write_all(b"more").await.is_err(), "the end has been sent");
            got
        });
        assert!(got == [7; 9_000], "seed {seed}: {} bytes", got.len());
    }
}

#[test]
fn nobody_new_comes_in_and_nobody_is_called() {
    let mut network = Network::new(1, Faults::NONE);
    let (server, client) = (network.add_static(1), network.add_static(2));
    network.run(async {
        let listener = TcpListener::bind(&server, PORT, 4).expect("free port");
        server.close();
        server.wait_closed().await;
        assert_eq!(connect(&client).await.map(drop), Err(ConnectError::Refused));
        let call = TcpStream::connect(&server, IpEndpoint::new(address(2), PORT), PATIENCE).await;
        assert_eq!(call.map(drop), Err(ConnectError::Exhausted));
        assert_eq!(server.counters().tcp_sockets, 0);
        drop(listener);
    });
}
