//! Requests to the HTTP engine over in-memory pipes, and what comes back.

use std::cell::RefCell;

use embedded_io_async::{Read, Write};
use netstack::http::{Failure, Handler, Head, Limits, RequestBody, Response, Summary, serve};
use netstack::pipe::Pipe;
use netstack::time::Duration;
use netstack::{Stream, Timer, pipe};

use super::{Clock, run_alone};

/// The escaped bytes of the data files.
pub fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        rest = &rest[character.len_utf8()..];
        if character != '\\' {
            bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        let kind = rest.chars().next().expect("something is escaped");
        rest = &rest[kind.len_utf8()..];
        match kind {
            'r' => bytes.push(b'\r'),
            'n' => bytes.push(b'\n'),
            't' => bytes.push(b'\t'),
            '\\' | '"' => bytes.push(kind as u8),
            'x' => {
                bytes.push(u8::from_str_radix(&rest[..2], 16).expect("two hexadecimal digits"));
                rest = &rest[2..];
            }
            '{' => {
                let (repeated, after) = rest.split_once('}').expect("the end of a repetition");
                let (count, text) = repeated.split_once(':').expect("count and text");
                bytes.extend(unescape(text).repeat(count.parse().expect("a count")));
                rest = after;
            }
            other => panic!("no such escape: {other}"),
        }
    }
    bytes
}

/// A request that must be refused.
pub struct BadRequest {
    pub name: String,
    pub status: u16,
    pub bytes: Vec<u8>,
}

/// The requests of `tests/data/bad-requests.txt`.
pub fn bad_requests() -> Vec<BadRequest> {
    let lines = include_str!("../data/bad-requests.txt").lines();
    let requests = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    requests
        .map(|line| {
            let mut parts = line.splitn(3, ' ');
            let mut part = || parts.next().expect("three parts");
            BadRequest {
                name: part().to_string(),
                status: part().parse().expect("a status"),
                bytes: unescape(part()),
            }
        })
        .collect()
}

/// Answers with method, path, query and body, and notes the status of every answer.
#[derive(Default)]
pub struct Echo {
    pub answered: RefCell<Vec<u16>>,
}

impl Handler for Echo {
    async fn handle(&self, head: &Head, body: &mut impl RequestBody) -> Result<Response, Failure> {
        let bytes = body.read_to_end(200_000).await?;
        let mut text = format!("{} {} {:?} ", head.method, head.path, head.query);
        text.push_str(&String::from_utf8_lossy(&bytes));
        Ok(Response::text(200, text))
    }

    fn answered(&self, status: u16) {
        self.answered.borrow_mut().push(status);
    }
}

/// Reads until the end; the bytes, and whether the end was one in order.
pub async fn read_all(stream: &mut Pipe) -> (Vec<u8>, bool) {
    let mut all = Vec::new();
    let mut buf = [0; 4096];
    loop {
        match stream.read(&mut buf).await {
            Ok(0) => return (all, true),
            Ok(read) => all.extend_from_slice(&buf[..read]),
            Err(_) => return (all, false),
        }
    }
}

/// What came of a connection.
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome {
    pub text: String,
    pub orderly: bool,
    pub summary: Summary,
    pub millis: i64,
}

/// Runs a server and a client on a pipe of `capacity` bytes each way.
pub fn converse<H: Handler, F: Future<Output = (Vec<u8>, bool)>>(
    handler: &H,
    limits: &Limits,
    capacity: usize,
    client: impl FnOnce(Pipe, Clock) -> F,
) -> Outcome {
    let clock = Clock::default();
    let (ours, theirs) = pipe::pair(capacity);
    let ((bytes, orderly), summary) = run_alone(&clock, async {
        futures_util::join!(client(ours, clock.clone()), serve(theirs, limits, &clock, handler))
    });
    let text = bytes.into_iter().map(char::from).collect();
    Outcome { text, orderly, summary, millis: clock.now().total_millis() }
}

/// Sends pieces with a pause after each, half-closes, and reads to the end.
pub fn send_pieces<H: Handler>(
    handler: &H,
    limits: &Limits,
    pieces: &[&[u8]],
    pause: Duration,
) -> Outcome {
    converse(handler, limits, 1 << 20, async |stream, clock| {
        let mut stream = stream;
        for piece in pieces {
            // A server that has refused the request may be gone already.
            let _ = stream.write_all(piece).await;
            if pause > Duration::ZERO {
                clock.sleep(pause).await;
            }
        }
        let _ = stream.shutdown().await;
        read_all(&mut stream).await
    })
}

/// Sends a request whole.
pub fn send<H: Handler>(handler: &H, request: &[u8]) -> Outcome {
    send_pieces(handler, &Limits::default(), &[request], Duration::ZERO)
}

/// The status of the first answer.
pub fn status(text: &str) -> u16 {
    let code = text.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3));
    code.and_then(|code| code.parse().ok()).unwrap_or_else(|| panic!("no status in {text:?}"))
}
