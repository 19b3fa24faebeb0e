//! What a host can make us hold and do is bounded.

use super::*;
use crate::limits::{
    VSOCK_BACKLOG, VSOCK_CONNECTIONS, VSOCK_LISTENERS, VSOCK_PACKETS_PER_POLL, VSOCK_RESETS,
};

#[test]
fn bounds_on_connections_backlog_and_ports_hold() {
    let (mut world, listener) = listening();
    for port in 0..u32::try_from(VSOCK_BACKLOG).unwrap() {
        world.tell(end(port), Operation::Request);
        assert_eq!(world.operations(), [Operation::Response]);
    }
    world.tell(end(5000), Operation::Request);
    assert_eq!(world.operations(), [Operation::Reset], "the backlog is full");
    let mut streams = Vec::new();
    while let Some((stream, _)) = now(listener.accept()) {
        streams.push(stream);
    }
    assert_eq!(streams.len(), VSOCK_BACKLOG);
    while streams.len() < VSOCK_CONNECTIONS {
        let port = u32::try_from(streams.len()).unwrap();
        streams.push(world.accepted(&listener, end(port)));
    }
    world.tell(end(5000), Operation::Request);
    assert_eq!(world.operations(), [Operation::Reset], "there are no more");
    let attempt = now(VsockStream::connect(&world.vsock, Address { cid: HOST, port: 1 }));
    assert_eq!(attempt.unwrap().err(), Some(VsockError::Exhausted));

    let mut listeners: Vec<_> =
        (1..).map_while(|port| VsockListener::bind(&world.vsock, port).ok()).collect();
    assert_eq!(listeners.len(), VSOCK_LISTENERS - 1);
    listeners.pop();
    assert_eq!(VsockListener::bind(&world.vsock, PORT).err(), Some(VsockError::PortTaken));
    assert!(VsockListener::bind(&world.vsock, PORT + 1).is_ok());
}

#[test]
fn a_device_that_takes_nothing_is_not_listened_to_for_ever() {
    let (mut world, _listener) = listening();
    world.host.room = Some(0);
    let stranger = End { own_port: 1, ..end(1) }.header(Operation::Data).encode().to_vec();
    world.host.incoming = core::iter::repeat_n(stranger, 10 * VSOCK_RESETS).collect();
    for _ in 0..20 {
        world.poll();
    }
    assert_eq!(world.host.incoming.len(), 9 * VSOCK_RESETS);
    world.host.room = None;
    assert_eq!(world.operations().len(), VSOCK_RESETS);
}

#[test]
fn one_poll_has_a_budget_and_asks_for_another() {
    let (mut world, listener) = listening();
    let _stream = world.accepted(&listener, end(1));
    let update = end(1).header(Operation::CreditUpdate).encode().to_vec();
    world.host.incoming = core::iter::repeat_n(update, VSOCK_PACKETS_PER_POLL + 1).collect();
    assert_eq!((world.poll(), world.host.incoming.len()), (Some(world.now), 1));
    assert_eq!(world.poll(), None);
}
