//! A session fed with frames, and the frames that it gives.
#![allow(clippy::cast_possible_truncation, reason = "the numbers of a test are small")]

mod bounds;
mod ends;
mod flow;
mod model;
mod transcript;

use alloc::rc::Rc;
use alloc::vec;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::task::{Context, Poll, Waker};

use embedded_io_async::{Read, Write};
use futures_util::FutureExt;

use super::frame::{Flags, HEADER_BYTES, Header, Kind};
use super::session::Session;
use super::transmit::Next;
use super::*;

/// A frame as it travels.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Frame {
    kind: Kind,
    flags: Flags,
    stream: u32,
    length: u32,
    payload: Vec<u8>,
}

impl Frame {
    fn new(kind: Kind, flags: Flags, stream: u32, length: u32) -> Self {
        Self { kind, flags, stream, length, payload: Vec::new() }
    }

    fn data(flags: Flags, stream: u32, payload: &[u8]) -> Self {
        let length = u32::try_from(payload.len()).unwrap();
        Self { kind: Kind::Data, flags, stream, length, payload: payload.to_vec() }
    }

    fn window(flags: Flags, stream: u32, delta: u32) -> Self {
        Self::new(Kind::WindowUpdate, flags, stream, delta)
    }

    fn ping(flags: Flags, value: u32) -> Self {
        Self::new(Kind::Ping, flags, 0, value)
    }

    fn bytes(&self) -> Vec<u8> {
        let &Self { kind, flags, stream, length, ref payload } = self;
        [&Header { kind, flags, stream, length }.emit()[..], payload].concat()
    }

    fn parse_all(mut bytes: &[u8]) -> Vec<Self> {
        let mut frames = Vec::new();
        while let Some((header, rest)) = bytes.split_first_chunk::<HEADER_BYTES>() {
            let Header { kind, flags, stream, length } = Header::parse(*header).unwrap();
            let size = if kind == Kind::Data { usize::try_from(length).unwrap() } else { 0 };
            let (payload, rest) = rest.split_at(size);
            frames.push(Self { kind, flags, stream, length, payload: payload.to_vec() });
            bytes = rest;
        }
        assert!(bytes.is_empty(), "half a frame");
        frames
    }
}

/// One end, whose peer is the test.
struct Node {
    session: Rc<RefCell<Session>>,
    control: Control,
}

impl Node {
    fn new(role: Role, limits: Limits) -> Self {
        Self::sharing(ReceiveMemory::new(limits.receive_bytes), role, limits)
    }

    fn sharing(memory: ReceiveMemory, role: Role, limits: Limits) -> Self {
        let session = Rc::new(RefCell::new(Session::new(role, limits, memory)));
        Self { control: Control::new(Rc::clone(&session)), session }
    }

    fn listener() -> Self {
        Self::new(Role::Listener, Limits::default())
    }

    /// Feeds bytes, all of which must be taken.
    fn feed(&self, bytes: &[u8]) -> Result<(), End> {
        let taken = self.session.borrow_mut().receive(bytes)?;
        assert_eq!(taken, bytes.len(), "no room");
        Ok(())
    }

    fn receive(&self, frame: &Frame) -> Result<(), End> {
        self.feed(&frame.bytes())
    }

    /// All bytes that are ready to leave.
    fn sent_bytes(&self) -> Vec<u8> {
        let mut all = Vec::new();
        loop {
            let mut batch = Vec::new();
            let next = self.session.borrow_mut().poll_batch(&mut batch, &context());
            assert!(batch.len() <= limits::BATCH_BYTES);
            all.extend(batch);
            if next != Poll::Ready(Next::Batch) {
                return all;
            }
        }
    }

    fn sent(&self) -> Vec<Frame> {
        Frame::parse_all(&self.sent_bytes())
    }

    fn accept(&self) -> Stream {
        self.control.accept().now_or_never().expect("a stream").expect("a connection")
    }

    fn open(&self) -> Stream {
        self.control.open().now_or_never().expect("room for a stream").expect("a connection")
    }

    /// A stream of the peer's, accepted and acknowledged.
    fn accepted(&self, id: u32) -> Stream {
        self.receive(&Frame::window(Flags::SYN, id, 0)).unwrap();
        let stream = self.accept();
        assert_eq!(self.sent(), [Frame::window(Flags::ACK, id, 0)]);
        stream
    }

    /// What it holds: all zero when nothing is left.
    fn counters(&self) -> Counters {
        Counters { received_bytes: 0, ..self.control.counters() }
    }
}

fn context() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

/// What a read gives now; none when it has to wait.
fn read(stream: &mut Stream, most: usize) -> Option<Result<Vec<u8>, Error>> {
    let mut buf = vec![0; most];
    let read = stream.read(&mut buf).now_or_never()?;
    Some(read.map(|read| buf[..read].to_vec()))
}

/// How much a write takes now; none when it has to wait.
fn write(stream: &mut Stream, bytes: &[u8]) -> Option<Result<usize, Error>> {
    stream.write(bytes).now_or_never()
}

fn shutdown(stream: &mut Stream) -> Option<Result<(), Error>> {
    crate::Stream::shutdown(stream).now_or_never()
}
