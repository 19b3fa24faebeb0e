//! Windows: credit while a message arrives, never more than granted, and fair turns.

use super::*;

const WINDOW: usize = limits::WINDOW_BYTES as usize;

/// A particle longer than the window, in the frames of a JavaScript client.
#[test]
fn credit_is_granted_within_a_message_that_is_longer_than_the_window() {
    let node = Node::listener();
    let mut stream = node.accepted(1);
    let (mut window, mut sent, mut got) = (WINDOW, 0, 0);
    let total = 1_000_000;
    while got < total {
        let size = window.min(65_524).min(total - sent);
        if size > 0 {
            node.receive(&Frame::data(Flags::NONE, 1, &vec![7; size])).unwrap();
            sent += size;
            window -= size;
        }
        let bytes = read(&mut stream, 10_000).expect("never a deadlock").unwrap();
        got += bytes.len();
        for frame in node.sent() {
            assert_eq!((frame.kind, frame.flags), (Kind::WindowUpdate, Flags::NONE));
            assert!(frame.length >= limits::WINDOW_BYTES / 2, "few updates");
            window += frame.length as usize;
        }
        assert!(window <= WINDOW);
    }
    assert_eq!(got, total);
}

#[test]
fn the_last_byte_of_the_window_may_be_sent_and_no_more() {
    for (size, outcome) in [(0, Ok(())), (1, Err(End::Violation(Violation::Window)))] {
        let node = Node::listener();
        let _stream = node.accepted(1);
        node.receive(&Frame::data(Flags::NONE, 1, &vec![7; WINDOW])).unwrap();
        assert_eq!(node.receive(&Frame::data(Flags::NONE, 1, &vec![7; size])), outcome);
    }
    // A stream that nobody has accepted has a window too.
    let node = Node::listener();
    let frame = Frame::data(Flags::SYN, 1, &vec![7; WINDOW + 1]);
    assert_eq!(node.receive(&frame), Err(End::Violation(Violation::Window)));
}

#[test]
fn no_more_is_sent_than_the_window_and_frames_have_a_bound() {
    let node = Node::listener();
    let mut stream = node.accepted(1);
    let send_all = |stream: &mut Stream| {
        let mut sent = 0;
        while let Some(written) = write(stream, &[7; 40_000]) {
            assert!(written.unwrap() <= limits::STREAM_SEND_BYTES);
            for frame in node.sent() {
                assert_eq!(frame.kind, Kind::Data);
                assert!(frame.payload.len() <= limits::SENT_FRAME_BYTES);
                sent += frame.payload.len();
            }
        }
        sent
    };
    assert_eq!(send_all(&mut stream), WINDOW);
    assert_eq!(node.counters().send_buffered, limits::STREAM_SEND_BYTES);
    node.receive(&Frame::window(Flags::NONE, 1, 1)).unwrap();
    assert_eq!(node.sent(), [Frame::data(Flags::NONE, 1, &[7])]);
    // As JavaScript clients grow their window.
    node.receive(&Frame::window(Flags::NONE, 1, 262_164)).unwrap();
    assert_eq!(send_all(&mut stream), 262_164);
}

#[test]
fn the_window_of_a_stream_grows_by_what_its_opening_says() {
    let node = Node::listener();
    node.receive(&Frame::window(Flags::SYN, 1, 10)).unwrap();
    let mut stream = node.accept();
    let mut sent = 0;
    while write(&mut stream, &[7; 10_000]).is_some() {
        sent += node.sent().iter().map(|frame| frame.payload.len()).sum::<usize>();
    }
    assert_eq!(sent, WINDOW + 10);
}

#[test]
fn a_window_of_all_32_bits_is_one_and_a_byte_more_is_a_violation() {
    for (more, outcome) in [(0, Ok(())), (1, Err(End::Violation(Violation::WindowOverflow)))] {
        let node = Node::listener();
        let _stream = node.accepted(1);
        let rest = u32::MAX - limits::WINDOW_BYTES;
        node.receive(&Frame::window(Flags::NONE, 1, rest)).unwrap();
        assert_eq!(node.receive(&Frame::window(Flags::NONE, 1, more)), outcome);
    }
    let node = Node::listener();
    let opening = Frame::window(Flags::SYN, 1, u32::MAX);
    assert_eq!(node.receive(&opening), Err(End::Violation(Violation::WindowOverflow)));
}

#[test]
fn streams_take_turns_and_leave_in_one_write() {
    let node = Node::listener();
    let mut streams: Vec<Stream> = [1, 3, 5].map(|id| node.accepted(id)).into();
    let mut order = Vec::new();
    for stream in &mut streams {
        assert_eq!(write(stream, &[7; 5000]), Some(Ok(5000)));
    }
    for _ in 0..4 {
        let mut batch = Vec::new();
        let next = node.session.borrow_mut().poll_batch(&mut batch, &context());
        assert_eq!(next, Poll::Ready(Next::Batch));
        order.extend(Frame::parse_all(&batch).into_iter().map(|frame| frame.stream));
        // The first writes as much as it can, the others little.
        assert!(write(&mut streams[0], &[7; 16_000]).is_some());
        assert!(write(&mut streams[1], &[7; 100]).is_some());
        assert!(write(&mut streams[2], &[7; 100]).is_some());
    }
    assert_eq!(order, [1, 3, 5].repeat(4));
}

#[test]
fn a_pong_does_not_wait_for_a_stream_without_window() {
    let node = Node::listener();
    let mut stream = node.accepted(1);
    while write(&mut stream, &[7; 16_000]).is_some() {
        node.sent();
    }
    node.receive(&Frame::ping(Flags::SYN, 77)).unwrap();
    assert_eq!(node.sent(), [Frame::ping(Flags::ACK, 77)]);
}

#[test]
fn streams_without_window_leave_room_for_the_messages_of_others() {
    let limits = Limits { send_bytes: limits::STREAM_SEND_BYTES, ..Limits::default() };
    let node = Node::new(Role::Listener, limits);
    let (mut stuck, mut other) = (node.accepted(1), node.accepted(3));
    while write(&mut stuck, &[7; 16_000]).is_some() {
        node.sent();
    }
    assert_eq!(node.counters().send_buffered, limits.send_bytes, "nothing is left");
    let message = [1; limits::STREAM_LEAST_SEND_BYTES];
    assert_eq!(write(&mut other, &message), Some(Ok(message.len())));
    assert_eq!(node.sent(), [Frame::data(Flags::NONE, 3, &message)]);
}

#[test]
fn what_nobody_reads_is_not_granted_anew() {
    let node = Node::listener();
    let (reader, mut writer) = crate::Split::split(node.accepted(1));
    drop(reader);
    assert_eq!(writer.write(b"x").now_or_never(), Some(Ok(1)), "the other half goes on");
    node.sent();
    node.receive(&Frame::data(Flags::NONE, 1, &vec![7; WINDOW])).unwrap();
    assert_eq!(node.sent(), []);
    drop(writer);
    assert_eq!(node.sent(), [Frame::window(Flags::RST, 1, 0)]);
    assert_eq!(node.counters(), Counters::default());
}
