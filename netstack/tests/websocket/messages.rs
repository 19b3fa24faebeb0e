//! Whole messages of a server, as a client that subscribed to them sees them.

use super::*;
use netstack::websocket::{Message, Messages};

const MOST: usize = 1000;

/// A client that has subscribed, and the server's end.
async fn subscribed() -> (Messages<Pipe>, Pipe) {
    let (near, mut far) = pipe::pair(1 << 17);
    let client = websocket::subscribe(near, "node:4024", "/api/ws0/messages?history=0", secrets(1));
    let server = async {
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            far.read_exact(&mut byte).await.unwrap();
            request.extend(byte);
        }
        let request = String::from_utf8(request).unwrap();
        let line = "GET /api/ws0/messages?history=0 HTTP/1.1\r\nHost: node:4024\r\n";
        assert!(request.starts_with(line), "{request}");
        let key = request.split("Sec-WebSocket-Key: ").nth(1).unwrap().split('\r').next().unwrap();
        far.write_all(answer_to(key).as_bytes()).await.unwrap();
    };
    let (client, ()) = join(client, server).await;
    (client.unwrap(), far)
}

fn answer_to(key: &str) -> String {
    use base64::Engine;
    use sha1::Digest;
    let hash = sha1::Sha1::new()
        .chain_update(key)
        .chain_update("258EAFA5-E914-47DA-95CA-C5AB0DC85B11")
        .finalize();
    let accept = base64::prelude::BASE64_STANDARD.encode(hash);
    ANSWER.replace("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", &accept)
}

/// What a client makes of these frames, up to and including the first end; and what it answers.
fn take(frames: &[u8]) -> (Vec<Message>, Option<Error<ErrorKind>>, Vec<u8>) {
    run(async {
        let (mut messages, mut far) = subscribed().await;
        far.write_all(frames).await.unwrap();
        far.shutdown().await.unwrap();
        let mut all = Vec::new();
        let error = loop {
            match messages.next(MOST).await {
                Ok(Some(message)) => all.push(message),
                Ok(None) => break None,
                Err(error) => break Some(error),
            }
        };
        (all, error, written(&mut far))
    })
}

fn text(text: &str) -> Message {
    Message::Text(text.to_owned())
}

#[test]
fn messages_keep_their_kind_and_their_borders() {
    let frames = [
        plain(0x81, b"first"),
        plain(0x82, b"\xff"),
        plain(0x81, b""),
        plain(0x01, "h\u{e9}".as_bytes().split_at(2).0),
        plain(0x89, b"ping"),
        plain(0x80, &"h\u{e9}".as_bytes()[2..]),
        plain(0x88, &1000_u16.to_be_bytes()),
    ];
    let (messages, error, answer) = take(&frames.concat());
    let expected = [text("first"), Message::Binary(vec![0xff]), text(""), text("h\u{e9}")];
    assert_eq!((messages.as_slice(), error), (expected.as_slice(), None));
    // A pong and a close, both masked.
    assert_eq!((answer[0], answer[1]), (0x8A, 0x80 | 4));
    assert_eq!(answer[10], 0x88);
}

#[test]
fn a_message_has_its_bound_in_one_frame_and_in_many() {
    for (last, fits) in [(MOST, true), (MOST + 1, false)] {
        let whole = plain(0x81, &vec![b'a'; last]);
        let parts = [
            plain(0x01, &vec![b'a'; MOST / 2]),
            plain(0x00, b""),
            plain(0x80, &vec![b'a'; last - MOST / 2]),
        ];
        for frames in [whole, parts.concat()] {
            let (messages, error, answer) = take(&frames);
            assert_eq!(messages.len(), usize::from(fits));
            assert_eq!(error, (!fits).then_some(Error::Violation));
            assert_eq!(answer.first(), (!fits).then_some(&0x88));
        }
    }
}

#[test]
fn what_is_no_text_or_not_whole_is_an_error() {
    for (frames, error) in [
        (plain(0x81, b"\xff"), Error::Violation),
        (plain(0x01, b"a"), Error::Truncated),
        ([plain(0x01, b"a"), plain(0x81, b"b")].concat(), Error::Violation),
        (plain(0x80, b"a"), Error::Violation),
        (plain(0xC1, b"a"), Error::Violation),
        (masked(0x81, b"a"), Error::Violation),
        (plain(0x81, b"abc")[..4].to_vec(), Error::Truncated),
    ] {
        assert_eq!(take(&frames).1, Some(error), "{frames:?}");
    }
}

#[test]
fn a_target_that_cannot_be_sent_is_not() {
    run(async {
        for (host, target) in [("a b", "/"), ("a", "x"), ("a", "/\r\nX: y"), ("a\r\n", "/")] {
            let (near, mut far) = pipe::pair(100);
            let opened = websocket::subscribe(near, host, target, secrets(1)).await;
            assert_eq!(opened.map(drop), Err(Error::BadAnswer));
            assert!(written(&mut far).is_empty());
        }
    });
}

#[test]
fn a_wait_that_was_given_up_loses_nothing() {
    run(async {
        let (mut messages, mut far) = subscribed().await;
        let frame = plain(0x81, b"whole");
        for byte in &frame[..frame.len() - 1] {
            far.write_all(&[*byte]).await.unwrap();
            assert_eq!(messages.next(MOST).now_or_never(), None);
        }
        far.write_all(&frame[frame.len() - 1..]).await.unwrap();
        assert_eq!(messages.next(MOST).await, Ok(Some(text("whole"))));
    });
}

proptest! {
    #[test]
    fn any_frames_give_messages_within_the_bound(frames in prop::collection::vec(any::<u8>(), 0..400)) {
        let (messages, _, _) = take(&frames);
        for message in messages {
            let length = match message {
                Message::Text(text) => text.len(),
                Message::Binary(bytes) => bytes.len(),
            };
            prop_assert!(length <= MOST);
        }
    }

    #[test]
    fn texts_come_back_however_they_are_cut(texts in prop::collection::vec(".{0,40}", 0..6), cut in 1..9_usize) {
        let mut frames = Vec::new();
        for text in &texts {
            let parts: Vec<&[u8]> = text.as_bytes().chunks(cut).collect();
            let count = parts.len().max(1);
            for at in 0..count {
                let opcode = u8::from(at == 0);
                let last = if at + 1 == count { 0x80 } else { 0 };
                frames.extend(plain(opcode | last, parts.get(at).copied().unwrap_or_default()));
            }
        }
        let (messages, error, _) = take(&frames);
        let expected: Vec<Message> = texts.iter().map(|one| text(one)).collect();
        prop_assert_eq!((messages, error), (expected, None));
    }
}
