//! The interpreter: a script on three peers that hand each other data, some of them damaged.
//!
//! An input is the script, a zero byte, and a list of steps. Every step runs in a session with bounded
//! fuel first, and if it ends there, as a pure step from the stored bytes: the two must agree.
//!
//! Where the script begins with a blank, the peers have keys: they sign what they do, verify what they
//! get, and keep their sessions from step to step. Else signatures are not checked, so that damaged data
//! get past them, and each step is a new session's: one that has taken values under wrong CIDs may know
//! better than its bytes.

use std::sync::{Arc, LazyLock};

use air_core::data::{Envelope, KeyPair, decode_call_requests, encode_call_requests};
use air_core::exec::limits::{DEPTH_EXCEEDED, ExecutionLimits, FRAMES_EXCEEDED};
use air_core::step::{CallResult, Outcome, StepOutcome, invoke};
use air_core::{Parameters, Progress, Script, Session, Signatures};

use super::Reader;

const PEERS: [&str; 3] = ["I", "A", "B"];
/// Steps of one input at most.
const MAX_STEPS: usize = 12;
/// Fuel of one step.
const FUEL: u64 = 20_000;
/// Fuel of one piece of a step.
const PIECE: u64 = 50;
const LIMITS: ExecutionLimits =
    ExecutionLimits { max_frames: 2000, max_trace_len: 4000, memory: 4 << 20 };
/// Results of services that scripts do something with.
const RESULTS: [&str; 12] = [
    "1",
    "\"k\"",
    "[]",
    "[1,2,\"k\"]",
    "[[1],[2,3]]",
    "{\"a\":[3],\"key\":\"k\"}",
    "[{\"key\":\"k\",\"value\":1},{\"key\":2,\"value\":[]}]",
    "{\"error_code\":7,\"message\":\"m\"}",
    "null",
    "0.5",
    "not JSON",
    "",
];

/// The keys of peers that sign.
static KEYS: LazyLock<[Arc<KeyPair>; PEERS.len()]> =
    LazyLock::new(|| SECRETS.map(|secret| Arc::new(KeyPair::from_secret(&secret))));
const SECRETS: [[u8; 32]; PEERS.len()] = [[1; 32], [2; 32], [3; 32]];

/// What a peer keeps.
struct Peer {
    parameters: Parameters,
    data: Vec<u8>,
    /// The session of a peer that signs.
    session: Option<Session>,
    /// Numbers of the calls that nobody has answered.
    open: Vec<u32>,
}

pub fn run(bytes: &[u8]) {
    let mut input = Reader::new(bytes);
    let text = String::from_utf8_lossy(input.until(0)).into_owned();
    let is_signed = text.starts_with(' ');
    let mut peers: Vec<Peer> = (0..PEERS.len()).map(|index| Peer::new(index, is_signed)).collect();
    let text = if is_signed { with_ids(text) } else { text };
    let Ok(script) = Script::parse(&text) else {
        return;
    };
    let script = Arc::new(script);
    let mut sent = Vec::new();
    for _ in 0..MAX_STEPS {
        let choice = input.byte();
        let index = usize::from(choice & 3) % PEERS.len();
        let current = current(choice >> 2 & 7, &mut input, &sent, &peers);
        let results = results(choice >> 5, &mut input, &mut peers[index]);
        let Some(outcome) = step(&script, &mut peers[index], &current, &results) else {
            return;
        };
        let requests = decode_call_requests(&outcome.call_requests).expect("our own form");
        peers[index].open.extend(requests.iter().map(|request| request.id));
        if outcome.ret_code == 0 && !outcome.data.is_empty() {
            sent.clone_from(&outcome.data);
        }
        peers[index].data = outcome.data;
        if input.is_empty() {
            return;
        }
    }
}

impl Peer {
    fn new(index: usize, is_signed: bool) -> Self {
        let particle = "particle".into();
        let mut parameters = if is_signed {
            let id = |index: usize| KEYS[index].peer_id().into();
            Parameters::new(id(0), id(index), particle, SECRETS[index])
        } else {
            Parameters::new(PEERS[0].into(), PEERS[index].into(), particle, SECRETS[index])
        };
        parameters.key_pair = Some(KEYS[index].clone());
        parameters.signatures = if is_signed { Signatures::Checked } else { Signatures::Unchecked };
        parameters.limits = LIMITS;
        Self { parameters, data: Vec::new(), session: None, open: Vec::new() }
    }
}

/// The script with the ids of peers that sign in place of their short names.
fn with_ids(text: String) -> String {
    PEERS.iter().zip(KEYS.iter()).fold(text, |text, (name, key)| {
        text.replace(&format!("{name:?}"), &format!("{:?}", key.peer_id()))
    })
}

/// One step both ways; `None` when it takes more than [`FUEL`].
fn step(
    script: &Arc<Script>,
    peer: &mut Peer,
    current: &[u8],
    results: &[(u32, CallResult)],
) -> Option<Outcome> {
    let (parameters, previous) = (&peer.parameters, &peer.data);
    let mut session = peer.session.take().unwrap_or_else(|| {
        Session::restore(script.clone(), parameters.clone(), previous)
            .expect("stored data are our own")
    });
    session.begin(current, results.to_vec());
    let live = run_in_pieces(&mut session)?;
    let pure = invoke(script.text(), previous, current, parameters, &encode_call_results(results));
    is_assigned(pure.ret_code);
    assert_eq!((live.code, &live.message), (pure.ret_code, &pure.error_message));
    assert_eq!((live.span, &live.next_peers), (pure.span, &pure.next_peer_pks));
    assert_eq!(encode_call_requests(&live.requests), pure.call_requests);
    if live.has_new_data() {
        assert!(session.data() == pure.data, "the data of {} differ", live.code);
        let stored = Envelope::open(&pure.data).map(|envelope| envelope.read().is_ok());
        assert_eq!(stored, Ok(true), "our own data can be read");
    } else {
        assert!(pure.data == *previous, "code {} changed the data", pure.ret_code);
    }
    if parameters.signatures == Signatures::Checked {
        peer.session = Some(session);
    }
    Some(pure)
}

fn run_in_pieces(session: &mut Session) -> Option<StepOutcome> {
    for _ in 0..FUEL / PIECE {
        if let Progress::Done(outcome) = session.run(PIECE) {
            return Some(outcome);
        }
    }
    None
}

/// Codes of air-data §10 and air-language §8, and those of our limits.
fn is_assigned(code: i64) {
    let assigned = matches!(
        code,
        0..=10 | 10000..=10012 | 20000..=20017 | 30000 | FRAMES_EXCEEDED..=DEPTH_EXCEEDED
    );
    assert!(assigned, "code {code}");
}

/// As a host writes them: a map of arrays.
fn encode_call_results(results: &[(u32, CallResult)]) -> Vec<u8> {
    const CODEC: [u8; 2] = [0x81, 0x04];
    const MAP_32: u8 = 0xdf;
    const ARRAY_OF_2: u8 = 0x92;
    const STRING_32: u8 = 0xdb;
    const INT_32: u8 = 0xd2;
    let length = |length: usize| u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
    let mut out = CODEC.to_vec();
    let string = |out: &mut Vec<u8>, text: &str| {
        out.push(STRING_32);
        out.extend(length(text.len()));
        out.extend(text.as_bytes());
    };
    out.push(MAP_32);
    out.extend(length(results.len()));
    for (number, result) in results {
        string(&mut out, &number.to_string());
        out.extend([ARRAY_OF_2, INT_32]);
        out.extend(result.ret_code.to_be_bytes());
        string(&mut out, &result.result);
    }
    out
}

/// The data that come with the particle.
fn current(choice: u8, input: &mut Reader<'_>, sent: &[u8], peers: &[Peer]) -> Vec<u8> {
    match choice {
        0 => Vec::new(),
        1..=3 => sent.to_vec(),
        4 => peers[usize::from(input.byte()) % peers.len()].data.clone(),
        5 => {
            let length = usize::from(input.u16());
            input.bytes(length).to_vec()
        }
        _ => damaged(sent, input),
    }
}

/// The data with some bytes of the archive changed.
fn damaged(data: &[u8], input: &mut Reader<'_>) -> Vec<u8> {
    let mut data = data.to_vec();
    for _ in 0..=input.byte() % 8 {
        let (place, value) = (usize::from(input.u16()), input.byte());
        // Counted from the end, where an archive has its root.
        let place = data.len().checked_sub(place + 1);
        if let Some(byte) = place.and_then(|place| data.get_mut(place)) {
            *byte = value;
        }
    }
    data
}

/// Answers to calls: none, one, all, or one that was never asked for.
fn results(choice: u8, input: &mut Reader<'_>, peer: &mut Peer) -> Vec<(u32, CallResult)> {
    let numbers: Vec<u32> = match choice {
        0 | 1 => Vec::new(),
        2 if !peer.open.is_empty() => {
            vec![peer.open.remove(usize::from(input.byte()) % peer.open.len())]
        }
        7 => vec![u32::from(input.byte())],
        _ => std::mem::take(&mut peer.open),
    };
    numbers.into_iter().map(|number| (number, result(input))).collect()
}

fn result(input: &mut Reader<'_>) -> CallResult {
    let choice = input.byte();
    let result = match RESULTS.get(usize::from(choice & 0x3f)) {
        Some(known) => (*known).to_owned(),
        None => {
            let length = usize::from(choice & 0x3f);
            String::from_utf8_lossy(input.bytes(length)).into_owned()
        }
    };
    CallResult { ret_code: i32::from(choice & 0xc0 == 0xc0), result }
}
