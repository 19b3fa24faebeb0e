//! The sockets against a host that follows a script, by packets.

use super::*;
use crate::limits::{
    VSOCK_BACKLOG, VSOCK_CONNECTIONS, VSOCK_LINGER, VSOCK_LISTENERS, VSOCK_PACKETS_PER_POLL,
    VSOCK_RECEIVE_BYTES, VSOCK_RESETS, VSOCK_SEND_BYTES,
};
use crate::stream::{Split, Stream, Writer};
use alloc::collections::VecDeque;
use alloc::vec;
use alloc::vec::Vec;
use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use embedded_io_async::{Read, Write};
use futures_util::future::FutureExt;
use proptest::prelude::*;
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

#[test]
fn a_request_is_accepted_at_once_before_anybody_takes_it() {
    let (mut world, listener) = listening();
    world.tell(end(1000), Operation::Request);
    let [(Operation::Response, header, _)] = &world.sent()[..] else { panic!("no response") };
    assert_eq!(header.from, Address { cid: OWN, port: PORT });
    assert_eq!(header.to, Address { cid: HOST, port: 1000 });
    assert_eq!(header.buffer as usize, VSOCK_RECEIVE_BYTES);
    assert!(now(listener.accept()).is_some() && now(listener.accept()).is_none());
}

#[test]
fn bytes_go_both_ways() {
    let (mut world, listener) = listening();
    let stream = world.accepted(&listener, end(1));
    assert!(read(&stream).is_none());
    world.give(end(1).header(Operation::Data), b"hello");
    assert_eq!(read(&stream), Some(Ok(b"hello".to_vec())));
    assert_eq!(write(&stream, b"world"), Some(Ok(5)));
    let sent = world.sent();
    assert_eq!((sent[0].0, &*sent[0].2), (Operation::Data, &b"world"[..]));
    assert_eq!(sent[0].1.forwarded, 5, "every packet tells what was read");
}

#[test]
fn what_is_written_in_one_go_leaves_in_one_packet() {
    let (mut world, listener) = listening();
    let stream = world.accepted(&listener, end(1));
    let data = vec![7; VSOCK_SEND_BYTES - HEADER_BYTES];
    assert_eq!(write(&stream, &data), Some(Ok(data.len())));
    let sent = world.sent();
    assert_eq!((sent.len(), &sent[0].2), (1, &data));
}

#[test]
fn no_more_is_sent_than_the_host_has_room_for() {
    let (mut world, listener) = listening();
    let small = End { buffer: 10, ..end(1) };
    let stream = world.accepted(&listener, small);
    assert_eq!(write(&stream, &[1; 25]), Some(Ok(25)));
    let sent = world.sent();
    assert_eq!((sent[0].2.len(), sent[1].0, sent.len()), (10, Operation::CreditRequest, 2));
    assert!(world.sent().is_empty(), "it is asked once");
    world.tell(End { forwarded: 4, ..small }, Operation::CreditUpdate);
    let sent = world.sent();
    assert_eq!((sent[0].2.len(), sent[1].0), (4, Operation::CreditRequest));
    // Room that cannot be is none: more taken than was sent, and a buffer that shrank.
    world.tell(End { forwarded: 15, ..small }, Operation::CreditUpdate);
    world.tell(End { forwarded: 14, buffer: 0, ..small }, Operation::CreditUpdate);
    assert!(world.sent().is_empty());
    world.tell(End { forwarded: 14, buffer: 100, ..small }, Operation::CreditUpdate);
    assert_eq!(world.sent()[0].2.len(), 11);
    assert_eq!(now((&stream).flush()), Some(Ok(())));
}

#[test]
fn counts_go_round_after_four_gibibytes() {
    let (mut world, listener) = listening();
    let stream = world.accepted(&listener, end(1));
    world.vsock.inner().connection(0).unwrap().count_as_passed(u32::MAX - 2);
    let late = End { forwarded: u32::MAX - 2, ..end(1) };
    world.tell(late, Operation::CreditUpdate);
    assert_eq!(write(&stream, b"0123456789"), Some(Ok(10)));
    assert_eq!(world.sent()[0].2.len(), 10);
    world.tell(End { forwarded: 7, ..end(1) }, Operation::CreditUpdate);
    assert_eq!(write(&stream, &[0; 60_000]), Some(Ok(60_000)));
    assert_eq!(world.sent()[0].2.len(), 60_000);
    world.give(late.header(Operation::Data), b"abcdef");
    assert_eq!(read(&stream), Some(Ok(b"abcdef".to_vec())));
    world.tell(end(1), Operation::CreditRequest);
    assert_eq!(world.sent()[0].1.forwarded, 3);
}

#[test]
fn the_host_learns_of_room_when_enough_was_read_and_when_it_asks() {
    let (mut world, listener) = listening();
    let stream = world.accepted(&listener, end(1));
    let step = VSOCK_RECEIVE_BYTES / 4;
    world.give(end(1).header(Operation::Data), &vec![0; step - 1]);
    assert!(read(&stream).is_some());
    assert!(world.sent().is_empty());
    world.tell(end(1), Operation::CreditRequest);
    assert_eq!(world.operations(), [Operation::CreditUpdate]);
    world.give(end(1).header(Operation::Data), &vec![0; step]);
    assert!(read(&stream).is_some());
    let sent = world.sent();
    assert_eq!((sent[0].0, sent[0].1.forwarded as usize), (Operation::CreditUpdate, 2 * step - 1));
}

#[test]
fn a_host_that_sends_more_than_there_is_room_for_is_reset() {
    for (bytes, good) in [(VSOCK_RECEIVE_BYTES, true), (VSOCK_RECEIVE_BYTES + 1, false)] {
        let (mut world, listener) = listening();
        let stream = world.accepted(&listener, end(1));
        let data = vec![3; bytes];
        for piece in data.chunks(8000) {
            world.give(end(1).header(Operation::Data), piece);
        }
        let expected: &[Operation] = if good { &[] } else { &[Operation::Reset] };
        assert_eq!(world.operations(), expected, "{bytes}");
        let whole = 8000 * (bytes / 8000);
        let first = read(&stream).unwrap().unwrap();
        assert_eq!(first.len(), if good { bytes } else { whole });
        assert_eq!(read(&stream), (!good).then_some(Err(VsockError::Reset)));
    }
}

#[test]
fn a_dropped_stream_delivers_ends_both_ways_and_is_acknowledged() {
    let (mut world, listener) = listening();
    let stream = world.accepted(&listener, end(1));
    assert_eq!(write(&stream, b"bye"), Some(Ok(3)));
    drop(stream);
    let settled = world.vsock.clone();
    assert_eq!(now(settled.wait_settled()), None);
    let sent = world.sent();
    assert_eq!((sent[0].0, &*sent[0].2), (Operation::Data, &b"bye"[..]));
    assert_eq!((sent[1].0, sent[1].1.flags), (Operation::Shutdown, NO_RECEIVE | NO_SEND));
    assert_eq!(world.vsock.connections(), 1);
    world.tell(end(1), Operation::Reset);
    assert!(world.sent().is_empty());
    assert_eq!((world.vsock.connections(), now(settled.wait_settled())), (0, Some(())));
}

#[test]
fn an_end_that_nobody_acknowledges_is_forced_in_time() {
    let (mut world, listener) = listening();
    drop(world.accepted(&listener, end(1)));
    assert_eq!(world.operations(), [Operation::Shutdown]);
    assert_eq!(world.poll(), Some(Instant::ZERO + VSOCK_LINGER));
    world.now += VSOCK_LINGER - Duration::from_micros(1);
    assert!(world.sent().is_empty());
    world.now += Duration::from_micros(1);
    assert_eq!(world.operations(), [Operation::Reset]);
    assert_eq!((world.vsock.connections(), world.poll()), (0, None));
}

#[test]
fn half_a_shutdown_ends_that_half_only() {
    let (mut world, listener) = listening();
    let stream = world.accepted(&listener, end(1));
    world.give(end(1).header(Operation::Data), b"last");
    world.shut(end(1), NO_SEND);
    assert_eq!(read(&stream), Some(Ok(b"last".to_vec())));
    assert_eq!(read(&stream), Some(Ok(Vec::new())));
    assert_eq!(write(&stream, b"answer"), Some(Ok(6)));
    assert_eq!(world.operations(), [Operation::Data]);
    let (_reader, mut writer) = stream.split();
    assert_eq!(now(writer.shutdown()), Some(Ok(())));
    let sent = world.sent();
    assert_eq!((sent[0].0, sent[0].1.flags), (Operation::Shutdown, NO_SEND));
    assert_eq!(now(writer.write(b"more")), Some(Err(VsockError::Closed)));
    world.shut(end(1), NO_RECEIVE);
    assert_eq!(world.operations(), [Operation::Reset], "both are over now");
}

#[test]
fn a_host_that_closes_is_acknowledged_and_what_it_sent_can_be_read() {
    let (mut world, listener) = listening();
    let stream = world.accepted(&listener, end(1));
    world.give(end(1).header(Operation::Data), b"last");
    world.shut(end(1), NO_SEND | NO_RECEIVE);
    assert_eq!(world.operations(), [Operation::Reset]);
    assert_eq!(write(&stream, b"x"), Some(Err(VsockError::Closed)));
    assert_eq!(read(&stream), Some(Ok(b"last".to_vec())));
    assert_eq!(read(&stream), Some(Ok(Vec::new())));
    drop(stream);
    assert_eq!((world.operations(), world.vsock.connections()), (Vec::new(), 0));
}

#[test]
fn what_the_host_does_not_want_is_not_called_delivered() {
    let (mut world, listener) = listening();
    let stream = world.accepted(&listener, End { buffer: 0, ..end(1) });
    assert_eq!(write(&stream, b"answer"), Some(Ok(6)));
    assert_eq!(now((&stream).flush()), None);
    world.shut(End { buffer: 0, ..end(1) }, NO_RECEIVE);
    assert_eq!(now((&stream).flush()), Some(Err(VsockError::Closed)));
    assert_eq!(write(&stream, b"more"), Some(Err(VsockError::Closed)));
}

#[test]
fn connecting_waits_for_the_answer() {
    let mut world = World::new();
    let vsock = world.vsock.clone();
    let mut attempt = pin!(VsockStream::connect(&vsock, Address { cid: HOST, port: PORT }));
    assert!(attempt.as_mut().now_or_never().is_none());
    let sent = world.sent();
    assert_eq!((sent[0].0, sent[0].1.to), (Operation::Request, Address { cid: HOST, port: PORT }));
    let answer = End { host_port: PORT, own_port: sent[0].1.from.port, ..end(1) };
    world.tell(answer, Operation::Response);
    let stream = attempt.now_or_never().expect("it is answered").unwrap();
    assert_eq!(write(&stream, b"ready"), Some(Ok(5)));
    assert_eq!(world.operations(), [Operation::Data]);
}

#[test]
fn refused_connections_are_told_and_the_next_has_another_port() {
    let mut world = World::new();
    let vsock = world.vsock.clone();
    let mut ports = Vec::new();
    for _ in 0..2 * VSOCK_CONNECTIONS {
        let mut attempt = pin!(VsockStream::connect(&vsock, Address { cid: HOST, port: PORT }));
        assert!(attempt.as_mut().now_or_never().is_none());
        let port = world.sent()[0].1.from.port;
        assert!(!ports.contains(&port));
        ports.push(port);
        world.tell(End { host_port: PORT, own_port: port, ..end(1) }, Operation::Reset);
        let refused = attempt.now_or_never().expect("it is answered");
        assert_eq!(refused.err(), Some(VsockError::Refused));
    }
    assert_eq!(vsock.connections(), 0);
}

#[test]
fn an_attempt_that_is_given_up_leaves_nothing_behind() {
    let mut world = World::new();
    for polled in [false, true] {
        let vsock = world.vsock.clone();
        {
            let mut attempt = pin!(VsockStream::connect(&vsock, Address { cid: HOST, port: PORT }));
            assert!(attempt.as_mut().now_or_never().is_none());
            if polled {
                assert_eq!(world.operations(), [Operation::Request]);
            }
        }
        let expected: &[Operation] = if polled { &[Operation::Reset] } else { &[] };
        assert_eq!(world.operations(), expected);
        assert_eq!(vsock.connections(), 0);
    }
}

#[test]
fn strangers_are_reset_but_resets_are_not_answered() {
    let (mut world, _listener) = listening();
    let elsewhere = End { own_port: PORT + 1, ..end(1) };
    for operation in [
        Operation::Request,
        Operation::Response,
        Operation::Shutdown,
        Operation::Data,
        Operation::CreditUpdate,
        Operation::CreditRequest,
    ] {
        world.tell(elsewhere, operation);
        let sent = world.sent();
        assert_eq!((sent.len(), sent[0].0), (1, Operation::Reset), "{operation:?}");
        assert_eq!(sent[0].1.to, Address { cid: HOST, port: 1 });
    }
    world.tell(elsewhere, Operation::Reset);
    assert!(world.sent().is_empty());
    // Another type of connection, and an operation that is none.
    world.give(Header { kind: 2, ..end(1).header(Operation::Request) }, &[]);
    world.give(Header { operation: 99, ..end(1).header(Operation::Request) }, &[]);
    assert_eq!(world.operations(), [Operation::Reset; 2]);
}

#[test]
fn packets_for_other_machines_are_dropped() {
    let (mut world, _listener) = listening();
    let header = end(1).header(Operation::Request);
    for cid in [0, 2, 4, u64::MAX, OWN | 1 << 32] {
        world.give(Header { to: Address { cid, port: PORT }, ..header }, &[]);
    }
    world.host.incoming.push_back(header.encode()[..43].to_vec());
    world.host.incoming.push_back(Header { length: 1, ..header }.encode().to_vec());
    assert!(world.sent().is_empty());
}

#[test]
fn connections_of_other_machines_are_told_apart() {
    let (mut world, listener) = listening();
    let own = world.accepted(&listener, end(1));
    let mut other = end(1).header(Operation::Request);
    other.from.cid = 9;
    world.give(other, &[]);
    let (stream, peer) = now(listener.accept()).unwrap();
    assert_eq!((peer.cid, stream.peer()), (9, peer));
    world.give(Header { operation: Operation::Data as u16, ..other }, b"x");
    assert_eq!((read(&own), read(&stream)), (None, Some(Ok(b"x".to_vec()))));
}

#[test]
fn a_request_or_response_on_a_connection_that_is_there_ends_it() {
    for operation in [Operation::Request, Operation::Response] {
        let (mut world, listener) = listening();
        let stream = world.accepted(&listener, end(1));
        world.tell(end(1), operation);
        assert_eq!(world.operations(), [Operation::Reset]);
        assert_eq!(read(&stream), Some(Err(VsockError::Reset)));
    }
}

#[test]
fn a_transport_reset_ends_all_connections_without_a_word() {
    let (mut world, listener) = listening();
    let stream = world.accepted(&listener, end(1));
    assert!(write(&stream, b"unsent").is_some());
    world.host.lost = Some(OWN);
    assert!(world.sent().is_empty());
    assert_eq!(read(&stream), Some(Err(VsockError::TransportReset)));
    assert_eq!(write(&stream, b"x"), Some(Err(VsockError::TransportReset)));
    drop(stream);
    assert_eq!(world.vsock.connections(), 0);
    world.accepted(&listener, end(1));
}

#[test]
fn bounds_on_connections_backlog_and_ports_hold() {
    let (mut world, listener) = listening();
    for port in 0..u32::try_from(VSOCK_BACKLOG).unwrap() {
        world.tell(end(port), Operation::Request);
        assert_eq!(world.operations(), [Operation::Response]);
    }
    world.tell(end(5000), Operation::Request);
    assert_eq!(world.operations(), [Operation::Reset], "the backlog is full");
    let mut streams = Vec::new();
    while let Some((stream, _)) = now(listener.accept()) {
        streams.push(stream);
    }
    assert_eq!(streams.len(), VSOCK_BACKLOG);
    while streams.len() < VSOCK_CONNECTIONS {
        let port = u32::try_from(streams.len()).unwrap();
        streams.push(world.accepted(&listener, end(port)));
    }
    world.tell(end(5000), Operation::Request);
    assert_eq!(world.operations(), [Operation::Reset], "there are no more");
    let attempt = now(VsockStream::connect(&world.vsock, Address { cid: HOST, port: 1 }));
    assert_eq!(attempt.unwrap().err(), Some(VsockError::Exhausted));

    let mut listeners: Vec<_> =
        (1..).map_while(|port| VsockListener::bind(&world.vsock, port).ok()).collect();
    assert_eq!(listeners.len(), VSOCK_LISTENERS - 1);
    listeners.pop();
    assert_eq!(VsockListener::bind(&world.vsock, PORT).err(), Some(VsockError::PortTaken));
    assert!(VsockListener::bind(&world.vsock, PORT + 1).is_ok());
}

#[test]
fn a_listener_that_is_dropped_ends_what_nobody_took() {
    let (mut world, listener) = listening();
    world.tell(end(1), Operation::Request);
    assert_eq!(world.operations(), [Operation::Response]);
    drop(listener);
    assert_eq!(world.operations(), [Operation::Shutdown]);
    world.tell(end(2), Operation::Request);
    assert_eq!(world.operations(), [Operation::Reset]);
}

#[test]
fn a_device_that_takes_nothing_is_not_listened_to_for_ever() {
    let (mut world, _listener) = listening();
    world.host.room = Some(0);
    let stranger = End { own_port: 1, ..end(1) }.header(Operation::Data).encode().to_vec();
    world.host.incoming = core::iter::repeat_n(stranger, 10 * VSOCK_RESETS).collect();
    for _ in 0..20 {
        world.poll();
    }
    assert_eq!(world.host.incoming.len(), 9 * VSOCK_RESETS);
    world.host.room = None;
    assert_eq!(world.operations().len(), VSOCK_RESETS);
}

#[test]
fn one_poll_has_a_budget_and_asks_for_another() {
    let (mut world, listener) = listening();
    let _stream = world.accepted(&listener, end(1));
    let update = end(1).header(Operation::CreditUpdate).encode().to_vec();
    world.host.incoming = core::iter::repeat_n(update, VSOCK_PACKETS_PER_POLL + 1).collect();
    assert_eq!((world.poll(), world.host.incoming.len()), (Some(world.now), 1));
    assert_eq!(world.poll(), None);
}

#[test]
fn connections_send_in_turn() {
    let (mut world, listener) = listening();
    let streams: Vec<_> = (0..3).map(|port| world.accepted(&listener, end(port))).collect();
    world.host.packet_bytes = HEADER_BYTES + 10;
    for stream in &streams {
        assert_eq!(write(stream, &[0; 20]), Some(Ok(20)));
    }
    let ports: Vec<u32> = world.sent().iter().map(|(_, header, _)| header.to.port).collect();
    assert_eq!(ports, [0, 1, 2, 0, 1, 2]);
}

#[test]
fn a_writer_that_waits_goes_on_when_there_is_room() {
    let (mut world, listener) = listening();
    let stream = world.accepted(&listener, end(1));
    let data = vec![1; VSOCK_SEND_BYTES + 1];
    assert_eq!(write(&stream, &data), Some(Ok(VSOCK_SEND_BYTES)));
    assert_eq!(write(&stream, b"x"), None);
    world.sent();
    assert_eq!(write(&stream, b"x"), Some(Ok(1)));
}

/// What a hostile host, or our own task, may do.
#[derive(Clone, Debug)]
enum Step {
    Packet { port: u32, own_port: u32, operation: u16, flags: u32, credit: [u32; 2], data: usize },
    Raw(Vec<u8>),
    Accept,
    Read(usize),
    Write(usize, usize),
    Drop(usize),
    Finish(usize),
    Connect,
    Lose,
    Wait(u64),
    Room(Option<usize>),
}

fn step() -> impl Strategy<Value = Step> {
    let packet = (0..4_u32, 50..54_u32, 0..9_u16, 0..4_u32, any::<[u32; 2]>(), 0..70_000_usize);
    prop_oneof![
        8 => packet.prop_map(|(port, own_port, operation, flags, credit, data)| {
            let data = if operation == 5 { data } else { data % 3 };
            Step::Packet { port, own_port, operation, flags, credit, data }
        }),
        1 => proptest::collection::vec(any::<u8>(), 0..60).prop_map(Step::Raw),
        4 => Just(Step::Accept),
        4 => (0..6_usize).prop_map(Step::Read),
        4 => (0..6_usize, 0..100_000_usize).prop_map(|(who, bytes)| Step::Write(who, bytes)),
        2 => (0..6_usize).prop_map(Step::Drop),
        1 => (0..6_usize).prop_map(Step::Finish),
        1 => Just(Step::Connect),
        1 => Just(Step::Lose),
        1 => (0..10_000_u64).prop_map(Step::Wait),
        1 => proptest::option::of(0..4_usize).prop_map(Step::Room),
    ]
}

proptest! {
    #[test]
    fn whatever_the_host_does_bounds_hold_and_nothing_is_left(
        steps in proptest::collection::vec(step(), 0..120),
    ) {
        let (mut world, listener) = listening();
        let mut streams: Vec<VsockStream> = Vec::new();
        for step in steps {
            match step {
                Step::Packet { port, own_port, operation, flags, credit: [buffer, forwarded], data } => {
                    let end = End { own_port, buffer, forwarded, ..end(port) };
                    let header = end.header(Operation::Data);
                    world.give(Header { operation, flags, ..header }, &vec![0; data]);
                }
                Step::Raw(packet) => world.host.incoming.push_back(packet),
                Step::Accept => streams.extend(now(listener.accept()).map(|(stream, _)| stream)),
                Step::Read(who) => {
                    if let Some(Some(Ok(bytes))) = streams.get(who).map(read) {
                        prop_assert!(bytes.len() <= VSOCK_RECEIVE_BYTES);
                    }
                }
                Step::Write(who, bytes) => {
                    if let Some(stream) = streams.get(who) {
                        write(stream, &vec![0; bytes]);
                    }
                }
                Step::Drop(who) => if who < streams.len() {
                    streams.swap_remove(who);
                },
                Step::Finish(who) => if let Some(mut stream) = streams.get(who) {
                    prop_assert!(now(stream.shutdown()).is_some());
                },
                Step::Connect => {
                    let peer = Address { cid: HOST, port: 1 };
                    prop_assert!(now(VsockStream::connect(&world.vsock, peer)).is_none_or(|c| c.is_err()));
                }
                Step::Lose => world.host.lost = Some(OWN),
                Step::Wait(millis) => world.now += Duration::from_millis(millis),
                Step::Room(room) => world.host.room = room,
            }
            world.poll();
            prop_assert!(world.vsock.connections() <= VSOCK_CONNECTIONS);
            for (header, data) in world.host.outgoing.drain(..) {
                prop_assert_eq!(header.from.cid, OWN);
                prop_assert_eq!(header.length as usize, data.len());
            }
        }
        drop((streams, listener));
        world.host.room = None;
        world.poll();
        world.now += VSOCK_LINGER;
        world.poll();
        world.poll();
        prop_assert_eq!(world.vsock.connections(), 0);
        prop_assert_eq!(world.poll(), None);
    }

    #[test]
    fn a_transfer_in_any_pieces_arrives_whole(
        pieces in proptest::collection::vec(1..90_000_usize, 1..8),
        buffer in 1..80_000_u32,
        packet_bytes in HEADER_BYTES + 1..70_000_usize,
    ) {
        let (mut world, listener) = listening();
        world.host.packet_bytes = packet_bytes;
        let mut peer = End { buffer, ..end(1) };
        let stream = world.accepted(&listener, peer);
        let mixed = |at: usize| at.to_le_bytes()[0] ^ at.to_le_bytes()[1];
        let data: Vec<u8> = (0..pieces.iter().sum()).map(mixed).collect();
        let (mut rest, mut received) = (&data[..], Vec::new());
        let mut sizes = pieces.iter().cycle();
        for _ in 0..1_000_000 {
            if received.len() == data.len() {
                break;
            }
            let wanted = rest.len().min(*sizes.next().unwrap());
            if let Some(Ok(count)) = write(&stream, &rest[..wanted]) {
                rest = &rest[count..];
            }
            for (operation, _, bytes) in world.sent() {
                if operation == Operation::Data {
                    received.extend(bytes);
                }
            }
            let taken = u32::try_from(received.len()).unwrap();
            prop_assert!(taken - peer.forwarded <= buffer);
            peer.forwarded = taken;
            world.tell(peer, Operation::CreditUpdate);
        }
        prop_assert!(received == data);
    }
}
