//! Virtio sockets: any packets of the host, and any use of the streams.

use std::collections::VecDeque;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use embedded_io_async::{Read, Write};
use netstack::Stream as _;
use netstack::limits::{VSOCK_CONNECTIONS, VSOCK_LINGER, VSOCK_RECEIVE_BYTES};
use netstack::time::{Duration, Instant};
use netstack::vsock::{
    Address, Device, HEADER_BYTES, HOST, Header, STREAM, Vsock, VsockListener, VsockStream,
};

use super::Reader;

const OWN: u64 = 3;
const PORT: u32 = 52;
/// Steps of one input at most.
const MAX_STEPS: usize = 300;
/// Numbers that headers are made of: those around the bounds.
const NUMBERS: [u32; 8] = [0, 1, 10, 4096, 65_535, 65_536, 0x8000_0000, u32::MAX];
/// Data of one packet at most.
const LENGTHS: [usize; 4] = [0, 1, 3000, 20_000];

#[derive(Default)]
struct Host {
    incoming: VecDeque<Vec<u8>>,
    room: usize,
    lost: bool,
}

impl Device for Host {
    fn receive(&mut self, take: &mut dyn FnMut(&[u8])) -> bool {
        self.incoming.pop_front().map(|packet| take(&packet)).is_some()
    }

    fn send(&mut self, fill: &mut dyn FnMut(&mut [u8]) -> usize) -> bool {
        if self.room == 0 {
            return false;
        }
        self.room -= 1;
        let mut packet = vec![0; 4096];
        let length = fill(&mut packet);
        let (header, data) = Header::decode(&packet[..length]).expect("a whole packet");
        assert_eq!(length, HEADER_BYTES + data.len());
        assert_eq!(header.from.cid, OWN);
        true
    }

    fn transport_reset(&mut self) -> Option<u64> {
        std::mem::take(&mut self.lost).then_some(OWN)
    }
}

fn now<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

/// A packet whose fields are mostly such as a connection may have.
fn packet(input: &mut Reader<'_>) -> Vec<u8> {
    let choice = input.byte();
    let mut number = || NUMBERS[usize::from(input.byte()) % NUMBERS.len()];
    let (buffer, forwarded) = (number(), number());
    let ports = input.byte();
    let length = LENGTHS[usize::from(choice >> 4) % LENGTHS.len()];
    let header = Header {
        from: Address { cid: HOST, port: u32::from(ports & 3) },
        to: Address {
            cid: OWN,
            port: if ports & 4 == 0 { PORT } else { 1024 + u32::from(ports >> 3) },
        },
        length: u32::try_from(length).unwrap_or(0),
        kind: STREAM,
        operation: u16::from(choice & 7),
        flags: u32::from(choice >> 6),
        buffer,
        forwarded,
    };
    let mut bytes = header.encode().to_vec();
    bytes.resize(HEADER_BYTES + length, choice);
    bytes
}

/// Each step has a byte that says what happens.
pub fn run(bytes: &[u8]) {
    let mut input = Reader::new(bytes);
    let vsock = Vsock::new(OWN);
    let listener = VsockListener::bind(&vsock, PORT).expect("nobody else listens");
    let mut host = Host::default();
    let mut time = Instant::ZERO;
    let mut streams: Vec<VsockStream> = Vec::new();
    let mut buffer = vec![0; 2 * VSOCK_RECEIVE_BYTES];
    for _ in 0..MAX_STEPS {
        if input.is_empty() {
            break;
        }
        let step = input.byte();
        let who = usize::from(step >> 4) % streams.len().max(1);
        match step & 15 {
            0..=5 => host.incoming.push_back(packet(&mut input)),
            6 => {
                let length = usize::from(input.byte()) % 64;
                host.incoming.push_back(input.bytes(length).to_vec());
            }
            7 => streams.extend(now(listener.accept()).map(|(stream, _)| stream)),
            8 => {
                if let Some(mut stream) = streams.get(who)
                    && let Some(Ok(count)) = now(stream.read(&mut buffer))
                {
                    assert!(count <= VSOCK_RECEIVE_BYTES);
                }
            }
            9 => {
                if let Some(mut stream) = streams.get(who) {
                    let _ = now(stream.write(&buffer[..LENGTHS[usize::from(step >> 6)]]));
                    let _ = now(stream.flush());
                }
            }
            10 => {
                if let Some(mut stream) = streams.get(who) {
                    assert!(now(stream.shutdown()).is_some());
                }
            }
            11 if who < streams.len() => drop(streams.swap_remove(who)),
            12 => {
                let attempt = VsockStream::connect(&vsock, Address { cid: HOST, port: 1 });
                assert!(now(attempt).is_none_or(|answer| answer.is_err()));
            }
            13 => host.lost = true,
            14 => time += Duration::from_millis(u64::from(input.byte()) * 100),
            _ => host.room = usize::from(step >> 4),
        }
        vsock.poll(time, &mut host);
        assert!(vsock.connections() <= VSOCK_CONNECTIONS);
    }
    drop((streams, listener));
    host.room = usize::MAX;
    // What is left of the input, then what is left of the connections.
    for _ in 0..MAX_STEPS {
        vsock.poll(time, &mut host);
    }
    time += VSOCK_LINGER;
    vsock.poll(time, &mut host);
    vsock.poll(time, &mut host);
    assert_eq!(vsock.connections(), 0);
}
