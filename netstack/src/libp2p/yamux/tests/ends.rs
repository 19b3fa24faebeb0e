//! How streams and connections end.

use super::*;

#[test]
fn violations_are_recognised() {
    use Violation::{Duplicate, Parity, StreamZero, Type, Version};
    let data = Frame::data(Flags::NONE, 0, b"");
    let syn = |id| Frame::window(Flags::SYN, id, 0);
    let raw = |first: [u8; 2]| [&first[..], &[0; 10]].concat();
    for (bytes, violation) in [
        (raw([1, 0]), Version),
        (raw([0, 4]), Type),
        (data.bytes(), StreamZero),
        (syn(0).bytes(), StreamZero),
        (syn(2).bytes(), Parity),
        (Frame::data(Flags::SYN, 4, b"x").bytes(), Parity),
        ([syn(1).bytes(), syn(1).bytes()].concat(), Duplicate),
    ] {
        assert_eq!(Node::listener().feed(&bytes), Err(End::Violation(violation)));
    }
    let dialer = Node::new(Role::Dialer, Limits::default());
    assert_eq!(dialer.receive(&syn(1)), Err(End::Violation(Parity)));
    assert_eq!(dialer.receive(&syn(2)), Ok(()));
}

#[test]
fn each_side_numbers_its_streams_by_its_role() {
    for (role, ids) in [(Role::Dialer, [1, 3, 5]), (Role::Listener, [2, 4, 6])] {
        let node = Node::new(role, Limits::default());
        let streams: Vec<Stream> = ids.iter().map(|_| node.open()).collect();
        let opened = ids.map(|id| Frame::window(Flags::SYN, id, 0));
        assert_eq!(node.sent(), opened);
        drop(streams);
        assert_eq!(node.sent(), ids.map(|id| Frame::window(Flags::RST, id, 0)));
        assert_eq!(node.counters(), Counters::default());
    }
}

#[test]
fn the_number_of_streams_in_a_life_is_finite() {
    let node = Node::new(Role::Dialer, Limits::default());
    node.session.borrow_mut().next_stream = Some(u32::MAX);
    assert_eq!(node.open().id(), u32::MAX);
    assert_eq!(node.control.open().now_or_never().unwrap().unwrap_err(), Error::Gone);
}

#[test]
fn a_stream_dropped_before_its_opening_left_was_never_there() {
    let node = Node::new(Role::Dialer, Limits::default());
    let mut stream = node.open();
    assert_eq!(write(&mut stream, b"x"), Some(Ok(1)));
    drop(stream);
    assert_eq!(node.sent(), []);
    assert_eq!(node.counters(), Counters::default());
}

#[test]
fn what_was_written_leaves_before_the_end_and_the_end_by_itself() {
    let node = Node::listener();
    let mut stream = node.accepted(1);
    assert_eq!(write(&mut stream, b"hello"), Some(Ok(5)));
    assert_eq!(shutdown(&mut stream), None);
    assert_eq!(write(&mut stream, b"more"), Some(Err(Error::Shut)));
    let frames = [Frame::data(Flags::NONE, 1, b"hello"), Frame::data(Flags::FIN, 1, b"")];
    assert_eq!(node.sent(), frames);
    drop(stream);
    assert_eq!(node.sent(), [], "it ended in order");
    node.receive(&Frame::data(Flags::NONE, 1, b"still read over")).unwrap();
    node.receive(&Frame::data(Flags::FIN, 1, b"")).unwrap();
    assert_eq!(node.counters(), Counters::default());
}

#[test]
fn the_end_waits_for_the_window_and_dropping_before_it_is_a_reset() {
    let node = Node::listener();
    let mut stream = node.accepted(1);
    let mut written = 0;
    while let Some(size) = write(&mut stream, &[7; 9000]) {
        written += size.unwrap();
        node.sent();
    }
    assert_eq!(shutdown(&mut stream), None);
    assert_eq!(node.sent(), []);
    let left = u32::try_from(written).unwrap() - limits::WINDOW_BYTES;
    node.receive(&Frame::window(Flags::NONE, 1, left - 1)).unwrap();
    assert!(node.sent().iter().all(|frame| frame.flags == Flags::NONE));
    assert_eq!(shutdown(&mut stream), None);
    drop(stream);
    assert_eq!(node.sent(), [Frame::window(Flags::RST, 1, 0)]);
    assert_eq!(node.counters(), Counters::default());
}

#[test]
fn a_reset_of_ours_ends_reading_too_and_is_said_once() {
    let node = Node::listener();
    let mut stream = node.accepted(1);
    node.receive(&Frame::data(Flags::NONE, 1, b"here")).unwrap();
    stream.reset();
    stream.reset();
    assert_eq!(node.sent(), [Frame::window(Flags::RST, 1, 0)]);
    assert_eq!(read(&mut stream, 9), Some(Ok(b"here".to_vec())));
    assert_eq!(read(&mut stream, 9), Some(Err(Error::Reset)));
    assert_eq!(write(&mut stream, b"x"), Some(Err(Error::Reset)));
    drop(stream);
    node.receive(&Frame::data(Flags::NONE, 1, b"on its way")).unwrap();
    node.receive(&Frame::window(Flags::RST, 1, 0)).unwrap();
    assert_eq!(node.sent(), []);
    assert_eq!(node.counters(), Counters::default());
}

#[test]
fn answers_to_pings_that_were_not_sent_mean_nothing() {
    let node = Node::listener();
    node.receive(&Frame::ping(Flags::ACK, 5)).unwrap();
    node.session.borrow_mut().ping = Some(9);
    assert_eq!(node.sent(), [Frame::ping(Flags::SYN, 9)]);
    node.receive(&Frame::ping(Flags::ACK, 8)).unwrap();
    assert_eq!(node.session.borrow().unanswered, Some(9));
    node.receive(&Frame::ping(Flags::ACK, 9)).unwrap();
    assert_eq!(node.session.borrow().unanswered, None);
}

#[test]
fn a_peer_that_leaves_lets_streams_finish_and_takes_no_new_ones() {
    let node = Node::listener();
    let mut stream = node.accepted(1);
    node.receive(&Frame::new(Kind::GoAway, Flags::NONE, 0, 0)).unwrap();
    assert_eq!(node.control.open().now_or_never().unwrap().unwrap_err(), Error::Gone);
    assert!(!node.control.is_open());
    assert_eq!(write(&mut stream, b"last"), Some(Ok(4)));
    assert_eq!(node.sent(), [Frame::data(Flags::NONE, 1, b"last")]);
    drop(stream);
    assert_eq!(node.sent(), [Frame::window(Flags::RST, 1, 0)]);
    let next = node.session.borrow_mut().poll_batch(&mut Vec::new(), &context());
    assert_eq!(next, Poll::Ready(Next::Nothing));
    for code in [1, 2, 77] {
        let frame = Frame::new(Kind::GoAway, Flags::NONE, 0, code);
        assert_eq!(Node::listener().receive(&frame), Err(End::GoneAway(code)));
    }
}

#[test]
fn leaving_sends_what_was_written_and_then_why() {
    let node = Node::listener();
    let mut stream = node.accepted(1);
    assert_eq!(write(&mut stream, b"last"), Some(Ok(4)));
    node.control.close(GoAway::InternalError);
    assert_eq!(write(&mut stream, b"more"), Some(Err(Error::Gone)));
    node.receive(&Frame::window(Flags::SYN, 3, 0)).unwrap();
    let frames = [
        Frame::window(Flags::RST, 3, 0),
        Frame::data(Flags::NONE, 1, b"last"),
        Frame::new(Kind::GoAway, Flags::NONE, 0, 2),
    ];
    assert_eq!(node.sent(), frames);
    assert!(node.control.accept().now_or_never().unwrap().is_none());
}

#[test]
fn a_connection_that_ends_lets_go_of_everything_but_what_arrived() {
    let node = Node::new(Role::Dialer, Limits { streams_out: 2, ..Limits::default() });
    let (mut with_data, mut without) = (node.open(), node.open());
    let waiting = node.control.open();
    node.sent();
    node.receive(&Frame::data(Flags::ACK, 1, b"here")).unwrap();
    node.receive(&Frame::data(Flags::SYN, 2, b"never accepted")).unwrap();
    assert_eq!(write(&mut with_data, b"never sent"), Some(Ok(10)));
    node.session.borrow_mut().end();
    assert_eq!(read(&mut with_data, 9), Some(Ok(b"here".to_vec())));
    assert_eq!(read(&mut with_data, 9), Some(Err(Error::Gone)));
    assert_eq!(read(&mut without, 9), Some(Err(Error::Gone)));
    assert_eq!(write(&mut without, b"x"), Some(Err(Error::Gone)));
    assert_eq!(shutdown(&mut without), Some(Err(Error::Gone)));
    assert!(node.control.accept().now_or_never().unwrap().is_none());
    assert_eq!(waiting.now_or_never().unwrap().unwrap_err(), Error::Gone);
    drop((with_data, without));
    assert_eq!(node.counters(), Counters::default());
}
