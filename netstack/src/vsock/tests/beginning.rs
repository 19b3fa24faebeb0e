//! How connections begin: accepted, answered, refused, given up.

use super::*;
use crate::limits::{VSOCK_CONNECTIONS, VSOCK_RECEIVE_BYTES};

#[test]
fn a_request_is_accepted_at_once_before_anybody_takes_it() {
    let (mut world, listener) = listening();
    world.tell(end(1000), Operation::Request);
    let [(Operation::Response, header, _)] = &world.sent()[..] else { panic!("no response") };
    assert_eq!(header.from, Address { cid: OWN, port: PORT });
    assert_eq!(header.to, Address { cid: HOST, port: 1000 });
    assert_eq!(header.buffer as usize, VSOCK_RECEIVE_BYTES);
    assert!(now(listener.accept()).is_some() && now(listener.accept()).is_none());
}

#[test]
fn connecting_waits_for_the_answer() {
    let mut world = World::new();
    let vsock = world.vsock.clone();
    let mut attempt = pin!(VsockStream::connect(&vsock, Address { cid: HOST, port: PORT }));
    assert!(attempt.as_mut().now_or_never().is_none());
    let sent = world.sent();
    assert_eq!((sent[0].0, sent[0].1.to), (Operation::Request, Address { cid: HOST, port: PORT }));
    let answer = End { host_port: PORT, own_port: sent[0].1.from.port, ..end(1) };
    world.tell(answer, Operation::Response);
    let stream = attempt.now_or_never().expect("it is answered").unwrap();
    assert_eq!(write(&stream, b"ready"), Some(Ok(5)));
    assert_eq!(world.operations(), [Operation::Data]);
}

#[test]
fn refused_connections_are_told_and_the_next_has_another_port() {
    let mut world = World::new();
    let vsock = world.vsock.clone();
    let mut ports = Vec::new();
    for _ in 0..2 * VSOCK_CONNECTIONS {
        let mut attempt = pin!(VsockStream::connect(&vsock, Address { cid: HOST, port: PORT }));
        assert!(attempt.as_mut().now_or_never().is_none());
        let port = world.sent()[0].1.from.port;
        assert!(!ports.contains(&port));
        ports.push(port);
        world.tell(End { host_port: PORT, own_port: port, ..end(1) }, Operation::Reset);
        let refused = attempt.now_or_never().expect("it is answered");
        assert_eq!(refused.err(), Some(VsockError::Refused));
    }
    assert_eq!(vsock.connections(), 0);
}

#[test]
fn an_attempt_that_is_given_up_leaves_nothing_behind() {
    let mut world = World::new();
    for polled in [false, true] {
        let vsock = world.vsock.clone();
        {
            let mut attempt = pin!(VsockStream::connect(&vsock, Address { cid: HOST, port: PORT }));
            assert!(attempt.as_mut().now_or_never().is_none());
            if polled {
                assert_eq!(world.operations(), [Operation::Request]);
            }
        }
        let expected: &[Operation] = if polled { &[Operation::Reset] } else { &[] };
        assert_eq!(world.operations(), expected);
        assert_eq!(vsock.connections(), 0);
    }
}
