//! multistream-select, both sides, against a second reading of the same bytes.

use futures_util::future::join;
use netstack::libp2p::limits::{
    MULTISTREAM_MESSAGE_BYTES, PROTOCOL_NAME_BYTES, PROTOCOL_PROPOSALS,
};
use netstack::libp2p::multistream::{self, Error};
use netstack::{Split, pipe};

use super::Reader;
use super::pieces::{drain, feed};
use super::support::{Clock, run_alone};

const HEADER: &[u8] = b"/multistream/1.0.0";
const SPOKEN: [&str; 3] = ["/noise", "/yamux/1.0.0", "/fluence/particle/2.0.0"];
/// Messages of an input at most.
const MAX_MESSAGES: usize = 2 * PROTOCOL_PROPOSALS;
/// Room of the pipe: more than anything that is written without being read.
const ROOM: usize = 1 << 20;

/// How a negotiation ends; errors of the stream cannot come.
#[derive(Debug, PartialEq)]
enum End {
    Agreed(&'static str),
    Closed,
    Malformed,
    TooLong,
    TooMany,
    Refused,
}

/// The first byte says how the input is made and whether it is a dialer's or a listener's, the second the
/// size of the pieces.
pub fn run(bytes: &[u8]) {
    let mut input = Reader::new(bytes);
    let (mode, size) = (input.byte(), input.byte());
    let sent = if mode & 1 == 0 { messages(input) } else { input.rest().to_vec() };
    let listens = mode & 2 == 0;
    let expected = if listens { listened(&sent) } else { dialled(&sent) };
    for size in [0, size] {
        let (end, said) = talk(&sent, listens, size);
        assert_eq!(end, expected.0);
        // A side that gives up does not say what it has not said by then.
        let all = matches!(end, End::Agreed(_)) || !listens;
        assert!(said == expected.1 || (!all && expected.1.starts_with(&said)), "{said:?}");
    }
}

/// Messages that may belong there.
fn messages(mut input: Reader<'_>) -> Vec<u8> {
    let mut sent = Vec::new();
    for _ in 0..MAX_MESSAGES {
        if input.is_empty() {
            break;
        }
        match input.byte() % 10 {
            0..3 => put(&mut sent, HEADER),
            3..5 => put(&mut sent, SPOKEN[usize::from(input.byte()) % 3].as_bytes()),
            5 => put(&mut sent, b"ls"),
            6 => put(&mut sent, b"na"),
            7 => put(&mut sent, &vec![b'/'; usize::from(input.u16()) % 1100]),
            8 => {
                let length = usize::from(input.byte());
                put(&mut sent, input.bytes(length));
            }
            _ => {
                let length = usize::from(input.byte());
                sent.extend_from_slice(input.bytes(length));
            }
        }
    }
    sent
}

fn put(sent: &mut Vec<u8>, text: &[u8]) {
    let mut length = text.len() + 1;
    while length >= 0x80 {
        sent.push((length & 0x7F) as u8 | 0x80);
        length >>= 7;
    }
    sent.push(length as u8);
    sent.extend_from_slice(text);
    sent.push(b'\n');
}

/// What this side makes of `sent`, and what it says.
fn talk(sent: &[u8], listens: bool, size: u8) -> (End, Vec<u8>) {
    let clock = Clock::default();
    run_alone(&clock, async {
        let (mut near, mut far) = pipe::pair(ROOM);
        let here = async {
            let chosen = if listens {
                multistream::listen(&mut near, &SPOKEN).await
            } else {
                multistream::dial(&mut near, SPOKEN[0]).await.map(|()| SPOKEN[0])
            };
            let _ = netstack::Stream::shutdown(&mut near).await;
            (chosen, near)
        };
        let ((chosen, _near), ()) = join(here, feed(&clock, &mut far, sent, size)).await;
        let (mut reader, _writer) = far.split();
        let said = drain(&mut reader).await;
        let end = match chosen {
            Ok(name) => End::Agreed(name),
            Err(Error::Closed) => End::Closed,
            Err(Error::Malformed) => End::Malformed,
            Err(Error::TooLong) => End::TooLong,
            Err(Error::TooManyProposals) => End::TooMany,
            Err(Error::Refused) => End::Refused,
            Err(Error::Stream(error)) => panic!("the pipe is whole: {error:?}"),
        };
        (end, said)
    })
}

/// The next message, read from all that was sent.
fn next<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], End> {
    let (length, after) = match rest {
        [] => return Err(End::Closed),
        [first @ ..0x80, after @ ..] => (usize::from(*first), after),
        [_] => return Err(End::Closed),
        [_, 0, ..] => return Err(End::Malformed),
        [first, second @ ..0x80, after @ ..] => {
            (usize::from(first & 0x7F) | usize::from(*second) << 7, after)
        }
        _ => return Err(End::TooLong),
    };
    match length {
        0 => return Err(End::Malformed),
        1..=MULTISTREAM_MESSAGE_BYTES => {}
        _ => return Err(End::TooLong),
    }
    let (message, after) = after.split_at_checked(length).ok_or(End::Closed)?;
    *rest = after;
    message.strip_suffix(b"\n").ok_or(End::Malformed)
}

fn listened(sent: &[u8]) -> (End, Vec<u8>) {
    let mut said = Vec::new();
    let end = listened_until(sent, &mut said);
    (end, said)
}

fn listened_until(mut rest: &[u8], said: &mut Vec<u8>) -> End {
    match next(&mut rest) {
        Ok(text) if text == HEADER => put(said, HEADER),
        Ok(_) => return End::Malformed,
        Err(end) => return end,
    }
    for _ in 0..PROTOCOL_PROPOSALS {
        let text = match next(&mut rest) {
            Ok(text) if text == HEADER => return End::Malformed,
            Ok(text) => text,
            Err(end) => return end,
        };
        assert!(SPOKEN.iter().all(|name| name.len() <= PROTOCOL_NAME_BYTES));
        if let Some(name) = SPOKEN.iter().find(|name| name.as_bytes() == text) {
            put(said, text);
            return End::Agreed(name);
        }
        if text == b"ls" {
            let mut list = Vec::new();
            SPOKEN.iter().for_each(|name| put(&mut list, name.as_bytes()));
            put(said, &list);
        } else {
            put(said, b"na");
        }
    }
    End::TooMany
}

fn dialled(mut rest: &[u8]) -> (End, Vec<u8>) {
    let mut said = Vec::new();
    put(&mut said, HEADER);
    put(&mut said, SPOKEN[0].as_bytes());
    let end = match next(&mut rest) {
        Ok(text) if text == HEADER => match next(&mut rest) {
            Ok(b"na") => End::Refused,
            Ok(text) if text == SPOKEN[0].as_bytes() => End::Agreed(SPOKEN[0]),
            Ok(_) => End::Malformed,
            Err(end) => end,
        },
        Ok(_) => End::Malformed,
        Err(end) => end,
    };
    (end, said)
}
