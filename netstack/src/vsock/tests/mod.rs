//! The sockets against a host that follows a script, by packets.

mod beginning;
mod bounds;
mod credit;
mod ending;
mod hostile;
mod strangers;
mod transfer;

use super::*;
use crate::stream::{Split, Stream, Writer};
use alloc::collections::VecDeque;
use alloc::vec;
use alloc::vec::Vec;
use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use embedded_io_async::{Read, Write};
use futures_util::future::FutureExt;
use smoltcp::time::{Duration, Instant};

const OWN: u64 = 3;
const PORT: u32 = 52;

/// The device and the host behind it.
#[derive(Default)]
struct Host {
    incoming: VecDeque<Vec<u8>>,
    outgoing: VecDeque<(Header, Vec<u8>)>,
    /// Packets that may still be sent.
    room: Option<usize>,
    packet_bytes: usize,
    lost: Option<u64>,
}

impl Device for Host {
    fn receive(&mut self, take: &mut dyn FnMut(&[u8])) -> bool {
        self.incoming.pop_front().map(|packet| take(&packet)).is_some()
    }

    fn send(&mut self, fill: &mut dyn FnMut(&mut [u8]) -> usize) -> bool {
        match &mut self.room {
            Some(0) => return false,
            Some(room) => *room -= 1,
            None => {}
        }
        let mut packet = vec![0; self.packet_bytes];
        let length = fill(&mut packet);
        let (header, data) = Header::decode(&packet[..length]).expect("a whole packet");
        assert_eq!(length, HEADER_BYTES + data.len());
        self.outgoing.push_back((header, data.to_vec()));
        true
    }

    fn transport_reset(&mut self) -> Option<u64> {
        self.lost.take()
    }
}

struct World {
    vsock: Vsock,
    host: Host,
    now: Instant,
}

/// The host's end of a connection.
#[derive(Clone, Copy)]
struct End {
    host_port: u32,
    own_port: u32,
    buffer: u32,
    forwarded: u32,
}

impl End {
    fn header(&self, operation: Operation) -> Header {
        Header {
            from: Address { cid: HOST, port: self.host_port },
            to: Address { cid: OWN, port: self.own_port },
            length: 0,
            kind: STREAM,
            operation: operation as u16,
            flags: 0,
            buffer: self.buffer,
            forwarded: self.forwarded,
        }
    }
}

fn end(host_port: u32) -> End {
    End { host_port, own_port: PORT, buffer: 65536, forwarded: 0 }
}

impl World {
    fn new() -> Self {
        let host = Host { packet_bytes: 65536, ..Host::default() };
        Self { vsock: Vsock::new(OWN), host, now: Instant::ZERO }
    }

    fn poll(&mut self) -> Option<Instant> {
        self.vsock.poll(self.now, &mut self.host)
    }

    fn give(&mut self, header: Header, data: &[u8]) {
        let header = Header { length: u32::try_from(data.len()).unwrap(), ..header };
        self.host.incoming.push_back([&header.encode(), data].concat());
        self.poll();
    }

    fn tell(&mut self, end: End, operation: Operation) {
        self.give(end.header(operation), &[]);
    }

    fn shut(&mut self, end: End, flags: u32) {
        self.give(Header { flags, ..end.header(Operation::Shutdown) }, &[]);
    }

    /// What was sent since the last look.
    fn sent(&mut self) -> Vec<(Operation, Header, Vec<u8>)> {
        self.poll();
        let operation = |header: &Header| Operation::of(header.operation).unwrap();
        self.host
            .outgoing
            .drain(..)
            .map(|(header, data)| (operation(&header), header, data))
            .collect()
    }

    fn operations(&mut self) -> Vec<Operation> {
        self.sent().into_iter().map(|(operation, ..)| operation).collect()
    }

    /// A connection that the host made.
    fn accepted(&mut self, listener: &VsockListener, end: End) -> VsockStream {
        self.tell(end, Operation::Request);
        assert_eq!(self.operations(), [Operation::Response]);
        let (stream, peer) = now(listener.accept()).expect("it was accepted");
        assert_eq!(peer, Address { cid: HOST, port: end.host_port });
        stream
    }
}

/// What the future gives without waiting.
fn now<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

fn read(stream: &VsockStream) -> Option<Result<Vec<u8>, VsockError>> {
    let mut buffer = vec![0; 1 << 20];
    let mut stream = stream;
    now(stream.read(&mut buffer)).map(|count| count.map(|count| buffer[..count].to_vec()))
}

fn write(stream: &VsockStream, data: &[u8]) -> Option<Result<usize, VsockError>> {
    let mut stream = stream;
    now(stream.write(data))
}

fn listening() -> (World, VsockListener) {
    let world = World::new();
    let listener = VsockListener::bind(&world.vsock, PORT).unwrap();
    (world, listener)
}
