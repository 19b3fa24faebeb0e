//! Hostile peers, with an honest pair that has to be served all the while.

use embedded_io_async::{Read, Write};
use futures_util::future::{join_all, select};
use netstack::libp2p::noise::Identity;
use netstack::libp2p::upgrade::{self, Secrets, Secured};
use netstack::libp2p::yamux::{self, Control, Role};
use netstack::libp2p::{Keypair, Multiaddr, identify, multistream, particle as protocol, ping};
use netstack::pipe::Pipe;
use netstack::time::{Duration, Instant};
use netstack::{Spawn, Stream, Timer};

use crate::world::{Node, World, particle, run};

/// Time in which an honest peer has to be served.
const DEADLINE: Duration = Duration::from_secs(2);

/// An attacker: keys and an address of its own.
struct Attacker {
    world: World,
    keypair: Keypair,
    address: Multiaddr,
}

impl Attacker {
    fn new(world: &World, number: u16) -> Self {
        let [high, low] = number.to_be_bytes();
        let mut seed = [0xBB; 32];
        (seed[0], seed[1]) = (high, low);
        let address = format!("/ip4/10.66.{high}.{low}/tcp/50000");
        let address = address.parse().expect("an address");
        Self { world: world.clone(), keypair: Keypair::from_seed(&seed), address }
    }

    /// Goes through the handshake, of which only so many bytes leave.
    async fn secure(&self, victim: &Node, bytes: usize) -> Option<Secured<Pipe>> {
        let pipe = self.world.link_for(&self.address, &victim.address, bytes).await?;
        let mut rng = self.world.rng();
        let identity = Identity::new(&self.keypair, &mut rng);
        let secrets = Secrets::draw(&mut rng);
        let (clock, deadline) = (&self.world.clock, Instant::from_secs(1_000_000));
        let secured = upgrade::outbound(pipe, &victim.address, &identity, secrets, clock, deadline);
        secured.await.ok()
    }

    /// A connection with yamux on it, which runs on its own.
    async fn connect(&self, victim: &Node) -> Option<Control> {
        let secured = self.secure(victim, usize::MAX).await?;
        let (clock, limits) = (self.world.clock.clone(), yamux::Limits::default());
        let (connection, control) =
            yamux::Connection::new(secured.reader, secured.writer, Role::Dialer, clock, limits);
        self.world.spawner.spawn(Box::pin(async move {
            connection.run().await;
        }));
        Some(control)
    }

    /// A stream on which `protocol` was agreed.
    async fn open(control: &Control, protocol: &str) -> Option<yamux::Stream> {
        let mut stream = control.open().await.ok()?;
        multistream::dial(&mut stream, protocol).await.ok()?;
        Some(stream)
    }
}

/// Sends a particle from one honest node to the other, in time.
async fn serve_honestly(world: &World, from: &Node, to: &Node, bytes: usize) {
    serve_within(DEADLINE, world, from, to, bytes).await;
}

async fn serve_within(deadline: Duration, world: &World, from: &Node, to: &Node, bytes: usize) {
    let before = (to.inbox.len(), world.clock.now());
    let result = from.send(to, &format!("honest-{}", before.0), bytes).await;
    assert_eq!(result, Ok(()), "at {}", world.clock.now());
    let took = world.clock.now() - before.1;
    assert!(took <= deadline, "an honest peer was served after {took}");
}

/// Does that again and again, from a new node each time, for `duration`.
async fn serve_newcomers(world: &World, victim: &Node, duration: Duration) {
    let end = world.clock.now() + duration;
    let mut number = 100;
    while world.clock.now() < end {
        let start = world.clock.now();
        let newcomer = world.start(number);
        let addresses = vec![victim.address.clone()];
        let connected = newcomer.swarm.connect(victim.peer, addresses).await;
        let now = world.clock.now();
        assert_eq!(connected, Ok(()), "newcomer {number} at {start}, {now}");
        serve_honestly(world, &newcomer, victim, 10_000).await;
        assert!(world.clock.now() - start <= DEADLINE, "newcomer {number} at {start}");
        newcomer.swarm.shutdown().await;
        number += 1;
        world.sleep(Duration::from_millis(500)).await;
    }
}

#[test]
fn peers_that_stall_in_any_stage_of_the_handshake_hold_nobody_up() {
    run(1, async |world| {
        let victim = world.start_with(1, |config| {
            config.limits.max_connections = 40;
            config.limits.max_handshakes = 20;
            config.limits.max_handshakes_per_address = 4;
        });
        let friend = world.start(2);
        friend.meet(&victim).await;
        // A handshake has some 330 bytes; of each attacker another number of them leaves.
        let attack = join_all((0..120_u16).map(async |number| {
            world.sleep(Duration::from_millis(u64::from(number) * 100)).await;
            let attacker = Attacker::new(&world, number / 6);
            let _never = attacker.secure(&victim, usize::from(number) * 3).await;
        }));
        let honest = async {
            serve_newcomers(&world, &victim, Duration::from_secs(12)).await;
            serve_honestly(&world, &friend, &victim, 500_000).await;
            // All are gone when the last has had its time.
            world.sleep(Duration::from_secs(11)).await;
            assert_eq!(victim.counters().handshakes, 0);
            assert!(victim.counters().handshakes_failed >= 100, "{:?}", victim.counters());
            assert_eq!(victim.swarm.peers(), [friend.peer]);
        };
        select(Box::pin(attack), Box::pin(honest)).await;
    });
}

#[test]
fn a_flood_of_connections_keeps_out_neither_friends_nor_newcomers() {
    run(2, async |world| {
        let victim = world.start_with(1, |config| config.limits.max_connections = 50);
        let friend = world.start(2);
        friend.meet(&victim).await;
        serve_honestly(&world, &friend, &victim, 10).await;
        let attack = async {
            for number in 0..400 {
                let attacker = Attacker::new(&world, number);
                let world = world.clone();
                let victim = victim.clone();
                world.spawner.clone().spawn(Box::pin(async move {
                    let Some(control) = attacker.connect(&victim).await else { return };
                    while control.accept().await.is_some() {}
                }));
                world.sleep(Duration::from_millis(50)).await;
            }
            std::future::pending::<()>().await;
        };
        let honest = async {
            world.sleep(Duration::from_secs(10)).await;
            assert!(victim.counters().connections >= 45, "{:?}", victim.counters());
            serve_newcomers(&world, &victim, Duration::from_secs(10)).await;
            let counters = victim.counters();
            assert!(counters.connections_evicted > 100, "{counters:?}");
            assert!(counters.connections + counters.handshakes <= 50, "{counters:?}");
            assert!(victim.swarm.is_connected(friend.peer), "the one that was of use stays");
            serve_honestly(&world, &friend, &victim, 500_000).await;
        };
        select(Box::pin(attack), Box::pin(honest)).await;
    });
}

#[test]
fn floods_of_streams_pings_and_particles_leave_others_their_turn() {
    run(3, async |world| {
        let (victim, friend) = (world.start(1), world.start(2));
        victim.inbox.takes.set(Duration::from_millis(50));
        friend.meet(&victim).await;
        let streams = async {
            let control = Attacker::new(&world, 1).connect(&victim).await.expect("connected");
            // Opened and left alone, in any stage of choosing a protocol.
            let mut held = Vec::new();
            while let Ok(mut stream) = control.open().await {
                let part = &b"\x13/multistream/1.0.0\n\x18/flue"[..held.len() % 26];
                if stream.write_all(part).await.is_ok() {
                    held.push(stream);
                }
                world.sleep(Duration::from_millis(1)).await;
            }
            std::future::pending::<()>().await;
        };
        let pings = async {
            let control = Attacker::new(&world, 2).connect(&victim).await.expect("connected");
            let flood = async |_| {
                let Some(mut stream) = Attacker::open(&control, ping::PROTOCOL).await else {
                    return;
                };
                while stream.write_all(&[7; 32 * 64]).await.is_ok() {}
            };
            join_all((0..20).map(flood)).await;
            std::future::pending::<()>().await;
        };
        let particles = async {
            let control = Attacker::new(&world, 3).connect(&victim).await.expect("connected");
            let message = particle("flood", 20_000);
            let flood = async |_| {
                while let Some(mut stream) = Attacker::open(&control, protocol::PROTOCOL).await {
                    let _ = protocol::write(&mut stream, &message, usize::MAX).await;
                    let _ = stream.shutdown().await;
                }
            };
            join_all((0..100).map(flood)).await;
            std::future::pending::<()>().await;
        };
        let honest = async {
            world.sleep(Duration::from_secs(2)).await;
            for _ in 0..20 {
                serve_honestly(&world, &friend, &victim, 100_000).await;
                world.sleep(Duration::from_millis(300)).await;
                let served = victim.counters().streams_served;
                assert!(served <= 4 * 16, "{served} streams at once");
            }
            let particles = victim.inbox.len() as u64;
            assert!(particles > 500, "the flood itself is served in its turn: {particles}");
        };
        let floods = futures_util::future::join3(streams, pings, particles);
        select(Box::pin(floods), Box::pin(honest)).await;
    });
}

#[test]
fn particles_that_never_end_make_room_for_those_that_do() {
    run(4, async |world| {
        let victim = world.start_with(1, |config| {
            config.limits.max_inbound_bytes = 6 * 1024 * 1024;
        });
        let friend = world.start(2);
        friend.meet(&victim).await;
        let attack = join_all((0..10).map(async |number| {
            let control = Attacker::new(&world, number).connect(&victim).await?;
            let message = particle("endless", 1_000_000);
            let stall = async |_| {
                while let Some(mut stream) = Attacker::open(&control, protocol::PROTOCOL).await {
                    let mut whole = Vec::new();
                    protocol::write(&mut whole, &message, usize::MAX).await.expect("a Vec grows");
                    let _ = stream.write_all(&whole[..whole.len() - 1]).await;
                    let _ = stream.read(&mut [0; 8]).await;
                }
            };
            join_all((0..8).map(stall)).await;
            Some(())
        }));
        let honest = async {
            world.sleep(Duration::from_secs(1)).await;
            for _ in 0..20 {
                // The ten attackers' first ones have their turns before.
                let deadline = Duration::from_secs(4);
                serve_within(deadline, &world, &friend, &victim, 1_000_000).await;
                assert!(victim.counters().inbound_bytes <= 6 * 1024 * 1024);
                world.sleep(Duration::from_millis(500)).await;
            }
            assert!(victim.counters().particles_crowded_out > 10, "{:?}", victim.counters());
            assert_eq!(victim.inbox.len(), 20, "none of the attackers' is complete");
        };
        select(Box::pin(attack), Box::pin(honest)).await;
        world.sleep(Duration::from_millis(1)).await;
    });
}

#[test]
fn a_peer_that_breaks_the_multiplexer_loses_its_connection_and_nobody_else_does() {
    run(5, async |world| {
        let (victim, friend) = (world.start(1), world.start(2));
        friend.meet(&victim).await;
        let open = [0_u8, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0];
        let data = |length: u32| [&[0_u8, 0, 0, 0, 0, 0, 0, 1][..], &length.to_be_bytes()].concat();
        let update = [0_u8, 1, 0, 0, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff];
        let attacks: [Vec<u8>; 5] = [
            // More than the window.
            [&open[..], &data(262_145), &[0; 262_145]].concat(),
            // A frame beyond any length.
            [&open[..], &data(u32::MAX)].concat(),
            // Windows that overflow.
            [&open[..], &update, &update].concat(),
            // Another version.
            vec![9; 12],
            // Pings without end.
            [0_u8, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9].repeat(20_000),
        ];
        for (number, bytes) in (1..).zip(attacks) {
            let attacker = Attacker::new(&world, number);
            let secured = attacker.secure(&victim, usize::MAX).await.expect("connected");
            let (mut reader, mut writer) = (secured.reader, secured.writer);
            world.eventually(DEADLINE, "connected", || victim.swarm.peers().len() == 2).await;
            let write = async {
                let _ = writer.write_all(&bytes).await;
                let _ = writer.flush().await;
                // What the victim says is not read for a while.
                world.sleep(Duration::from_secs(1)).await;
                let mut buf = [0; 1024];
                while reader.read(&mut buf).await.is_ok_and(|read| read > 0) {}
            };
            let honest = async {
                serve_honestly(&world, &friend, &victim, 200_000).await;
                world
                    .eventually(Duration::from_secs(40), "the attacker is gone", || {
                        victim.swarm.peers() == [friend.peer]
                    })
                    .await;
            };
            futures_util::future::join(write, honest).await;
            serve_honestly(&world, &friend, &victim, 200_000).await;
        }
    });
}

#[test]
fn garbage_instead_of_an_identity_has_no_consequence() {
    run(6, async |world| {
        let (victim, friend) = (world.start(1), world.start(2));
        friend.meet(&victim).await;
        let attacker = Attacker::new(&world, 1);
        let control = attacker.connect(&victim).await.expect("connected");
        let other = identify::Info {
            peer_id: friend.peer,
            protocol_version: String::new(),
            agent_version: "x".repeat(1000),
            listen_addresses: vec!["/ip4/9.9.9.9/tcp/1".parse().expect("an address")],
            observed_address: None,
            protocols: Vec::new(),
        };
        let stolen = identify::encode(&other).expect("short enough");
        let framed =
            [&[0x80 | (stolen.len() % 128) as u8, (stolen.len() / 128) as u8][..], &stolen];
        for answer in [&[0xff; 5000][..], &[0x05, 1, 2, 3, 4, 5], &[0x7f], &framed.concat()] {
            // Pushed, and told when asked.
            let mut push =
                Attacker::open(&control, identify::PUSH_PROTOCOL).await.expect("accepted");
            let _ = push.write_all(answer).await;
            let _ = push.shutdown().await;
            world.sleep(Duration::from_secs(1)).await;
        }
        let mut asked = control.accept().await.expect("the victim asks");
        multistream::listen(&mut asked, &[identify::PROTOCOL]).await.expect("agreed");
        asked.write_all(&[0xff; 9]).await.expect("written");
        world.sleep(Duration::from_secs(12)).await;
        assert!(victim.swarm.is_connected(attacker.keypair.peer_id()));
        assert_eq!(victim.swarm.contact(friend.peer), Some(vec![friend.address.clone()]));
        assert_eq!(victim.swarm.agent(attacker.keypair.peer_id()), None);
        serve_honestly(&world, &friend, &victim, 1_000).await;
    });
}

#[test]
fn whoever_answers_at_an_address_of_somebody_else_is_not_taken_for_it() {
    run(7, async |world| {
        let (node, impostor, real) = (world.start(1), world.start(2), world.start(3));
        let wrong = vec![impostor.address.clone()];
        assert!(node.swarm.connect(real.peer, wrong).await.is_err());
        assert!(node.swarm.peers().is_empty());
        assert_eq!(
            node.send(&real, "secret", 10).await.map_err(|error| error.reason()),
            Err("not_connected")
        );
        assert_eq!(impostor.inbox.len() + real.inbox.len(), 0);
        // With the right address it works, the wrong one being known, too.
        node.meet(&real).await;
        serve_honestly(&world, &node, &real, 10).await;
    });
}
