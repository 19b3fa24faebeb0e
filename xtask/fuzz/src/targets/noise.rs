//! Noise: a handshake and what follows, with somebody between who changes messages.

use std::cell::{Cell, RefCell};
use std::sync::LazyLock;

use embedded_io_async::{BufRead, Read, Write};
use futures_util::future::{join, join4};
use netstack::libp2p::noise::{self, Ephemeral, Identity, Session};
use netstack::libp2p::{Keypair, PeerId};
use netstack::pipe::{self, Pipe};
use netstack::time::{Duration, until};
use netstack::{Split, Timer, Writer};
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;

use super::Reader;
use super::support::{Clock, run_alone};

/// Time for one side to come to an end; what was made shorter is waited for until then.
const PATIENCE: Duration = Duration::from_secs(10);
/// Writes of a side at most.
const MAX_WRITES: usize = 16;
/// Lengths from here on are taken as they are.
const LARGE: usize = 0xF800;
/// Room of the pipes: less than the largest message.
const ROOM: usize = 20_000;
/// Messages of the handshake, by who sends them.
const HANDSHAKE: [usize; 2] = [2, 1];

/// Who the two sides are: the same for every input, since making them takes long.
static NODES: LazyLock<[(Identity, PeerId); 2]> = LazyLock::new(|| {
    [1, 2].map(|seed| {
        let keypair = Keypair::from_seed(&[seed; 32]);
        let mut rng = ChaCha8Rng::from_seed([seed; 32]);
        (Identity::new(&keypair, &mut rng), keypair.peer_id())
    })
});

/// What one side wants to send, and in which pieces it reads.
#[derive(Clone)]
struct Plan {
    writes: Vec<(usize, bool)>,
    read: usize,
    buffered: bool,
}

/// What became of one side.
struct Outcome {
    session: Option<(PeerId, [u8; 32])>,
    received: Vec<u8>,
    is_whole: bool,
}

/// What was done to one direction's messages.
#[derive(Clone, Copy, Default)]
struct Harm {
    /// A message of the handshake is another now.
    to_handshake: bool,
    /// Any bytes are other ones now.
    at_all: bool,
}

/// The input is two plans, then what happens to each message.
pub fn run(bytes: &[u8]) {
    let mut input = Reader::new(bytes);
    let plans = [plan(&mut input), plan(&mut input)];
    let choices = RefCell::new(input);
    let clock = Clock::default();
    let (outcomes, harms) = run_alone(&clock, async {
        let (near, near_wire) = pipe::pair(ROOM);
        let (far, far_wire) = pipe::pair(ROOM);
        let (near_reads, near_writes) = near_wire.split();
        let (far_reads, far_writes) = far_wire.split();
        let (near, far, there, back) = join4(
            side(&clock, near, 0, &plans),
            side(&clock, far, 1, &plans),
            relay(near_reads, far_writes, HANDSHAKE[0], &choices),
            relay(far_reads, near_writes, HANDSHAKE[1], &choices),
        )
        .await;
        ([near, far], [there, back])
    });
    judge(&plans, &outcomes, harms);
}

fn judge(plans: &[Plan; 2], outcomes: &[Outcome; 2], harms: [Harm; 2]) {
    for (who, other) in [(0, 1), (1, 0)] {
        let (outcome, harm) = (&outcomes[who], harms[other]);
        if harm.to_handshake {
            assert!(outcome.session.is_none(), "another message was taken for the peer's");
        }
        if let Some((peer, _)) = outcome.session {
            assert_eq!(peer, NODES[other].1);
        }
        let sent = content(&plans[other], other);
        assert!(sent.starts_with(&outcome.received), "something was read that nobody wrote");
        if harms.iter().all(|harm| !harm.at_all) {
            assert!(outcome.received == sent && outcome.is_whole, "something was lost");
        }
    }
    if let [Outcome { session: Some(near), .. }, Outcome { session: Some(far), .. }] = outcomes {
        assert_eq!(near.1, far.1, "both sides have the same hash");
    }
}

fn plan(input: &mut Reader<'_>) -> Plan {
    let count = usize::from(input.byte()) % MAX_WRITES;
    // One may fill a message and more; the others are small, so that an input takes little time.
    let mut large = true;
    let writes = (0..count).map(|_| {
        let length = usize::from(input.u16());
        if length >= LARGE && large {
            large = false;
            return (length + length % 4096, length & 1 == 1);
        }
        (length % 600, length & 4 == 4)
    });
    let writes = writes.collect();
    let read = usize::from(input.u16()) + 1;
    Plan { writes, read, buffered: read % 2 == 1 }
}

fn content(plan: &Plan, who: usize) -> Vec<u8> {
    let length = plan.writes.iter().map(|(length, _)| length).sum();
    (0..length).map(|at: usize| (at * 31 + at / 251 + who) as u8).collect()
}

async fn side(clock: &Clock, stream: Pipe, who: usize, plans: &[Plan; 2]) -> Outcome {
    let mut outcome = Outcome { session: None, received: Vec::new(), is_whole: false };
    let talk = talk(stream, who, plans, &mut outcome);
    // Out of time, the stream is dropped; that is a reset for the other side.
    let _ = until(clock, clock.now() + PATIENCE, talk).await;
    outcome
}

async fn talk(mut stream: Pipe, who: usize, plans: &[Plan; 2], outcome: &mut Outcome) {
    let secret = Ephemeral::draw(&mut ChaCha8Rng::from_seed([who as u8 + 7; 32]));
    let (identity, _) = &NODES[who];
    let session: Result<Session, _> = if who == 0 {
        noise::dial(&mut stream, identity, secret).await
    } else {
        noise::listen(&mut stream, identity, secret).await
    };
    let Ok(session) = session else { return };
    outcome.session = Some((session.peer_id(), *session.handshake_hash()));
    let (reader, writer) = stream.split();
    let (mut reader, mut writer) = session.into_halves(reader, writer);
    let plan = &plans[who];
    let send = async {
        let content = content(plan, who);
        let mut rest = content.as_slice();
        for (length, flush) in &plan.writes {
            let (piece, after) = rest.split_at(*length);
            rest = after;
            writer.write_all(piece).await?;
            if *flush {
                writer.flush().await?;
            }
        }
        writer.shutdown().await
    };
    let receive = async {
        let mut buffer = vec![0; plan.read];
        loop {
            let read = if plan.buffered {
                let bytes = match reader.fill_buf().await {
                    Ok(bytes) => bytes.get(..plan.read).unwrap_or(bytes).to_vec(),
                    Err(_) => return false,
                };
                reader.consume(bytes.len());
                bytes
            } else {
                match reader.read(&mut buffer).await {
                    Ok(read) => buffer[..read].to_vec(),
                    Err(_) => return false,
                }
            };
            if read.is_empty() {
                return true;
            }
            outcome.received.extend(read);
        }
    };
    let (_, is_whole) = join(send, receive).await;
    outcome.is_whole = is_whole;
}

/// Passes messages on, as they are or not.
async fn relay(
    mut from: impl Read,
    mut to: impl Writer,
    handshake: usize,
    choices: &RefCell<Reader<'_>>,
) -> Harm {
    let harm = Cell::new(Harm::default());
    let mut messages = 0;
    loop {
        let mut message = vec![0; 2];
        if from.read_exact(&mut message).await.is_err() {
            break;
        }
        let length = usize::from(u16::from_be_bytes([message[0], message[1]]));
        message.resize(2 + length, 0);
        if from.read_exact(&mut message[2..]).await.is_err() {
            break;
        }
        let (bytes, size, replaced) = change(&message, &mut choices.borrow_mut());
        let mut now = harm.get();
        now.at_all |= bytes != message;
        now.to_handshake |= replaced && messages < handshake;
        harm.set(now);
        messages += 1;
        for piece in bytes.chunks(size) {
            if to.write_all(piece).await.is_err() {
                return harm.get();
            }
        }
    }
    let _ = to.shutdown().await;
    harm.get()
}

/// The bytes that go on instead of a message, in which pieces, and whether the message itself is another.
fn change(message: &[u8], choices: &mut Reader<'_>) -> (Vec<u8>, usize, bool) {
    let mut bytes = message.to_vec();
    let choice = choices.byte();
    let size = usize::from(choice >> 4) * 37 + 1;
    let size = if choice >> 4 == 0 { bytes.len().max(1) } else { size };
    match choice & 15 {
        1 | 2 => {
            let at = usize::from(choices.u16()) % bytes.len();
            bytes[at] ^= choices.byte();
        }
        3 => bytes.truncate(usize::from(choices.u16()) % bytes.len()),
        4 => {
            let length = usize::from(choices.byte());
            bytes = choices.bytes(length).to_vec();
        }
        5 => bytes.extend_from_slice(message),
        6 => {
            let length = usize::from(choices.byte());
            bytes.extend_from_slice(choices.bytes(length));
        }
        7 => {
            // A length of its own over the same bytes.
            let length = choices.u16().to_be_bytes();
            bytes[..2].copy_from_slice(&length);
        }
        _ => {}
    }
    let replaced = !bytes.starts_with(message);
    (bytes, size, replaced)
}
