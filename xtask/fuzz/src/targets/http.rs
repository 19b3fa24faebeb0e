//! The HTTP engine over an in-memory pipe: any bytes, in any pieces, at any pace, and it ends.

use std::cell::RefCell;

use netstack::http::{Failure, Handler, Head, Limits, RequestBody, Response};
use netstack::time::Duration;

use super::Reader;
use super::support::http::{Outcome, converse, read_all, send_pieces};

/// Time between two pieces, by the second byte of an input.
const PAUSE_STEP: Duration = Duration::from_millis(250);
/// Pieces of an input at most.
const MAX_PIECES: usize = 64;
/// Requests on one connection.
const MAX_REQUESTS: u32 = 20;
/// By when a connection must be over, whatever is sent: the time for idling, head, body and answer, for
/// each request.
const PATIENCE_MILLIS: i64 = 21 * (30 + 10 + 120 + 180) * 1000;
/// What every answer begins with.
const VERSION: &str = "HTTP/1.1 ";

/// Reads all of a body, some of it, or none, by the path.
#[derive(Default)]
struct Server {
    answered: RefCell<Vec<u16>>,
}

impl Handler for Server {
    async fn handle(&self, head: &Head, body: &mut impl RequestBody) -> Result<Response, Failure> {
        let bytes = match head.path.as_str() {
            "/ignore" => Vec::new(),
            "/fail" => return Err(Failure::Internal),
            "/little" => body.read_to_end(4).await?,
            _ => body.read_to_end(100_000).await?,
        };
        Ok(Response::text(200, format!("{} {:?} {bytes:?}", head.path, head.query)))
    }

    fn answered(&self, status: u16) {
        self.answered.borrow_mut().push(status);
    }
}

/// The first byte is the size of the pieces (0: one piece), the second the pause between them, the third
/// the room of the pipe (0: ample).
pub fn run(bytes: &[u8]) {
    let mut input = Reader::new(bytes);
    let (size, pause, room) = (input.byte(), input.byte(), input.byte());
    let request = input.rest();
    let size = if size == 0 { request.len() } else { usize::from(size) };
    let size = size.max(request.len().div_ceil(MAX_PIECES)).max(1);
    let pieces: Vec<&[u8]> = request.chunks(size).collect();
    let limits = Limits { requests: MAX_REQUESTS, ..Limits::default() };

    let server = Server::default();
    let whole = send_pieces(&server, &limits, &[request], Duration::ZERO);
    is_sound(&whole, &server);
    let server = Server::default();
    let pause = PAUSE_STEP * u32::from(pause % 64) + Duration::from_millis(1);
    let paced = send_pieces(&server, &limits, &pieces, pause);
    is_sound(&paced, &server);
    if pause < PAUSE_STEP {
        // Who has sent the body already is not told to go on.
        let answers = |outcome: &Outcome| outcome.text.replace("HTTP/1.1 100 Continue\r\n\r\n", "");
        assert_eq!(answers(&paced), answers(&whole), "the pieces of a request must not matter");
    }
    if room > 0 {
        let server = Server::default();
        let narrow = converse(&server, &limits, usize::from(room), async |mut stream, _| {
            use embedded_io_async::Write;
            let _ = stream.write_all(request).await;
            let _ = netstack::Stream::shutdown(&mut stream).await;
            read_all(&mut stream).await
        });
        is_sound(&narrow, &server);
    }
}

fn is_sound(outcome: &Outcome, server: &Server) {
    assert!(outcome.millis <= PATIENCE_MILLIS, "{} ms", outcome.millis);
    let answered = server.answered.borrow();
    // Who does not read gets the beginning of an answer.
    let start = outcome.text.get(..VERSION.len()).unwrap_or(&outcome.text);
    assert!(VERSION.starts_with(start), "{}", outcome.text);
    assert!(answered.len() <= usize::try_from(outcome.summary.requests).unwrap_or(0) + 1);
    assert!(answered.iter().all(|status| (200..600).contains(status)));
}
