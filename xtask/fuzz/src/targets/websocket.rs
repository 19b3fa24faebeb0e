//! WebSocket, both roles: handshakes of any bytes, and frames against a second reading of the same bytes.

use embedded_io_async::{Read, Write};
use futures_util::future::join;
use netstack::pipe::{self, Pipe};
use netstack::websocket::{self, Error, Secrets, WebSocket, limits};
use netstack::{Split, Writer};
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;

use super::Reader;
use super::pieces::{drain, feed};
use super::support::{Clock, run_alone};

const REQUEST: &[u8] =
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
const ANSWER_BYTES: usize = 129;
/// Frames of an input at most.
const MAX_FRAMES: usize = 64;
/// Room for what is not read while it is written.
const ROOM: usize = 1 << 20;

/// How reading ends.
#[derive(Debug, PartialEq)]
enum End {
    /// A close frame, or the end of the stream between frames.
    Over,
    Truncated,
    Violation,
}

/// A frame as it was read from the other side's bytes.
#[derive(Debug, PartialEq)]
struct Frame {
    first: u8,
    mask: Option<[u8; 4]>,
    payload: Vec<u8>,
}

/// The first byte says what is tried, the second the size of the pieces.
pub fn run(bytes: &[u8]) {
    let mut input = Reader::new(bytes);
    let (mode, size) = (input.byte(), input.byte());
    match mode % 4 {
        0 => request(input.rest(), size),
        1 => answer(input.rest(), size),
        2 => frames(input, size, false),
        _ => frames(input, size, true),
    }
}

/// Any bytes to a server: it answers, or waits for more.
fn request(bytes: &[u8], size: u8) {
    let accept = |size| {
        let clock = Clock::default();
        run_alone(&clock, async {
            let (near, mut far) = pipe::pair(ROOM);
            let accepted = async { websocket::accept(near).await.map(drop) };
            let (accepted, ()) = join(accepted, feed(&clock, &mut far, bytes, size)).await;
            (accepted, String::from_utf8(drain(&mut far).await).expect("an answer is text"))
        })
    };
    let whole = accept(0);
    assert_eq!(accept(size), whole, "the pieces must not matter");
    match whole {
        (Ok(()), answer) => assert!(answer.starts_with("HTTP/1.1 101 ")),
        (Err(Error::BadRequest(status)), answer) => {
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")));
        }
        (Err(Error::Truncated), answer) => assert_eq!(answer, ""),
        (Err(error), _) => panic!("{error}"),
    }
}

/// Any bytes to a client that has asked; the right answer if they begin with a 1.
fn answer(bytes: &[u8], size: u8) {
    let clock = Clock::default();
    run_alone(&clock, async {
        let (near, mut far) = pipe::pair(ROOM);
        let serve = async {
            let mut request = [0; 512];
            let read = far.read(&mut request).await.unwrap_or(0);
            let sent = if let Some(rest) = bytes.strip_prefix(&[1]) {
                let mut sent = opening(&request[..read]).await;
                let at = rest.first().map_or(0, |at| usize::from(*at) % sent.len());
                sent[at] ^= rest.get(1).copied().unwrap_or(0);
                sent.extend_from_slice(rest.get(2..).unwrap_or_default());
                sent
            } else {
                bytes.to_vec()
            };
            feed(&clock, &mut far, &sent, size).await;
        };
        let connect = async {
            match websocket::connect(near, "x", secrets()).await {
                Ok(mut socket) => drain(&mut socket).await.len(),
                Err(Error::BadAnswer | Error::Truncated) => 0,
                Err(error) => panic!("{error}"),
            }
        };
        let (read, ()) = join(connect, serve).await;
        assert!(read <= bytes.len());
    });
}

/// What a server answers to a good request.
async fn opening(request: &[u8]) -> Vec<u8> {
    let (near, mut far) = pipe::pair(ROOM);
    far.write_all(request).await.expect("room");
    websocket::accept(near).await.map(drop).expect("the client's request is good");
    drain(&mut far).await
}

fn secrets() -> Secrets {
    Secrets::draw(&mut ChaCha8Rng::from_seed([7; 32]))
}

/// A side, and the end that a peer writes to.
async fn socket(is_client: bool, room: usize) -> (WebSocket<Pipe>, Pipe) {
    let (near, mut far) = pipe::pair(room);
    if is_client {
        let serve = async {
            let mut request = [0; 512];
            let read = far.read(&mut request).await.expect("a request");
            far.write_all(&opening(&request[..read]).await).await.expect("room");
        };
        let (socket, ()) = join(websocket::connect(near, "x", secrets()), serve).await;
        (socket.expect("a good answer"), far)
    } else {
        let ask = async {
            far.write_all(REQUEST).await.expect("room");
            far.read_exact(&mut [0; ANSWER_BYTES]).await.expect("an answer");
        };
        let (socket, ()) = join(websocket::accept(near), ask).await;
        (socket.expect("a good request"), far)
    }
}

/// Frames to a side that writes at the same time, through a stream that takes little at once.
fn frames(mut input: Reader<'_>, size: u8, is_client: bool) {
    let room = 300 + usize::from(input.byte()) * 8;
    let written: Vec<u8> = (0..usize::from(input.u16())).map(|at| (at * 7) as u8).collect();
    let pieces = usize::from(input.byte()) * 16 + 1;
    let read = usize::from(input.u16()) + 1;
    let sent = make(input, !is_client);
    let clock = Clock::default();
    let (data, end, said) = run_alone(&clock, async {
        let (socket, far) = socket(is_client, room).await;
        let here = talk(socket, &written, pieces, read);
        let (mut far_reader, far_writer) = far.split();
        let there = join(push(&clock, far_writer, &sent, size), drain(&mut far_reader));
        let ((data, end), (_far_writer, said)) = join(here, there).await;
        (data, end, said)
    });
    let (frames, expected_end) = meaning(&sent, !is_client);
    let expected: Vec<u8> =
        frames.iter().filter(|f| f.first & 0x0F < 3).flat_map(|f| f.payload.clone()).collect();
    if end == End::Truncated {
        assert!(data.starts_with(&expected), "what was whole was read");
    } else {
        assert_eq!(data, expected);
    }
    assert_eq!(end, expected_end);
    is_sound(&said, is_client, &written, &frames);
}

/// Writes and reads until the end, then ends the connection.
async fn talk(
    socket: WebSocket<Pipe>,
    written: &[u8],
    pieces: usize,
    read: usize,
) -> (Vec<u8>, End) {
    let (mut reader, mut writer) = socket.split();
    let send = async {
        for piece in written.chunks(pieces) {
            writer.write_all(piece).await?;
            writer.flush().await?;
        }
        Ok::<(), Error<_>>(())
    };
    let receive = async {
        let mut data = Vec::new();
        let mut buffer = vec![0; read];
        loop {
            match reader.read(&mut buffer).await {
                Ok(0) => return (data, End::Over),
                Ok(read) => data.extend_from_slice(&buffer[..read]),
                Err(Error::Truncated) => return (data, End::Truncated),
                Err(Error::Violation) => return (data, End::Violation),
                Err(error) => panic!("{error}"),
            }
        }
    };
    let (_, received) = join(send, receive).await;
    let _ = writer.shutdown().await;
    received
}

/// Like [`feed`], with a writing half, which stays.
async fn push<W: Writer>(clock: &Clock, mut writer: W, bytes: &[u8], size: u8) -> W {
    use netstack::Timer;
    let size = if size == 0 { bytes.len() } else { usize::from(size) };
    for piece in bytes.chunks(size.max(bytes.len().div_ceil(MAX_FRAMES)).max(1)) {
        if writer.write_all(piece).await.is_err() {
            return writer;
        }
        clock.sleep_until(clock.now() + netstack::time::Duration::from_millis(1)).await;
    }
    let _ = writer.shutdown().await;
    writer
}

/// What the side under test said: whole frames, its data in order, pongs only for pings, one close.
fn is_sound(said: &[u8], is_client: bool, written: &[u8], received: &[Frame]) {
    let (frames, end) = split(said, is_client);
    assert_eq!(end, End::Over, "it says whole frames");
    let mut data = Vec::new();
    let mut closed = false;
    for frame in &frames {
        assert!(!closed, "nothing follows a close frame");
        match frame.first {
            0x82 => data.extend_from_slice(&frame.payload),
            0x8A => assert!(
                received.iter().any(|ping| ping.first == 0x89 && ping.payload == frame.payload)
            ),
            0x88 => closed = true,
            first => panic!("a frame that begins with {first:#x}"),
        }
    }
    assert!(closed, "it ends with a close frame");
    assert!(written.starts_with(&data));
}

/// Frames that may belong there.
fn make(mut input: Reader<'_>, masked: bool) -> Vec<u8> {
    let mut sent = Vec::new();
    for _ in 0..MAX_FRAMES {
        if input.is_empty() {
            break;
        }
        let choice = input.byte();
        let first = match choice % 12 {
            0..3 => 0x82,
            3 => 0x02,
            4 => 0x00,
            5 => 0x80,
            6 | 7 => 0x89,
            8 => 0x8A,
            9 => 0x88,
            10 => input.byte(),
            _ => {
                let length = usize::from(input.byte());
                sent.extend_from_slice(input.bytes(length));
                continue;
            }
        };
        let length = usize::from(input.u16()) % [20, 130, 700, 9000][usize::from(choice >> 6)];
        let mut payload = vec![choice; length];
        if first & 8 != 0 {
            payload.truncate(limits::CONTROL_BYTES + 1);
            let given = input.bytes(payload.len());
            payload[..given.len()].copy_from_slice(given);
        }
        let is_masked = masked != (choice & 0x3F == 0x3F);
        sent.push(first);
        let mask_bit = if is_masked { 0x80 } else { 0 };
        match length.min(payload.len()) {
            length @ 0..126 => sent.push(mask_bit | length as u8),
            length => {
                sent.push(mask_bit | 126);
                sent.extend((length as u16).to_be_bytes());
            }
        }
        let mask = if is_masked { [choice, 1, 2, 3] } else { [0; 4] };
        if is_masked {
            sent.extend(mask);
        }
        sent.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key));
    }
    sent
}

/// The next frame of some bytes. `Over` when there are none; a length in other than its shortest form,
/// and reserved bits and codes, are violations.
fn next(bytes: &mut &[u8], masked: bool) -> Result<Frame, End> {
    let mut rest = *bytes;
    let mut take = |length: u64| -> Result<Vec<u8>, End> {
        let length = usize::try_from(length).map_err(|_| End::Truncated)?;
        let (taken, after) = rest.split_at_checked(length).ok_or(End::Truncated)?;
        rest = after;
        Ok(taken.to_vec())
    };
    if bytes.is_empty() {
        return Err(End::Over);
    }
    let head = take(2)?;
    let (first, second) = (head[0], head[1]);
    let number = |bytes: Vec<u8>| bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
    let (length, least) = match second & 0x7F {
        126 => (number(take(2)?), 126),
        127 => (number(take(8)?), 0x1_0000),
        length => (u64::from(length), 0),
    };
    let mask = if second & 0x80 == 0 { None } else { Some(take(4)?) };
    let opcode = first & 0x0F;
    let control = opcode >= 8 && (first & 0x80 == 0 || length > 125);
    let known = matches!(opcode, 0..=2 | 8..=10);
    if first & 0x70 != 0 || !known || control || length < least || length >> 63 != 0 {
        return Err(End::Violation);
    }
    if mask.is_some() != masked || opcode == 1 {
        return Err(End::Violation);
    }
    let mask = mask.map(|mask| [mask[0], mask[1], mask[2], mask[3]]);
    let payload = take(length)?;
    let key = mask.unwrap_or_default();
    let payload = payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
    *bytes = rest;
    Ok(Frame { first, mask, payload })
}

/// All frames of some bytes, whatever they mean.
fn split(mut bytes: &[u8], masked: bool) -> (Vec<Frame>, End) {
    let mut frames = Vec::new();
    loop {
        match next(&mut bytes, masked) {
            Ok(frame) => frames.push(frame),
            Err(end) => return (frames, end),
        }
    }
}

/// The frames that count, and how reading them ends.
fn meaning(mut bytes: &[u8], masked: bool) -> (Vec<Frame>, End) {
    let mut frames = Vec::new();
    let mut in_message = false;
    loop {
        // What a frame means is known from its header: out of place, it is not waited for.
        if let [first, ..] = bytes {
            let opcode = first & 0x0F;
            if opcode < 3 && in_message != (opcode == 0) {
                return match next(&mut bytes, masked) {
                    Err(End::Truncated) if !has_header(bytes) => (frames, End::Truncated),
                    _ => (frames, End::Violation),
                };
            }
        }
        match next(&mut bytes, masked) {
            Ok(frame) => {
                let opcode = frame.first & 0x0F;
                if opcode < 3 {
                    in_message = frame.first & 0x80 == 0;
                }
                if opcode == 8 {
                    let end = if is_close(&frame.payload) { End::Over } else { End::Violation };
                    return (frames, end);
                }
                frames.push(frame);
            }
            Err(end) => return (frames, end),
        }
    }
}

/// True when all of a header is there.
fn has_header(bytes: &[u8]) -> bool {
    let [_, second, ..] = bytes else { return false };
    let length = match second & 0x7F {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    bytes.len() >= 2 + length + if second & 0x80 == 0 { 0 } else { 4 }
}

fn is_close(payload: &[u8]) -> bool {
    match payload {
        [] => true,
        [_] => false,
        [high, low, reason @ ..] => {
            let status = u16::from_be_bytes([*high, *low]);
            let allowed = matches!(status, 1000..=1003 | 1007..=1014 | 3000..=4999);
            allowed && std::str::from_utf8(reason).is_ok()
        }
    }
}
