//! The HTTP client against a server that answers with any bytes, in any pieces: it ends within its bounds.

use std::future::pending;
use std::pin::pin;

use embedded_io_async::Write;
use futures_util::future::{Either, select};
use netstack::http::client::{Bounds, Client, Request};
use netstack::time::Duration;
use netstack::{Stream, Timer, pipe};

use super::Reader;
use super::support::{Clock, run_alone};

const BODY_BYTES: usize = 1000;

/// The first byte says method and whether the server ends, the second is the size of the pieces (0: one).
pub fn run(bytes: &[u8]) {
    let mut input = Reader::new(bytes);
    let (kind, size) = (input.byte(), usize::from(input.byte()));
    let answer = input.rest();
    let size = if size == 0 { answer.len().max(1) } else { size };
    let clock = Clock::default();
    let bounds = Bounds { body_bytes: BODY_BYTES, ..Bounds::default() };
    run_alone(&clock, async {
        let (near, mut far) = pipe::pair(1 << 16);
        let mut client = Client::new(near, clock.clone());
        let server = async {
            for piece in answer.chunks(size) {
                // A client that has seen enough is gone.
                if far.write_all(piece).await.is_err() {
                    break;
                }
            }
            if kind & 1 == 0 {
                let _ = far.shutdown().await;
            }
            pending::<()>().await;
        };
        let mut server = pin!(server);
        let method = if kind & 2 == 0 { "GET" } else { "HEAD" };
        let request = Request { method, ..Request::get("/", "node") };
        // As many as there are answers.
        for _ in 0..4 {
            let Either::Left((answer, _)) =
                select(pin!(client.send(&request, &bounds)), server.as_mut()).await
            else {
                panic!("the server never ends")
            };
            let Ok(answer) = answer else {
                assert!(!client.is_reusable(), "a connection that failed is used again");
                break;
            };
            assert!((200..=599).contains(&answer.status), "status {}", answer.status);
            assert!(answer.body.len() <= BODY_BYTES, "a body beyond the bound");
            assert!(method == "GET" || answer.body.is_empty(), "a body for HEAD");
            if !client.is_reusable() {
                break;
            }
        }
    });
    let most = bounds.total_timeout.total_millis().saturating_mul(4);
    let time = (clock.now() - netstack::time::Instant::ZERO).total_millis();
    assert!(time <= most, "{time} ms, and {:?} for each", Duration::from_millis(most));
}
