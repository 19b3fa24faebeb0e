//! The HTTP engine over in-memory pipes.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a test may fail by panicking, and its numbers are small"
)]

mod support;

use embedded_io_async::{Read, Write};
use netstack::http::{Failure, Handler, Head, Limits, RequestBody, Response, serve};
use netstack::{Stream, pipe};
use support::{Clock, run_alone};

/// Answers with method, path, query and body.
struct Echo;

impl Handler for Echo {
    async fn handle(&self, head: &Head, body: &mut impl RequestBody) -> Result<Response, Failure> {
        let bytes = body.read_to_end(100_000).await?;
        let mut text = format!("{} {} {:?} ", head.method, head.path, head.query);
        text.push_str(&String::from_utf8_lossy(&bytes));
        Ok(Response::text(200, text))
    }
}

/// Everything the server answers to `request`, sent whole and then half-closed.
fn exchange(request: &[u8]) -> String {
    let clock = Clock::default();
    let (mut client, server) = pipe::pair(1 << 20);
    let limits = Limits::default();
    let bytes = run_alone(&clock, async {
        let talk = async {
            client.write_all(request).await.expect("written");
            client.shutdown().await.expect("shut down");
            let mut all = Vec::new();
            let mut buf = [0; 4096];
            loop {
                match client.read(&mut buf).await.expect("no reset") {
                    0 => return all,
                    read => all.extend_from_slice(&buf[..read]),
                }
            }
        };
        futures_util::join!(talk, serve(server, &limits, &clock, &Echo)).0
    });
    String::from_utf8(bytes).expect("text")
}

#[test]
fn a_request_is_answered() {
    assert_eq!(
        exchange(b"GET /a/b?c=d HTTP/1.1\r\nHost: x\r\n\r\n"),
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 21\r\n\r\nGET /a/b Some(\"c=d\") "
    );
}
