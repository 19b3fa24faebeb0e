//! TCP between two stacks over a simulated segment.

mod support;

use embedded_io_async::{Read, Write};
use netstack::time::Duration;
use netstack::{IpEndpoint, Stack, TcpListener, TcpStream};
use support::{Faults, Network, address};

const PORT: u16 = 7000;

async fn connect(stack: &Stack, host: u8) -> TcpStream {
    TcpStream::connect(stack, IpEndpoint::new(address(host), PORT), Duration::from_secs(30))
        .await
        .expect("the peer accepts")
}

async fn read_all(stream: &mut TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    let mut buf = [0; 3000];
    loop {
        match stream.read(&mut buf).await.expect("no reset") {
            0 => return all,
            read => all.extend_from_slice(&buf[..read]),
        }
    }
}

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 31 + at / 251) as u8).collect()
}

#[test]
fn what_is_written_is_read_then_end_of_file() {
    let mut network = Network::new(1, Faults::NONE);
    let (server, client) = (network.add_static(1), network.add_static(2));
    let sent = pattern(100_000);
    let received = network.run(async {
        let listener = TcpListener::bind(&server, PORT, 4).expect("free port");
        let (accepted, mut stream) = futures_util::join!(listener.accept(), connect(&client, 1));
        let mut accepted = accepted;
        let write = async {
            stream.write_all(&sent).await.expect("written");
            stream.close().await.expect("delivered");
        };
        let (received, ()) = futures_util::join!(read_all(&mut accepted), write);
        received
    });
    assert!(received == sent);
}
