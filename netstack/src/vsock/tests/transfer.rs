//! What is written arrives, in order, and leaves in turn.

use super::*;
use crate::limits::VSOCK_SEND_BYTES;
use proptest::prelude::*;

#[test]
fn bytes_go_both_ways() {
    let (mut world, listener) = listening();
    let stream = world.accepted(&listener, end(1));
    assert!(read(&stream).is_none());
    world.give(end(1).header(Operation::Data), b"hello");
    assert_eq!(read(&stream), Some(Ok(b"hello".to_vec())));
    assert_eq!(write(&stream, b"world"), Some(Ok(5)));
    let sent = world.sent();
    assert_eq!((sent[0].0, &*sent[0].2), (Operation::Data, &b"world"[..]));
    assert_eq!(sent[0].1.forwarded, 5, "every packet tells what was read");
}

#[test]
fn what_is_written_in_one_go_leaves_in_one_packet() {
    let (mut world, listener) = listening();
    let stream = world.accepted(&listener, end(1));
    let data = vec![7; VSOCK_SEND_BYTES - HEADER_BYTES];
    assert_eq!(write(&stream, &data), Some(Ok(data.len())));
    let sent = world.sent();
    assert_eq!((sent.len(), &sent[0].2), (1, &data));
}

#[test]
fn connections_send_in_turn() {
    let (mut world, listener) = listening();
    let streams: Vec<_> = (0..3).map(|port| world.accepted(&listener, end(port))).collect();
    world.host.packet_bytes = HEADER_BYTES + 10;
    for stream in &streams {
        assert_eq!(write(stream, &[0; 20]), Some(Ok(20)));
    }
    let ports: Vec<u32> = world.sent().iter().map(|(_, header, _)| header.to.port).collect();
    assert_eq!(ports, [0, 1, 2, 0, 1, 2]);
}

#[test]
fn a_writer_that_waits_goes_on_when_there_is_room() {
    let (mut world, listener) = listening();
    let stream = world.accepted(&listener, end(1));
    let data = vec![1; VSOCK_SEND_BYTES + 1];
    assert_eq!(write(&stream, &data), Some(Ok(VSOCK_SEND_BYTES)));
    assert_eq!(write(&stream, b"x"), None);
    world.sent();
    assert_eq!(write(&stream, b"x"), Some(Ok(1)));
}

proptest! {
    #[test]
    fn a_transfer_in_any_pieces_arrives_whole(
        pieces in proptest::collection::vec(1..90_000_usize, 1..8),
        buffer in 1..80_000_u32,
        packet_bytes in HEADER_BYTES + 1..70_000_usize,
    ) {
        let (mut world, listener) = listening();
        world.host.packet_bytes = packet_bytes;
        let mut peer = End { buffer, ..end(1) };
        let stream = world.accepted(&listener, peer);
        let mixed = |at: usize| at.to_le_bytes()[0] ^ at.to_le_bytes()[1];
        let data: Vec<u8> = (0..pieces.iter().sum()).map(mixed).collect();
        let (mut rest, mut received) = (&data[..], Vec::new());
        let mut sizes = pieces.iter().cycle();
        for _ in 0..1_000_000 {
            if received.len() == data.len() {
                break;
            }
            let wanted = rest.len().min(*sizes.next().unwrap());
            if let Some(Ok(count)) = write(&stream, &rest[..wanted]) {
                rest = &rest[count..];
            }
            for (operation, _, bytes) in world.sent() {
                if operation == Operation::Data {
                    received.extend(bytes);
                }
            }
            let taken = u32::try_from(received.len()).unwrap();
            prop_assert!(taken - peer.forwarded <= buffer);
            peer.forwarded = taken;
            world.tell(peer, Operation::CreditUpdate);
        }
        prop_assert!(received == data);
    }
}
