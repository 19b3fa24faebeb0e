//! One client of a soak: connects, sends, disconnects, breaks off, and begins again.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use air_core::Value;
use anyhow::Result;
use futures_util::future::{Either, join_all, select};
use kernel::machine::Instant;
use netstack::libp2p::{Keypair, Multiaddr};
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

use super::Options;
use super::tally::Tally;
use crate::client::{Client, Program};
use crate::host::Ground;
use crate::load::{self, Trip};
use crate::subject::Subject;

/// Sizes of payloads: each power of two between these is as likely.
const SIZES: (f64, f64) = (1024.0, 3.0 * 1024.0 * 1024.0);
/// Payloads of more bytes than this take turns.
const LARGE: usize = 256 << 10;
/// How many of those are under way at once.
const LARGE_AT_ONCE: usize = 4;
/// Particles that one connection carries at most.
const PARTICLES_PER_CONNECTION: u64 = 20;
/// Time between the first connections of two clients: QEMU's user network repeats what a full backlog
/// lets fall only after seconds.
const RAMP: Duration = Duration::from_millis(100);
/// Longest pause between two particles, in milliseconds.
const PAUSE_MS: u64 = 500;

/// What one round does.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) time: Duration,
    pub(super) particles: Option<u32>,
    pub(super) seed: u64,
    clients: u32,
    reset_percent: u32,
    ttl: Duration,
    /// Without and with WebSocket.
    addresses: [Multiaddr; 2],
    program: Program,
}

impl Plan {
    pub(super) fn new(subject: &Subject, options: &Options) -> Result<Self> {
        Ok(Self {
            time: Duration::ZERO,
            particles: None,
            seed: options.seed,
            clients: options.clients,
            reset_percent: options.resets,
            ttl: Duration::from_secs(options.ttl.into()),
            addresses: [subject.address(false)?.clone(), subject.address(true)?.clone()],
            program: load::program()?,
        })
    }
}

/// Runs all clients of a round to their end.
pub(super) async fn all(ground: Ground, plan: Plan, tally: Rc<Tally>) {
    let plan = Rc::new(plan);
    let turns = Rc::new(Turns::new(LARGE_AT_ONCE));
    let until = ground.executor.now().after(plan.time);
    let lives = (0..plan.clients).map(|number| {
        let (ground, plan, tally) = (ground.clone(), Rc::clone(&plan), Rc::clone(&tally));
        let mut dice = ChaCha8Rng::seed_from_u64(plan.seed);
        dice.set_stream(number.into());
        let life = Life { number, ground, plan, tally, turns: Rc::clone(&turns), dice };
        life.run(until)
    });
    join_all(lives).await;
}

struct Life {
    number: u32,
    ground: Ground,
    plan: Rc<Plan>,
    tally: Rc<Tally>,
    turns: Rc<Turns>,
    dice: ChaCha8Rng,
}

impl Life {
    async fn run(mut self, until: Instant) {
        self.ground.executor.sleep(RAMP * self.number).await;
        let mut left = self.plan.particles;
        while left != Some(0) && (left.is_some() || self.ground.executor.now() < until) {
            let mut seed = [0; 32];
            self.dice.fill_bytes(&mut seed);
            let websocket = self.dice.next_u64() % 2;
            let address = self.plan.addresses[usize::from(websocket == 1)].clone();
            match Client::new(&self.ground, Keypair::from_seed(&seed), address) {
                Ok(client) => self.connection(&client, until, &mut left).await,
                Err(error) => return self.tally.error(error.to_string()),
            }
        }
    }

    /// One connection from its beginning to its end.
    async fn connection(&mut self, client: &Client, until: Instant, left: &mut Option<u32>) {
        if let Err(error) = client.connect().await {
            self.tally.error(format!("client {} cannot connect: {error}", self.number));
            self.pause().await;
            *left = left.map(|left| left.saturating_sub(1));
            return;
        }
        Tally::count(&self.tally.connections, 1);
        let particles = 1 + self.dice.next_u64() % PARTICLES_PER_CONNECTION;
        let is_reset = self.dice.next_u64() % 100 < u64::from(self.plan.reset_percent);
        for number in 1..=particles {
            if *left == Some(0) || (left.is_none() && self.ground.executor.now() >= until) {
                break;
            }
            *left = left.map(|left| left.saturating_sub(1));
            if is_reset && (number == particles || *left == Some(0)) {
                return self.broken_off(client).await;
            }
            self.exchange(client).await;
            self.pause().await;
        }
        client.disconnect();
    }

    async fn exchange(&mut self, client: &Client) {
        let payload = self.payload();
        let bytes = payload.as_str().map_or(0, str::len);
        let _turn = if bytes > LARGE { Some(self.turns.take().await) } else { None };
        let start = self.ground.executor.now();
        match load::round_trip(client, &self.plan.program, &payload, self.plan.ttl).await {
            Trip::Back => {
                Tally::count(&self.tally.particles, 1);
                Tally::count(&self.tally.bytes, bytes as u64);
                self.tally.times.borrow_mut().add(self.ground.executor.now().since(start));
            }
            Trip::Wrong(what) => self.tally.error(format!("{bytes} bytes came to: {what}")),
            Trip::Failed(error) => self.tally.error(format!("{bytes} bytes: {error}")),
        }
    }

    /// The connection is reset while a particle is under way; what becomes of it is nobody's business.
    async fn broken_off(&mut self, client: &Client) {
        let payload = self.payload();
        let moment = Duration::from_millis(self.dice.next_u64() % PAUSE_MS);
        let _turn = self.turns.take().await;
        let trip = load::round_trip(client, &self.plan.program, &payload, self.plan.ttl);
        let sleep = self.ground.executor.sleep(moment);
        if let Either::Left((Trip::Wrong(what), _)) = select(pin!(trip), pin!(sleep)).await {
            self.tally.error(what);
        }
        client.cut();
        Tally::count(&self.tally.resets, 1);
    }

    fn payload(&mut self) -> Value {
        let fraction = f64::from(self.dice.next_u32()) / f64::from(u32::MAX);
        let bytes = SIZES.0 * (SIZES.1 / SIZES.0).powf(fraction);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between the sizes"
        )]
        let bytes = bytes as usize;
        load::payload(bytes)
    }

    async fn pause(&mut self) {
        let time = Duration::from_millis(self.dice.next_u64() % PAUSE_MS);
        self.ground.executor.sleep(time).await;
    }
}

/// A number of places that are taken in turn.
struct Turns {
    free: Cell<usize>,
    waiting: RefCell<VecDeque<Waker>>,
}

struct Turn(Rc<Turns>);

impl Turns {
    fn new(places: usize) -> Self {
        Self { free: Cell::new(places), waiting: RefCell::default() }
    }

    async fn take(self: &Rc<Self>) -> Turn {
        poll_fn(|context| match self.free.get().checked_sub(1) {
            Some(rest) => {
                self.free.set(rest);
                Poll::Ready(())
            }
            None => {
                self.waiting.borrow_mut().push_back(context.waker().clone());
                Poll::Pending
            }
        })
        .await;
        Turn(Rc::clone(self))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.free.set(self.0.free.get() + 1);
        if let Some(waker) = self.0.waiting.borrow_mut().pop_front() {
            waker.wake();
        }
    }
}
