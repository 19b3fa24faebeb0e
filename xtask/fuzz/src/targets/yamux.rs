//! yamux: any frames from a peer and any use of the streams, on one connection.

use std::collections::BTreeMap;

use embedded_io_async::{Read, Write};
use futures_util::{FutureExt, join};
use netstack::libp2p::yamux::{
    Connection, Control, Counters, GoAway, Limits, Role, Stream, limits,
};
use netstack::pipe::Pipe;
use netstack::time::Duration;
use netstack::{Split, Stream as _, Timer, pipe};

use super::Reader;
use super::support::{Clock, run_alone};

/// Steps of one input at most.
const MAX_STEPS: usize = 300;
/// Lengths and deltas around the bounds.
const LENGTHS: [u32; 8] = [
    0,
    1,
    100,
    20_000,
    limits::WINDOW_BYTES,
    limits::WINDOW_BYTES + 1,
    u32::MAX - limits::WINDOW_BYTES,
    u32::MAX,
];
/// Payload that a structured frame really has, at most.
const MAX_PAYLOAD_BYTES: usize = 20_000;
/// Time between two steps, by an input's choice.
const PAUSES_MS: [u64; 4] = [0, 1, 1000, 11_000];
/// By when a connection must be over once its peer has hung up.
const PATIENCE: Duration = Duration::from_secs(40);

/// The first byte chooses role, bounds and whether the peer reads; then each step has a byte that says
/// what happens.
pub fn run(bytes: &[u8]) {
    let mut input = Reader::new(bytes);
    let choice = input.byte();
    let role = if choice & 1 == 0 { Role::Listener } else { Role::Dialer };
    let limits = Limits {
        streams_in: 4,
        streams_out: 4,
        unacknowledged: 2,
        receive_bytes: if choice & 2 == 0 { 30_000 } else { 300_000 },
        send_bytes: 20_000,
        keep_alive: (choice & 4 != 0).then(|| Duration::from_secs(10)),
        ..Limits::default()
    };
    let clock = Clock::default();
    let (ours, theirs) = pipe::pair(if choice & 8 == 0 { 1 << 20 } else { 100 });
    let (reader, writer) = ours.split();
    let (connection, control) = Connection::new(reader, writer, role, clock.clone(), limits);
    let peer = Peer { raw: theirs, reads: choice & 16 == 0, granted: Granted::default() };
    let user = User { control: control.clone(), streams: Vec::new(), limits };
    run_alone(&clock, async {
        join!(connection.run(), play(input, peer, user, &clock));
    });
    assert_eq!(Counters { received_bytes: 0, ..control.counters() }, Counters::default());
    assert!(control.open().now_or_never().expect("an answer").is_err());
}

async fn play(mut input: Reader<'_>, mut peer: Peer, mut user: User, clock: &Clock) {
    for _ in 0..MAX_STEPS {
        if input.is_empty() {
            break;
        }
        let step = input.byte();
        match step & 7 {
            0 => peer.send(input.bytes(usize::from(step >> 3) + 1)),
            1..=3 => peer.frame(&mut input, step >> 3),
            4 => user.get(step >> 3),
            5 => user.write(usize::from(step >> 3), usize::from(input.u16())),
            6 => user.read(usize::from(step >> 3), usize::from(input.u16())),
            _ => user.finish(usize::from(step >> 3), input.byte()),
        }
        // Others get their turn even without a pause.
        let pause = if step & 7 < 4 { 0 } else { usize::from(step >> 6) };
        clock.sleep(Duration::from_millis(PAUSES_MS[pause])).await;
        peer.receive();
        user.check();
    }
    let hung_up = clock.now();
    drop(peer);
    while !matches!(user.control.accept().now_or_never(), Some(None)) {
        assert!(clock.now() - hung_up < PATIENCE, "it does not end");
        clock.sleep(Duration::from_secs(1)).await;
    }
    user.streams.clear();
}

/// Who has the streams.
struct User {
    control: Control,
    streams: Vec<Stream>,
    limits: Limits,
}

impl User {
    /// Opens or accepts a stream, or leaves.
    fn get(&mut self, how: u8) {
        match how {
            0..15 => {
                if let Some(Ok(stream)) = self.control.open().now_or_never() {
                    self.streams.push(stream);
                }
            }
            15..30 => {
                if let Some(Some(stream)) = self.control.accept().now_or_never() {
                    self.streams.push(stream);
                }
            }
            _ => self.control.close(GoAway::InternalError),
        }
    }

    fn nth(&mut self, at: usize) -> Option<&mut Stream> {
        let at = at.checked_rem(self.streams.len())?;
        self.streams.get_mut(at)
    }

    fn write(&mut self, at: usize, bytes: usize) {
        if let Some(stream) = self.nth(at) {
            let _ = stream.write(&vec![7; bytes]).now_or_never();
        }
    }

    fn read(&mut self, at: usize, bytes: usize) {
        if let Some(stream) = self.nth(at) {
            let _ = stream.read(&mut vec![0; bytes]).now_or_never();
        }
    }

    fn finish(&mut self, at: usize, how: u8) {
        let Some(stream) = self.nth(at) else { return };
        match how % 4 {
            0 => drop(stream.shutdown().now_or_never()),
            1 => stream.reset(),
            2 => drop(stream.flush().now_or_never()),
            _ => {
                let at = at % self.streams.len();
                self.streams.swap_remove(at);
            }
        }
    }

    fn check(&self) {
        let (counters, limits) = (self.control.counters(), &self.limits);
        assert!(counters.streams_in <= limits.streams_in);
        assert!(counters.streams_out <= limits.streams_out);
        assert!(counters.unacknowledged <= limits.unacknowledged);
        assert!(counters.receive_buffered <= limits.receive_bytes);
        let most = limits.send_bytes + 8 * limits::STREAM_LEAST_SEND_BYTES;
        assert!(counters.send_buffered <= most);
    }
}

/// The other end, which sends anything, and checks what it gets.
struct Peer {
    raw: Pipe,
    reads: bool,
    granted: Granted,
}

/// What the connection may send at most.
#[derive(Default)]
struct Granted {
    windows: BTreeMap<u32, u64>,
    sent: BTreeMap<u32, u64>,
    pings: usize,
    /// The end of what was sent, with which a frame may begin.
    tail: Vec<u8>,
    unparsed: Vec<u8>,
}

impl Peer {
    /// Sends what fits.
    fn send(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some(Ok(written @ 1..)) = self.raw.write(rest).now_or_never() {
            rest = &rest[written..];
        }
        self.granted.raw(&bytes[..bytes.len() - rest.len()]);
    }

    /// A frame: kind and flags, stream, length.
    fn frame(&mut self, input: &mut Reader<'_>, length: u8) {
        let (kind, flags, stream) = (input.byte(), input.byte() & 15, input.byte() % 12);
        let length = LENGTHS[usize::from(length & 7)];
        let mut frame = vec![0, kind & 3, 0, flags, 0, 0, 0, stream];
        frame.extend(length.to_be_bytes());
        if kind & 3 == 0 && kind & 4 == 0 {
            let payload = usize::try_from(length).unwrap_or(0).min(MAX_PAYLOAD_BYTES);
            frame.resize(frame.len() + payload, kind);
        }
        self.send(&frame);
    }

    fn receive(&mut self) {
        let mut buf = vec![0; 1 << 16];
        while self.reads
            && let Some(Ok(read @ 1..)) = self.raw.read(&mut buf).now_or_never()
        {
            self.granted.unparsed.extend_from_slice(&buf[..read]);
        }
        self.granted.check();
    }
}

impl Granted {
    /// What any part of these bytes could mean, were it the beginning of a frame.
    fn raw(&mut self, bytes: &[u8]) {
        // A payload repeats one byte: nothing new begins far behind its start.
        let seen = [&self.tail[..], &bytes[..bytes.len().min(64)]].concat();
        let end = [&self.tail[..], bytes].concat();
        self.tail = end[end.len().saturating_sub(11)..].to_vec();
        for header in seen.windows(12) {
            let [0, kind, _, flags, stream @ .., a, b, c, d] = header else { continue };
            let stream = stream.iter().fold(0_u32, |id, byte| id << 8 | u32::from(*byte));
            let length = u64::from(u32::from_be_bytes([*a, *b, *c, *d]));
            match kind {
                0 | 1 => {
                    let window = self.windows.entry(stream).or_default();
                    // A number may be given again once its stream is over.
                    let fresh = if flags & 1 != 0 { u64::from(limits::WINDOW_BYTES) } else { 0 };
                    *window += fresh + if *kind == 1 { length } else { 0 };
                }
                2 => self.pings += usize::from(flags & 1 != 0),
                _ => {}
            }
        }
    }

    /// Takes the frames that have arrived apart.
    fn check(&mut self) {
        while let Some((header, rest)) = self.unparsed.split_first_chunk::<12>() {
            let [version, kind, _, flags, s0, s1, s2, s3, l0, l1, l2, l3] = *header;
            let stream = u32::from_be_bytes([s0, s1, s2, s3]);
            let length = u32::from_be_bytes([l0, l1, l2, l3]);
            let size = usize::try_from(if kind == 0 { length } else { 0 }).expect("64 bits");
            let Some(rest) = rest.get(size..) else { return };
            assert!(version == 0 && kind <= 3 && flags <= 8, "{header:?}");
            assert!(size <= limits::SENT_FRAME_BYTES);
            assert_eq!(stream == 0, kind >= 2, "{header:?}");
            if kind == 2 && flags == 2 {
                self.pings = self.pings.checked_sub(1).expect("an answer that was asked for");
            }
            if size > 0 {
                // A stream of ours has a window without the peer's saying so.
                let given = self.windows.get(&stream).copied().unwrap_or_default();
                let sent = self.sent.entry(stream).or_default();
                *sent += u64::from(length);
                assert!(*sent <= given + u64::from(limits::WINDOW_BYTES), "stream {stream}");
            }
            self.unparsed = rest.to_vec();
        }
    }
}
