//! The figures: each measured with clients of its own.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Result, bail};
use futures_util::future::try_join_all;
use kernel::machine::{Instant, Machine};
use netstack::libp2p::{Keypair, Multiaddr};

use crate::client::Client;
use crate::host::Ground;
use crate::load::{self, Times, Trip};

/// How long a particle lives; the node keeps it so long.
pub(super) const TTL: Duration = Duration::from_secs(10);
/// A large one may take longer.
const LARGE_TTL: Duration = Duration::from_secs(120);
/// Bytes of a small payload.
const SMALL: usize = 64;
/// Bytes of a large payload.
const LARGE: usize = 3_000_000;
/// Large particles that are measured, after one that is not.
const LARGE_COUNT: u32 = 4;
/// Round trips before the measurement begins.
const WARM_UP: u32 = 20;
/// Handshakes under way at once.
const HANDSHAKES_AT_ONCE: usize = 8;

fn client(ground: &Ground, address: &Multiaddr) -> Result<Client> {
    let mut seed = [0; 32];
    ground.machine.fill_random(&mut seed);
    Ok(Client::new(ground, Keypair::from_seed(&seed), address.clone())?)
}

/// A number as a figure.
#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn ratio(count: u64, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64().max(1e-6)
}

async fn trip(client: &Client, bytes: usize, ttl: Duration) -> Result<Duration> {
    let (program, payload) = (load::program()?, load::payload(bytes));
    let start = std::time::Instant::now();
    match load::round_trip(client, &program, &payload, ttl).await {
        Trip::Back => Ok(start.elapsed()),
        Trip::Wrong(what) => bail!("another answer: {what}"),
        Trip::Failed(error) => bail!("{error}"),
    }
}

/// One particle after the other.
pub(super) async fn latency(ground: Ground, address: Multiaddr, time: Duration) -> Result<Times> {
    let client = client(&ground, &address)?;
    for _ in 0..WARM_UP {
        trip(&client, SMALL, TTL).await?;
    }
    let (mut times, until) = (Times::default(), ground.executor.now().after(time));
    while ground.executor.now() < until {
        times.add(trip(&client, SMALL, TTL).await?);
    }
    client.disconnect();
    Ok(times)
}

/// Round trips a second over so many connections with so many particles under way on each.
pub(super) async fn throughput(
    ground: Ground,
    address: Multiaddr,
    connections: usize,
    at_once: usize,
    time: Duration,
) -> Result<f64> {
    let clients = (0..connections).map(|_| client(&ground, &address));
    let clients = clients.collect::<Result<Vec<_>>>()?;
    for client in &clients {
        trip(client, SMALL, TTL).await?;
    }
    let (count, start) = (Rc::new(Cell::new(0_u64)), ground.executor.now());
    let until = start.after(time);
    let send = |client: Client| back_and_forth(ground.clone(), client, Rc::clone(&count), until);
    let senders = clients.iter().flat_map(|client| std::iter::repeat_n(client.clone(), at_once));
    try_join_all(senders.map(send)).await?;
    let elapsed = ground.executor.now().since(start);
    clients.iter().for_each(Client::disconnect);
    Ok(ratio(count.get(), elapsed))
}

async fn back_and_forth(
    ground: Ground,
    client: Client,
    count: Rc<Cell<u64>>,
    until: Instant,
) -> Result<()> {
    let (program, payload) = (load::program()?, load::payload(SMALL));
    while ground.executor.now() < until {
        match load::round_trip(&client, &program, &payload, TTL).await {
            Trip::Back => count.set(count.get() + 1),
            Trip::Wrong(what) => bail!("another answer: {what}"),
            Trip::Failed(error) => bail!("{error}"),
        }
    }
    Ok(())
}

/// Connections a second, each made, asked who the node is, and closed.
pub(super) async fn handshakes(ground: Ground, address: Multiaddr, time: Duration) -> Result<f64> {
    let (count, start) = (Rc::new(Cell::new(0_u64)), ground.executor.now());
    let until = start.after(time);
    let connect = |_| {
        let (ground, address, count) = (ground.clone(), address.clone(), Rc::clone(&count));
        async move {
            while ground.executor.now() < until {
                let client = client(&ground, &address)?;
                client.connect().await?;
                client.disconnect();
                count.set(count.get() + 1);
            }
            Ok::<_, anyhow::Error>(())
        }
    };
    try_join_all((0..HANDSHAKES_AT_ONCE).map(connect)).await?;
    Ok(ratio(count.get(), ground.executor.now().since(start)))
}

/// MiB a second of a particle of 3 MB, there and back.
pub(super) async fn large(ground: Ground, address: Multiaddr) -> Result<f64> {
    let client = client(&ground, &address)?;
    trip(&client, LARGE, LARGE_TTL).await?;
    let mut total = Duration::ZERO;
    for _ in 0..LARGE_COUNT {
        total += trip(&client, LARGE, LARGE_TTL).await?;
    }
    client.disconnect();
    let bytes = 2 * LARGE as u64 * u64::from(LARGE_COUNT);
    Ok(ratio(bytes, total) / f64::from(1 << 20))
}

/// Holds so many connections that do nothing while `look` looks.
pub(super) async fn idle<T>(
    ground: Ground,
    address: Multiaddr,
    connections: usize,
    look: impl FnOnce() -> Result<T>,
) -> Result<T> {
    let clients = (0..connections).map(|_| client(&ground, &address));
    let clients = clients.collect::<Result<Vec<_>>>()?;
    for group in clients.chunks(HANDSHAKES_AT_ONCE) {
        try_join_all(group.iter().map(Client::connect)).await?;
    }
    // What the handshakes left behind goes.
    ground.executor.sleep(Duration::from_secs(2)).await;
    let seen = look()?;
    clients.iter().for_each(Client::disconnect);
    Ok(seen)
}
