//! The recording, and what runs both sides.

use alloc::vec;
use alloc::vec::Vec;
use core::convert::Infallible;
use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll};

use embedded_io_async::{BufRead, Read, Write};
use futures_util::future::join;
use futures_util::task::noop_waker_ref;
use rand_core::{TryCryptoRng, TryRng};

use super::cipher::Cipher;
use super::*;
use crate::Stream;
use crate::libp2p::Keypair;
use crate::libp2p::limits::*;
use crate::pipe::{self, Pipe};

mod handshake;
mod transport;

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
    let text = include_str!("../../../../tests/data/libp2p/javascript-client.hex");
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

/// A message of `length` bytes.
fn message(length: usize) -> Vec<u8> {
    let mut bytes = u16::try_from(length).unwrap().to_be_bytes().to_vec();
    bytes.resize(2 + length, 9);
    bytes
}
