//! multistream-select: what both sides say, and what ends it.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test may fail by panicking"
)]

mod support;

use embedded_io_async::{ErrorKind, Read, Write};
use futures_util::FutureExt;
use futures_util::future::join;
use netstack::Stream;
use netstack::libp2p::limits::{
    MULTISTREAM_MESSAGE_BYTES, PROTOCOL_NAME_BYTES, PROTOCOL_PROPOSALS,
};
use netstack::libp2p::multistream::{self, Error};
use netstack::pipe::{self, Pipe};
use proptest::prelude::*;
use support::{Clock, run_alone};

const HEADER: &[u8] = b"\x13/multistream/1.0.0\n";
const SPOKEN: [&str; 3] = ["/noise", "/yamux/1.0.0", "/ipfs/id/1.0.0"];

/// A message with that text.
fn message(text: &[u8]) -> Vec<u8> {
    let length = text.len() + 1;
    let mut bytes = Vec::new();
    if length < 0x80 {
        bytes.push(u8::try_from(length).unwrap());
    } else {
        bytes.push(u8::try_from(length & 0x7F).unwrap() | 0x80);
        bytes.push(u8::try_from(length >> 7).unwrap());
    }
    bytes.extend_from_slice(text);
    bytes.push(b'\n');
    bytes
}

async fn written(stream: &mut Pipe) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 999];
    while let Some(Ok(read @ 1..)) = stream.read(&mut buffer).now_or_never() {
        bytes.extend_from_slice(&buffer[..read]);
    }
    bytes
}

/// What a listener makes of these bytes and the end of the stream, and what it answers.
fn listen(bytes: &[u8]) -> (Result<&'static str, Error<ErrorKind>>, Vec<u8>) {
    run_alone(&Clock::default(), async {
        let (mut near, mut far) = pipe::pair(1 << 17);
        far.write_all(bytes).await.unwrap();
        far.shutdown().await.unwrap();
        let chosen = multistream::listen(&mut near, &SPOKEN).await;
        (chosen, written(&mut far).await)
    })
}

/// What a dialer of `/noise` makes of these bytes and the end of the stream, and what it says.
fn dial(bytes: &[u8]) -> (Result<(), Error<ErrorKind>>, Vec<u8>) {
    run_alone(&Clock::default(), async {
        let (mut near, mut far) = pipe::pair(1 << 17);
        far.write_all(bytes).await.unwrap();
        far.shutdown().await.unwrap();
        let agreed = multistream::dial(&mut near, SPOKEN[0]).await;
        (agreed, written(&mut far).await)
    })
}

#[test]
fn messages_are_those_of_other_implementations() {
    let (agreed, said) = dial(b"\x13/multistream/1.0.0\n\x07/noise\n");
    assert_eq!((agreed, said.as_slice()), (Ok(()), &b"\x13/multistream/1.0.0\n\x07/noise\n"[..]));
    let (chosen, said) = listen(b"\x13/multistream/1.0.0\n\x0d/yamux/1.0.0\n");
    assert_eq!(chosen, Ok("/yamux/1.0.0"));
    assert_eq!(said, b"\x13/multistream/1.0.0\n\x0d/yamux/1.0.0\n");
}

#[test]
fn a_listener_refuses_lists_and_then_agrees() {
    let mut bytes = HEADER.to_vec();
    bytes.extend(message(b"/mplex/6.7.0"));
    bytes.extend(message(b"ls"));
    bytes.extend(message(b"/noise"));
    let (chosen, said) = listen(&bytes);
    assert_eq!(chosen, Ok("/noise"));
    let list = b"\x07/noise\n\x0d/yamux/1.0.0\n\x0f/ipfs/id/1.0.0\n";
    assert_eq!(said, [HEADER, b"\x03na\n", &message(list), b"\x07/noise\n"].concat());
}

#[test]
fn a_header_alone_is_answered_before_a_proposal_comes() {
    run_alone(&Clock::default(), async {
        let (mut near, mut far) = pipe::pair(64);
        let ask = async {
            far.write_all(HEADER).await.unwrap();
            let mut answer = [0; 20];
            far.read_exact(&mut answer).await.unwrap();
            assert_eq!(answer, HEADER);
            far.write_all(b"\x07/noise\n").await.unwrap();
        };
        let (chosen, ()) = join(multistream::listen(&mut near, &SPOKEN), ask).await;
        assert_eq!(chosen, Ok("/noise"));
    });
}

#[test]
fn nothing_beyond_the_negotiation_is_read() {
    run_alone(&Clock::default(), async {
        let (mut near, mut far) = pipe::pair(256);
        far.write_all(&[HEADER, b"\x07/noise\nrest"].concat()).await.unwrap();
        multistream::listen(&mut near, &SPOKEN).await.unwrap();
        assert_eq!(written(&mut near).await, b"rest");
        let (mut near, mut far) = pipe::pair(256);
        far.write_all(&[HEADER, b"\x07/noise\nrest"].concat()).await.unwrap();
        multistream::dial(&mut near, "/noise").await.unwrap();
        assert_eq!(written(&mut near).await, b"rest");
    });
}

#[test]
fn a_dialer_takes_a_refusal_and_no_other_answer() {
    let after_header = |answer: &[u8]| dial(&[HEADER, answer].concat()).0;
    assert_eq!(after_header(b"\x03na\n"), Err(Error::Refused));
    assert_eq!(after_header(b"\x0d/yamux/1.0.0\n"), Err(Error::Malformed));
    assert_eq!(after_header(HEADER), Err(Error::Malformed));
    assert_eq!(after_header(b""), Err(Error::Closed));
    assert_eq!(after_header(b"\x07/noi"), Err(Error::Closed));
    assert_eq!(dial(b"\x03na\n").0, Err(Error::Malformed));
    assert_eq!(dial(b"").0, Err(Error::Closed));
}

#[test]
fn what_is_out_of_order_or_no_message_is_refused() {
    for (bytes, error) in [
        (b"".to_vec(), Error::Closed),
        (HEADER[..19].to_vec(), Error::Closed),
        (HEADER.to_vec(), Error::Closed),
        (b"\x07/noise\n".to_vec(), Error::Malformed),
        (b"\x13/multistream/2.0.0\n".to_vec(), Error::Malformed),
        ([HEADER, HEADER].concat(), Error::Malformed),
        ([HEADER, &[0]].concat(), Error::Malformed),
        ([HEADER, b"\x07/noisee"].concat(), Error::Malformed),
        // The length is not in its shortest form.
        ([HEADER, b"\x87\x00/noise\n"].concat(), Error::Malformed),
        ([HEADER, b"\xff\xff\xff\x07"].concat(), Error::TooLong),
    ] {
        assert_eq!(listen(&bytes).0, Err(error), "{bytes:?}");
    }
}

#[test]
fn the_longest_message_is_read_past_and_a_longer_one_is_not() {
    let with = |length: usize| {
        let name = vec![b'/'; length - 1];
        listen(&[HEADER, &message(&name), b"\x07/noise\n"].concat()).0
    };
    for length in [
        PROTOCOL_NAME_BYTES,
        PROTOCOL_NAME_BYTES + 1,
        PROTOCOL_NAME_BYTES + 2,
        MULTISTREAM_MESSAGE_BYTES,
    ] {
        assert_eq!(with(length), Ok("/noise"), "{length}");
    }
    assert_eq!(with(MULTISTREAM_MESSAGE_BYTES + 1), Err(Error::TooLong));
}

#[test]
fn as_many_proposals_as_allowed_are_answered_and_no_more() {
    let with = |refused: usize| {
        let proposals = message(b"/no").repeat(refused);
        listen(&[HEADER, &proposals, b"\x07/noise\n"].concat())
    };
    assert_eq!(with(PROTOCOL_PROPOSALS - 1).0, Ok("/noise"));
    let (refused, said) = with(PROTOCOL_PROPOSALS);
    assert_eq!(refused, Err(Error::TooManyProposals));
    assert!(said.is_empty(), "nobody waited for the answers");
}

proptest! {
    #[test]
    fn any_bytes_end_a_negotiation(
        bytes in prop::collection::vec(prop_oneof![
            Just(HEADER.to_vec()),
            prop::collection::vec(any::<u8>(), 0..9),
            "[/a-z]{0,200}".prop_map(|text| message(text.as_bytes())),
        ], 0..9)
    ) {
        let bytes = bytes.concat();
        let (chosen, said) = listen(&bytes);
        prop_assert!(chosen.is_err() || bytes.ends_with(b"\n"));
        prop_assert!(said.is_empty() || said.starts_with(HEADER));
        prop_assert!(dial(&bytes).0.is_err() || bytes.starts_with(&[HEADER, b"\x07/noise\n"].concat()));
    }

    #[test]
    fn both_sides_agree_through_any_stream(capacity in 40usize..100, which in 0usize..3) {
        run_alone(&Clock::default(), async {
            let (mut near, mut far) = pipe::pair(capacity);
            let dialing = multistream::dial(&mut near, SPOKEN[which]);
            let (dialled, chosen) = join(dialing, multistream::listen(&mut far, &SPOKEN)).await;
            assert_eq!((dialled, chosen), (Ok(()), Ok(SPOKEN[which])));
        });
    }
}
