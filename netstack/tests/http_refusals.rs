//! What the HTTP engine refuses, and that nothing makes it fail.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "a test may fail by panicking, and its numbers are small"
)]

mod support;

use netstack::http::{End, Limits};
use netstack::time::Duration;
use proptest::prelude::*;
use support::http::{Echo, bad_requests, send, send_pieces, status};

#[test]
fn every_bad_request_gets_its_status_and_ends_the_connection() {
    let requests = bad_requests();
    assert!(requests.len() >= 100, "{} requests", requests.len());
    for request in requests {
        let name = &request.name;
        let handler = Echo::default();
        let outcome = send(&handler, &request.bytes);
        assert_eq!(status(&outcome.text), request.status, "{name}: {}", outcome.text);
        assert!(outcome.text.contains("\r\nConnection: close\r\n"), "{name}: {}", outcome.text);
        assert_eq!(outcome.text.matches("HTTP/1.1 ").count(), 1, "{name}: {}", outcome.text);
        assert_eq!(*handler.answered.borrow(), [request.status], "{name}");
        assert_eq!(outcome.summary.end, End::Refused(request.status), "{name}");
        assert!(outcome.orderly, "{name}");
        let reason = outcome.text.split("\r\n\r\n").nth(1).expect("a body");
        assert!(reason.ends_with('\n') && reason.len() > 5, "{name}: {reason:?}");
    }
}

#[test]
fn a_bad_request_after_a_good_one_is_refused_after_its_answer() {
    for request in bad_requests() {
        let mut bytes = b"GET /first HTTP/1.1\r\nHost: a\r\n\r\n".to_vec();
        bytes.extend(&request.bytes);
        let outcome = send(&Echo::default(), &bytes);
        assert_eq!(status(&outcome.text), 200, "{}", request.name);
        let second = outcome.text.rfind("HTTP/1.1 ").expect("an answer");
        assert_eq!(status(&outcome.text[second..]), request.status, "{}", request.name);
    }
}

#[test]
fn how_a_request_is_split_makes_no_difference() {
    let good: [&[u8]; 4] = [
        b"GET /a?b HTTP/1.1\r\nHost: x\r\n\r\nGET /c HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhelloGET / HTTP/1.1\r\nHost:\r\n\r\n",
        b"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5;x=\"y\"\r\nhello\r\n1\r\n!\r\n0\r\nT: u\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\r\n\r\nPUT http://x/a?b HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc",
    ];
    let bad = bad_requests();
    let short = bad.iter().map(|request| &request.bytes[..]).filter(|bytes| bytes.len() < 400);
    let pause = Duration::from_millis(1);
    for request in good.into_iter().chain(short) {
        let whole = send(&Echo::default(), request);
        for at in 1..request.len() {
            let (one, other) = request.split_at(at);
            let split = send_pieces(&Echo::default(), &Limits::default(), &[one, other], pause);
            assert_eq!(split.text, whole.text, "{:?} at {at}", String::from_utf8_lossy(request));
            assert_eq!(split.summary, whole.summary);
        }
        let bytes: Vec<&[u8]> = request.chunks(1).collect();
        let split = send_pieces(&Echo::default(), &Limits::default(), &bytes, pause);
        assert_eq!(split.text, whole.text, "{:?}", String::from_utf8_lossy(request));
    }
}

/// Bytes that look like requests more often than chance has it.
fn almost_requests() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"GET ".to_vec()),
        Just(b"POST ".to_vec()),
        Just(b"/path?query ".to_vec()),
        Just(b"HTTP/1.1\r\n".to_vec()),
        Just(b"HTTP/1.0\r\n".to_vec()),
        Just(b"Host: a\r\n".to_vec()),
        Just(b"Content-Length: 5\r\n".to_vec()),
        Just(b"Transfer-Encoding: chunked\r\n".to_vec()),
        Just(b"Expect: 100-continue\r\n".to_vec()),
        Just(b"Connection: close\r\n".to_vec()),
        Just(b"\r\n".to_vec()),
        Just(b"5\r\nhello\r\n".to_vec()),
        Just(b"0\r\n\r\n".to_vec()),
        Just(b"ffffffffffffffff\r\n".to_vec()),
        prop::collection::vec(any::<u8>(), 0..8),
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn any_bytes_come_to_an_end(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        let outcome = send(&Echo::default(), &bytes);
        prop_assert!(outcome.millis <= 60_000);
    }

    #[test]
    fn almost_requests_come_to_an_end_with_whole_answers(
        bytes in almost_requests(),
        cut in any::<prop::sample::Index>(),
    ) {
        let (one, other) = bytes.split_at(cut.index(bytes.len() + 1).min(bytes.len()));
        let limits = Limits::default();
        let outcome = send_pieces(&Echo::default(), &limits, &[one, other], Duration::from_millis(1));
        prop_assert!(outcome.orderly, "{}", outcome.text);
        prop_assert!(outcome.text.is_empty() || outcome.text.starts_with("HTTP/1.1 "));
        let whole = send(&Echo::default(), &bytes);
        prop_assert_eq!(outcome.text, whole.text);
    }

    #[test]
    fn pipelined_requests_are_answered_in_order(
        requests in prop::collection::vec((0..3_u8, "[a-z]{0,20}", 1..7_usize), 1..30),
        piece in 1..200_usize,
    ) {
        let mut bytes = Vec::new();
        let mut expected = Vec::new();
        for (number, (kind, body, chunk)) in requests.iter().enumerate() {
            let (head, coded) = match kind {
                0 => (format!("GET /{number} HTTP/1.1\r\nHost: a\r\n\r\n"), String::new()),
                1 => (
                    format!("POST /{number} HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", body.len()),
                    body.clone(),
                ),
                _ => {
                    let mut coded = String::new();
                    for part in body.as_bytes().chunks(*chunk) {
                        let part = String::from_utf8_lossy(part);
                        coded.push_str(&format!("{:X};e\r\n{part}\r\n", part.len()));
                    }
                    coded.push_str("0\r\n\r\n");
                    (format!("POST /{number} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n"), coded)
                }
            };
            bytes.extend_from_slice(head.as_bytes());
            bytes.extend_from_slice(coded.as_bytes());
            let (method, body) = if *kind == 0 { ("GET", "") } else { ("POST", body.as_str()) };
            expected.push(format!("{method} /{number} None {body}"));
        }
        let pieces: Vec<&[u8]> = bytes.chunks(piece).collect();
        let outcome = send_pieces(&Echo::default(), &Limits::default(), &pieces, Duration::from_millis(1));
        let mut answers = Vec::new();
        for answer in outcome.text.split("HTTP/1.1 200 OK\r\n").skip(1) {
            answers.push(answer.split_once("\r\n\r\n").expect("a body").1.to_string());
        }
        prop_assert_eq!(answers, expected);
        prop_assert_eq!(outcome.summary.end, End::Closed);
    }
}
