//! The HTTP client: what it sends, which answers it takes, its bounds and deadlines, against scripted servers
//! and against the server engine.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "a test may fail by panicking, and its numbers are small"
)]

mod support;

use embedded_io_async::{Read, Write};
use futures_util::future::join;
use netstack::http::client::{Answer, BadRequest, Bounds, Client, ClientError, Request};
use netstack::http::{Limits, serve};
use netstack::pipe::{self, Pipe};
use netstack::time::{Duration, Instant};
use netstack::{Stream, Timer, limits};
use proptest::prelude::*;
use support::http::Echo;
use support::{Clock, run_alone};

const GET: Request<'_> =
    Request { method: "GET", target: "/a?b=c", host: "node:4024", headers: &[], body: None };

/// What a client makes of these bytes, which come in pieces of `piece` bytes; then the server ends in order.
fn receive_in(
    request: &Request<'_>,
    bytes: &[u8],
    piece: usize,
    bounds: &Bounds,
) -> (Result<Answer, ClientError>, bool) {
    let clock = Clock::default();
    run_alone(&clock, async {
        let (near, mut far) = pipe::pair(1 << 20);
        let mut client = Client::new(near, clock.clone());
        let server = async {
            for piece in bytes.chunks(piece) {
                far.write_all(piece).await.expect("the client reads");
                clock.sleep(Duration::from_micros(1)).await;
            }
            let _ = far.shutdown().await;
            std::future::pending::<()>().await;
        };
        let answer = {
            let answer = std::pin::pin!(client.send(request, bounds));
            let server = std::pin::pin!(server);
            match futures_util::future::select(answer, server).await {
                futures_util::future::Either::Left((answer, _)) => answer,
                futures_util::future::Either::Right(((), _)) => panic!("the server never ends"),
            }
        };
        (answer, client.is_reusable())
    })
}

fn receive(bytes: &[u8]) -> (Result<Answer, ClientError>, bool) {
    receive_in(&GET, bytes, bytes.len().max(1), &Bounds::default())
}

fn body_of(bytes: &[u8]) -> Result<Vec<u8>, ClientError> {
    receive(bytes).0.map(|answer| answer.body)
}

/// What the server sees of a request.
fn sent(request: &Request<'_>) -> Vec<u8> {
    let clock = Clock::default();
    run_alone(&clock, async {
        let (near, mut far) = pipe::pair(1 << 20);
        let mut client = Client::new(near, clock.clone());
        let server = async {
            let mut bytes = vec![0; 1 << 16];
            let read = far.read(&mut bytes).await.expect("the client writes");
            bytes.truncate(read);
            far.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.expect("the client reads");
            bytes
        };
        let (answer, bytes) = join(client.send(request, &Bounds::default()), server).await;
        assert_eq!(answer.map(|answer| answer.status), Ok(204));
        bytes
    })
}

#[test]
fn a_request_has_exactly_these_bytes() {
    assert_eq!(sent(&GET), b"GET /a?b=c HTTP/1.1\r\nHost: node:4024\r\n\r\n");
    let post = Request {
        method: "POST",
        headers: &[("Content-Type", "application/json")],
        body: Some(b"{}"),
        ..GET
    };
    assert_eq!(
        String::from_utf8(sent(&post)).as_deref(),
        Ok("POST /a?b=c HTTP/1.1\r\nHost: node:4024\r\nContent-Type: application/json\r\n\
            Content-Length: 2\r\n\r\n{}")
    );
}

#[test]
fn what_could_be_read_as_another_request_is_not_sent() {
    let long = format!("/{}", "a".repeat(limits::HTTP_HEAD_BYTES));
    for (request, bad) in [
        (Request { method: "", ..GET }, BadRequest::Method),
        (Request { method: "GE T", ..GET }, BadRequest::Method),
        (Request { method: "CONNECT", ..GET }, BadRequest::Method),
        (Request { target: "a", ..GET }, BadRequest::Target),
        (Request { target: "/a b", ..GET }, BadRequest::Target),
        (Request { target: "/a\r\nX: y", ..GET }, BadRequest::Target),
        (Request { target: "/a#b", ..GET }, BadRequest::Target),
        (Request { host: "", ..GET }, BadRequest::Host),
        (Request { host: "a\r\nX: y", ..GET }, BadRequest::Host),
        (Request { host: "a/b", ..GET }, BadRequest::Host),
        (Request { headers: &[("a b", "c")], ..GET }, BadRequest::Field),
        (Request { headers: &[("", "c")], ..GET }, BadRequest::Field),
        (Request { headers: &[("a", "b\nc")], ..GET }, BadRequest::Field),
        (Request { headers: &[("Content-LENGTH", "1")], ..GET }, BadRequest::Field),
        (Request { headers: &[("host", "b")], ..GET }, BadRequest::Field),
        (Request { target: &long, ..GET }, BadRequest::TooLong),
    ] {
        let (answer, reusable) = receive_in(&request, b"", 1, &Bounds::default());
        assert_eq!(answer, Err(ClientError::Request(bad)), "{request:?}");
        assert!(reusable, "nothing was sent");
    }
}

#[test]
fn the_head_of_a_request_has_its_bound() {
    let fixed = sent(&Request { target: "/", ..GET }).len() - 1;
    let target = format!("/{}", "a".repeat(limits::HTTP_HEAD_BYTES - fixed - 1));
    assert_eq!(sent(&Request { target: &target, ..GET }).len(), limits::HTTP_HEAD_BYTES);
    let target = format!("{target}a");
    let request = Request { target: &target, ..GET };
    let (answer, _) = receive_in(&request, b"", 1, &Bounds::default());
    assert_eq!(answer, Err(ClientError::Request(BadRequest::TooLong)));
}

#[test]
fn a_body_ends_by_its_length_by_its_chunks_or_with_the_connection() {
    for (bytes, body, reusable) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", "abc", true),
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "", true),
        ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc", "abc", false),
        ("HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabc", "abc", false),
        ("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\na", "a", true),
        (
            "HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1;x=y\r\nc\r\n0\r\n\r\n",
            "abc",
            true,
        ),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n0\r\nX: y\r\n\r\n", "", true),
        ("HTTP/1.1 200 OK\r\n\r\nall of it", "all of it", false),
        ("HTTP/1.1 204 No Content\r\n\r\n", "", true),
        ("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", "", true),
        (
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na",
            "a",
            true,
        ),
        // Bytes that belong to no request: the connection is not used again.
        ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab", "a", false),
    ] {
        for piece in [1, 2, 7, 1000] {
            let (answer, is_reusable) =
                receive_in(&GET, bytes.as_bytes(), piece, &Bounds::default());
            let answer = answer.unwrap_or_else(|error| panic!("{bytes:?}: {error}"));
            assert_eq!(answer.body, body.as_bytes(), "{bytes:?}");
            if piece == 1000 || !reusable && !bytes.ends_with("ab") {
                assert_eq!(is_reusable, reusable, "{bytes:?}");
            }
        }
    }
}

#[test]
fn the_answer_to_head_has_no_body_whatever_it_says() {
    let head = Request { method: "HEAD", ..GET };
    let bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\nX-A: b\r\n\r\n";
    let (answer, reusable) = receive_in(&head, bytes, 1000, &Bounds::default());
    let answer = answer.expect("it has none");
    assert_eq!((answer.status, answer.body.len(), reusable), (200, 0, true));
    assert_eq!(answer.headers.get("x-a"), Some("b"));
}

#[test]
fn answers_that_two_readers_could_understand_differently_are_refused() {
    for bytes in [
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na",
        "HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\na",
        "HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\na",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\na",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length : 1\r\n\r\na",
        "HTTP/1.1 200 OK\nContent-Length: 1\n\na",
        "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\na",
        "HTTP/2 200 OK\r\nContent-Length: 1\r\n\r\na",
        "HTTP/1.1 99 No\r\nContent-Length: 1\r\n\r\na",
        "HTTP/1.1 600 No\r\nContent-Length: 1\r\n\r\na",
        "HTTP/1.1 2000 No\r\nContent-Length: 1\r\n\r\na",
        "HTTP/1.1 +20 No\r\nContent-Length: 1\r\n\r\na",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
        "HTTP/1.1 200 OK\r\nContent-Le",
        "SSH-2.0-OpenSSH_9.2p1\r\n\r\n",
    ] {
        let (answer, reusable) = receive(bytes.as_bytes());
        assert!(matches!(answer, Err(ClientError::Malformed(_))), "{bytes:?}: {answer:?}");
        assert!(!reusable, "{bytes:?}");
    }
    assert_eq!(receive(b"").0, Err(ClientError::NoAnswer));
}

#[test]
fn a_body_has_its_bound_however_it_ends() {
    let most = 10;
    let bounds = Bounds { body_bytes: most, ..Bounds::default() };
    let with = |length: usize| {
        let body = "b".repeat(length);
        [
            format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}"),
            format!(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{length:x}\r\n{body}\r\n0\r\n\r\n"
            ),
            format!("HTTP/1.1 200 OK\r\n\r\n{body}"),
        ]
    };
    for bytes in with(most) {
        let (answer, _) = receive_in(&GET, bytes.as_bytes(), 1000, &bounds);
        assert_eq!(answer.map(|answer| answer.body.len()), Ok(most), "{bytes}");
    }
    for bytes in with(most + 1) {
        let (answer, reusable) = receive_in(&GET, bytes.as_bytes(), 1000, &bounds);
        assert_eq!((answer, reusable), (Err(ClientError::BodyTooLarge), false), "{bytes}");
    }
}

#[test]
fn a_head_has_its_bounds() {
    let with = |fields: usize, padding: usize| {
        let mut head =
            format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nPad: {}\r\n", "p".repeat(padding));
        for _ in 2..fields {
            head.push_str("A: b\r\n");
        }
        head + "\r\n"
    };
    assert!(body_of(with(limits::HTTP_HEADERS, 0).as_bytes()).is_ok());
    let many = with(limits::HTTP_HEADERS + 1, 0);
    assert_eq!(body_of(many.as_bytes()), Err(ClientError::HeadTooLarge));
    let padding = limits::HTTP_HEAD_BYTES - with(2, 0).len();
    assert!(body_of(with(2, padding).as_bytes()).is_ok());
    assert_eq!(body_of(with(2, padding + 1).as_bytes()), Err(ClientError::HeadTooLarge));
}

#[test]
fn interim_answers_have_their_bound() {
    let with = |count| {
        format!(
            "{}HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 102 Processing\r\n\r\n".repeat(count)
        )
    };
    assert!(body_of(with(limits::HTTP_INTERIM_ANSWERS).as_bytes()).is_ok());
    let many = with(limits::HTTP_INTERIM_ANSWERS + 1);
    assert!(matches!(body_of(many.as_bytes()), Err(ClientError::Malformed(_))));
}

/// How long a client waits for a server that sends `bytes` and then one byte each `pause`.
fn patience(bytes: &[u8], pause: Option<Duration>) -> (ClientError, Duration) {
    let clock = Clock::default();
    run_alone(&clock, async {
        let (near, mut far) = pipe::pair(1 << 20);
        let mut client = Client::new(near, clock.clone());
        let server = async {
            far.write_all(bytes).await.expect("the client reads");
            while let Some(pause) = pause {
                clock.sleep(pause).await;
                if far.write_all(b"b").await.is_err() {
                    break;
                }
            }
            std::future::pending::<()>().await;
        };
        let bounds = Bounds::default();
        let send = std::pin::pin!(client.send(&GET, &bounds));
        let futures_util::future::Either::Left((answer, _)) =
            futures_util::future::select(send, std::pin::pin!(server)).await
        else {
            panic!("the server never ends")
        };
        (answer.expect_err("no whole answer came"), clock.now() - Instant::ZERO)
    })
}

#[test]
fn a_server_that_stalls_is_given_up() {
    let bounds = Bounds::default();
    assert_eq!(patience(b"", None), (ClientError::Late, bounds.head_timeout));
    let partial = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n";
    assert_eq!(patience(partial, None), (ClientError::Late, bounds.piece_timeout));
    // One byte now and then keeps no connection for ever.
    let endless = b"HTTP/1.1 200 OK\r\n\r\n";
    let (error, time) = patience(endless, Some(Duration::from_secs(1)));
    assert_eq!((error, time), (ClientError::Late, bounds.total_timeout));
}

#[test]
fn an_answer_counts_that_comes_before_the_request_was_read() {
    let clock = Clock::default();
    let body = vec![0; 100_000];
    let answer = run_alone(&clock, async {
        let (near, mut far) = pipe::pair(100);
        let mut client = Client::new(near, clock.clone());
        let request = Request { method: "POST", body: Some(&body), ..GET };
        let server = async {
            let head =
                b"HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno";
            far.write_all(head).await.expect("it fits");
            far.shutdown().await.expect("it is open");
            // It reads a little, then it is gone.
            let mut some = [0; 500];
            far.read(&mut some).await.expect("the client writes");
            drop(far);
        };
        let bounds = Bounds::default();
        let (answer, ()) = join(client.send(&request, &bounds), server).await;
        (answer.map(|answer| (answer.status, answer.body)), client.is_reusable())
    });
    assert_eq!(answer, (Ok((413, b"no".to_vec())), false));
}

/// Sends requests to the server engine over one connection; the bodies of the answers.
async fn talk(clock: &Clock, stream: Pipe, requests: &[Request<'_>]) -> Vec<String> {
    let mut client = Client::new(stream, clock.clone());
    let mut bodies = Vec::new();
    for request in requests {
        let answer = client.send(request, &Bounds::default()).await.expect("the server answers");
        assert_eq!(answer.status, 200);
        bodies.push(String::from_utf8_lossy(&answer.body).into_owned());
    }
    bodies
}

#[test]
fn one_connection_serves_many_requests_to_the_server_of_this_room() {
    let clock = Clock::default();
    let (near, far) = pipe::pair(64);
    let body = "x".repeat(10_000);
    let post = Request { method: "POST", target: "/p", body: Some(body.as_bytes()), ..GET };
    let requests = [GET, post, GET];
    let (limits, echo) = (Limits::default(), Echo::default());
    let (bodies, _) = run_alone(&clock, async {
        join(talk(&clock, near, &requests), serve(far, &limits, &clock, &echo)).await
    });
    let get = "GET /a Some(\"b=c\") ".to_owned();
    assert_eq!(bodies, [get.clone(), format!("POST /p None {body}"), get]);
}

#[test]
fn a_connection_that_ended_takes_no_more_requests() {
    let clock = Clock::default();
    run_alone(&clock, async {
        let (near, mut far) = pipe::pair(1 << 16);
        let mut client = Client::new(near, clock.clone());
        let server =
            far.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        let bounds = Bounds::default();
        let (first, _) = join(client.send(&GET, &bounds), server).await;
        assert_eq!(first.map(|answer| answer.status), Ok(200));
        assert_eq!(client.send(&GET, &bounds).await, Err(ClientError::Spent));
    });
}

const SAMPLES: [&[u8]; 3] = [
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 12\r\n\r\n{\"a\":[1,2]}\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n3;n=v\r\nefg\r\n0\r\nT: v\r\n\r\n",
    b"HTTP/1.0 404 Not Found\r\nServer: x\r\n\r\nnothing here",
];

proptest! {
    /// Damage gives an error or an answer within the bounds: no panic, no endless wait.
    #[test]
    fn damaged_answers_are_refused_or_bounded(
        sample in 0..SAMPLES.len(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
        piece in 1..40_usize,
    ) {
        let mut bytes = SAMPLES[sample].to_vec();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.truncate(cut.index(bytes.len()) + 1);
        let bounds = Bounds { body_bytes: 64, ..Bounds::default() };
        let (answer, _) = receive_in(&GET, &bytes, piece, &bounds);
        if let Ok(answer) = answer {
            prop_assert!(answer.body.len() <= 64);
            prop_assert!((200..=599).contains(&answer.status));
        }
    }

    #[test]
    fn any_bytes_are_an_answer_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = receive(&bytes);
    }

    /// How the bytes were cut on their way makes no difference.
    #[test]
    fn pieces_make_no_difference(sample in 0..SAMPLES.len(), piece in 1..100_usize) {
        let whole = receive(SAMPLES[sample]).0;
        prop_assert!(whole.is_ok());
        prop_assert_eq!(receive_in(&GET, SAMPLES[sample], piece, &Bounds::default()).0, whole);
    }

    /// Every body arrives as it was sent, however it was framed.
    #[test]
    fn bodies_come_back(
        chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..50), 0..8),
        piece in 1..60_usize,
    ) {
        let body = chunks.concat();
        let mut chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        for chunk in &chunks {
            chunked.extend(format!("{:X}\r\n", chunk.len()).bytes());
            chunked.extend(chunk);
            chunked.extend(b"\r\n");
        }
        chunked.extend(b"0\r\n\r\n");
        let mut counted = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
        counted.extend(&body);
        let mut open = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
        open.extend(&body);
        for bytes in [chunked, counted, open] {
            let (answer, _) = receive_in(&GET, &bytes, piece, &Bounds::default());
            prop_assert_eq!(answer.map(|answer| answer.body), Ok(body.clone()));
        }
    }
}
