//! Packets that belong to no connection, or have no place in one.

use super::*;

#[test]
fn strangers_are_reset_but_resets_are_not_answered() {
    let (mut world, _listener) = listening();
    let elsewhere = End { own_port: PORT + 1, ..end(1) };
    for operation in [
        Operation::Request,
        Operation::Response,
        Operation::Shutdown,
        Operation::Data,
        Operation::CreditUpdate,
        Operation::CreditRequest,
    ] {
        world.tell(elsewhere, operation);
        let sent = world.sent();
        assert_eq!((sent.len(), sent[0].0), (1, Operation::Reset), "{operation:?}");
        assert_eq!(sent[0].1.to, Address { cid: HOST, port: 1 });
    }
    world.tell(elsewhere, Operation::Reset);
    assert!(world.sent().is_empty());
    // Another type of connection, and an operation that is none.
    world.give(Header { kind: 2, ..end(1).header(Operation::Request) }, &[]);
    world.give(Header { operation: 99, ..end(1).header(Operation::Request) }, &[]);
    assert_eq!(world.operations(), [Operation::Reset; 2]);
}

#[test]
fn packets_for_other_machines_are_dropped() {
    let (mut world, _listener) = listening();
    let header = end(1).header(Operation::Request);
    for cid in [0, 2, 4, u64::MAX, OWN | 1 << 32] {
        world.give(Header { to: Address { cid, port: PORT }, ..header }, &[]);
    }
    world.host.incoming.push_back(header.encode()[..43].to_vec());
    world.host.incoming.push_back(Header { length: 1, ..header }.encode().to_vec());
    assert!(world.sent().is_empty());
}

#[test]
fn connections_of_other_machines_are_told_apart() {
    let (mut world, listener) = listening();
    let own = world.accepted(&listener, end(1));
    let mut other = end(1).header(Operation::Request);
    other.from.cid = 9;
    world.give(other, &[]);
    let (stream, peer) = now(listener.accept()).unwrap();
    assert_eq!((peer.cid, stream.peer()), (9, peer));
    world.give(Header { operation: Operation::Data as u16, ..other }, b"x");
    assert_eq!((read(&own), read(&stream)), (None, Some(Ok(b"x".to_vec()))));
}

#[test]
fn a_request_or_response_on_a_connection_that_is_there_ends_it() {
    for operation in [Operation::Request, Operation::Response] {
        let (mut world, listener) = listening();
        let stream = world.accepted(&listener, end(1));
        world.tell(end(1), operation);
        assert_eq!(world.operations(), [Operation::Reset]);
        assert_eq!(read(&stream), Some(Err(VsockError::Reset)));
    }
}

#[test]
fn an_operation_that_is_none_leaves_the_connection_as_it_is() {
    let (mut world, listener) = listening();
    let stream = world.accepted(&listener, end(1));
    for operation in [0, 8, u16::MAX] {
        world.give(Header { operation, ..end(1).header(Operation::Data) }, b"nothing");
        assert!(world.sent().is_empty(), "{operation}");
    }
    world.give(end(1).header(Operation::Data), b"data");
    assert_eq!(read(&stream), Some(Ok(b"data".to_vec())));
}
