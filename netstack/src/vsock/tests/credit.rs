//! No more is sent than there is room for, on either side.

use super::*;
use crate::limits::VSOCK_RECEIVE_BYTES;

#[test]
fn no_more_is_sent_than_the_host_has_room_for() {
    let (mut world, listener) = listening();
    let small = End { buffer: 10, ..end(1) };
    let stream = world.accepted(&listener, small);
    assert_eq!(write(&stream, &[1; 25]), Some(Ok(25)));
    let sent = world.sent();
    assert_eq!((sent[0].2.len(), sent[1].0, sent.len()), (10, Operation::CreditRequest, 2));
    assert!(world.sent().is_empty(), "it is asked once");
    world.tell(End { forwarded: 4, ..small }, Operation::CreditUpdate);
    let sent = world.sent();
    assert_eq!((sent[0].2.len(), sent[1].0), (4, Operation::CreditRequest));
    // Room that cannot be is none: more taken than was sent, and a buffer that shrank.
    world.tell(End { forwarded: 15, ..small }, Operation::CreditUpdate);
    world.tell(End { forwarded: 14, buffer: 0, ..small }, Operation::CreditUpdate);
    assert!(world.sent().is_empty());
    world.tell(End { forwarded: 14, buffer: 100, ..small }, Operation::CreditUpdate);
    assert_eq!(world.sent()[0].2.len(), 11);
    assert_eq!(now((&stream).flush()), Some(Ok(())));
}

#[test]
fn counts_go_round_after_four_gibibytes() {
    let (mut world, listener) = listening();
    let stream = world.accepted(&listener, end(1));
    world.vsock.inner().connection(0).unwrap().count_as_passed(u32::MAX - 2);
    let late = End { forwarded: u32::MAX - 2, ..end(1) };
    world.tell(late, Operation::CreditUpdate);
    assert_eq!(write(&stream, b"0123456789"), Some(Ok(10)));
    assert_eq!(world.sent()[0].2.len(), 10);
    world.tell(End { forwarded: 7, ..end(1) }, Operation::CreditUpdate);
    assert_eq!(write(&stream, &[0; 60_000]), Some(Ok(60_000)));
    assert_eq!(world.sent()[0].2.len(), 60_000);
    world.give(late.header(Operation::Data), b"abcdef");
    assert_eq!(read(&stream), Some(Ok(b"abcdef".to_vec())));
    world.tell(end(1), Operation::CreditRequest);
    assert_eq!(world.sent()[0].1.forwarded, 3);
}

#[test]
fn the_host_learns_of_room_when_enough_was_read_and_when_it_asks() {
    let (mut world, listener) = listening();
    let stream = world.accepted(&listener, end(1));
    let step = VSOCK_RECEIVE_BYTES / 4;
    world.give(end(1).header(Operation::Data), &vec![0; step - 1]);
    assert!(read(&stream).is_some());
    assert!(world.sent().is_empty());
    world.tell(end(1), Operation::CreditRequest);
    assert_eq!(world.operations(), [Operation::CreditUpdate]);
    world.give(end(1).header(Operation::Data), &vec![0; step]);
    assert!(read(&stream).is_some());
    let sent = world.sent();
    assert_eq!((sent[0].0, sent[0].1.forwarded as usize), (Operation::CreditUpdate, 2 * step - 1));
}

#[test]
fn a_host_that_sends_more_than_there_is_room_for_is_reset() {
    for (bytes, good) in [(VSOCK_RECEIVE_BYTES, true), (VSOCK_RECEIVE_BYTES + 1, false)] {
        let (mut world, listener) = listening();
        let stream = world.accepted(&listener, end(1));
        let data = vec![3; bytes];
        for piece in data.chunks(8000) {
            world.give(end(1).header(Operation::Data), piece);
        }
        let expected: &[Operation] = if good { &[] } else { &[Operation::Reset] };
        assert_eq!(world.operations(), expected, "{bytes}");
        let whole = 8000 * (bytes / 8000);
        let first = read(&stream).unwrap().unwrap();
        assert_eq!(first.len(), if good { bytes } else { whole });
        assert_eq!(read(&stream), (!good).then_some(Err(VsockError::Reset)));
    }
}
