//! Two ends against a model, step by step: any operations, in any order, any bytes on their way.

use alloc::collections::{BTreeMap, VecDeque};

use proptest::prelude::*;

use super::*;

/// Pieces of all streams' bytes: each byte follows from its stream and place.
fn content(stream: u32, opener_sends: bool, place: usize) -> u8 {
    let seed = stream as usize * 31 + usize::from(opener_sends) * 17;
    (seed + place * 7 + place / 251) as u8
}

/// One end with the bytes on their way to it.
struct Side {
    node: Node,
    arriving: VecDeque<u8>,
    streams: BTreeMap<u32, Held>,
}

/// A stream that one end has.
struct Held {
    stream: Stream,
    opener: bool,
    written: usize,
    read: usize,
    ended: bool,
}

/// What may happen.
#[derive(Clone, Copy, Debug)]
enum Step {
    Open,
    Accept,
    Write { at: usize, bytes: usize },
    Read { at: usize, bytes: usize },
    Shutdown { at: usize },
    Drop { at: usize },
    Reset { at: usize },
    Carry { bytes: usize },
}

fn steps() -> impl Strategy<Value = Vec<(bool, Step)>> {
    let at = || 0_usize..12;
    let bytes = || prop_oneof![3 => 1_usize..300, 3 => Just(20_000), 1 => Just(300_000)];
    let step = prop_oneof![
        2 => Just(Step::Open),
        3 => Just(Step::Accept),
        12 => (at(), bytes()).prop_map(|(at, bytes)| Step::Write { at, bytes }),
        12 => (at(), bytes()).prop_map(|(at, bytes)| Step::Read { at, bytes }),
        2 => at().prop_map(|at| Step::Shutdown { at }),
        1 => at().prop_map(|at| Step::Drop { at }),
        1 => at().prop_map(|at| Step::Reset { at }),
        16 => bytes().prop_map(|bytes| Step::Carry { bytes }),
    ];
    prop::collection::vec((any::<bool>(), step), 1..400)
}

fn limits() -> Limits {
    Limits {
        streams_in: 8,
        streams_out: 8,
        unacknowledged: 4,
        receive_bytes: 400_000,
        send_bytes: 50_000,
        ..Limits::default()
    }
}

impl Side {
    fn new(memory: &ReceiveMemory, role: Role) -> Self {
        let node = Node::sharing(memory.clone(), role, limits());
        Self { node, arriving: VecDeque::new(), streams: BTreeMap::new() }
    }

    fn hold(&mut self, stream: Stream, opener: bool) {
        let held = Held { stream, opener, written: 0, read: 0, ended: false };
        self.streams.insert(held.stream.id(), held);
    }

    fn nth(&mut self, at: usize) -> Option<&mut Held> {
        let count = self.streams.len();
        self.streams.values_mut().nth(at.checked_rem(count)?)
    }

    fn write(&mut self, at: usize, bytes: usize) {
        let Some(held) = self.nth(at) else { return };
        let id = held.stream.id();
        let bytes: Vec<u8> =
            (0..bytes).map(|n| content(id, held.opener, held.written + n)).collect();
        if let Some(Ok(written)) = write(&mut held.stream, &bytes) {
            assert!(!held.ended);
            held.written += written;
        }
    }

    fn read(&mut self, at: usize, bytes: usize) -> usize {
        let Some(held) = self.nth(at) else { return 0 };
        let Some(Ok(read)) = read(&mut held.stream, bytes) else { return 0 };
        for byte in &read {
            assert_eq!(*byte, content(held.stream.id(), !held.opener, held.read));
            held.read += 1;
        }
        read.len()
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Open => {
                if let Some(Ok(stream)) = self.node.control.open().now_or_never() {
                    self.hold(stream, true);
                }
            }
            Step::Accept => {
                if let Some(Some(stream)) = self.node.control.accept().now_or_never() {
                    self.hold(stream, false);
                }
            }
            Step::Write { at, bytes } => self.write(at, bytes),
            Step::Read { at, bytes } => {
                self.read(at, bytes);
            }
            Step::Shutdown { at } => {
                if let Some(held) = self.nth(at) {
                    held.ended = true;
                    let _ = shutdown(&mut held.stream);
                }
            }
            Step::Drop { at } => {
                let id = self.nth(at).map(|held| held.stream.id());
                id.map(|id| self.streams.remove(&id));
            }
            Step::Reset { at } => {
                if let Some(held) = self.nth(at) {
                    held.stream.reset();
                }
            }
            Step::Carry { bytes } => {
                self.carry(bytes);
            }
        }
    }

    /// Takes up to `bytes` of what is on its way; returns how many.
    fn carry(&mut self, bytes: usize) -> usize {
        let front: Vec<u8> = self.arriving.iter().take(bytes).copied().collect();
        let taken = self.node.session.borrow_mut().receive(&front).expect("honest frames");
        self.arriving.drain(..taken);
        taken
    }

    fn check(&self) {
        let session = self.node.session.borrow();
        let limits = session.limits;
        let channels = || session.streams.values();
        let incoming: usize = channels().map(|channel| channel.incoming.len()).sum();
        let outgoing: usize = channels().map(|channel| channel.outgoing.len()).sum();
        assert_eq!((incoming, outgoing), (session.received.bytes(), session.send_buffered));
        assert!(incoming <= limits.receive_bytes);
        assert!(outgoing <= limits.send_bytes + 16 * limits::STREAM_LEAST_SEND_BYTES);
        assert!(session.streams_in <= limits.streams_in);
        assert!(session.streams_out <= limits.streams_out);
        assert!(session.unacknowledged <= limits.unacknowledged);
        let ours = session.streams.keys().filter(|id| session.role.owns(**id)).count();
        assert_eq!(ours, session.streams_out);
        assert_eq!(session.streams.len() - ours, session.streams_in);
        for channel in channels() {
            assert!(channel.incoming.len() <= limits::WINDOW_BYTES as usize);
            assert!(channel.outgoing.len() <= limits::STREAM_SEND_BYTES);
            assert!(channel.receive_window <= limits::WINDOW_BYTES);
        }
        // Everything that has something to send is in the queue, once.
        let queued = session.streams.iter().filter(|(_, channel)| channel.queued).count();
        assert!(queued <= session.ready.len());
        assert!(channels().all(|channel| channel.queued || !channel.has_output()));
    }
}

/// What leaves one side is on its way to the other.
fn exchange(a: &mut Side, b: &mut Side) {
    b.arriving.extend(a.node.sent_bytes());
    a.arriving.extend(b.node.sent_bytes());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn bytes_arrive_as_they_were_sent_and_nothing_stays_behind(steps in steps()) {
        let memory = ReceiveMemory::new(500_000);
        let mut a = Side::new(&memory, Role::Dialer);
        let mut b = Side::new(&memory, Role::Listener);
        for (first, step) in steps {
            let side = if first { &mut a } else { &mut b };
            side.step(step);
            exchange(&mut a, &mut b);
            a.check();
            b.check();
        }
        // Let everything arrive that can.
        loop {
            exchange(&mut a, &mut b);
            let mut moved = a.carry(usize::MAX) + b.carry(usize::MAX);
            for side in [&mut a, &mut b] {
                side.step(Step::Accept);
                moved += (0..side.streams.len()).map(|at| side.read(at, usize::MAX >> 40)).sum::<usize>();
            }
            if moved == 0 {
                break;
            }
        }
        for (id, held) in &a.streams {
            let Some(other) = b.streams.get(id) else { continue };
            for (sender, receiver) in [(held, other), (other, held)] {
                // What one has written and not reset, the other has read.
                let session = a.node.session.borrow();
                if session.streams.get(id).is_some_and(|channel| channel.dead.is_none()) {
                    prop_assert_eq!(sender.written, receiver.read);
                }
            }
        }
        for side in [&mut a, &mut b] {
            side.streams.clear();
        }
        for _ in 0..20 {
            exchange(&mut a, &mut b);
            a.carry(usize::MAX);
            b.carry(usize::MAX);
            while let Some(Some(stream)) = a.node.control.accept().now_or_never() {
                drop(stream);
            }
            while let Some(Some(stream)) = b.node.control.accept().now_or_never() {
                drop(stream);
            }
        }
        prop_assert_eq!(memory.left(), 500_000);
        for side in [&a, &b] {
            side.check();
            prop_assert_eq!(side.node.counters().receive_buffered, 0);
            prop_assert_eq!(side.node.counters().send_buffered, 0);
            prop_assert!(side.arriving.is_empty());
            prop_assert_eq!(side.node.counters(), Counters::default());
        }
    }
}
