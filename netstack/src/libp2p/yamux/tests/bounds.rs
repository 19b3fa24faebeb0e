//! Every bound, at it and one past it.

use super::*;

fn small() -> Limits {
    Limits { streams_in: 3, streams_out: 4, unacknowledged: 2, ..Limits::default() }
}

#[test]
fn streams_of_the_peer_beyond_the_limit_are_refused_until_one_is_over() {
    let node = Node::new(Role::Listener, small());
    for id in [1, 3, 5] {
        node.receive(&Frame::window(Flags::SYN, id, 0)).unwrap();
    }
    assert_eq!(node.sent(), []);
    node.receive(&Frame::data(Flags::SYN, 7, b"too many")).unwrap();
    assert_eq!(node.sent(), [Frame::window(Flags::RST, 7, 0)]);
    assert_eq!(node.counters(), Counters { streams_in: 3, ..Counters::default() });
    node.receive(&Frame::window(Flags::RST, 3, 0)).unwrap();
    node.receive(&Frame::window(Flags::SYN, 9, 0)).unwrap();
    assert_eq!(node.counters().streams_in, 3);
    let accepted: Vec<u32> = [node.accept(), node.accept(), node.accept()].map(|it| it.id()).into();
    assert_eq!(accepted, [1, 5, 9]);
}

#[test]
fn a_stream_that_is_held_counts_although_the_peer_has_reset_it() {
    let node = Node::new(Role::Listener, small());
    let held: Vec<Stream> = [1, 3, 5].map(|id| node.accepted(id)).into();
    for id in [1, 3, 5] {
        node.receive(&Frame::window(Flags::RST, id, 0)).unwrap();
    }
    node.receive(&Frame::window(Flags::SYN, 7, 0)).unwrap();
    assert_eq!(node.sent(), [Frame::window(Flags::RST, 7, 0)]);
    drop(held);
    node.receive(&Frame::window(Flags::SYN, 9, 0)).unwrap();
    assert_eq!(node.accept().id(), 9);
}

#[test]
fn refusals_that_the_peer_does_not_take_are_a_flood() {
    let node = Node::new(Role::Listener, Limits { streams_in: 0, ..Limits::default() });
    for n in 0..limits::MAX_QUEUED_REFUSALS {
        node.receive(&Frame::window(Flags::SYN, 2 * n as u32 + 1, 0)).unwrap();
    }
    assert_eq!(node.receive(&Frame::window(Flags::SYN, 9999, 0)), Err(End::Flood));
    assert_eq!(node.sent().len(), limits::MAX_QUEUED_REFUSALS);
}

#[test]
fn pings_whose_answers_are_not_taken_are_a_flood() {
    let node = Node::listener();
    for value in 0..limits::MAX_QUEUED_PONGS {
        node.receive(&Frame::ping(Flags::SYN, value as u32)).unwrap();
    }
    assert_eq!(node.receive(&Frame::ping(Flags::SYN, 1)), Err(End::Flood));
    assert_eq!(node.sent().len(), limits::MAX_QUEUED_PONGS);
    for round in 0..1000 {
        node.receive(&Frame::ping(Flags::SYN, round)).unwrap();
        assert_eq!(node.sent(), [Frame::ping(Flags::ACK, round)]);
    }
}

#[test]
fn opening_waits_in_order_for_acknowledgements_and_for_ends() {
    let node = Node::new(Role::Dialer, small());
    let (first, second) = (node.open(), node.open());
    let (mut third, mut fourth) =
        (alloc::boxed::Box::pin(node.control.open()), alloc::boxed::Box::pin(node.control.open()));
    assert!((&mut third).now_or_never().is_none());
    assert!((&mut fourth).now_or_never().is_none());
    node.sent();
    node.receive(&Frame::window(Flags::ACK, 3, 0)).unwrap();
    assert!((&mut fourth).now_or_never().is_none(), "the third is before it");
    let third = third.now_or_never().unwrap().unwrap();
    assert!((&mut fourth).now_or_never().is_none(), "two are not acknowledged");
    node.sent();
    for id in [1, 5] {
        node.receive(&Frame::window(Flags::ACK, id, 0)).unwrap();
        node.receive(&Frame::window(Flags::ACK, id, 0)).unwrap();
    }
    let fourth = fourth.now_or_never().unwrap().unwrap();
    node.sent();
    node.receive(&Frame::window(Flags::ACK, 7, 0)).unwrap();
    assert_eq!(node.counters().unacknowledged, 0);
    assert!(node.control.open().now_or_never().is_none(), "four are open");
    drop(second);
    assert!(node.control.open().now_or_never().is_none(), "its reset has not left");
    node.sent();
    assert_eq!(node.open().id(), 9, "who gave up has left no place behind");
    drop((first, third, fourth));
    node.sent();
    assert_eq!(node.counters(), Counters::default());
}

#[test]
fn a_full_receive_buffer_takes_no_more_and_goes_on_when_somebody_reads() {
    const FULL: usize = limits::GUARANTEED_RECEIVE_BYTES;
    let limits = Limits { receive_bytes: 0, ..Limits::default() };
    let node = Node::new(Role::Listener, limits);
    let mut stream = node.accepted(1);
    node.receive(&Frame::data(Flags::NONE, 1, &[1; FULL])).unwrap();
    let more = Frame::data(Flags::FIN, 1, &[2; 300]).bytes();
    let taken = node.session.borrow_mut().receive(&more).unwrap();
    assert_eq!(taken, HEADER_BYTES, "not a byte of the payload");
    assert_eq!(node.session.borrow_mut().receive(&more[taken..]), Ok(0));
    assert_eq!(node.counters().receive_buffered, FULL);
    assert_eq!(read(&mut stream, 200), Some(Ok(vec![1; 200])));
    assert_eq!(node.session.borrow_mut().receive(&more[taken..]), Ok(200));
    assert_eq!(read(&mut stream, 2 * FULL).unwrap().unwrap().len(), FULL);
    assert_eq!(node.session.borrow_mut().receive(&more[taken + 200..]), Ok(100));
    assert_eq!(read(&mut stream, 2000), Some(Ok(vec![2; 100])));
    assert_eq!(read(&mut stream, 2000), Some(Ok(Vec::new())));
}

#[test]
fn connections_share_memory_and_each_has_some_of_its_own() {
    const OWN: usize = limits::GUARANTEED_RECEIVE_BYTES;
    let memory = ReceiveMemory::new(100_000);
    let [a, b] = [(); 2].map(|()| Node::sharing(memory.clone(), Role::Listener, Limits::default()));
    let (mut one, mut two) = (a.accepted(1), b.accepted(1));
    let fill = |node: &Node| {
        let frame = Frame::data(Flags::NONE, 1, &[7; 200_000]).bytes();
        node.session.borrow_mut().receive(&frame).unwrap() - HEADER_BYTES
    };
    assert_eq!(fill(&a), 100_000 + OWN);
    assert_eq!(memory.left(), 0);
    assert_eq!(fill(&b), OWN, "its own");
    assert_eq!(b.session.borrow_mut().poll_room(&context()), Poll::Pending);
    // What is read of its own can come again, whatever the other does.
    assert_eq!(read(&mut two, 10_000).unwrap().unwrap().len(), 10_000);
    assert_eq!(b.session.borrow_mut().receive(&[7; 20_000]), Ok(10_000));
    assert_eq!(memory.left(), 0);
    // What the other reads, one may have.
    assert_eq!(read(&mut one, 30_000).unwrap().unwrap().len(), 30_000);
    assert_eq!(memory.left(), 30_000);
    assert_eq!(b.session.borrow_mut().receive(&[7; 50_000]), Ok(30_000));
    drop((one, two));
    assert_eq!(memory.left(), 100_000);
}

#[test]
fn streams_take_of_the_memory_that_connections_share() {
    const OWN: usize = limits::GUARANTEED_STREAMS_IN;
    let memory = ReceiveMemory::new(3 * limits::STREAM_BYTES + 1);
    let [a, b] = [(); 2].map(|()| Node::sharing(memory.clone(), Role::Listener, Limits::default()));
    let open = |node: &Node, n: usize| {
        node.receive(&Frame::window(Flags::SYN, 2 * n as u32 + 1, 0)).unwrap();
        node.counters().streams_in
    };
    for n in 0..OWN + 3 {
        assert_eq!(open(&a, n), n + 1);
    }
    assert_eq!(memory.left(), 1);
    assert_eq!(open(&a, OWN + 3), OWN + 3, "refused");
    for n in 0..OWN {
        assert_eq!(open(&b, n), n + 1);
    }
    assert_eq!(open(&b, OWN), OWN, "refused");
    let refused = Frame::window(Flags::RST, 2 * OWN as u32 + 1, 0);
    assert_eq!(b.sent(), [refused]);
    a.receive(&Frame::window(Flags::RST, 1, 0)).unwrap();
    assert_eq!(open(&b, OWN + 1), OWN + 1, "its room");
    for node in [a, b] {
        node.session.borrow_mut().end();
    }
    assert_eq!(memory.left(), 3 * limits::STREAM_BYTES + 1);
}

#[test]
fn payload_of_streams_that_are_gone_is_dropped_although_there_is_no_room() {
    const FULL: usize = limits::GUARANTEED_RECEIVE_BYTES;
    let limits = Limits { receive_bytes: FULL, ..Limits::default() };
    let node = Node::new(Role::Listener, limits);
    let mut stream = node.accepted(1);
    node.receive(&Frame::data(Flags::NONE, 1, &[1; FULL])).unwrap();
    node.receive(&Frame::data(Flags::NONE, 3, &[2; 5000])).unwrap();
    node.receive(&Frame::data(Flags::FIN, 2, &[2; 5000])).unwrap();
    assert_eq!(read(&mut stream, 2 * FULL), Some(Ok(vec![1; FULL])));
    assert_eq!(node.sent(), [], "nobody is told");
}

#[test]
fn the_length_of_a_frame_has_a_bound_even_where_it_is_dropped() {
    let header = |length| Header { kind: Kind::Data, flags: Flags::NONE, stream: 3, length }.emit();
    assert_eq!(Node::listener().feed(&header(limits::MAX_FRAME_BYTES)), Ok(()));
    let longer = Node::listener().feed(&header(limits::MAX_FRAME_BYTES + 1));
    assert_eq!(longer, Err(End::Violation(Violation::FrameTooLong)));
}

#[test]
fn streams_that_the_peer_never_finishes_are_reset_at_last() {
    let node = Node::listener();
    for n in 0..=limits::MAX_LINGERING {
        let id = 2 * n as u32 + 1;
        let mut stream = node.accepted(id);
        assert_eq!(shutdown(&mut stream), None);
        assert_eq!(node.sent(), [Frame::data(Flags::FIN, id, b"")]);
        assert_eq!(shutdown(&mut stream), Some(Ok(())));
        drop(stream);
        if n < limits::MAX_LINGERING {
            assert_eq!(node.sent(), []);
            assert_eq!(node.counters().streams_in, n + 1);
        }
    }
    assert_eq!(node.sent(), [Frame::window(Flags::RST, 1, 0)]);
    assert_eq!(node.counters().streams_in, limits::MAX_LINGERING);
    for n in 1..=limits::MAX_LINGERING {
        node.receive(&Frame::window(Flags::FIN, 2 * n as u32 + 1, 0)).unwrap();
    }
    assert_eq!(node.counters(), Counters::default());
}

/// What CVE-2024-32984 was: streams opened and reset for ever must leave nothing behind.
#[test]
fn opening_and_resetting_for_ever_leaves_nothing_behind() {
    let node = Node::listener();
    for n in 0..10_000 {
        let id = 2 * n + 1;
        node.receive(&Frame::data(Flags::SYN, id, b"hello")).unwrap();
        node.receive(&Frame::window(Flags::RST, id, 0)).unwrap();
        node.receive(&Frame::window(Flags::SYN.with(Flags::RST), id, 0)).unwrap();
    }
    assert_eq!(node.counters(), Counters::default());
    let session = node.session.borrow();
    assert!(session.unaccepted.is_empty() && session.ready.is_empty());
    assert!(session.refusals.is_empty() && session.streams.is_empty());
    drop(session);
    assert_eq!(node.sent(), []);
    // Accepted at once each time, and dropped.
    for n in 0..1000 {
        let id = 2 * n + 1;
        node.receive(&Frame::window(Flags::SYN, id, 0)).unwrap();
        let stream = node.accept();
        node.receive(&Frame::window(Flags::RST, id, 0)).unwrap();
        drop(stream);
        assert!(node.session.borrow().ready.len() <= 1, "{:?}", node.session.borrow().ready);
    }
}
