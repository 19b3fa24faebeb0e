//! WebSocket: handshakes and frames of RFC 6455, both roles, against scripted peers.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "a test may fail by panicking, and its numbers are small"
)]

#[path = "../support/recording.rs"]
mod recording;
#[path = "../support/mod.rs"]
mod support;

mod frames;
mod handshake;
mod messages;

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
