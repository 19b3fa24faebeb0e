//! A particle's message: read or refused, whatever the pieces, and what is read is written the same.

use embedded_io_async::Write;
use futures_util::{FutureExt, join};
use netstack::libp2p::particle::{self, Message, ReadError};
use netstack::{Stream, pipe};

use super::Reader;
use super::support::{Clock, run_alone};

/// What a receiver takes here: more than an input has, so that lengths in it matter.
const MAX_BYTES: usize = 100_000;

/// The first byte says what of the framing the rest has (bit 0: a length, bit 1: a multicodec, bit 2: the
/// head of a map of as many entries as bits 3 to 7 say), the second the size of the pieces in which it
/// arrives.
pub fn run(bytes: &[u8]) {
    let mut input = Reader::new(bytes);
    let (framing, piece) = (input.byte(), usize::from(input.byte()).max(1));
    let mut message = Vec::new();
    if framing & 2 == 0 {
        message.extend([0x81, 0x04]);
        if framing & 4 == 0 {
            message.extend([0xde, 0, framing >> 3]);
        }
    }
    message.extend_from_slice(input.rest());
    let framed = if framing & 1 == 0 { framed(&message) } else { message };

    let whole = read(&framed);
    assert_eq!(in_pieces(&framed, piece), whole, "pieces must not matter");
    let Ok(message) = whole else { return };
    let _ = message.verify();
    assert!(message.data.len() + message.script.len() <= framed.len());
    assert!(message.data.capacity() <= message.data.len().max(1 << 16));
    let written = write(&message);
    assert_eq!(written.len(), particle::encoded_bytes(&message));
    assert_eq!(read(&self::framed(&written)).as_ref(), Ok(&message));
}

fn framed(message: &[u8]) -> Vec<u8> {
    let mut framed = Vec::new();
    netstack::libp2p::protobuf::put_varint(&mut framed, message.len() as u64);
    framed.extend_from_slice(message);
    framed
}

fn read(mut framed: &[u8]) -> Result<Message, ReadError> {
    particle::read(&mut framed, MAX_BYTES).now_or_never().expect("nothing to wait for")
}

fn in_pieces(framed: &[u8], piece: usize) -> Result<Message, ReadError> {
    let (mut ours, mut theirs) = pipe::pair(piece);
    let sending = async {
        let _ = ours.write_all(framed).await;
        let _ = ours.shutdown().await;
    };
    let receiving = async {
        let read = particle::read(&mut theirs, MAX_BYTES).await;
        // Lets go of who still sends.
        drop(theirs);
        read
    };
    run_alone(&Clock::default(), async { join!(sending, receiving).1 })
}

/// What is written, without the length in front.
fn write(message: &Message) -> Vec<u8> {
    let length = particle::encoded_bytes(message);
    let mut out = vec![0; length + 5];
    let mut rest = &mut out[..];
    let written = particle::write(&mut rest, message, length).now_or_never();
    assert_eq!(written, Some(Ok(())), "it has the length that it says");
    let left = rest.len();
    out.truncate(out.len() - left);
    out.split_off(out.len() - length)
}
