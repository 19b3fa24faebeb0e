//! Frames: data, control, violations, damage, both roles.

use super::*;

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
fn a_pong_that_found_no_room_leaves_later_though_nobody_writes() {
    run(async {
        let (socket, mut far) = server(300).await;
        let (mut reader, mut writer) = socket.split();
        writer.write_all(&[5; 500]).await.unwrap();
        assert_eq!(writer.flush().now_or_never(), None, "the stream is full");
        far.write_all(&masked(0x89, b"?")).await.unwrap();
        assert_eq!(reader.read(&mut [0; 9]).now_or_never(), None);
        // Data ends the read, while the pong has not left.
        far.write_all(&masked(0x82, b"data")).await.unwrap();
        assert_eq!(reader.read(&mut [0; 9]).await, Ok(4));
        let mut bytes = Vec::new();
        for _ in 0..4 {
            bytes.extend(written(&mut far));
            assert_eq!(reader.read(&mut [0; 9]).now_or_never(), None);
        }
        assert!(bytes == [plain(0x82, &[5; 500]), plain(0x8A, b"?")].concat());
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
