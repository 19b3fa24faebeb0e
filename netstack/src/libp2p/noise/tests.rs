//! The handshake against a recording, each bound at and past its limit, damage at every byte.

use alloc::vec;
use alloc::vec::Vec;
use core::convert::Infallible;
use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll};

use embedded_io_async::{BufRead, Read, Write};
use futures_util::FutureExt;
use futures_util::future::join;
use futures_util::task::noop_waker_ref;
use proptest::prelude::*;
use rand_core::{TryCryptoRng, TryRng};

use super::cipher::Cipher;
use super::*;
use crate::Stream;
use crate::libp2p::Keypair;
use crate::libp2p::limits::*;
use crate::pipe::{self, Pipe};

/// The keys that the recorded host and its client agreed on, and the hash.
const CLIENT_KEY: &str = "b161e2babc3218b5f556c603c2845dff4e55e9e05bad68bf908da49fa0b180f5";
const HOST_KEY: &str = "6753e6ad560c109375c7d8fccd8d1347f149d1e006175ff0a637043522ee2432";
const HASH: &str = "c775854baf912cbe904d11cb0ef6e8c80d6896db584d79cbe14750a732b98238";
const CLIENT: &str = "12D3KooWSrKnMZUcSxK8G7wmBbXdU8nFEfWGhLu6H8xjn8LmCSJb";

/// Gives its byte 32 times, then the next byte, and so on.
struct Fixed(u8);

impl TryRng for Fixed {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(0)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(0)
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        bytes.fill(self.0);
        self.0 += 1;
        Ok(())
    }
}

impl TryCryptoRng for Fixed {}

/// A node whose noise key is `noise` 32 times; its secret of a handshake is the byte after that.
fn node(identity: u8, noise: u8) -> (Identity, Ephemeral) {
    let mut rng = Fixed(noise);
    let identity = Identity::new(&Keypair::from_seed(&[identity; 32]), &mut rng);
    (identity, Ephemeral::draw(&mut rng))
}

fn run<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut context = Context::from_waker(noop_waker_ref());
    for _ in 0..100_000 {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
    }
    panic!("it waits for ever");
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair| u8::from_str_radix(core::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

/// The noise messages of the recording, without WebSocket and what comes before noise: those of the
/// client and those of the host.
fn recording() -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let text = include_str!("../../../tests/data/libp2p/javascript-client.hex");
    let (mut client, mut host) = (Vec::new(), Vec::new());
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let mut from_client = true;
    for line in lines {
        match line {
            "C" => from_client = true,
            "H" => from_client = false,
            _ if from_client => client.extend(hex(line)),
            _ => host.extend(hex(line)),
        }
    }
    let messages = |bytes: &[u8], before: usize| {
        let head = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
        let stream = payloads(&bytes[head..]);
        let mut rest = &stream[before..];
        let mut messages = Vec::new();
        while let Some((length, _)) = rest.split_first_chunk() {
            let (message, after) = rest.split_at(2 + usize::from(u16::from_be_bytes(*length)));
            messages.push(message.to_vec());
            rest = after;
        }
        messages
    };
    // multistream-select: a header of 20 bytes and a proposal of 8, from both.
    (messages(&client, 28), messages(&host, 28))
}

/// The payloads of WebSocket's binary frames.
fn payloads(mut bytes: &[u8]) -> Vec<u8> {
    let mut all = Vec::new();
    while let [first, second, rest @ ..] = bytes {
        let (length, rest) = match second & 0x7F {
            126 => (usize::from(u16::from_be_bytes([rest[0], rest[1]])), &rest[2..]),
            length => (usize::from(length), rest),
        };
        let (mask, rest) = if second & 0x80 == 0 { (&[0; 4][..], rest) } else { rest.split_at(4) };
        let (payload, rest) = rest.split_at(length);
        if first & 0x0F == 2 {
            all.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key));
        }
        bytes = rest;
    }
    all
}

fn key(text: &str) -> Cipher {
    Cipher::new(hex(text).try_into().unwrap())
}

/// A stream that gives these bytes, then ends, and keeps what is written.
fn given(bytes: &[u8]) -> (Pipe, Pipe) {
    let (near, mut far) = pipe::pair(bytes.len() + 4096);
    run(far.write_all(bytes)).unwrap();
    run(Stream::shutdown(&mut far)).unwrap();
    (near, far)
}

#[test]
fn a_recorded_handshake_gives_the_recorded_answer_keys_and_hash() {
    let (client, host) = recording();
    let (mut near, mut far) = given(&[client[0].as_slice(), &client[1]].concat());
    let (identity, ephemeral) = node(1, 2);
    let session = run(listen(&mut near, &identity, ephemeral)).unwrap();
    let mut answer = vec![0; host[0].len()];
    run(far.read_exact(&mut answer)).unwrap();
    assert_eq!(answer, host[0]);
    assert_eq!(session.handshake_hash().as_slice(), hex(HASH));
    assert_eq!(session.peer_id(), CLIENT.parse().unwrap());

    // The keys are those of the recording: what they open and seal is.
    let mut wire: Vec<u8> = client[2..].concat();
    let (mut reader, _) = session.into_halves(wire.as_slice(), Vec::<u8>::new());
    let mut expected = Reader::new(wire.as_slice(), key(CLIENT_KEY));
    assert_eq!(run(all(&mut reader)), run(all(&mut expected)));
    assert!(run(all(&mut Reader::new(wire.as_slice(), key(CLIENT_KEY)))).unwrap().len() > 2000);
    wire.truncate(1);
    assert_eq!(run(all(&mut Reader::new(wire.as_slice(), key(CLIENT_KEY)))), Err(Error::Truncated));
}

#[test]
fn recorded_messages_are_opened_and_sealed_again_byte_for_byte() {
    let (client, host) = recording();
    for (messages, secret) in [(&client[2..], CLIENT_KEY), (&host[1..], HOST_KEY)] {
        let wire = messages.concat();
        let mut reader = Reader::new(wire.as_slice(), key(secret));
        let mut writer = Writer::new(Vec::new(), key(secret));
        for message in messages {
            let plain = run(reader.fill_buf()).unwrap().to_vec();
            assert_eq!(plain.len(), message.len() - LENGTH_BYTES - TAG_BYTES);
            reader.consume(plain.len());
            run(writer.write_all(&plain)).unwrap();
            run(writer.flush()).unwrap();
        }
        assert_eq!(writer.inner, wire);
    }
}

async fn all<R: Read>(reader: &mut Reader<R>) -> Result<Vec<u8>, Error<R::Error>> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 1000];
    loop {
        match reader.read(&mut buffer).await? {
            0 => return Ok(bytes),
            read => bytes.extend_from_slice(&buffer[..read]),
        }
    }
}

fn pair() -> (Session, Session) {
    let (mut near, mut far) = pipe::pair(4096);
    let ((dialer, first), (listener, second)) = (node(4, 5), node(6, 7));
    let sessions = run(join(dial(&mut near, &dialer, first), listen(&mut far, &listener, second)));
    (sessions.0.unwrap(), sessions.1.unwrap())
}

#[test]
fn both_sides_learn_who_the_other_is_and_agree_on_the_hash() {
    let (near, far) = pair();
    assert_eq!(near.peer_id(), Keypair::from_seed(&[6; 32]).peer_id());
    assert_eq!(far.peer_id(), Keypair::from_seed(&[4; 32]).peer_id());
    assert_eq!(near.handshake_hash(), far.handshake_hash());
}

/// What a dialer and a listener with these keys send first.
fn first_messages() -> (Vec<u8>, Vec<u8>) {
    let (mut near, mut far) = given(&[]);
    let (dialer, ephemeral) = node(4, 5);
    assert_eq!(run(dial(&mut near, &dialer, ephemeral)).unwrap_err(), Error::Truncated);
    let mut first = vec![0; 34];
    run(far.read_exact(&mut first)).unwrap();
    let (mut near, mut far) = given(&first);
    let (listener, ephemeral) = node(6, 7);
    assert_eq!(run(listen(&mut near, &listener, ephemeral)).unwrap_err(), Error::Truncated);
    let mut second = vec![0; 202];
    run(far.read_exact(&mut second)).unwrap();
    (first, second)
}

#[test]
fn messages_damaged_anywhere_or_cut_short_are_refused_by_the_listener() {
    let (client, _) = recording();
    let good = [client[0].as_slice(), &client[1]].concat();
    let (identity, _) = node(1, 2);
    let answer = |bytes: &[u8]| {
        let (mut near, _far) = given(bytes);
        run(listen(&mut near, &identity, node(1, 2).1)).map(|session| session.peer_id())
    };
    assert_eq!(answer(&good), Ok(CLIENT.parse().unwrap()));
    for at in 0..good.len() {
        for bit in [1, 0x80] {
            let mut bytes = good.clone();
            bytes[at] ^= bit;
            assert!(answer(&bytes).is_err(), "byte {at}, bit {bit}");
        }
        assert_eq!(answer(&good[..at]), Err(Error::Truncated), "cut at {at}");
    }
}

#[test]
fn an_answer_damaged_anywhere_or_cut_short_is_refused_by_the_dialer() {
    let (_, good) = first_messages();
    let (identity, _) = node(4, 5);
    let dialled = |bytes: &[u8]| {
        let (mut near, _far) = given(bytes);
        run(dial(&mut near, &identity, node(4, 5).1)).map(|session| session.peer_id())
    };
    assert_eq!(dialled(&good), Ok(Keypair::from_seed(&[6; 32]).peer_id()));
    for at in 0..good.len() {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        assert!(dialled(&bytes).is_err(), "byte {at}");
        assert_eq!(dialled(&good[..at]), Err(Error::Truncated), "cut at {at}");
    }
}

/// The handshake's end at the listener when the dialer sends this payload.
fn listen_to(payload: impl FnOnce(&Identity) -> Vec<u8>) -> Result<Session, Error<ErrorKind>> {
    let (mut near, mut far) = pipe::pair(4096);
    let ((mut dialer, first), (listener, second)) = (node(4, 5), node(6, 7));
    dialer.payload = payload(&dialer);
    run(join(dial(&mut near, &dialer, first), listen(&mut far, &listener, second))).1
}

#[test]
fn a_payload_must_prove_who_sends_it() {
    let peer = |payload: &dyn Fn(&Identity) -> Vec<u8>| {
        listen_to(payload).map(|session| session.peer_id())
    };
    let dialer = Ok(Keypair::from_seed(&[4; 32]).peer_id());
    assert_eq!(peer(&|own| own.payload.clone()), dialer);
    // The identity of another node, which has signed another noise key.
    assert_eq!(peer(&|_| node(9, 10).0.payload), Err(Error::Unproven));
    // The key alone, the signature alone, nothing, no message.
    assert_eq!(peer(&|own| own.payload[..38].to_vec()), Err(Error::Malformed));
    assert_eq!(peer(&|own| own.payload[38..].to_vec()), Err(Error::Malformed));
    assert_eq!(peer(&|_| Vec::new()), Err(Error::Malformed));
    assert_eq!(peer(&|own| own.payload[..100].to_vec()), Err(Error::Malformed));
    // A key of another type (secp256k1).
    assert_eq!(
        peer(&|own| {
            let mut payload = own.payload.clone();
            payload[3] = 2;
            payload
        }),
        Err(Error::Malformed)
    );
    // Extensions, and fields that nobody knows, are skipped.
    assert_eq!(
        peer(&|own| {
            let mut payload = own.payload.clone();
            payload.extend([0x22, 0x00, 0x98, 0x06, 0x07]);
            payload
        }),
        dialer
    );
}

/// A message of `length` bytes.
fn message(length: usize) -> Vec<u8> {
    let mut bytes = u16::try_from(length).unwrap().to_be_bytes().to_vec();
    bytes.resize(2 + length, 9);
    bytes
}

#[test]
fn the_longest_handshake_message_is_read_and_a_longer_one_is_not() {
    let (identity, _) = node(1, 2);
    for (length, left) in [(NOISE_HANDSHAKE_BYTES, 0), (NOISE_HANDSHAKE_BYTES + 1, 1)] {
        let (mut near, _far) = given(&message(length));
        // The first message must be without payload.
        assert_eq!(run(listen(&mut near, &identity, node(1, 2).1)).unwrap_err(), Error::Malformed);
        assert_eq!(run(near.read(&mut [0; 1])), Ok(left));
    }
}

#[test]
fn a_key_of_low_order_is_refused() {
    let (identity, _) = node(1, 2);
    let mut first = vec![0, 32];
    first.extend([0; 32]);
    let (mut near, _far) = given(&first);
    assert_eq!(run(listen(&mut near, &identity, node(1, 2).1)).unwrap_err(), Error::Forged);
}

fn writer() -> Writer<Vec<u8>> {
    Writer::new(Vec::new(), key(HOST_KEY))
}

fn reader(wire: &[u8]) -> Reader<&[u8]> {
    Reader::new(wire, key(HOST_KEY))
}

#[test]
fn what_is_written_before_a_flush_is_one_message_up_to_the_largest() {
    let mut writer = writer();
    for _ in 0..3 {
        run(writer.write_all(&[7; 10])).unwrap();
    }
    assert!(writer.inner.is_empty());
    run(writer.flush()).unwrap();
    assert_eq!(writer.inner.len(), LENGTH_BYTES + 30 + TAG_BYTES);
    run(writer.flush()).unwrap();
    assert_eq!(writer.inner.len(), LENGTH_BYTES + 30 + TAG_BYTES, "no message without content");

    writer.inner.clear();
    run(writer.write_all(&vec![7; NOISE_PLAINTEXT_BYTES])).unwrap();
    run(writer.flush()).unwrap();
    assert_eq!(writer.inner.len(), LENGTH_BYTES + 65535);
    writer.inner.clear();
    run(writer.write_all(&vec![7; NOISE_PLAINTEXT_BYTES + 1])).unwrap();
    run(writer.flush()).unwrap();
    assert_eq!(writer.inner.len(), LENGTH_BYTES + 65535 + LENGTH_BYTES + 1 + TAG_BYTES);
}

#[test]
fn messages_of_any_length_are_read_and_those_without_content_are_skipped() {
    let mut cipher = key(HOST_KEY);
    let mut wire = Vec::new();
    let mut expected = Vec::new();
    let lengths = [0, 1, 0, 0, NOISE_PLAINTEXT_BYTES, 0, 495, 494, 493, 2, NOISE_PLAINTEXT_BYTES];
    for length in lengths.into_iter().chain([0; EMPTY_MESSAGES_IN_A_ROW + 1]).chain([5]) {
        let mut plain = vec![length.to_le_bytes()[0]; length];
        expected.extend_from_slice(&plain);
        let tag = cipher.seal(&mut plain).unwrap();
        wire.extend(u16::try_from(length + TAG_BYTES).unwrap().to_be_bytes());
        wire.extend(plain);
        wire.extend(tag);
    }
    assert!(run(all(&mut reader(&wire))) == Ok(expected));
}

#[test]
fn a_message_too_short_for_a_tag_is_refused() {
    for length in 0..TAG_BYTES {
        assert_eq!(run(all(&mut reader(&message(length)))), Err(Error::Malformed));
    }
    assert_eq!(run(all(&mut reader(&message(TAG_BYTES)))), Err(Error::Forged));
}

#[test]
fn a_message_damaged_anywhere_gives_nothing_however_often_it_is_asked_for() {
    let mut writer = writer();
    run(writer.write_all(b"some text")).unwrap();
    run(writer.flush()).unwrap();
    let good = writer.inner;
    for at in 0..good.len() {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        let mut reader = reader(&bytes);
        for size in [100, 3, 100] {
            let mut target = vec![0; size];
            let error = run(reader.read(&mut target)).unwrap_err();
            // Its length is not protected: more is waited for, or less is there.
            let expected = [Error::Truncated, Error::Malformed, Error::Forged];
            assert!(expected.contains(&error), "byte {at}: {error:?}");
            assert_eq!(target, vec![0; size]);
        }
        assert_eq!(run(all(&mut self::reader(&good[..at.max(1)]))), Err(Error::Truncated));
    }
}

#[test]
fn a_message_repeated_or_left_out_is_refused() {
    let mut writer = writer();
    for text in [b"one", b"two"] {
        run(writer.write_all(text)).unwrap();
        run(writer.flush()).unwrap();
    }
    let (one, two) = writer.inner.split_at(writer.inner.len() / 2);
    assert_eq!(run(all(&mut reader(&[one, two].concat()))), Ok(b"onetwo".to_vec()));
    assert_eq!(run(all(&mut reader(&[one, one].concat()))), Err(Error::Forged));
    assert_eq!(run(all(&mut reader(two))), Err(Error::Forged));
}

#[test]
fn a_key_serves_up_to_its_last_number() {
    let mut writer = writer();
    writer.cipher.next = u64::MAX - 1;
    run(writer.write_all(b"last")).unwrap();
    run(writer.flush()).unwrap();
    assert_eq!(run(writer.write(b"more")), Err(Error::Exhausted));
    let mut wire = writer.inner;
    wire.extend(message(20));
    let mut reader = reader(&wire);
    reader.cipher.next = u64::MAX - 1;
    let mut text = [0; 4];
    assert_eq!(run(reader.read(&mut text)), Ok(4));
    assert_eq!(&text, b"last");
    assert_eq!(run(reader.read(&mut text)), Err(Error::Exhausted));
}

#[test]
fn an_idle_connection_gives_its_buffers_back() {
    let (near, far) = pipe::pair(1 << 20);
    let mut writer = Writer::new(near, key(HOST_KEY));
    let mut reader = Reader::new(far, key(HOST_KEY));
    assert_eq!((reader.buffered_bytes(), writer.buffered_bytes()), (0, 0));
    for length in [NOISE_PLAINTEXT_BYTES, 20_000, 100] {
        run(writer.write_all(&vec![1; length])).unwrap();
        run(writer.flush()).unwrap();
        let mut got = vec![0; length];
        // Not into one large buffer, so that the reader needs its own.
        for part in got.chunks_mut(1000) {
            run(reader.read_exact(part)).unwrap();
        }
        assert_eq!(reader.read(&mut [0; 1]).now_or_never(), None);
        assert_eq!(reader.buffered_bytes(), NOISE_IDLE_READ_BYTES);
        assert!(writer.buffered_bytes() <= NOISE_IDLE_WRITE_BYTES);
    }
}

/// Polls once and drops, again and again, until the future is ready at once.
fn insist<T>(mut attempt: impl FnMut() -> Option<T>) -> Option<T> {
    (0..10).find_map(|_| attempt())
}

proptest! {
    /// However it is cut, by whoever: messages of any size, a stream that takes and gives little at a
    /// time, reads of any size, both ways of reading, futures dropped while they wait.
    #[test]
    fn what_is_written_is_read(
        pieces in prop::collection::vec((0usize..3000, any::<bool>()), 1..20),
        large in 0usize..70_000,
        capacity in 1usize..5000,
        sizes in prop::collection::vec(1usize..70_000, 1..9),
        buffered: bool,
    ) {
        let (near, far) = pipe::pair(capacity);
        let mut writer = Writer::new(near, key(HOST_KEY));
        let mut reader = Reader::new(far, key(HOST_KEY));
        let mut sent: Vec<u8> = Vec::new();
        let mut got = Vec::new();
        let mut sizes = sizes.iter().cycle();
        let mut receive = |got: &mut Vec<u8>| {
            while let Some(read) = insist(|| {
                if buffered {
                    let bytes = reader.fill_buf().now_or_never()?.unwrap().to_vec();
                    reader.consume(bytes.len());
                    Some(bytes)
                } else {
                    let mut bytes = vec![0; *sizes.next().unwrap()];
                    let read = reader.read(&mut bytes).now_or_never()?.unwrap();
                    bytes.truncate(read);
                    Some(bytes)
                }
            }) {
                assert!(!read.is_empty());
                got.extend(read);
            }
        };
        for (index, (length, flush)) in pieces.iter().chain([&(large, true)]).enumerate() {
            let piece: Vec<u8> = (0..*length).map(|at| (at * 7 + index).to_le_bytes()[0]).collect();
            let mut rest = piece.as_slice();
            while !rest.is_empty() {
                match writer.write(rest).now_or_never() {
                    Some(written) => rest = &rest[written.unwrap()..],
                    None => receive(&mut got),
                }
            }
            sent.extend_from_slice(&piece);
            while *flush && writer.flush().now_or_never().is_none() {
                receive(&mut got);
            }
        }
        receive(&mut got);
        prop_assert!(got == sent);
    }

    #[test]
    fn any_bytes_are_refused(bytes: Vec<u8>) {
        prop_assert!(run(all(&mut reader(&bytes))).is_err() || bytes.is_empty());
    }
}
