//! Nodes of one process: swarms joined by links whose delays come from a seed, and that can be cut.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::rc::Rc;

use embedded_io_async::Read;
use futures_util::FutureExt;
use futures_util::future::{AbortHandle, LocalBoxFuture, abortable, join};
use netstack::libp2p::particle::Message;
use netstack::libp2p::swarm::{Counters, Dial, DialError, Handler, SendError, Swarm, SwarmConfig};
use netstack::libp2p::{Keypair, Multiaddr, PeerId};
use netstack::pipe::{self, Pipe};
use netstack::time::Duration;
use netstack::{Spawn, Split, Timer, Writer};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use crate::support::{Clock, Faults, Network, Spawner};

/// Bytes that a link holds at each end.
const LINK_BYTES: usize = 32 * 1024;

/// All nodes and links.
#[derive(Clone)]
pub struct World {
    pub clock: Clock,
    pub spawner: Spawner,
    inner: Rc<Inner>,
}

struct Inner {
    seed: u64,
    random: Cell<u64>,
    /// Longest delay of a piece of bytes.
    max_delay: Cell<Duration>,
    listeners: RefCell<BTreeMap<Multiaddr, Listener>>,
    links: RefCell<BTreeMap<u64, Link>>,
    next: Cell<u64>,
}

type Listener = Rc<dyn Fn(Pipe, Multiaddr)>;

struct Link {
    pump: AbortHandle,
    /// Bytes neither way while this holds, as if a cable were pulled.
    frozen: Rc<Cell<bool>>,
    ends: (Multiaddr, Multiaddr),
}

/// Makes a world with `seed` and runs `main` in it.
pub fn run<R, F: Future<Output = R>>(seed: u64, main: impl FnOnce(World) -> F) -> R {
    let mut network = Network::new(seed, Faults::NONE);
    let world = World {
        clock: network.clock.clone(),
        spawner: network.spawner.clone(),
        inner: Rc::new(Inner {
            seed,
            random: Cell::new(seed.max(1)),
            max_delay: Cell::new(Duration::from_millis(2)),
            listeners: RefCell::default(),
            links: RefCell::default(),
            next: Cell::new(0),
        }),
    };
    network.run(main(world))
}

impl World {
    /// A pseudo-random number below `bound`.
    pub fn random(&self, bound: u64) -> u64 {
        let mut x = self.inner.random.get();
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        self.inner.random.set(x);
        (x >> 11) % bound.max(1)
    }

    pub fn set_max_delay(&self, delay: Duration) {
        self.inner.max_delay.set(delay);
    }

    fn next(&self) -> u64 {
        self.inner.next.set(self.inner.next.get() + 1);
        self.inner.next.get()
    }

    /// A generator for one node.
    pub fn rng(&self) -> ChaCha20Rng {
        ChaCha20Rng::seed_from_u64(self.inner.seed.wrapping_mul(1_000_003) ^ self.next())
    }

    pub async fn sleep(&self, duration: Duration) {
        self.clock.sleep(duration).await;
    }

    /// Completes when `condition` holds; fails the test when it does not within `patience`.
    pub async fn eventually(&self, patience: Duration, what: &str, condition: impl Fn() -> bool) {
        let end = self.clock.now() + patience;
        while !condition() {
            assert!(self.clock.now() < end, "in vain: {what}");
            self.sleep(Duration::from_millis(5)).await;
        }
    }

    /// Where the links to `address` lead.
    pub fn listen(&self, address: &Multiaddr, listener: impl Fn(Pipe, Multiaddr) + 'static) {
        self.inner.listeners.borrow_mut().insert(address.clone(), Rc::new(listener));
    }

    pub fn close(&self, address: &Multiaddr) {
        self.inner.listeners.borrow_mut().remove(address);
    }

    /// A link from `from` to whoever listens at `to`.
    pub async fn link(&self, from: &Multiaddr, to: &Multiaddr) -> Option<Pipe> {
        self.link_for(from, to, usize::MAX).await
    }

    /// The same, over which no more than `bytes` go there; then it is silent.
    pub async fn link_for(&self, from: &Multiaddr, to: &Multiaddr, bytes: usize) -> Option<Pipe> {
        self.sleep(self.delay()).await;
        let listener = self.inner.listeners.borrow().get(to).cloned()?;
        let (near, near_wire) = pipe::pair(LINK_BYTES);
        let (far, far_wire) = pipe::pair(LINK_BYTES);
        let id = self.next();
        let frozen = Rc::new(Cell::new(false));
        let world = self.clone();
        let held = Rc::clone(&frozen);
        let (work, pump) = abortable(async move {
            world.carry(near_wire, far_wire, &held, bytes).await;
        });
        let ends = (from.clone(), to.clone());
        self.inner.links.borrow_mut().insert(id, Link { pump, frozen, ends });
        let world = self.clone();
        self.spawner.spawn(Box::pin(work.map(move |_| {
            world.inner.links.borrow_mut().remove(&id);
        })));
        listener(far, from.clone());
        Some(near)
    }

    fn delay(&self) -> Duration {
        Duration::from_micros(self.random(self.inner.max_delay.get().total_micros()))
    }

    async fn carry(&self, near: Pipe, far: Pipe, frozen: &Cell<bool>, bytes: usize) {
        let (near_reader, near_writer) = near.split();
        let (far_reader, far_writer) = far.split();
        let there = self.carry_one_way(near_reader, far_writer, frozen, bytes);
        let back = self.carry_one_way(far_reader, near_writer, frozen, usize::MAX);
        let _both = futures_util::future::try_join(there, back).await;
    }

    async fn carry_one_way<R: Read, W: Writer>(
        &self,
        mut reader: R,
        mut writer: W,
        frozen: &Cell<bool>,
        mut bytes: usize,
    ) -> Result<(), ()> {
        let mut piece = vec![0; LINK_BYTES];
        loop {
            let read = reader.read(&mut piece).await.map_err(drop)?;
            self.sleep(self.delay()).await;
            if frozen.get() {
                std::future::pending::<()>().await;
            }
            if read == 0 {
                return writer.shutdown().await.map_err(drop);
            }
            let passes = read.min(bytes);
            bytes -= passes;
            writer.write_all(&piece[..passes]).await.map_err(drop)?;
        }
    }

    /// Links now.
    pub fn links(&self) -> usize {
        self.inner.links.borrow().len()
    }

    /// Cuts a link, whichever it is; both ends are reset.
    pub fn cut_any(&self) {
        let links = self.inner.links.borrow();
        let nth = self.random(links.len() as u64) as usize;
        if let Some(link) = links.values().nth(nth) {
            link.pump.abort();
        }
    }

    /// Cuts all links with an end at `address`.
    pub fn cut(&self, address: &Multiaddr) {
        let links = self.inner.links.borrow();
        let there = |link: &&Link| link.ends.0 == *address || link.ends.1 == *address;
        links.values().filter(there).for_each(|link| link.pump.abort());
    }

    /// Pulls the cable of all links with an end at `address`: nothing passes, nobody is told.
    pub fn freeze(&self, address: &Multiaddr) {
        let links = self.inner.links.borrow();
        let there = |link: &&Link| link.ends.0 == *address || link.ends.1 == *address;
        links.values().filter(there).for_each(|link| link.frozen.set(true));
    }

    /// The keys and the address of node `number`.
    pub fn place(number: u8) -> (Keypair, Multiaddr) {
        let address = format!("/ip4/10.0.0.{number}/tcp/7777");
        (Keypair::from_seed(&[number; 32]), address.parse().expect("an address"))
    }

    /// Starts node `number`.
    pub fn start(&self, number: u8) -> Node {
        self.start_with(number, |_| {})
    }

    /// Starts node `number` with a configuration of its own.
    pub fn start_with(&self, number: u8, configure: impl FnOnce(&mut SwarmConfig)) -> Node {
        let (keypair, address) = Self::place(number);
        let peer = keypair.peer_id();
        let mut config = SwarmConfig::new(Rc::new(keypair), "test");
        config.listen_addresses = vec![address.clone()];
        configure(&mut config);
        let inbox = Rc::<Inbox>::default();
        *inbox.clock.borrow_mut() = Some(self.clock.clone());
        let dialer = Dialer { world: self.clone(), from: address.clone() };
        let (clock, spawner) = (self.clock.clone(), self.spawner.clone());
        let swarm = Swarm::new(config, dialer, clock, spawner, self.rng(), Rc::clone(&inbox));
        let listening = swarm.clone();
        self.listen(&address, move |stream, from| listening.accept(stream, from));
        Node { swarm, peer, address, inbox }
    }
}

/// Dials within a world.
pub struct Dialer {
    pub world: World,
    pub from: Multiaddr,
}

impl Dial for Dialer {
    type Stream = Pipe;

    async fn dial(&self, address: &Multiaddr) -> Result<Pipe, DialError> {
        let to = address.clone().without_peer_id();
        self.world.link(&self.from, &to).await.ok_or(DialError::Refused)
    }
}

/// A node.
#[derive(Clone)]
pub struct Node {
    pub swarm: Swarm,
    pub peer: PeerId,
    pub address: Multiaddr,
    pub inbox: Rc<Inbox>,
}

/// What came to a node.
#[derive(Default)]
pub struct Inbox {
    pub particles: RefCell<Vec<(PeerId, Message)>>,
    pub connected: Cell<usize>,
    pub disconnected: Cell<usize>,
    /// How long it takes to take a particle.
    pub takes: Cell<Duration>,
    pub clock: RefCell<Option<Clock>>,
    /// Particles being taken.
    pub taking: Rc<Cell<usize>>,
}

impl Inbox {
    pub fn len(&self) -> usize {
        self.particles.borrow().len()
    }

    /// The ids that came, in order.
    pub fn ids(&self) -> Vec<String> {
        self.particles.borrow().iter().map(|(_, message)| message.id.clone()).collect()
    }
}

impl Handler for Inbox {
    fn particle(&self, from: PeerId, message: Message) -> LocalBoxFuture<'static, ()> {
        let intact = message.verify() && message.data == data(&message.id, message.data.len());
        assert!(intact, "a particle was changed on its way");
        self.particles.borrow_mut().push((from, message));
        let (clock, takes) = (self.clock.borrow().clone(), self.takes.get());
        let taking = Rc::clone(&self.taking);
        taking.set(taking.get() + 1);
        Box::pin(async move {
            if let Some(clock) = clock {
                clock.sleep(takes).await;
            }
            taking.set(taking.get() - 1);
        })
    }

    fn connected(&self, _: PeerId) {
        self.connected.set(self.connected.get() + 1);
    }

    fn disconnected(&self, _: PeerId) {
        self.disconnected.set(self.disconnected.get() + 1);
    }
}

impl Node {
    /// Sends a particle with `bytes` of data.
    pub async fn send(&self, to: &Node, id: &str, bytes: usize) -> Result<(), SendError> {
        let message = particle(id, bytes);
        self.swarm.send(to.peer, Rc::new(message)).await
    }

    /// What its swarm has counted.
    pub fn counters(&self) -> Counters {
        self.swarm.counters()
    }

    /// Waits until nothing is under way; a ping or an identity may be.
    pub async fn quiet(&self, world: &World) {
        let patience = Duration::from_secs(2);
        let gauges = || {
            let counters = self.counters();
            [
                counters.handshakes,
                counters.dials,
                counters.streams_served,
                counters.inbound_bytes,
                counters.queued,
                counters.queued_bytes,
                self.inbox.taking.get(),
            ]
        };
        world.eventually(patience, "all is quiet", || gauges() == [0; 7]).await;
    }

    /// Lets the swarm know where `other` is.
    pub async fn meet(&self, other: &Node) {
        let addresses = vec![other.address.clone()];
        self.swarm.connect(other.peer, addresses).await.expect("connected");
    }
}

/// A particle with data that its id decides.
pub fn particle(id: &str, bytes: usize) -> Message {
    let author = Keypair::from_seed(&[0xA0; 32]);
    let (id, script) = (id.to_string(), "(null)".to_string());
    let data = data(&id, bytes);
    Message::new(&author, id, 1_700_000_000_000, 7_000, script, data)
}

fn data(id: &str, bytes: usize) -> Vec<u8> {
    let start: usize = id.bytes().map(usize::from).sum();
    (start..start + bytes).map(|at| (at * 31 + at / 251) as u8).collect()
}

/// Runs both at once.
pub async fn both<A, B>(a: impl Future<Output = A>, b: impl Future<Output = B>) -> (A, B) {
    join(a, b).await
}
