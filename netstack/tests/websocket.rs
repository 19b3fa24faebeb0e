//! WebSocket: handshakes and frames of RFC 6455, both roles, against scripted peers.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "a test may fail by panicking, and its numbers are small"
)]

#[path = "support/recording.rs"]
mod recording;
mod support;

use embedded_io_async::{ErrorKind, Read, Write};
use futures_util::FutureExt;
use futures_util::future::join;
use netstack::pipe::{self, Pipe};
use netstack::websocket::{self, Error, Secrets, WebSocket, limits};
use netstack::{Split, Stream, Writer};
use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use support::{Clock, run_alone};

const REQUEST: &str = "GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";
const ANSWER: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

fn run<R>(main: impl Future<Output = R>) -> R {
    run_alone(&Clock::default(), main)
}

fn written(stream: &mut Pipe) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    while let Some(Ok(read @ 1..)) = stream.read(&mut buffer).now_or_never() {
        bytes.extend_from_slice(&buffer[..read]);
    }
    bytes
}

/// What a server makes of a request, and what it answers.
fn accept(request: &[u8]) -> (Result<(), Error<ErrorKind>>, String) {
    run(async {
        let (near, mut far) = pipe::pair(1 << 17);
        far.write_all(request).await.unwrap();
        far.shutdown().await.unwrap();
        let accepted = websocket::accept(near).await.map(drop);
        (accepted, String::from_utf8(written(&mut far)).unwrap())
    })
}

/// A server and the end that a client writes to.
async fn server(capacity: usize) -> (WebSocket<Pipe>, Pipe) {
    let (near, mut far) = pipe::pair(capacity);
    let request = async {
        far.write_all(REQUEST.as_bytes()).await.unwrap();
        let mut answer = vec![0; ANSWER.len()];
        far.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer, ANSWER.as_bytes());
    };
    let (socket, ()) = join(websocket::accept(near), request).await;
    (socket.unwrap(), far)
}

fn secrets(seed: u8) -> Secrets {
    Secrets::draw(&mut ChaCha8Rng::from_seed([seed; 32]))
}

/// A client and a server, connected.
async fn both(capacity: usize) -> (WebSocket<Pipe>, WebSocket<Pipe>) {
    let (near, far) = pipe::pair(capacity);
    let client = websocket::connect(near, "10.0.0.1:7777", secrets(1));
    let (client, server) = join(client, websocket::accept(far)).await;
    (client.unwrap(), server.unwrap())
}

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A frame of a client.
fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = plain(first, payload);
    let header = bytes.len() - payload.len();
    bytes[1] |= 0x80;
    let payload: Vec<u8> = payload.iter().zip(MASK.iter().cycle()).map(|(a, b)| a ^ b).collect();
    bytes.truncate(header);
    bytes.extend(MASK);
    bytes.extend(payload);
    bytes
}

/// A frame of a server.
fn plain(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        length @ 0..126 => bytes.push(length as u8),
        length @ 126..=0xFFFF => {
            bytes.push(126);
            bytes.extend((length as u16).to_be_bytes());
        }
        length => {
            bytes.push(127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    bytes.extend_from_slice(payload);
    bytes
}

/// What a server reads of these frames until the end, and what it answers.
fn receive(frames: &[u8]) -> (Result<Vec<u8>, Error<ErrorKind>>, Vec<u8>) {
    run(async {
        let (socket, mut far) = server(1 << 17).await;
        far.write_all(frames).await.unwrap();
        far.shutdown().await.unwrap();
        let (mut reader, _writer) = socket.split();
        (read_all(&mut reader).await, written(&mut far))
    })
}

async fn read_all<R: Read>(reader: &mut R) -> Result<Vec<u8>, R::Error> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 1000];
    loop {
        match reader.read(&mut buffer).await? {
            0 => return Ok(bytes),
            read => bytes.extend_from_slice(&buffer[..read]),
        }
    }
}

#[test]
fn the_standard_s_request_gets_the_standard_s_answer() {
    assert_eq!(accept(REQUEST.as_bytes()), (Ok(()), ANSWER.to_owned()));
}

#[test]
fn the_recorded_client_s_request_gets_the_recorded_answer() {
    let recorded = recording::javascript_client();
    let (accepted, answer) = accept(&recorded[0].1);
    assert_eq!((accepted, answer.into_bytes()), (Ok(()), recorded[1].1.clone()));
}

#[test]
fn header_fields_come_in_any_order_and_case() {
    let request = "GET / HTTP/1.1\r\nsec-websocket-version:13\r\nSEC-WEBSOCKET-KEY:   \
        dGhlIHNhbXBsZSBub25jZQ==  \r\nconnection: keep-alive, UPGRADE\r\nuPGRADE: h2c\r\n\
        Upgrade: WebSocket\r\nSec-WebSocket-Protocol: chat\r\nhost: x\r\n\r\n";
    assert_eq!(accept(request.as_bytes()), (Ok(()), ANSWER.to_owned()));
}

#[test]
fn other_requests_get_an_http_error() {
    let change = |from: &str, to: &str| {
        assert!(REQUEST.contains(from));
        REQUEST.replace(from, to)
    };
    let long_key = "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    for (request, status) in [
        (change("GET", "POST"), 405),
        (change("HTTP/1.1", "HTTP/1.0"), 400),
        (change("HTTP/1.1", "HTTP/9"), 400),
        (change("GET /chat", "GET"), 400),
        (change("Host: server.example.com\r\n", ""), 400),
        (change("Host:", "Host: b\r\nHost:"), 400),
        (change("Upgrade: websocket\r\n", ""), 426),
        (change("Upgrade: websocket", "Upgrade: h2c"), 426),
        (change("Connection: Upgrade\r\n", ""), 426),
        (change("Connection: Upgrade", "Connection: close"), 426),
        (change("Version: 13", "Version: 8"), 426),
        (change("Sec-WebSocket-Version: 13\r\n", ""), 426),
        (change("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", ""), 400),
        (change("Sec-WebSocket-Key: dGhl", "Sec-WebSocket-Key: "), 400),
        (change("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", long_key), 400),
        (change("Upgrade: web", "Sec-WebSocket-Key: a\r\nUpgrade: web"), 400),
        (change("Upgrade: web", "no field\r\nUpgrade: web"), 400),
    ] {
        let (accepted, answer) = accept(request.as_bytes());
        assert_eq!(accepted, Err(Error::BadRequest(status)), "{request}");
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        assert!(answer.contains("\r\nConnection: close\r\n"), "{answer}");
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.ends_with(&format!("Content-Length: {}", body.len())), "{answer}");
        assert_eq!(
            head.contains("\r\nSec-WebSocket-Version: 13"),
            request.contains("Version: 8") || !request.contains("Version:"),
            "{answer}"
        );
    }
    assert_eq!(accept(&REQUEST.as_bytes()[..REQUEST.len() - 1]).0, Err(Error::Truncated));
    assert_eq!(accept(b"").0, Err(Error::Truncated));
}

#[test]
fn the_largest_head_is_read_and_a_larger_one_is_not() {
    let padded = |length: usize| {
        let padding = "x".repeat(length - REQUEST.len() - "X: \r\n".len());
        REQUEST.replace("\r\nUpgrade", &format!("\r\nX: {padding}\r\nUpgrade"))
    };
    assert_eq!(accept(padded(limits::HEAD_BYTES).as_bytes()).0, Ok(()));
    let (accepted, answer) = accept(padded(limits::HEAD_BYTES + 1).as_bytes());
    assert_eq!(accepted, Err(Error::BadRequest(431)));
    assert!(answer.starts_with("HTTP/1.1 431 Request Header Fields Too Large\r\n"));
    assert_eq!(accept(&[b'x'; limits::HEAD_BYTES]).0, Err(Error::BadRequest(431)));

    let fields = |count: usize| {
        let more = "X: y\r\n".repeat(count - 5);
        accept(REQUEST.replace("Upgrade: web", &format!("{more}Upgrade: web")).as_bytes()).0
    };
    assert_eq!(fields(limits::HEADERS), Ok(()));
    assert_eq!(fields(limits::HEADERS + 1), Err(Error::BadRequest(431)));
}

#[test]
fn a_client_asks_for_what_the_standard_says() {
    run(async {
        let (near, mut far) = pipe::pair(4096);
        let mut connecting = Box::pin(websocket::connect(near, "[::1]:7777", secrets(1)));
        assert!(connecting.as_mut().now_or_never().is_none());
        let request = String::from_utf8(written(&mut far)).unwrap();
        let (start, end) = request.split_once("Sec-WebSocket-Key: ").unwrap();
        assert_eq!(
            start,
            "GET / HTTP/1.1\r\nHost: [::1]:7777\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        );
        assert_eq!(&end[24..], "\r\nSec-WebSocket-Version: 13\r\n\r\n");
        assert!(accept(request.as_bytes()).0.is_ok());
    });
}

#[test]
fn a_client_takes_no_other_answer_than_that_to_its_key() {
    let connect = |change: &dyn Fn(String) -> String| {
        run(async {
            let (near, mut far) = pipe::pair(1 << 14);
            let answer = async {
                let mut request = vec![0; 4096];
                let read = far.read(&mut request).await.unwrap();
                let (_, good) = accept(&request[..read]);
                far.write_all(change(good).as_bytes()).await.unwrap();
                far.shutdown().await.unwrap();
            };
            let (socket, ()) = join(websocket::connect(near, "x", secrets(1)), answer).await;
            let mut rest = Vec::new();
            match socket {
                Ok(mut socket) => rest.extend(read_all(&mut socket).await?),
                Err(error) => return Err(error),
            }
            Ok(rest)
        })
    };
    assert_eq!(connect(&|good| good), Ok(Vec::new()));
    let early = |good| good + "\u{2}\u{3}abc";
    assert_eq!(connect(&early), Ok(b"abc".to_vec()), "a server may speak first");
    let lower = |good: String| good.replace("Upgrade", "upgrade").replace("Accept", "accept");
    assert_eq!(connect(&lower), Ok(Vec::new()));
    let bad: [&dyn Fn(String) -> String; 9] = [
        &|good| good.replace("101", "200"),
        &|good| good.replace("HTTP/1.1", "HTTP/1.0"),
        &|good| good.replace("Accept: ", "Accept: a"),
        &|good| good.replace("Upgrade: websocket\r\n", ""),
        &|good| good.replace("Connection: Upgrade\r\n", ""),
        &|good| {
            good.replace("\r\n\r\n", "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n")
        },
        &|good| good.replace("\r\n\r\n", "\r\nSec-WebSocket-Protocol: chat\r\n\r\n"),
        &|good| good.replace("HTTP", "HTML"),
        &|_| "x".repeat(limits::HEAD_BYTES),
    ];
    for change in bad {
        assert_eq!(connect(change), Err(Error::BadAnswer));
    }
    assert_eq!(connect(&|good| good.replace("\r\n\r\n", "\r\n")), Err(Error::Truncated));
}

#[test]
fn binary_messages_are_one_stream_whole_or_in_fragments() {
    let frames = [
        masked(0x82, b"one"),
        masked(0x02, b"t"),
        masked(0x00, b""),
        masked(0x89, b"between"),
        masked(0x00, b"w"),
        masked(0x80, b"o"),
        masked(0x8A, b"unasked"),
        masked(0x82, b""),
        masked(0x82, &[b'x'; 126]),
        masked(0x82, &[b'y'; 65536]),
    ];
    let (read, said) = receive(&frames.concat());
    let expected = [&b"onetwo"[..], &[b'x'; 126], &[b'y'; 65536]].concat();
    assert!(read == Ok(expected));
    assert_eq!(said, plain(0x8A, b"between"));
}

#[test]
fn the_standard_s_ping_is_answered_though_nobody_writes() {
    // RFC 6455 section 5.7.
    let ping = [0x89, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
    run(async {
        let (socket, mut far) = server(4096).await;
        far.write_all(&ping).await.unwrap();
        let (mut reader, _writer) = socket.split();
        assert_eq!(reader.read(&mut [0; 9]).now_or_never(), None);
        assert_eq!(written(&mut far), [&[0x8A, 0x05][..], b"Hello"].concat());
    });
}

#[test]
fn many_pings_may_get_one_pong_and_it_is_the_last_one_s() {
    let pings: Vec<u8> = (0..=255).flat_map(|index| masked(0x89, &[index; 125])).collect();
    let (read, said) = receive(&pings);
    assert_eq!(read, Ok(Vec::new()));
    assert!(said.ends_with(&plain(0x8A, &[255; 125])));
    assert_eq!(said.len() % 127, 0);
}

#[test]
fn a_pong_goes_between_frames_also_when_the_stream_takes_little() {
    run(async {
        let (socket, mut far) = server(1000).await;
        let (mut reader, mut writer) = socket.split();
        let sent = vec![5; 5000];
        writer.write_all(&sent).await.unwrap();
        assert_eq!(writer.flush().now_or_never(), None, "the stream is full");
        far.write_all(&masked(0x89, b"?")).await.unwrap();
        assert_eq!(reader.read(&mut [0; 9]).now_or_never(), None);
        let mut bytes = Vec::new();
        while bytes.len() < 5000 + 4 + 3 {
            assert_eq!(reader.read(&mut [0; 9]).now_or_never(), None);
            bytes.extend(written(&mut far));
        }
        assert!(bytes == [plain(0x82, &sent), plain(0x8A, b"?")].concat());
        writer.flush().await.unwrap();
    });
}

#[test]
fn a_close_is_the_end_of_file_and_is_answered_with_the_same_status() {
    for (payload, answer) in
        [(&b""[..], &b""[..]), (&[0x03, 0xE8], &[0x03, 0xE8]), (b"\x0b\xb8because", b"\x0b\xb8")]
    {
        let frames = [masked(0x82, b"data"), masked(0x88, payload), masked(0x82, b"more")];
        let (read, said) = receive(&frames.concat());
        assert_eq!((read, said), (Ok(b"data".to_vec()), plain(0x88, answer)));
    }
    run(async {
        let (mut socket, mut far) = server(4096).await;
        socket.write_all(b"gathered").await.unwrap();
        far.write_all(&masked(0x88, b"")).await.unwrap();
        assert_eq!(socket.read(&mut [0; 9]).await, Ok(0));
        assert_eq!(socket.write(b"late").await, Err(Error::Closed));
        socket.shutdown().await.unwrap();
        assert_eq!(written(&mut far), plain(0x88, b""), "no data after a close, no second close");
    });
}

#[test]
fn a_shutdown_sends_what_was_written_and_a_close() {
    run(async {
        let (mut client, mut server) = both(4096).await;
        client.write_all(b"last").await.unwrap();
        client.shutdown().await.unwrap();
        assert_eq!(read_all(&mut server).await, Ok(b"last".to_vec()));
        assert_eq!(client.write(b"late").await, Err(Error::Closed));
        assert_eq!(server.write(b"late").await, Err(Error::Closed), "the close was answered");
        assert_eq!(client.read(&mut [0; 9]).await, Ok(0));
    });
}

#[test]
fn what_the_standard_forbids_ends_the_connection_with_the_status() {
    let protocol = plain(0x88, &1002u16.to_be_bytes());
    let close = |status: u16| masked(0x88, &status.to_be_bytes());
    for (frames, answer) in [
        (plain(0x82, b"unmasked"), &protocol),
        (masked(0x81, b"text"), &plain(0x88, &1003u16.to_be_bytes())),
        (masked(0x80, b"of nothing"), &protocol),
        ([masked(0x02, b"a"), masked(0x82, b"b")].concat(), &protocol),
        (masked(0xC2, b"compressed"), &protocol),
        (masked(0x83, b"reserved"), &protocol),
        (masked(0x09, b"fragmented ping"), &protocol),
        (masked(0x89, &[0; limits::CONTROL_BYTES + 1]), &protocol),
        (masked(0x88, &[3]), &protocol),
        (masked(0x88, b"\x03\xe8\xff"), &protocol),
        (close(999), &protocol),
        (close(1004), &protocol),
        (close(1005), &protocol),
        (close(1006), &protocol),
        (close(1015), &protocol),
        (close(2999), &protocol),
        (close(5000), &protocol),
    ] {
        let (read, said) = receive(&[masked(0x82, b""), frames.clone()].concat());
        assert_eq!((read, &said), (Err(Error::Violation), answer), "{frames:?}");
    }
    let (read, said) = receive(&masked(0x89, &[7; limits::CONTROL_BYTES]));
    assert_eq!((read, said), (Ok(Vec::new()), plain(0x8A, &[7; limits::CONTROL_BYTES])));
}

#[test]
fn a_server_that_masks_is_refused_by_a_client() {
    run(async {
        let (near, mut far) = pipe::pair(4096);
        let answer = async {
            let mut request = vec![0; 4096];
            let read = far.read(&mut request).await.unwrap();
            let (_, good) = accept(&request[..read]);
            // Together with the answer: a server may speak first.
            far.write_all(&[good.as_bytes(), &plain(0x82, b"early")].concat()).await.unwrap();
        };
        let (socket, ()) = join(websocket::connect(near, "x", secrets(1)), answer).await;
        let mut socket = socket.unwrap();
        let mut text = [0; 5];
        socket.read_exact(&mut text).await.unwrap();
        assert_eq!(&text, b"early");
        far.write_all(&masked(0x82, b"masked")).await.unwrap();
        assert_eq!(socket.read(&mut text).await, Err(Error::Violation));
        assert_eq!(socket.read(&mut text).await, Err(Error::Violation));
    });
}

#[test]
fn a_flush_makes_one_frame_and_a_full_one_leaves_by_itself() {
    run(async {
        let (mut socket, mut far) = server(1 << 20).await;
        for byte in b"many" {
            socket.write_all(&[*byte]).await.unwrap();
        }
        assert!(written(&mut far).is_empty());
        socket.flush().await.unwrap();
        assert_eq!(written(&mut far), plain(0x82, b"many"));
        socket.flush().await.unwrap();
        assert!(written(&mut far).is_empty(), "no frame without data");
        for (length, frames) in [
            (limits::FRAME_PAYLOAD_BYTES, vec![limits::FRAME_PAYLOAD_BYTES]),
            (limits::FRAME_PAYLOAD_BYTES + 1, vec![limits::FRAME_PAYLOAD_BYTES, 1]),
        ] {
            socket.write_all(&vec![1; length]).await.unwrap();
            socket.flush().await.unwrap();
            let expected = frames.iter().map(|length| plain(0x82, &vec![1; *length]));
            assert!(written(&mut far) == expected.collect::<Vec<_>>().concat());
        }
        let (_reader, writer) = socket.split();
        assert_eq!(writer.buffered_bytes().await, 0);
    });
}

#[test]
fn a_client_masks_every_frame_with_another_key() {
    run(async {
        let (near, mut far) = pipe::pair(4096);
        let answer = async {
            let mut request = vec![0; 4096];
            let read = far.read(&mut request).await.unwrap();
            far.write_all(accept(&request[..read]).1.as_bytes()).await.unwrap();
        };
        let (socket, ()) = join(websocket::connect(near, "x", secrets(1)), answer).await;
        let mut socket = socket.unwrap();
        let mut masks = Vec::new();
        for _ in 0..100 {
            socket.write_all(&[0; 4]).await.unwrap();
            socket.flush().await.unwrap();
            let frame = written(&mut far);
            assert_eq!((frame.len(), &frame[..2]), (10, &[0x82, 0x84][..]));
            assert_eq!(frame[2..6], frame[6..], "zeros become the key");
            masks.push(frame[2..6].to_vec());
        }
        masks.sort();
        masks.dedup();
        assert_eq!(masks.len(), 100);
    });
}

/// What a client may send to a server, good in itself.
fn conversation() -> Vec<u8> {
    [
        masked(0x82, b"data"),
        masked(0x02, b"frag"),
        masked(0x89, b"ping"),
        masked(0x80, &[1; 130]),
        masked(0x8A, b""),
        masked(0x88, b"\x03\xe8done"),
    ]
    .concat()
}

#[test]
fn damage_anywhere_ends_in_data_or_an_error_and_a_cut_is_noticed() {
    let good = conversation();
    let mut borders = vec![0];
    for at in 0..good.len() {
        for bit in 0..8 {
            let mut bytes = good.clone();
            bytes[at] ^= 1 << bit;
            match receive(&bytes).0 {
                Ok(data) => assert!(data.len() <= 4 + 4 + 130 + 4, "byte {at}, bit {bit}"),
                Err(error) => {
                    assert!(matches!(error, Error::Violation | Error::Truncated), "{error}");
                }
            }
        }
        match receive(&good[..at]).0 {
            Ok(_) => borders.push(at),
            Err(error) => assert_eq!(error, Error::Truncated, "cut at {at}"),
        }
    }
    // Between frames the end is no error.
    assert_eq!(borders, [0, 0, 10, 20, 30, 168, 174]);
}

#[test]
fn a_request_damaged_anywhere_is_answered_or_waited_for() {
    for at in 0..REQUEST.len() {
        for byte in [0, b'\n', b'\r', b' ', b':', b'A', 0x80, 0xFF] {
            let mut request = REQUEST.as_bytes().to_vec();
            request[at] = byte;
            let (accepted, answer) = accept(&request);
            match accepted {
                Ok(()) => assert!(answer.starts_with("HTTP/1.1 101 ")),
                Err(Error::BadRequest(status)) => {
                    assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")));
                }
                Err(error) => assert_eq!((error, answer.as_str()), (Error::Truncated, "")),
            }
        }
        assert_eq!(accept(&REQUEST.as_bytes()[..at]).0, Err(Error::Truncated));
    }
}

proptest! {
    /// Any bytes, in any pieces, flushed or not, through a stream that takes little at a time, with
    /// reads of any size, both ways at once.
    #[test]
    fn what_is_written_is_read_both_ways(
        pieces in prop::collection::vec((0usize..3000, any::<bool>()), 1..20),
        large in 0usize..150_000,
        capacity in 300usize..5000,
        size in 1usize..70_000,
    ) {
        run(async {
            let (client, server) = both(capacity).await;
            let piece = |length: usize, from: usize| -> Vec<u8> {
                (0..length).map(|at| (at * 7 + from) as u8).collect()
            };
            let expected: Vec<u8> = pieces
                .iter()
                .chain([&(large, true)])
                .enumerate()
                .flat_map(|(index, (length, _))| piece(*length, index))
                .collect();
            let expected = &expected;
            let side = |socket: WebSocket<Pipe>| {
                let pieces = &pieces;
                async move {
                    let (mut reader, mut writer) = socket.split();
                    let send = async {
                        for (index, (length, flush)) in
                            pieces.iter().chain([&(large, true)]).enumerate()
                        {
                            writer.write_all(&piece(*length, index)).await.unwrap();
                            if *flush {
                                writer.flush().await.unwrap();
                            }
                        }
                    };
                    let receive = async {
                        let mut got = Vec::new();
                        let mut buffer = vec![0; size];
                        while got.len() < expected.len() {
                            let read = reader.read(&mut buffer).await.unwrap();
                            assert_ne!(read, 0);
                            got.extend_from_slice(&buffer[..read]);
                        }
                        assert!(&got == expected);
                    };
                    join(send, receive).await;
                    writer.shutdown().await.unwrap();
                    reader
                }
            };
            let (mut client, mut server) = join(side(client), side(server)).await;
            assert_eq!(client.read(&mut [0; 1]).await, Ok(0));
            assert_eq!(server.read(&mut [0; 1]).await, Ok(0));
        });
    }

    #[test]
    fn any_frames_end_in_data_or_an_error(
        frames in prop::collection::vec(prop_oneof![
            (any::<u8>(), prop::collection::vec(any::<u8>(), 0..200))
                .prop_map(|(first, payload)| masked(first, &payload)),
            (0u8..3, prop::collection::vec(any::<u8>(), 0..200))
                .prop_map(|(first, payload)| masked(first & 2, &payload)),
            prop::collection::vec(any::<u8>(), 0..20),
        ], 0..12)
    ) {
        let frames = frames.concat();
        let (read, said) = receive(&frames);
        if let Ok(data) = read {
            prop_assert!(data.len() <= frames.len());
        }
        prop_assert!(said.len() <= frames.len() + 4);
    }
}
