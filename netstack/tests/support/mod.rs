//! A simulated network: stacks on one Ethernet segment, a virtual clock, and a small executor.
//!
//! Time moves only when nothing else can: a test of ten minutes takes milliseconds, and the same seed
//! gives the same run.
#![allow(dead_code, reason = "each test binary uses its part")]
#![allow(
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "a test may fail by panicking, and its numbers are small"
)]

pub mod frames;
pub mod http;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::StreamExt;
use futures_util::future::LocalBoxFuture;
use futures_util::stream::FuturesUnordered;
use netstack::time::{Duration, Instant};
use netstack::{
    Addressing, EthernetAddress, IpAddress, IpCidr, Ipv4Address, Spawn, Stack, StackConfig,
    StaticAddressing, Timer,
};
use smoltcp::phy::{ChecksumCapabilities, Device, DeviceCapabilities, Medium, RxToken, TxToken};

/// Ethernet frame size of the simulated devices.
pub const FRAME_BYTES: usize = 1514;

/// A virtual clock.
#[derive(Clone, Default)]
pub struct Clock {
    inner: Rc<ClockInner>,
}

#[derive(Default)]
struct ClockInner {
    now: Cell<i64>,
    next_id: Cell<u64>,
    sleepers: RefCell<BTreeMap<(i64, u64), Waker>>,
}

impl Clock {
    fn next_deadline(&self) -> Option<i64> {
        self.inner.sleepers.borrow().keys().next().map(|key| key.0)
    }

    fn advance_to(&self, micros: i64) {
        assert!(micros >= self.inner.now.get(), "time goes forward");
        self.inner.now.set(micros);
        loop {
            let due = {
                let mut sleepers = self.inner.sleepers.borrow_mut();
                match sleepers.first_key_value() {
                    Some((key, _)) if key.0 <= micros => sleepers.pop_first(),
                    _ => None,
                }
            };
            let Some((_, waker)) = due else { return };
            waker.wake();
        }
    }

    pub async fn sleep(&self, duration: Duration) {
        self.sleep_until(self.now() + duration).await;
    }

    /// Tasks that sleep.
    pub fn sleepers(&self) -> usize {
        self.inner.sleepers.borrow().len()
    }
}

impl Timer for Clock {
    fn now(&self) -> Instant {
        Instant::from_micros(self.inner.now.get())
    }

    fn sleep_until(&self, deadline: Instant) -> impl Future<Output = ()> {
        let id = self.inner.next_id.get();
        self.inner.next_id.set(id + 1);
        Sleep { clock: self.clone(), key: (deadline.total_micros(), id) }
    }
}

struct Sleep {
    clock: Clock,
    key: (i64, u64),
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.clock.inner.now.get() >= self.key.0 {
            return Poll::Ready(());
        }
        self.clock.inner.sleepers.borrow_mut().insert(self.key, context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.clock.inner.sleepers.borrow_mut().remove(&self.key);
    }
}

/// What the segment does to frames.
#[derive(Clone, Copy, Debug)]
pub struct Faults {
    /// Frames lost, per thousand.
    pub loss: u32,
    /// Frames doubled, per thousand.
    pub duplicates: u32,
    /// Frames held back so that later ones overtake them, per thousand.
    pub reorder: u32,
    /// Frames with some bytes changed, per thousand.
    pub corrupt: u32,
    /// Delay of every frame in microseconds.
    pub delay: i64,
}

impl Faults {
    pub const NONE: Self = Self { loss: 0, duplicates: 0, reorder: 0, corrupt: 0, delay: 100 };
}

thread_local! {
    /// Whether devices say that they check checksums, which they do not: lets corrupt frames in.
    pub static UNCHECKED: Cell<bool> = const { Cell::new(false) };
}

/// An Ethernet segment: what one port sends, all others get.
pub struct Segment {
    pub faults: Faults,
    random: u64,
    next_id: u64,
    in_flight: BTreeMap<(i64, u64), (usize, Vec<u8>)>,
    arrived: Vec<VecDeque<Vec<u8>>>,
    /// Ports whose frames are all lost.
    pub unplugged: Vec<bool>,
    /// Frames sent, by port.
    pub sent: Vec<u64>,
}

impl Segment {
    fn roll(&mut self, per_thousand: u32) -> bool {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 20) % 1000 < u64::from(per_thousand)
    }

    /// Changes one to four bytes, or the length; addresses of the Ethernet header stay.
    fn corrupt(&mut self, frame: &mut Vec<u8>) {
        for _ in 0..=self.random % 4 {
            self.roll(0);
            let at = 12 + (self.random >> 8) as usize % (frame.len() - 12);
            frame[at] = match self.random % 4 {
                0 => (self.random >> 40) as u8,
                1 => frame[at] ^ (1 << ((self.random >> 40) % 8)),
                2 => 0xff,
                _ => 0,
            };
        }
        if self.roll(100) {
            let length = 14 + (self.random >> 8) as usize % (frame.len() - 13);
            frame.truncate(length);
        }
    }

    fn send(&mut self, now: i64, from: usize, frame: &[u8]) {
        self.sent[from] += 1;
        for to in (0..self.arrived.len()).filter(|to| *to != from) {
            if self.unplugged[from] || self.unplugged[to] || self.roll(self.faults.loss) {
                continue;
            }
            let copies = 1 + u32::from(self.roll(self.faults.duplicates));
            for _ in 0..copies {
                let late = if self.roll(self.faults.reorder) { self.faults.delay * 3 } else { 0 };
                let at = now + self.faults.delay + late;
                let mut frame = frame.to_vec();
                if self.roll(self.faults.corrupt) {
                    self.corrupt(&mut frame);
                }
                self.in_flight.insert((at, self.next_id), (to, frame));
                self.next_id += 1;
            }
        }
    }

    fn deliver(&mut self, now: i64) {
        while let Some(entry) = self.in_flight.first_entry() {
            if entry.key().0 > now {
                return;
            }
            let (to, frame) = entry.remove();
            self.arrived[to].push_back(frame);
        }
    }
}

/// A device on a segment.
#[derive(Clone)]
pub struct Port {
    segment: Rc<RefCell<Segment>>,
    clock: Clock,
    index: usize,
}

impl Port {
    /// Takes a frame that arrived.
    pub fn take(&self) -> Option<Vec<u8>> {
        self.segment.borrow_mut().arrived[self.index].pop_front()
    }

    /// Sends a frame.
    pub fn send(&self, frame: &[u8]) {
        self.segment.borrow_mut().send(self.clock.now().total_micros(), self.index, frame);
    }
}

pub fn capabilities() -> DeviceCapabilities {
    let mut capabilities = DeviceCapabilities::default();
    if UNCHECKED.get() {
        capabilities.checksum = ChecksumCapabilities::ignored();
    }
    capabilities.medium = Medium::Ethernet;
    capabilities.max_transmission_unit = FRAME_BYTES;
    capabilities
}

pub struct Received(Vec<u8>);

impl RxToken for Received {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

impl TxToken for Port {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, f: F) -> R {
        assert!(length <= FRAME_BYTES, "a frame of {length} bytes does not fit the device");
        let mut frame = vec![0; length];
        let result = f(&mut frame);
        self.send(&frame);
        result
    }
}

impl Device for Port {
    type RxToken<'a> = Received;
    type TxToken<'a> = Port;

    fn receive(&mut self, _: Instant) -> Option<(Received, Port)> {
        self.take().map(|frame| (Received(frame), self.clone()))
    }

    fn transmit(&mut self, _: Instant) -> Option<Port> {
        Some(self.clone())
    }

    fn capabilities(&self) -> DeviceCapabilities {
        capabilities()
    }
}

/// Takes tasks while others run; they run beside the main future and are dropped with it.
#[derive(Clone, Default)]
pub struct Spawner {
    born: Rc<RefCell<Vec<LocalBoxFuture<'static, ()>>>>,
}

impl Spawn for Spawner {
    fn spawn(&self, task: LocalBoxFuture<'static, ()>) {
        self.born.borrow_mut().push(task);
    }
}

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A station that is no stack: a scripted peer, called with each frame that arrives.
type Scripted = Box<dyn FnMut(&Port, &[u8])>;

/// Stacks, scripted peers and tasks on one segment.
pub struct Network {
    pub clock: Clock,
    pub segment: Rc<RefCell<Segment>>,
    stacks: Vec<(Stack, Port)>,
    scripted: Vec<(Port, Scripted)>,
    pub spawner: Spawner,
    /// Calls of `Stack::poll` made so far.
    pub polls: u64,
}

impl Network {
    pub fn new(seed: u64, faults: Faults) -> Self {
        let segment = Segment {
            faults,
            random: seed.max(1),
            next_id: 0,
            in_flight: BTreeMap::new(),
            arrived: Vec::new(),
            unplugged: Vec::new(),
            sent: Vec::new(),
        };
        Self {
            clock: Clock::default(),
            segment: Rc::new(RefCell::new(segment)),
            stacks: Vec::new(),
            scripted: Vec::new(),
            spawner: Spawner::default(),
            polls: 0,
        }
    }

    pub fn plug(&mut self) -> Port {
        let mut segment = self.segment.borrow_mut();
        segment.arrived.push(VecDeque::new());
        segment.unplugged.push(false);
        segment.sent.push(0);
        let index = segment.arrived.len() - 1;
        Port { segment: self.segment.clone(), clock: self.clock.clone(), index }
    }

    pub fn add(&mut self, config: StackConfig) -> Stack {
        let stack = Stack::new(config, self.clock.now());
        let port = self.plug();
        self.stacks.push((stack.clone(), port));
        stack
    }

    /// Adds a stack with address `10.0.0.host/24`.
    pub fn add_static(&mut self, host: u8) -> Stack {
        self.add(static_config(host))
    }

    pub fn script(&mut self, peer: impl FnMut(&Port, &[u8]) + 'static) -> Port {
        let port = self.plug();
        self.scripted.push((port.clone(), Box::new(peer)));
        port
    }

    /// Runs until `main` is done. Tasks in `background` run beside it and are dropped then.
    pub fn run_with<'a, R>(
        &mut self,
        background: Vec<Pin<Box<dyn Future<Output = ()> + 'a>>>,
        main: impl Future<Output = R>,
    ) -> R {
        let mut tasks: FuturesUnordered<_> = background.into_iter().collect();
        let mut main = Box::pin(main);
        let flag = Arc::new(Flag(AtomicBool::new(true)));
        let waker = Waker::from(flag.clone());
        let mut context = Context::from_waker(&waker);
        let mut idle_rounds = 0_u32;
        loop {
            let now = self.clock.now();
            let mut deadline = None;
            self.segment.borrow_mut().deliver(now.total_micros());
            for (port, peer) in &mut self.scripted {
                while let Some(frame) = port.take() {
                    peer(port, &frame);
                }
            }
            for (stack, port) in &mut self.stacks {
                let next = stack.poll(now, port);
                self.polls += 1;
                deadline = [deadline, next].into_iter().flatten().min();
            }
            while flag.0.swap(false, Ordering::Relaxed) || !self.spawner.born.borrow().is_empty() {
                if let Poll::Ready(result) = main.as_mut().poll(&mut context) {
                    return result;
                }
                let born = std::mem::take(&mut *self.spawner.born.borrow_mut());
                born.into_iter().for_each(|task| tasks.push(task));
                while let Poll::Ready(Some(())) = tasks.poll_next_unpin(&mut context) {}
            }
            if self.stacks.iter().any(|(stack, _)| stack.needs_poll()) {
                continue;
            }
            let arrival = self.segment.borrow().in_flight.keys().next().map(|key| key.0);
            let timer = self.clock.next_deadline();
            let stack = deadline.map(|at| at.total_micros());
            let Some(next) = [arrival, timer, stack].into_iter().flatten().min() else {
                panic!("deadlock: nothing will ever happen again");
            };
            let next = next.max(now.total_micros());
            idle_rounds = if next == now.total_micros() { idle_rounds + 1 } else { 0 };
            assert!(idle_rounds < 10_000, "spinning at {now}");
            self.clock.advance_to(next);
        }
    }

    /// Time since the beginning.
    pub fn clock_millis(&self) -> i64 {
        self.clock.now().total_millis()
    }

    pub fn run<R>(&mut self, main: impl Future<Output = R>) -> R {
        self.run_with(Vec::new(), main)
    }
}

pub fn static_config(host: u8) -> StackConfig {
    let mut config = StackConfig::new(mac(host), capabilities(), 0x5eed + u64::from(host));
    config.slaac = false;
    config.addressing = Addressing::Static(StaticAddressing {
        addresses: vec![IpCidr::new(address(host), 24)],
        ..StaticAddressing::default()
    });
    config
}

pub fn mac(host: u8) -> EthernetAddress {
    EthernetAddress([0x02, 0, 0, 0, 0, host])
}

pub fn address(host: u8) -> IpAddress {
    IpAddress::Ipv4(Ipv4Address::new(10, 0, 0, host))
}

/// Runs a future that needs no network, only a clock.
pub fn run_alone<R>(clock: &Clock, main: impl Future<Output = R>) -> R {
    let mut network = Network::new(1, Faults::NONE);
    network.clock = clock.clone();
    network.run(main)
}

/// An Ethernet frame with a TCP connection request between two hosts of `10.0.0.0/24`.
pub fn syn(from: u8, from_port: u16, to: u8, to_port: u16) -> Vec<u8> {
    use smoltcp::wire::{
        EthernetFrame, EthernetProtocol, EthernetRepr, IpProtocol, Ipv4Packet, Ipv4Repr,
        TcpControl, TcpPacket, TcpRepr, TcpSeqNumber,
    };
    let segment = TcpRepr {
        src_port: from_port,
        dst_port: to_port,
        control: TcpControl::Syn,
        seq_number: TcpSeqNumber(i32::from(from_port)),
        ack_number: None,
        window_len: 1000,
        window_scale: None,
        max_seg_size: Some(1460),
        sack_permitted: false,
        sack_ranges: [None; 3],
        timestamp: None,
        payload: &[],
    };
    let packet = Ipv4Repr {
        src_addr: Ipv4Address::new(10, 0, 0, from),
        dst_addr: Ipv4Address::new(10, 0, 0, to),
        next_header: IpProtocol::Tcp,
        payload_len: segment.buffer_len(),
        hop_limit: 64,
    };
    let ethernet =
        EthernetRepr { src_addr: mac(from), dst_addr: mac(to), ethertype: EthernetProtocol::Ipv4 };
    let checksums = ChecksumCapabilities::default();
    let mut bytes = vec![0; 14 + packet.buffer_len() + segment.buffer_len()];
    ethernet.emit(&mut EthernetFrame::new_unchecked(&mut bytes[..]));
    packet.emit(&mut Ipv4Packet::new_unchecked(&mut bytes[14..]), &checksums);
    let (source, target) = (address(from), address(to));
    segment.emit(&mut TcpPacket::new_unchecked(&mut bytes[34..]), &source, &target, &checksums);
    bytes
}
