//! How connections end, and what is delivered before.

use super::*;
use crate::limits::VSOCK_LINGER;

#[test]
fn a_dropped_stream_delivers_ends_both_ways_and_is_acknowledged() {
    let (mut world, listener) = listening();
    let stream = world.accepted(&listener, end(1));
    assert_eq!(write(&stream, b"bye"), Some(Ok(3)));
    drop(stream);
    let settled = world.vsock.clone();
    assert_eq!(now(settled.wait_settled()), None);
    let sent = world.sent();
    assert_eq!((sent[0].0, &*sent[0].2), (Operation::Data, &b"bye"[..]));
    assert_eq!((sent[1].0, sent[1].1.flags), (Operation::Shutdown, NO_RECEIVE | NO_SEND));
    assert_eq!(world.vsock.connections(), 1);
    world.tell(end(1), Operation::Reset);
    assert!(world.sent().is_empty());
    assert_eq!((world.vsock.connections(), now(settled.wait_settled())), (0, Some(())));
}

#[test]
fn an_end_that_nobody_acknowledges_is_forced_in_time() {
    let (mut world, listener) = listening();
    drop(world.accepted(&listener, end(1)));
    assert_eq!(world.operations(), [Operation::Shutdown]);
    assert_eq!(world.poll(), Some(Instant::ZERO + VSOCK_LINGER));
    world.now += VSOCK_LINGER - Duration::from_micros(1);
    assert!(world.sent().is_empty());
    world.now += Duration::from_micros(1);
    assert_eq!(world.operations(), [Operation::Reset]);
    assert_eq!((world.vsock.connections(), world.poll()), (0, None));
}

#[test]
fn half_a_shutdown_ends_that_half_only() {
    let (mut world, listener) = listening();
    let stream = world.accepted(&listener, end(1));
    world.give(end(1).header(Operation::Data), b"last");
    world.shut(end(1), NO_SEND);
    assert_eq!(read(&stream), Some(Ok(b"last".to_vec())));
    assert_eq!(read(&stream), Some(Ok(Vec::new())));
    assert_eq!(write(&stream, b"answer"), Some(Ok(6)));
    assert_eq!(world.operations(), [Operation::Data]);
    let (_reader, mut writer) = stream.split();
    assert_eq!(now(writer.shutdown()), Some(Ok(())));
    let sent = world.sent();
    assert_eq!((sent[0].0, sent[0].1.flags), (Operation::Shutdown, NO_SEND));
    assert_eq!(now(writer.write(b"more")), Some(Err(VsockError::Closed)));
    world.shut(end(1), NO_RECEIVE);
    assert_eq!(world.operations(), [Operation::Reset], "both are over now");
}

#[test]
fn a_host_that_closes_is_acknowledged_and_what_it_sent_can_be_read() {
    let (mut world, listener) = listening();
    let stream = world.accepted(&listener, end(1));
    world.give(end(1).header(Operation::Data), b"last");
    world.shut(end(1), NO_SEND | NO_RECEIVE);
    assert_eq!(world.operations(), [Operation::Reset]);
    assert_eq!(write(&stream, b"x"), Some(Err(VsockError::Closed)));
    assert_eq!(read(&stream), Some(Ok(b"last".to_vec())));
    assert_eq!(read(&stream), Some(Ok(Vec::new())));
    drop(stream);
    assert_eq!((world.operations(), world.vsock.connections()), (Vec::new(), 0));
}

#[test]
fn what_the_host_does_not_want_is_not_called_delivered() {
    let (mut world, listener) = listening();
    let stream = world.accepted(&listener, End { buffer: 0, ..end(1) });
    assert_eq!(write(&stream, b"answer"), Some(Ok(6)));
    assert_eq!(now((&stream).flush()), None);
    world.shut(End { buffer: 0, ..end(1) }, NO_RECEIVE);
    assert_eq!(now((&stream).flush()), Some(Err(VsockError::Closed)));
    assert_eq!(write(&stream, b"more"), Some(Err(VsockError::Closed)));
}

#[test]
fn a_listener_that_is_dropped_ends_what_nobody_took() {
    let (mut world, listener) = listening();
    world.tell(end(1), Operation::Request);
    assert_eq!(world.operations(), [Operation::Response]);
    drop(listener);
    assert_eq!(world.operations(), [Operation::Shutdown]);
    world.tell(end(2), Operation::Request);
    assert_eq!(world.operations(), [Operation::Reset]);
}

#[test]
fn a_transport_reset_ends_all_connections_without_a_word() {
    let (mut world, listener) = listening();
    let stream = world.accepted(&listener, end(1));
    assert!(write(&stream, b"unsent").is_some());
    world.host.lost = Some(OWN);
    assert!(world.sent().is_empty());
    assert_eq!(read(&stream), Some(Err(VsockError::TransportReset)));
    assert_eq!(write(&stream, b"x"), Some(Err(VsockError::TransportReset)));
    drop(stream);
    assert_eq!(world.vsock.connections(), 0);
    world.accepted(&listener, end(1));
}
