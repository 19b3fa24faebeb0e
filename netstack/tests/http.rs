//! The HTTP engine's answers, limits and timeouts, over in-memory pipes.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "a test may fail by panicking, and its numbers are small"
)]

mod support;

use std::cell::Cell;

use embedded_io_async::{Read, Write};
use futures_util::stream;
use netstack::http::{
    BodyError, End, Failure, Handler, Head, InvalidHeader, Limits, RequestBody, Response,
};
use netstack::time::Duration;
use netstack::{Stream, Timer, limits};
use support::http::{Echo, Outcome, converse, read_all, send, send_pieces, status};

const GET: &[u8] = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n";

fn post(length: usize) -> Vec<u8> {
    let mut bytes =
        format!("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n").into_bytes();
    bytes.extend(vec![b'b'; length]);
    bytes
}

fn chunked(chunks: &[usize]) -> Vec<u8> {
    let mut bytes = b"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for length in chunks {
        bytes.extend(format!("{length:x}\r\n").into_bytes());
        bytes.extend(vec![b'b'; *length]);
        bytes.extend(b"\r\n");
    }
    bytes.extend(b"0\r\n\r\n");
    bytes
}

fn statuses(text: &str) -> Vec<u16> {
    text.match_indices("HTTP/1.1 ").map(|(at, _)| status(&text[at..])).collect()
}

#[test]
fn an_answer_has_exactly_these_bytes() {
    let outcome = send(&Echo::default(), b"GET /a/b?c=d HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(
        outcome.text,
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 21\r\n\r\n\
         GET /a/b Some(\"c=d\") "
    );
    assert_eq!((outcome.summary.requests, outcome.summary.end), (1, End::Closed));
}

#[test]
fn targets_are_split_into_path_and_query() {
    let cases = [
        ("/", "/ None"),
        ("/a?", "/a Some(\"\")"),
        ("/a?b?c", "/a Some(\"b?c\")"),
        ("//a", "//a None"),
        ("/%2e%2e/", "/%2e%2e/ None"),
        ("http://h/a?b", "/a Some(\"b\")"),
        ("HTTP://h:80", "/ None"),
        ("http://h?q", "/ Some(\"q\")"),
        ("http://[::1]:8080/x", "/x None"),
    ];
    for (target, expected) in cases {
        let request = format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n");
        let outcome = send(&Echo::default(), request.as_bytes());
        assert!(outcome.text.ends_with(&format!("GET {expected} ")), "{target}: {}", outcome.text);
    }
    let outcome = send(&Echo::default(), b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(outcome.text.ends_with("OPTIONS * None "));
}

#[test]
fn hosts_of_every_form_are_accepted() {
    for host in ["", "a", "a.b-c_d", "a:80", "a:", "1.2.3.4:65535", "[::1]", "[fe80::1%25en0]:443"]
    {
        let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
        assert_eq!(status(&send(&Echo::default(), request.as_bytes()).text), 200, "{host}");
    }
}

#[test]
fn connections_are_kept_or_closed_as_the_version_and_the_field_say() {
    let cases = [
        ("HTTP/1.1", "", true),
        ("HTTP/1.1", "Connection: close\r\n", false),
        ("HTTP/1.1", "Connection: Keep-Alive, CLOSE\r\n", false),
        ("HTTP/1.1", "Connection: x\r\nconnection: close\r\n", false),
        ("HTTP/1.1", "Connection: closed\r\n", true),
        ("HTTP/1.0", "", false),
        ("HTTP/1.0", "Connection: keep-alive\r\n", true),
        ("HTTP/1.0", "Connection: keep-alive, close\r\n", false),
    ];
    for (version, field, kept) in cases {
        let request = format!("GET / {version}\r\nHost: x\r\n{field}\r\n");
        let twice = [request.as_bytes(), GET].concat();
        let outcome = send(&Echo::default(), &twice);
        let expected = if kept { 2 } else { 1 };
        assert_eq!(statuses(&outcome.text).len(), expected, "{version} {field}");
        assert_eq!(outcome.summary.requests, expected as u32);
        assert_eq!(outcome.text.contains("Connection: close"), !kept, "{}", outcome.text);
        let told = version == "HTTP/1.0" && kept;
        assert_eq!(outcome.text.contains("Connection: keep-alive"), told);
    }
}

#[test]
fn a_head_answer_has_the_length_but_no_body() {
    let request = [b"HEAD /a HTTP/1.1\r\nHost: x\r\n\r\n", GET].concat();
    let text = send(&Echo::default(), &request).text;
    let (first, second) = text.split_once("\r\n\r\n").expect("two answers");
    assert!(first.contains("Content-Length: 13"), "{first}");
    assert!(second.starts_with("HTTP/1.1 200 OK\r\n"), "{second}");
}

/// Answers by path, in the ways in which a handler may.
#[derive(Default)]
struct Odd {
    clock: Cell<Option<u64>>,
}

fn pieces(pieces: &[Result<&'static str, Failure>]) -> netstack::http::BodyStream {
    let owned: Vec<_> = pieces.iter().map(|p| p.map(|text| text.as_bytes().to_vec())).collect();
    Box::pin(stream::iter(owned))
}

impl Handler for Odd {
    async fn handle(&self, head: &Head, body: &mut impl RequestBody) -> Result<Response, Failure> {
        let stream = |parts, length| Response::stream(200, "text/plain", pieces(parts), length);
        match head.path.as_str() {
            "/fails" => Err(Failure::Internal),
            "/ignores-body" => Ok(Response::text(200, "ignored")),
            "/reads-some" => {
                let mut some = [0; 3];
                body.read_exact(&mut some).await.map_err(|_| Failure::Internal)?;
                Ok(Response::text(200, "some"))
            }
            "/small-limit" => match body.read_to_end(10).await {
                Ok(bytes) => Ok(Response::text(200, format!("{}", bytes.len()))),
                Err(BodyError::TooLarge) => Err(BodyError::TooLarge.into()),
                Err(error) => Err(error.into()),
            },
            "/stream" => Ok(stream(&[Ok("one"), Ok(""), Ok("three")], None)),
            "/stream-sized" => Ok(stream(&[Ok("one"), Ok("three")], Some(8))),
            "/stream-long" => Ok(stream(&[Ok("one"), Ok("three")], Some(7))),
            "/stream-short" => Ok(stream(&[Ok("one")], Some(8))),
            "/stream-fails" => Ok(stream(&[Ok("one"), Err(Failure::Internal)], None)),
            "/nothing" => Ok(Response::with_body(204, "text/plain", "never sent")),
            "/closes" => Ok(Response::text(200, "bye").and_close()),
            "/not-allowed" => Ok(Response::method_not_allowed(&["GET", "HEAD"])),
            "/bad-status" => Ok(Response::new(99)),
            "/large" => Ok(Response::text(200, "x".repeat(100_000))),
            "/never" => std::future::pending().await,
            _ => Ok(Response::text(404, "no such thing")),
        }
    }

    fn unix_seconds(&self) -> Option<u64> {
        self.clock.get()
    }
}

fn odd(path: &str, version: &str) -> Outcome {
    let request = format!("GET {path} {version}\r\nHost: x\r\n\r\n");
    send(&Odd::default(), &[request.as_bytes(), GET].concat())
}

#[test]
fn a_failing_handler_gives_500_and_ends_the_connection() {
    let outcome = odd("/fails", "HTTP/1.1");
    assert_eq!(statuses(&outcome.text), [500]);
    assert!(outcome.text.contains("Connection: close"));
    assert_eq!(outcome.summary.end, End::Closed);
}

#[test]
fn streamed_answers_are_chunked_or_counted_or_end_with_the_connection() {
    let text = odd("/stream", "HTTP/1.1").text;
    assert!(
        text.contains("Transfer-Encoding: chunked\r\n\r\n3\r\none\r\n5\r\nthree\r\n0\r\n\r\nHTTP")
    );
    assert!(!text.contains("Content-Length: 8"));
    let text = odd("/stream-sized", "HTTP/1.1").text;
    assert!(text.contains("Content-Length: 8\r\n\r\nonethreeHTTP/1.1 404"), "{text}");
    let outcome = odd("/stream", "HTTP/1.0");
    assert!(outcome.text.ends_with("Connection: close\r\n\r\nonethree"), "{}", outcome.text);
    assert!(outcome.orderly);
    let text = send(&Odd::default(), b"HEAD /stream HTTP/1.1\r\nHost: x\r\n\r\n").text;
    assert!(text.ends_with("Transfer-Encoding: chunked\r\n\r\n"), "{text}");
}

#[test]
fn a_stream_that_does_not_keep_its_word_breaks_the_connection() {
    for (path, ending) in [
        ("/stream-long", "\r\n\r\none"),
        ("/stream-short", "\r\n\r\none"),
        ("/stream-fails", "\r\n\r\n3\r\none\r\n"),
    ] {
        let outcome = odd(path, "HTTP/1.1");
        assert!(outcome.text.ends_with(ending), "{path}: {}", outcome.text);
        assert_eq!(outcome.summary.end, End::Broken, "{path}");
        assert!(!outcome.orderly, "{path}: the client must see that the body is not whole");
    }
}

#[test]
fn answers_without_a_body_have_none() {
    let text = odd("/nothing", "HTTP/1.1").text;
    let (head, rest) = text.split_once("\r\n\r\n").expect("an answer");
    assert!(head.starts_with("HTTP/1.1 204 No Content") && !head.contains("Content-Length"));
    assert!(rest.starts_with("HTTP/1.1 404"), "{rest}");
}

#[test]
fn handlers_can_close_refuse_methods_and_are_guarded_against_bad_statuses() {
    assert_eq!(statuses(&odd("/closes", "HTTP/1.1").text), [200]);
    assert!(odd("/not-allowed", "HTTP/1.1").text.contains("\r\nAllow: GET, HEAD\r\n"));
    assert_eq!(statuses(&odd("/bad-status", "HTTP/1.1").text), [500, 404]);
}

#[test]
fn the_date_is_there_with_a_clock_only() {
    let handler = Odd::default();
    assert!(!send(&handler, GET).text.contains("Date:"));
    handler.clock.set(Some(784_111_777));
    assert!(send(&handler, GET).text.contains("\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"));
}

#[test]
fn nothing_can_be_smuggled_into_an_answer() {
    let mut response = Response::new(200);
    for value in ["a\r\nSet-Cookie: b", "a\nb", "a\rb", "a\0b", "\x1b[0m", "a\x7f"] {
        assert_eq!(response.add_header("X", value), Err(InvalidHeader), "{value:?}");
    }
    for name in
        ["", "a b", "a:", "a\r\nb", "Content-Length", "transfer-encoding", "Connection", "date"]
    {
        assert_eq!(response.add_header(name, "x"), Err(InvalidHeader), "{name:?}");
    }
    for _ in 0..limits::HTTP_RESPONSE_HEADERS {
        response.add_header("X-Fine", "ü\tok").expect("within the limit");
    }
    assert_eq!(response.add_header("X-Fine", "ok"), Err(InvalidHeader));
}

#[test]
fn unread_bodies_are_skipped_within_the_bound_and_close_beyond_it() {
    for path in ["/ignores-body", "/reads-some"] {
        for (length, kept) in [(10, true), (1000, true), (1001, true), (1004, false), (5000, false)]
        {
            let mut own = Limits { drain_bytes: 1000, ..Limits::default() };
            own.body_bytes = 10_000;
            let mut bytes = post(length);
            bytes.splice(5..7, path.bytes());
            let bytes = [&bytes, GET].concat();
            let outcome = send_pieces(&Odd::default(), &own, &[&bytes], Duration::ZERO);
            // What the handler has read does not count.
            let kept = if path == "/ignores-body" { length <= 1000 } else { kept };
            let expected: &[u16] = if kept { &[200, 404] } else { &[200] };
            assert_eq!(statuses(&outcome.text), expected, "{path} {length}");
            assert_eq!(outcome.text.contains("Connection: close"), !kept);
            assert!(outcome.orderly);
        }
    }
    let bytes = [chunked(&[500, 500]), GET.to_vec()].concat();
    assert_eq!(statuses(&send(&Odd::default(), &bytes).text), [404, 404]);
}

#[test]
fn a_body_over_the_handlers_limit_is_413() {
    for request in [post(10), chunked(&[10])] {
        let mut bytes = request;
        bytes.splice(5..7, "/small-limit".bytes());
        assert_eq!(statuses(&send(&Odd::default(), &bytes).text), [200]);
    }
    for request in [post(11), chunked(&[11]), chunked(&[5, 6])] {
        let mut bytes = request;
        bytes.splice(5..7, "/small-limit".bytes());
        let outcome = send(&Odd::default(), &bytes);
        assert_eq!(statuses(&outcome.text), [413]);
        assert_eq!(outcome.summary.end, End::Refused(413));
    }
}

#[test]
fn the_client_is_told_to_go_on_when_the_body_is_wanted() {
    let head = b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-Continue\r\n\r\n";
    let outcome = converse(&Echo::default(), &Limits::default(), 1000, async |stream, _| {
        let mut stream = stream;
        stream.write_all(head).await.expect("open");
        let mut go_on = [0; 25];
        stream.read_exact(&mut go_on).await.expect("an answer");
        assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
        stream.write_all(b"hello").await.expect("open");
        stream.shutdown().await.expect("open");
        read_all(&mut stream).await
    });
    assert_eq!(statuses(&outcome.text), [200]);
    // The body that comes without waiting needs no word.
    let whole = [&head[..], b"hello"].concat();
    assert_eq!(statuses(&send(&Echo::default(), &whole).text), [200]);
    // A final answer instead of it ends the connection: nobody knows whether the body will come.
    let unwanted = b"POST /ignores-body HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";
    let outcome = send(&Odd::default(), unwanted);
    assert_eq!(statuses(&outcome.text), [200]);
    assert!(outcome.text.contains("Connection: close"));
    // HTTP/1.0 knows no such word.
    let old = b"POST /a HTTP/1.0\r\nContent-Length: 0\r\nExpect: 100-continue\r\n\r\n";
    assert_eq!(statuses(&send(&Echo::default(), old).text), [200]);
}

#[test]
fn request_lines_end_at_their_limit() {
    let own = Limits { request_line_bytes: 40, ..Limits::default() };
    for (length, expected) in [(40, 200), (41, 414)] {
        let target = "a".repeat(length - "GET / HTTP/1.1".len());
        let request = format!("GET /{target} HTTP/1.1\r\nHost: x\r\n\r\n");
        let outcome = send_pieces(&Echo::default(), &own, &[request.as_bytes()], Duration::ZERO);
        assert_eq!(statuses(&outcome.text), [expected], "{length}");
    }
}

#[test]
fn heads_end_at_their_limit() {
    let own = Limits { head_bytes: 200, ..Limits::default() };
    for (length, expected) in [(200, 200), (201, 431)] {
        let rest = "GET / HTTP/1.1\r\nHost: x\r\nX: \r\n\r\n".len();
        let value = "v".repeat(length - rest);
        let request = format!("GET / HTTP/1.1\r\nHost: x\r\nX: {value}\r\n\r\n");
        let outcome = send_pieces(&Echo::default(), &own, &[request.as_bytes()], Duration::ZERO);
        assert_eq!(statuses(&outcome.text), [expected], "{length}");
    }
}

#[test]
fn header_fields_end_at_their_limit() {
    for (own, count, expected) in [(5, 5, 200), (5, 6, 431), (9999, 64, 200), (9999, 65, 431)] {
        let own = Limits { headers: own, ..Limits::default() };
        let fields = "X: y\r\n".repeat(count - 1);
        let request = format!("GET / HTTP/1.1\r\nHost: x\r\n{fields}\r\n");
        let outcome = send_pieces(&Echo::default(), &own, &[request.as_bytes()], Duration::ZERO);
        assert_eq!(statuses(&outcome.text), [expected], "{count}");
    }
}

#[test]
fn bodies_end_at_their_limit() {
    let own = Limits { body_bytes: 1000, ..Limits::default() };
    for (request, expected) in [
        (post(1000), 200),
        (post(1001), 413),
        (chunked(&[600, 400]), 200),
        (chunked(&[600, 401]), 413),
        (chunked(&[1001]), 413),
    ] {
        let outcome = send_pieces(&Echo::default(), &own, &[&request], Duration::ZERO);
        assert_eq!(statuses(&outcome.text), [expected]);
        assert!(outcome.orderly);
    }
}

#[test]
fn chunk_lines_and_trailers_end_at_their_limit() {
    for (length, expected) in
        [(limits::HTTP_CHUNK_LINE_BYTES, 200), (limits::HTTP_CHUNK_LINE_BYTES + 1, 400)]
    {
        let extension = "e".repeat(length - "1;\r\n".len());
        let request = format!(
            "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;{extension}\r\nb\r\n0\r\n\r\n"
        );
        assert_eq!(statuses(&send(&Echo::default(), request.as_bytes()).text), [expected]);
    }
    for (length, expected) in
        [(limits::HTTP_TRAILER_BYTES, 200), (limits::HTTP_TRAILER_BYTES + 1, 400)]
    {
        let value = "v".repeat(length - "A: b\r\nT: \r\n\r\n".len());
        let request = format!(
            "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\nT: {value}\r\n\r\n"
        );
        assert_eq!(statuses(&send(&Echo::default(), request.as_bytes()).text), [expected]);
    }
}

#[test]
fn a_connection_serves_so_many_requests_and_no_more() {
    let own = Limits { requests: 3, ..Limits::default() };
    let outcome = send_pieces(&Echo::default(), &own, &[&GET.repeat(5)], Duration::ZERO);
    assert_eq!(statuses(&outcome.text).len(), 3);
    assert_eq!(outcome.text.matches("Connection: close").count(), 1);
    assert_eq!(outcome.summary.requests, 3);
}

#[test]
fn an_idle_connection_is_closed_without_a_word() {
    let outcome = converse(&Echo::default(), &Limits::default(), 1000, async |stream, _| {
        let mut stream = stream;
        stream.write_all(GET).await.expect("open");
        read_all(&mut stream).await
    });
    assert_eq!(statuses(&outcome.text), [200]);
    assert_eq!(outcome.summary.end, End::Idle);
    let least = limits::HTTP_IDLE_TIMEOUT.total_millis() as i64;
    assert!((least..=least + 3000).contains(&outcome.millis), "{}", outcome.millis);
}

#[test]
fn a_head_that_comes_too_slowly_is_408() {
    let bytes: Vec<&[u8]> = GET.chunks(1).collect();
    let quick =
        send_pieces(&Echo::default(), &Limits::default(), &bytes, Duration::from_millis(300));
    assert_eq!(statuses(&quick.text), [200]);
    let slow =
        send_pieces(&Echo::default(), &Limits::default(), &bytes, Duration::from_millis(500));
    assert_eq!(statuses(&slow.text), [408]);
    assert_eq!(slow.summary.end, End::Refused(408));
}

#[test]
fn a_body_that_comes_too_slowly_is_408() {
    let own = Limits { body_total_timeout: Duration::from_secs(60), ..Limits::default() };
    for request in [post(20), chunked(&[10, 10])] {
        let (head, body) = request.split_at(request.len() - 26);
        let mut pieces: Vec<&[u8]> = vec![head];
        pieces.extend(body.chunks(2));
        let send = |seconds| {
            let pause = Duration::from_secs(seconds);
            statuses(&send_pieces(&Echo::default(), &own, &pieces, pause).text)
        };
        assert_eq!(send(2), [200]);
        // One pause beyond the limit of a pause.
        assert_eq!(send(11), [408]);
        // Every pause within its limit, but not their sum.
        assert_eq!(send(9), [408]);
    }
}

#[test]
fn a_client_that_does_not_read_its_answer_is_cut_off() {
    let outcome = converse(&Odd::default(), &Limits::default(), 1000, async |stream, clock| {
        let mut stream = stream;
        stream.write_all(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("open");
        clock.sleep(Duration::from_secs(60)).await;
        read_all(&mut stream).await
    });
    assert_eq!(outcome.summary.end, End::Broken);
    assert!(!outcome.orderly);
}

#[test]
fn a_client_that_reads_its_answer_drop_by_drop_is_cut_off_in_the_end() {
    let read_slowly = |bytes: usize| {
        converse(&Odd::default(), &Limits::default(), 1000, async move |stream, clock| {
            let mut stream = stream;
            stream.write_all(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("open");
            stream.shutdown().await.expect("open");
            let (mut all, mut buf) = (Vec::new(), vec![0; bytes]);
            loop {
                match stream.read(&mut buf).await {
                    Ok(0) => return (all, true),
                    Ok(read) => all.extend_from_slice(&buf[..read]),
                    Err(_) => return (all, false),
                }
                clock.sleep(Duration::from_secs(1)).await;
            }
        })
    };
    // 100 000 bytes in a little less, or more, than the 180 seconds that there are.
    assert!(read_slowly(600).orderly);
    let slow = read_slowly(500);
    assert_eq!(slow.summary.end, End::Broken);
    let least = limits::HTTP_WRITE_TOTAL_TIMEOUT.total_millis() as i64;
    assert!((least..=least + 5000).contains(&slow.millis), "{}", slow.millis);
}

#[test]
fn a_client_that_goes_on_sending_after_the_end_is_cut_off() {
    let outcome = converse(&Echo::default(), &Limits::default(), 1000, async |stream, clock| {
        let mut stream = stream;
        stream.write_all(b"nonsense\r\n\r\n").await.expect("open");
        let mut sent = 0;
        while stream.write_all(&[0; 100]).await.is_ok() {
            sent += 1;
            clock.sleep(Duration::from_millis(100)).await;
        }
        assert!(sent < 30, "the server gives up after its linger time");
        (Vec::new(), clock.now().total_millis() < 5_000)
    });
    assert!(outcome.orderly);
    assert_eq!(outcome.summary.end, End::Refused(400));
}

#[test]
fn a_client_that_vanishes_ends_the_connection() {
    for cut in [5, GET.len(), GET.len() + 3] {
        let twice = [GET, GET].concat();
        let outcome = converse(&Echo::default(), &Limits::default(), 1000, async |stream, _| {
            let mut stream = stream;
            stream.write_all(&twice[..cut]).await.expect("open");
            drop(stream);
            (Vec::new(), true)
        });
        assert_eq!(outcome.summary.end, End::Broken, "{cut}");
        assert!(outcome.millis < 1_000);
    }
}
