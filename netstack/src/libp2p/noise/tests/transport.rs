//! What follows the handshake: messages sealed, opened, damaged, and the memory they take.

use futures_util::FutureExt;
use proptest::prelude::*;

use super::*;

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
